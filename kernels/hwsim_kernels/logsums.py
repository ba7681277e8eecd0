"""Sums of logarithms by tables: int32 fields and signs, columns as lanes.

A number is its sign and its field, 0 for zero.  A logarithm in units of 2^-more of a field becomes
one by adding ``bump`` and cutting, which every rounding of a field is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import inlined, kernel
from hwsim_kernels.float64 import (
    ALL,
    DOMINATED,
    FULL,
    LARGEST,
    OVERFLOW,
    PARTIAL,
    PRODUCT_OVERFLOW,
    UNDERFLOW,
    finite_bits,
    lost_term,
)
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


@inlined
def added(s, s_minus, p, p_minus, table, u):
    """(field, sign, whether it overflowed) of a sum."""
    larger, minus, at = place(s, s_minus, p, p_minus, u)
    field = settled(larger, minus, table[at], u)
    return min(field, u.last), minus, field > u.last


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
def value(field, minus, values):
    """What a number stands for."""
    x = values[field]
    return -x if minus != 0 and field != 0 else x


@kernel
def counted_sums(a, a_minus, b, b_minus, s, s_minus, table, u, values, level, tally):
    """The same, counted on the numbers that fields stand for (``values``, float64, whose sums do
    not overflow); tally = (flags, counts, lost, mass)."""
    flags, counts, lost, mass = tally
    least = values[1]
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            acc = value(s[i, j], s_minus[i, j], values)
            for k in range(a.shape[1]):
                p_field, p_minus, struck = product(
                    a[i, k], a_minus[i, k], b[k, j], b_minus[k, j], u
                )
                field, minus, over = added(s[i, j], s_minus[i, j], p_field, p_minus, table, u)
                s[i, j], s_minus[i, j] = field, minus
                p, y = value(p_field, p_minus, values), value(field, minus, values)
                exact, e = exact_sum(acc, p)
                inexact = (y != exact) | (e != 0.0)
                counts[PRODUCT_OVERFLOW] += np.int64(struck)
                counts[OVERFLOW] += np.int64(over)
                flags[i, j] |= np.int64(struck | over)
                counts[FULL] += np.int64((p != 0.0) & (y == acc) & (not over))
                counts[PARTIAL] += np.int64((y != acc) & inexact & (not over))
                if level == ALL:
                    alone = (acc != 0.0) & (p != 0.0) & (y == p)
                    counts[DOMINATED] += np.int64(alone & inexact & (not over))
                    small = (abs(exact) < least) & (abs(exact) > 0.0)
                    counts[UNDERFLOW] += np.int64(small & inexact)
                    counts[LARGEST] = max(counts[LARGEST], finite_bits(y))
                    lost[i, j] += lost_term(y, exact, e)
                    mass[i, j] += abs(p)
                acc = y
