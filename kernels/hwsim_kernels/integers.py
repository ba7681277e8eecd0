"""MAC kernels for integer accumulators that saturate or wrap at every step."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from hwsim_kernels._jit import kernel


@cache
def mac_kernel(lane: type, wraps: bool, counted: bool) -> Any:
    """T ← limit(T + a·b) over k for an integer tile, in int32 or int64 lanes.

    The lowering proves that acc + a·b never leaves the lane, except where a 64-bit circle wraps
    by itself (``g.mask`` = −1).  ``counts[0]`` gets the steps that overflow.
    """

    @kernel
    def mac(a, b, tile, flags, counts, g):
        lowest = lane(g.lowest)
        largest = lane(g.largest)
        mask = lane(g.mask)
        one = lane(1)
        zero = lane(0)
        for i in range(a.shape[0]):
            for k in range(a.shape[1]):
                x = a[i, k]
                overflow = lane(0)
                for j in range(b.shape[1]):
                    s = lane(tile[i, j] + lane(x * b[k, j]))
                    if wraps:
                        y = lane(lane(lane(s - lowest) & mask) + lowest)
                    else:
                        y = s if s < largest else largest
                        y = y if y > lowest else lowest
                    tile[i, j] = y
                    if counted:
                        over = one if y != s else zero
                        flags[i, j] = lane(flags[i, j] | over)
                        overflow = lane(overflow + over)
                if counted:
                    counts[0] += np.int64(overflow)

    return mac


@kernel
def merge(total, tile, flags, counts, g, wraps, counted):
    """S ← limit(S + T) for int64 tiles: chunk sums into the outer accumulator."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            s = total[i, j] + tile[i, j]
            y = ((s - g.lowest) & g.mask) + g.lowest if wraps else min(max(s, g.lowest), g.largest)
            total[i, j] = y
            if counted and y != s:
                flags[i, j] |= 1
                counts[0] += 1
