"""A unit's results on their way out: placed as images, rescaled, rounded once, biased."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import kernel

LANES = 16


class Spot(NamedTuple):
    """Which images a product's columns are, and from which pixel on; its rows' channels."""

    image: int
    images: int
    pixel: int
    pixels: int
    share: int  # channels of a group


@kernel
def place(values, zero, out, spot, first, last):
    """out[image + i, c, pixel + j] ← values[c // share, c % share, i·pixels + j] + zero, cast.

    values (groups, share or more, images·pixels or more), out (images, groups·share, all pixels);
    the channels ``first`` … ``last`` − 1 are written.  ``zero`` has values' dtype: +0 turns −0
    into +0, and −0 nothing.
    """
    share, pixels = spot.share, spot.pixels
    for channel in range(first, last):
        line = values[channel // share, channel % share]
        for i in range(spot.images):
            source = line[i * pixels : (i + 1) * pixels]
            target = out[spot.image + i, channel, spot.pixel : spot.pixel + pixels]
            for j in range(pixels):
                target[j] = source[j] + zero


@kernel
def rescale(results, scale, bias, out, first, last):
    """out ← f32(f32(results·scale) + bias of the channel), the product in float64.

    results and out (images, channels, pixels), bias float32 (channels) or empty; the lines
    ``first`` … ``last`` − 1 of the images·channels are written.
    """
    channels = results.shape[1]
    for line in range(first, last):
        source = results[line // channels, line % channels]
        target = out[line // channels, line % channels]
        if bias.size == 0:  # adding 0 would turn -0 into +0
            for j in range(source.shape[0]):
                target[j] = np.float32(np.float64(source[j]) * scale)
        else:
            addend = bias[line % channels]
            for j in range(source.shape[0]):
                target[j] = np.float32(np.float64(source[j]) * scale) + addend


@kernel
def rectify(x, first, last):
    """float32 x ← 0 where it is negative, elements ``first`` … ``last`` − 1; NaN and −0 stay."""
    part = x[first:last]
    for i in range(part.shape[0]):
        v = part[i]
        part[i] = np.float32(0.0) if v < np.float32(0.0) else v


@kernel
def largest_mass(rows, columns):
    """The largest Σ|rows[g, i, k]|·columns[g, k] over g and i, in float64; 0 of nothing."""
    most = 0.0
    sums = np.empty(LANES)
    k = rows.shape[2]
    whole = k - k % LANES
    for item in range(rows.shape[0]):
        weights = columns[item]
        for i in range(rows.shape[1]):
            row = rows[item, i]
            sums[:] = 0.0
            for start in range(0, whole, LANES):
                for lane in range(LANES):
                    size = np.float64(abs(row[start + lane]))
                    sums[lane] += size * np.float64(weights[start + lane])
            total = sums.sum()
            for j in range(whole, k):
                total += np.float64(abs(row[j])) * np.float64(weights[j])
            most = max(most, total)
    return most


@kernel
def holds_nan(x, m, n):
    """Whether x[:, :m, :n] holds NaN."""
    for item in range(x.shape[0]):
        for i in range(m):
            row = x[item, i, :n]
            lost = False
            for j in range(n):
                lost |= row[j] != row[j]
            if lost:
                return True
    return False
