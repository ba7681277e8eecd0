"""Sums that are posits: T ← R(T + a·b) over k, rounded at every step.

A posit of at most P − 2 bits is rounded once: TwoSum gives acc + p as s + e, and to odd, in P bits,
s + e lies on the same side of every posit, and of every threshold between two, which has one bit
more, as acc + p does.  Products that P bits do not hold come as p + q (fma): what TwoSum of e and q
leaves is added to s once more, and the last two errors are far apart or one of them is 0.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from hwsim_kernels._jit import fma64, inlined, kernel
from hwsim_kernels.float64 import CHEAP, NONE, also, count_up, counted, masses, no_tally
from hwsim_kernels.lanes import load_lanes, store_lanes
from hwsim_kernels.posits import Posit, loaded, nearest_posit, to_posit, valued
from hwsim_kernels.rounding64 import exact_sum, to_odd
from hwsim_kernels.vectors import (
    I64,
    Vector,
    bits,
    counted_loop,
    floats,
    fma,
    negated,
    select,
    splat,
)

# Columns of a block: four vectors of 512 bits, whose chains of dependent steps overlap.
COLUMNS = {32: 64, 64: 32}


# --- vectors, nothing counted ---------------------------------------------------------------------
def two_sum(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """(s, e): s + e = x + y exactly."""
    s = x + y
    v = s - x
    return s, (x - (s - v)) + (y - v)


def odd(s: Vector, e: Vector) -> Vector:
    """s + e rounded to odd, e no more than half of s's last place."""
    b = bits(s)
    apart = (bits(e) ^ b) >> (s.width - 1)  # −1 where the signs differ
    inexact = (e > 0.0) | (e < 0.0)  # NaN, the error of an infinite sum, is neither
    inexact = select(inexact, b.constant(1), b.constant(0))
    wanted = inverted_last(b) & inexact
    return floats(b + ((apart | 1) & (b.constant(0) - wanted)))


def inverted_last(b: Vector) -> Vector:
    """1 where the last bit is 0."""
    return (b & 1) ^ 1


def step(acc: Vector, pair: tuple[Vector, Vector], q: Posit, wide: bool) -> Vector:
    """R(acc + x·y); ``wide``: the product has more bits than a lane."""
    x, y = pair
    p = x * y
    s, e = two_sum(acc, p)
    if wide:
        t, rest = two_sum(e, fma(x, y, negated(p)))
        s, e = two_sum(s, t)
        e = select(e.ne(0.0), e, rest)
    z = odd(s, e)
    return valued(to_posit(z, q), z, q)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def run_block(typing_context, wide, a, row, b, column, tile, numbers):  # type: ignore[no-untyped-def]
    """Columns ``column`` … of one row of the tile; 0."""
    if not isinstance(wide, types.IntegerLiteral):
        return None
    is_wide = bool(wide.literal_value)
    width = a.dtype.bitwidth

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        kinds = signature.args
        left, right, target, table = (
            context.make_array(kinds[i])(context, builder, values[i]) for i in (1, 3, 5, 6)
        )
        lanes = COLUMNS[width]
        q = loaded(builder, table.data, lanes)
        length = builder.extract_value(left.shape, 1)
        stride = builder.extract_value(right.shape, 1)
        first = builder.mul(values[2], length)
        at = builder.add(builder.mul(values[2], stride), values[4])

        def body(k: Any, state: Any) -> list[Any]:
            scalar = builder.load(builder.gep(left.data, [builder.add(first, k)]))
            x = splat(builder, scalar, lanes)
            place = builder.add(builder.mul(k, stride), values[4])
            y = load_lanes(builder, right.data, place, lanes)
            return [step(Vector(builder, state[0]), (x, y), q, is_wide).value]

        start = load_lanes(builder, target.data, at, lanes)
        done = counted_loop(builder, I64(0), length, [start.value], body)[0]
        store_lanes(builder, done, target.data, at)
        return I64(0)

    return types.int64(wide, a, row, b, column, tile, numbers), codegen


@cache
def vector_kernel(wide: int) -> Any:
    """T ← R(T + a·b) over k: the kernel for products that a lane holds, or does not.

    a (m, k), b (k, n) and tile (m, n), C-contiguous, all float32 or all float64; n a multiple of
    `COLUMNS`; numbers : the fields of `Posit`, integers as wide.
    """

    @kernel
    def run(a, b, tile, numbers):  # type: ignore[no-untyped-def]
        lanes = 64 if a.itemsize == 4 else 32
        for i in range(tile.shape[0]):
            for j in range(0, tile.shape[1], lanes):
                run_block(wide, a, i, b, j, tile, numbers)

    return run


# --- scalars, which count -------------------------------------------------------------------------
@inlined
def joined(acc, p, rest, wide):  # type: ignore[no-untyped-def]
    """(z, s, e): acc + p + rest rounded to odd, and as s + e, but for a part under e's last place;
    ``rest``: what a wide product's p lacks."""
    s, e = exact_sum(acc, p)
    if wide:
        t, low = exact_sum(e, rest)
        s, e = exact_sum(s, t)
        e = e if e != 0.0 else low
    return to_odd(s, e), s, e


@cache
def mac_kernel(rounded: bool, wide: bool, level: int) -> Any:
    """T ← R(T + a·b) over k, for a tile of float64: the kernel for these loop-invariant choices.

    Not everything can be counted of wide products: what they lose has more bits than s + e.
    """

    @kernel
    def mac(a, b, tile, flags, counts, lost, mass, q, h):  # type: ignore[no-untyped-def]
        # a (m, k), b (k, n), tile and flags (m, n); q of the sum, h of the product.
        most = np.int64(q.most).view(np.float64)
        least = np.int64(q.least).view(np.float64)
        most_product = np.int64(h.most).view(np.float64)
        for i in range(a.shape[0]):
            for k in range(a.shape[1]):
                x = a[i, k]
                n = no_tally(counts)
                for j in range(b.shape[1]):
                    acc = tile[i, j]
                    p = x * b[k, j]
                    rest = fma64(x, b[k, j], -p) if wide else 0.0
                    hit = False
                    if rounded:
                        exact = to_odd(p, rest)
                        hit = (abs(exact) > most_product) & (abs(exact) < math.inf)
                        p = nearest_posit(exact, h)
                        rest = 0.0
                    z, s, e = joined(acc, p, rest, wide)
                    y = nearest_posit(z, q)
                    tile[i, j] = y
                    if level > NONE:
                        n, over = counted_sum(n, acc, p, (z, s, e, y), (least, most), q, level)
                        n = also(n, 0, hit)
                        flags[i, j] |= np.int64(over | hit)
                    if level > CHEAP:
                        term, size = masses(p, y, s, e)
                        lost[i, j] += term
                        mass[i, j] += size
                count_up(n, counts, level)

    return mac


@inlined
def counted_sum(n, acc, p, found, ends, q, level):  # type: ignore[no-untyped-def]
    """(the tally n after a step that found (z, s, e, y), whether y overflowed); ``ends``: the
    smallest and the largest posit."""
    z, s, e, y = found
    least, most = ends
    over, tiny = (abs(z) > most) & (abs(z) < math.inf), (z != 0.0) & (abs(z) < least)
    alone = nearest_posit(p, q) if level > CHEAP else p
    return counted(n, (acc, p, y, s, e), over, alone, tiny, level), over


@cache
def merge_kernel(level: int) -> Any:
    """S ← R(S + T) for a tile: sums T enter the outer accumulator S."""

    @kernel
    def merge(total, tile, flags, counts, q):  # type: ignore[no-untyped-def]
        most = np.int64(q.most).view(np.float64)
        least = np.int64(q.least).view(np.float64)
        for i in range(total.shape[0]):
            n = no_tally(counts)
            for j in range(total.shape[1]):
                acc, p = total[i, j], tile[i, j]
                z, s, e = joined(acc, p, 0.0, False)
                y = nearest_posit(z, q)
                total[i, j] = y
                if level > NONE:
                    n, over = counted_sum(n, acc, p, (z, s, e, y), (least, most), q, level)
                    flags[i, j] |= np.int64(over)
            count_up(n, counts, level)

    return merge
