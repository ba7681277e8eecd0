"""Exact numbers of 190 bits in three words, for the kernels that no carrier serves.

A number is a tuple (kind, negative, high, middle, low, exponent): for kind FINITE it is
±(high·2^128 + middle·2^64 + low)·2^exponent with its leading bit at position TOP, so that two
numbers compare by their exponents first.  Bits that leave the window at its lower end make the
lowest bit 1 (rounding to odd).

Why 190 bits suffice.  Addends have at most 128 bits (products of two 64-bit significands), sums of
two of them are rounded to at most 64 bits.  Let d be the distance of the leading bits.  A bit is
lost only if d + 128 > 190, so d > 62 > 1; then subtraction cancels at most one leading bit, the
result keeps more than 188 exact bits above the odd one, and every rounding to at most 64 bits, ties
included, decides as it would on the exact sum (Boldo & Melquiond 2008: two bits would do).  Where
nothing is lost the result is exact, however much cancels.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import inlined, leading_zeros

FINITE, ZERO, INFINITE, NAN = range(4)
TOP = np.int64(189)
CARRY = np.uint64(62)  # of the high word: the place above TOP
NOTHING = np.uint64(0)
ONE = np.uint64(1)
LOW32 = np.uint64(0xFFFFFFFF)
HALF_WORD = np.uint64(32)


@inlined
def special(kind, negative):
    """±0, ±Inf or NaN."""
    return kind, negative, NOTHING, NOTHING, NOTHING, np.int64(0)


@inlined
def left(h, m, w, n):
    """Three words shifted left by 0 ≤ n < 192; what leaves at the top is gone."""
    if n >= 128:
        h, m, w, n = w, NOTHING, NOTHING, n - 128
    elif n >= 64:
        h, m, w, n = m, w, NOTHING, n - 64
    if n > 0:
        s, r = np.uint64(n), np.uint64(64 - n)
        h = (h << s) | (m >> r)
        m = (m << s) | (w >> r)
        w = w << s
    return h, m, w


@inlined
def right(h, m, w, n):
    """Three words shifted right by n ≥ 0, and whether a bit that was set fell off."""
    lost = NOTHING
    if n >= 192:
        return NOTHING, NOTHING, NOTHING, (h | m | w) != NOTHING
    if n >= 128:
        lost = m | w
        h, m, w, n = NOTHING, NOTHING, h, n - 128
    elif n >= 64:
        lost = w
        h, m, w, n = NOTHING, h, m, n - 64
    if n > 0:
        s, r = np.uint64(n), np.uint64(64 - n)
        lost |= w << r
        w = (w >> s) | (m << r)
        m = (m >> s) | (h << r)
        h = h >> s
    return h, m, w, lost != NOTHING


@inlined
def length(h, m, w):
    """Bits of three words; 0 for zero."""
    if h != NOTHING:
        return 192 - leading_zeros(h)
    if m != NOTHING:
        return 128 - leading_zeros(m)
    return 64 - leading_zeros(w)


@inlined
def normal(negative, h, m, w, exponent):
    """A finite number that is not zero, its leading bit brought to TOP."""
    n = TOP + 1 - length(h, m, w)
    if n >= 0:
        h, m, w = left(h, m, w, n)
    else:
        h, m, w, lost = right(h, m, w, -n)
        w |= np.uint64(lost)
    return np.int64(FINITE), negative, h, m, w, np.int64(exponent - n)


@inlined
def number(kind, negative, significand, exponent):
    """±significand·2^exponent, a significand of one word."""
    if kind != FINITE:
        return special(np.int64(kind), negative)
    n = leading_zeros(significand) - 2  # to bit 61 of the high word
    if n >= 0:
        h, m = significand << np.uint64(n), NOTHING
    else:
        h, m = significand >> np.uint64(-n), significand << np.uint64(64 + n)
    return np.int64(FINITE), negative, h, m, NOTHING, np.int64(exponent - 128 - n)


@inlined
def product64(x, y):
    """(high, low) of the 128-bit product of two words."""
    x1, x0 = x >> HALF_WORD, x & LOW32
    y1, y0 = y >> HALF_WORD, y & LOW32
    low = x0 * y0
    a = x1 * y0 + (low >> HALF_WORD)  # at most (2^32 − 1)^2 + 2^32 − 1: no carry
    b = x0 * y1 + (a & LOW32)
    return x1 * y1 + (a >> HALF_WORD) + (b >> HALF_WORD), (b << HALF_WORD) | (low & LOW32)


@inlined
def below(x, e, y, f):
    """x·2^e < y·2^f, for words x, y ≥ 0."""
    if x == NOTHING or y == NOTHING:
        return (x == NOTHING) & (y != NOTHING)
    n, k = leading_zeros(x), leading_zeros(y)
    if e - n != f - k:
        return e - n < f - k
    return (x << np.uint64(n)) < (y << np.uint64(k))


@inlined
def smaller(x, y):
    """|x| < |y| of two finite numbers that are not zero."""
    if x[5] != y[5]:
        return x[5] < y[5]
    if x[2] != y[2]:
        return x[2] < y[2]
    return x[3] < y[3] if x[3] != y[3] else x[4] < y[4]


@inlined
def equal(x, y):
    """x = y of two finite numbers as values: −0 = +0."""
    if x[0] == ZERO or y[0] == ZERO:
        return (x[0] == ZERO) & (y[0] == ZERO)
    return (x[1] == y[1]) & (not smaller(x, y)) & (not smaller(y, x))


@inlined
def negated(x):
    """−x."""
    return x[0], not x[1], x[2], x[3], x[4], x[5]


@inlined
def absent(x, y, down):
    """x + y where one of them is no finite nonzero number; ``down``: x − x is −0."""
    if x[0] == NAN or y[0] == NAN:
        return special(np.int64(NAN), False)
    if x[0] == INFINITE or y[0] == INFINITE:
        if x[0] == y[0] and x[1] != y[1]:
            return special(np.int64(NAN), False)
        return x if x[0] == INFINITE else y
    if x[0] == ZERO and y[0] == ZERO:
        return special(np.int64(ZERO), x[1] if x[1] == y[1] else down)
    return y if x[0] == ZERO else x


@inlined
def add(x, y, down):
    """(x + y rounded to odd in 188 bits or more, whether it is exact)."""
    if x[0] != FINITE or y[0] != FINITE:
        return absent(x, y, down), True
    if smaller(x, y):
        x, y = y, x
    _, negative, h, m, w, exponent = x
    b, c, d, lost = right(y[2], y[3], y[4], exponent - y[5])
    if negative == y[1]:
        low = w + d
        carry = np.uint64(low < w)
        middle = m + c
        more = np.uint64(middle < m)
        middle += carry
        more += np.uint64(middle < carry)
        high = h + b + more
    else:
        if lost:  # the part that is missing of |y| makes the difference smaller
            d += ONE
            c += np.uint64(d == NOTHING)
            b += np.uint64((d == NOTHING) & (c == NOTHING))
        low = w - d
        borrow = np.uint64(w < d)
        middle = m - c - borrow
        more = np.uint64((m < c) | ((m == c) & (borrow != NOTHING)))
        high = h - b - more
    if lost:
        low |= ONE
    lost |= ((high >> CARRY) & low & ONE) != NOTHING  # one bit longer, and `normal` drops a bit
    if (high | middle | low) == NOTHING:
        return special(np.int64(ZERO), down), True
    return normal(negative, high, middle, low, exponent), not lost


@inlined
def multiply(x, y, sign_of_zero):
    """x·y exactly, from (kind, negative, significand, exponent).

    ``sign_of_zero``: a zero has the XOR of the signs; else it is +0.
    """
    negative = x[1] != y[1]
    if x[0] == NAN or y[0] == NAN:
        return special(np.int64(NAN), False)
    if x[0] == ZERO or y[0] == ZERO:
        if x[0] == INFINITE or y[0] == INFINITE:
            return special(np.int64(NAN), False)
        return special(np.int64(ZERO), negative & sign_of_zero)
    if x[0] == INFINITE or y[0] == INFINITE:
        return special(np.int64(INFINITE), negative)
    high, low = product64(x[2], y[2])
    return normal(negative, high, low, NOTHING, x[3] + y[3] - 64)
