"""What integer multipliers give, in Python's integers."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache, singledispatch

from hwsim.units.multipliers import (
    Drum,
    ExactMultiplier,
    IntegerMultiplier,
    IterativeLog,
    Logarithmic,
    Mbm,
    Mitchell,
    Realm,
    Shift,
    Truncated,
)
from hwsim.units.tables import TableMultiplier


def multiply(multiplier: IntegerMultiplier, a: int, b: int) -> int:
    """The product of two integers of the multiplier's width: unsigned ones, but for a signed table.

    Raises ValueError for an operand that has more bits, or a sign.

    >>> from hwsim.units.multipliers import parse_multiplier
    >>> multiply(parse_multiplier("mitchell"), 3, 3), multiply(parse_multiplier("drum3"), 255, 2)
    (8, 448)
    """
    signed = isinstance(multiplier, TableMultiplier) and multiplier.signed
    low = -(1 << (multiplier.bits - 1)) if signed else 0
    for name, x in (("a", a), ("b", b)):
        if not low <= x < low + (1 << multiplier.bits):
            kind = "signed" if signed else "unsigned"
            raise ValueError(f"{name}={x}: {kind} {multiplier.bits}-bit integers are multiplied")
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
def _(multiplier: Mbm, a: int, b: int) -> int:
    return _with_addition(multiplier.bits, a, b, Fraction(5, 64))


@_product.register
def _(multiplier: Realm, a: int, b: int) -> int:
    if a == 0 or b == 0:
        return 0
    i, j = (_segment(x, multiplier.segments) for x in (a, b))
    addition = Fraction(realm_additions(multiplier.segments)[i][j], 64)
    return _with_addition(multiplier.bits, a, b, addition)


@_product.register
def _(multiplier: TableMultiplier, a: int, b: int) -> int:
    return multiplier.product(a, b)


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
    return total + (average_of_dropped(n, dropped) if multiplier.corrected else 0)


@_product.register
def _(multiplier: Shift, a: int, b: int) -> int:
    return (a << multiplier.guard) >> b


@_product.register
def _(multiplier: Logarithmic, a: int, b: int) -> int:
    carry, part = divmod(a + b, 1 << multiplier.bits)
    return antilogarithm(part, multiplier.bits, multiplier.table_bits) << carry


@lru_cache(maxsize=1 << 12)
def antilogarithm(part: int, bits: int, table_bits: int) -> int:
    """2^(part·2^-bits), to the nearest multiple of 2^-table_bits, in units of those.

    Square roots, taken ``bits`` times and each cut to an integer, are the root cut once; the last
    bit of it decides, as no such root but 1 is rational.

    >>> [antilogarithm(part, 3, 8) for part in range(8)]
    [256, 279, 304, 332, 362, 395, 431, 470]
    """
    root = 1 << (((table_bits + 1) << bits) + part)
    for _ in range(bits):
        root = math.isqrt(root)
    return (root + 1) >> 1


def _with_addition(n: int, a: int, b: int, addition: Fraction) -> int:
    """Mitchell's product of n-bit integers with ``addition``·2^(k1+k2) in its fraction, of which
    n − 1 bits are kept."""
    if a == 0 or b == 0:
        return 0
    (k1, r1), (k2, r2) = _leading(a), _leading(b)
    one = 1 << (n - 1)
    fraction = (r1 << (n - 1 - k1)) + (r2 << (n - 1 - k2))
    carry = int(fraction >= one)
    fraction -= carry * one
    more = int(addition * one / 2**carry)
    shift = k1 + k2 + carry
    if shift == 2 * n - 1 and fraction + more >= one:  # it would leave 2n bits
        more = 0
    return ((one + fraction + more) << shift) >> (n - 1)


def _segment(x: int, segments: int) -> int:
    """In which part of its binade x lies."""
    k, r = _leading(x)
    return (r * segments) >> k


@lru_cache
def realm_additions(segments: int) -> tuple[tuple[int, ...], ...]:
    """REALM's additions in units of 2^-6, for each segment of x1 and of x2 in [0, 1): the mean of
    what Mitchell's product lacks, relative to the exact (1 + x1)(1 + x2), over the mean of
    1/((1 + x1)(1 + x2)), to nearest.

    No quotient lies within 10^-6 of a tie, as a test asserts.

    >>> realm_additions(2)
    ((3, 7), (7, 4))
    """
    width = 1.0 / segments
    cells = range(segments)
    return tuple(
        tuple(math.floor(64 * realm_addition(i * width, j * width, width) + 0.5) for j in cells)
        for i in cells
    )


def realm_addition(x: float, y: float, width: float) -> float:
    """The addition of the segment at (x, y), before it is rounded."""
    exact = math.log((1 + x + width) / (1 + x)) * math.log((1 + y + width) / (1 + y))
    return (_lacking(x, y, width) + _lacking(x + width, y + width, -width)) / exact


def _lacking(x: float, y: float, side: float) -> float:
    """The integral of (exact − Mitchell)/exact over the triangle (x, y), (x + side, y),
    (x, y + side), on which x1 + x2 < 1 everywhere or nowhere."""
    below = x + y + side / 2 < 1
    total = []
    for u, u_weight in _SIMPSON:
        for v, v_weight in _SIMPSON:
            x1, x2 = x + side * u, y + side * (1 - u) * v
            gap = x1 * x2 if below else (1 - x1) * (1 - x2)
            total.append(u_weight * v_weight * (1 - u) * gap / ((1 + x1) * (1 + x2)))
    return math.fsum(total) * side * side


_PARTS = 32  # of Simpson's rule: an error under 10^-9
_SIMPSON = [
    (i / _PARTS, (1 if i in (0, _PARTS) else 2 + 2 * (i % 2)) / (3 * _PARTS))
    for i in range(_PARTS + 1)
]


def _leading(x: int) -> tuple[int, int]:
    """(k, r) with x = 2^k + r, r < 2^k."""
    k = x.bit_length() - 1
    return k, x - (1 << k)


def _kept(x: int, bits: int) -> int:
    """The leading bits, the lowest of which is 1 where others follow."""
    cut = x.bit_length() - bits
    return x if cut <= 0 else ((x >> cut) | 1) << cut


def average_of_dropped(n: int, dropped: int) -> int:
    """What a corrected truncated multiplier of n bits adds: the dropped columns' average as a
    multiple of 2^dropped, halves up."""
    heights = (min(j + 1, n, 2 * n - 1 - j) for j in range(dropped))
    mean = Fraction(sum(height << j for j, height in enumerate(heights)), 4)
    return int(mean / 2**dropped + Fraction(1, 2)) << dropped
