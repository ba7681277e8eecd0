"""Products of units that take blocks, by the kernels of units that take numbers.

Values, element times scale, are floats of few bits: where an order adds products of values, its
kernels take them as such.  Where it scales sums (chunks, trees), each chunk is a product of
elements; its sums times both scales are exact, and one more sum adds them up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, NONE

from hwsim.formats import BlockFormat, FloatFormat, Format, stochastic_of
from hwsim.simulate import products
from hwsim.simulate.block_passes import as_floats, elements_of, is_quick, scales_of
from hwsim.simulate.block_plans import group_bits
from hwsim.simulate.conversions import value_dtype
from hwsim.simulate.facts import Facts
from hwsim.simulate.fused_proofs import Known
from hwsim.simulate.grids import significant_bits, within_float32
from hwsim.simulate.microscaling import Parts, into_parts
from hwsim.simulate.operands import carrier
from hwsim.simulate.preparations import with_nan
from hwsim.simulate.scaled import (
    Operand,
    ends_of,
    factors_of,
    held,
    scaled_terms,
    values_of,
)
from hwsim.simulate.streams import Draws
from hwsim.units import Chunked, Fused, MacUnit, Sequential, StepCounts, Telemetry, Tree

Array = npt.NDArray[Any]
ONE = FloatFormat(5, 3)  # whose 1 multiplies sums that are added
AT_ONCE = 1 << 22  # sums that wait to be added
FARTHEST = 900  # exponents that scaled sums reach


class How(NamedTuple):
    """What is counted, by how many threads, and whether operands must be values already; how
    errors call them."""

    level: int
    threads: int
    strict: bool = False
    names: tuple[str, str] = ("a", "b")


def multiply(
    a: Array, b: Array, c: Array | None, unit: MacUnit, how: How, draws: Draws | None
) -> tuple[Array, Telemetry]:
    """(batch, m, k) × (batch, k, n) + c on a unit of blocks: any numbers where an operand comes in
    blocks, which lie along k, else values of its format; as `hwsim.simulate.products.multiply`."""
    if isinstance(unit.order, Fused):
        done = None
        if not draws:
            done = aligned((_side(a, unit, how, 0), _side(b, unit, how, 1)), c, unit, how)
        return done or products.by_reference(a, b, c, unit, how.level, draws)
    bits = group_bits(unit)
    if bits and not how.strict and not draws and unit.nan is None:
        laid = _laid(a, unit.a_block, unit.a, -1), _laid(b, unit.b_block, unit.b, -2)
        if laid[0] and laid[1]:
            plain = replace(unit.of_values, a=laid[0][0], b=laid[1][0])
            facts = Facts(laid[0][1], laid[1][1], c, bits)
            return products.of_facts(facts, plain, how.level, how.threads)
    left = parts_of(how.names[0], a, unit.a_block, how)
    right = parts_of(how.names[1], b.swapaxes(-1, -2), unit.b_block, how)
    if unit.scales_sums:
        done = None if draws else scaled_sums(left, right, c, unit, how)
        return done or products.by_reference(a, b, c, unit, how.level, draws)
    return of_parts(left, right, c, unit, how, draws)


def aligned(
    sides: tuple[Operand, Operand], c: Array | None, unit: MacUnit, how: How
) -> tuple[Array, Telemetry] | None:
    """The same of a unit whose order is `Fused`; None where the reference is needed."""
    (x, first, left), (y, second, right) = sides
    assert isinstance(unit.order, Fused)
    order = replace(unit.order, exact=None)
    plain = replace(unit, a=first, b=second, a_block=None, b_block=None, nan=None, order=order)
    if unit.order.fraction is None:
        facts = Facts(x, y, c)  # what is not cut is a sum of values
    else:
        facts = Facts(x, y, c, scaled=scaled_terms(unit)._replace(a=left, b=right))
        if Known(plain, facts, how.level).refusal():
            return None
    values, counted = products.of_facts(facts, plain, how.level, how.threads)
    return values if unit.nan is None else with_nan(values, unit.nan, unit.output_format), counted


def aligned_parts(
    left: Parts, right: Parts, c: Array | None, unit: MacUnit, how: How
) -> tuple[Array, Telemetry] | None:
    """`aligned` of operands, k last, that are in blocks where they come in them."""
    sides = []
    for parts, axis, block, fmt in (
        (left, -1, unit.a_block, unit.a),
        (right, -2, unit.b_block, unit.b),
    ):
        x = np.ascontiguousarray(parts.elements.swapaxes(-1, axis))
        sides.append(in_blocks(parts, block, axis) if block else Operand(x, fmt))
    return aligned((sides[0], sides[1]), c, unit, how)


def in_blocks(parts: Parts, block: BlockFormat, axis: int) -> Operand:
    """An operand of parts, k last, in blocks along ``axis``."""
    factors = factors_of(parts, block, axis)
    fmt = held(block, ends_of(factors.scales))
    return Operand(values_of(factors, fmt, axis), fmt, factors)


def _side(x: Array, unit: MacUnit, how: How, side: int) -> Operand:
    """An operand of any numbers."""
    axis, block, fmt = ((-1, unit.a_block, unit.a), (-2, unit.b_block, unit.b))[side]
    if block is None:
        return Operand(x, fmt)
    floats = as_floats(x)
    if how.strict or not is_quick(floats, block, "rne") or not x.size:
        parts = parts_of(how.names[side], x.swapaxes(-1, axis), block, how)
        return in_blocks(parts, block, axis)
    scales, _ = scales_of(floats, block, 1.0, axis)
    out = np.empty(x.shape, np.float32 if within_float32(block.element) else np.float64)
    elements = elements_of(floats, scales, (block, 1.0, "rne"), axis, out)
    if axis == -2:
        elements, scales = elements.swapaxes(-1, -2), scales.swapaxes(-1, -2)
    parts = Parts(elements, scales, block.size)
    return in_blocks(parts, block, axis)


def of_parts(
    left: Parts, right: Parts, c: Array | None, unit: MacUnit, how: How, draws: Draws | None
) -> tuple[Array, Telemetry]:
    """The same of operands in blocks, k last, on a unit that adds products of values."""
    x, y = (np.ascontiguousarray(p.values) for p in (left, right))
    plain = unit.of_values
    (first, x), (second, y) = _narrow(plain.a, x), _narrow(plain.b, y)
    plain = replace(plain, a=first, b=second)
    return products.multiply(
        x, np.ascontiguousarray(y.swapaxes(-1, -2)), c, plain, how.level, how.threads, draws
    )


def parts_of(name: str, x: Array, fmt: BlockFormat | None, how: How) -> Parts:
    """An operand, k last, in blocks; numbers of another format are elements with the scale 1."""
    if fmt is None:
        return Parts(x, np.ones((*x.shape[:-1], 1)), max(1, x.shape[-1]))
    parts = into_parts(x, fmt, 1.0)
    if how.strict:
        same = (parts.values == x) | (np.isnan(parts.values) & np.isnan(x))
        if not same.all():
            raise ValueError(f"{name}: not every number is a value of {fmt} in its block")
    return parts


def _laid(
    x: Array, block: BlockFormat | None, fmt: Format, axis: int
) -> tuple[Format, Array] | None:
    """Values of blocks along ``axis`` and a float format that holds these, in one pass to float32
    where that does; None where the kernels do not make them."""
    if block is None:
        return fmt, x
    x = as_floats(x)
    if not is_quick(x, block, "rne") or not x.size:
        return None
    scales, ends = scales_of(x, block, 1.0, axis)
    values = held(block, ends)
    narrow = within_float32(values)
    out = np.empty(x.shape, np.float32 if narrow else np.float64)
    return values, elements_of(x, scales, (block, 1.0, "rne"), axis, out, True)


def _narrow(fmt: Format, x: Array) -> tuple[Format, Array]:
    """Values in the narrowest carrier that holds these."""
    if not isinstance(fmt, FloatFormat) or fmt.precision > 24:
        return fmt, x.astype(carrier(fmt), copy=False)
    narrow = FloatFormat(8, max(2, fmt.precision))  # 1 bit leaves no code for NaN
    sizes = np.abs(x)
    sizes = sizes[(sizes > 0.0) & np.isfinite(sizes)]
    if carrier(fmt) == np.float32:
        return fmt, x.astype(np.float32)
    least, most = sizes.min(initial=1.0), sizes.max(initial=1.0)
    if least < float(narrow.smallest_normal) or most > float(narrow.largest):
        return fmt, x.astype(np.float64, copy=False)
    return narrow, x.astype(np.float32)


def scaled_sums(
    a: Parts, b: Parts, c: Array | None, unit: MacUnit, how: How
) -> tuple[Array, Telemetry] | None:
    """Chunks or trees of elements, scaled and added up; None where the reference is needed."""
    k, length = a.elements.shape[-1], unit.order.group
    plain = c is None and unit.nan is None and how.level != ALL and unit.rounding != "rdn"
    lone = isinstance(unit.order, Tree) and k % length == 1  # it goes up unrounded
    if not plain or not _is_exact(unit) or lone or not k:
        return None
    (batch, m), n = a.elements.shape[:2], b.elements.shape[-2]
    # All sums of some rows at once: what overflows twice is one output.
    rows = max(1, AT_ONCE // max(1, -(-k // length) * batch * n))
    counted = _Counts(how.level)
    total: Array = np.empty((batch, m, n), value_dtype(unit.output_format))
    for first in range(0, m, rows):
        here = slice(first, first + rows)
        mine = Parts(a.elements[:, here], a.scales[:, here], a.size)
        total[:, here] = _of_rows(mine, b, unit, how, counted)
    found = counted.all()
    if found is None:
        return None
    if how.level != NONE:  # elements of a NaN block are zeros, its values are not
        zeros = Facts(a.values, b.values.swapaxes(-1, -2), None).zero_products
        found = replace(found, zero_operands=zeros)
    return total, found


def _of_rows(a: Parts, b: Parts, unit: MacUnit, how: How, counted: _Counts) -> Array:
    """Sums of elements, times both scales, added up."""
    sums, inner = [], _inner(unit)
    for start in range(0, a.elements.shape[-1], unit.order.group):
        here = slice(start, start + unit.order.group)
        x = a.elements[..., here].astype(carrier(unit.a))
        y = b.elements[..., here].swapaxes(-1, -2).astype(carrier(unit.b))
        found, telemetry = products.multiply(
            np.ascontiguousarray(x), np.ascontiguousarray(y), None, inner, how.level, how.threads
        )
        counted.inner += telemetry
        scales = a.each[..., start, None] * b.each[..., None, :, start]
        sums.append(found.astype(np.float64) * scales)
    return _added(sums, unit, how, counted)


class _Counts:
    """What chunks and the sum of their sums counted."""

    def __init__(self, level: int) -> None:
        self.level, self.inner, self.outer = level, Telemetry(), Telemetry()

    def all(self) -> Telemetry | None:
        """Both together; None where outputs with an overflow cannot be told from the numbers."""
        inner, outer = self.inner, self.outer
        if self.level == NONE:
            return Telemetry()
        if inner.overflow_steps:
            return None
        names = vars(StepCounts())
        return replace(
            inner,
            outer=StepCounts(**{name: getattr(outer, name) for name in names}),
            outputs=outer.outputs,
            overflow_converted=outer.overflow_converted,
            overflow_outputs=outer.overflow_outputs,
            complete=False,
        )


def _is_exact(unit: MacUnit) -> bool:
    """Whether float64 holds every sum times both scales."""
    fmt, bits = unit.accumulator, significant_bits(unit.accumulator)
    high, low = math.frexp(float(fmt.largest))[1], fmt.quantum_exponent
    for block in (unit.a_block, unit.b_block):
        if block is not None:
            bits += block.scale.precision if block.scale.precision > 1 else 0
            high, low = high + block.scale.emax, low + block.scale.quantum_exponent
    inside = high < FARTHEST and low > -FARTHEST and not fmt.carried_as_codes
    return bits <= 53 and inside and stochastic_of(unit.rounding) is None


def _inner(unit: MacUnit) -> MacUnit:
    """The unit of one chunk or tree of elements."""
    order = Sequential() if isinstance(unit.order, Chunked) else unit.order
    return replace(unit.of_elements.summing, order=order)


def _outer(unit: MacUnit) -> MacUnit:
    """The unit that adds scaled sums up, and converts them."""
    bits = significant_bits(unit.accumulator) + sum(
        block.scale.precision for block in (unit.a_block, unit.b_block) if block is not None
    )
    fmt = FloatFormat(11, min(bits, 53))
    return MacUnit(ONE, fmt, unit.outer_format, unit.rounding, unit.overflow, output=unit.output)


def _added(sums: list[Array], unit: MacUnit, how: How, counted: _Counts) -> Array:
    """Σ sums, in their order."""
    shape = sums[0].shape
    outer = _outer(unit)
    stacked = np.stack([s.reshape(shape[0], -1) for s in sums], axis=1)
    fmt, stacked = _narrow(outer.b, stacked)
    ones = np.ones((shape[0], 1, len(sums)), carrier(ONE))
    outer = replace(outer, b=fmt)
    values, telemetry = products.multiply(ones, stacked, None, outer, how.level, how.threads)
    counted.outer += telemetry
    return values.astype(value_dtype(outer.output_format), copy=False).reshape(shape)
