"""The multiplier of a unit: operands decoded, words multiplied, a rank of registers after it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hwsim.costs import primitives as t
from hwsim.costs.blocks import (
    Number,
    Piece,
    Scaled,
    exponent_bits,
    fields_decoder,
    needs_normaliser,
    register,
)
from hwsim.costs.cores import core_pieces
from hwsim.costs.powers import pieces_of_powers, product_of_powers
from hwsim.costs.tables import BINARY, decoded, look_up, number_beside, shift, shifts, sign_flip
from hwsim.formats import FixedFormat, FloatFormat, Format, PositFormat, SumFormat
from hwsim.units import IntegerMultiplier, MacUnit, TableMultiplier, has_subnormal_values


def product_of(a: Format, b: Format, core: IntegerMultiplier | None = None) -> Number:
    """The product on its wires: exact, or a shifter's or a logarithmic multiplier's."""
    narrower = product_of_powers(a, b, core)
    if narrower is not None:
        return narrower
    x, y = number_beside(a, b), number_beside(b, a)
    return Number(
        x.bits + y.bits,
        x.low + y.low,
        x.high + y.high + 1,
        x.smallest + y.smallest,
        x.floating or y.floating,
    )


def multiplier_pieces(
    a: Format, b: Format, normalise: bool, core: IntegerMultiplier | None = None
) -> list[Piece]:
    """Decode both operands and multiply, exactly but for a ``core``; ``normalise`` removes leading
    zeros first."""
    powers = pieces_of_powers(a, b, core)
    if powers is not None:
        return powers
    product = product_of(a, b)
    if BINARY in (a, b):
        return sign_flip(b if a == BINARY else a, normalise)
    for power, other in ((a, b), (b, a)):
        if shifts(power, other):
            return shift(power, other)
    tables = look_up(a) + look_up(b)
    a, b = decoded(a), decoded(b)
    removed = normalise and (needs_normaliser(a) or needs_normaliser(b)) and product.floating
    late = removed or isinstance(a, PositFormat) or isinstance(b, PositFormat)
    times = t.late_multiplier if late else t.multiplier
    array = [Piece("significand multiplier", times(_bits(a), _bits(b)), _times(a, b))]
    if core is not None:
        array = [*_signs(a, b, core), *core_pieces(core)]
    pieces = [*tables, *array]
    if not product.floating:
        return pieces
    decode = t.NOTHING
    exponent = exponent_bits(product)
    for fmt in (a, b):
        own = t.NOTHING
        if isinstance(fmt, FixedFormat) and fmt.signed:
            own = t.complementer(fmt.width)
        if normalise and needs_normaliser(fmt):  # a float with leading zeros has the least exponent
            count = t.bits_for(_bits(fmt))
            less = t.mux(count) if isinstance(fmt, FloatFormat) else t.narrow_adder(exponent, count)
            own += t.normaliser(_bits(fmt)) | less
        decode |= fields_decoder(fmt) + own
    note = "leading zeros removed" if removed else "no leading zeros to remove"
    sums = t.adder(exponent - 1) | t.XOR
    return [
        Piece("operand decode", decode, note),
        *pieces,
        Piece("exponent adder", sums, f"{exponent - 1} bits, and the sign", beside=True),
    ]


def _signs(a: SumFormat, b: SumFormat, core: IntegerMultiplier) -> list[Piece]:
    """Magnitudes of two's complement operands, and the product's sign."""
    if isinstance(core, TableMultiplier) and core.signed:
        return []
    signed = [f.width for f in (a, b) if isinstance(f, FixedFormat) and f.signed]
    if not signed:
        return []
    total = sum(map(t.complementer, signed), t.NOTHING) | t.XOR
    total += t.complementer(_bits(a) + _bits(b))
    return [Piece("magnitudes and sign", total, "two's complement")]


def as_masked(unit: MacUnit) -> MacUnit:
    """The unit whose operands are masked, as those of formats without subnormals are."""
    if unit.daz or unit.ftz:
        unit = replace(unit, a=masked_format(unit.a), b=masked_format(unit.b), daz=False)
    return unit


def masked_format(fmt: Format) -> Format:
    """``fmt`` with its subnormals read as zeros."""
    if not (isinstance(fmt, FloatFormat) and has_subnormal_values(fmt)):
        return fmt
    if not fmt.specials.startswith("p3109"):
        return replace(fmt, zero_field="zero")
    # P3109 fixes its own zero field: a format with the same specials stands for it
    ieee = fmt.has_inf and fmt.exponent_bits > 1 and fmt.fraction_bits > 0
    return replace(fmt, specials="ieee" if ieee else "fn", zero_field="zero")


def pipeline_rank(name: str, bits: int, exponent: int, operands: Collection[Format]) -> Piece:
    """A significand, its exponent (none of 0 bits), and flags: sign, zero, and Inf and NaN where
    an operand may be one."""
    flags = 2 + any(x.has_inf for x in operands) + any(x.has_nan for x in operands)
    return register(name, bits + max(0, exponent - 1) + flags, "one pipeline rank")


def _bits(fmt: SumFormat) -> int:
    return fmt.precision if isinstance(fmt, Scaled) else fmt.width


def _times(a: SumFormat, b: SumFormat) -> str:
    return f"{_bits(a)} × {_bits(b)} bits"
