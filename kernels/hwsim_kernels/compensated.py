"""Kahan's sum and sums of two words in float64, as `hwsim_kernels.float64` has plain ones.

Every addition is exact as s + e and rounded once (`add_round`): ``first`` is what is proved of sums
of a product and a value of the accumulator's format, ``rest`` of sums of two such values.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from hwsim_kernels._jit import inlined, kernel
from hwsim_kernels.float64 import (
    CHEAP,
    NONE,
    OVERFLOW,
    also,
    count_up,
    counted_sum,
    masses,
    no_tally,
    product,
)
from hwsim_kernels.rounding64 import STICKY, add_round, beyond, to_format


@inlined
def rest(x, y, g, sums, mode):
    """(R(x + y), whether it overflowed)."""
    z, s, _, _, r = add_round(x, y, g, sums, mode, False)
    return z, beyond(r, s, g)


@cache
def kahan_kernel(first: int, sums: int, mode: int, rounded: bool, level: int) -> Any:
    """T ← T + a·b over k by Kahan's sum, for a tile."""

    @kernel
    def kahan(a, b, tile, flags, counts, lost, mass, g, h, zero_add):
        # a (m, k), b (k, n), tile and flags (m, n); g the sum's grid, h the product's.
        columns, rule = b.shape[1], (g, mode, False)
        too_much = np.empty(columns)
        for i in range(a.shape[0]):
            too_much[:] = 0.0
            for k in range(a.shape[1]):
                x = a[i, k]
                n = no_tally(counts)
                for j in range(columns):
                    acc = tile[i, j]
                    p, struck = product(x, b[k, j], zero_add, h, mode, False, rounded)
                    y, first_over = rest(p, -too_much[j], g, first, mode)
                    found = add_round(acc, y, g, sums, mode, False)
                    grown, s, e, _, _ = found
                    u, third = rest(grown, -acc, g, sums, mode)
                    too_much[j], fourth = rest(u, -y, g, sums, mode)
                    tile[i, j] = grown
                    if level > NONE:
                        n, over = counted_sum(n, acc, y, found, rule, level)
                        others = np.int64(first_over) + np.int64(third) + np.int64(fourth)
                        n = also(n, others, struck)
                        flags[i, j] |= np.int64((others > 0) | over | struck)
                    if level > CHEAP:
                        term, size = masses(y, grown, s, e)
                        lost[i, j] += term
                        mass[i, j] += size
                count_up(n, counts, level)

    return kahan


@inlined
def two_words(p, g, first, mode):
    """(R(p), its error, overflows) of an exact product."""
    upper, over1 = to_format(p, g, mode, False)
    lower, over2 = rest(p, -upper, g, first, mode)
    return upper, lower, np.int64(over1) + np.int64(over2)


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
        columns, rule = b.shape[1], (g, mode, False)
        low = np.empty(columns)
        for i in range(a.shape[0]):
            low[:] = 0.0
            for k in range(a.shape[1]):
                x = a[i, k]
                n = no_tally(counts)
                for j in range(columns):
                    acc = tile[i, j]
                    exact, struck = product(x, b[k, j], zero_add, h, mode, False, rounded)
                    p, r, of_product = two_words(exact, g, first, mode)
                    found = add_round(acc, p, g, sums, mode, False)
                    y, s, e, _, _ = found
                    error, of_sum = two_sum(acc, p, y, g, sums, mode)
                    v, over1 = rest(low[j], r, g, sums, mode)
                    w, over2 = rest(error, v, g, sums, mode)
                    upper, lower, of_words = renormalised(y, w, g, sums, mode)
                    tile[i, j] = upper
                    low[j] = lower
                    if level > NONE:
                        n, over = counted_sum(n, acc, p, found, rule, level)
                        others = of_product + of_sum + of_words
                        others += np.int64(over1) + np.int64(over2)
                        n = also(n, others, struck)
                        flags[i, j] |= np.int64((others > 0) | over | struck)
                    if level > CHEAP:
                        term, size = masses(p, y, s, e)
                        lost[i, j] += term
                        mass[i, j] += size
                count_up(n, counts, level)
            for j in range(columns):
                tile[i, j], over = rest(tile[i, j], low[j], last, STICKY, mode)
                if level > NONE:
                    outer[OVERFLOW] += np.int64(over)
                    flags[i, j] |= np.int64(over)

    return double_word
