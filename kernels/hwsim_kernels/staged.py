"""Blocks of products in two stages, each of a tile's sums in turn; lanes run along n.

A product of float significands of at most p bits in all is exact in the carrier (float32 and int32,
or float64 and int64).  Times 2^(F − e), e the largest exponent of its group, it lies below
4·2^F in magnitude; its integer part is exact, and so is the sum of a group's.  The second stage is
float64's: the products' sum has at most F + 3 + log2(L) bits and an accumulator 24, each in a window
of S + 3 + log2(L) bits above the quantum 2^(E − S − 1); every floor is one of such numbers times a
power of two, and the only rounding is the last one, to float32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, kernel

NO_TOP = np.int32(-600)  # exponent of a group of zeros: below every product's
EMIN = np.int32(-126)


class Stages(NamedTuple):
    """A unit's numbers: products of a block, groups, fraction bits of terms and of sums, the reach
    of a running sum; the largest power of two that the carrier scales by, and whether some product
    may be infinite or NaN."""

    terms: int
    groups: int
    fraction: int
    up: int  # S + 1 − F
    lift: int  # F − 23, places that a float32 significand goes up; or ``drop`` places down
    drop: np.int32
    reach: np.int32
    below: int  # S + 1
    mask: int  # the bits of a float64 under its first S
    largest_scale: int
    special: bool


@helper
def power(exponent):
    """2^exponent, of normal float64."""
    return np.int64((np.int64(exponent) + 1023) << 52).view(np.float64)


@helper
def settled(dot, top, s, g):
    """The running sum s and the products' sum, ``dot``·2^(top − F): the result."""
    bits = np.float32(s).view(np.int32)
    field = np.int32((bits >> np.int32(23)) & np.int32(255))
    own = np.int32(max(field, np.int32(1)) - np.int32(127))
    hidden = np.int32(min(field, np.int32(1)) << np.int32(23))
    sign = np.int32(bits >> np.int32(31))
    significand = np.int32(np.int32((bits & np.int32(0x7FFFFF)) | hidden) ^ sign) - sign
    largest = max(own, top)
    lost = np.int64(min(np.int32(largest - top), np.int32(63)))
    total = (np.int64(dot) << g.up) >> lost
    lost = np.int64(min(np.int32(largest - own + g.drop), np.int32(63)))
    running = ((np.int64(significand) << g.lift) >> lost) << g.up
    total += running if own >= np.int32(largest - g.reach) else np.int64(0)
    total &= np.int64(-2) if largest == EMIN else np.int64(-1)
    whole = np.float64(total).view(np.int64)
    whole = (whole + ((whole >> np.int64(63)) & g.mask)) & ~g.mask
    unit = power(np.int64(largest) - g.below)
    return np.float32(np.int64(whole).view(np.float64) * unit)


@kernel
def staged_tile(left, right, out, scratch, g):
    """out (m, n), float32, becomes what a (m, k) and b (k, n) add up to with it.

    left, right : of a and of b the finite values (others 0), in float32 or float64; their exponents,
        int32, of zeros so low that they are none; and all values, where ``g.special``.
    scratch : per group and column an int32 and an integer as wide as the values, per column a value
        and a float32.
    """
    (a, ea, all_a), (b, eb, all_b) = left, right
    tops, sums, scale, special = scratch
    m, k = a.shape
    n = b.shape[1]
    special[:] = 0.0
    last = g.groups if g.groups > 1 else 0
    for start in range(0, k, g.terms):
        stop = min(k, start + g.terms)
        for i in range(m):
            for group in range(g.groups):
                steps = (start + group, stop, g.groups)
                largest_exponents(ea[i], eb, tops[group], steps)
                for j in range(n):
                    scale[j] = power(min(g.fraction - np.int64(tops[group, j]), g.largest_scale))
                cut_products(a[i], b, (scale, sums[group]), steps)
            if g.special:
                special_products(all_a[i], all_b, special, (start, stop))
            if g.groups > 1:
                together(tops, sums)
            join(out[i], (tops[last], sums[last], special), g)


@helper
def join(out, found, g):
    """The second stage of a row: its running sums, and the products' sums of a block."""
    top, dot, special = found
    if not g.special:
        for j in range(out.size):
            s = out[j]
            total = settled(dot[j], top[j], s, g)
            out[j] = total if abs(s) < np.float32(np.inf) else s
        return
    for j in range(out.size):
        s = out[j]
        total = settled(dot[j], top[j], s, g)
        finite = (special[j] == np.float32(0.0)) & (abs(s) < np.float32(np.inf))
        out[j] = total if finite else s + special[j]


@helper
def together(tops, sums):
    """The largest exponent of all groups, and their sums down to its place, in the last rows."""
    groups, bits = len(tops) - 1, np.int32(8 * sums.itemsize - 1)
    top, dot = tops[groups], sums[groups]
    for j in range(top.size):
        top[j] = NO_TOP
        dot[j] = 0
    for group in range(groups):
        mine = tops[group]
        for j in range(top.size):
            top[j] = max(top[j], mine[j])
    for group in range(groups):
        mine, own = tops[group], sums[group]
        for j in range(top.size):
            dot[j] += own[j] >> np.int32(min(np.int32(top[j] - mine[j]), bits))


@helper
def special_products(a, b, found, steps):
    """The infinite products and NaN, added up; products that overflow float32 are infinite."""
    found[:] = 0.0
    for q in range(steps[0], steps[1]):
        for j in range(found.size):
            p = np.float32(a[q] * b[q, j])
            found[j] += np.float32(0.0) if abs(p) < np.float32(np.inf) else p


@helper
def largest_exponents(ea, eb, top, steps):
    """The largest exponent among some products."""
    first, stop, step = steps
    n = top.size
    for j in range(n):
        top[j] = NO_TOP
    q = first
    while q + 3 * step < stop:
        w, x, y, z = ea[q], ea[q + step], ea[q + 2 * step], ea[q + 3 * step]
        b0, b1, b2, b3 = eb[q], eb[q + step], eb[q + 2 * step], eb[q + 3 * step]
        for j in range(n):
            low = max(np.int32(w + b0[j]), np.int32(x + b1[j]))
            high = max(np.int32(y + b2[j]), np.int32(z + b3[j]))
            top[j] = max(top[j], max(low, high))
        q += 4 * step
    while q < stop:
        w, b0 = ea[q], eb[q]
        for j in range(n):
            top[j] = max(top[j], np.int32(w + b0[j]))
        q += step


@helper
def cut_products(a, b, found, steps):
    """The integer parts of some products times ``scale``, added up."""
    scale, sums = found
    first, stop, step = steps
    n = sums.size
    for j in range(n):
        sums[j] = 0
    q = first
    while q + 3 * step < stop:
        w, x, y, z = a[q], a[q + step], a[q + 2 * step], a[q + 3 * step]
        b0, b1, b2, b3 = b[q], b[q + step], b[q + 2 * step], b[q + 3 * step]
        for j in range(n):
            low = sums.dtype.type(w * b0[j] * scale[j]) + sums.dtype.type(x * b1[j] * scale[j])
            high = sums.dtype.type(y * b2[j] * scale[j]) + sums.dtype.type(z * b3[j] * scale[j])
            sums[j] += sums.dtype.type(sums.dtype.type(low) + sums.dtype.type(high))
        q += 4 * step
    while q < stop:
        w, b0 = a[q], b[q]
        for j in range(n):
            sums[j] += sums.dtype.type(w * b0[j] * scale[j])
        q += step
