"""From a format, a rounding mode and an overflow rule to the scalars that kernels take."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.codes import Fields
from hwsim_kernels.drawn import Cut
from hwsim_kernels.elementwise import NATURAL, WHOLE, Layout
from hwsim_kernels.lanes import NARROW
from hwsim_kernels.paths import INTEGERS, Scalars
from hwsim_kernels.powers import Powers
from hwsim_kernels.rounding64 import NEAREST, ODD, THRESHOLD
from hwsim_kernels.scalars import Grid64, IntRange

from hwsim.formats import (
    FixedFormat,
    FloatFormat,
    Format,
    GridFormat,
    PositFormat,
    SumFormat,
    TableFormat,
    stochastic_of,
)
from hwsim.formats.stochastic import VARIANTS

ONE64 = 1 << 52  # one step of a float64's exponent field
ONE32 = 1 << 23
UNBOUNDED = 4  # binades under the smallest normal: results so small are flushed anyway
FIXED_PRECISION = 50  # any fixed grid is rounded as if it had this many bits
FIXED_NARROW = 22  # the same in float32


@cache
def significant_bits(fmt: Format) -> int:
    """Most bits a significand of ``fmt`` has, trailing zeros not counted."""
    if isinstance(fmt, FloatFormat | PositFormat):
        return fmt.precision
    if isinstance(fmt, TableFormat):
        return fmt.significant_bits
    return max(1, fmt.width - int(fmt.signed))


@cache
def magnitude(fmt: Format) -> Fraction:
    """Largest finite |value|."""
    return max(abs(fmt.largest), abs(fmt.lowest))


@cache
def within_float32(fmt: Format) -> bool:
    """Whether float32 holds every value of ``fmt``."""
    narrow = significant_bits(fmt) <= 24 and fmt.quantum_exponent >= -149
    return narrow and magnitude(fmt) < 2**128


@cache
def fits_float64_grid(fmt: Format, rounding: str = "rne") -> str:
    """Why float64 cannot round to ``fmt`` by (x + C) − C, or by a draw; empty when it can."""
    if how := stochastic_of(rounding):
        most = (49 if isinstance(fmt, FixedFormat) else 51) - how.bits
        if significant_bits(fmt) > most:
            return f"{fmt} has more than {most} bits, and {rounding} takes {how.bits} below them"
    if isinstance(fmt, FixedFormat):
        return "" if fmt.width <= FIXED_PRECISION else f"{fmt} is wider than 50 bits"
    if isinstance(fmt, TableFormat):
        return f"{fmt} is a table"
    if isinstance(fmt, PositFormat):
        return f"{fmt} is no grid"
    if not fmt.has_zero:
        return f"{fmt} has no zero"
    if not 2 <= fmt.precision <= 51:
        return f"{fmt} has a precision of {fmt.precision}, not 2 … 51"
    if fmt.emax + 1 + 53 - fmt.precision > 1023 or fmt.emin - UNBOUNDED - fmt.precision < -1020:
        return f"the exponents of {fmt} come too near to those of float64"
    return ""


@cache
def grid64(fmt: GridFormat, rounding: str, overflow: str) -> Grid64:
    """Scalars for float64 kernels.

    Rounding by them needs ``fits_float64_grid``; the overflow rule alone does not.
    """
    floor, cap, precision = _exponents(fmt)
    low, high = float(fmt.lowest), float(fmt.largest)
    over_neg, over_pos = _overflow_values(fmt, rounding, overflow)
    inf_neg, inf_pos = _infinity_values(fmt, overflow)
    flushed = isinstance(fmt, FloatFormat) and not fmt.has_subnormals
    return Grid64(
        floor_bits=(floor + 1023) * ONE64,
        cap_bits=(cap + 1023) * ONE64,
        magic_bits=(53 - precision) * ONE64 + ONE64 // 2,
        quantum_bits=(precision - 1) * ONE64,
        smallest=float(fmt.smallest) if flushed else 0.0,
        smallest_normal=float(fmt.smallest_normal),
        lowest=low,
        largest=high,
        over_neg=over_neg,
        over_pos=over_pos,
        inf_neg=inf_neg,
        inf_pos=inf_pos,
        zero_add=-0.0 if fmt.has_negative_zero else 0.0,
        span=2.0**fmt.width * float(fmt.smallest) if isinstance(fmt, FixedFormat) else 0.0,
        **_thresholds(rounding),
        minus_zero=rounding == "rdn",
    )


@cache
def cut64(fmt: GridFormat, rounding: str) -> Cut:
    """Scalars for stochastic rounding; `fits_float64_grid` holds."""
    how = stochastic_of(rounding)
    assert how is not None
    dropped, lift = how.bits + 2, 0.0
    if isinstance(fmt, FloatFormat):
        dropped = 53 - fmt.precision
        lift = 2.0**fmt.emin if fmt.has_subnormals else 0.0
    else:
        lift = 2.0 ** (fmt.quantum_exponent + 52 - dropped)
    return Cut(
        rule=np.int64(VARIANTS.index(how.variant)),
        place=np.int64(dropped - how.bits),
        dropped=np.int64((1 << dropped) - 1),
        lift=np.float64(lift),
        beyond=np.float64(lift if isinstance(fmt, FixedFormat) else math.inf),
    )


def draw_place(fmt: SumFormat, width: int, random: int) -> int:
    """How far up the bits of a carrier a draw is added; 0 where there is no room for one."""
    bits = 24 if width == 32 else 53
    return max(0, bits - fmt.precision - random) if isinstance(fmt, FloatFormat) else 0


@cache
def lane_scalars(fmt: GridFormat, width: int, swapped: bool, random: int = 0) -> npt.NDArray[Any]:
    """`Scalars` of the blocked kernels, in a carrier of ``width`` bits; integers as its bits.

    ``swapped`` for units that run on negated operands.  random : bits of a draw.
    """
    carrier = np.dtype(f"f{width // 8}")
    about = np.finfo(carrier)
    bits, emax = about.nmant + 1, int(about.maxexp) - 1
    one = 1 << about.nmant
    low, high = float(fmt.lowest), float(fmt.largest)
    found: dict[str, float] = dict.fromkeys(Scalars._fields, 0.0)
    if isinstance(fmt, FloatFormat):
        dropped = 1 << (bits - fmt.precision) if fmt.precision <= bits else 1
        found |= {
            "floor": max(fmt.emin + emax, 0) * one,
            "magic": (bits - fmt.precision) * one + one // 2,
            "keep": -dropped,
            "rest": dropped - 1,
            "half": dropped // 2,
        }
        place = draw_place(fmt, width, random)
        found |= {
            "draw": ((1 << random) - 1) << place,
            "place": place,
            "nudge": (1 << place) // 2,
            "below": max((1 << place) // 2, 1) - 1,
        }
        if 0 <= fmt.emax <= emax:  # else no sum is scaled
            found |= {"up": 2.0 ** (emax - fmt.emax), "down": 2.0 ** (fmt.emax - emax)}
    # A bound that is zero has the sign of its side: bounds are compared as integers.
    low = low or -0.0
    found |= {"lowest": -high if swapped else low, "largest": -low if swapped else high}
    found["smallest_normal"] = float(fmt.smallest_normal)
    found["start"] = -0.0 if swapped else 0.0
    if isinstance(fmt, FixedFormat):
        found |= {
            "span": 2.0**fmt.width * float(fmt.smallest),
            "steps": 1.5 * 2.0 ** (bits - 1) * float(fmt.smallest),
        }
        if fmt.width <= bits - 2:
            found |= _circle(fmt, carrier)
    numbers = np.zeros(len(Scalars._fields), carrier)
    whole = numbers.view(f"i{width // 8}")
    for i, (name, value) in enumerate(found.items()):
        if name in INTEGERS:
            whole[i] = value
        else:
            numbers[i] = value
    numbers.flags.writeable = False
    return numbers


def _circle(fmt: FixedFormat, carrier: np.dtype[Any]) -> dict[str, float]:
    """Those of a circle of integers or fixed point (`hwsim_kernels.datapath.entered`)."""
    step, low = float(fmt.smallest), float(fmt.lowest)
    bottom = 1.5 * 2.0 ** np.finfo(carrier).nmant * step
    return {
        "ring": bottom - low,
        "turn": (1 << fmt.width) - 1,
        "bottom": int(np.array(bottom, carrier).view(f"i{carrier.itemsize}")),
    }


@cache
def narrow_lanes(fmt: GridFormat) -> int:
    """Flags of the elementwise kernels: whether float32 lanes can round to ``fmt``."""
    if isinstance(fmt, FixedFormat):
        room = fmt.width <= 20 and -100 <= fmt.quantum_exponent <= 0
        return NARROW if room else 0
    if not 2 <= fmt.precision <= 22 or not within_float32(fmt):
        return 0
    if fmt.emin == -126 and fmt.emax == 127 and fmt.has_subnormals and fmt.has_inf:
        return NARROW | NATURAL
    room = fmt.emax + 1 + 24 - fmt.precision <= 127
    return NARROW if room and fmt.emin - UNBOUNDED - fmt.precision >= -120 else 0


@cache
def conversion_numbers(
    fmt: GridFormat, rounding: str, overflow: str, narrow: bool
) -> npt.NDArray[Any]:
    """`Grid64` without its last field, then `Layout`, as the elementwise kernels take them, in
    float32 or float64: exponent fields are moved to where the carrier has them."""
    grid = grid64(fmt, rounding, overflow)
    carrier = np.dtype(np.float32 if narrow else np.float64)
    numbers = np.zeros(len(grid) - 1 + len(Layout._fields), carrier)
    whole = numbers.view(f"i{carrier.itemsize}")
    for i, (name, value) in enumerate(zip(grid._fields[:-1], grid[:-1], strict=True)):
        if name in WHOLE:
            whole[i] = _narrow_bits(fmt, name, int(value)) if narrow else value
        else:
            numbers[i] = value
    if isinstance(fmt, FloatFormat) and fmt.precision > 1:
        for i, (name, value) in enumerate(_layout(fmt, narrow)._asdict().items(), len(grid) - 1):
            (numbers if name == "lift" else whole)[i] = value
    numbers.flags.writeable = False
    return numbers


def _narrow_bits(fmt: GridFormat, name: str, value: int) -> int:
    """A field of `Grid64` in float32's places; 24 bits instead of 53 lie under C's leading one."""
    precision = FIXED_NARROW if isinstance(fmt, FixedFormat) else fmt.precision
    if name == "magic_bits":
        return (24 - precision) * ONE32 + ONE32 // 2
    if name == "quantum_bits":
        return (precision - 1) * ONE32
    exponent = value // ONE64 - 1023
    if isinstance(fmt, FixedFormat):
        exponent += FIXED_NARROW - FIXED_PRECISION
    return (exponent + 127) * ONE32


def _layout(fmt: FloatFormat, narrow: bool) -> Layout:
    bits, bias = (24, 127) if narrow else (53, 1023)
    field = 1 << (fmt.precision - 1)
    first = 0 if fmt.zero_field == "normal" else 1  # exponent field of the smallest normal binade
    width = 32 if narrow else 64
    sign = fmt.sign_code
    return Layout(
        drop=bits - fmt.precision,
        normal=(fmt.emin + bias - first) * field,
        subnormal=(fmt.emin + bias) * field,
        lift=2.0**fmt.emin if fmt.has_subnormals else 0.0,
        inf_code=fmt.inf_code if fmt.has_inf else 0,
        nan_code=fmt.nan_code if fmt.has_nan else 0,
        sign=sign - (1 << width) if sign >> (width - 1) else sign,
    )


@cache
def int_range(fmt: FixedFormat, lane_bits: int) -> IntRange:
    """Scalars for integer kernels; a circle as wide as the lane has mask −1."""
    mask = (1 << fmt.width) - 1 if fmt.width < lane_bits else -1
    lowest = fmt.lowest_code if fmt.width < 64 or fmt.signed else -(1 << 63)
    return IntRange(lowest, min(fmt.largest_code, (1 << (lane_bits - 1)) - 1), mask)


@cache
def code_fields(fmt: FloatFormat) -> Fields:
    """Scalars for encoding and decoding."""
    hidden = 1 << (fmt.precision - 1)
    flushed = {"subnormal": 0, "zero": hidden, "normal": int(fmt.has_zero)}[fmt.zero_field]
    nan_from = 1 << 62
    if fmt.specials == "ieee":
        nan_from = fmt.inf_code + 1
    elif fmt.has_nan and not fmt.has_nan_at_minus_zero:
        nan_from = fmt.nan_code
    return Fields(
        precision=fmt.precision,
        emin=fmt.emin,
        hidden=hidden if fmt.zero_field == "normal" else 0,
        flushed=flushed,
        sign_bit=fmt.width - 1 if fmt.signed else -1,
        inf_code=fmt.inf_code if fmt.has_inf else -1,
        nan_code=fmt.nan_code if fmt.has_nan else 0,
        nan_from=nan_from,
        minus_zero_nan=fmt.has_nan_at_minus_zero,
    )


def _exponents(fmt: GridFormat) -> tuple[int, int, int]:
    """(floor, cap, precision): constant exponents make the grid of fixed point."""
    if isinstance(fmt, FixedFormat):
        floor = fmt.quantum_exponent + FIXED_PRECISION - 1
        return floor, floor, FIXED_PRECISION
    floor = fmt.emin if fmt.has_subnormals else fmt.emin - UNBOUNDED
    return floor, fmt.emax + 1, fmt.precision


@cache
def powers(fmt: FloatFormat, rounding: str, overflow: str) -> Powers:
    """Scalars for formats of precision 1."""
    saturates = overflow in ("saturate", "saturate_all")
    return Powers(
        origin=fmt.emin - int(fmt.zero_field != "normal"),
        lowest_exponent=fmt.emin + int(fmt.zero_field == "normal" and fmt.has_zero),
        gradual=fmt.has_subnormals,
        has_zero=fmt.has_zero,
        tiny=float(fmt.smallest) if saturates else math.nan,
        even=rounding == "rne",
        away=rounding == "rna",
        up=rounding == "rup",
        down=rounding == "rdn",
        odd=rounding == "rto",
    )


def rounding_mode(rounding: str) -> int:
    """Which of the kernels' ways of rounding serves a mode."""
    return {"rne": NEAREST, "rto": ODD}.get(rounding, THRESHOLD)


def _thresholds(rounding: str) -> dict[str, float]:
    """Shares of a step from which |x| leaves the nearest grid point (`Grid64`)."""
    always, never = 0.0, 2.0  # only distances that are not zero move anything, none is so large
    up = {"rna": (0.5, 0.5), "rup": (always, never), "rdn": (never, always)}
    down = {"rtz": (always, always), "rup": (never, always), "rdn": (always, never)}
    both = (always, always) if rounding == "rto" else (never, never)
    pos, neg = up.get(rounding, both)
    low_pos, low_neg = down.get(rounding, both)
    return {"up_pos": pos, "up_neg": neg, "down_pos": low_pos, "down_neg": low_neg}


def _overflow_values(fmt: Format, rounding: str, overflow: str) -> tuple[float, float]:
    """What replaces results below lowest and above largest (IEEE 754-2019 §7.4 for ``inf``)."""
    low, high = float(fmt.lowest), float(fmt.largest)
    minus = -math.inf if fmt.lowest < 0 else math.nan  # unsigned formats have no −Inf
    if overflow == "nan":
        return math.nan, math.nan
    if overflow == "inf_always":
        return minus, math.inf
    if overflow == "sat_none":  # of unsigned formats: others have a plain rule
        down = low if rounding in ("rtz", "rup") else math.nan
        inward = rounding in ("rtz", "rdn", "rto") or not fmt.has_inf
        return down, high if inward else math.inf
    if overflow == "inf":
        away = ("rne", "rna")
        neg = minus if rounding in (*away, "rdn") or math.isnan(minus) else low
        return neg, math.inf if rounding in (*away, "rup") else high
    return low, high


def _infinity_values(fmt: Format, overflow: str) -> tuple[float, float]:
    """What replaces −Inf and +Inf; NaN where the rule has no answer (the caller refuses it)."""
    low, high = float(fmt.lowest), float(fmt.largest)
    if overflow == "saturate_all" or (overflow == "saturate" and not fmt.has_inf):
        return low, high
    if not fmt.has_inf:
        return math.nan, high if overflow == "sat_none" else math.nan
    if fmt.lowest >= 0:
        return (low if overflow == "saturate" else math.nan), math.inf
    return -math.inf, math.inf
