"""Widths of registers that lose nothing."""

from __future__ import annotations

from fractions import Fraction

from hwsim.costs.products import as_masked, product_of
from hwsim.formats import Format
from hwsim.units import MacUnit, StoredProduct

EXACT_GUARD_BITS = 16  # sums of up to 65 536 products of largest magnitude cannot overflow


def exact_register_bits(a: Format, b: Format, terms: int = 1 << EXACT_GUARD_BITS) -> int:
    """Width in bits of the register that sums ``terms`` products of ``a`` and ``b`` exactly.

    As many multiples of the products' last bit as the largest product has, times ``terms``, and a
    sign where there are negative products (Kulisch 2013; van Baalen et al. 2023 bound it from
    above).  c is taken for one of the terms.  Raises ValueError for ``terms`` below 1.

    >>> from hwsim.formats import parse_format
    >>> exact_register_bits(parse_format("e5m2"), parse_format("e5m2"))
    81
    >>> exact_register_bits(parse_format("e5m2"), parse_format("e5m2"), terms=512)
    74
    """
    ends = [x * y for x in (a.lowest, a.largest) for y in (b.lowest, b.largest)]
    return _held(min(ends), max(ends), a.quantum_exponent + b.quantum_exponent, terms)


def register_bits(unit: MacUnit, terms: int = 1 << EXACT_GUARD_BITS) -> int:
    """The same of a unit's addends: products as its multiplier makes and rounds them.

    >>> from hwsim import mac
    >>> register_bits(mac("int8xint8+int32:mul_add/int12:exact"), terms=4)
    14
    """
    unit = as_masked(unit)
    fmt = unit.product_format
    if isinstance(unit.multiplier, StoredProduct):
        fmt = fmt or unit.multiplier.format
    if fmt is not None:
        return _held(fmt.lowest, fmt.largest, fmt.quantum_exponent, terms)
    if unit.core is None:
        return exact_register_bits(unit.a, unit.b, terms)
    product = product_of(unit.a, unit.b, unit.core)
    span = product.high - product.low + 2 if product.floating else product.bits
    return _held(Fraction(0), Fraction(2**span - 1), 0, terms)


def _held(low: Fraction, high: Fraction, quantum: int, terms: int) -> int:
    """Bits of ``terms`` addends from ``low`` to ``high``, in steps of 2^quantum: two's complement
    where there are negative ones."""
    if terms < 1:
        raise ValueError(f"terms is {terms}; a register sums at least 1")
    least, most = (int(terms * end / Fraction(2) ** quantum) for end in (low, high))
    return max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0) + (least < 0)
