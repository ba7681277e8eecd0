"""Blocks of products in two stages (AMD's CDNA3): first among themselves, then with the sum.

    products  to F fraction bits of their group's largest exponent, toward zero; added exactly
    groups    their sums down to F fraction bits of the larger of their exponents; added
    stage 2   E = the largest exponent of all; the products' sum down to S + 1 fraction bits of 2^E,
              the running sum to F; added
    result    down to S fraction bits of its own exponent, then one rounding, by the unit's rule

Exponents are `hwsim.reference.fused`'s.  Source: MMA-Sim, arXiv 2511.10909.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.formats import FloatFormat, Format
from hwsim.reference.fused import exponent_of
from hwsim.reference.values import Value, add, from_int, infinity, multiply, zero
from hwsim.units import Staged

Factor = tuple[Value, Format]


def staged_sum(block: Sequence[tuple[Factor, Factor]], running: Factor, order: Staged) -> Value:
    """What a block and the running sum add up to, before the rounding; an exact zero is +0, NaN and
    Inf are those of IEEE 754."""
    s, fmt = running
    assert isinstance(fmt, FloatFormat)
    products = [_product(x, y, fmt) for x, y in block]
    if not all(p.is_finite for p in [*products, s]):
        total = zero()
        for p in (*products, s):
            total = total if p.is_finite else add(total, p)
        return total
    exponents = [
        None if p.is_zero else sum(exponent_of(*factor) for factor in factors)
        for p, factors in zip(products, block, strict=True)
    ]
    dot, largest = _product_sum(products, exponents, order)
    own = fmt.emin if s.is_zero else exponent_of(s, fmt)
    top = own if largest is None else max(own, largest)
    if order.reach is not None and own < top - order.reach:
        s = zero()
    total = add(down(dot, top - order.kept - 1), down(s, top - order.fraction))
    if total.is_zero:
        return zero()
    return down(total, exponent_of(total, fmt) - order.kept)


def _product(x: Factor, y: Factor, fmt: FloatFormat) -> Value:
    """x·y; infinite from the power of two above the largest value on."""
    p = multiply(x[0], y[0])
    huge = p.is_finite and not p.is_zero and p.leading_exponent > fmt.emax
    return infinity(p.negative) if huge else p


def _product_sum(
    products: list[Value], exponents: list[int | None], order: Staged
) -> tuple[Value, int | None]:
    """The groups' sums, added, and the largest exponent; None where every product is 0."""
    sums = []
    for group in range(order.groups):
        mine = [e for e in exponents[group :: order.groups] if e is not None]
        cut = max(mine, default=0) - order.fraction
        total = zero()
        for p in products[group :: order.groups]:
            total = add(total, _toward_zero(p, cut))
        sums.append(total)
    largest = max((e for e in exponents if e is not None), default=None)
    dot = zero()
    for total in sums:
        dot = add(dot, total if largest is None else down(total, largest - order.fraction))
    return dot, largest


def down(x: Value, quantum: int) -> Value:
    """The largest multiple of 2^quantum that is not above x."""
    shift = quantum - x.exponent
    if x.is_zero or shift <= 0:
        return x
    return from_int((-x.significand if x.negative else x.significand) >> shift, quantum)


def _toward_zero(x: Value, quantum: int) -> Value:
    """x without its bits below 2^quantum."""
    shift = quantum - x.exponent
    if x.is_zero or shift <= 0:
        return x
    steps = x.significand >> shift
    return from_int(-steps if x.negative else steps, quantum)
