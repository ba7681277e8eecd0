"""Rounding of exact sums to any grid, in float64 scalars, branch-free.

Plain functions of scalars, so that another backend can compile the same text.
"""

from __future__ import annotations

import math

import numpy as np

from hwsim_kernels._jit import helper, inlined

EXPONENT = np.int64(0x7FF0000000000000)
ONE = np.int64(1)


@helper
def exact_sum(x, y):
    """(s, e) with s = fl(x + y) and s + e = x + y exactly, for finite s (Knuth's TwoSum)."""
    s = x + y
    v = s - x
    return s, (x - (s - v)) + (y - v)


@helper
def to_odd(s, e):
    """s + e rounded to odd: s where e = 0 or s is odd, else its neighbour towards e.

    The result then rounds to any grid of at most 51 bits precision as s + e would.
    """
    bits = np.float64(s).view(np.int64)
    away = (e > 0.0) == (s > 0.0)
    step = np.int64(1) if away else np.int64(-1)
    fix = ((bits & ONE) == 0) & ((e > 0.0) | (e < 0.0))
    return np.int64(bits + step if fix else bits).view(np.float64)


@helper
def nearest(x, g):
    """(r, x + C, exponent field) with r the nearest even grid point, unsigned zero lost."""
    field = np.float64(x).view(np.int64) & EXPONENT
    field = max(field, g.floor_bits)
    field = min(field, g.cap_bits)
    c = np.int64(field + g.magic_bits).view(np.float64)
    t = x + c
    return t - c, t, field


# How results leave the nearest grid point: never (rne); by a threshold on the way to the next one
# (rna, rtz, rup, rdn); or to the odd neighbour (rto).
NEAREST, THRESHOLD, ODD = range(3)


@helper
def to_grid(x, g, mode):
    """x rounded to the grid, exponent unbounded above; the sign of zero may be lost.

    In magnitudes: d = |x| − r is exact, since both are multiples of |x|'s last place and lie
    within one step q; where it reaches a threshold, r moves on by q.
    """
    if mode == NEAREST:
        r, t, field = nearest(x, g)
        return 0.0 if abs(r) < g.smallest else r
    a = abs(x)
    r, t, field = nearest(a, g)
    q = np.int64(field - g.quantum_bits).view(np.float64)
    d = a - r
    if mode == ODD:
        even = (np.float64(t).view(np.int64) & ONE) == 0
        up = g.up_pos if even else 2.0
        down = up
    else:
        up = g.up_pos if x > 0.0 else g.up_neg
        down = g.down_pos if x > 0.0 else g.down_neg
    higher = r + q
    lower = r - q
    y = higher if (d > 0.0) & (d >= up * q) else r
    y = lower if (d < 0.0) & (d <= -down * q) else y
    y = 0.0 if y < g.smallest else y
    return math.copysign(y, x)


@helper
def limit(r, x, g, wraps):
    """The overflow rule on a rounded r; x, from which it came, gives sign and infinity."""
    if wraps:
        return (r - g.span * math.floor((r - g.lowest) / g.span)) + g.zero_add
    y = math.copysign(r, x) + g.zero_add
    y = g.over_pos if r > g.largest else y
    y = g.over_neg if r < g.lowest else y
    y = g.inf_pos if x == math.inf else y
    return g.inf_neg if x == -math.inf else y


@helper
def beyond(r, x, g):
    """Whether a finite x, rounded to r, overflows."""
    return ((r > g.largest) | (r < g.lowest)) & (abs(x) < math.inf)


@inlined
def to_format(x, g, mode, wraps):
    """(R(x) by the grid and its rule, whether it overflowed)."""
    r = to_grid(x, g, mode)
    return limit(r, x, g, wraps), beyond(r, x, g)


# What is proved about the float64 sum s = fl(acc + p): it is exact; or rounding it again gives
# what rounding acc + p once would; or nothing, and it is rounded to odd.
EXACT, INNOCUOUS, STICKY = range(3)


@helper
def add_round(acc, p, g, sums, mode, wraps):
    """(y, s, e, x, r): y = R(acc + p) by the grid and its rule; s + e = acc + p; x = odd(s, e)."""
    s, e = exact_sum(acc, p)
    if sums == EXACT:
        e = 0.0
    x = to_odd(s, e) if sums == STICKY else s
    if mode != NEAREST:
        # A zero sum is −0 in rdn unless both are +0: the sum's own sign is right elsewhere.
        minus = (math.copysign(1.0, acc) < 0.0) | (math.copysign(1.0, p) < 0.0)
        x = -0.0 if (g.minus_zero & (x == 0.0) & minus) else x
    r = to_grid(x, g, mode)
    return limit(r, x, g, wraps), s, e, x, r
