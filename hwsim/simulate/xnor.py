"""Products of binary operands on packed words (`hwsim_kernels.xnor`)."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.xnor import WORD, differing, packed_columns, packed_rows

from hwsim.formats import Format, parse_format
from hwsim.simulate.elementwise import read_only
from hwsim.simulate.facts import Facts
from hwsim.simulate.scheduler import run_tiles

Array = npt.NDArray[Any]
BINARY: Format = parse_format("binary")
SMALL = 1 << 22  # multiplications that are not worth a second thread


def xnor_product(facts: Facts, threads: int) -> Array:
    """Σ a·b of operands that are −1 or 1: whole numbers in float32, up to 2^24 products."""
    (batch, m, k), n = facts.a.shape, facts.b.shape[2]
    words = -(-k // WORD)
    a, b = np.empty((batch, m, words), np.uint64), np.empty((batch, words, n), np.uint64)
    for x, pack, words_of in ((facts.a, packed_rows, a), (facts.b, packed_columns, b)):
        bits, sign = _bits(x)
        pack(bits, words_of, sign)
    out = np.empty((batch, m, n), np.float32)
    pieces = 1 if threads == 1 or facts.a.size * n <= SMALL else 4 * threads
    cuts = [batch * m * i // pieces for i in range(pieces + 1)]
    run_tiles([partial(differing, a, b, out, k, *ends) for ends in pairwise(cuts)], threads)
    return out


def _bits(x: Array) -> tuple[Array, Any]:
    """The bits of floats, in C's order, and how far up their sign lies."""
    whole = np.dtype(f"u{x.itemsize}")
    return read_only(np.ascontiguousarray(x).view(whole)), whole.type(8 * x.itemsize - 1)
