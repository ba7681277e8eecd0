"""Kahan's sum and sums of two words by integer arithmetic: `hwsim_kernels.wide` in their order.

Rounded numbers wait as the int64 that results are packed into.  Their bits and those of exact
products (128 at most) fit the window of `hwsim_kernels.bignum` as in a plain sum.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.bignum import add, negated
from hwsim_kernels.project import pack, project
from hwsim_kernels.wide import (
    INNER,
    OUTER,
    finish,
    load,
    next_draw,
    no_tallies,
    note,
    origin,
    product,
    start,
)
from hwsim_kernels.wide_orders import added

KAHAN, DOUBLE_WORD = 4, 13  # roundings of a product


@helper
def alone(x, formats, m, into):
    """R(x) of an exact number, packed; only an overflow counts."""
    t = formats[INNER]
    draw = next_draw(m, INNER, into)
    value, over, _, refused = project(x, t, draw)
    note(over, refused, INNER, into)
    return pack(value, t)


@helper
def rest(x, y, minus, formats, m, into):
    """R(x ± y) of exact numbers, packed."""
    return alone(add(x, negated(y) if minus else y, m.down)[0], formats, m, into)


@helper
def words(x, y, minus, formats, m, into):
    """R(x ± y) of packed numbers."""
    t = formats[INNER]
    return rest(load(x, t), load(y, t), minus, formats, m, into)


@kernel
def kahan(a, b, c, out, flags, lost, mass, counts, formats, m, rows, columns):
    """Products enter a sum that gives back what it added too much."""
    into = no_tallies(counts)
    t = formats[INNER]
    length = a.shape[1]
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            start(origin(i, j, rows, columns, m), length, KAHAN * length, m, into)
            s, e = c[i, j], np.int64(0)  # the bits of +0
            for k in range(length):
                p = product(a[i, k], b[j, k], formats, m, into)
                y = rest(p, load(e, t), True, formats, m, into)
                grown = added(load(s, t), load(y, t), formats, m, INNER, into)
                e = words(words(grown, s, True, formats, m, into), y, True, formats, m, into)
                s = grown
            out[i, j] = s
            finish(i, j, flags, lost, mass, m, into)
    return into.state[1]


@helper
def two_sum(h, p, formats, m, into):
    """R(h + p), which counts, and its error, packed."""
    t = formats[INNER]
    s = added(load(h, t), load(p, t), formats, m, INNER, into)
    of_h = words(s, p, True, formats, m, into)
    of_p = words(s, of_h, True, formats, m, into)
    error_of_h = words(h, of_h, True, formats, m, into)
    error_of_p = words(p, of_p, True, formats, m, into)
    return s, words(error_of_h, error_of_p, False, formats, m, into)


@kernel
def double_words(a, b, c, out, flags, lost, mass, counts, formats, m, rows, columns):
    """Products enter a sum of two words; at last both are rounded to the format at OUTER, whose
    overflows are counted there."""
    into = no_tallies(counts)
    t = formats[INNER]
    length = a.shape[1]
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            start(origin(i, j, rows, columns, m), length, DOUBLE_WORD * length, m, into)
            h, low = c[i, j], np.int64(0)
            for k in range(length):
                exact = product(a[i, k], b[j, k], formats, m, into)
                p = alone(exact, formats, m, into)
                r = rest(exact, load(p, t), True, formats, m, into)
                s, e = two_sum(h, p, formats, m, into)
                w = words(e, words(low, r, False, formats, m, into), False, formats, m, into)
                h = words(s, w, False, formats, m, into)
                z = words(h, s, True, formats, m, into)
                low = words(w, z, True, formats, m, into)
            total = add(load(h, t), load(low, t), m.down)[0]
            draw = next_draw(m, OUTER, into)
            value, over, _, refused = project(total, formats[OUTER], draw)
            note(over, refused, OUTER, into)
            out[i, j] = pack(value, formats[OUTER])
            finish(i, j, flags, lost, mass, m, into)
    return into.state[1]
