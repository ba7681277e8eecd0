"""Widths that no data, or no data for these weights, can overflow.

Every partial sum of a layer lies within Σ|a·b| + |c| of the operands that it may meet.  Integers
and fixed point hold it if their range does.  A float of p fraction bits and smallest spacing q
holds a bound B if it holds (B + K·q)·(1 + 2^-p)^K: rounding makes |y| larger by less than q among
subnormals, and else by no more than a factor of 1 + 2^-p.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from hwsim.accumulators.families import Family
from hwsim.formats import FixedFormat, FloatFormat, Format
from hwsim.networks.execution import LayerRun
from hwsim.networks.products import Product, scaled
from hwsim.networks.runtime import Array
from hwsim.theory import is_usable, variance_retention
from hwsim.units import Chunked, ExactProduct, MacUnit, Sequential


@dataclass
class Facts:
    """What a layer's sums are made of.

    k : products of a sum.  c : largest |initial value| on the data.  norm : largest Σ|w| of one
    sum's weights in their format, None where no operand is constant; by_a : whether they are the
    operand ``a``.
    """

    run: LayerRun
    k: int
    c: Fraction
    norm: Fraction | None
    by_a: bool = False


def observe(facts: dict[str, Facts], run: LayerRun, product: Product) -> None:
    """Add a mini-batch of a layer to ``facts``."""
    c = _largest(product.c)
    if (known := facts.get(run.layer.name)) is not None:
        known.c = max(known.c, c)
        return
    norm, by_a = None, False
    unit, layer = run.unit, run.layer
    if not unit.is_blocked:
        if layer.b in layer.weights:
            norm = _norm(product.b, product.scales[1], unit.b, product, -2)
        elif layer.a in layer.weights and product.conv is None:
            norm, by_a = _norm(product.a, product.scales[0], unit.a, product, -1), True
    facts[layer.name] = Facts(run, product.k, c, norm, by_a)


def _largest(c: Array | None) -> Fraction:
    if c is None or not np.size(c):
        return Fraction(0)
    top = np.max(np.abs(np.asarray(c, dtype=object)))
    return Fraction(top) if math.isfinite(top) else Fraction(0)


def _norm(
    values: Array, scale: float | None, fmt: Format, product: Product, axis: int
) -> Fraction | None:
    """Largest Σ|w| of the values in their format: exact for integers, rounded up for others."""
    from hwsim import simulate

    rounded = simulate.round(scaled(values, scale), fmt, overflow="saturate")
    if not rounded.size:
        return Fraction(0)
    magnitudes = np.abs(rounded.astype(np.float64))
    if not np.isfinite(magnitudes).all():
        return None
    sums = (
        magnitudes.reshape(len(rounded), -1).sum(axis=1)
        if product.conv is not None
        else magnitudes.sum(axis=axis)
    )
    top = Fraction(float(sums.max()))
    # Whole numbers below 2^53 are added without error, others with at most K·2^-53 of the sum.
    whole = isinstance(fmt, FixedFormat) and top < 1 << 53
    return top if whole else top * (1 + Fraction(product.k, 1 << 52))


def worst_case(family: Family, facts: Facts) -> int | None:
    """Least width that no operands of the family's formats overflow; None where none is known."""
    unit = family.unit(family.widths[0])
    if not _is_known(unit):
        return None
    products = [x * y for x in _ends(unit.a) for y in _ends(unit.b)]
    nothing = Fraction(0)
    low = min(nothing, facts.k * min(products)) - facts.c
    high = max(nothing, facts.k * max(products)) + facts.c
    return _least(family, lambda u: _holds(u, low, high, facts.k))


def for_weights(family: Family, facts: Facts) -> int | None:
    """Least width that no data overflows with these weights.

    Integers by A2Q's rule (Colbert et al. 2023, arXiv 2308.13504), P ≥ β + φ(β) + 1 with
    β = log2‖w‖₁ + N − s, in integers, and the sum's initial value beside it; others by ‖w‖₁ times
    the largest input.
    """
    unit = family.unit(family.widths[0])
    if facts.norm is None or not _is_known(unit):
        return None
    inputs = unit.b if facts.by_a else unit.a
    if isinstance(inputs, FixedFormat):
        places = inputs.width - int(inputs.signed)
        most = Fraction(1 << places) * Fraction(2) ** inputs.quantum_exponent
    else:
        most = max(map(abs, _ends(inputs)))
    bound = facts.norm * most + facts.c
    return _least(family, lambda u: _holds(u, -bound, bound, facts.k))


def by_variance(family: Family, facts: Facts, nonzero: float) -> int | None:
    """Theory: the least width of which Sakr et al. 2019 (arXiv 1901.06588) call a sum usable,
    n·(1 − VRR) < ln 50, where a share ``nonzero`` of the products is not zero.  Of sequential and
    chunked sums in floats; None for others."""
    return _least(family, lambda unit: _is_usable(unit, facts.k, nonzero))


def _is_usable(unit: MacUnit, k: int, nonzero: float) -> bool:
    formats = (unit.a, unit.b, unit.accumulator, unit.outer_format)
    plain = _is_known(unit) and isinstance(unit.order, Sequential | Chunked)
    if not plain or not k or not all(isinstance(fmt, FloatFormat) for fmt in formats):
        return False
    first, second, *sums = (fmt.precision - 1 for fmt in formats)  # type: ignore[union-attr]
    chunk = unit.order.length if isinstance(unit.order, Chunked) else None
    fraction, outer = (max(bits, 1) for bits in sums)
    product = max(first + second + 1, 1)
    ratio = variance_retention(fraction, product, k, chunk, nonzero, outer)
    return is_usable(ratio, max(2, round(nonzero * k)))


def _is_known(unit: MacUnit) -> bool:
    """Whether sums are of exact products, in formats that the rules above speak of."""
    sums = (unit.accumulator, unit.outer_format)
    plain = unit.core is None and isinstance(unit.multiplier, ExactProduct) and not unit.is_blocked
    return plain and all(isinstance(fmt, FixedFormat | FloatFormat) for fmt in sums)


def _ends(fmt: Format) -> tuple[Fraction, Fraction]:
    return Fraction(fmt.lowest), Fraction(fmt.largest)


def _least(family: Family, holds: Callable[[MacUnit], bool]) -> int | None:
    return next((w for w in family.widths if holds(family.unit(w))), None)


def _holds(unit: MacUnit, low: Fraction, high: Fraction, k: int) -> bool:
    return all(
        _in_fixed(unit, fmt, low, high, k)
        if isinstance(fmt, FixedFormat)
        else _in_float(fmt, max(-low, high), k)
        for fmt in (unit.accumulator, unit.outer_format)
    )


def _in_fixed(unit: MacUnit, fmt: FixedFormat, low: Fraction, high: Fraction, k: int) -> bool:
    step = Fraction(2) ** fmt.quantum_exponent
    operands = (unit.a, unit.b)
    exact = all(isinstance(x, FixedFormat) for x in operands) and (
        sum(x.quantum_exponent for x in operands) >= fmt.quantum_exponent
    )
    slack = 0 if exact else (k + 1) * step  # each rounding moves a sum by less than a step
    return bool(Fraction(fmt.lowest) <= low - slack and high + slack <= Fraction(fmt.largest))


def _in_float(fmt: Any, bound: Fraction, k: int) -> bool:
    if not bound:
        return True
    bound += (k + 1) * Fraction(2) ** fmt.quantum_exponent
    if bound > fmt.largest:
        return False
    growth = (k + 1) * math.log1p(2.0 ** (1 - fmt.precision))
    room = math.log(fmt.largest) - math.log(bound)
    return growth <= room * (1 - 1e-9)  # of logarithms that are rounded
