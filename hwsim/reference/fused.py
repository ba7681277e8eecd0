"""Fused blocks of products: aligned to the largest exponent, cut, added at once (matrix units).

    exponent  e(x) = max(floor(log2 |x|), emin); of a product, the sum of its factors'
    align     E = the largest exponent in the block; every term to F fraction bits of 2^E
    sum       exact; a zero is +0
    result    one rounding, by the unit's rule

Source: Khattak, Mikaitis, arXiv 2512.07004; MMA-Sim, arXiv 2511.10909.
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim.formats import FloatFormat, Format
from hwsim.reference.values import Value, add, from_int, zero
from hwsim.units import Fused


class Term(NamedTuple):
    """A value and its exponent before anything is normalised; None: a zero that has none."""

    value: Value
    exponent: int | None


def exponent_of(x: Value, fmt: Format) -> int:
    """max(floor(log2 |x|), emin) of a finite value of a float format; emin of zero."""
    assert isinstance(fmt, FloatFormat)
    return fmt.emin if x.is_zero else max(x.leading_exponent, fmt.emin)


def term_of(value: Value, factors: list[tuple[Value, Format]], order: Fused) -> Term:
    """A product, or a sum as the product of itself alone, and its exponent."""
    if value.is_zero:
        return Term(value, order.zero)
    return Term(value, sum(exponent_of(x, fmt) for x, fmt in factors if x.is_finite))


def block_sum(terms: list[Term], order: Fused) -> Value:
    """The exact sum of the aligned terms; NaN and Inf as IEEE 754 adds them."""
    total = zero()
    if not all(t.value.is_finite for t in terms):
        for term in terms:
            total = add(total, term.value, "rne") if not term.value.is_finite else total
        return total
    quantum = _quantum([t.exponent for t in terms if t.exponent is not None], order)
    for term in terms:
        value = term.value if quantum is None else _cut(term.value, quantum, order.nearest)
        total = add(total, value, "rne")
    return zero() if total.is_zero else total


def _quantum(exponents: list[int], order: Fused) -> int | None:
    """Exponent of the last bit that is kept; None where all are."""
    if order.fraction is None or not exponents:
        return None
    return max(exponents) - order.fraction


def _cut(x: Value, quantum: int, nearest: bool) -> Value:
    """x without its bits below 2^quantum: toward zero, or to nearest, ties to even."""
    shift = quantum - x.exponent
    if shift <= 0:
        return x
    whole, rest = x.significand >> shift, x.significand & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    whole += nearest and (rest > half or (rest == half and whole % 2 == 1))
    return from_int(-whole if x.negative else whole, quantum)
