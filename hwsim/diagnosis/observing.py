"""What is seen of every layer while a network runs: errors of all outputs, operands of some."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from hwsim.errors import SpecError
from hwsim.networks import checks
from hwsim.networks.execution import LayerRun
from hwsim.networks.products import Product
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit, parse_unit

PRECISE = 40  # bits: of sums that float64's own errors might blur


@dataclass(frozen=True)
class Dot:
    """One output: its place (``index`` into the results of mini-batch ``batch``), what the unit
    gave, the sum of the same operands' products in float64, and these operands.

    exact : correctly rounded where every product fits float64, as those of formats of up to 26
    significant bits do; NaN where the values are irrational.
    """

    batch: int
    index: tuple[int, ...]
    value: float
    exact: float
    a: Array = field(repr=False)
    b: Array = field(repr=False)
    c: Any = field(default=None, repr=False)

    @property
    def error(self) -> float:
        """|value − exact|; infinite where the value is not finite and the sum is."""
        if self.value == self.exact or (np.isnan(self.value) and np.isnan(self.exact)):
            return 0.0
        error = abs(self.value - self.exact)
        return float(error) if np.isfinite(error) else float("inf")


@dataclass
class Sight:
    """A layer so far.  signal, noise : Σ exact² and Σ (value − exact)² over finite outputs;
    largest : the largest |value − exact| of all."""

    run: LayerRun
    samples: list[Dot] = field(default_factory=list)
    worst: list[Dot] = field(default_factory=list)
    signal: float = 0.0
    noise: float = 0.0
    largest: float = 0.0


@dataclass
class Observer:
    """Called with every product of a run (`hwsim.networks.execution.Watch`).

    samples : outputs of each layer whose operands are kept, drawn by ``seed`` evenly over the
    whole run; worst : how many of the largest errors are.
    """

    samples: int
    worst: int
    seed: int
    total: int
    engine: Any
    threads: int | None = None
    sights: dict[str, Sight] = field(default_factory=dict)
    _batch: dict[str, int] = field(default_factory=dict)

    def __call__(self, run: LayerRun, product: Product, result: Array, span: range) -> None:
        name = run.layer.name
        sight = self.sights.setdefault(name, Sight(run))
        batch = self._batch[name] = self._batch.get(name, -1) + 1
        exact = self._patient(run.sums_on, product)
        found = np.asarray(result, np.float64)
        place = (batch, product, found, exact)
        drawn = checks.draw(self.seed, name, self.samples)
        flat = checks.local_positions(drawn, span.start, span.stop, self.total, found.size)
        flat = sorted(set(flat))  # a small layer's outputs are drawn more than once
        sight.samples += [
            _dot(place, run.sums_on, self.engine, checks.index_of(product, found.shape, p))
            for p in flat
        ]
        if exact is None or not found.size:
            return
        with np.errstate(all="ignore"):
            errors = np.abs(found - exact)
            errors = np.where(found == exact, 0.0, errors)
            finite = np.isfinite(errors) & np.isfinite(exact)
            sight.signal += float(np.square(np.where(finite, exact, 0.0)).sum())
            sight.noise += float(np.square(np.where(finite, errors, 0.0)).sum())
            errors = np.where(np.isnan(errors), np.where(np.isfinite(exact), np.inf, 0.0), errors)
        sight.largest = max(sight.largest, float(errors.max()))
        for at in _largest(errors, self.worst):
            sight.worst.append(_dot(place, run.sums_on, self.engine, at))
        sight.worst = sorted(sight.worst, key=lambda dot: -dot.error)[: self.worst]

    def _patient(self, unit: MacUnit, product: Product) -> Array | None:
        """Every sum by `patient_unit`; None where there is none."""
        patient = patient_unit(unit)
        if patient is None:
            return None
        return np.asarray(self.engine.product(product, patient, False, self.threads)[0], np.float64)


@cache
def patient_unit(unit: MacUnit) -> MacUnit | None:
    """The unit's operands, their products summed in float64, which errs by less than K·2^-53 of
    Σ|a·b|; exactly, and slowly, beside sums of nearly that precision.  None for irrational values.
    """
    precise = any(getattr(f, "precision", 0) > PRECISE for f in unit.rounded_formats().values())
    try:
        operands = "x".join(map(str, unit.operands))
        patient = parse_unit(f"{operands}+fp64:exact" if precise else f"{operands}+fp64")
    except SpecError:
        return None
    return replace(patient, daz=unit.daz or unit.ftz)


def _dot(place: tuple[Any, ...], unit: MacUnit, engine: Any, index: tuple[int, ...]) -> Dot:
    batch, product, found, exact = place
    a, b = checks.operands_of(product, found.shape, index)
    c = None if product.c is None else np.broadcast_to(product.c, found.shape)[index]
    a, b = np.array(a), np.array(b)
    if not unit.is_blocked:  # blocks are made of values, whole rows of them
        a, b = (engine.operand(x, fmt, 1.0, None) for x, fmt in ((a, unit.a), (b, unit.b)))
    true = float("nan") if exact is None else _total(*entered(unit, a, b), c)
    return Dot(batch, index, float(found[index]), true, a, b, c)


def entered(unit: MacUnit, a: Array, b: Array) -> tuple[Array, Array]:
    """Operands as they enter products, in float64: in blocks, if the unit has them, and without
    the subnormals that it flushes."""
    from hwsim import simulate

    sides = []
    for values, fmt, block in ((a, unit.a, unit.a_block), (b, unit.b, unit.b_block)):
        x = np.asarray(simulate.round(values, block) if block else values, np.float64)
        if (unit.daz or unit.ftz) and block is None:
            x = np.where(np.abs(x) < float(getattr(fmt, "smallest_normal", 0)), x * 0.0, x)
        sides.append(x)
    return sides[0], sides[1]


def _total(a: Array, b: Array, c: Any) -> float:
    """c + Σ a·b, rounded once."""
    with np.errstate(all="ignore"):
        terms = [*(a * b).tolist(), float(c or 0.0)]
        try:
            return math.fsum(terms)
        except (OverflowError, ValueError):  # beyond float64; Inf - Inf
            return float(np.sum(terms))


def _largest(errors: Array, count: int) -> list[tuple[int, ...]]:
    """Places of the largest errors that are any, the worst first."""
    flat = errors.reshape(-1)
    count = min(count, flat.size)
    if not count:
        return []
    chosen = np.argpartition(-flat, count - 1)[:count]
    ordered = sorted((int(i) for i in chosen if flat[i] > 0), key=lambda i: (-flat[i], i))
    return [tuple(int(x) for x in np.unravel_index(i, errors.shape)) for i in ordered]
