"""Sums of logarithms by tables: int32 fields and signs, columns as lanes.

A number is its sign and its field, 0 for zero.  A logarithm in units of 2^-more of a field becomes
one by adding ``bump`` and cutting, which every rounding of a field is.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, inlined, kernel
from hwsim_kernels.float64 import CHEAP, also, count_up, counted, masses, no_tally
from hwsim_kernels.rounding64 import exact_sum

ZERO = np.int32(-(1 << 31))  # an operand's logarithm that stands for none
NEVER = np.int32(-(1 << 30))  # d(0): what it is added to is nothing
LEAST = np.int32(-(1 << 28))  # under every sum but those


class Rounding(NamedTuple):
    """How logarithms become fields: by sign of the number, + first."""

    more: np.int32  # bits under a field's last one
    bump_plus: np.int32  # added to a logarithm, for an even field under it
    bump_minus: np.int32
    odd: np.int32  # and, where that field is odd, this too
    tiny_plus: np.int32  # what is left of a number at field 0 or lower: field 0 or 1
    tiny_minus: np.int32


class LogUnit(NamedTuple):
    """The accumulator's range and roundings, of products and of sums."""

    last: np.int32  # the largest field
    align: np.int32  # products: places to the left before they are rounded
    bias: np.int32  # what makes a field of an aligned logarithm
    product: Rounding
    sum: Rounding
    entries: np.int32  # of one table, less 1; farther ones are like the last, 0


@inlined
def to_field(log, negative, r):
    """A logarithm, in units under a field's and with the bias, rounded to a field."""
    below = log >> r.more
    bump = r.bump_minus if negative else r.bump_plus
    bump = np.int32(bump + (r.odd if below & np.int32(1) else np.int32(0)))
    tiny = r.tiny_minus if negative else r.tiny_plus
    return tiny if log <= 0 else np.int32((log + bump) >> r.more)


@inlined
def product(x, x_minus, y, y_minus, u):
    """(field, sign, whether it overflowed) of a product; operands' logarithms, INT32's lowest for
    zeros."""
    none = (x == ZERO) | (y == ZERO)
    minus = x_minus ^ y_minus
    log = np.int32(((np.int32(0) if none else np.int32(x + y)) << u.align) + u.bias)
    field = to_field(log, minus != 0, u.product)
    over = (field > u.last) & (not none)
    field = np.int32(0) if none else min(field, u.last)
    return field, minus, over


@inlined
def place(s, s_minus, p, p_minus, u):
    """(the larger field, its sign, the place of what is added to it in the tables): that of the
    last entry, 0, where the other number is zero; of d(0) where nothing is left."""
    larger, other = max(s, p), min(s, p)
    apart = min(np.int32(larger - other), u.entries)
    at = np.int32(apart + (s_minus ^ p_minus) * np.int32(u.entries + 1))
    alone = np.int32(u.entries + 1) if larger == 0 else u.entries
    return larger, (s_minus if s >= p else p_minus), (alone if other == 0 else at)


@inlined
def settled(larger, minus, entry, u):
    """The field of a sum, unbounded above."""
    log = np.int32((larger << u.sum.more) + entry)
    field = to_field(log, minus != 0, u.sum)
    return np.int32(0) if log < LEAST else field


@kernel
def log_sums(a, a_minus, b, b_minus, s, s_minus, table, u):
    """s ← s + a·b: int32 logarithms (m, k), (k, n) and signs, 0 or 1; fields (m, n) and signs.

    Three passes over the columns, of which only looking up takes them one by one.
    """
    n = b.shape[1]
    places, entries = np.empty(n, np.int32), np.empty(n, np.int32)
    for i in range(a.shape[0]):
        sums, minuses = s[i], s_minus[i]
        for k in range(a.shape[1]):
            x, x_minus = a[i, k], a_minus[i, k]
            for j in range(n):
                p, p_minus, _ = product(x, x_minus, b[k, j], b_minus[k, j], u)
                larger, minus, at = place(sums[j], minuses[j], p, p_minus, u)
                sums[j] = larger
                minuses[j] = minus
                places[j] = at
            for j in range(n):
                entries[j] = table[np.uint32(places[j])]
            for j in range(n):
                field = settled(sums[j], minuses[j], entries[j], u)
                sums[j] = min(field, u.last)


@inlined
def signed(x, minus):
    """x, or −x where there is a sign; whether a zero has one does not matter here."""
    return -x if minus != 0 else x


@helper
def count(rows, least, i, level, tally):
    """A row of steps y ← acc + p, ``rows`` = (accs, addends, ys, hits); hits: 1 where p overflowed,
    2 where y did."""
    accs, addends, ys, hits = rows
    flags, counts, lost, mass = tally
    n = no_tally(counts)
    for j in range(ys.size):
        acc, p, y = accs[j], addends[j], ys[j]
        s, e = exact_sum(acc, p)
        over, tiny = hits[j] > 1, (abs(s) < least) & (s != 0.0)
        n = counted(n, (acc, p, y, s, e), over, p, tiny, level)
        n = also(n, 0, hits[j] & 1)
        flags[i, j] |= np.int64(hits[j])
        if level > CHEAP:
            term, size = masses(p, y, s, e)
            lost[i, j] += term
            mass[i, j] += size
    count_up(n, counts, level)


@cache
def counting_kernel(level: int) -> Any:
    """`log_sums`, counted on the numbers that fields stand for (``values``, float64, whose sums do
    not overflow); tally = (flags, counts, lost, mass)."""

    @kernel
    def counted_sums(a, a_minus, b, b_minus, s, s_minus, table, u, values, tally):
        n = b.shape[1]
        places, entries = np.empty(n, np.int32), np.empty(n, np.int32)
        ps, p_minuses, hits = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
        accs, addends, ys = np.empty(n), np.empty(n), np.empty(n)
        for i in range(a.shape[0]):
            sums, minuses = s[i], s_minus[i]
            for j in range(n):
                ys[j] = signed(values[np.uint32(sums[j])], minuses[j])
            for k in range(a.shape[1]):
                x, x_minus = a[i, k], a_minus[i, k]
                for j in range(n):
                    p, p_minus, struck = product(x, x_minus, b[k, j], b_minus[k, j], u)
                    larger, minus, at = place(sums[j], minuses[j], p, p_minus, u)
                    sums[j], minuses[j], places[j] = larger, minus, at
                    ps[j], p_minuses[j], hits[j] = p, p_minus, np.int32(struck)
                for j in range(n):
                    entries[j] = table[np.uint32(places[j])]
                for j in range(n):
                    field = settled(sums[j], minuses[j], entries[j], u)
                    sums[j] = min(field, u.last)
                    hits[j] = np.int32(hits[j] + np.int32(2) * np.int32(field > u.last))
                for j in range(n):
                    accs[j] = ys[j]
                    addends[j] = signed(values[np.uint32(ps[j])], p_minuses[j])
                    ys[j] = signed(values[np.uint32(sums[j])], minuses[j])
                count((accs, addends, ys, hits), values[1], i, level, tally)

    return counted_sums
