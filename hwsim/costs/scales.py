"""What scales of blocks take: their exponents are added, their significands multiply a sum."""

from __future__ import annotations

from dataclasses import replace

from hwsim.costs import primitives as t
from hwsim.costs.blocks import Number, Piece, number_of, register
from hwsim.formats import FloatFormat
from hwsim.units import Chunked, DotAdd, Fused, MacUnit, Tree


def scale_pieces(unit: MacUnit, product: Number) -> list[Piece]:
    """Once for each sum that is scaled: a group, chunk or tree; of other orders each product."""
    scales = [block.scale for block in (unit.a_block, unit.b_block) if block is not None]
    if not scales:
        return []
    order, count = unit.order, 1
    if isinstance(order, Fused):
        count = max(1, order.terms // (order.exact or order.terms))
    per = "chunk" if isinstance(order, DotAdd | Chunked | Tree | Fused) else "mac"
    exponent = max(fmt.width - fmt.precision + 1 for fmt in scales) + len(scales) - 1
    note = f"{exponent} bits, and that to the sum's" if len(scales) > 1 else f"{exponent} bits"
    found = [
        Piece(
            "scale exponents", t.adder(exponent) * len(scales), note, per, count, count, beside=True
        )
    ]
    if isinstance(order, Chunked):  # it comes with the chunk's first product
        found.append(register("scale register", exponent + sum(map(_digits, scales)), per="chunk"))
    digits = [fmt.precision for fmt in scales if fmt.precision > 1]
    if not digits:
        return found
    bits = _scaled_bits(unit, product)
    both = t.multiplier(*digits) if len(digits) > 1 else t.NOTHING
    array = both + t.multiplier(bits, sum(digits))
    note = f"{' x '.join(map(str, digits))}, times {bits} bits"
    return [*found, Piece("scale multiplier", array, note, per, count, count)]


def scaled(value: Number, unit: MacUnit) -> Number:
    """A number times both its blocks' scales, as it travels."""
    for block in (unit.a_block, unit.b_block):
        if block is not None:
            by = number_of(block.scale)
            bits = value.bits + _digits(block.scale)
            ends = (value.low + by.low, value.high + by.high + 1, value.smallest + by.smallest)
            value = replace(value, bits=bits, low=ends[0], high=ends[1], smallest=ends[2])
    return value


def _digits(scale: FloatFormat) -> int:
    return scale.precision if scale.precision > 1 else 0


def _scaled_bits(unit: MacUnit, product: Number) -> int:
    """Bits of what is scaled: an exact sum of products, a rounded one, or a product."""
    order, acc = unit.order, unit.accumulator
    if isinstance(order, Chunked | Tree):
        return acc.precision if isinstance(acc, FloatFormat) else acc.width
    if isinstance(order, DotAdd | Fused):
        terms = order.width if isinstance(order, DotAdd) else order.exact or 1
        span = product.high - product.low + 2 if product.floating else product.bits
        return span + (terms - 1).bit_length()
    return product.bits
