"""Operand b in panels of columns, and arrays that start a cache line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hwsim_kernels._jit import kernel

SMALL = 1 << 15  # bytes: finding an address takes longer than lines that are crossed


@kernel
def pack(b, out, first, last):  # type: ignore[no-untyped-def]
    """out (batch, panels, k, columns) ← b (batch, k, n), in out's dtype; zeros beyond n.

    Panels ``first`` … ``last`` − 1 of all items, counted through.
    """
    wide = out.shape[3]
    for unit in range(first, last):
        item, panel = unit // out.shape[1], unit % out.shape[1]
        start = panel * wide
        have = min(wide, b.shape[2] - start)
        for k in range(b.shape[1]):
            line, source = out[item, panel, k], b[item, k, start : start + have]
            for j in range(have):
                line[j] = source[j]
            for j in range(have, wide):
                line[j] = 0


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """An uninitialised array; a large one's data starts a cache line: vectors then cross none."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)
