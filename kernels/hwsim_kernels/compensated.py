"""Kahan's sum and sums of two words in float64, as `hwsim_kernels.float64` has plain ones.

Every addition is exact as s + e and rounded once (`add_round`): ``first`` is what is proved of sums
of a product and a value of the accumulator's format, ``rest`` of sums of two such values.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from hwsim_kernels._jit import inlined, kernel
from hwsim_kernels.float64 import (
    CHEAP,
    DOMINATED,
    FULL,
    LARGEST,
    NONE,
    OVERFLOW,
    PARTIAL,
    PRODUCT_OVERFLOW,
    UNDERFLOW,
    finite_bits,
    lost_term,
)
from hwsim_kernels.rounding64 import STICKY, add_round, limit, to_grid


@inlined
def beyond(r, s, g):
    """Whether a finite sum s, rounded to r, overflowed."""
    return ((r > g.largest) | (r < g.lowest)) & (abs(s) < math.inf)


@inlined
def rest(x, y, g, sums, mode):
    """(R(x + y), whether it overflowed)."""
    z, s, _, _, r = add_round(x, y, g, sums, mode, False)
    return z, beyond(r, s, g)


@inlined
def product(x, y, zero_add, h, mode, rounded):
    """(the addend, whether it overflowed): x·y, or R(x·y) in the product's format."""
    p = x * y + zero_add
    if not rounded:
        return p, False
    u = to_grid(p, h, mode)
    return limit(u, p, h, False), beyond(u, p, h)


@inlined
def judged(acc, p, step, g):
    """(overflow, full, partial, inexact) of a step (y, s, e, z, r); the last three of one that is
    finite and does not overflow."""
    y, s, e, _, r = step
    over = beyond(r, s, g)
    regular = (abs(s) < math.inf) & (not over)
    moved = y != acc
    inexact = (y != s) | (e != 0.0)
    full, partial = (p != 0.0) & (not moved) & regular, moved & inexact & regular
    return np.int64(over), np.int64(full), np.int64(partial), inexact & regular


@inlined
def dominates(acc, p, step, g, mode):
    """Whether y is what p alone would have given, and neither is zero."""
    alone = limit(to_grid(p, g, mode), p, g, False)
    return (acc != 0.0) & (p != 0.0) & (step[0] == alone)


@inlined
def underflows(step, g):
    """Whether an inexact sum lies under the smallest normal value."""
    y, s, e, z, _ = step
    small = (z != 0.0) & (abs(z) < g.smallest_normal)
    return np.int64(small & ((y != s) | (e != 0.0)))


@inlined
def masses(p, step):
    """(lost, mass) of a step; nothing of one that is not finite."""
    y, s, e, _, _ = step
    usable = (abs(s) < math.inf) & (abs(y) < math.inf)
    # Computed first and chosen then: a branch would not vectorise.
    term, addend = lost_term(y, s, e), abs(p)
    return (term if usable else 0.0), (addend if usable else 0.0)


@cache
def kahan_kernel(first: int, sums: int, mode: int, rounded: bool, level: int) -> Any:
    """T ← T + a·b over k by Kahan's sum, for a tile."""

    @kernel
    def kahan(a, b, tile, flags, counts, lost, mass, g, h, zero_add):
        # a (m, k), b (k, n), tile and flags (m, n); g the sum's grid, h the product's.
        n = b.shape[1]
        too_much = np.empty(n)
        for i in range(a.shape[0]):
            too_much[:] = 0.0
            for k in range(a.shape[1]):
                x = a[i, k]
                full, partial, dominated = np.int64(0), np.int64(0), np.int64(0)
                overflow, underflow, products = np.int64(0), np.int64(0), np.int64(0)
                largest = counts[LARGEST]
                for j in range(n):
                    acc = tile[i, j]
                    p, struck = product(x, b[k, j], zero_add, h, mode, rounded)
                    y, first_over = rest(p, -too_much[j], g, first, mode)
                    step = add_round(acc, y, g, sums, mode, False)
                    u, third = rest(step[0], -acc, g, sums, mode)
                    too_much[j], fourth = rest(u, -y, g, sums, mode)
                    tile[i, j] = step[0]
                    if level > NONE:
                        over, kept, some, inexact = judged(acc, y, step, g)
                        overs = over + np.int64(first_over) + np.int64(third) + np.int64(fourth)
                        overflow += overs
                        products += np.int64(struck)
                        flags[i, j] |= np.int64((overs > 0) | struck)
                        full += kept
                        partial += some
                    if level > CHEAP:
                        alone = dominates(acc, y, step, g, mode)
                        dominated += np.int64(alone & inexact)
                        underflow += underflows(step, g)
                        largest = max(largest, finite_bits(step[0]))
                        term, size = masses(y, step)
                        lost[i, j] += term
                        mass[i, j] += size
                if level > NONE:
                    counts[FULL] += full
                    counts[PARTIAL] += partial
                    counts[OVERFLOW] += overflow
                    counts[PRODUCT_OVERFLOW] += products
                if level > CHEAP:
                    counts[DOMINATED] += dominated
                    counts[UNDERFLOW] += underflow
                    counts[LARGEST] = largest

    return kahan


@inlined
def two_words(p, g, first, mode):
    """(R(p), its error, overflows) of an exact product."""
    u = to_grid(p, g, mode)
    upper = limit(u, p, g, False)
    lower, over = rest(p, -upper, g, first, mode)
    return upper, lower, np.int64(beyond(u, p, g)) + np.int64(over)


@inlined
def two_sum(acc, p, s, g, sums, mode):
    """(the error of s = R(acc + p) as TwoSum finds it, overflows)."""
    of_h, over1 = rest(s, -p, g, sums, mode)
    of_p, over2 = rest(s, -of_h, g, sums, mode)
    error_of_h, over3 = rest(acc, -of_h, g, sums, mode)
    error_of_p, over4 = rest(p, -of_p, g, sums, mode)
    error, over5 = rest(error_of_h, error_of_p, g, sums, mode)
    overs = np.int64(over1) + np.int64(over2) + np.int64(over3) + np.int64(over4)
    return error, overs + np.int64(over5)


@inlined
def renormalised(s, w, g, sums, mode):
    """(upper word, lower word, overflows) of s + w by Fast2Sum."""
    h, over1 = rest(s, w, g, sums, mode)
    z, over2 = rest(h, -s, g, sums, mode)
    low, over3 = rest(w, -z, g, sums, mode)
    return h, low, np.int64(over1) + np.int64(over2) + np.int64(over3)


@cache
def double_word_kernel(first: int, sums: int, mode: int, rounded: bool, level: int) -> Any:
    """T ← T + a·b over k in two words, which become one number of the grid ``last``."""

    @kernel
    def double_word(a, b, tile, flags, counts, lost, mass, g, h, last, outer, zero_add):
        n = b.shape[1]
        low = np.empty(n)
        for i in range(a.shape[0]):
            low[:] = 0.0
            for k in range(a.shape[1]):
                x = a[i, k]
                full, partial, dominated = np.int64(0), np.int64(0), np.int64(0)
                overflow, underflow, products = np.int64(0), np.int64(0), np.int64(0)
                largest = counts[LARGEST]
                for j in range(n):
                    acc = tile[i, j]
                    exact, struck = product(x, b[k, j], zero_add, h, mode, rounded)
                    p, r, of_product = two_words(exact, g, first, mode)
                    step = add_round(acc, p, g, sums, mode, False)
                    e, of_sum = two_sum(acc, p, step[0], g, sums, mode)
                    v, over1 = rest(low[j], r, g, sums, mode)
                    w, over2 = rest(e, v, g, sums, mode)
                    upper, lower, of_words = renormalised(step[0], w, g, sums, mode)
                    tile[i, j] = upper
                    low[j] = lower
                    if level > NONE:
                        over, kept, some, inexact = judged(acc, p, step, g)
                        overs = over + of_product + of_sum + of_words
                        overs += np.int64(over1) + np.int64(over2)
                        overflow += overs
                        products += np.int64(struck)
                        flags[i, j] |= np.int64((overs > 0) | struck)
                        full += kept
                        partial += some
                    if level > CHEAP:
                        alone = dominates(acc, p, step, g, mode)
                        dominated += np.int64(alone & inexact)
                        underflow += underflows(step, g)
                        largest = max(largest, finite_bits(step[0]))
                        term, size = masses(p, step)
                        lost[i, j] += term
                        mass[i, j] += size
                if level > NONE:
                    counts[FULL] += full
                    counts[PARTIAL] += partial
                    counts[OVERFLOW] += overflow
                    counts[PRODUCT_OVERFLOW] += products
                if level > CHEAP:
                    counts[DOMINATED] += dominated
                    counts[UNDERFLOW] += underflow
                    counts[LARGEST] = largest
            for j in range(n):
                y, over = rest(tile[i, j], low[j], last, STICKY, mode)
                tile[i, j] = y
                if level > NONE:
                    outer[OVERFLOW] += np.int64(over)
                    flags[i, j] |= np.int64(over)

    return double_word
