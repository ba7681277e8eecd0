"""Words on the wires around a multiplier: operands' codes, and products as they travel.

A product of integers or fixed point travels as two's complement.  Any other one as its sign, the
sum of its factors' exponents (floor(log2 |x|) each; where nothing normalises them, not below that
of the smallest normal number), and the product of its factors' significands; of a zero all but the
sign is 0.  An Inf or NaN has an exponent of ones, and a NaN the highest bit of the significand.  A
stored product is its code; of logarithms that are added it is one of the accumulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.costs.blocks import Number, Scaled, exponent_bits
from hwsim.costs.products import product_of
from hwsim.costs.tables import BINARY, decoded, shifts
from hwsim.formats import BlockFormat, FloatFormat, Format, PositFormat
from hwsim.units import (
    Exact,
    ExactProduct,
    Fused,
    LogSum,
    MacUnit,
    Sequential,
    Staged,
    StoredProduct,
)

Array = npt.NDArray[Any]
WORD = 64


@dataclass(frozen=True)
class Factors:
    """What enters an exact multiplier's array: words of both sides, their bits, and whether they
    are two's complement."""

    a: Array
    b: Array
    bits: tuple[int, int]
    signed: tuple[bool, bool]


@dataclass(frozen=True)
class Products:
    """Product words (unsigned, or Python's integers beyond 64 bits), ``bits`` wide; the array's
    operands where it multiplies exactly."""

    words: Array
    bits: int
    factors: Factors | None


def codes_of(values: Array, fmt: Format) -> Array:
    """Codes of values of ``fmt``; of what arrays hold as codes already, these."""
    from hwsim import simulate  # imports numba

    if fmt.carried_as_codes and values.dtype.kind in "iu":
        return values.astype(np.uint64) & np.uint64((1 << fmt.width) - 1)
    codes: Array = simulate.encode(values, fmt, overflow="saturate")
    return codes


def in_blocks(x: Array, block: BlockFormat, axis: int) -> tuple[Array, Array]:
    """Elements, and elements times scales, as in `hwsim.matmul`: without a tensor's scale."""
    from hwsim.simulate.microscaling import into_parts  # imports numba

    parts = into_parts(np.moveaxis(np.asarray(x, np.float64), axis, -1), block, 1.0)
    elements, values = (np.moveaxis(y, -1, axis) for y in (parts.elements, parts.values))
    return np.ascontiguousarray(elements), np.ascontiguousarray(values)


def products_of(unit: MacUnit, a: Array, b: Array) -> Products:
    """The words of all products of two arrays of operands (values of the unit's formats, or of its
    blocks' elements), which broadcast."""
    if isinstance(unit.order, LogSum) or isinstance(unit.multiplier, StoredProduct):
        fmt: Format = unit.accumulator
        one = unit.summing
        if isinstance(unit.multiplier, StoredProduct):
            fmt, one = unit.multiplier.format, _precise(unit)
        return Products(codes_of(multiplied(one, a, b), fmt), fmt.width, None)
    number, exact = product_of(unit.a, unit.b, unit.core), _is_array(unit)
    if not number.floating:
        return _whole(unit, number, exact, a, b)
    return _floating(unit, number, exact, a, b)


def _is_array(unit: MacUnit) -> bool:
    """Whether an array of cells multiplies the operands, exactly."""
    plain = unit.core is None and BINARY not in (unit.a, unit.b)
    powers = shifts(unit.a, unit.b) or shifts(unit.b, unit.a)
    return plain and not powers and unit.a.has_exact_values and unit.b.has_exact_values


def _whole(unit: MacUnit, number: Number, exact: bool, a: Array, b: Array) -> Products:
    """Products in two's complement."""
    if not exact:
        p = np.asarray(multiplied(_precise(unit), a, b), np.float64)
        scaled = np.floor(np.ldexp(p, -number.low))
        return Products(_word(scaled.astype(np.int64), number.bits), number.bits, None)
    sides = [_integers(x, decoded(fmt)) for x, fmt in ((a, unit.a), (b, unit.b))]
    wide = number.bits > WORD
    x, y = (s.astype(object) for s in sides) if wide else sides
    words = _word(x * y, number.bits)
    formats = (decoded(unit.a), decoded(unit.b))
    bits = (formats[0].width, formats[1].width)
    shape = words.shape
    found = [np.broadcast_to(_word(s, n), shape) for s, n in zip(sides, bits, strict=True)]
    signed = (formats[0].signed, formats[1].signed)
    return Products(words, number.bits, Factors(found[0], found[1], bits, signed))


def _floating(unit: MacUnit, number: Number, exact: bool, a: Array, b: Array) -> Products:
    """Sign, exponent and significand of products."""
    normal = _normalises(unit)
    sides = [_Side.of(x, fmt, normal) for x, fmt in ((a, unit.a), (b, unit.b))]
    factors = None
    if exact:
        bits = (sides[0].bits, sides[1].bits)
        shape = np.broadcast_shapes(a.shape, b.shape)
        x, y = (np.broadcast_to(side.significand, shape) for side in sides)
        factors = Factors(x, y, bits, (False, False))
        significand = x.astype(object) * y if sum(bits) > WORD else x * y
    else:
        significand = _significands(unit, number, sides, a, b)
    return Products(*_packed(number, sides, significand), factors)


def _significands(unit: MacUnit, number: Number, sides: list[_Side], a: Array, b: Array) -> Array:
    """Of products that an approximate multiplier or a table gives."""
    p = np.abs(np.asarray(multiplied(_precise(unit), a, b), np.float64))
    scale = number.bits - 2 - (sides[0].exponent + sides[1].exponent)
    with np.errstate(all="ignore"):
        scaled = np.ldexp(np.where(np.isfinite(p), p, 0.0), scale)
    if number.bits > WORD - 1:
        return np.asarray(np.frompyfunc(int, 1, 1)(scaled), object)
    return np.asarray(scaled.astype(np.uint64))


def _packed(number: Number, sides: list[_Side], significand: Array) -> tuple[Array, int]:
    """Words of sign, exponent and significand, and their width."""
    bits, exponent = number.bits, exponent_bits(number)
    special = sides[0].special | sides[1].special
    power = (sides[0].exponent + sides[1].exponent) & ((1 << exponent) - 1)
    power = np.where(special > 0, (1 << exponent) - 1, power)
    zero = (sides[0].zero | sides[1].zero) & (special == 0)
    sign = sides[0].negative ^ sides[1].negative
    wide = 1 + bits + exponent > WORD
    kind: Any = object if wide else np.uint64
    significand = np.where(special > 0, np.where(special > 1, 1, 0), significand.astype(kind))
    top = np.where(special > 1, bits - 1, 0).astype(kind)
    significand = significand.astype(kind) << top
    power, flag = np.where(zero, 0, power).astype(kind), sign.astype(kind)
    if wide:
        words = significand | power * (1 << bits) | flag * (1 << (bits + exponent))
    else:
        words = significand | power << np.uint64(bits) | flag << np.uint64(bits + exponent)
    return words, 1 + bits + exponent


@dataclass(frozen=True)
class _Side:
    """An operand taken apart; special: 1 Inf, 2 NaN."""

    significand: Array
    exponent: Array
    negative: Array
    zero: Array
    special: Array
    bits: int

    @staticmethod
    def of(values: Array, fmt: Format, normal: bool) -> _Side:
        exact = fmt.has_exact_values
        inner = decoded(fmt) if exact else FloatFormat(11, 53)
        bits = inner.precision if isinstance(inner, Scaled) else inner.width
        if fmt == BINARY:
            bits = 1
        x = np.asarray(values, np.float64)
        if fmt.carried_as_codes:
            x = np.ldexp(x, fmt.quantum_exponent)
        special = np.where(np.isnan(x), 2, np.where(np.isinf(x), 1, 0))
        magnitude = np.where(special > 0, 0.0, np.abs(x))
        exponent = np.where(magnitude > 0, np.frexp(magnitude)[1] - 1, 0).astype(np.int64)
        if not normal and isinstance(inner, FloatFormat):
            exponent = np.where(magnitude > 0, np.maximum(exponent, inner.emin), 0)
        significand = np.ldexp(magnitude, bits - 1 - exponent).astype(np.uint64)
        return _Side(significand, exponent, np.signbit(x), magnitude == 0, special, bits)


def _normalises(unit: MacUnit) -> bool:
    """Whether leading zeros are removed before the multiplier, as the price assumes."""
    into = unit.product_format or unit.accumulator
    late = isinstance(unit.order, Exact | Fused | Staged) and unit.product_format is None
    return isinstance(into, FloatFormat | PositFormat) and not late


def _integers(values: Array, fmt: Format) -> Array:
    """Values over the format's quantum (int64)."""
    if fmt.carried_as_codes:
        return np.asarray(values).astype(np.int64)
    if np.asarray(values).dtype.kind in "iu" and fmt.quantum_exponent == 0:
        return np.asarray(values).astype(np.int64)
    scaled = np.ldexp(np.asarray(values, np.float64), -fmt.quantum_exponent)
    return scaled.astype(np.int64)


def _word(values: Array, bits: int) -> Array:
    """Two's complement, as an unsigned word."""
    if values.dtype == object:
        mask = (1 << bits) - 1
        return values & mask
    words: Array = values.astype(np.int64).view(np.uint64)
    return words & np.uint64((1 << bits) - 1) if bits < WORD else words


def multiplied(unit: MacUnit, a: Array, b: Array) -> Array:
    """Every product, as a sum of one on ``unit``."""
    from hwsim import simulate  # imports numba

    x, y = np.broadcast_arrays(a, b)
    flat = simulate.matmul(x.reshape(-1, 1, 1), y.reshape(-1, 1, 1), unit)
    return np.asarray(flat).reshape(x.shape)


@cache
def _precise(unit: MacUnit) -> MacUnit:
    """The unit's multiplier alone: its products in float64."""
    stored = isinstance(unit.multiplier, StoredProduct)
    return MacUnit(
        unit.a,
        unit.b,
        FloatFormat(11, 53),
        multiplier=unit.multiplier if stored else ExactProduct(),
        order=Sequential(),
        core=unit.core,
        daz=unit.daz or unit.ftz,
    )
