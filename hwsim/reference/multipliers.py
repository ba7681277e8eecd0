"""What integer multipliers give, in Python's integers."""

from __future__ import annotations

from fractions import Fraction
from functools import singledispatch

from hwsim.units.multipliers import (
    Drum,
    ExactMultiplier,
    IntegerMultiplier,
    IterativeLog,
    Mitchell,
    Truncated,
)


def multiply(multiplier: IntegerMultiplier, a: int, b: int) -> int:
    """The product of two unsigned integers of the multiplier's width.

    Raises ValueError for an operand that has more bits, or a sign.

    >>> from hwsim.units.multipliers import parse_multiplier
    >>> multiply(parse_multiplier("mitchell"), 3, 3), multiply(parse_multiplier("drum3"), 255, 2)
    (8, 448)
    """
    for name, x in (("a", a), ("b", b)):
        if not 0 <= x < 1 << multiplier.bits:
            raise ValueError(f"{name}={x}: unsigned {multiplier.bits}-bit integers are multiplied")
    return _product(multiplier, a, b)


@singledispatch
def _product(multiplier: IntegerMultiplier, a: int, b: int) -> int:
    raise NotImplementedError(f"no reference for {type(multiplier).__name__}")


@_product.register
def _(multiplier: ExactMultiplier, a: int, b: int) -> int:
    return a * b


@_product.register
def _(multiplier: Mitchell, a: int, b: int) -> int:
    """2^(k1+k2)·(1 + x1 + x2), or 2^(k1+k2+1)·(x1 + x2) where x1 + x2 ≥ 1; x = r/2^k."""
    if a == 0 or b == 0:
        return 0
    (k1, r1), (k2, r2) = _leading(a), _leading(b)
    rest = (r1 << k2) + (r2 << k1)
    one = 1 << (k1 + k2)
    return one + rest if rest < one else 2 * rest


@_product.register
def _(multiplier: IterativeLog, a: int, b: int) -> int:
    total = 0
    for _ in range(multiplier.corrections + 1):
        if a == 0 or b == 0:
            break
        (k1, r1), (k2, r2) = _leading(a), _leading(b)
        total += (1 << (k1 + k2)) + (r1 << k2) + (r2 << k1)
        a, b = r1, r2
    return total


@_product.register
def _(multiplier: Drum, a: int, b: int) -> int:
    return _kept(a, multiplier.kept) * _kept(b, multiplier.kept)


@_product.register
def _(multiplier: Truncated, a: int, b: int) -> int:
    n, dropped = multiplier.bits, multiplier.dropped
    columns = range(dropped, 2 * n - 1)
    total = sum(
        ((a >> i) & (b >> (j - i)) & 1) << j
        for j in columns
        for i in range(max(0, j - n + 1), min(n, j + 1))
    )
    return total + (_average(n, dropped) if multiplier.corrected else 0)


def _leading(x: int) -> tuple[int, int]:
    """(k, r) with x = 2^k + r, r < 2^k."""
    k = x.bit_length() - 1
    return k, x - (1 << k)


def _kept(x: int, bits: int) -> int:
    """The leading bits, the lowest of which is 1 where others follow."""
    cut = x.bit_length() - bits
    return x if cut <= 0 else ((x >> cut) | 1) << cut


def _average(n: int, dropped: int) -> int:
    """The dropped columns' average as a multiple of 2^dropped, halves up."""
    heights = (min(j + 1, n, 2 * n - 1 - j) for j in range(dropped))
    mean = Fraction(sum(height << j for j, height in enumerate(heights)), 4)
    return int(mean / 2**dropped + Fraction(1, 2)) << dropped
