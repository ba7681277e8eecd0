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
        rows = np.maximum(self.b.max(axis=-1), -self.b.min(axis=-1)).astype(np.float64)
        with np.errstate(over="ignore"):
            sums = float(np.matmul(np.abs(self.a, dtype=np.float64), rows[..., None]).max())
        return sums * (1.0 + float(self.a.shape[-1] + 2) * 2.0**-52)  # its own rounding errors


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

    largest: float
    smallest: float  # but 0; Inf where there is none
    zeros: int


def _extremes(x: Array) -> Extremes:
    """All in one pass."""
    if not x.size:
        return Extremes(0.0, math.inf, 0)
    if x.dtype.kind != "f":
        magnitudes_of = np.abs(x.astype(np.float64))
        some = magnitudes_of[magnitudes_of > 0]
        least = float(some.min(initial=math.inf))
        return Extremes(float(magnitudes_of.max()), least, x.size - some.size)
    whole = np.dtype(f"i{x.dtype.itemsize}")
    bits = np.ascontiguousarray(x).view(whole).reshape(-1)
    top, bottom, zeros = magnitudes(bits, whole.type(np.iinfo(whole).max))
    ends = np.array([top, bottom], whole).view(x.dtype)
    return Extremes(float(ends[0]), math.inf if zeros == x.size else float(ends[1]), int(zeros))
