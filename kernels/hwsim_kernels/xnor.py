"""Products of ±1 on packed words: 64 of them are an exclusive or and a count of ones.

Rastegari et al. 2016, "XNOR-Net", arXiv 1603.05279, §3.2: a·b = K − 2·popcount(a ⊕ b), with a bit
for each −1.  Bits beyond K are 0 in both.  Operands come as the bits of their
floats, ``sign`` says which is the sign's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel

WORD = 64


@intrinsic
def ones(typing_context, x):  # type: ignore[no-untyped-def]
    """How many bits of a uint64 are set."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return types.uint64(types.uint64), codegen


@kernel
def packed_rows(x, out, sign):  # type: ignore[no-untyped-def]
    """out (batch, rows, words): bits of the negative ones of x (batch, rows, k)."""
    for item in range(x.shape[0]):
        for i in range(x.shape[1]):
            for w in range(out.shape[2]):
                word = np.uint64(0)
                first = w * WORD
                for k in range(min(WORD, x.shape[2] - first)):
                    word |= np.uint64(x[item, i, first + k] >> sign) << np.uint64(k)
                out[item, i, w] = word


@kernel
def packed_columns(x, out, sign):  # type: ignore[no-untyped-def]
    """out (batch, words, columns): bits of the negative ones of x (batch, k, columns)."""
    for item in range(x.shape[0]):
        for w in range(out.shape[1]):
            line = out[item, w]
            for j in range(line.shape[0]):
                line[j] = np.uint64(0)
            for k in range(w * WORD, min(x.shape[1], (w + 1) * WORD)):
                bit = np.uint64(k - w * WORD)
                source = x[item, k]
                for j in range(line.shape[0]):
                    line[j] |= np.uint64(source[j] >> sign) << bit


@kernel
def differing(a, b, out, length, first, last):  # type: ignore[no-untyped-def]
    """out (batch, m, n), floats ← length − 2·Σ popcount(a ⊕ b), for rows ``first`` … ``last`` − 1
    of all items, counted through; a (batch, m, words), b (batch, words, n)."""
    counts = np.empty(b.shape[2], np.uint64)
    for row in range(first, last):
        item, i = row // a.shape[1], row % a.shape[1]
        for j in range(counts.shape[0]):
            counts[j] = np.uint64(0)
        for w in range(a.shape[2]):
            word, line = a[item, i, w], b[item, w]
            for j in range(counts.shape[0]):
                counts[j] += ones(word ^ line[j])
        line_out = out[item, i]
        for j in range(counts.shape[0]):
            line_out[j] = length - 2 * np.int64(counts[j])
