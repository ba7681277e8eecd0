"""Numbers at which roundings go wrong, for any format, after Berkeley TestFloat.

Every boundary between neighbouring values (or, for wide formats, of chosen exponents times
significand patterns), its midpoint, and the float64 next to either; both ends of the range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import (
    FixedFormat,
    FloatFormat,
    Format,
    LogFormat,
    PositFormat,
    TableFormat,
    as_format,
    power_of_two,
)

Array = npt.NDArray[Any]
MAX_FLOAT = 1.7976931348623157e308
ALL_CODES = 8  # bits: formats as wide as this have every boundary among the points
EIGHTHS = (0, 3, 4, 5)  # of the way to the next value: on it, below, at and above the tie


@lru_cache(maxsize=64)
def hard_numbers(fmt: str | Format) -> Array:
    """Ascending float64 numbers that are hard to round to ``fmt``: both signs, zeros, ±Inf; no NaN.

    Every boundary of formats of up to 8 bits; of wider ones those of TestFloat's patterns.

    >>> x = hard_numbers("e2m1").tolist()           # 1, 1.5 and what lies between
    >>> x[x.index(1.0) : x.index(1.5) + 1]
    [1.0, 1.0000000000000002, 1.1874999999999998, 1.1875, 1.1875000000000002, 1.2499999999999998,
     1.25, 1.2500000000000002, 1.3124999999999998, 1.3125, 1.3125000000000002, 1.4999999999999998,
     1.5]
    """
    fmt = as_format(fmt)
    magnitudes = _magnitudes_of(fmt)
    positive = _with_neighbours(magnitudes)
    numbers = np.array([*(-x for x in reversed(positive)), *positive])
    numbers.flags.writeable = False
    return numbers


def is_exhaustive(fmt: Format) -> bool:
    """Whether `hard_numbers` has every boundary of the format."""
    return fmt.width <= ALL_CODES


def _magnitudes_of(fmt: Format) -> Iterable[Fraction]:
    if isinstance(fmt, TableFormat):
        return _between(fmt)
    if isinstance(fmt, PositFormat):
        return _posits(fmt)
    return _magnitudes(fmt) if isinstance(fmt, FloatFormat) else _multiples(fmt)


def _between(fmt: TableFormat) -> Iterable[Fraction]:
    """Magnitudes of a table's values, what lies between neighbours, and beyond the ends."""
    numbers = [value for value, _ in fmt.entries]
    if fmt.width > ALL_CODES:
        last = len(numbers) - 1
        numbers = [numbers[k] for k in sorted({last * k // 128 for k in range(129)})]
    for low, high in pairwise(numbers):
        yield from (abs(low + (high - low) * k / 8) for k in EIGHTHS)
    yield from (abs(x) * k for x in (numbers[0], numbers[-1]) for k in (1, 2, 3))
    if isinstance(fmt, LogFormat):
        step = max(1, fmt.last_field // 128)
        yield from (fmt.threshold(field) for field in range(0, fmt.last_field, step))


def _posits(fmt: PositFormat) -> Iterable[Fraction]:
    """Nonnegative values of a posit format, where roundings to nearest part (the codes with one bit
    more), what lies between, and beyond both ends."""
    for code in _posit_codes(fmt):
        low = fmt.magnitude(code)
        high = fmt.magnitude(code + 1) if code < fmt.largest_code else 2 * low
        yield from (low + (high - low) * k / 8 for k in EIGHTHS)
        yield fmt.threshold(code) if code else fmt.smallest / 2
    yield from (fmt.smallest * k / 8 for k in range(13))
    yield from (fmt.largest * k for k in (1, 2, 3))


def _posit_codes(fmt: PositFormat) -> list[int]:
    """Codes from 0 to that of maxpos: all of them to 8 bits, else TestFloat's patterns."""
    if fmt.width <= ALL_CODES:
        return list(range(fmt.largest_code + 1))
    return sorted(patterns(fmt.width - 1) | {0})


def _magnitudes(fmt: FloatFormat) -> Iterable[Fraction]:
    """Nonnegative boundaries of a float format and what lies between them."""
    top = fmt.largest
    step = top - fmt.magnitude(fmt.largest_code - 1)
    yield from (top + step / 2, top + step, 2 * top, 3 * top, 4 * top)
    yield from (fmt.smallest * k / 8 for k in range(13))
    for code in _float_codes(fmt):
        low = fmt.magnitude(code)
        high = fmt.magnitude(code + 1) if code < fmt.largest_code else top + step
        yield from (low + (high - low) * k / 8 for k in EIGHTHS)


def _float_codes(fmt: FloatFormat) -> list[int]:
    """Codes of nonnegative finite values: all of them to 8 bits, else TestFloat's patterns."""
    if fmt.width <= ALL_CODES:
        return list(range(fmt.largest_code + 1))
    top, middle = (1 << fmt.exponent_bits) - 1, fmt.exponent_bias
    fields = {0, 1, 2, middle - 1, middle, middle + 1, top - 2, top - 1, top}
    fractions = patterns(fmt.fraction_bits)
    codes = {(f << fmt.fraction_bits) | p for f in fields if 0 <= f <= top for p in fractions}
    return sorted(c for c in codes | {fmt.largest_code} if c <= fmt.largest_code)


def hard_codes(fmt: Format) -> list[int]:
    """Ascending codes of finite values with hard significands, of both signs; all of a table's."""
    if isinstance(fmt, TableFormat):
        return sorted(fmt.values_by_code)
    if isinstance(fmt, PositFormat):
        codes = set(_posit_codes(fmt))
        return sorted(codes | {(1 << fmt.width) - code for code in codes if code})
    if isinstance(fmt, FloatFormat):
        codes = set(_float_codes(fmt))
        return sorted((codes | {code | fmt.sign_code for code in codes}) - _reserved(fmt))
    top = 1 << fmt.width
    hole = {top >> 1} if fmt.symmetric else set()
    return sorted((patterns(fmt.width) | {0}) - hole)


def _reserved(fmt: FloatFormat) -> set[int]:
    """The code of −0, where it is NaN."""
    return {fmt.nan_code} if fmt.has_nan_at_minus_zero else set()


def _multiples(fmt: FixedFormat) -> Iterable[Fraction]:
    """Magnitudes of integers or fixed point, both ends of the range, and what lies between."""
    ends = {fmt.largest_code, -fmt.lowest_code}
    codes = range(1 << fmt.width) if fmt.width <= ALL_CODES else sorted(patterns(fmt.width))
    unit = power_of_two(fmt.quantum_exponent)
    for code in {*codes, *(e + d for e in ends for d in (-1, 0, 1)), *(2 * e for e in ends)}:
        yield from ((abs(code) + Fraction(k, 8)) * unit for k in EIGHTHS)


def patterns(bits: int) -> set[int]:
    """All ones, one-hot, runs from either end, and their neighbours."""
    ones = (1 << bits) - 1
    runs = {ones >> k for k in range(bits + 1)} | {ones << k & ones for k in range(bits + 1)}
    hot = {1 << k for k in range(bits)} | {0}
    return {(p + d) & ones for p in runs | hot for d in (-1, 0, 1)}


def _with_neighbours(magnitudes: Iterable[Fraction]) -> list[float]:
    """As float64, with the next ones on either side; ascending, Inf last."""
    floats = {float(x) for x in magnitudes if x <= Fraction(MAX_FLOAT)}
    beside = {math.nextafter(x, side) for x in floats for side in (0.0, math.inf)}
    return sorted(floats | beside | {0.0, 5e-324, MAX_FLOAT, math.inf})
