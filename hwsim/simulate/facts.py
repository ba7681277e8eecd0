"""What is known about one matrix product before it runs: the data's part of the proofs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.finish import largest_mass
from hwsim_kernels.operands import magnitudes, zero_pairs

from hwsim.simulate.elementwise import read_only

if TYPE_CHECKING:
    from hwsim.simulate.scaled import Scaled
    from hwsim.simulate.streams import Draws

Array = npt.NDArray[Any]
MASKS = {4: np.int32(0x7FFFFFFF), 8: np.int64(0x7FFFFFFFFFFFFFFF), 2: np.int16(0x7FFF)}
WHOLE = {size: np.dtype(f"i{size}") for size in MASKS}
SLACK = 1.0 + 2.0**-50  # what three operations on bounds lose, and a c of more than 53 bits


@dataclass
class Facts:
    """Operands (batch, m, k) and (batch, k, n) in their formats' values, c or None, and the draws
    of a unit that rounds stochastically.

    a_max, b_max : largest |a| and |b|; NaN where there is one.
    a_min, b_min : none but 0 is smaller; infinite where there is none.
    c_max, c_min : the same of c; 0 and infinite without it.
    finite : whether no operand and no c is NaN or Inf.
    length : products of a sum.
    group_bits : of every sum of a group of an order of exact dot products, where it is known.
    scaled : of operands in blocks whose products are aligned, what their scales do to terms.
    """

    a: Array
    b: Array
    c: Array | None
    group_bits: int | None = None
    scaled: Scaled | None = None
    draws: Draws | None = None

    def __post_init__(self) -> None:
        self._a, self._b = _extremes(self.a), _extremes(self.b)
        self.a_max, self.b_max = self._a.top, self._b.top
        self.a_min, self.b_min = _near(self._a.bottom), _near(self._b.bottom)
        self.c_max, self.c_min = 0.0, math.inf
        if self.c is not None:
            of_c = _extremes(self.c)
            self.c_max, self.c_min = of_c.top, _near(of_c.bottom)
        self.finite = math.isfinite(self.a_max + self.b_max + self.c_max)
        self.length = int(self.a.shape[-1])

    @property
    def terms(self) -> int:
        """What is aligned and added: products, or exact sums of them."""
        return -(-self.length // ((self.scaled and self.scaled.exact) or 1))

    @property
    def zero_free(self) -> bool:
        """Whether no operand is zero."""
        return self._a.zeros == 0 and self._b.zeros == 0

    @cached_property
    def zero_products(self) -> int:
        """Products with a zero operand."""
        if self.zero_free:
            return 0
        a, b = (read_only(np.ascontiguousarray(x)) for x in (self.a, self.b))
        return int(zero_pairs(a, b))

    @cached_property
    def _minus_zeros(self) -> bool:
        assert self.c is not None
        return bool((np.signbit(self.c) & (self.c == 0)).any())

    @property
    def c_minus_zero(self) -> bool:
        """Whether some c is −0."""
        return self.c is not None and self._minus_zeros

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
        rows = np.ascontiguousarray(self.a if self.a.dtype.kind == "f" else _magnitudes(self.a))
        sums = float(largest_mass(rows, self._b.largest.reshape(self.b.shape[:-1])))
        # Its own rounding errors, and what products under the smallest subnormal lose.
        return sums * (1.0 + float(k + 2) * 2.0**-51) + float(k) * 2.0**-1074

    def products_within(self, limit: float) -> bool:
        """Whether Σ|a·b| lies under ``limit`` in all outputs: K·max|a|·max|b| says so for nothing,
        else the sums do."""
        return self.quick_bound * SLACK <= limit or self.sum_bound * SLACK <= limit

    def sums_within(self, limit: float) -> bool:
        """The same of |c| + Σ|a·b|."""
        quick = (self.quick_bound + self.c_max) * SLACK <= limit
        return quick or (self.sum_bound + self.c_max) * SLACK <= limit


def _near(bottom: float) -> float:
    """A lower bound that proofs can take powers of two from: those of two operands, and of sums
    of 53 bits, stay floats."""
    return bottom if math.isinf(bottom) else min(bottom, 2.0**400)


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
    scaled: Scaled | None = None


def _magnitudes(x: Array) -> Array:
    """|x|, of the lowest int64 too."""
    sizes: Array = np.abs(x if x.dtype.kind == "f" else x.astype(np.float64))
    return sizes


class Extremes(NamedTuple):
    """Magnitudes of an array: the largest of each line, flat; of all of it the largest (NaN
    where one is, 0 of nothing), the smallest but 0 (infinite of nothing), and how many zeros.
    """

    largest: Array
    top: float
    bottom: float
    zeros: int


def _extremes(x: Array) -> Extremes:
    """All in one pass."""
    if x.dtype.kind != "f":
        sizes = np.abs(x.astype(np.float64))
        some = np.where(sizes == 0.0, math.inf, sizes)
        largest = sizes.max(axis=-1, initial=0.0).ravel()
        ends = float(largest.max(initial=0.0)), float(some.min(initial=math.inf))
        return Extremes(largest, *ends, int(np.count_nonzero(sizes == 0.0)))
    whole = WHOLE[x.itemsize]
    lines = math.prod(x.shape[:-1])
    bits = np.ascontiguousarray(x).reshape(lines, x.shape[-1]).view(whole)
    found = np.empty(lines + 2, whole)
    zeros = magnitudes(bits, MASKS[x.itemsize], found)
    sizes = found.view(x.dtype)
    top, bottom = sizes[lines:].tolist()
    least = math.inf if math.isnan(bottom) else bottom
    return Extremes(sizes[:lines], top, least, int(zeros))
