"""Blocks that share a scale, in three passes: largest magnitudes, scales, elements.

Arrays are (items, length, lanes), and blocks lie along ``length``: the lane is the last axis, or,
where that has one place, the elements of a block.  Everything is computed in float64: quotients
are rounded to odd, so that rounding one again to few bits gives what rounding the true one gives.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hwsim_kernels._jit import fma64, helper, kernel
from hwsim_kernels.rounding64 import EXPONENT, NEAREST, limit, to_grid, to_odd
from hwsim_kernels.scalars import Grid64

INFINITY = np.inf
STEP = 16  # elements of a line at a time


class ScaleRule(NamedTuple):
    """How a block's largest magnitude gives its scale."""

    floored: bool  # 2^floor(log2 ·) of it, else all of it
    divisor: float  # of the magnitude: the tensor's scale, times the largest element unless floored
    emax_bits: int  # of the elements, where a float64 keeps its exponent
    least: float  # the smallest scale, and the largest
    most: float
    grid: Grid64  # of scales, whose precision is at least 2 unless floored


@helper
def quotient(x, y):
    """x / y rounded to odd, y > 0.  The remainder is exact unless it lies under float64's smallest
    number; x / y is then so small that its last bit decides nothing."""
    q = x / y
    rest = fma64(-q, y, x)
    return to_odd(q, rest if q != 0.0 else 0.0)


@kernel
def tops_of_lines(bits, mask, size, out):
    """out (items, blocks) ← the largest of bits & mask in each block of (items, length): magnitudes
    of floats are ordered as these integers, and NaN lies above Inf."""
    for item in range(bits.shape[0]):
        line = bits[item]
        for t in range(out.shape[1]):
            top = mask ^ mask
            for k in range(t * size, min(line.shape[0], t * size + size)):
                top = max(top, line[k] & mask)
            out[item, t] = top


@kernel
def tops_of_lanes(bits, mask, size, out):
    """The same of (items, length, lanes)."""
    for item in range(bits.shape[0]):
        for t in range(out.shape[1]):
            tops = out[item, t]
            tops[:] = 0
            for k in range(t * size, min(bits.shape[1], t * size + size)):
                line = bits[item, k]
                for j in range(line.shape[0]):
                    tops[j] = max(tops[j], line[j] & mask)


@kernel
def scales(tops, out, s, rounds):
    """out ← scales (float64) of blocks whose largest magnitudes are ``tops``, flat; NaN where that
    is NaN or Inf.  Returns the smallest and the largest scale of blocks that hold anything else
    than zeros; infinite and 0 where there is none.  Unless it ``rounds``, others round the scales.
    """
    low, high = INFINITY, 0.0
    for i in range(tops.shape[0]):
        top = np.float64(tops[i])
        lost = not top < INFINITY
        x = np.float64(quotient(1.0 if lost else top, s.divisor))
        if s.floored:
            field = (x.view(np.int64) & EXPONENT) - s.emax_bits
            x = np.int64(max(field, np.int64(0))).view(np.float64)
        x = min(max(x, s.least), s.most)
        x = to_grid(x, s.grid, NEAREST) if rounds and not s.floored else x
        x = s.least if top == 0.0 else x
        kept = (top != 0.0) & (not lost)
        low = min(low, x if kept else INFINITY)
        high = max(high, x if kept else 0.0)
        out[i] = np.nan if lost else x
    return low, high


@cache
def elements_kernel(mode: int, divides: bool, lines: bool) -> Any:
    """elements(x, divisors, factors, size, out, g): out ← R(x / divisor) · factor, both of x's
    block; a divisor of NaN makes elements +0 before the factor.

    x and out (items, length), divisors and factors (items, blocks) where it takes ``lines``, else
    with an axis of lanes after these.  g the elements' grid, whose overflow rule clamps Inf too: x
    is finite where it counts.  Unless it ``divides`` every divisor is a power of two.
    """

    @helper
    def element(v, divisor, factor, g):  # type: ignore[no-untyped-def]
        q = quotient(v, divisor) if divides else v * divisor
        y = limit(to_grid(q, g, mode), q, g, False)
        return (y if q == q else 0.0) * factor

    @kernel
    def of_lines(x, divisors, factors, size, out, g):  # type: ignore[no-untyped-def]
        for item in range(x.shape[0]):
            line, into = x[item], out[item]
            for t in range(divisors.shape[1]):
                divisor, factor = divisors[item, t], factors[item, t]
                d = divisor if divides else 1.0 / divisor
                k, last = t * size, min(x.shape[1], t * size + size)
                while k + STEP <= last:  # a loop of known length becomes vectors and nothing else
                    some, result = line[k : k + STEP], into[k : k + STEP]
                    for i in range(STEP):
                        result[i] = element(np.float64(some[i]), d, factor, g)
                    k += STEP
                for i in range(k, last):
                    into[i] = element(np.float64(line[i]), d, factor, g)

    @kernel
    def of_lanes(x, divisors, factors, size, out, g):  # type: ignore[no-untyped-def]
        divisor = np.empty(x.shape[2])
        for item in range(x.shape[0]):
            for t in range(divisors.shape[1]):
                for j in range(divisor.shape[0]):
                    d = divisors[item, t, j]
                    divisor[j] = d if divides else 1.0 / d
                factor = factors[item, t]
                for k in range(t * size, min(x.shape[1], t * size + size)):
                    line, into = x[item, k], out[item, k]
                    for j in range(line.shape[0]):
                        into[j] = element(np.float64(line[j]), divisor[j], factor[j], g)

    return of_lines if lines else of_lanes
