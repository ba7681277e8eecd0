"""What is known about one matrix product before it runs: the data's part of the proofs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.operands import magnitudes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Facts:
    """Operands (batch, m, k) and (batch, k, n) in their formats' values, and c or None."""

    a: Array
    b: Array
    c: Array | None

    @cached_property
    def _a(self) -> tuple[Array, Array]:
        return _extremes(self.a)

    @cached_property
    def _b(self) -> tuple[Array, Array]:
        return _extremes(self.b)

    @property
    def a_max(self) -> float:
        """Largest |a|; NaN when there is one."""
        return float(self._a[0].max(initial=0.0))

    @property
    def b_max(self) -> float:
        """Largest |b|; NaN when there is one."""
        return float(self._b[0].max(initial=0.0))

    @property
    def zero_free(self) -> bool:
        """Whether no operand is zero."""
        return all(smallest.min(initial=math.inf) > 0.0 for _, smallest in (self._a, self._b))

    @cached_property
    def c_max(self) -> float:
        """Largest |c|; 0 without c."""
        return 0.0 if self.c is None else float(_extremes(self.c)[0].max(initial=0.0))

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
        k = self.a.shape[-1]
        wide = np.float32 if self.a.dtype == self.b.dtype == np.float32 else np.float64
        columns: Array = self._b[0].astype(wide)
        rows: Array = np.abs(self.a).astype(wide, copy=False)
        with np.errstate(over="ignore"):
            sums = float(np.einsum("gmk,gk->gm", rows, columns).max())  # on this thread alone
        # Its own rounding errors, and what products under the smallest subnormal lose.
        return float(sums * (1.0 + (k + 2) * 2.0 * float(np.finfo(wide).eps)) + k * 2.0**-149)


class Unknown(NamedTuple):
    """Finite data of any size: what holds of a unit alone."""

    finite: bool = True
    c_max: float = 0.0
    c_minus_zero: bool = False
    quick_bound: float = math.inf
    sum_bound: float = math.inf


def _extremes(x: Array) -> tuple[Array, Array]:
    """(largest, smallest) |x| along the last axis, in one pass; the largest is NaN where one is.

    Of nothing, 0 and NaN (or Inf): nothing that is above 0.
    """
    if x.dtype.kind != "f":
        sizes = np.abs(x.astype(np.float64))
        return sizes.max(axis=-1, initial=0.0), sizes.min(axis=-1, initial=np.inf)
    whole = np.dtype(f"i{x.dtype.itemsize}")
    bits = np.ascontiguousarray(x).view(whole).reshape(math.prod(x.shape[:-1]), x.shape[-1])
    ends = np.empty((2, len(bits)), whole)
    magnitudes(bits, whole.type(np.iinfo(whole).max), *ends)
    largest, smallest = (end.view(x.dtype).reshape(x.shape[:-1]) for end in ends)
    return largest, smallest
