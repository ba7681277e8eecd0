"""The numbers that a format, a rounding mode and an overflow rule become inside kernels.

One compiled kernel serves every format: these are run-time scalars, invariant in its loops.
"""

from __future__ import annotations

from typing import NamedTuple


class Grid64(NamedTuple):
    """Rounding of a float64 x to a format's grid, by (x + C) − C and a correction.

    C = 1.5·2^(e + 53 − p), e the exponent of x kept within [floor, cap]; all fields that hold
    exponents are in place, as bits of a float64.
    """

    floor_bits: int  # exponent field of the smallest normal binade (constant for fixed point)
    cap_bits: int  # exponent field of the binade above the largest: Inf and NaN get no wild C
    magic_bits: int  # (53 − p) in the exponent field, and the ½ of 1.5
    quantum_bits: int  # p − 1 in the exponent field: exponent of x minus this is one step
    smallest: float  # nonzero results below are flushed to zero; 0 where there are subnormals
    smallest_normal: float
    lowest: float
    largest: float
    over_neg: float  # what replaces a result below lowest, above largest
    over_pos: float
    inf_neg: float  # what replaces −Inf, +Inf
    inf_pos: float
    zero_add: float  # −0 keeps the sign of zero, +0 drops it
    span: float  # size of the circle for wrap; 0 otherwise
    # Thresholds, as shares of a step: |x| that lies so far above the nearest grid point r moves
    # on to r + q, so far below to r − q; for positive and for negative x.
    up_pos: float
    up_neg: float
    down_pos: float
    down_neg: float
    minus_zero: bool  # x − x = −0 (rdn)


class IntRange(NamedTuple):
    """Range of an integer accumulator; ``mask`` is its circle minus one."""

    lowest: int
    largest: int
    mask: int
