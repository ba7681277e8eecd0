"""Single operations, as published tables list them: one addition or one multiplication."""

from __future__ import annotations

from hwsim.costs import primitives as t
from hwsim.costs.blocks import (
    GUARD_ROUND_STICKY,
    Piece,
    Scaled,
    add_float,
    convert,
    exponent_bits,
    fields_decoder,
    stored,
)
from hwsim.costs.products import multiplier_pieces, pipeline_rank, product_of
from hwsim.formats import FixedFormat, Format, SumFormat


def operation_pieces(operation: str, a: Format, b: Format) -> list[Piece]:
    """One addition (a = b) or one multiplication, rounded to nearest even."""
    if operation == "add" and a == b and isinstance(a, SumFormat):
        return _addition(a)
    if operation == "mul" and isinstance(a, FixedFormat) and isinstance(b, FixedFormat):
        return multiplier_pieces(a, b, normalise=False)  # the product keeps all its bits
    if operation == "mul" and a == b and isinstance(a, Scaled):
        product = product_of(a, b)
        done = convert(product, a, "rne", a.default_overflow, "product")
        rank = pipeline_rank("pipeline register", product.bits, exponent_bits(product), (a, b))
        return [*multiplier_pieces(a, b, normalise=True), rank, *done]
    raise ValueError(
        f"operation={operation!r} of {a} and {b}: 'add' and 'mul' of one format, and 'mul' of any "
        "two integer or fixed-point formats, have a price; a mixed product is part of a MAC unit"
    )


def _addition(fmt: SumFormat) -> list[Piece]:
    if isinstance(fmt, FixedFormat):
        return [Piece("adder", t.adder(fmt.width), f"{fmt.width} bits, wraps")]
    value = stored(fmt)
    window = 2 * fmt.precision + GUARD_ROUND_STICKY  # both significands, one of them aligned
    pieces = add_float(value, fmt, "rne", fmt.default_overflow)
    aligned = 1 + [piece.name for piece in pieces].index("alignment shifter")
    return [
        Piece("operand decode", fields_decoder(fmt)),
        *pieces[:aligned],
        pipeline_rank("pipeline register", window, exponent_bits(value), (fmt, fmt)),
        *pieces[aligned:],
    ]
