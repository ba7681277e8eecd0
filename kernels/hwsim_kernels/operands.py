"""Operands on their way into a unit: scaled, rounded, and laid out as patches of an image."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import kernel
from hwsim_kernels.rounding64 import NEAREST, limit, to_grid

SIDE = 32


@kernel
def quantize_turned(x, out, scale, g):
    """out ← R(x / scale), rne by the grid and its overflow rule, from (n, k) to its transpose
    (k, n), by squares that stay in cache.  Returns whether there was a NaN."""
    lost = False
    square = np.empty((SIDE, SIDE), out.dtype)
    for first in range(0, x.shape[0], SIDE):
        rows = min(SIDE, x.shape[0] - first)
        for left in range(0, x.shape[1], SIDE):
            columns = min(SIDE, x.shape[1] - left)
            for i in range(rows):
                source, line = x[first + i, left : left + columns], square[i]
                for j in range(columns):
                    v = np.float64(source[j]) / scale
                    y = limit(to_grid(v, g, NEAREST), v, g, False)
                    nan = v != v
                    lost |= nan
                    line[j] = math.nan if nan else y
            for j in range(columns):
                target = out[left + j, first : first + rows]
                for i in range(rows):
                    target[i] = square[i, j]
    return lost


@kernel
def magnitudes(bits, mask, out):
    """out ← the largest of bits & mask in each row, 0 where there is none; then the largest of all
    rows, and the smallest but 0, or the mask.  Returns how many are 0.

    The magnitudes of floats are ordered as these integers; NaN lies above Inf.
    """
    zeros = np.int64(0)
    most, least = mask & 0, mask
    for i in range(bits.shape[0]):
        top = mask & 0
        count = mask & 0
        for j in range(bits.shape[1]):
            v = bits[i, j] & mask
            top = max(top, v)
            least = min(least, v if v != 0 else mask)
            count += v == 0
        out[i] = top
        zeros += count
        most = max(most, top)
    out[-2] = most
    out[-1] = least
    return zeros


@kernel
def zero_pairs(a, b):
    """Products with a zero operand in (items, m, k) × (items, k, n)."""
    m, n = a.shape[1], b.shape[2]
    total = np.int64(0)
    left = np.empty(a.shape[2], np.int64)
    for item in range(a.shape[0]):
        left[:] = 0
        for i in range(m):
            row = a[item, i]
            for k in range(row.shape[0]):
                left[k] += np.int64(row[k] == 0)
        for k in range(b.shape[1]):
            row = b[item, k]
            count = np.int32(0)
            for j in range(row.shape[0]):
                count = np.int32(count + np.int32(row[j] == 0))
            right = np.int64(count)
            total += left[k] * n + right * m - left[k] * right
    return total


class Frame(NamedTuple):
    """The output pixels of some rows, and how the window steps over the image."""

    top: int  # first output row
    rows: int
    columns: int
    down: int  # strides
    right: int


@kernel
def gather(image, places, border, out, first, last, f):
    """Patches: out[g, k, pixel] ← what output pixel meets at place k of group g.

    image (n, channels, h, w) and out (groups, k, n·rows·columns) of one dtype; places (k, 3)
    int64: channel within the group, and the offsets of the image's row and column from the
    output's, times the stride.  Outside lies ``border``.  Lines ``first`` … ``last`` − 1 of the
    groups·k are written.
    """
    count = places.shape[0]
    n, channels, height, width = image.shape
    share = channels // out.shape[0]
    for line in range(first, last):
        group, k = line // count, line % count
        channel = group * share + places[k, 0]
        left = places[k, 2]
        # The output columns start … stop − 1 meet the image.
        start = min(max(0, -(left // f.right)), f.columns)
        stop = max(start, min(f.columns, (width - 1 - left) // f.right + 1))
        at = 0
        for item in range(n):
            for row in range(f.top, f.top + f.rows):
                y = row * f.down + places[k, 1]
                line = out[group, k, at : at + f.columns]
                at += f.columns
                if y < 0 or y >= height:
                    line[:] = border
                    continue
                line[:start] = border
                line[stop:] = border
                # Slices: indices that may be negative would not vectorise.
                met = line[start:stop]
                source = image[item, channel, y, start * f.right + left :]
                if f.right == 1:
                    for j in range(stop - start):
                        met[j] = source[j]
                else:
                    for j in range(stop - start):
                        met[j] = source[j * f.right]
