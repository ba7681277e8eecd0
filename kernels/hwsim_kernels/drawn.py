"""Stochastic rounding of arrays: random bits added to the bits that a grid drops, then a cut.

Magnitudes of floats are ordered as their bits.  With d = P − p dropped bits, floor(ν·2^N) + R ≥ 2^N
iff the upper N of them, plus R, carry: so R is added at d − N places, and the d bits are cut; a
carry runs into the exponent (P3109's StochasticA).  B adds 2R + 1 one place lower.  C first rounds
to the place of R, to nearest even.  d ≥ N + 2 is asked for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.rounding64 import beyond, limit

RULE_A, RULE_B, RULE_C = range(3)
ONE = np.int64(1)


class Cut(NamedTuple):
    """A grid in float64, and where draws are added."""

    rule: np.int64
    place: np.int64  # d − N
    dropped: np.int64  # 2^d − 1
    lift: np.float64  # smallest normal value: what is smaller lies on its grid
    beyond: np.float64  # what is as large overflows, and stays


@helper
def cut(a, draw, g):
    """The magnitude a on the grid, its exponent unbounded above.

    Below ``lift`` the grid is that of a + lift: what a's last bits lose there is put back as
    a sticky bit, so that the bits are a's, cut, the last one set where any is gone.
    """
    base = g.lift if a < g.lift else 0.0
    t = a + base
    m = np.float64(t).view(np.int64)
    error = a - (t - base)
    m = m - np.int64(error < 0.0)
    m = m | np.int64(error != 0.0)
    random = np.int64(draw) << g.place
    if g.rule == RULE_B:
        random |= ONE << (g.place - ONE)
    if g.rule == RULE_C:
        odd = (m >> g.place) & ONE
        below = (ONE << g.place) - ONE
        m = (m + (below >> ONE) + odd) & ~below
    y = np.int64((m + random) & ~g.dropped).view(np.float64) - base
    return a if a >= g.beyond else y


@kernel
def round_drawn(x, draws, out, flags, cuts, g):
    """out ← R(x) for flat arrays, by ``draws`` (uint32); (overflows, NaN in x).

    ``flags`` (uint8, of x's size, or empty) gets 1 where the rule struck.
    """
    over, lost = np.int64(0), np.int64(0)
    for i in range(x.shape[0]):
        v = np.float64(x[i])
        r = cut(abs(v), draws[i], cuts)
        r = math.copysign(0.0 if r < g.smallest else r, v)
        struck = beyond(r, v, g)
        over += np.int64(struck)
        if flags.shape[0]:
            flags[i] |= np.uint8(struck)
        y = limit(r, v, g, False)
        lost += np.int64(v != v)
        out[i] = np.nan if v != v else y
    return over, lost
