"""Rounding to a format: first to its grid, then into its range.

`to_grid` alone knows the rounding modes, `into_range` and `_infinite` alone know the overflow
rules; everything else in the reference goes through `round_value`.

Source: IEEE 754-2019 §4.3 (rounding), §7.4 (overflow); IEEE P3109 interim report 4.0 §4.7
(projection: round to precision, then saturate; parity of the code when p = 1, and to-odd).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from hwsim.formats import (
    FixedFormat,
    FloatFormat,
    Format,
    GridFormat,
    PositFormat,
    Stochastic,
    TableFormat,
    stochastic_of,
)
from hwsim.reference.posits import cut_string, decode_posit
from hwsim.reference.tables import round_to_table
from hwsim.reference.values import (
    NAN,
    Kind,
    Value,
    finite,
    from_int,
    from_ratio,
    infinity,
    less,
    negate,
    to_int,
    zero,
)


class Rounded(NamedTuple):
    """A value of the format, and whether a finite value overflowed on its way there."""

    value: Value
    overflowed: bool


class Range(NamedTuple):
    """A format's finite range, as values."""

    lowest: Value
    largest: Value
    smallest: Value
    smallest_normal: Value


def round_value(x: Value, fmt: Format, rounding: str, overflow: str, draw: int = 0) -> Rounded:
    """x rounded to ``fmt``; what lies beyond the ends of a table does not count as overflow, what
    lies beyond those of a posit does.
    ``draw``: the random bits R of a stochastic rounding.

    Raises ValueError when the result is NaN and the format has none, and for ±Inf under ``wrap``.
    """
    if x.kind is Kind.NAN:
        return Rounded(nan_of(fmt), False)
    if isinstance(fmt, TableFormat):
        return Rounded(round_to_table(x, fmt, rounding), False)
    if isinstance(fmt, PositFormat):
        return round_to_posit(x, fmt, rounding, draw)
    if x.kind is Kind.INFINITE:
        return Rounded(_infinite(x, fmt, overflow), False)
    y = _settle_zero(to_grid(x, fmt, rounding, draw), fmt)
    if not fmt.has_zero and (x.is_zero or x.negative):
        return Rounded(nan_of(fmt), False)
    limits = finite_range(fmt)
    if not less(y, limits.lowest) and not less(limits.largest, y):
        return Rounded(y, False)
    return Rounded(into_range(y, fmt, rounding, overflow), True)


@cache
def finite_range(fmt: Format) -> Range:
    """Lowest, largest and smallest positive values of ``fmt``."""
    numbers = (fmt.lowest, fmt.largest, fmt.smallest, fmt.smallest_normal)
    return Range(*(from_ratio(number) for number in numbers))


def nan_of(fmt: Format) -> Value:
    """NaN, as a value of ``fmt``; ValueError when it has none."""
    if not fmt.has_nan:
        raise ValueError(f"NaN is no value of the format {fmt}")
    return NAN


def round_to_posit(x: Value, fmt: PositFormat, rounding: str, draw: int) -> Rounded:
    """The code that the string of |x| rounds to as a whole number, with x's sign; ±Inf is NaR.

    Between 0 and minpos it is minpos in every mode, beyond maxpos it is maxpos.
    """
    if not x.is_finite or x.is_zero:
        return Rounded(zero() if x.is_zero else NAN, False)
    magnitude, limits = x._replace(negative=False), finite_range(fmt)
    if beyond := less(limits.largest, magnitude):
        magnitude = limits.largest
    elif less(magnitude, limits.smallest):
        magnitude = limits.smallest
    code, rest, shift = cut_string(magnitude, fmt)
    if rest:
        code += goes_away(rounding, (rest, shift), code % 2 == 1, x.negative, draw)
    y = decode_posit(code, fmt)
    return Rounded(negate(y) if x.negative else y, beyond)


# --- the grid: precision and smallest exponent, no upper bound ------------------------------------
def to_grid(x: Value, fmt: GridFormat, rounding: str, draw: int = 0) -> Value:
    """A finite x rounded to a multiple of the spacing that ``fmt`` has around it."""
    quantum = quantum_exponent(x, fmt)
    shift = quantum - x.exponent
    if x.is_zero or shift <= 0:  # the significand is odd or zero: x is a multiple of 2^quantum
        return x
    steps, rest = x.significand >> shift, x.significand & ((1 << shift) - 1)
    odd = lower_is_odd(steps, quantum, fmt)
    away = goes_away(rounding, (rest, shift), odd, x.negative, draw)
    return finite(x.negative, steps + away, quantum)


def goes_away(
    rounding: str, share: tuple[int, int], lower_odd: bool, negative: bool, draw: int
) -> bool:
    """Whether a magnitude goes to the neighbour away from zero; share : (rest, shift), of a step
    rest / 2^shift lies above the lower neighbour."""
    rest, shift = share
    if how := stochastic_of(rounding):
        return draws_away(how, rest, shift, draw)
    half = 1 << (shift - 1)
    return rounds_away(rounding, (rest > half) - (rest < half), lower_odd, negative)


def quantum_exponent(x: Value, fmt: GridFormat) -> int:
    """log2 of the spacing of ``fmt`` from |x| upwards, for any magnitude of x.

    Floats: the leading bit of x and p − 1 bits more; formats with subnormals keep the spacing of
    their smallest normal binade below it, the others go on as if exponents had no lower bound.
    """
    if isinstance(fmt, FixedFormat):
        return fmt.quantum_exponent
    exponent = x.leading_exponent
    if fmt.has_subnormals:
        exponent = max(exponent, fmt.emin)
    return exponent - fmt.fraction_bits


def lower_is_odd(steps: int, quantum: int, fmt: GridFormat) -> bool:
    """Whether the neighbour towards zero, steps · 2^quantum, has an odd code.

    With p = 1 the code's last bit is that of the exponent field; code 0 is zero.
    """
    if isinstance(fmt, FixedFormat) or fmt.precision > 1:
        return steps % 2 == 1
    return steps == 1 and (quantum + fmt.exponent_bias) % 2 == 1


def rounds_away(rounding: str, versus_half: int, lower_odd: bool, negative: bool) -> bool:
    """Whether an inexact magnitude goes to the neighbour away from zero.

    versus_half : −1, 0, 1 as what lies above the lower neighbour is below, at, above half a step.
    """
    match rounding:
        case "rne":
            return versus_half > 0 or (versus_half == 0 and lower_odd)
        case "rna":
            return versus_half >= 0
        case "rtz":
            return False
        case "rup":
            return not negative
        case "rdn":
            return negative
        case "rto":
            return not lower_odd
    raise ValueError(f"rounding={rounding!r}: allowed are rne, rna, rtz, rup, rdn, rto, srN")


def draws_away(how: Stochastic, rest: int, shift: int, draw: int) -> bool:
    """Whether ν = rest / 2^shift of a step and R = ``draw`` send a magnitude away from zero.

    Source: IEEE P3109 interim report 4.0 §4.7 (StochasticA, B and C).
    """
    n = how.bits
    match how.variant:
        case "a":
            return ((rest << n) >> shift) + draw >= 1 << n
        case "b":
            return ((rest << (n + 1)) >> shift) + 2 * draw + 1 >= 1 << (n + 1)
    whole, left, half = (rest << n) >> shift, (rest << n) & ((1 << shift) - 1), 1 << (shift - 1)
    nearest = whole + (left > half or (left == half and whole % 2 == 1))
    return nearest + draw >= 1 << n


def _settle_zero(y: Value, fmt: Format) -> Value:
    """y, or ±0 where it lies below a format that has no subnormals; −0 only where it exists."""
    if fmt.has_zero and not fmt.has_subnormals and y.significand:
        magnitude = y._replace(negative=False)
        y = zero(y.negative) if less(magnitude, finite_range(fmt).smallest) else y
    return zero() if y.is_zero and not fmt.has_negative_zero else y


# --- the range ------------------------------------------------------------------------------------
def into_range(y: Value, fmt: Format, rounding: str, overflow: str) -> Value:
    """What the overflow rule makes of y, a finite value on the grid but outside the range."""
    match overflow:
        case "saturate" | "saturate_all":
            return _extreme(y.negative or less(y, finite_range(fmt).lowest), fmt)
        case "wrap":
            return _wrapped(y, fmt)
        case "sat_none":
            return _unsaturated(y, fmt, rounding)
        case "inf" | "inf_always" if fmt.signed or less(finite_range(fmt).largest, y):
            inward = {"rtz", "rto", "rup" if y.negative else "rdn"}
            if overflow == "inf" and rounding in inward:
                return _extreme(y.negative, fmt)
            return infinity(y.negative)
    return nan_of(fmt)


def _unsaturated(y: Value, fmt: Format, rounding: str) -> Value:
    """P3109's SatNone: the extreme finite value where the mode rounds toward it, to odd where its
    code is the odd one; else Inf; else the extreme, but NaN below an unsigned format."""
    assert isinstance(fmt, FloatFormat)
    low = y.negative
    if rounding == "rtz" or rounding == ("rup" if low else "rdn"):
        return _extreme(low, fmt)
    if low and not fmt.signed:
        return nan_of(fmt)
    if not fmt.has_inf or (rounding == "rto" and fmt.largest_code % 2 == 1):
        return _extreme(low, fmt)
    return infinity(low)


def _extreme(low: bool, fmt: Format) -> Value:
    """The lowest or the largest finite value."""
    return finite_range(fmt).lowest if low else finite_range(fmt).largest


def _wrapped(y: Value, fmt: Format) -> Value:
    """The value of the fixed-point ``fmt`` that differs from y by a multiple of 2^width codes."""
    assert isinstance(fmt, FixedFormat)
    code = to_int(y, fmt.quantum_exponent)
    code = (code - fmt.lowest_code) % (1 << fmt.width) + fmt.lowest_code
    return from_int(code, fmt.quantum_exponent)


def _infinite(x: Value, fmt: Format, overflow: str) -> Value:
    """What ±Inf becomes in ``fmt``."""
    if x.negative and not fmt.has_zero:
        return nan_of(fmt)
    if overflow == "saturate_all":
        return _extreme(x.negative, fmt)
    if fmt.has_inf and (fmt.signed or not x.negative):
        return x
    if overflow == "saturate" or (overflow == "sat_none" and (fmt.signed or not x.negative)):
        return _extreme(x.negative, fmt)
    if overflow == "wrap":
        raise ValueError(f"{x} cannot wrap into the format {fmt}")
    return nan_of(fmt)
