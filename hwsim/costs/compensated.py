"""The parts of compensated sums and of sums of two words.

One adder takes the exact product (of two words: its own two roundings do), the others two values of
the accumulator's format; each addition of the algorithm has an adder of its own.
"""

from __future__ import annotations

from dataclasses import replace

from hwsim.costs.blocks import Number, Piece, add_float, convert, number_of, register, stored
from hwsim.formats import FloatFormat
from hwsim.units import DoubleWord, Kahan, MacUnit


def compensated_pieces(unit: MacUnit, product: Number, order: Kahan | DoubleWord) -> list[Piece]:
    """The additions, and the registers of the sum and of what it lost."""
    fmt = unit.accumulator
    assert isinstance(fmt, FloatFormat)
    overflow = unit.overflow_of(fmt)
    first = add_float(product, fmt, unit.rounding, overflow)
    pieces = [replace(piece, name=f"product: {piece.name}") for piece in first]
    others = order.operations - 1
    if isinstance(order, DoubleWord):
        pieces += convert(product, fmt, unit.rounding, overflow, "product's upper word")
        others -= 1
        total = Number(2 * fmt.precision, *_span(number_of(fmt)), True)
        done = convert(total, unit.output_format, unit.rounding, overflow, "both words")
        pieces += [replace(piece, per="output") for piece in done]
    adder = add_float(stored(fmt), fmt, unit.rounding, overflow)
    pieces += [replace(piece, copies=others, uses=others, levels=others) for piece in adder]
    held = register("accumulator register", fmt.width)
    return [*pieces, replace(held, copies=2, uses=2)]


def _span(value: Number) -> tuple[int, int, int]:
    """Exponents of a sum of two words."""
    return value.low, value.high + 1, value.smallest
