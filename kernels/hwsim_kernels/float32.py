"""The fast MAC kernels: round to nearest even after every step, in float32.

Exact where the lowering proves that products are exact in float32 and that either every sum is,
or every addend has at most p bits and 24 ≥ 2p + 2, so that rounding twice rounds as once
(Figueroa 1995).  Then a fused a·b + acc has the same bits, and contraction is harmless.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hwsim_kernels._jit import fma, helper, kernel

EXPONENT = np.int32(0x7F800000)
SIGN = np.int32(-0x80000000)

# How much of the general rounding a proof leaves: nothing but the rounding; a clamp of finite
# values; or all of it: exponents floored and capped, Inf and NaN alive, zeros signed.
BARE, CLAMP, LIVE = range(3)

BLOCK = 16  # of k; with 512 float32 columns, 32 KB of b

# Slots of the counts array.
KEPT, EXACT, OVERFLOWED, OVERFLOWED_KEPT = range(4)
COUNTS = 4


@helper
def round32(x, floor_bits, cap_bits, magic_bits):
    """x rounded to nearest even by (x + C) − C, C as in `scalars.Grid64`."""
    field = np.int32(np.float32(x).view(np.int32) & EXPONENT)
    field = max(field, floor_bits)
    field = min(field, cap_bits)
    c = np.int32(field + magic_bits).view(np.float32)
    return (x + c) - c


@helper
def bare32(x, magic_bits):
    """x rounded to nearest even, its exponent proved to stay within the format's."""
    field = np.int32(np.float32(x).view(np.int32) & EXPONENT)
    c = np.int32(field + magic_bits).view(np.float32)
    return (x + c) - c


@helper
def signed32(r, x):
    """r with x's sign, for r = 0 too."""
    sign = np.int32(np.float32(x).view(np.int32) & SIGN)
    return np.int32(np.float32(r).view(np.int32) | sign).view(np.float32)


class Lanes(NamedTuple):
    """`scalars.Grid32` as the lanes take it: int32 and float32, so that nothing widens."""

    floor_bits: np.int32
    cap_bits: np.int32
    magic_bits: np.int32
    lowest: np.float32
    largest: np.float32
    over_neg: np.float32
    over_pos: np.float32


@helper
def lanes(g):
    """The scalars, narrowed."""
    return Lanes(
        np.int32(g.floor_bits),
        np.int32(g.cap_bits),
        np.int32(g.magic_bits),
        np.float32(g.lowest),
        np.float32(g.largest),
        np.float32(g.over_neg),
        np.float32(g.over_pos),
    )


@helper
def rounded32(s, f, variant):
    """s rounded, its exponent unbounded above."""
    if variant == LIVE:
        return signed32(round32(s, f.floor_bits, f.cap_bits, f.magic_bits), s)
    return bare32(s, f.magic_bits)


@helper
def limited32(r, f, variant):
    """The overflow rule on a rounded sum."""
    if variant == CLAMP:
        r = r if r < f.largest else f.largest
        return r if r > f.lowest else f.lowest
    if variant == LIVE:
        y = f.over_pos if r > f.largest else r
        return f.over_neg if r < f.lowest else y
    return r


@helper
def step32(acc, p, f, variant):
    """R(acc + p)."""
    return limited32(rounded32(acc + p, f, variant), f, variant)


@helper
def one_step(x, b, k, tile, i, f, variant):
    """One row of the tile takes in the products of one k."""
    for j in range(b.shape[1]):
        tile[i, j] = step32(tile[i, j], x * b[k, j], f, variant)


@cache
def mac_kernel(variant: int) -> Any:
    """T ← R(T + a·b) over k for a float32 tile: the kernel of a `variant`.

    Short steps leave loads and stores dominant: but for LIVE ones, two rows take two k each
    per pass, and BLOCK of k stay in the first-level cache for all rows.  Each output still meets
    its k in ascending order.
    """

    @kernel(contract=True)
    def mac(a, b, tile, g):
        f = lanes(g)
        m = a.shape[0]
        pairs = a.shape[1] // 2 * 2 if variant != LIVE else 0
        for start in range(0, pairs, BLOCK):
            stop = min(pairs, start + BLOCK)
            for h in range(m // 2):
                i = 2 * h
                for k in range(start, stop, 2):
                    x0, x1 = a[i, k], a[i, k + 1]
                    z0, z1 = a[i + 1, k], a[i + 1, k + 1]
                    for j in range(b.shape[1]):
                        v0, v1 = b[k, j], b[k + 1, j]
                        y = step32(tile[i, j], x0 * v0, f, variant)
                        z = step32(tile[i + 1, j], z0 * v0, f, variant)
                        tile[i, j] = step32(y, x1 * v1, f, variant)
                        tile[i + 1, j] = step32(z, z1 * v1, f, variant)
            if m % 2:
                for k in range(start, stop):
                    one_step(a[m - 1, k], b, k, tile, m - 1, f, variant)
        for i in range(m):
            for k in range(pairs, a.shape[1]):
                one_step(a[i, k], b, k, tile, i, f, variant)

    return mac


# Counters of one pass.  They go up by WEIGHT: adding a masked constant is one instruction, where
# adding a masked 1 becomes two.
WEIGHT = np.int32(3)
ZERO = np.int32(0)
NO_COUNTS = (ZERO, ZERO, ZERO, ZERO)
NO_TOTALS = (np.int64(0), np.int64(0), np.int64(0), np.int64(0))


@helper
def counted_step(p, tile, flags, i, j, n, f, variant):
    """One step of one lane; ``n``, the counters (`KEPT` …), with this step's added."""
    kept, exact, overflow, both = n
    acc = tile[i, j]
    r = rounded32(acc + p, f, variant)
    y = limited32(r, f, variant)
    tile[i, j] = y
    same = WEIGHT if y == acc else ZERO
    kept = np.int32(kept + same)
    back = WEIGHT if y - acc == p else ZERO
    exact = np.int32(exact + (back if y - p == acc else ZERO))
    if variant == CLAMP:
        over = WEIGHT if r != y else ZERO
        flags[i, j] = np.int32(flags[i, j] | over)
        overflow = np.int32(overflow + over)
        both = np.int32(both + np.int32(over & same))
    return kept, exact, overflow, both


@helper
def widened(totals, n):
    """int64 totals with the counters of a pass added: short passes cannot overflow int32."""
    return (
        totals[0] + np.int64(n[0]),
        totals[1] + np.int64(n[1]),
        totals[2] + np.int64(n[2]),
        totals[3] + np.int64(n[3]),
    )


@helper
def add_counts(counts, totals):
    """Add totals to the counts of a run."""
    for slot in range(4):
        counts[slot] += totals[slot] // np.int64(WEIGHT)


@cache
def counting_kernel(variant: int) -> Any:
    """`mac_kernel` with counts, for finite operands and a variant that is not LIVE.

    ``counts`` gets the steps with y = acc, those with y = acc + p, those that overflow and those
    that do both first and third; the caller turns them into swamped counts, since it knows the
    number of zero products (`simulate.tally`).

    y = acc + p exactly iff y − acc = p and y − p = acc in float32, because p and acc have fewer
    bits than float32: the difference δ of y and acc + p would be under half a last place, in
    float32, of both p and acc; and it is a multiple of the last bit of one of them.
    """

    @kernel
    def mac(a, b, tile, flags, counts, g):
        f = lanes(g)
        totals = NO_TOTALS
        even = a.shape[0] // 2 * 2
        for i in range(0, even, 2):  # pairs of rows share the loads of b
            for k in range(a.shape[1]):
                x, z = a[i, k], a[i + 1, k]
                n = NO_COUNTS
                for j in range(b.shape[1]):
                    n = counted_step(x * b[k, j], tile, flags, i, j, n, f, variant)
                    n = counted_step(z * b[k, j], tile, flags, i + 1, j, n, f, variant)
                totals = widened(totals, n)
        for i in range(even, a.shape[0]):
            for k in range(a.shape[1]):
                x = a[i, k]
                n = NO_COUNTS
                for j in range(b.shape[1]):
                    n = counted_step(x * b[k, j], tile, flags, i, j, n, f, variant)
                totals = widened(totals, n)
        add_counts(counts, totals)

    return mac


@cache
def merge_kernel(variant: int) -> Any:
    """S ← R(S + T) for float32 tiles: chunk sums T enter the outer accumulator S."""

    @kernel
    def merge(total, tile, g):
        f = lanes(g)
        for i in range(total.shape[0]):
            for j in range(total.shape[1]):
                total[i, j] = step32(total[i, j], tile[i, j], f, variant)

    return merge


@cache
def counting_merge_kernel(variant: int) -> Any:
    """`merge_kernel` with the counts of `counting_kernel`; the number of zero chunk sums."""

    @kernel
    def merge(total, tile, flags, counts, g):
        f = lanes(g)
        totals = NO_TOTALS
        zeros = np.int64(0)
        for i in range(total.shape[0]):
            n = NO_COUNTS
            empty = ZERO
            for j in range(total.shape[1]):
                p = tile[i, j]
                empty = np.int32(empty + (WEIGHT if p == np.float32(0.0) else ZERO))
                n = counted_step(p, total, flags, i, j, n, f, variant)
            totals = widened(totals, n)
            zeros += np.int64(empty)
        add_counts(counts, totals)
        return zeros // np.int64(WEIGHT)

    return merge


@kernel
def round_array(x, out, g, inf_neg, inf_pos):
    """out ← R(x) for flat float32 arrays of one length; NaN stays."""
    f = lanes(g)
    inf = np.float32(np.inf)
    low = np.float32(inf_neg)
    high = np.float32(inf_pos)
    for i in range(x.shape[0]):
        v = x[i]
        y = limited32(rounded32(v, f, LIVE), f, LIVE)
        y = high if v == inf else y
        out[i] = low if v == -inf else y


@kernel
def native32(a, b, tile):
    """T ← fma(a, b, T) in float32: the accumulator is the carrier."""
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(b.shape[1]):
                tile[i, j] = fma(x, b[k, j], tile[i, j])


@kernel
def native64(a, b, tile):
    """T ← fma(a, b, T) in float64."""
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(b.shape[1]):
                tile[i, j] = fma(x, b[k, j], tile[i, j])
