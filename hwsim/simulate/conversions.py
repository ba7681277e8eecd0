"""round, encode and decode for whole arrays."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.codes import decode as decode_kernel
from hwsim_kernels.codes import encode as encode_kernel
from hwsim_kernels.drawn import round_drawn
from hwsim_kernels.elementwise import look_up
from hwsim_kernels.float64 import limit_array, round_array
from hwsim_kernels.powers import round_powers

from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import (
    BlockFormat,
    FixedFormat,
    FloatFormat,
    Format,
    GridFormat,
    PositFormat,
    SumFormat,
    TableFormat,
    any_format,
    as_format,
    check_overflow,
    check_rounding,
    plain_overflow,
)
from hwsim.memory import check_memory
from hwsim.simulate import wide
from hwsim.simulate.elementwise import convert, has_codes, has_table, is_direct, read_only, target
from hwsim.simulate.environment import in_ieee_arithmetic
from hwsim.simulate.grids import (
    code_fields,
    cut64,
    fits_float64_grid,
    grid64,
    powers,
    rounding_mode,
    within_float32,
)
from hwsim.simulate.inputs import as_codes, as_whole, carrier_exact, check_out, result_array
from hwsim.simulate.posits import convert_posits, decode_all, decode_into, round_posits
from hwsim.simulate.streams import PIECE, Elements
from hwsim.simulate.tables import decode_codes, round_numbers, table_codes

Array = npt.NDArray[Any]
NO_FLAGS = np.empty(0, np.uint8)
NAN_CHOICES = ("error", "zero", "max")


@cache
def value_dtype(fmt: Format) -> np.dtype[Any]:
    """Dtype that holds every value of ``fmt``: float32 or float64; int64 or uint64."""
    if isinstance(fmt, FixedFormat):
        if fmt.fraction_bits == 0 or fmt.width > 53:
            return np.dtype(np.int64 if fmt.signed else np.uint64)
        return np.dtype(np.float64)
    if isinstance(fmt, TableFormat):
        return np.dtype(np.float32 if within_float32(fmt) else np.float64)
    narrow = fmt.precision <= 24 and fmt.emax <= 127 and fmt.quantum_exponent >= -149
    return np.dtype(np.float32 if narrow else np.float64)


@cache
def code_dtype(fmt: Format) -> np.dtype[Any]:
    """Smallest unsigned dtype that holds a code."""
    return np.dtype(next(f"u{n}" for n in (1, 2, 4, 8) if 8 * n >= fmt.width))


@in_ieee_arithmetic
def round(
    x: npt.ArrayLike,
    fmt: str | Format | BlockFormat,
    rounding: str = "rne",
    overflow: str | None = None,
    *,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    nan: str = "error",
    seed: int = 0,
    axis: int | None = None,
) -> Array:
    """The values of ``fmt`` that ``x`` rounds to.

    Parameters
    ----------
    x : real array of any shape, dtype (ml_dtypes too), stride or byte order.
    fmt : format or its name.
    rounding : rne, rna, rtz, rup, rdn, rto or sr (`hwsim.formats.Stochastic`).
    overflow : inf, inf_always, saturate, saturate_all, sat_none, nan or wrap; by default the
        format's.
    out : array of x's shape that receives the result.
    dtype : of the result; by default float32 where every value of fmt fits, else float64, and
        int64 or uint64 for integers.  One that would lose a value is an error.
    nan : what becomes of NaN in a format without one: ``error``, ``zero`` or ``max``.
    seed : of sr's random bits, 0 … 2^64 − 1; element i, in C order, takes draw i.
    axis : of a block format, the axis that its blocks lie along, by default the last one.  Elements
        saturate, NaN and Inf make their block NaN, and results are float64.

    Raises TypeError (complex, object, masked arrays), ValueError (NaN without a code; Inf under
    ``wrap``; a lossy dtype), SpecError (an overflow rule that the format cannot obey).
    Source: IEEE 754-2019 §4.3, §7.4; OCP OFP8 1.0 §5.2.

    >>> round([464.0, 465.0, -0.0009], "e4m3")
    array([448., 448.,  -0.], dtype=float32)
    >>> round(2.5, "int8", "rna")
    array(3)
    >>> round([0.9, 3.1, -6.2], "mxfp4")
    array([ 1.,  3., -6.])
    """
    fmt = any_format(fmt)
    if isinstance(fmt, BlockFormat):
        values = _blocks(x, fmt, rounding, (overflow, nan), axis, True)
        return result_array(values, fmt, values.dtype, out, dtype)
    _no_axis(axis, fmt)
    rule = _checked(fmt, rounding, overflow, nan)
    draws = Elements.of(rounding, seed)
    check_out(out)
    array, default = as_whole("x", x), value_dtype(fmt)
    if draws:
        values = _drawn(array, fmt, rounding, rule, nan, draws)
    elif default.kind == "f" and is_direct(array, fmt, rule):
        values = _in_one_pass(array, fmt, rounding, rule, nan, target(array, out, default))
    else:
        values = rounded(array, fmt, rounding, rule, nan)
    if values is out and dtype is None:
        return values
    return result_array(values, fmt, default, out, dtype)


@in_ieee_arithmetic
def encode(
    x: npt.ArrayLike,
    fmt: str | Format | BlockFormat,
    rounding: str = "rne",
    overflow: str | None = None,
    *,
    out: Array | None = None,
    nan: str = "error",
    seed: int = 0,
    axis: int | None = None,
) -> Any:
    """The codes of ``fmt`` that ``x`` rounds to, in the smallest unsigned dtype that holds them.

    Integers and fixed point are two's complement bits.  Parameters and errors as in `round`.
    A block format gives `Blocks`, codes of elements and of scales.

    >>> encode([1.0, -448.0, float("nan")], "e4m3")
    array([ 56, 254, 127], dtype=uint8)
    >>> encode([-1], "int4")
    array([15], dtype=uint8)
    """
    fmt = any_format(fmt)
    if isinstance(fmt, BlockFormat):
        if out is not None:
            raise ValueError(f"out: codes of {fmt} are two arrays; it must be None")
        return _blocks(x, fmt, rounding, (overflow, nan), axis)
    _no_axis(axis, fmt)
    rule = _checked(fmt, rounding, overflow, nan)
    draws = Elements.of(rounding, seed)
    check_out(out)
    array, default = as_whole("x", x), code_dtype(fmt)
    if draws:
        codes = codes_on_grid(_drawn(array, fmt, rounding, rule, nan, draws), fmt, rule)
    elif has_codes(fmt) and is_direct(array, fmt, rule):
        into = target(array, out, default)
        codes = _in_one_pass(array, fmt, rounding, rule, nan, into, coded=True)
    else:
        codes = codes_of(rounded(array, fmt, rounding, rule, nan), fmt)
    return codes if codes is out else result_array(codes, fmt, default, out, None)


def _no_axis(axis: int | None, fmt: Format) -> None:
    if axis is not None:
        raise ValueError(f"axis={axis!r}: {fmt} is no block format; it must be None")


def _blocks(
    x: npt.ArrayLike,
    fmt: BlockFormat,
    rounding: str,
    rules: tuple[str | None, str],
    axis: int | None,
    values: bool = False,
) -> Any:
    """``x`` as `Blocks`, or their values; rules : overflow, nan."""
    from hwsim.simulate.microscaling import round_to, to_format  # which take codes from here

    if rules[0] not in (None, "saturate"):
        raise SpecError(f"overflow={rules[0]!r}: elements of {fmt} saturate")
    if rules[1] not in NAN_CHOICES:
        raise ValueError(f"nan={rules[1]!r}: allowed are {', '.join(NAN_CHOICES)}")
    axis = -1 if axis is None else axis
    return round_to(x, fmt, axis, rounding) if values else to_format(x, fmt, axis, rounding)


@in_ieee_arithmetic
def decode(
    codes: npt.ArrayLike,
    fmt: str | Format,
    *,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Array:
    """The values of codes.

    ``codes``: integer array, 0 ≤ code < 2^width; ValueError otherwise.  Result as in `round`.

    >>> decode([0x7E, 0xFF, 0x80], "e4m3")
    array([448.,  nan,  -0.], dtype=float32)
    """
    fmt = as_format(fmt)
    check_out(out)
    array = as_codes("codes", codes)
    check_memory("codes", array.shape)
    every = array.dtype.kind == "u" and 8 * array.dtype.itemsize <= fmt.width
    if not every and array.size and (int(array.min()) < 0 or int(array.max()) >> fmt.width):
        raise ValueError(f"codes: {fmt} has codes 0 … {2**fmt.width - 1}; got some outside")
    default = value_dtype(fmt)
    if isinstance(fmt, TableFormat):
        values = target(array, out, default)
        decode_codes(np.ascontiguousarray(array).reshape(-1), values.reshape(-1), fmt)
    elif isinstance(fmt, PositFormat) and array.dtype.kind == "u":
        values = target(array, out, default)
        decode_into(np.ascontiguousarray(array).reshape(-1), values.reshape(-1), fmt)
    elif has_table(fmt):
        values = target(array, out, default)
        look_up(np.ascontiguousarray(array).reshape(-1), _table(fmt), values.reshape(-1))
    else:
        values = _decoded(array.astype(np.uint64), fmt)
    if values is out and dtype is None:
        return values
    return result_array(values, fmt, default, out, dtype)


@cache
def _table(fmt: SumFormat) -> Array:
    """The values of all codes."""
    return _decoded(np.arange(1 << fmt.width, dtype=np.uint64), fmt).astype(value_dtype(fmt))


def _in_one_pass(
    x: Array, fmt: Format, rounding: str, rule: str, nan: str, out: Array, coded: bool = False
) -> Array:
    """Values or codes by a kernel that reads x once; NaN without a code as ``nan`` says."""
    lost = convert(np.ascontiguousarray(x), out, fmt, rounding, rule, coded=coded)
    if lost and not fmt.has_nan:
        values = rounded(x, fmt, rounding, rule, nan)
        return codes_of(values, fmt) if coded else values
    return out


def codes_on_grid(values: Array, fmt: Format, rule: str) -> Array:
    """The codes of values of ``fmt``, by the fast way where there is one: nothing rounds."""
    if not has_codes(fmt) or not is_direct(values, fmt, rule):
        return codes_of(values, fmt)
    out = np.empty(values.shape, code_dtype(fmt))
    return _in_one_pass(values, fmt, "rne", rule, "error", out, coded=True)


def _drawn(x: Array, fmt: Format, rounding: str, rule: str, nan: str, draws: Elements) -> Array:
    """`rounded`, piece by piece, so that the random bits stay in cache."""
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        return reference.round(x, fmt, rounding, rule, nan, draws.seed)
    flat = np.ascontiguousarray(x).reshape(-1)
    direct = is_direct(x, fmt, rule) and not fits_float64_grid(fmt, rounding)
    if not direct or (np.isnan(flat).any() and not fmt.has_nan):
        return rounded(x, fmt, rounding, rule, nan, draws.draw(0, x.size).reshape(x.shape))
    out = np.empty(flat.shape, value_dtype(fmt))
    scalars = cut64(fmt, rounding), grid64(fmt, "rne", rule)
    for first in range(0, flat.size, PIECE):
        here = slice(first, first + PIECE)
        part = read_only(flat[here])
        round_drawn(part, draws.draw(first, part.size), out[here], NO_FLAGS, *scalars)
    return out.reshape(x.shape)


def rounded(
    x: Array,
    fmt: Format,
    rounding: str,
    overflow: str,
    nan: str = "error",
    draws: Array | None = None,
) -> Array:
    """`round` on checked arguments; the result is float64, or int64/uint64 for wide integers.
    ``draws``: the random bits of every element, where the rounding takes any."""
    lost = np.isnan(x) if x.dtype.kind == "f" else np.zeros((), bool)
    if not lost.any():
        return _rounded_numbers(x, fmt, rounding, overflow, draws)
    if not fmt.has_nan and nan == "error":
        raise ValueError(f"x holds NaN, which {fmt} cannot hold; pass nan='zero' or nan='max'")
    some = np.where(lost, x.dtype.type(1), x)
    values = _rounded_numbers(some, fmt, rounding, overflow, draws)
    exact = values.dtype.type(0)
    if fmt.has_nan:
        exact = values.dtype.type(np.nan)  # every NaN becomes the canonical one
    elif nan == "max":
        exact = _largest(fmt, values.dtype)
    elif not fmt.has_zero:
        exact = _rounded_numbers(np.zeros(()), fmt, rounding, overflow, None)[()]
    return np.where(lost, exact, values)


def _largest(fmt: Format, dtype: np.dtype[Any]) -> Any:
    """The largest value, in codes where arrays hold those."""
    if isinstance(fmt, FixedFormat) and dtype.kind in "iu":
        return dtype.type(fmt.largest_code)
    return dtype.type(fmt.largest)


def _rounded_numbers(
    x: Array, fmt: Format, rounding: str, overflow: str, draws: Array | None
) -> Array:
    if isinstance(fmt, TableFormat):
        return round_numbers(x, fmt, rounding, value_dtype(fmt))
    if isinstance(fmt, PositFormat):
        return round_posits(x, fmt, rounding, draws)
    if isinstance(fmt, FixedFormat) and overflow == "wrap" and x.dtype.kind == "f":
        if np.isinf(x).any():
            raise ValueError(f"x holds Inf, which {fmt} cannot wrap")
    if isinstance(fmt, FixedFormat) and x.dtype.kind in "iu" and fmt.fraction_bits == 0:
        return _rounded_integers(x, fmt, overflow)
    if (
        draws is None
        and isinstance(fmt, FloatFormat)
        and fmt.precision == 1
        and (fmt.has_nan or fmt.has_zero)
    ):
        return _rounded_powers(x, fmt, rounding, overflow)
    # The circle needs every low bit: float64 has those of narrower dtypes only.
    long = overflow == "wrap" and (x.dtype.itemsize > 8 or x.dtype in (np.int64, np.uint64))
    if fits_float64_grid(fmt, rounding) or long or (draws is not None and overflow == "wrap"):
        return _rounded_slowly(x, fmt, rounding, overflow, draws)
    return round_values(carrier_exact(x), fmt, rounding, overflow, NO_FLAGS, draws)[0]


def round_values(
    x: Array,
    fmt: GridFormat,
    rounding: str,
    overflow: str,
    flags: Array,
    draws: Array | None = None,
) -> tuple[Array, int]:
    """Values of ``fmt`` from float64 ones, and how many overflowed; `fits_float64_grid` holds.

    ``flags`` (uint8, of x's size, or empty) gets 1 where a value overflowed.  Under ``wrap``
    every value is finite.  ``draws``: random bits of every element, where the rounding takes any;
    nothing wraps then.
    """
    flat = np.ascontiguousarray(x).reshape(-1)
    values = np.empty(flat.shape)
    if draws is not None:
        scalars = cut64(fmt, rounding), grid64(fmt, "rne", overflow)
        random = np.ascontiguousarray(draws).reshape(-1)
        over, _ = round_drawn(read_only(flat), random, values, flags.reshape(-1), *scalars)
        return values.reshape(x.shape), int(over)
    grid, mode = grid64(fmt, rounding, overflow), rounding_mode(rounding)
    far = np.abs(flat) >= float(fmt.smallest) * 2.0**50 if overflow == "wrap" else None
    if far is None or not far.any():
        count = round_array(flat, values, flags.reshape(-1), grid, mode, overflow == "wrap")
        return values.reshape(x.shape), int(count)
    # Beyond the reach of (x + C) − C: less whole turns of the circle, which is exact and keeps
    # the sign, such values round as they did; all of them overflow.
    near = np.where(far, 0.0, flat)
    count = int(round_array(near, values, flags.reshape(-1), grid, mode, True))
    if flags.size:
        flags.reshape(-1)[far] = 1
    left = np.fmod(flat[far], 2.0**fmt.width * float(fmt.smallest))
    turned = np.empty(left.shape)
    round_array(left, turned, np.empty(0, np.uint8), grid, mode, True)
    values[far] = turned
    return values.reshape(x.shape), count + int(np.count_nonzero(far))


def codes_of(values: Array, fmt: Format) -> Array:
    """Codes (uint64) of values that lie on the format's grid."""
    if isinstance(fmt, FixedFormat):
        if values.dtype.kind == "f":
            values = np.ldexp(values, fmt.fraction_bits).astype(np.int64)
        return values.astype(np.uint64) & np.uint64((1 << fmt.width) - 1)
    if isinstance(fmt, TableFormat):
        return table_codes(values, fmt, code_dtype(fmt))
    flat = np.ascontiguousarray(values, np.float64).reshape(-1)
    codes = np.empty(flat.shape, np.uint64)
    if isinstance(fmt, PositFormat):
        convert_posits(flat, codes, fmt, "rne", coded=True)
        return codes.reshape(values.shape)
    encode_kernel(flat, codes, code_fields(fmt))
    return codes.reshape(values.shape)


def _decoded(codes: Array, fmt: SumFormat) -> Array:
    flat = np.ascontiguousarray(codes).reshape(-1)
    if isinstance(fmt, PositFormat):
        return decode_all(flat, fmt).reshape(codes.shape)
    if isinstance(fmt, FloatFormat):
        values = np.empty(flat.shape)
        decode_kernel(flat, values, code_fields(fmt))
        return values.reshape(codes.shape)
    if fmt.symmetric and (flat == 1 << (fmt.width - 1)).any():
        raise ValueError(f"codes: {1 << (fmt.width - 1)} is no code of {fmt}")
    if not fmt.signed:
        integers = flat
    else:  # move the sign bit to the top of an int64 and back
        spare = np.int64(64 - fmt.width)
        integers = (flat.view(np.int64) << spare) >> spare
    if value_dtype(fmt).kind == "f":
        return np.ldexp(integers.astype(np.float64), -fmt.fraction_bits).reshape(codes.shape)
    return integers.reshape(codes.shape)


def _checked(fmt: Format, rounding: str, overflow: str | None, nan: str) -> str:
    """The overflow rule in force, after checking all three choices."""
    check_rounding(rounding, fmt)
    if nan not in NAN_CHOICES:
        raise ValueError(f"nan={nan!r}: allowed are {', '.join(NAN_CHOICES)}")
    if overflow is not None:
        check_overflow(overflow, fmt)
    return plain_overflow(overflow or fmt.default_overflow, fmt, rounding)


def _rounded_integers(x: Array, fmt: FixedFormat, overflow: str) -> Array:
    """Integers into integers: no rounding, only the rule, in whole numbers."""
    if overflow == "wrap":
        codes = x.astype(np.uint64) & np.uint64((1 << fmt.width) - 1)
        return _decoded(codes, fmt)
    info = np.iinfo(x.dtype)
    low = max(fmt.lowest_code, int(info.min))
    high = min(fmt.largest_code, int(info.max))
    return np.clip(x, low, high).astype(value_dtype(fmt))


def _rounded_powers(x: Array, fmt: FloatFormat, rounding: str, overflow: str) -> Array:
    """Formats of precision 1, such as e8m0."""
    flat = np.ascontiguousarray(carrier_exact(x)).reshape(-1)
    values = np.empty(flat.shape)
    if fmt.has_inf:  # what overflows stays finite until its rule, lest it pass for an infinity
        most = 4.0 * float(fmt.largest)
        flat = np.where(np.isinf(flat), flat, np.clip(flat, -most, most))
    round_powers(flat, values, powers(fmt, rounding, overflow))
    limit_array(values, grid64(fmt, rounding, overflow))
    return values.reshape(x.shape)


def _rounded_slowly(
    x: Array, fmt: GridFormat, rounding: str, overflow: str, draws: Array | None
) -> Array:
    """What float64 cannot round to: identity where nothing can happen, else integers of any width.

    Only longdouble, whose significands need not fit 64 bits, is left to the reference.
    """
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        return reference.round(x, fmt, rounding, overflow)
    if fmt == FloatFormat(11, 53) and x.dtype.kind == "f" and overflow != "saturate_all":
        return x.astype(np.float64)
    return wide.round_array(x, None, fmt, (rounding, overflow), NO_FLAGS, draws)[0]
