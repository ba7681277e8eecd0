"""One kernel for every MAC unit: integer arithmetic, any formats, roundings, rules, orders.

Slow (some million steps a second) where the others are fast; the lowering takes it last.  Values
are held as in `hwsim_kernels.project`, sums as in `hwsim_kernels.bignum`.  Arrays are int64: bits
of float64, or codes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, inlined, kernel
from hwsim_kernels.bignum import FINITE, NOTHING, ZERO, add, equal, multiply, negated, smaller
from hwsim_kernels.draws import Drawing, first_state, later, taken
from hwsim_kernels.float64 import (
    ALL,
    CHEAP,
    DOMINATED,
    FULL,
    LARGEST,
    NONE,
    OVERFLOW,
    PARTIAL,
    PRODUCT_OVERFLOW,
    UNDERFLOW,
)
from hwsim_kernels.project import NO_DRAW, circle, exact, pack, project, to_float, unpack, value_of

# Where NaN, or an Inf that cannot wrap, reached a format that cannot hold it.
FINE, IN_PRODUCT, IN_SUM, IN_OUTER = range(4)


class Operand(NamedTuple):
    """How an array holds its values: `project.FLOAT64` …, and the exponent of codes."""

    holds: int
    exponent: int


# The formats of a unit, as the places of their targets; DOUBLE is float64 to nearest even, in which
# lost mass is measured.
INNER, OUTER, PRODUCT, DOUBLE = range(4)


class Machine(NamedTuple):
    """What a unit is beside its formats."""

    a: Operand
    b: Operand
    rounds_products: bool
    sign_of_zero: bool  # of products: the XOR of the signs, else +
    down: bool  # x − x is −0
    length: int  # of a chunk, lanes, or a tree's or group's width; 0 where sums are sequential
    level: int
    draws: Drawing
    halving: bool = False  # lanes' sums are added half to half


class Tallies(NamedTuple):
    """What one output counts into."""

    counts: np.ndarray  # (2, COUNTS): inner and outer
    sums: np.ndarray  # lost, mass
    state: np.ndarray  # whether anything overflowed; where something was refused
    source: np.ndarray  # states of the next draws (uint64), at INNER, OUTER, PRODUCT


@inlined
def magnitude(x, double):
    """|x| rounded once to float64."""
    return abs(to_float(project(x, double)[0]))


@inlined
def lost_part(acc, p, s, whole, y, double):
    """|y − (acc + p)| rounded once to float64; s = acc + p, ``whole`` if that is exact.

    Where s is exact, bits of y (at most 64) are lost only if y lies far below s, and then no
    leading bit cancels: one rounding to odd.  Else the leading bit of the larger addend X lies more
    than 62 places above that of the smaller one, Y.
    - X − y exact in the window: add Y.  If y reaches within 64 places of X, X − y is a multiple of
      X's 128th place or of y's 64th, and so has at most 128 bits: one rounding to odd as in `add`.
      If not, nothing cancels, since Y and y are both far below X.
    - X − y inexact: y lies 126 places below X, and so do the leading bits of Y − y lie 62 places
      below.  What Y − y loses is odd in a window under that of X, where it makes odd again.
    """
    minus = negated(y)
    if whole:
        return magnitude(add(s, minus, False)[0], double)
    large, little = (p, acc) if smaller(acc, p) else (acc, p)
    rest, fits = add(large, minus, False)
    if fits:
        return magnitude(add(rest, little, False)[0], double)
    return magnitude(add(large, add(little, minus, False)[0], False)[0], double)


@inlined
def is_tiny(s, t):
    """Whether s, not zero, lies under the smallest normal value."""
    least = exact((np.int64(FINITE), False, t.normal, t.normal_exponent))
    return (s[0] == FINITE) & smaller(s, least)


@inlined
def count(addition, result, formats, m, where, into):
    """Count one addition: (acc, p, their sum s, whether it is exact), (y, overflowed, inexact, the
    draw)."""
    acc, p, s, whole = addition
    value, over, inexact, draw = result
    y = exact(value)
    t = formats[where]
    counts = into.counts
    finite = (acc[0] <= ZERO) & (p[0] <= ZERO) & (y[0] <= ZERO)
    if over:
        counts[where, OVERFLOW] += 1
        into.state[0] = 1
    regular = finite & (not over)
    kept = regular and equal(y, acc)
    if regular:
        counts[where, FULL] += np.int64(kept & (p[0] == FINITE))
        counts[where, PARTIAL] += np.int64(inexact & (not kept))
    if m.level == CHEAP:
        return
    if regular and inexact and acc[0] == FINITE and p[0] == FINITE:
        counts[where, DOMINATED] += np.int64(equal(y, exact(project(p, t, draw)[0])))
    counts[where, UNDERFLOW] += np.int64(inexact and is_tiny(s, t))
    if y[0] == FINITE:
        # A significand of 64 bits is rounded by its conversion, once: no codes are subnormal.
        size = np.float64(abs(to_float(value))).view(np.int64)
        counts[where, LARGEST] = max(counts[where, LARGEST], size)
    if finite and where == INNER:
        into.sums[0] += lost_part(acc, p, s, whole, y, formats[DOUBLE])
        into.sums[1] += magnitude(p, formats[DOUBLE])


@inlined
def next_draw(m, where, into):
    """The random bits of the next rounding, if there are any; its number is used up."""
    if not m.draws.mask:
        return NO_DRAW
    state = into.source[where]
    into.source[where] = later(state, 1, m.draws)
    return taken(state, m.draws)


@inlined
def step(acc, p, formats, m, where, into):
    """R(acc + p)."""
    t = formats[where]
    s, whole = add(acc, p, m.down)
    draw = next_draw(m, where, into)
    value, over, inexact, refused = project(s, t, draw)
    if t.wraps:
        turned, far = circle(p, t)
        if far:  # the sum overflows, which `project` saw, but the window need not hold its low bits
            value = project(add(acc, turned, m.down)[0], t, draw)[0]
    if refused:
        into.state[1] = IN_SUM + where
    if m.level != NONE:
        count((acc, p, s, whole), (value, over, inexact, draw), formats, m, where, into)
    return exact(value)


@inlined
def note(over, refused, where, into):
    """What a rounding to the format at ``where`` did, where nothing else of it counts."""
    if refused:
        into.state[1] = IN_PRODUCT if where == PRODUCT else IN_SUM + where
    if over:
        slot = (INNER, PRODUCT_OVERFLOW) if where == PRODUCT else (where, OVERFLOW)
        into.counts[slot] += 1
        into.state[0] = 1


@inlined
def addend(x, y, formats, m, into):
    """The product as it enters a sum."""
    p = multiply(x, y, m.sign_of_zero)
    if not m.rounds_products:
        return p
    draw = next_draw(m, PRODUCT, into)
    value, over, _, refused = project(p, formats[PRODUCT], draw)
    note(over, refused, PRODUCT, into)
    return exact(value)


# --- outputs --------------------------------------------------------------------------------------
@inlined
def no_tallies(counts):
    """``counts``, and nothing yet."""
    return Tallies(counts, np.zeros(2), np.zeros(2, np.int64), np.zeros(3, np.uint64))


@helper
def origin(i, j, rows, columns, m):
    """Where an output's draws come from, if there are any."""
    return rows[i] + columns[j] if m.draws.mask else NO_DRAW


@helper
def start(origin, length, inner, m, into):
    """Nothing has happened to an output yet: a sum of ``length`` products, of ``inner`` steps.  Its
    streams are at their first draws: products, then inner sums, outer."""
    into.sums[:] = 0.0
    into.state[0] = 0
    if m.draws.mask:
        state = first_state(origin, m.draws)
        into.source[PRODUCT] = state
        into.source[INNER] = later(state, length * m.rounds_products, m.draws)
        into.source[OUTER] = later(into.source[INNER], inner, m.draws)


@inlined
def load(word, t):
    """A packed value of a target's format, as an exact number."""
    return exact(unpack(word, t.holds, t.floor))


@inlined
def product(x, y, formats, m, into):
    """The product of two operands' int64, as it enters a sum."""
    left = unpack(x, m.a.holds, m.a.exponent)
    return addend(left, unpack(y, m.b.holds, m.b.exponent), formats, m, into)


@helper
def finish(i, j, flags, lost, mass, m, into):
    """What happened to an output."""
    if m.level != NONE:
        flags[i, j] = into.state[0]
    if m.level == ALL:
        lost[i, j], mass[i, j] = into.sums[0], into.sums[1]


@kernel
def mac(a, b, c, out, flags, lost, mass, counts, formats, m, rows, columns):
    """out ← c + Σ a·b: a (m, k), b (n, k), c and out (m, n); where a value was refused, or FINE.

    ``flags`` (uint8), ``lost`` and ``mass`` are (m, n); ``counts`` is (2, COUNTS); ``rows`` (m,)
    and ``columns`` (n,), uint64, say where draws come from (`hwsim_kernels.draws`).
    """
    into = no_tallies(counts)
    nothing = exact((np.int64(ZERO), False, NOTHING, np.int64(0)))
    steps = a.shape[1]
    chunk = m.length if m.length > 0 else max(1, steps)
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            start(origin(i, j, rows, columns, m), steps, steps, m, into)
            total = load(c[i, j], formats[OUTER])
            for first in range(0, steps, chunk):
                t = nothing if m.length > 0 else total
                for k in range(first, min(steps, first + chunk)):
                    p = product(a[i, k], b[j, k], formats, m, into)
                    t = step(t, p, formats, m, INNER, into)
                total = step(total, t, formats, m, OUTER, into) if m.length > 0 else t
            out[i, j] = pack(value_of(total), formats[OUTER])
            finish(i, j, flags, lost, mass, m, into)
    return into.state[1]


@kernel
def round_values(x, out, flags, source, formats, draws):
    """out ← R(x) for flat arrays; (number of overflows, whether a value was refused).

    ``flags`` (uint8, of x's size, or empty) gets 1 where a value overflowed.  ``draws``: the random
    bits of every element (uint32), or empty.
    """
    t = formats[0]
    total = np.int64(0)
    wrong = False
    for i in range(x.shape[0]):
        number = exact(unpack(x[i], source.holds, source.exponent))
        draw = np.uint64(draws[i]) if draws.shape[0] else NO_DRAW
        value, over, _, refused = project(number, t, draw)
        wrong |= refused
        total += np.int64(over)
        if flags.shape[0]:
            flags[i] |= np.uint8(over)
        out[i] = pack(value, t)
    return total, wrong
