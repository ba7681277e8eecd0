"""The fast MAC kernels: round to nearest even after every step, in float32.

Exact where the lowering proves that products are exact in float32 and that either every sum is,
or every addend has at most p bits and 24 ≥ 2p + 2, so that rounding twice rounds as once
(Figueroa 1995).  Then a fused a·b + acc has the same bits, and contraction is harmless.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from hwsim_kernels._jit import fma, helper, kernel

EXPONENT = np.int32(0x7F800000)
SIGN = np.int32(-0x80000000)

# How much of the general rounding a proof leaves: nothing but the rounding; a clamp of finite
# values; or all of it: exponents floored and capped, Inf and NaN alive, zeros signed.
BARE, CLAMP, LIVE = range(3)

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


@cache
def mac_kernel(variant: int, counted: bool) -> Any:
    """T ← R(T + a·b) over k for a float32 tile: the kernel of a `variant`.

    Counted (finite operands, not LIVE): ``counts`` gets the steps with y = acc, those with
    y = acc + p, those that overflow and those that do both first and third; the caller turns
    them into swamped counts, since it knows the number of zero products (`simulate.tally`).

    y = acc + p exactly iff y − acc = p and y − p = acc in float32, because p and acc have fewer
    bits than float32: the difference δ of y and acc + p would be under half a last place, in
    float32, of both p and acc; and it is a multiple of the last bit of one of them.
    """

    @kernel(contract=not counted)  # the counts compare the rounded sum with both addends
    def mac(a, b, tile, flags, counts, g):
        floor_bits = np.int32(g.floor_bits)
        cap_bits = np.int32(g.cap_bits)
        magic_bits = np.int32(g.magic_bits)
        lowest = np.float32(g.lowest)
        largest = np.float32(g.largest)
        over_neg = np.float32(g.over_neg)
        over_pos = np.float32(g.over_pos)
        one = np.int32(1)
        zero = np.int32(0)
        for i in range(a.shape[0]):
            for k in range(a.shape[1]):
                x = a[i, k]
                kept = np.int32(0)
                exact = np.int32(0)
                overflow = np.int32(0)
                overflow_kept = np.int32(0)
                for j in range(b.shape[1]):
                    acc = tile[i, j]
                    p = x * b[k, j]
                    s = acc + p
                    if variant == LIVE:
                        r = signed32(round32(s, floor_bits, cap_bits, magic_bits), s)
                        y = over_pos if r > largest else r
                        y = over_neg if r < lowest else y
                    else:
                        r = bare32(s, magic_bits)
                        y = r
                        if variant == CLAMP:
                            y = y if y < largest else largest
                            y = y if y > lowest else lowest
                    tile[i, j] = y
                    if counted:
                        same = one if y == acc else zero
                        kept = np.int32(kept + same)
                        back = one if y - acc == p else zero
                        exact = np.int32(exact + (back if y - p == acc else zero))
                        if variant == CLAMP:
                            over = one if r != y else zero
                            flags[i, j] = np.int32(flags[i, j] | over)
                            overflow = np.int32(overflow + over)
                            overflow_kept = np.int32(overflow_kept + np.int32(over & same))
                if counted:
                    counts[KEPT] += np.int64(kept)
                    counts[EXACT] += np.int64(exact)
                    counts[OVERFLOWED] += np.int64(overflow)
                    counts[OVERFLOWED_KEPT] += np.int64(overflow_kept)

    return mac


@cache
def merge_kernel(variant: int, counted: bool) -> Any:
    """S ← R(S + T): the same step with the chunk sums as addends."""
    mac = mac_kernel(variant, counted)

    @kernel
    def merge(total, tile, flags, counts, g):
        one = np.ones((1, 1), dtype=np.float32)
        for i in range(total.shape[0]):
            mac(one, tile[i : i + 1], total[i : i + 1], flags[i : i + 1], counts, g)

    return merge


@kernel
def round_array(x, out, g, inf_neg, inf_pos):
    """out ← R(x) for flat float32 arrays of one length; NaN stays."""
    floor_bits = np.int32(g.floor_bits)
    cap_bits = np.int32(g.cap_bits)
    magic_bits = np.int32(g.magic_bits)
    lowest = np.float32(g.lowest)
    largest = np.float32(g.largest)
    over_neg = np.float32(g.over_neg)
    over_pos = np.float32(g.over_pos)
    inf = np.float32(np.inf)
    low = np.float32(inf_neg)
    high = np.float32(inf_pos)
    for i in range(x.shape[0]):
        v = x[i]
        r = signed32(round32(v, floor_bits, cap_bits, magic_bits), v)
        y = over_pos if r > largest else r
        y = over_neg if r < lowest else y
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
