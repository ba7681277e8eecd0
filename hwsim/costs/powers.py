"""Parts of multipliers whose operands are powers: shifters with guard bits, and logarithms added.

A shifter moves a two's complement word between its lowest guard bit and the highest place that the
largest power takes it to; the sign of the power comes after it.  Logarithms meet in an adder; the
fraction of their sum selects one of a table's constants, and its integer is the product's
exponent.
"""

from __future__ import annotations

import math
from fractions import Fraction

from hwsim.costs import primitives as t
from hwsim.costs.blocks import Number, Piece
from hwsim.formats import FixedFormat, Format, LogFormat
from hwsim.units import IntegerMultiplier
from hwsim.units.multipliers import Logarithmic, Shift, has_powers_alone


def product_of_powers(a: Format, b: Format, core: IntegerMultiplier | None) -> Number | None:
    """The product on its wires; None where it is as wide as an exact one."""
    if isinstance(core, Logarithmic):
        smallest = _exponent(a.smallest) + _exponent(b.smallest)
        high = _exponent(a.largest) + _exponent(b.largest) + 1
        return Number(core.table_bits + 1, smallest - core.table_bits, high, smallest, True)
    if not isinstance(core, Shift) or not isinstance(word_of(a, b), FixedFormat):
        return None
    word, power = word_of(a, b), power_of(a, b)
    low, high = _reach(power, core)
    bits = word.width + high - low + 1 + int(power.signed)
    lowest = word.quantum_exponent + low
    return Number(bits, lowest, lowest + bits - 1, lowest, False)


def pieces_of_powers(a: Format, b: Format, core: IntegerMultiplier | None) -> list[Piece] | None:
    """The multiplier's parts; None where it multiplies significands."""
    if isinstance(core, Logarithmic):
        return _logarithmic(a, b, core)
    if isinstance(core, Shift) and isinstance(word_of(a, b), FixedFormat):
        return _shifted(word_of(a, b).width, power_of(a, b), core)
    return None


def power_of(a: Format, b: Format) -> Format:
    """A shifter's operand that says how far."""
    return a if has_powers_alone(a) else b


def word_of(a: Format, b: Format) -> Format:
    """The one that it moves."""
    return b if has_powers_alone(a) else a


def _exponent(value: Fraction) -> int:
    """floor(log2) of a format's positive value, which float64 holds."""
    return math.frexp(float(value))[1] - 1


def _reach(power: Format, core: Shift) -> tuple[int, int]:
    """How far words go at most, down (to the last guard bit) and up."""
    low = max(_exponent(power.smallest), -core.guard)
    return low, max(low, _exponent(power.largest))


def _shifted(word: int, power: Format, core: Shift) -> list[Piece]:
    low, high = _reach(power, core)
    wide = word + high - low
    steps = min(high - _exponent(power.smallest), wide)  # farther ones leave copies of the sign
    flip = Piece("sign flip", t.complementer(wide) if power.signed else t.NOTHING, f"{wide} bits")
    zero = Piece("zero", t.AND * (wide * power.has_zero), f"{wide} bits masked")
    note = f"{wide} bits by 0 … {steps}, {core.guard} guard bits"
    return [Piece("shifter", t.shifter(wide, steps), note), flip, zero]


def _logarithmic(a: Format, b: Format, core: Logarithmic) -> list[Piece]:
    fields = [fmt.field_bits for fmt in (a, b) if isinstance(fmt, LogFormat)]
    zeros = sum((t.gate_tree(fmt.width) for fmt in (a, b) if fmt.has_zero), t.NOTHING)
    entries, width = 1 << core.bits, core.table_bits + 1
    return [
        Piece("operand decode", zeros, "zeros"),
        Piece(
            "sum of logarithms",
            t.adder(max(fields) + 1) | t.XOR,
            f"{max(fields) + 1} bits, sign",
            beside=True,
        ),
        Piece("table of powers", t.table(entries, width), f"{entries} entries of {width} bits"),
    ]
