"""Exact totals of any unit's products: a register of 32-bit digits, read as one exact number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.bignum import (
    FINITE,
    LOW32,
    NOTHING,
    ZERO,
    add,
    multiply,
    normal,
    smaller,
    special,
)
from hwsim_kernels.exact import DIGIT, carried
from hwsim_kernels.float64 import ALL, LARGEST, NONE, OVERFLOW
from hwsim_kernels.project import exact, pack, project, to_float, unpack
from hwsim_kernels.wide import (
    IN_SUM,
    INNER,
    OUTER,
    addend,
    load,
    next_draw,
    no_tallies,
    origin,
    start,
)

# The lowest bit of any normalised product lies 189 places under 2^-2148, the least product of two
# float64; the largest is under 2^2048, and 2^31 of them under 2^2079.
BASE = np.int64(-2368)
DIGITS = 144
HALF_WORD = np.uint64(32)
LEAST_TOP = 5
EVERY_BIT = np.int64(1 << 20)


class Register(NamedTuple):
    """Digits from 2^BASE up, and what of the total is asked for."""

    digits: np.ndarray
    rounds: bool  # products are rounded
    top_bit: int  # bits of the total from here on are cut off


@helper
def deposit_word(digits, word, at, shift, sign):
    """Add sign·word·2^shift to three digits, the lowest at ``at``; 0 ≤ shift < 32."""
    low = np.int64((word & LOW32) << np.uint64(shift))
    high = np.int64((word >> HALF_WORD) << np.uint64(shift))
    digits[at] += sign * (low & DIGIT)
    digits[at + 1] += sign * ((low >> 32) + (high & DIGIT))
    digits[at + 2] += sign * (high >> 32)


@helper
def deposit(digits, x):
    """Add an exact number.  Each digit moves by less than 2^34: 2^29 numbers fit an int64."""
    offset = x[5] - BASE
    at, shift = offset >> 5, offset & 31
    sign = np.int64(-1) if x[1] else np.int64(1)
    deposit_word(digits, x[4], at, shift, sign)
    deposit_word(digits, x[3], at + 2, shift, sign)
    deposit_word(digits, x[2], at + 4, shift, sign)


@helper
def pair(digits, at):
    """Two digits as a word."""
    return (np.uint64(digits[at]) << HALF_WORD) | np.uint64(digits[at - 1])


@helper
def read(digits, top_bit):
    """(number, whether something was cut off): the total without its bits from 2^top_bit up.

    The number has at least 161 exact bits above the odd one, if not all; a zero is +0.
    """
    negative = carried(digits)
    cut = False
    for i in range(max(0, (top_bit - BASE) >> 5), digits.shape[0]):
        cut |= digits[i] != 0
        digits[i] = 0
    top = digits.shape[0] - 1
    while top > LEAST_TOP and digits[top] == 0:
        top -= 1
    rest = False
    for i in range(top - LEAST_TOP):
        rest |= digits[i] != 0
    h, m, w = pair(digits, top), pair(digits, top - 2), pair(digits, top - 4) | np.uint64(rest)
    if (h | m | w) == NOTHING:
        return special(np.int64(ZERO), False), cut
    return normal(negative, h, m, w, BASE + 32 * (top - LEAST_TOP)), cut


@helper
def total(a, b, c, unit, register, into):
    """(c + Σ a·b as an exact number, whether bits were cut off), for a row of a and one of b.

    unit : formats and machine.

    A zero total has the sign of adding one by one: −0 if every term is −0; in rdn +0 only if every
    term is +0.
    """
    formats, m = unit
    digits = register.digits
    digits[:] = 0
    x = load(c, formats[OUTER])
    wild = special(np.int64(ZERO), False)
    pluses = minuses = zeros = True
    for k in range(-1, a.shape[0]):
        if k >= 0:
            u = unpack(a[k], m.a.holds, m.a.exponent)
            v = unpack(b[k], m.b.holds, m.b.exponent)
            x = (
                addend(u, v, formats, m, into)
                if register.rounds
                else multiply(u, v, m.sign_of_zero)
            )
        if x[0] == FINITE:
            deposit(digits, x)
            zeros = False
        elif x[0] == ZERO:
            minuses = minuses & x[1]
            pluses = pluses & (not x[1])
        else:
            wild = add(wild, x, False)[0]
    if wild[0] != ZERO:
        return wild, False
    found, cut = read(digits, register.top_bit)
    if found[0] == ZERO:
        minus = not (zeros and pluses) if m.down else zeros and minuses
        found = special(np.int64(ZERO), minus)
    return found, cut


@kernel
def exact_sums(a, b, c, out, flags, counts, formats, m, rows, columns):
    """out ← R(c + Σ a·b), one rounding: arrays and result as in `wide.mac`."""
    into = no_tallies(counts)
    t = formats[INNER]
    # On a circle only the bits up to 64 above the step matter, and those that round.
    top_bit = t.floor + 96 if t.wraps else EVERY_BIT
    register = Register(np.empty(DIGITS, np.int64), m.rounds_products, top_bit)
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            if a.shape[1] == 0:
                out[i, j] = c[i, j]
                continue
            start(origin(i, j, rows, columns, m), a.shape[1], 1, m, into)
            s, cut = total(a[i], b[j], c[i, j], (formats, m), register, into)
            value, over, _, refused = project(s, t, next_draw(m, INNER, into))
            over |= cut
            if refused:
                into.state[1] = IN_SUM
            out[i, j] = pack(value, t)
            if m.level != NONE:
                flags[i, j] = into.state[0] | np.int64(over)
                counts[INNER, OVERFLOW] += np.int64(over)
            if m.level == ALL and value[0] == FINITE:
                size = np.float64(abs(to_float(value))).view(np.int64)
                counts[INNER, LARGEST] = max(counts[INNER, LARGEST], size)
    return into.state[1]


@kernel
def outside(a, b, c, formats, m):
    """Outputs whose exact c + Σ a·b is finite and outside the outer format's range."""
    into = no_tallies(np.zeros((2, 1), np.int64))
    register = Register(np.empty(DIGITS, np.int64), False, EVERY_BIT)
    found = np.int64(0)
    t = formats[OUTER]
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            s, _ = total(a[i], b[j], c[i, j], (formats, m), register, into)
            if s[0] == FINITE:
                word, at = (
                    (t.lowest, t.lowest_exponent) if s[1] else (t.largest, t.largest_exponent)
                )
                limit = exact((np.int64(FINITE), s[1], word, at)) if word != NOTHING else s
                found += np.int64(word == NOTHING or smaller(limit, s))
    return found
