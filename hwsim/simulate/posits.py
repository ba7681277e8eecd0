"""Posits: the scalars that their kernels take, and whole arrays rounded, encoded and decoded."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.lanes import CODED, NARROW, SCALED
from hwsim_kernels.posits import Posit, convert_kernel, decode_posits, round_drawn

from hwsim.formats import FloatFormat, Format, PositFormat, stochastic_of
from hwsim.formats.stochastic import VARIANTS
from hwsim.reference.containers import to_values
from hwsim.reference.rounding import round_value
from hwsim.reference.values import Value, from_int, to_float
from hwsim.simulate.inputs import carrier_exact

Array = npt.NDArray[Any]
# near, span, of_odd, of_sign, of_one: see `Posit`.
RULES = {
    "rne": (-1, 1, 1, 0, 0),
    "rna": (-1, 1, 0, 0, 1),
    "rtz": (0, -1, 0, 0, 0),
    "rup": (0, -1, 0, 1, 1),
    "rdn": (0, -1, 0, 1, 0),
    "rto": (0, -1, 1, 0, 1),
}


def is_narrow(fmt: PositFormat) -> bool:
    """Whether float32's normal numbers are enough, with a bias that is whole regimes."""
    return fmt.precision <= 24 and fmt.emax <= 126 and fmt.exponent_bits <= 6


@cache
def posit_numbers(fmt: PositFormat, rounding: str, width: int) -> Posit:
    """The fields of `Posit` in floats of 32 or 64 bits; of draws, the place alone counts."""
    fraction, bias = (23, 127) if width == 32 else (52, 1023)
    regime = fraction + fmt.exponent_bits
    rule = RULES["rtz" if stochastic_of(rounding) else rounding]
    return Posit(
        (bias - fmt.emax) << fraction,
        (bias + fmt.emax) << fraction,
        1 << fraction,
        regime,
        (bias + 1) >> fmt.exponent_bits,
        regime + 3 - fmt.width,
        *rule,
        fmt.width - 3,
        1 << (fmt.width - 1),
        1 << fmt.width,
    )


@cache
def posit_array(fmt: PositFormat, rounding: str, width: int) -> Array:
    """The same as an array of integers."""
    numbers = np.array(posit_numbers(fmt, rounding, width), f"i{width // 8}")
    numbers.flags.writeable = False
    return numbers


@cache
def posit_scalars(fmt: PositFormat, rounding: str) -> Posit:
    """The same for scalar kernels of float64."""
    return Posit(*map(np.int64, posit_numbers(fmt, rounding, 64)))  # type: ignore[arg-type]


def convert_posits(
    x: Array, out: Array, fmt: PositFormat, rounding: str, coded: bool, scale: float = 1.0
) -> int:
    """out ← R(x / scale), values or codes; how many became NaR.

    x, out : flat, contiguous, of one size; x float32 or float64, ``rounding`` no draw.
    """
    narrow = x.itemsize == 4 and scale == 1.0 and is_narrow(fmt)
    flags = CODED * coded + SCALED * (scale != 1.0) + NARROW * narrow
    numbers = posit_array(fmt, rounding, 32 if narrow else 64)
    view = x.view()
    view.flags.writeable = False  # one type to Numba, whoever owns it
    divisor = np.float32(scale) if narrow else np.float64(scale)
    return int(convert_kernel(flags)(view, out, numbers, divisor))


def round_posits(x: Array, fmt: PositFormat, rounding: str, draws: Array | None) -> Array:
    """x rounded, as float64; any real array.  draws : random bits of every element."""
    if x.dtype.itemsize >= 8 and x.dtype != np.float64 and not _is_enough(x, fmt, rounding):
        return _exactly(x, fmt, rounding, draws)
    flat = np.ascontiguousarray(carrier_exact(x)).reshape(-1)
    out = np.empty(flat.shape)
    if draws is None:
        convert_posits(flat, out, fmt, rounding, False)
    else:
        how = stochastic_of(rounding)
        assert how is not None
        rule = np.int64(VARIANTS.index(how.variant)), np.int64(how.bits)
        random = np.ascontiguousarray(draws).reshape(-1)
        round_drawn(flat, random, out, posit_scalars(fmt, rounding), *rule)
    return out.reshape(x.shape)


def to_output(
    x: Array, source: Format, fmt: PositFormat, how: tuple[str, Array], draws: Array | None
) -> tuple[Array, int]:
    """Values of ``source`` (codes, where arrays hold those) rounded to ``fmt``, and how many are
    beyond it; how : rounding, and what gets 1 there."""
    rounding, flags = how
    if source.carried_as_codes:
        wide = [from_int(int(code), source.quantum_exponent) for code in x.reshape(-1).tolist()]
        values, odd = _one_by_one(wide, fmt, rounding, draws), _as_odd(wide)
        return values.reshape(x.shape), beyond(odd.reshape(x.shape), fmt, flags)
    return round_posits(x, fmt, rounding, draws), beyond(carrier_exact(x), fmt, flags)


def beyond(x: Array, fmt: PositFormat, flags: Array) -> int:
    """How many finite numbers, float64, are larger than maxpos; ``flags``, of x's shape or empty,
    gets 1 there."""
    far = np.isfinite(x) & (np.abs(x) > float(fmt.largest))
    if flags.size:
        flags[far] = 1
    return int(np.count_nonzero(far))


def _is_enough(x: Array, fmt: PositFormat, rounding: str) -> bool:
    """Whether float64, rounded to odd, says all that counts of wide integers and longdoubles: two
    bits under the last place, or, where nothing was rounded, anything."""
    if fmt.precision <= 51 and not stochastic_of(rounding):
        return True
    with np.errstate(all="ignore"):
        return x.dtype.kind in "iu" and bool((np.abs(x.astype(np.float64)) < 2.0**53).all())


def _exactly(x: Array, fmt: PositFormat, rounding: str, draws: Array | None) -> Array:
    """By the reference, slowly."""
    return _one_by_one(to_values(x, "x"), fmt, rounding, draws).reshape(x.shape)


def _one_by_one(x: list[Value], fmt: PositFormat, rounding: str, draws: Array | None) -> Array:
    random = [0] * len(x) if draws is None else draws.reshape(-1).tolist()
    pairs = zip(x, random, strict=True)
    numbers = [to_float(round_value(v, fmt, rounding, "saturate", r).value) for v, r in pairs]
    return np.array(numbers, np.float64)


def _as_odd(x: list[Value]) -> Array:
    """Rounded to odd: on x's side of every number of few bits."""
    odd = (round_value(v, FloatFormat(11, 53), "rto", "inf").value for v in x)
    return np.array([to_float(v) for v in odd])


def decode_into(codes: Array, out: Array, fmt: PositFormat) -> None:
    """out ← the values of codes: flat, contiguous, unsigned; out float64, or float32 where that is
    the format's dtype."""
    if out.itemsize == 4 and not is_narrow(fmt):
        wide = np.empty(out.shape)
        decode_into(codes, wide, fmt)
        out[...] = wide
        return
    view = codes.view()
    view.flags.writeable = False
    decode_posits(view, out, posit_array(fmt, "rne", 8 * out.itemsize))


def decode_all(codes: Array, fmt: PositFormat) -> Array:
    """Values, float64, of flat codes."""
    out = np.empty(codes.shape)
    decode_into(np.ascontiguousarray(codes, np.uint64), out, fmt)
    return out
