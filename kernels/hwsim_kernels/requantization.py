"""Integer requantization in int64: clamp(R(acc·m·2^(e − B)) + z).

The caller proves |acc·m| < 2^62, so that products, remainders and ties never leave int64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, kernel

MODES = ("rne", "rna", "rtz", "rup", "rdn", "rto", "half-up")
RNE, RNA, RTZ, RUP, RDN, RTO, HALF_UP = range(len(MODES))
FAR = 1 << 62  # beyond every clamp, and half of what int64 holds


class Requantizer(NamedTuple):
    """B, the modes' numbers (``high`` −1: one rounding) and the accumulator's range."""

    bits: int
    mode: int
    high: int
    lowest: int
    largest: int


@helper
def shift_right(p, t, mode):
    """R(p / 2^t) for |p| < 2^62 and t ≥ 1."""
    t = min(t, np.int64(63))  # from there on |p| / 2^t is under a half, and only its sign counts
    q = p >> t
    rest = p - (q << t)
    half = np.int64(1) << (t - np.int64(1))
    if mode == RNE:
        up = rest > half or (rest == half and (q & np.int64(1)) == 1)
    elif mode == RNA:
        up = rest > half or (rest == half and p > 0)
    elif mode == RTZ:
        up = rest != 0 and p < 0
    elif mode == RUP:
        up = rest != 0
    elif mode == RDN:
        up = False
    elif mode == RTO:
        up = rest != 0 and (q & np.int64(1)) == 0
    else:
        up = rest >= half
    return q + np.int64(up)


@helper
def shift_left(p, t):
    """p·2^t for t ≥ 0, saturated at ±2^62."""
    if p == 0:
        return p
    if t >= 62 or p > (np.int64(FAR) >> t):
        return np.int64(FAR) if p > 0 else -np.int64(FAR)
    if p < -(np.int64(FAR) >> t):
        return -np.int64(FAR)
    return p << t


@kernel
def requantize(acc, m, e, z, low, high, out, f):
    """All arrays int64 of one length; the number of clamped values."""
    clamped = np.int64(0)
    for i in range(acc.shape[0]):
        if f.high < 0:
            t = np.int64(f.bits) - e[i]
            p = acc[i] * m[i]
            y = shift_right(p, t, f.mode) if t > 0 else shift_left(p, -t)
        else:
            x = acc[i]
            if e[i] > 0:
                x = min(max(shift_left(x, e[i]), np.int64(f.lowest)), np.int64(f.largest))
            y = shift_right(x * m[i], np.int64(f.bits), f.high)
            if e[i] < 0:
                y = shift_right(y, -e[i], f.mode)
        y += z[i]
        c = min(max(y, low[i]), high[i])
        clamped += np.int64(c != y)
        out[i] = c
    return clamped
