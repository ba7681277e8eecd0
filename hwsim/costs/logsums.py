"""The parts of sums of logarithms.

Logarithms are added to make a product, which is rounded to a field.  Two fields are compared and
swapped; their distance selects an entry of one of two tables of as many constants as are not 0; the
larger field and the entry are added, rounded and clamped.  All of it is integers, so nothing is
pipelined.  A result that leaves the log domain has a table of powers.
"""

from __future__ import annotations

import math
from dataclasses import replace

from hwsim.costs import primitives as t
from hwsim.costs.blocks import Number, Piece, convert, register
from hwsim.formats import LogFormat
from hwsim.units import LogSum, MacUnit


def log_sum_pieces(unit: MacUnit, order: LogSum) -> list[Piece]:
    """The parts of a unit whose sums stay logarithms, in the order data meets them."""
    fmt = unit.log_accumulator
    places = fmt.fraction_bits if order.places is None else order.places
    held = register("accumulator register", fmt.width)
    pieces = [*_product(unit, fmt), *_sum(fmt, places, unit.rounding), held, *_output(unit)]
    return [piece for piece in pieces if piece.transistors]


def table_entries(bits: int, places: int) -> tuple[int, int]:
    """How many entries of s(z) = log2(1 + 2^z), z = 0, −2^-bits, …, and of d(z) = log2(1 − 2^z),
    z < 0, are not 0 when rounded to multiples of 2^-places.

    >>> table_entries(3, 3), table_entries(4, 4)
    ((36, 36), (89, 88))
    """
    half = math.log(2.0) * 2.0 ** -(places + 1)
    nearest = (math.expm1(half), -math.expm1(-half))  # 2^z of an entry of half a place
    sums, differences = (math.ceil(-math.log2(x) * 2**bits) for x in nearest)
    return sums, differences - 1


def _product(unit: MacUnit, fmt: LogFormat) -> list[Piece]:
    """Both logarithms added, with the finer one's bits, and rounded to a field."""
    operands = [x for x in (unit.a, unit.b) if isinstance(x, LogFormat)]
    finest = max(x.fraction_bits for x in operands)
    low, high = (sum(x.exponent(end(x)) for x in operands) for end in (_first, _last))
    width = max(x.field_bits + finest - x.fraction_bits for x in operands) + 1
    zeros = sum((t.gate_tree(x.field_bits) for x in operands if x.has_zero), t.NOTHING)
    inside = fmt.exponent(1) <= low and high <= fmt.exponent(fmt.last_field)
    signs = t.XOR * any(x.signed for x in operands)
    bias = t.constant_adder(max(width, fmt.field_bits))
    dropped = finest - fmt.fraction_bits
    return [
        Piece("operand decode", zeros, "zeros"),
        Piece("sum of logarithms", t.adder(width) | signs, f"{width} bits, sign", beside=True),
        Piece("product bias", bias, "to the accumulator's"),
        Piece("product rounding", t.rounder(fmt.field_bits, dropped, unit.rounding), unit.rounding),
        Piece("product range", t.NOTHING if inside else _clamp(fmt), "0, or the largest"),
    ]


def _sum(fmt: LogFormat, places: int, rounding: str) -> list[Piece]:
    """The larger field and the entry of a table that stands at the distance of both."""
    field, bits = fmt.field_bits, fmt.fraction_bits
    width = field + 1 + max(0, places - bits)
    sums, differences = table_entries(bits, places)
    deepest = math.ceil(-math.log2(-math.expm1(-math.log(2.0) / 2**bits)))  # −d of one field
    narrow, wide = places + 1, places + t.bits_for(deepest + 1)
    selected = t.comparator(field) + t.mux(2 * field + 1) + t.adder(field)
    step = 2.0**-bits
    rising = [_entry(1 + 2.0 ** (-k * step), places) for k in range(sums + 1)]
    falling = [_entry(1 - 2.0 ** (-k * step), places) for k in range(1, differences + 1)]
    tables = t.smooth_table(rising) | t.smooth_table(falling)
    masked = 2 * t.gate_tree(field) + t.AND * (wide + field)  # no second number; nothing left
    note = f"{sums} entries of {narrow} bits, {differences} of {wide}"
    return [
        Piece("distance", selected, f"compare, swap, subtract, {field} bits"),
        Piece("tables", tables + t.mux(wide), note),
        Piece("zeros", masked, "a number alone, and x − x", beside=True),
        Piece("adder", t.adder(width), f"{width} bits"),
        Piece("rounding", t.rounder(field, places - bits, rounding), rounding),
        Piece("range", _clamp(fmt), "0, or the largest"),
    ]


def _entry(value: float, places: int) -> int:
    """|log2(value)| in steps of 2^-places."""
    return round(abs(math.log2(value)) * (1 << places))


def _output(unit: MacUnit) -> list[Piece]:
    """The value of a logarithm, rounded into the output's format."""
    fmt, out = unit.log_accumulator, unit.output
    if out is None:
        return []
    low, high = (math.floor(fmt.exponent(end(fmt))) for end in (_first, _last))
    bits = fmt.value_bits if fmt.fraction_bits else 1
    value = Number(bits, low - bits + 1, high, low, True)
    entries = 1 << fmt.fraction_bits
    table = Piece("table of powers", t.table(entries, bits), f"{entries} entries, {bits} bits")
    done = [table, *convert(value, out, unit.rounding, unit.overflow_of(out), "output")]
    return [replace(piece, per="output") for piece in done]


def _clamp(fmt: LogFormat) -> t.Logic:
    """Under field 0 nothing is left, beyond the last one it stays: an AND and an OR a bit."""
    return 2 * t.AND * fmt.field_bits + 2 * t.AND


def _first(fmt: LogFormat) -> int:
    return fmt.first_field


def _last(fmt: LogFormat) -> int:
    return fmt.last_field
