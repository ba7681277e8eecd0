"""Rounding of exact numbers into any format (`hwsim_kernels.bignum`): grid, flush, range.

One datapath for floats to 53 bits and for integers and fixed point to 64 bits, all roundings, all
overflow rules; the format is run-time scalars.  The order is the reference's: round with unbounded
exponent, flush what lies under the smallest value, then the rule.
"""

from __future__ import annotations

import math

import numpy as np

from hwsim_kernels._jit import inlined
from hwsim_kernels.bignum import (
    FINITE,
    INFINITE,
    NAN,
    NOTHING,
    ONE,
    TOP,
    ZERO,
    below,
    left,
    normal,
    number,
    right,
    special,
)

NEAREST, AWAY, TRUNCATE, UP, DOWN, ODD = range(6)  # rne, rna, rtz, rup, rdn, rto
DRAWN_A, DRAWN_B, DRAWN_C = range(6, 9)  # sr, P3109's three rules
# What a result outside the range becomes.
TO_LOWEST, TO_LARGEST, TO_INF, TO_NAN, REFUSE = range(5)
FLOAT64, SIGNED, UNSIGNED = range(3)  # how an array holds values: bits of float64, or codes
BITS52 = np.uint64(52)
FRACTION = np.uint64((1 << 52) - 1)
HIDDEN = np.uint64(1 << 52)
FIELD = np.uint64(0x7FF)
SIGN = np.uint64(63)
WORD = np.int64(64)
NO_DRAW = np.uint64(0)
TWO, BITS62 = np.uint64(2), np.uint64(62)


# A format with its rounding and overflow rule, as a record: kernels pass it by reference, where a
# tuple of so many scalars would be copied at every call.  Magnitudes are significand·2^exponent.
TARGET = np.dtype(
    [
        ("mode", np.int64),
        ("random", np.uint64),  # bits of a draw
        ("digits", np.int64),  # p − 1 of a float; beyond any exponent where spacing is constant
        ("floor", np.int64),  # exponent of the least spacing; below any exponent without one
        ("bias", np.int64),
        ("power", np.bool_),  # p = 1: the parity is that of the exponent field
        ("has_zero", np.bool_),
        ("minus_zero", np.bool_),
        ("wraps", np.bool_),
        ("small", np.uint64),  # results under this positive value become zero; 0: none do
        ("small_exponent", np.int64),
        ("normal", np.uint64),  # smallest normal value
        ("normal_exponent", np.int64),
        ("largest", np.uint64),
        ("largest_exponent", np.int64),
        ("lowest", np.uint64),  # magnitude of the lowest value; 0 where nothing is negative
        ("lowest_exponent", np.int64),
        ("over_neg", np.int64),  # what replaces results below lowest, above largest …
        ("over_pos", np.int64),
        ("inf_neg", np.int64),  # … infinities, NaN
        ("inf_pos", np.int64),
        ("nan", np.int64),
        ("tiny", np.int64),  # positive results under the smallest value of a format without zero
        ("mask", np.uint64),  # of the circle
        ("sign_bit", np.uint64),  # of a code; 0 when unsigned
        ("holds", np.int64),  # FLOAT64, SIGNED or UNSIGNED
    ]
)


@inlined
def goes_away(mode, half, rest, odd, negative):
    """Whether a magnitude with this half and rest under its last place goes up."""
    if mode == NEAREST:
        return half & (rest | odd)
    if mode == AWAY:
        return half
    if mode == UP:
        return (half | rest) & (not negative)
    if mode == DOWN:
        return (half | rest) & negative
    if mode == ODD:
        return (half | rest) & (not odd)
    return False


@inlined
def drawn_away(x, n, t, draw):
    """Whether a draw sends a magnitude up, of which n > 0 bits lie under its last place.

    share is floor(ν·2^(N+1)), rest whether ν has more bits.
    """
    places = np.int64(t.random) + 1
    if n >= places:
        _, _, w, rest = right(x[2], x[3], x[4], n - places)
        share = w & ((ONE << np.uint64(places)) - ONE)
    else:
        low = x[4] & ((ONE << np.uint64(n)) - ONE)
        share, rest = low << np.uint64(places - n), False
    if t.mode == DRAWN_B:
        return share + (draw << ONE) + ONE >= ONE << np.uint64(places)
    whole = share >> ONE
    if t.mode == DRAWN_C:
        whole += share & (np.uint64(rest) | whole) & ONE
    return whole + draw >= ONE << t.random


@inlined
def to_grid(x, t, draw):
    """(steps mod 2^64, exponent, steps ≥ 2^64, inexact) of a finite number that is not zero."""
    lead = x[5] + TOP
    q = max(lead - t.digits, t.floor)
    n = q - x[5]
    huge = lead - q >= WORD
    if n <= 0:
        steps = left(x[2], x[3], x[4], -n)[2] if n > -WORD else NOTHING
        return steps, q, huge, False
    _, m, w, rest = right(x[2], x[3], x[4], n - 1)
    half = (w & ONE) != NOTHING
    steps = (w >> ONE) | (m << np.uint64(63))
    odd = (steps & ONE) != NOTHING
    if t.power:  # of two neighbouring powers, one has an even exponent field; zero is even
        odd = odd & (((q + t.bias) & 1) != 0)
    if t.mode >= DRAWN_A:
        away = drawn_away(x, n, t, draw)
    else:
        away = goes_away(t.mode, half, rest, odd, x[1])
    if away:
        steps += ONE
        huge |= steps == NOTHING
    return steps, q, huge, half | rest


@inlined
def extreme(negative, word, exponent):
    """±word·2^exponent; +0 where it is zero, as the largest int1 and the lowest uint8 are."""
    if word == NOTHING:
        return np.int64(ZERO), False, NOTHING, np.int64(0)
    return np.int64(FINITE), negative, word, exponent


@inlined
def outcome(rule, negative, t):
    """What the overflow rule puts in place of a result."""
    if rule == TO_LARGEST:
        return extreme(False, t.largest, t.largest_exponent)
    if rule == TO_LOWEST:
        return extreme(t.has_zero, t.lowest, t.lowest_exponent)
    if rule == TO_INF:
        return np.int64(INFINITE), negative, NOTHING, np.int64(0)
    return np.int64(NAN), False, NOTHING, np.int64(0)


@inlined
def wrapped(negative, steps, t):
    """The code on the circle."""
    code = (NOTHING - steps if negative else steps) & t.mask
    minus = (code & t.sign_bit) != NOTHING
    if minus:
        code = (NOTHING - code) & t.mask
    kind = np.int64(ZERO) if code == NOTHING else np.int64(FINITE)
    return kind, minus, code, t.floor


@inlined
def project(x, t, draw=NO_DRAW):
    """(value, overflowed, inexact, refused): the value as (kind, negative, significand, exponent).

    draw : the random bits of a stochastic rounding.

    ``refused``: NaN, or an Inf that cannot wrap, reached a format that cannot hold it.
    """
    zero = (np.int64(ZERO), x[1] & t.minus_zero, NOTHING, np.int64(0))
    if x[0] == NAN:
        return outcome(t.nan, False, t), False, True, t.nan == REFUSE
    if x[0] == INFINITE:
        rule = t.inf_neg if x[1] else t.inf_pos
        return outcome(rule, x[1], t), False, True, rule == REFUSE
    if not t.has_zero and (x[0] == ZERO or x[1]):
        return outcome(t.nan, False, t), False, True, t.nan == REFUSE
    if x[0] == ZERO:
        return zero, False, False, False
    steps, q, huge, inexact = to_grid(x, t, draw)
    if not huge and below(steps, q, t.small, t.small_exponent):
        if not t.has_zero:
            return outcome(t.tiny, False, t), True, True, t.tiny == REFUSE
        return zero, False, True, False
    if not huge and steps == NOTHING:
        return zero, False, inexact, False
    limit, exponent = (t.lowest, t.lowest_exponent) if x[1] else (t.largest, t.largest_exponent)
    if not huge and not below(limit, exponent, steps, q):
        return (np.int64(FINITE), x[1], steps, q), False, inexact, False
    if t.wraps:
        return wrapped(x[1], steps, t), True, True, False
    rule = t.over_neg if x[1] else t.over_pos
    return outcome(rule, x[1], t), True, True, rule == REFUSE


@inlined
def unpack(bits, holds, exponent):
    """(kind, negative, significand, exponent) of an array's element, given as int64 bits."""
    word = np.uint64(bits)
    if holds == FLOAT64:
        negative = (word >> SIGN) != NOTHING
        field = np.int64((word >> BITS52) & FIELD)
        fraction = word & FRACTION
        if field == 0x7FF:
            kind = np.int64(INFINITE) if fraction == NOTHING else np.int64(NAN)
            return kind, negative, NOTHING, np.int64(0)
        if field == 0:
            kind = np.int64(ZERO) if fraction == NOTHING else np.int64(FINITE)
            return kind, negative, fraction, np.int64(-1074)
        return np.int64(FINITE), negative, fraction | HIDDEN, field - 1075
    negative = (holds == SIGNED) & (bits < 0)
    word = NOTHING - word if negative else word
    kind = np.int64(ZERO) if word == NOTHING else np.int64(FINITE)
    return kind, negative, word, np.int64(exponent)


@inlined
def to_float(v):
    """A value of at most 53 bits within float64's exponents, as float64."""
    kind, negative, significand, exponent = v
    if kind == NAN:
        return math.nan
    x = 0.0
    if kind == INFINITE:
        x = math.inf
    elif kind == FINITE:
        x = math.ldexp(np.float64(significand), exponent)
    return -x if negative else x


@inlined
def pack(v, t):
    """A value as the bits (int64) that an array holds."""
    if t.holds == FLOAT64:
        return np.float64(to_float(v)).view(np.int64)
    if v[0] != FINITE:
        return np.int64(0)
    n = v[3] - t.floor
    code = v[2] << np.uint64(n) if n >= 0 else v[2] >> np.uint64(-n)
    return np.int64(NOTHING - code if v[1] else code)


@inlined
def exact(v):
    """A value as an exact number."""
    return number(v[0], v[1], v[2], v[3])


@inlined
def value_of(x):
    """An exact number of at most 64 bits as a value."""
    if x[0] != FINITE:
        return x[0], x[1], NOTHING, np.int64(0)
    return x[0], x[1], (x[2] << TWO) | (x[3] >> BITS62), x[5] + 126


@inlined
def circle(x, t):
    """(x less whole turns of the circle, whether it was far beyond it), for sums that wrap.

    A product of at most 128 bits whose leading bit lies 2^128 steps up is a multiple of the step:
    it moves the sum by whole steps, none of them rounded, and only the low 64 bits of its steps
    matter.  A sum with what is left is exact in the window; one with x itself might not be.
    """
    drop = x[5] + TOP + 1 - (t.floor + WORD)
    if x[0] != FINITE or drop < WORD:
        return x, False
    if drop > TOP:
        return special(np.int64(ZERO), x[1]), True
    h, m, w = left(x[2], x[3], x[4], drop + 2)
    if (h | m | w) == NOTHING:
        return special(np.int64(ZERO), x[1]), True
    return normal(x[1], h, m, w, x[5] - (drop + 2)), True
