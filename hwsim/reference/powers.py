"""Products of powers: an operand moved by a power of two, and logarithms that are added."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from hwsim.formats import FixedFormat, FloatFormat, Format, LogFormat
from hwsim.reference.multipliers import antilogarithm
from hwsim.reference.values import Value, finite, from_ratio, zero
from hwsim.units import MacUnit
from hwsim.units.multipliers import Logarithmic, Shift, has_powers_alone


class Shifted(NamedTuple):
    """What is left of an operand that was moved, and whether any bit that was not 0 is lost."""

    value: Value
    lost: bool


def shifted(x: Value, y: Value, unit: MacUnit) -> Shifted:
    """A finite operand moved by the exponent of the other, with its sign."""
    assert isinstance(unit.core, Shift)
    power, word, fmt = (x, y, unit.b) if has_powers_alone(unit.a) else (y, x, unit.a)
    if word.is_zero or power.is_zero:
        return Shifted(zero(x.negative != y.negative), False)
    m, e = significand(word, fmt)
    signed = isinstance(fmt, FixedFormat)
    if signed and word.negative:
        m = -m
    places = power.leading_exponent + unit.core.guard
    kept = m << places if places >= 0 else m >> -places  # >> goes down, also below zero
    lost = places < 0 and kept << -places != m
    minus = kept < 0 if signed else word.negative
    return Shifted(finite(minus != power.negative, abs(kept), e - unit.core.guard), lost)


def shifts_out(x: Value, y: Value, unit: MacUnit) -> bool:
    """Whether the unit's product is a shifter's that lost bits."""
    shifter = isinstance(unit.core, Shift) and x.is_finite and y.is_finite
    return shifter and shifted(x, y, unit).lost


def logarithmic_product(x: Value, y: Value, unit: MacUnit) -> Value:
    """The sum of two logarithms, back by the core's table."""
    core = unit.core
    assert isinstance(core, Logarithmic)
    assert isinstance(unit.a, LogFormat)
    assert isinstance(unit.b, LogFormat)
    if x.is_zero or y.is_zero:
        return zero()
    total = _logarithm(x, unit.a, core.bits) + _logarithm(y, unit.b, core.bits)
    whole, part = divmod(total, 1 << core.bits)
    entry = antilogarithm(part, core.bits, core.table_bits)
    return finite(x.negative != y.negative, entry, whole - core.table_bits)


def _logarithm(x: Value, fmt: LogFormat, bits: int) -> int:
    """The logarithm that a value stands for, with ``bits`` fraction bits."""
    field = fields_of(fmt)[x._replace(negative=False)]
    return (field - fmt.exponent_bias) << (bits - fmt.fraction_bits)


@lru_cache(maxsize=16)
def fields_of(fmt: LogFormat) -> dict[Value, int]:
    """The field of each positive value."""
    fields = range(fmt.first_field, fmt.last_field + 1)
    return {from_ratio(fmt.magnitude(field)): field for field in fields}


def significand(x: Value, fmt: Format) -> tuple[int, int]:
    """(m, e) with |x| = m·2^e: the integer that the format's fraction bits are, the hidden one
    included, none of a subnormal's zeros cut off."""
    e = fmt.quantum_exponent
    if isinstance(fmt, FloatFormat) and not x.is_zero:
        e = max(x.leading_exponent - fmt.precision + 1, e)
    return x.significand << (0 if x.is_zero else x.exponent - e), e
