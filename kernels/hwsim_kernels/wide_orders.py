"""Lanes, trees and dot instructions by integer arithmetic: `hwsim_kernels.wide` in other orders.

Rounded sums wait in int64 arrays, packed as results are.  The kernels take what `wide.mac` takes.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.bignum import add
from hwsim_kernels.project import pack, value_of
from hwsim_kernels.wide import (
    INNER,
    OUTER,
    finish,
    load,
    no_tallies,
    origin,
    product,
    start,
    step,
)


@helper
def added(acc, p, formats, m, where, into):
    """R(acc + p), packed."""
    return pack(value_of(step(acc, p, formats, m, where, into)), formats[where])


@helper
def combined(sums, formats, m, into):
    """The lanes' sums added up into the first: one after the other, or half to half."""
    t = formats[INNER]
    if not m.halving:
        for i in range(1, sums.shape[0]):
            sums[0] = added(load(sums[0], t), load(sums[i], t), formats, m, INNER, into)
        return
    half = sums.shape[0] // 2
    while half > 0:
        for i in range(half):
            sums[i] = added(load(sums[i], t), load(sums[i + half], t), formats, m, INNER, into)
        half //= 2


@kernel
def lanes(a, b, c, out, flags, lost, mass, counts, formats, m, rows, columns):
    """Product k enters lane k mod m.length; their sums, then c."""
    into = no_tallies(counts)
    t = formats[INNER]
    sums = np.zeros(m.length, np.int64)
    length = a.shape[1]
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            start(origin(i, j, rows, columns, m), length, length + m.length - 1, m, into)
            sums[:] = 0  # the bits of +0
            for k in range(length):
                p = product(a[i, k], b[j, k], formats, m, into)
                lane = k % m.length
                sums[lane] = added(load(sums[lane], t), p, formats, m, INNER, into)
            out[i, j] = c[i, j]
            if length > 0:
                combined(sums, formats, m, into)
                total = load(c[i, j], formats[OUTER])
                out[i, j] = added(total, load(sums[0], t), formats, m, OUTER, into)
            finish(i, j, flags, lost, mass, m, into)
    return into.state[1]


@helper
def root(x, y, nodes, formats, m, into):
    """The root of a tree over the products of x and y; of one product, itself.

    ``size`` nodes stand in ``nodes``; a last leaf without a partner stays a product, ``spare``,
    until a node is left for it.
    """
    t = formats[INNER]
    size, last = x.shape[0] // 2, x.shape[0] - 1
    spare = (last & 1) == 0
    for i in range(size):
        left = product(x[2 * i], y[2 * i], formats, m, into)
        right = product(x[2 * i + 1], y[2 * i + 1], formats, m, into)
        nodes[i] = added(left, right, formats, m, INNER, into)
    leaf = product(x[last], y[last], formats, m, into) if spare else load(nodes[0], t)
    while size + spare > 1:
        for i in range(size // 2):
            left, right = load(nodes[2 * i], t), load(nodes[2 * i + 1], t)
            nodes[i] = added(left, right, formats, m, INNER, into)
        if size & 1:
            nodes[size // 2] = nodes[size - 1]
            if spare:
                left = load(nodes[size - 1], t)
                nodes[size // 2] = added(left, leaf, formats, m, INNER, into)
                spare = False
        size = (size + 1) // 2
    return leaf if spare else load(nodes[0], t)


@kernel
def trees(a, b, c, out, flags, lost, mass, counts, formats, m, rows, columns):
    """The roots of trees over m.length products enter the sum."""
    into = no_tallies(counts)
    steps = a.shape[1]
    nodes = np.zeros(m.length, np.int64)
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            inner = steps - (steps + m.length - 1) // m.length
            start(origin(i, j, rows, columns, m), steps, inner, m, into)
            total = c[i, j]
            for k in range(0, steps, m.length):
                stop = min(steps, k + m.length)
                t = root(a[i, k:stop], b[j, k:stop], nodes, formats, m, into)
                total = added(load(total, formats[OUTER]), t, formats, m, OUTER, into)
            out[i, j] = total
            finish(i, j, flags, lost, mass, m, into)
    return into.state[1]


@kernel
def dots(a, b, c, out, flags, lost, mass, counts, formats, m, rows, columns):
    """Exact sums of m.length products, whose bits the window holds (`wide.knows`), enter the sum
    with one rounding."""
    into = no_tallies(counts)
    steps = a.shape[1]
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            start(origin(i, j, rows, columns, m), steps, 0, m, into)
            total = c[i, j]
            for first in range(0, steps, m.length):
                p = product(a[i, first], b[j, first], formats, m, into)
                for k in range(first + 1, min(steps, first + m.length)):
                    p = add(p, product(a[i, k], b[j, k], formats, m, into), m.down)[0]
                total = added(load(total, formats[INNER]), p, formats, m, INNER, into)
            out[i, j] = total
            finish(i, j, flags, lost, mass, m, into)
    return into.state[1]
