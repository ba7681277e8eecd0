"""What is known about one matrix product before it runs: the data's part of the proofs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.operands import magnitudes, zero_pairs

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Facts:
    """Operands (batch, m, k) and (batch, k, n) in their formats' values, and c or None."""

    a: Array
    b: Array
    c: Array | None

    @cached_property
    def _a(self) -> Extremes:
        return _extremes(self.a)

    @cached_property
    def _b(self) -> Extremes:
        return _extremes(self.b)

    @property
    def a_max(self) -> float:
        """Largest |a|; NaN when there is one."""
        return self._a.largest

    @property
    def b_max(self) -> float:
        """Largest |b|; NaN when there is one."""
        return self._b.largest

    @property
    def a_min(self) -> float:
        """Smallest |a| but 0; infinite where there is none."""
        return self._a.smallest

    @property
    def b_min(self) -> float:
        """Smallest |b| but 0."""
        return self._b.smallest

    @property
    def length(self) -> int:
        """Products of a sum."""
        return int(self.a.shape[-1])

    @property
    def zero_free(self) -> bool:
        """Whether no operand is zero."""
        return self._a.zeros == 0 and self._b.zeros == 0

    @cached_property
    def zero_products(self) -> int:
        """How many products have a zero operand."""
        return int(zero_pairs(np.ascontiguousarray(self.a), np.ascontiguousarray(self.b)))

    @cached_property
    def c_max(self) -> float:
        """Largest |c|; 0 without c."""
        return 0.0 if self.c is None else _extremes(self.c).largest

    @property
    def finite(self) -> bool:
        """Whether no operand and no c is NaN or Inf."""
        return math.isfinite(self.a_max + self.b_max + self.c_max)

    @cached_property
    def c_minus_zero(self) -> bool:
        """Whether some c is −0."""
        return self.c is not None and bool((np.signbit(self.c) & (self.c == 0)).any())

    @property
    def quick_bound(self) -> float:
        """An upper bound of Σ|a·b|: K·max|a|·max|b|."""
        bound = self.a_max * self.b_max * float(self.a.shape[-1])
        return math.inf if math.isnan(bound) else bound

    @cached_property
    def sum_bound(self) -> float:
        """An upper bound of Σ|a·b| over all outputs."""
        if 0 in self.a.shape or 0 in self.b.shape:
            return 0.0
        if not self.finite:
            return math.inf
        if self.quick_bound == 0.0:
            return 0.0
        wide = np.float32 if self.a.dtype == self.b.dtype == np.float32 else np.float64
        rows: Array = np.abs(self.a).astype(wide, copy=False)
        columns: Array = self._b.rows.astype(wide, copy=False)
        with np.errstate(over="ignore"):
            sums = float(np.einsum("gmk,gk->gm", rows, columns).max())  # on this thread alone
        # Its own rounding errors, and what products under the smallest subnormal lose.
        k = self.length
        return float(sums * (1.0 + (k + 2) * 2.0 * float(np.finfo(wide).eps)) + k * 2.0**-149)


class Unknown(NamedTuple):
    """Finite data of any size: what holds of a unit alone."""

    finite: bool = True
    a_max: float = math.inf
    b_max: float = math.inf
    a_min: float = 0.0
    b_min: float = 0.0
    length: int = 1 << 30
    c: None = None
    c_max: float = 0.0
    c_minus_zero: bool = False
    quick_bound: float = math.inf
    sum_bound: float = math.inf


class Extremes(NamedTuple):
    """Magnitudes of an array; the largest is NaN when there is one."""

    rows: Array  # the largest along the last axis
    largest: float
    smallest: float  # but 0; Inf where there is none
    zeros: int


def _extremes(x: Array) -> Extremes:
    """All in one pass."""
    if not x.size:
        return Extremes(np.zeros(x.shape[:-1]), 0.0, math.inf, 0)
    if x.dtype.kind != "f":
        sizes = np.abs(x.astype(np.float64))
        some = sizes[sizes > 0]
        least = float(some.min(initial=math.inf))
        return Extremes(sizes.max(axis=-1), float(sizes.max()), least, x.size - some.size)
    whole = np.dtype(f"i{x.dtype.itemsize}")
    bits = np.ascontiguousarray(x).view(whole).reshape(-1, x.shape[-1])
    tops = np.empty(len(bits), whole)
    bottom, zeros = magnitudes(bits, whole.type(np.iinfo(whole).max), tops)
    rows = tops.view(x.dtype).reshape(x.shape[:-1])
    smallest = math.inf if zeros == x.size else float(np.array(bottom, whole).view(x.dtype))
    return Extremes(rows, float(rows.max()), smallest, int(zeros))
