"""What the scales of blocks add to the terms of fused sums: to their exponents and to their bits.

The proofs are those of docs/proofs-units.md, "Scaled blocks".
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.fused import NO_EXPONENT

from hwsim.formats import BlockFormat, FloatFormat, Format
from hwsim.simulate.block_passes import Ends
from hwsim.simulate.block_plans import sum_bits
from hwsim.simulate.grids import magnitude, within_float32
from hwsim.simulate.microscaling import Parts
from hwsim.units import Fused, MacUnit

Array = npt.NDArray[Any]


class Factors(NamedTuple):
    """An operand in blocks along k: elements (items, m, k) or (items, k, n), their format, and the
    scales, float64, one for each block along k, beside what they add to exponents, int16."""

    elements: Array
    fmt: Format
    scales: Array
    lifts: Array
    size: int

    @property
    def turned(self) -> Factors:
        """The operand on the other side."""
        arrays = (self.elements, self.scales, self.lifts)
        elements, scales, lifts = (np.ascontiguousarray(x.swapaxes(1, 2)) for x in arrays)
        return Factors(elements, self.fmt, scales, lifts, self.size)


class Operand(NamedTuple):
    """Values, a format of theirs, and, of blocks, what they were made of."""

    values: Array
    fmt: Format
    factors: Factors | None = None


class Scaled(NamedTuple):
    """What is known of terms: a term is less than ``growth`` times 2^its exponent; ``exact``
    products make one, if that is not None, and ``bits`` hold their sums; and both operands, those
    that come in blocks."""

    growth: int
    exact: int | None
    bits: int
    a: Factors | None = None
    b: Factors | None = None

    @property
    def turned(self) -> Scaled:
        """Of the transposed product."""
        a, b = (side and side.turned for side in (self.b, self.a))
        return self._replace(a=a, b=b)


def scaled_terms(unit: MacUnit) -> Scaled:
    """Of a unit of blocks whose order is `Fused`, without operands."""
    assert isinstance(unit.order, Fused)
    blocks = [block for block in (unit.a_block, unit.b_block) if block]
    scales = 1 << sum(block.scale.precision > 1 for block in blocks)  # their significands
    exact = unit.order.exact
    if exact is None:
        return Scaled(4 * scales, None, 0)
    growth = math.ceil(exact * magnitude(unit.a) * magnitude(unit.b)) * scales
    return Scaled(growth, exact, sum_bits(unit, exact))


def factors_of(parts: Parts, block: BlockFormat, axis: int) -> Factors:
    """Elements and scales along the last axis, as an operand in blocks along ``axis``."""
    elements, scales = (x if axis == -1 else x.swapaxes(-1, -2) for x in parts[:2])
    known = (scales > 0.0) & np.isfinite(scales)
    own = np.frexp(np.where(known, scales, 0.0))[1] - 1
    own = np.where(known, own, block.scale.emin)
    lifts = np.where(np.isfinite(scales), np.maximum(own, block.scale.emin), NO_EXPONENT)
    arrays = (elements, scales, lifts.astype(np.int16))
    elements, scales, lifts = map(np.ascontiguousarray, arrays)
    return Factors(elements, block.element, scales, lifts, block.size)


def ends_of(scales: Array) -> Ends:
    """The smallest and the largest scale but 0."""
    some = scales[(scales > 0.0) & np.isfinite(scales)]
    return Ends(float(some.min(initial=math.inf)), float(some.max(initial=0.0)))


def values_of(side: Factors, fmt: FloatFormat, axis: int) -> Array:
    """Elements times their scales along ``axis``, exact, in the narrowest carrier of ``fmt``."""
    each = np.repeat(side.scales, side.size, axis)
    _, rows, columns = side.elements.shape
    with np.errstate(invalid="ignore"):  # Inf times a scale of 0
        found: Array = side.elements * each[:, :rows, :columns]
    return found.astype(np.float32 if within_float32(fmt) else np.float64, copy=False)


def held(block: BlockFormat, ends: Ends) -> FloatFormat:
    """A float format of every value in blocks whose scales lie between ``ends``."""
    if ends.high == 0.0:
        return FloatFormat(8, block.values.precision)  # nothing but zeros, and NaN
    bits, scale = block.values.precision, block.scale
    step = math.frexp(ends.low)[1] - scale.precision
    emin = block.element.quantum_exponent + max(scale.quantum_exponent, step) + bits - 1
    emax = block.element_emax + 1 + math.frexp(ends.high)[1]
    return FloatFormat(max(2, (emax - emin + 3).bit_length()), bits, bias=1 - emin)
