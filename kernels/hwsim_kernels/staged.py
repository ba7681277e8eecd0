"""Blocks of products in two stages, each of a tile's sums in turn; lanes run along n.

A product of significands of at most p bits in all is exact in the carrier (float32 and int32, or
float64 and int64).  Times 2^(F − e), e the largest exponent of its group, it lies below 4·2^F in
magnitude; its integer part is exact, and so is a group's sum.  The second stage is int64's, in
units of 2^(E − S − 1): shifts to the right go down.  A total of at most 53 bits is a float64, whose
bits under the first S, rounded down, are masked; the one rounding is the last, to float32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, kernel

NO_TOP = np.int16(-600)  # exponent of a group of zeros: below every product's
EMIN = np.int32(-126)


class Stages(NamedTuple):
    """A unit's numbers: products of a block, groups, fraction bits of terms and of sums, the reach
    of a running sum; the largest power of two that the carrier scales by, and whether some product
    may be infinite or NaN."""

    terms: int
    groups: int
    fraction: np.int32
    up: int  # S + 1 − F
    lift: int  # F − 23, places that a float32 significand goes up; or ``drop`` places down
    drop: np.int32
    reach: np.int32
    below: int  # S + 1
    mask: int  # the bits of a float64 under its first S
    largest_scale: np.int32
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
    top = np.int32(top)
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

    left, right : of a and of b the finite values (others 0), in float32 or float64; their
        exponents, int16, of zeros so low that they are none; all values, where ``g.special``.
    scratch : per group and column an int16 and an integer as wide as the values, per column a value
        and a float32.
    """
    (a, ea, all_a), (b, eb, all_b) = left, right
    tops, sums, scale, special = scratch
    m, k = a.shape
    special[:] = 0.0
    last = g.groups if g.groups > 1 else 0
    for start in range(0, k, g.terms):
        stop = min(k, start + g.terms)
        for i in range(m):
            for group in range(g.groups):
                at = (i, group, start + group, stop)
                largest_exponents(ea, eb, tops, at, g)
                set_scales(scale, tops, group, g)
                cut_products(a, b, (scale, sums), at, g)
            if g.groups > 1:
                together(tops, sums)
            if g.special:
                special_products(all_a, all_b, special, (i, start, stop))
                join_special(out, (tops, sums, special), (i, last), g)
            else:
                join(out, (tops, sums), (i, last), g)


# Rows are named by their numbers: a row as an array of its own would be counted at every use.
@helper
def join(out, found, at, g):
    """The second stage of row i: its running sums, and the products' sums of a block."""
    tops, sums = found
    i, last = at
    for j in range(out.shape[1]):
        s = out[i, j]
        total = settled(sums[last, j], tops[last, j], s, g)
        out[i, j] = total if abs(s) < np.float32(np.inf) else s


@helper
def join_special(out, found, at, g):
    """The same where products may be infinite or NaN."""
    tops, sums, special = found
    i, last = at
    for j in range(out.shape[1]):
        s = out[i, j]
        total = settled(sums[last, j], tops[last, j], s, g)
        finite = (special[j] == np.float32(0.0)) & (abs(s) < np.float32(np.inf))
        out[i, j] = total if finite else s + special[j]


@helper
def together(tops, sums):
    """The largest exponent of all groups, and their sums down to its place, in the last rows."""
    groups, n = len(tops) - 1, tops.shape[1]
    for j in range(n):
        tops[groups, j] = max(tops[0, j], tops[1, j])
    for group in range(2, groups):
        for j in range(n):
            tops[groups, j] = max(tops[groups, j], tops[group, j])
    for j in range(n):
        top = tops[groups, j]
        first = sums.dtype.type(sums[0, j] >> places(sums, top, tops[0, j]))
        second = sums.dtype.type(sums[1, j] >> places(sums, top, tops[1, j]))
        sums[groups, j] = first + second
    for group in range(2, groups):
        for j in range(n):
            down = places(sums, tops[groups, j], tops[group, j])
            sums[groups, j] += sums.dtype.type(sums[group, j] >> down)


@helper
def places(sums, top, own):
    """How many bits a sum goes down."""
    lost = np.int32(np.int32(top) - np.int32(own))
    return sums.dtype.type(min(lost, np.int32(8 * sums.itemsize - 1)))


@helper
def special_products(a, b, found, at):
    """The infinite products and NaN, added up; products that overflow float32 are infinite."""
    i, start, stop = at
    found[:] = 0.0
    for q in range(start, stop):
        for j in range(found.size):
            p = np.float32(a[i, q] * b[q, j])
            found[j] += np.float32(0.0) if abs(p) < np.float32(np.inf) else p


@helper
def largest_exponents(ea, eb, tops, at, g):
    """The largest exponent among a group's products."""
    i, group, q, stop = at
    n, step = tops.shape[1], g.groups
    for j in range(n):
        tops[group, j] = NO_TOP
    while q + 3 * step < stop:
        w, x, y, z = ea[i, q], ea[i, q + step], ea[i, q + 2 * step], ea[i, q + 3 * step]
        for j in range(n):
            low = max(np.int16(w + eb[q, j]), np.int16(x + eb[q + step, j]))
            high = max(np.int16(y + eb[q + 2 * step, j]), np.int16(z + eb[q + 3 * step, j]))
            tops[group, j] = max(tops[group, j], max(low, high))
        q += 4 * step
    while q < stop:
        w = ea[i, q]
        for j in range(n):
            tops[group, j] = max(tops[group, j], np.int16(w + eb[q, j]))
        q += step


@helper
def set_scales(scale, tops, group, g):
    """2^(F − largest exponent), or the largest that there is: then every product is 0."""
    if scale.itemsize == 4:
        for j in range(scale.size):
            exponent = np.int32(
                min(np.int32(g.fraction - np.int32(tops[group, j])), g.largest_scale)
            )
            scale[j] = np.int32(np.int32(exponent + np.int32(127)) << np.int32(23)).view(np.float32)
        return
    for j in range(scale.size):
        scale[j] = power(min(np.int32(g.fraction - np.int32(tops[group, j])), g.largest_scale))


@helper
def cut_products(a, b, found, at, g):
    """The integer parts of a group's products times ``scale``, added up."""
    scale, sums = found
    i, group, q, stop = at
    n, step = sums.shape[1], g.groups
    for j in range(n):
        sums[group, j] = 0
    while q + 3 * step < stop:
        w, x, y, z = a[i, q], a[i, q + step], a[i, q + 2 * step], a[i, q + 3 * step]
        for j in range(n):
            one, two = w * b[q, j] * scale[j], x * b[q + step, j] * scale[j]
            three, four = y * b[q + 2 * step, j] * scale[j], z * b[q + 3 * step, j] * scale[j]
            low = sums.dtype.type(one) + sums.dtype.type(two)
            high = sums.dtype.type(three) + sums.dtype.type(four)
            sums[group, j] += sums.dtype.type(sums.dtype.type(low) + sums.dtype.type(high))
        q += 4 * step
    while q < stop:
        w = a[i, q]
        for j in range(n):
            sums[group, j] += sums.dtype.type(w * b[q, j] * scale[j])
        q += step
