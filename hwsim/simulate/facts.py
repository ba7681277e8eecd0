"""What is known about one matrix product before it runs: the data's part of the proofs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import magnitudes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Facts:
    """Operands (batch, m, k) and (batch, k, n) in their formats' values, and c or None."""

    a: Array
    b: Array
    c: Array | None

    @cached_property
    def _a(self) -> tuple[float, float]:
        return _extremes(self.a)

    @cached_property
    def _b(self) -> tuple[float, float]:
        return _extremes(self.b)

    @property
    def a_max(self) -> float:
        """Largest |a|; NaN when there is one."""
        return self._a[0]

    @property
    def b_max(self) -> float:
        """Largest |b|; NaN when there is one."""
        return self._b[0]

    @property
    def zero_free(self) -> bool:
        """Whether no operand is zero."""
        return self._a[1] > 0.0 and self._b[1] > 0.0

    @cached_property
    def c_max(self) -> float:
        """Largest |c|; 0 without c."""
        return 0.0 if self.c is None else _extremes(self.c)[0]

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
        columns = _magnitudes(self.b).max(axis=-1, keepdims=True).astype(np.float64)
        with np.errstate(over="ignore"):
            sums = float(np.matmul(_magnitudes(self.a).astype(np.float64), columns).max())
        return sums * (1.0 + float(self.a.shape[-1] + 2) * 2.0**-52)  # its own rounding errors


class Unknown(NamedTuple):
    """Finite data of any size: what holds of a unit alone."""

    finite: bool = True
    c_max: float = 0.0
    c_minus_zero: bool = False
    quick_bound: float = math.inf
    sum_bound: float = math.inf


def _magnitudes(x: Array) -> Array:
    """|x|, of the lowest int64 too."""
    sizes: Array = np.abs(x if x.dtype.kind == "f" else x.astype(np.float64))
    return sizes


def _extremes(x: Array) -> tuple[float, float]:
    """(largest, smallest) |x| in one pass; the largest is NaN when there is one."""
    if not x.size:
        return 0.0, 0.0
    if x.dtype.kind != "f":
        magnitudes_of = np.abs(x.astype(np.float64))
        return float(magnitudes_of.max()), float(magnitudes_of.min())
    whole = np.dtype(f"i{x.dtype.itemsize}")
    bits = np.ascontiguousarray(x).view(whole).reshape(-1)
    ends = np.array(magnitudes(bits, np.iinfo(whole).max), whole).view(x.dtype)
    return float(ends[0]), float(ends[1])
