"""Rounding to formats of precision 1: zero and powers of two.

(x + C) − C would send every tie up, and "even" means the parity of the code here (IEEE P3109
interim report 4.0, §4.7.3): the code of 2^e is e minus `Powers.origin`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import kernel


class Powers(NamedTuple):
    """A format of precision 1 with its rounding mode (as flags) and overflow rule."""

    origin: int  # exponent whose code would be 0
    lowest_exponent: int  # of the smallest power
    gradual: bool  # results between 0 and the smallest power round; else they are flushed
    has_zero: bool
    tiny: float  # what positive results under the smallest power become without a zero
    even: bool  # rne
    away: bool  # rna
    up: bool  # rup
    down: bool  # rdn
    odd: bool  # rto


@kernel
def round_powers(x, out, f):
    """out ← R(x), exponent unbounded above: zeros lose no sign, Inf and NaN stay."""
    for i in range(x.shape[0]):
        v = x[i]
        if not f.has_zero and v <= 0.0:
            out[i] = math.nan
            continue
        if v == 0.0 or not math.isfinite(v):
            out[i] = v
            continue
        fraction, exponent = math.frexp(abs(v))  # fraction in [½, 1)
        low = np.int64(exponent - 1)
        below = f.gradual and low < f.lowest_exponent
        if below:  # between 0, whose code is even, and the smallest power
            tie = low == f.lowest_exponent - 1 and fraction == 0.5
            beyond = low == f.lowest_exponent - 1 and fraction > 0.5
            exact = False
            even = True
        else:
            tie = fraction == 0.75
            beyond = fraction > 0.75
            exact = fraction == 0.5
            even = (low - f.origin) % 2 == 0
        go = (f.even and (beyond or (tie and not even))) or (f.away and (beyond or tie))
        go = go or (f.up and v > 0.0) or (f.down and v < 0.0) or (f.odd and even)
        if below:
            r = math.ldexp(1.0, f.lowest_exponent) if go else 0.0
        else:
            r = math.ldexp(1.0, low + np.int64(go and not exact))
            if low + np.int64(go and not exact) < f.lowest_exponent:
                r = 0.0 if f.has_zero else f.tiny
        out[i] = math.copysign(r, v)
