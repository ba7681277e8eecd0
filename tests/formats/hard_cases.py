"""Numbers at which roundings go wrong, for any float format, after Berkeley TestFloat.

Every boundary between neighbouring values (or, for wide formats, of chosen exponents times
significand patterns), its midpoint, and the float64 next to either; both ends of the range.
"""

from __future__ import annotations

import math
from fractions import Fraction

from hwsim.formats import FloatFormat

MAX_FLOAT = 1.7976931348623157e308


def chosen_codes(fmt: FloatFormat) -> list[int]:
    """Codes of nonnegative finite values: all of them to 8 bits, else TestFloat's patterns."""
    if fmt.width <= 8:
        return list(range(fmt.largest_code + 1))
    bits, top = fmt.fraction_bits, (1 << fmt.exponent_bits) - 1
    middle = fmt.exponent_bias
    fields = {0, 1, 2, middle - 1, middle, middle + 1, top - 2, top - 1, top}
    ones = (1 << bits) - 1
    runs = {ones >> k for k in range(bits + 1)} | {ones << k & ones for k in range(bits + 1)}
    hot = {1 << k for k in range(bits)} | {0}
    patterns = {(p + d) & ones for p in runs | hot for d in (-1, 0, 1)}
    codes = {(f << bits) | p for f in fields if 0 <= f <= top for p in patterns}
    return sorted(c for c in codes | {fmt.largest_code} if c <= fmt.largest_code)


def magnitudes(fmt: FloatFormat) -> list[float]:
    """Nonnegative hard cases, ascending and without repetition; Inf comes last."""
    top = fmt.largest
    step = top - fmt.magnitude(fmt.largest_code - 1)
    exact = [top + step / 2, top + step, 2 * top, 3 * top, 4 * top]
    exact += [fmt.smallest * k / 8 for k in range(13)]
    for code in chosen_codes(fmt):
        low = fmt.magnitude(code)
        high = fmt.magnitude(code + 1) if code < fmt.largest_code else top + step
        exact += [low + (high - low) * k / 8 for k in (0, 3, 4, 5)]
    floats = {float(x) for x in exact if x <= Fraction(MAX_FLOAT)}
    beside = {math.nextafter(x, side) for x in floats for side in (0.0, math.inf)}
    return sorted(floats | beside | {5e-324, MAX_FLOAT, math.inf})


def numbers(fmt: FloatFormat) -> list[float]:
    """Hard cases of both signs, the zeros included; no NaN."""
    positive = magnitudes(fmt)
    return [-x for x in reversed(positive)] + positive
