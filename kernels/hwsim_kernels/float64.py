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
from typing import Any

import numpy as np

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.rounding64 import add_round, limit, to_grid, to_odd

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


@cache
def mac_kernel(sums: int, mode: int, wraps: bool, rounded: bool, level: int) -> Any:
    """T ← R(T + a·b) over k, for a tile: the kernel for these loop-invariant choices."""

    @kernel
    def mac(a, b, tile, flags, counts, lost, mass, g, h, zero_add):
        # a (m, k), b (k, n), tile and flags (m, n); g the sum's grid, h the product's.
        for i in range(a.shape[0]):
            for k in range(a.shape[1]):
                x = a[i, k]
                full = np.int64(0)
                partial = np.int64(0)
                dominated = np.int64(0)
                overflow = np.int64(0)
                underflow = np.int64(0)
                products = np.int64(0)
                largest = counts[LARGEST]
                for j in range(b.shape[1]):
                    p = x * b[k, j] + zero_add
                    hit = False
                    if rounded:
                        u = to_grid(p, h, mode)
                        if level > NONE:
                            hit = ((u > h.largest) | (u < h.lowest)) & (abs(p) < math.inf)
                            products += np.int64(hit)
                        p = limit(u, p, h, wraps)
                    acc = tile[i, j]
                    y, s, e, z, r = add_round(acc, p, g, sums, mode, wraps)
                    tile[i, j] = y
                    if level > NONE:
                        over = ((r > g.largest) | (r < g.lowest)) & (abs(s) < math.inf)
                        overflow += np.int64(over)
                        flags[i, j] |= np.int64(over | hit)
                        judged = (abs(s) < math.inf) & (not over)
                        moved = y != acc
                        inexact = (y != s) | (e != 0.0)
                        full += np.int64((p != 0.0) & (not moved) & judged)
                        partial += np.int64(moved & inexact & judged)
                    if level > CHEAP:
                        alone = limit(to_grid(p, g, mode), p, g, wraps)
                        taken = (acc != 0.0) & (p != 0.0) & (y == alone)
                        dominated += np.int64(taken & inexact & judged)
                        small = (z != 0.0) & (abs(z) < g.smallest_normal)
                        underflow += np.int64(small & inexact)
                        largest = max(largest, finite_bits(y))
                        usable = (abs(s) < math.inf) & (abs(y) < math.inf)
                        # Computed first and chosen then: a branch would not vectorise.
                        term = lost_term(y, s, e)
                        addend = abs(p)
                        lost[i, j] += term if usable else 0.0
                        mass[i, j] += addend if usable else 0.0
                if level > NONE:
                    counts[FULL] += full
                    counts[PARTIAL] += partial
                    counts[OVERFLOW] += overflow
                    counts[PRODUCT_OVERFLOW] += products
                if level > CHEAP:
                    counts[DOMINATED] += dominated
                    counts[UNDERFLOW] += underflow
                    counts[LARGEST] = largest

    return mac


@cache
def merge_kernel(sums: int, mode: int, wraps: bool, level: int) -> Any:
    """S ← R(S + T) for a tile: chunk sums T enter the outer accumulator S."""

    @kernel
    def merge(total, tile, flags, counts, g):
        for i in range(total.shape[0]):
            for j in range(total.shape[1]):
                acc = total[i, j]
                p = tile[i, j]
                y, s, e, z, r = add_round(acc, p, g, sums, mode, wraps)
                total[i, j] = y
                if level > NONE:
                    over = ((r > g.largest) | (r < g.lowest)) & (abs(s) < math.inf)
                    judged = (abs(s) < math.inf) & (not over)
                    inexact = (y != s) | (e != 0.0)
                    flags[i, j] |= np.int64(over)
                    counts[OVERFLOW] += np.int64(over)
                    counts[FULL] += np.int64((p != 0.0) & (y == acc) & judged)
                    counts[PARTIAL] += np.int64((y != acc) & inexact & judged)
                if level > CHEAP:
                    alone = limit(to_grid(p, g, mode), p, g, wraps)
                    taken = (acc != 0.0) & (p != 0.0) & (y == alone)
                    counts[DOMINATED] += np.int64(taken & inexact & judged)
                    small = (z != 0.0) & (abs(z) < g.smallest_normal)
                    counts[UNDERFLOW] += np.int64(small & inexact)
                    counts[LARGEST] = max(counts[LARGEST], finite_bits(y))

    return merge


@kernel
def round_array(x, out, overflowed, g, mode, wraps):
    """out ← R(x) for flat arrays of one length; ``overflowed`` gets 1 where the rule struck.

    ``overflowed`` may be empty: then nothing is noted.  Returns the number of overflows.
    """
    total = np.int64(0)
    for i in range(x.shape[0]):
        r = to_grid(x[i], g, mode)
        over = ((r > g.largest) | (r < g.lowest)) & (abs(x[i]) < math.inf)
        total += np.int64(over)
        if overflowed.shape[0]:
            overflowed[i] |= np.uint8(over)
        out[i] = limit(r, x[i], g, wraps)
    return total


@kernel
def limit_array(x, g):
    """The overflow rule in place, on values that are rounded already; NaN stays."""
    for i in range(x.shape[0]):
        x[i] = limit(x[i], x[i], g, False)
