"""Blocks that share a scale: into them, and the dot products of units that take them.

    scale     X = 2^(floor(log2 max|V|) − emax), or R(max|V| / largest element), clamped
    element   P = R(V / X), saturating
    product   Σ over blocks of X·X'·Σ P·P', by the unit's order

Source: OCP MX 1.0 §6.3 (conversion), §6.2 (dot product); `hwsim.formats.BlockFormat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hwsim.formats import BlockFormat, FloatFormat
from hwsim.reference.codes import decode, encode
from hwsim.reference.containers import Array, to_values
from hwsim.reference.draws import Draw, no_draw
from hwsim.reference.fused import Term, exponent_of, term_of
from hwsim.reference.rounding import finite_range, round_value
from hwsim.reference.units import (
    Dot,
    Entered,
    Level,
    dot,
    exact_total,
    finished,
    fused_sum,
    parts,
    product,
    root,
    sequential_sum,
)
from hwsim.reference.values import (
    NAN,
    ZERO,
    Value,
    finite,
    from_float,
    from_int,
    from_ratio,
    less,
    multiply,
    to_float,
)
from hwsim.units import Chunked, Fused, MacUnit, steps_of

FLOAT32 = FloatFormat(8, 24)
ONE = from_int(1)
QUOTIENT_BITS = 128  # of a quotient, more than any format that it is rounded to


class Block(NamedTuple):
    """Elements and the scale that they share; a scale of NaN makes them all NaN."""

    elements: list[Value]
    scale: Value


def to_blocks(
    x: Sequence[Value], fmt: BlockFormat, tensor_scale: Value = ONE, rounding: str = "rne"
) -> list[Block]:
    """Values along one axis as blocks, the last perhaps shorter."""
    parts = (x[k : k + fmt.size] for k in range(0, len(x), fmt.size))
    return [_block(part, fmt, tensor_scale, rounding) for part in parts]


def _block(x: Sequence[Value], fmt: BlockFormat, tensor_scale: Value, rounding: str) -> Block:
    """One block: its scale, then its elements, each rounded once."""
    if not all(v.is_finite for v in x):
        return Block([ZERO] * len(x), NAN)
    scale = scale_of(x, fmt, tensor_scale)
    divisor = multiply(scale, tensor_scale)
    elements = [
        round_value(quotient(v, divisor), fmt.element, rounding, "saturate").value for v in x
    ]
    return Block(elements, scale)


def scale_of(x: Sequence[Value], fmt: BlockFormat, tensor_scale: Value = ONE) -> Value:
    """The scale of a block of finite values."""
    limits = finite_range(fmt.scale)
    top = largest_magnitude(x)
    if top.is_zero:
        return limits.smallest
    if fmt.rule == "floor":
        ideal = from_int(1, quotient(top, tensor_scale).leading_exponent - fmt.element_emax)
    else:
        ideal = quotient(top, multiply(tensor_scale, from_ratio(fmt.element.largest)))
    if less(ideal, limits.smallest):
        return limits.smallest
    if less(limits.largest, ideal):
        return limits.largest
    return round_value(ideal, fmt.scale, "rne", "saturate").value


def tensor_scale_of(x: Sequence[Value], fmt: BlockFormat) -> Value:
    """What divides a tensor before its blocks are made: a float32 number; 1 where there is none,
    and for a tensor of zeros.  NaN and Inf do not count."""
    top = largest_magnitude([v for v in x if v.is_finite])
    if not fmt.tensor or top.is_zero:
        return ONE
    scale = quotient(top, from_ratio(fmt.largest))
    rounded = round_value(scale, FLOAT32, "rne", "saturate").value
    return finite_range(FLOAT32).smallest if rounded.is_zero else rounded


def largest_magnitude(x: Sequence[Value]) -> Value:
    """The largest |v| of finite values; +0 of none."""
    top = ZERO
    for v in x:
        magnitude = v._replace(negative=False)
        top = magnitude if less(top, magnitude) else top
    return top


def quotient(x: Value, y: Value) -> Value:
    """x / y of finite values, y > 0: exact, or rounded to odd with so many bits that rounding it
    again gives what rounding x / y gives."""
    if x.is_zero:
        return x
    steps, rest = divmod(x.significand << QUOTIENT_BITS, y.significand)
    return finite(x.negative, 2 * steps + (rest > 0), x.exponent - y.exponent - QUOTIENT_BITS - 1)


def values_of(blocks: Sequence[Block]) -> list[Value]:
    """Element times scale, for all elements in turn."""
    return [multiply(p, block.scale) for block in blocks for p in block.elements]


# --- dot products ---------------------------------------------------------------------------------
class Element(NamedTuple):
    """An element beside its block's scale; an operand without blocks has the scale 1."""

    value: Value
    scale: Value

    @property
    def scaled(self) -> Value:
        """What it stands for."""
        return multiply(self.value, self.scale)


def block_dot(
    a: Sequence[Value],
    b: Sequence[Value],
    unit: MacUnit,
    c: Value = ZERO,
    observe: bool = True,
    draw: Draw = no_draw,
) -> Dot:
    """c + Σ a·b as a unit of blocks computes it: `hwsim.reference.units.dot` on values, unless sums
    of elements are scaled.

    a, b : any values, which are brought into blocks, where the operand comes in them; else values
    of its format.
    """
    return element_dot(entered(a, unit.a_block), entered(b, unit.b_block), unit, c, observe, draw)


def entered(x: Sequence[Value], fmt: BlockFormat | None) -> list[Element]:
    """Values as elements with scales."""
    if fmt is None:
        return [Element(v, ONE) for v in x]
    return [Element(p, block.scale) for block in to_blocks(x, fmt) for p in block.elements]


def element_dot(
    a: list[Element], b: list[Element], unit: MacUnit, c: Value, observe: bool, draw: Draw
) -> Dot:
    """The same of elements whose scales are known."""
    x, y = [p.scaled for p in a], [p.scaled for p in b]
    if not unit.scales_sums and not isinstance(unit.order, Fused):
        return dot(x, y, unit.of_values, c, observe, draw)
    steps = steps_of(unit, len(a))
    inner = Level(unit, unit.block_format, observe, draw, steps.first_inner)
    outer = Level(unit, unit.outer_format, observe, draw, steps.first_outer)
    if isinstance(unit.order, Fused):
        terms = grouped_terms(a, b, unit, unit.order)
        order = replace(unit.order, terms=unit.order.terms // (unit.order.exact or 1))
        total = fused_sum(terms, c, order, inner, outer)
    else:
        total = sequential_sum(scaled_sums(a, b, unit, inner), c, outer)
    products = [multiply(v, w) for v, w in zip(x, y, strict=True)]
    return finished(total, c, Entered(x, y, products), (inner, outer), unit, draw)


def scaled_sums(a: list[Element], b: list[Element], unit: MacUnit, inner: Level) -> list[Value]:
    """Chunks or trees of elements' products, each summed from +0, times both scales."""
    sums = []
    for pairs in parts(list(zip(a, b, strict=True)), unit.order.group):
        products = [product(p.value, q.value, unit.of_elements) for p, q in pairs]
        chunked = isinstance(unit.order, Chunked)
        total = sequential_sum(products, ZERO, inner) if chunked else root(products, inner)
        p, q = pairs[0]
        sums.append(multiply(multiply(total, p.scale), q.scale))
    return sums


def grouped_terms(a: list[Element], b: list[Element], unit: MacUnit, order: Fused) -> list[Term]:
    """The terms of fused blocks.  A product's exponent is the sum of those of elements and scales;
    a group's is that of the scales alone, even where its sum is zero."""
    scale_formats = [block.scale if block else FLOAT32 for block in (unit.a_block, unit.b_block)]
    terms = []
    for pairs in parts(list(zip(a, b, strict=True)), order.exact or 1):
        products = [multiply(p.scaled, q.scaled) for p, q in pairs]
        p, q = pairs[0]
        scales = list(zip((p.scale, q.scale), scale_formats, strict=True))
        if order.exact is None:
            factors = [(p.value, unit.a), (q.value, unit.b), *scales]
            terms.append(term_of(products[0], factors, order))
        else:
            exponent = sum(exponent_of(s, fmt) for s, fmt in scales if s.is_finite)
            terms.append(Term(exact_total(products, ZERO, "rne"), exponent))
    return terms


# --- arrays along an axis -------------------------------------------------------------------------
class Encoded(NamedTuple):
    """An array in blocks: elements' codes in x's shape, scales' codes, and the tensor's scale."""

    codes: Array
    scales: Array
    tensor_scale: float


def encode_blocks(x: ArrayLike, fmt: BlockFormat, axis: int = -1, rounding: str = "rne") -> Encoded:
    """x, any real array, in blocks along ``axis``."""
    shape, lines, tensor_scale = _lines(x, fmt, axis)
    blocks = [to_blocks(line, fmt, tensor_scale, rounding) for line in lines]
    elements = [encode(p, fmt.element) for line in blocks for b in line for p in b.elements]
    scales = [encode(b.scale, fmt.scale) for line in blocks for b in line]
    count = -(-shape[-1] // fmt.size)
    codes = np.array(elements, _code_dtype(fmt.element.width)).reshape(shape)
    kept = np.array(scales, _code_dtype(fmt.scale.width)).reshape(*shape[:-1], count)
    codes, kept = np.moveaxis(codes, -1, axis), np.moveaxis(kept, -1, axis)
    return Encoded(codes, kept, to_float(tensor_scale))


def decode_blocks(encoded: Encoded, fmt: BlockFormat, axis: int = -1) -> Array:
    """Element · scale · tensor's scale, in float64."""
    codes, scales = (np.moveaxis(x, axis, -1) for x in (encoded.codes, encoded.scales))
    tensor_scale = from_float(encoded.tensor_scale)
    out = np.empty(codes.shape)
    for at in np.ndindex(*codes.shape):
        scale = decode(int(scales[(*at[:-1], at[-1] // fmt.size)]), fmt.scale)
        element = decode(int(codes[at]), fmt.element)
        out[at] = to_float(multiply(multiply(element, scale), tensor_scale))
    return np.moveaxis(out, -1, axis)


def _lines(
    x: ArrayLike, fmt: BlockFormat, axis: int
) -> tuple[tuple[int, ...], list[list[Value]], Value]:
    """The shape with ``axis`` last, the values along it line by line, the tensor's scale."""
    array = np.moveaxis(np.asarray(x), axis, -1)
    values = to_values(array, "x")
    length = array.shape[-1]
    lines = [values[i : i + length] for i in range(0, len(values), length or 1)]
    return array.shape, lines, tensor_scale_of(values, fmt)


def _code_dtype(width: int) -> str:
    return f"u{next(size for size in (1, 2) if 8 * size >= width)}"
