"""Operands that are tables: what they are once decoded, and the parts that decode them.

A power of two shifts an integer, and adds to the exponent of a float.  A binary operand flips a
sign.  A codebook is a table of constants; its entry is then multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from hwsim.costs import primitives as t
from hwsim.costs.blocks import (
    Number,
    Piece,
    fields_decoder,
    needs_normaliser,
    number_of,
)
from hwsim.formats import (
    CodebookFormat,
    FixedFormat,
    FloatFormat,
    Format,
    LogFormat,
    SumFormat,
    TableFormat,
)

BINARY = CodebookFormat((-1, 1))
FLIP = Number(1, 0, 0, 0, False)  # a binary operand on its wire
WIDEST_SHIFT = 32  # of integers; farther ones are placed as floats are


def decoded(fmt: Format) -> SumFormat:
    """The format of an operand behind its decoder; ValueError where that is not modelled."""
    if isinstance(fmt, CodebookFormat):
        return _holding(fmt.values) if fmt.entry is None else decoded(fmt.entry)
    if isinstance(fmt, LogFormat) and fmt.fraction_bits == 0:
        bits, bias = fmt.field_bits, fmt.exponent_bias
        return FloatFormat(bits, 1, bias, "none", fmt.signed, zero_field="normal")
    if isinstance(fmt, TableFormat):
        raise ValueError(f"{fmt}: the price of a logarithmic operand is not modelled")
    return fmt


def _holding(values: Iterable[Fraction]) -> FloatFormat:
    """A float just wide enough for some constants."""
    sizes = [abs(Fraction(value)) for value in values if value]
    digits = max((_digits(x) for x in sizes), default=1)
    tops = [math.frexp(float(x))[1] for x in sizes] or [0]
    return FloatFormat(max(2, t.bits_for(max(tops) - min(tops) + 3)), digits, specials="none")


def _digits(value: Fraction) -> int:
    """Bits of the significand that holds it."""
    odd = value.numerator
    return (odd // (odd & -odd)).bit_length()


def number_beside(fmt: Format, other: Format) -> Number:
    """How values of ``fmt`` travel to the multiplier, next to those of ``other``."""
    if fmt == BINARY:
        return FLIP
    if not shifts(fmt, other):
        return number_of(decoded(fmt))
    low = fmt.quantum_exponent
    bits = _span(fmt) + 1 + int(fmt.signed)  # the power as an integer
    return Number(bits, low, low + bits - 1, low, False)


def shifts(fmt: Format, other: Format) -> bool:
    """Whether ``fmt`` is a power of two that shifts integers or fixed point."""
    power = isinstance(fmt, LogFormat) and fmt.fraction_bits == 0
    whole = other != BINARY and isinstance(other, FixedFormat | CodebookFormat)
    near = power and whole and _span(fmt) <= WIDEST_SHIFT
    return near and isinstance(decoded(other), FixedFormat)


def _span(fmt: Format) -> int:
    return int(fmt.largest / fmt.smallest).bit_length() - 1


def shift(fmt: Format, other: Format) -> list[Piece]:
    """A power of two times an integer."""
    word = decoded(other).width
    wide = word + _span(fmt)
    flip = Piece("sign flip", t.complementer(word) * fmt.signed, f"{word} bits")
    zero = Piece("zero", t.AND * (word * fmt.has_zero), f"{word} bits masked")
    note = f"{wide} bits by 0 … {_span(fmt)}"
    return [*look_up(other), flip, zero, Piece("shifter", t.shifter(wide, _span(fmt)), note)]


def look_up(fmt: Format) -> list[Piece]:
    """The table of a codebook's entries."""
    if not isinstance(fmt, CodebookFormat):
        return []
    entries, width = len(fmt.values), decoded(fmt).width
    note = f"{entries} entries of {width} bits"
    return [Piece("codebook", t.table(entries, width), note)]


def stored_products(a: Format, b: Format, fmt: SumFormat) -> Piece:
    """A table of all products, rounded into ``fmt``."""
    entries = 1 << (a.width + b.width)
    logic = t.table(entries, fmt.width)
    if isinstance(a, CodebookFormat) and isinstance(b, CodebookFormat):
        if isinstance(fmt, FloatFormat):
            logic = t.smooth_table([_code(x * y, fmt) for x in a.values for y in b.values])
    return Piece("products", logic, f"{entries} products of {fmt.width} bits")


def _code(value: Fraction, fmt: FloatFormat) -> int:
    """About the code of a value: what a table's size depends on."""
    if value == 0:
        return 0
    exponent = max(math.frexp(abs(float(value)))[1] - 1, fmt.emin)
    steps = round(abs(value) / Fraction(2) ** (exponent - fmt.fraction_bits))
    code = min(((exponent - fmt.emin) << fmt.fraction_bits) + steps, fmt.largest_code)
    return code | (value < 0) << (fmt.width - 1)


def sign_flip(other: Format, normalise: bool) -> list[Piece]:
    """±1 times the other operand."""
    if other == BINARY:
        return [Piece("sign", t.XOR, "XNOR of two bits")]
    table, fmt = look_up(other), decoded(other)
    if not isinstance(fmt, FloatFormat):
        return [*table, Piece("sign flip", t.complementer(fmt.width), f"{fmt.width} bits")]
    decode = fields_decoder(fmt)
    if normalise and needs_normaliser(fmt):
        decode += t.normaliser(fmt.precision)
        decode |= t.narrow_adder(fmt.exponent_bits + 1, t.bits_for(fmt.precision))
    return [*table, Piece("operand decode", decode), Piece("sign flip", t.XOR)]
