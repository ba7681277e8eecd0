"""MAC kernels in float64: any float accumulator to 51 bits precision, any fixed point to 50.

Exact because the product of the operands is exact in float64 (the lowering proves it), the sum
is known as s + e (TwoSum), and rounding s + e to odd in 53 bits loses nothing that a rounding to
at most 51 bits could see (Boldo & Melquiond 2008).  The lane is the output column, never k.

Every kernel takes *tallies*: int64 counts (see `COUNTS`), and, when everything is measured,
float64 lost and mass per output.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, inlined, kernel
from hwsim_kernels.rounding64 import add_round, beyond, limit, to_format, to_odd

# Slots of the counts array.
FULL, PARTIAL, DOMINATED, OVERFLOW, UNDERFLOW, PRODUCT_OVERFLOW, LARGEST = range(7)
COUNTS = 7
NONE, CHEAP, ALL = range(3)  # how much is counted

MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)
INFINITE = np.int64(0x7FF0000000000000)


@helper
def finite_bits(y):
    """Magnitude bits of a finite y, 0 for the others: an integer maximum vectorises."""
    bits = np.float64(y).view(np.int64) & MAGNITUDE
    return bits if bits < INFINITE else np.int64(0)


@helper
def lost_term(y, s, e):
    """|y − (s + e)| rounded once to float64.

    Where y − s is inexact (after saturation, or far under the smallest subnormal), e is below
    half a unit of the difference's last place, so its rounding to odd decides as it would.
    """
    d = y - s
    v = d - y
    low = (y - (d - v)) + (-s - v)
    t = low - e
    v = t - low
    rest = (low - (t - v)) + (-e - v)
    return abs(d + to_odd(t, rest))


class Tally(NamedTuple):
    """Counts of a row on their way to the slots of ``counts``: in registers, int64."""

    full: int
    partial: int
    dominated: int
    overflow: int
    underflow: int
    products: int
    largest: int


@inlined
def no_tally(counts):
    """Nothing counted yet."""
    zero = np.int64(0)
    return Tally(zero, zero, zero, zero, zero, zero, counts[LARGEST])


@inlined
def count_up(n, counts, level):
    """Add a row's tally."""
    if level > NONE:
        counts[FULL] += n.full
        counts[PARTIAL] += n.partial
        counts[OVERFLOW] += n.overflow
        counts[PRODUCT_OVERFLOW] += n.products
    if level > CHEAP:
        counts[DOMINATED] += n.dominated
        counts[UNDERFLOW] += n.underflow
        counts[LARGEST] = n.largest


@inlined
def counted(n, step, over, alone, tiny, level):
    """The tally n after a step (acc, p, y, s, e): y = R(acc + p), and s + e the exact sum.

    over : whether y overflowed.  alone : R(p).  tiny : whether the sum lies under the smallest
    normal value.
    """
    acc, p, y, s, e = step
    regular = (abs(s) < math.inf) & (not over)
    moved = y != acc
    inexact = (y != s) | (e != 0.0)
    dominated, underflow, largest = n.dominated, n.underflow, n.largest
    if level > CHEAP:
        taken = (acc != 0.0) & (p != 0.0) & (y == alone)
        dominated += np.int64(taken & inexact & regular)
        underflow += np.int64(tiny & inexact)
        largest = max(largest, finite_bits(y))
    return Tally(
        n.full + np.int64((p != 0.0) & (not moved) & regular),
        n.partial + np.int64(moved & inexact & regular),
        dominated,
        n.overflow + np.int64(over),
        underflow,
        n.products,
        largest,
    )


@inlined
def also(n, overflows, products):
    """The tally n and what overflowed beside sums."""
    overflow, struck = n.overflow + overflows, n.products + np.int64(products)
    return Tally(n.full, n.partial, n.dominated, overflow, n.underflow, struck, n.largest)


@inlined
def counted_sum(n, acc, p, found, rule, level):
    """(the tally n after a step of `add_round`, which found (y, s, e, x, r); whether y overflowed);
    ``rule`` = (g, mode, wraps)."""
    y, s, e, x, r = found
    g = rule[0]
    over, tiny = beyond(r, s, g), (x != 0.0) & (abs(x) < g.smallest_normal)
    alone, _ = to_format(p, *rule)
    return counted(n, (acc, p, y, s, e), over, alone, tiny, level), over


@inlined
def masses(p, y, s, e):
    """(lost, mass) of a step; nothing of one that is not finite."""
    usable = (abs(s) < math.inf) & (abs(y) < math.inf)
    # Computed first and chosen then: a branch would not vectorise.
    term, addend = lost_term(y, s, e), abs(p)
    return (term if usable else 0.0), (addend if usable else 0.0)


@inlined
def product(x, y, zero_add, h, mode, wraps, rounded):
    """(the addend, whether it overflowed): x·y, or R(x·y) in the product's format."""
    p = x * y + zero_add
    return to_format(p, h, mode, wraps) if rounded else (p, False)


@cache
def mac_kernel(sums: int, mode: int, wraps: bool, rounded: bool, level: int) -> Any:
    """T ← R(T + a·b) over k, for a tile: the kernel for these loop-invariant choices."""

    @kernel
    def mac(a, b, tile, flags, counts, lost, mass, g, h, zero_add):
        # a (m, k), b (k, n), tile and flags (m, n); g the sum's grid, h the product's.
        for i in range(a.shape[0]):
            for k in range(a.shape[1]):
                x = a[i, k]
                n = no_tally(counts)
                for j in range(b.shape[1]):
                    p, struck = product(x, b[k, j], zero_add, h, mode, wraps, rounded)
                    acc = tile[i, j]
                    found = add_round(acc, p, g, sums, mode, wraps)
                    y, s, e, _, _ = found
                    tile[i, j] = y
                    if level > NONE:
                        n, over = counted_sum(n, acc, p, found, (g, mode, wraps), level)
                        n = also(n, 0, struck)
                        flags[i, j] |= np.int64(over | struck)
                    if level > CHEAP:
                        term, size = masses(p, y, s, e)
                        lost[i, j] += term
                        mass[i, j] += size
                count_up(n, counts, level)

    return mac


@cache
def merge_kernel(sums: int, mode: int, wraps: bool, level: int) -> Any:
    """S ← R(S + T) for a tile: chunk sums T enter the outer accumulator S."""

    @kernel
    def merge(total, tile, flags, counts, g):
        for i in range(total.shape[0]):
            n = no_tally(counts)
            for j in range(total.shape[1]):
                acc, p = total[i, j], tile[i, j]
                found = add_round(acc, p, g, sums, mode, wraps)
                total[i, j] = found[0]
                if level > NONE:
                    n, over = counted_sum(n, acc, p, found, (g, mode, wraps), level)
                    flags[i, j] |= np.int64(over)
            count_up(n, counts, level)

    return merge


@kernel
def round_array(x, out, overflowed, g, mode, wraps):
    """out ← R(x) for flat arrays of one length; ``overflowed`` gets 1 where the rule struck.

    ``overflowed`` may be empty: then nothing is noted.  Returns the number of overflows.
    """
    total = np.int64(0)
    for i in range(x.shape[0]):
        y, over = to_format(x[i], g, mode, wraps)
        total += np.int64(over)
        if overflowed.shape[0]:
            overflowed[i] |= np.uint8(over)
        out[i] = y
    return total


@kernel
def limit_array(x, g):
    """The overflow rule in place, on values that are rounded already; NaN stays."""
    for i in range(x.shape[0]):
        x[i] = limit(x[i], x[i], g, False)
