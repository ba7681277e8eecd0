"""Widths that no data, or no data for these weights, can overflow.

A sum that rounds is monotone in every product, however it is ordered: no data takes it further up
than the largest products do, or further down than the smallest.  Floats and fixed point are
therefore judged by running these extremes on the unit, and integers, whose sums are exact, by
their sums.  Random bits are taken at their worst, always up or always down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from hwsim.accumulators.families import Family
from hwsim.formats import FixedFormat, FloatFormat, Format, stochastic_of
from hwsim.networks.execution import LayerRun
from hwsim.networks.products import Product, scaled
from hwsim.networks.runtime import Array
from hwsim.theory import is_usable, variance_retention
from hwsim.units import (
    Chunked,
    DotAdd,
    ExactProduct,
    Lanes,
    MacUnit,
    Sequential,
    Tree,
)

MONOTONE = Sequential | Chunked | Lanes | Tree | DotAdd
ROWS = 1 << 22  # numbers of weights that are judged at a time


@dataclass(frozen=True)
class Facts:
    """What a layer's sums are made of.

    k : products of a sum.  points : zero points of a and b, None where the initial value of the
    sums is not theirs alone.  weights : (sums, K), values of the operand that is constant, as they
    enter the unit; None where both are activations.  by_a : whether that is ``a``.
    """

    run: LayerRun
    k: int
    points: tuple[int, int] | None = (0, 0)
    weights: Array | None = None
    by_a: bool = False


def observe(facts: dict[str, Facts], run: LayerRun, product: Product) -> None:
    """Remember a layer, from its first mini-batch."""
    if run.layer.name in facts:
        return
    weights, by_a = None, False
    if not run.unit.is_blocked:
        if run.layer.b in run.layer.weights:
            weights = _sums_of(product.b, product.scales[1], run.unit.b, product.conv, -2)
        elif run.layer.a in run.layer.weights and product.conv is None:
            weights = _sums_of(product.a, product.scales[0], run.unit.a, None, -1)
            by_a = True
    facts[run.layer.name] = Facts(run, product.k, _points(run, product), weights, by_a)


def _points(run: LayerRun, product: Product) -> tuple[int, int] | None:
    if product.c is None:
        return 0, 0
    if run.layer.quantized is not None:  # its bias may be in the sums, its points those of channels
        return None
    return run.zero_points["a"], run.zero_points["b"]


def _sums_of(values: Array, scale: float | None, fmt: Format, conv: Any, axis: int) -> Array | None:
    """Weights in their format, a row for each sum; None where one is not finite."""
    from hwsim import simulate

    rounded = simulate.round(scaled(values, scale), fmt, overflow="saturate")
    if not rounded.size or not np.isfinite(rounded).all():
        return None
    if conv is not None:
        return np.asarray(rounded).reshape(len(rounded), -1)
    rows = np.moveaxis(rounded, axis, -1)
    return np.asarray(rows).reshape(-1, rows.shape[-1])


# --- by extremes ----------------------------------------------------------------------------------
def worst_case(family: Family, facts: Facts) -> int | None:
    """Least width that no operands of the family's formats overflow; None where none is known."""
    unit = family.unit(family.widths[0])
    if not _is_known(unit, facts):
        return None
    if _is_whole(unit):
        low, high = _span(unit, facts)
        return _least(family, lambda u: _in_range(u, facts.k * low, facts.k * high))
    pairs = [(x, y) for x in _ends(unit.a) for y in _ends(unit.b)]
    most, least = (choose(pairs, key=lambda p: p[0] * p[1]) for choose in (max, min))
    rows = [np.full((1, facts.k), float(x)) for pair in (most, least) for x in pair]
    up, down = tuple(rows[:2]), tuple(rows[2:])
    return _least(family, lambda u: _stays(u, up, down), family.searched)


def for_weights(family: Family, facts: Facts) -> int | None:
    """Least width that no data overflows with these weights.

    Integers without zero points by A2Q's rule (Colbert et al. 2023, arXiv 2308.13504),
    P ≥ β + φ(β) + 1 with β = log2‖w‖₁ + N − s, in integers; others by the inputs that take every
    product to its extreme.
    """
    unit = family.unit(family.widths[0])
    if facts.weights is None or not _is_known(unit, facts):
        return None
    if _is_whole(unit):
        low, high = _span_of_weights(unit, facts)
        return _least(family, lambda u: _in_range(u, low, high))
    ends = _ends(unit.b if facts.by_a else unit.a)
    return _least(
        family, lambda u: all(_stays(u, *rows) for rows in _extremes(facts, ends)), family.searched
    )


def _extremes(facts: Facts, ends: tuple[Fraction, Fraction]) -> Iterator[tuple[Any, Any]]:
    """Operands of the largest and of the smallest products of every sum, some sums at a time."""
    assert facts.weights is not None
    order = np.argsort(-np.abs(facts.weights).sum(axis=1, dtype=np.float64), kind="stable")
    low, high = map(float, ends)
    step = max(1, ROWS // max(1, facts.k))
    for start in [0, *range(1, len(order), step)]:  # the sum of most weight alone: it decides most
        stop = 1 if start == 0 else start + step
        w = facts.weights[order[start:stop]].astype(np.float64)
        yield (np.where(w >= 0, high, low), w), (np.where(w >= 0, low, high), w)


def _stays(unit: MacUnit, up: Any, down: Any) -> bool:
    """Whether neither the largest products nor the smallest overflow."""
    drawn = stochastic_of(unit.rounding) is not None
    for (a, b), worst in ((up, "rup"), (down, "rdn")):
        judge = replace(unit, rounding=worst) if drawn else unit
        if _overflows(judge, a, b):
            return False
    return True


def _overflows(unit: MacUnit, a: Array, b: Array) -> bool:
    from hwsim import simulate

    left, right = a[:, None, :], b[:, :, None]
    judged = unit.summing if unit.requantization else unit
    _, counts = simulate.matmul(left, right, judged, telemetry="counts")
    return bool(counts.overflow_outputs)


# --- integers -------------------------------------------------------------------------------------
def _span(unit: MacUnit, facts: Facts) -> tuple[Fraction, Fraction]:
    """The least and the most that one product may add to any partial sum.

    With zero points z a sum starts at its correction, Σ(−z_b·a − z_a·b + z_a·z_b), and a product
    puts (a − z_a)(b − z_b) in the place of its part: both are greatest at the formats' ends.
    """
    assert facts.points is not None
    za, zb = facts.points
    ends = [
        value
        for a in _ends(unit.a)
        for b in _ends(unit.b)
        for value in ((a - za) * (b - zb), (a - za) * (b - zb) - a * b)
    ]
    return min(ends), max(ends)


def _span_of_weights(unit: MacUnit, facts: Facts) -> tuple[Fraction, Fraction]:
    """The same of whole sums with known weights: the lowest and the highest partial sum of any."""
    assert facts.points is not None
    assert facts.weights is not None
    inputs, fixed = (unit.b, unit.a) if facts.by_a else (unit.a, unit.b)
    step = Fraction(2) ** fixed.quantum_exponent
    w = np.rint(facts.weights / float(step)).astype(np.int64)
    if facts.points == (0, 0):
        assert isinstance(inputs, FixedFormat)
        places = inputs.width - int(inputs.signed)
        norm = int(np.abs(w).sum(axis=1).max())
        bound = norm * step * (1 << places) * Fraction(2) ** inputs.quantum_exponent
        return -bound, bound
    zx, zw = facts.points[::-1] if facts.by_a else facts.points
    parts = []
    for end in map(int, _ends(inputs)):
        done = (end - zx) * (w - zw)
        parts += [done, done - end * w]
    low, high = np.minimum.reduce(parts).sum(axis=1), np.maximum.reduce(parts).sum(axis=1)
    return Fraction(int(low.min())), Fraction(int(high.max()))


def _is_whole(unit: MacUnit) -> bool:
    """Whether no sum rounds: integers and fixed point whose products are multiples of their last
    place."""
    formats = (unit.a, unit.b, *_sums(unit))
    one_by_one = isinstance(unit.order, Sequential)  # chunks' own sums are shorter
    if not one_by_one or not all(isinstance(fmt, FixedFormat) for fmt in formats):
        return False
    a, b, *sums = (fmt.quantum_exponent for fmt in formats)
    return all(a + b >= last for last in sums)


def _in_range(unit: MacUnit, low: Fraction, high: Fraction) -> bool:
    return all(fmt.lowest <= min(low, 0) and max(high, 0) <= fmt.largest for fmt in _sums(unit))


# --- what is known --------------------------------------------------------------------------------
def by_variance(family: Family, facts: Facts, nonzero: float) -> int | None:
    """Theory: the least width of which Sakr et al. 2019 (arXiv 1901.06588) call a sum usable,
    n·(1 − VRR) < ln 50, where a share ``nonzero`` of the products is not zero.  Of sequential and
    chunked sums in floats; None for others, and for products that are all zero."""
    return _least(family, lambda unit: _is_usable(unit, facts, nonzero))


def _is_usable(unit: MacUnit, facts: Facts, nonzero: float) -> bool:
    formats = (unit.a, unit.b, unit.accumulator, unit.outer_format)
    plain = _is_known(unit, facts) and isinstance(unit.order, Sequential | Chunked)
    if not plain or not facts.k or not nonzero:
        return False
    if not all(isinstance(fmt, FloatFormat) for fmt in formats):
        return False
    first, second, *sums = (fmt.precision - 1 for fmt in formats)  # type: ignore[union-attr]
    chunk = unit.order.length if isinstance(unit.order, Chunked) else None
    fraction, outer = (max(bits, 1) for bits in sums)
    product = max(first + second + 1, 1)
    ratio = variance_retention(fraction, product, facts.k, chunk, nonzero, outer)
    return is_usable(ratio, max(2, round(nonzero * facts.k)))


def _is_known(unit: MacUnit, facts: Facts) -> bool:
    """Whether sums are of exact products, monotone, and of known beginnings."""
    exact = unit.core is None and isinstance(unit.multiplier, ExactProduct) and not unit.is_blocked
    if not exact or facts.points is None or not isinstance(unit.order, MONOTONE):
        return False
    if getattr(unit.order, "partial", None) is not None:  # sums of groups have a range of their own
        return False
    if facts.points != (0, 0) and not _is_whole(unit):
        return False
    return all(isinstance(fmt, FixedFormat | FloatFormat) for fmt in _sums(unit))


def _sums(unit: MacUnit) -> tuple[Any, ...]:
    """Formats that a sum passes through."""
    last = () if unit.requantization else (unit.output_format,)
    return (unit.accumulator, unit.outer_format, *last)


def _ends(fmt: Format) -> tuple[Fraction, Fraction]:
    return Fraction(fmt.lowest), Fraction(fmt.largest)


def _least(
    family: Family, holds: Callable[[MacUnit], bool], widths: tuple[int, ...] | None = None
) -> int | None:
    """The first width that holds: of all, or of those that are worth running."""
    chosen = family.widths if widths is None else widths
    return next((w for w in chosen if holds(family.unit(w))), None)
