"""Blocks of products and a running sum, aligned to the largest exponent, cut and added at once.

Three steps for each block, with the lane along n: the largest exponent E of the terms; every term
times 2^(F − E), cut to an integer, all of them added; the total times 2^(E − F), rounded.  The
integers are int32 where the lowering proves that they fit, else whole float64 numbers.

Operands come packed (`pack_rows`, `pack_columns`): block by block, each filled up to ``size``
terms, values beside exponents, and b in panels of `LANES` columns.  What is absent, and zero, has
no exponent; where a zero has one, it stands once per block (``starts``).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, inlined, kernel
from hwsim_kernels.float64 import LARGEST, OVERFLOW, finite_bits
from hwsim_kernels.rounding64 import exact_sum, to_format, to_odd

LANES = 64
NO_EXPONENT = -16_000  # below every exponent; two of them fit int16


class Blocks(NamedTuple):
    """What a description says of its blocks, in numbers."""

    size: int  # terms of a block, filled up to a multiple of 4
    fraction: int  # F
    lowest: int  # no term has bits that 2^lowest would cut: E is no less
    zero: int  # exponent of a sum that is zero
    emin: int  # least exponent of a sum
    nearest: bool  # terms are rounded, ties to even


# --- packing --------------------------------------------------------------------------------------
@helper
def exponent64(x):
    """floor(log2 |x|) of a normal float64; −1023 below, 1024 of Inf and NaN."""
    bits = np.float64(x).view(np.int64)
    return np.int32(((bits >> np.int64(52)) & np.int64(0x7FF)) - np.int64(1023))


@helper
def own_exponent(x, emin):
    """max(floor(log2 |x|), emin); none of zeros, infinities and NaN."""
    regular = (x != 0.0) & (abs(x) < math.inf)
    return np.int16(max(exponent64(np.float64(x)), emin)) if regular else np.int16(NO_EXPONENT)


@kernel
def pack_rows(x, places, size, emin, zero, exponents, starts):
    """``exponents`` of rows (m, terms) in the order of ``places`` (−1: an absent zero); ``starts``
    (m, blocks) ← ``zero`` for a block that has a zero, or no exponent."""
    for i in range(x.shape[0]):
        row, line = x[i], exponents[i]
        for at in range(row.shape[0]):
            line[at] = own_exponent(row[at], emin)
        for block in range(starts.shape[1]):
            found = False
            for at in range(block * size, (block + 1) * size):
                found |= (places[at] >= 0) & (row[at] == 0.0)
            starts[i, block] = zero if found else NO_EXPONENT


@kernel
def pack_columns(x, places, size, emin, zero, out, exponents, starts):
    """`pack_rows` for columns of x (k, n ≤ LANES), to arrays of (terms, LANES); ``starts``
    (blocks, LANES)."""
    found = np.empty(LANES, np.bool_)
    for block in range(starts.shape[0]):
        found[:] = False
        for at in range(block * size, (block + 1) * size):
            place = places[at]
            row, line = out[at], exponents[at]
            row[:] = 0
            line[:] = NO_EXPONENT
            if place >= 0:
                source = x[place]
                for j in range(x.shape[1]):
                    v = source[j]
                    found[j] |= v == 0.0
                    row[j] = v
                    line[j] = own_exponent(v, emin)
        for j in range(LANES):
            starts[block, j] = zero if found[j] else NO_EXPONENT


# --- rows of sums ---------------------------------------------------------------------------------
@inlined
def round_row(totals, special, i, out, grid, mode):
    """Row i of ``out`` = (sums, flags, counts) ← R(totals), or what is not finite: ``special``."""
    s, flags, counts = out
    found, largest = np.int64(0), counts[LARGEST]
    for j in range(LANES):
        y, over = to_format(totals[j] + special[j], grid, mode, False)
        s[i, j] = y
        flags[i, j] |= np.int64(over)
        found += np.int64(over)
        largest = max(largest, finite_bits(y))
    counts[OVERFLOW] += found
    counts[LARGEST] = largest


# --- sums of whole float64 numbers ----------------------------------------------------------------
@helper
def power64(exponent):
    """2^exponent, a normal float64."""
    return np.int64(np.int64(exponent + np.int64(1023)) << np.int64(52)).view(np.float64)


@helper
def whole(x, nearest):
    """x toward zero, or to nearest even."""
    return np.rint(x) if nearest else np.trunc(x)


@inlined
def align_row(s, i, top, numbers, sums):
    """Row i as the first terms of ``sums`` = (scales, totals, what is not finite), aligned to E,
    ``top`` being the largest exponents of the other terms."""
    scale, total, special = sums
    fraction, nearest = np.int64(numbers.fraction), numbers.nearest
    zero, emin = np.int64(numbers.zero), np.int64(numbers.emin)
    for j in range(LANES):
        v = s[i, j]
        finite = abs(v) < math.inf
        own = max(np.int64(exponent64(v)), emin)
        own = zero if v == 0.0 else own
        own = own if finite else np.int64(NO_EXPONENT)
        f = power64(fraction - max(top[j], own))
        scale[j] = f
        t = whole(v * f, nearest)
        total[j] = t if finite else 0.0
        special[j] = 0.0 if finite else v


@inlined
def rescale(total, scale):
    """Totals as numbers again."""
    for j in range(LANES):
        power = np.int64(np.int64(2046 << 52) - np.float64(scale[j]).view(np.int64))
        total[j] = total[j] * power.view(np.float64) + 0.0


@cache
def general_kernel(mode: int) -> Any:
    """Any blocks whose totals float64 holds, NaN and Inf, any rounding of results; counts."""

    @kernel
    def blocks(a, b, s, first, last, numbers, grid, flags, counts):
        # a: rows (m, terms), exponents, starts; b: columns (terms, LANES), exponents, starts;
        # s (m, LANES): sums that blocks first … last − 1 are added to; flags (m, LANES) get 1
        # where a result overflowed.
        rows, row_exponents, row_starts = a
        columns, column_exponents, column_starts = b
        top = np.empty(LANES, np.int64)
        scale, total, special = np.empty(LANES), np.empty(LANES), np.empty(LANES)
        lowest, nearest = np.int64(numbers.lowest), numbers.nearest
        for block in range(first, last):
            start, stop = block * numbers.size, (block + 1) * numbers.size
            for i in range(s.shape[0]):
                least = max(np.int64(row_starts[i, block]), lowest)
                for j in range(LANES):
                    top[j] = max(column_starts[block, j], least)
                for k in range(start, stop):
                    x = row_exponents[i, k]
                    for j in range(LANES):
                        e = x + column_exponents[k, j]
                        top[j] = max(top[j], np.int64(e))
                align_row(s, i, top, numbers, (scale, total, special))
                for k in range(start, stop):
                    y = rows[i, k]
                    for j in range(LANES):
                        p = y * columns[k, j]
                        finite = abs(p) < math.inf
                        t = whole(p * scale[j], nearest)
                        total[j] += t if finite else 0.0
                        special[j] += 0.0 if finite else p
                rescale(total, scale)
                round_row(total, special, i, (s, flags, counts), grid, mode)

    return blocks


# --- sums that nothing is cut from ----------------------------------------------------------------
@cache
def exact_kernel(mode: int) -> Any:
    """Blocks without alignment, of more bits than float64 holds: their sum, and that of its errors,
    which the lowering proves exact; both rounded once.  As `general_kernel`, but exponents are not
    looked at."""

    @kernel
    def blocks(a, b, s, first, last, numbers, grid, flags, counts):
        rows, columns = a[0], b[0]
        total, error, special = np.empty(LANES), np.empty(LANES), np.empty(LANES)
        for block in range(first, last):
            start, stop = block * numbers.size, (block + 1) * numbers.size
            for i in range(s.shape[0]):
                for j in range(LANES):
                    v = s[i, j]
                    finite = abs(v) < math.inf
                    total[j] = v if finite else 0.0
                    special[j] = 0.0 if finite else v
                    error[j] = 0.0
                for k in range(start, stop):
                    y = rows[i, k]
                    for j in range(LANES):
                        p = y * columns[k, j]
                        finite = abs(p) < math.inf
                        t, e = exact_sum(total[j], p if finite else 0.0)
                        total[j] = t
                        error[j] += e
                        special[j] += 0.0 if finite else p
                for j in range(LANES):
                    t, e = exact_sum(total[j], error[j])
                    total[j] = to_odd(t, e) + 0.0
                round_row(total, special, i, (s, flags, counts), grid, mode)

    return blocks
