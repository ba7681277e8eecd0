"""Products of operands that are in blocks already: codes and scales, as `hwsim.encode` gives them.

No scale is computed a second time: what was packed is what is multiplied, whatever its scales are.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, NONE

from hwsim.errors import SpecError
from hwsim.formats import BlockFormat, stochastic_of
from hwsim.memory import check_memory
from hwsim.reference.blocks import Element, element_dot
from hwsim.reference.containers import to_array, to_values
from hwsim.reference.draws import no_draw
from hwsim.reference.units import merge
from hwsim.reference.values import ZERO
from hwsim.simulate.block_units import How, aligned_parts, of_parts, parts_of, scaled_sums
from hwsim.simulate.conversions import decode, value_dtype
from hwsim.simulate.inputs import as_real
from hwsim.simulate.microscaling import Blocks, Parts
from hwsim.simulate.operands import to_operand
from hwsim.simulate.options import Options
from hwsim.simulate.preparations import with_nan
from hwsim.simulate.products import cheap
from hwsim.units import Fused, MacUnit, Telemetry

Array = npt.NDArray[Any]


def packed_product(
    a: Any, b: Any, c: Array | None, unit: MacUnit, options: Options
) -> tuple[Array, Telemetry]:
    """c + a·b, (…, M, K) × (…, K, N), where a or b is `Blocks` along k; the other may be values.

    The tensor's scale of either is left to the caller, as units know none.  ValueError (a format,
    an axis or shapes that do not fit), SpecError (sr in an order that scales sums).
    """
    left = _parts("a", a, unit.a_block, unit, options)
    right = _parts("b", b, unit.b_block, unit, options)
    if left.elements.shape[-1] != right.elements.shape[-1]:
        shapes = f"{left.elements.shape} and b, k last, {right.elements.shape}"
        raise ValueError(f"a {shapes}: as many products on both sides are needed")
    leading = [x.elements.shape[:-2] for x in (left, right)]
    try:
        batch = np.broadcast_shapes(*leading)
    except ValueError:
        raise ValueError(f"a and b: batches {leading[0]} and {leading[1]} do not fit") from None
    shape = (*batch, left.elements.shape[-2], right.elements.shape[-2])
    check_memory("the product of a and b", shape)
    left, right = _flat(left, batch), _flat(right, batch)
    flat = (left.elements.shape[0], *shape[-2:])
    if c is not None:
        c = to_operand("c", np.broadcast_to(c, shape), unit.outer_format, options).reshape(flat)
    how, draws = How(options.level, options.threads), None
    if stochastic_of(unit.rounding):
        draws = options.stream.of_product(flat, unit, left.elements.shape[-1])
    if not unit.scales_sums and not isinstance(unit.order, Fused):
        values, counted = of_parts(left, right, c, unit, how, draws)
    elif draws:
        raise SpecError(f"{unit.rounding}: not of packed operands in {unit.order}")
    else:
        run = scaled_sums if unit.scales_sums else aligned_parts
        done = run(left, right, c, unit, how)
        values, counted = done or _by_definition(left, right, c, unit, options.level)
    dtype = value_dtype(unit.output_format)
    return np.ascontiguousarray(values.reshape(shape), dtype), counted


def _parts(name: str, x: Any, block: BlockFormat | None, unit: MacUnit, options: Options) -> Parts:
    """An operand (…, lines, k) in blocks."""
    if not isinstance(x, Blocks):
        x = as_real(name, x)
        if x.ndim < 2:
            raise ValueError(f"{name}: shape {x.shape}; (…, M, K) and (…, K, N) are needed")
        if block is None:
            x = to_operand(name, x, unit.a if name == "a" else unit.b, options)
        how = How(options.level, options.threads, options.strict)
        return parts_of(name, x if name == "a" else x.swapaxes(-1, -2), block, how)
    if x.format != block:
        raise ValueError(f"{name}: blocks of {x.format}; {unit} takes {block or 'no blocks'} there")
    wanted, axes = -1 if name == "a" else -2, x.codes.ndim
    if axes < 2 or x.axis % axes != wanted % axes:
        raise ValueError(f"{name}: blocks along axis {x.axis}; along k, axis {wanted}, are needed")
    numbers = decode(x.codes, block.element), decode(x.scales, block.scale)
    elements, scales = (np.moveaxis(v.astype(np.float64), wanted, -1) for v in numbers)
    return Parts(np.ascontiguousarray(elements), np.ascontiguousarray(scales), block.size)


def _flat(parts: Parts, batch: tuple[int, ...]) -> Parts:
    """One leading axis that counts through the batch."""
    elements, scales = (
        np.broadcast_to(x, (*batch, *x.shape[-2:])).reshape(math.prod(batch), *x.shape[-2:])
        for x in (parts.elements, parts.scales)
    )
    return Parts(elements, scales, parts.size)


def _by_definition(
    a: Parts, b: Parts, c: Array | None, unit: MacUnit, level: int
) -> tuple[Array, Telemetry]:
    """Output by output, by the reference."""
    shape = (*a.elements.shape[:2], b.elements.shape[1])
    lines = [
        {at: _elements(part, at) for at in np.ndindex(*part.elements.shape[:2])} for part in (a, b)
    ]
    starts = [ZERO] * math.prod(shape) if c is None else to_values(c, "c")
    plain = replace(unit, nan=None)
    found = [
        element_dot(lines[0][i, m], lines[1][i, n], plain, start, level != NONE, no_draw)
        for (i, m, n), start in zip(np.ndindex(*shape), starts, strict=True)
    ]
    counted = merge([dot.telemetry for dot in found])
    values = to_array([dot.value for dot in found], unit.output_format, shape)
    values = values if unit.nan is None else with_nan(values, unit.nan, unit.output_format)
    return values, counted if level == ALL else cheap(counted)


def _elements(parts: Parts, at: tuple[int, ...]) -> list[Element]:
    pairs = zip(*(to_values(x[at], "x") for x in (parts.elements, parts.each)), strict=True)
    return [Element(*pair) for pair in pairs]
