"""How sums grow: what a unit makes of the first k products, for growing k."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.diagnosis.observing import entered
from hwsim.networks.engine import Engine
from hwsim.networks.products import Product
from hwsim.networks.runtime import Array
from hwsim.units import Fused, MacUnit, Telemetry

QUANTILES = (0.5, 0.99, 1.0)


@dataclass(frozen=True)
class Point:
    """The sums of the first ``k`` products.

    sums, exact : median, 99 % quantile and largest of |sum|, as the unit has them and without
    error; error : median of |sum − exact| / Σ|products|.
    swamped, partly, overflowed : shares of the additions since the point before: the addend
    vanished, lost bits, the result left the range.  counts : of all additions up to here.
    """

    k: int
    sums: tuple[float, float, float]
    exact: tuple[float, float, float]
    error: float
    swamped: float
    partly: float
    overflowed: float
    counts: Telemetry

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the counts."""
        return {key: value for key, value in vars(self).items() if key != "counts"}


def lengths(unit: MacUnit, k: int) -> list[int]:
    """Powers of two up to k, and k; of sums in groups, whole groups once there is one; of blocks,
    whole blocks alone, since a part of one has other scales."""
    step: int = getattr(unit.order, "group", 1)
    if isinstance(unit.order, Fused) and unit.order.promote:
        step = unit.order.promote
    if unit.is_blocked:
        step = math.lcm(step, unit.block_size)
    powers = [2**i for i in range(k.bit_length())]
    found = [] if unit.is_blocked else [p for p in powers if p < min(step, k)]
    found += [step * p for p in powers if step * p < k]
    return [*found, k] if k else []


def grown(
    unit: MacUnit, a: Array, b: Array, c: Any, engine: Engine, threads: int | None = None
) -> tuple[Point, ...]:
    """Points of the sums of ``a`` times ``b`` (outputs, K), which start at ``c`` (outputs,)."""
    points: list[Point] = []
    before = Telemetry()
    with np.errstate(all="ignore"):
        products = np.multiply(*entered(unit, a, b))
        start = 0.0 if c is None else np.asarray(c, np.float64)
        exact = np.cumsum(products, axis=1) + np.reshape(start, (-1, 1))
        mass = np.cumsum(np.abs(products), axis=1) + np.abs(np.reshape(start, (-1, 1)))
    for k in lengths(unit, a.shape[1]):
        sums, counts = _sums(unit, a[:, :k], b[:, :k], c, engine, threads)
        true = exact[:, k - 1]
        with np.errstate(all="ignore"):
            errors = np.abs(sums - true) / np.where(mass[:, k - 1] > 0, mass[:, k - 1], 1.0)
        points.append(
            Point(
                k,
                _quantiles(sums),
                _quantiles(true),
                _median(errors),
                *_shares(counts, before),
                counts,
            )
        )
        before = counts
    return tuple(points)


def _sums(
    unit: MacUnit, a: Array, b: Array, c: Any, engine: Engine, threads: int | None
) -> tuple[Array, Telemetry]:
    count, k = a.shape
    left, right = a[:, None, :], b[:, :, None]
    start = None if c is None else np.reshape(c, (-1, 1, 1))
    product = Product(left, right, None, 1, k, 1, count, count, (1, 1), False, start)
    sums, counts = engine.product(product, unit, True, threads)
    assert counts is not None
    return np.asarray(sums, np.float64).reshape(-1), counts


def _shares(now: Telemetry, before: Telemetry) -> tuple[float, float, float]:
    """Of the additions between two points, of both levels; 0 where an order begins anew."""

    pairs = ((now, before), (now.outer, before.outer))

    def between(name: str) -> int:
        return sum(getattr(x, name) - getattr(y, name) for x, y in pairs)

    added = between("additions")
    names = ("swamped_full", "swamped_partial", "overflow_steps")
    if added <= 0:
        return 0.0, 0.0, 0.0
    full, partial, overflow = (max(0.0, between(name) / added) for name in names)
    return full, partial, overflow


def starts(points: Sequence[Point], share: float = 0.01) -> int | None:
    """Where the first interval between points begins in which more than ``share`` of the additions
    are swamped, or None."""
    before = 0
    for point in points:
        if point.swamped > share:
            return before + 1
        before = point.k
    return None


def exponents(values: Array) -> dict[int, int]:
    """How many finite values other than zero have each exponent: 2^e ≤ |x| < 2^(e + 1)."""
    flat = np.abs(np.asarray(values, np.float64)).reshape(-1)
    flat = flat[np.isfinite(flat) & (flat > 0)]
    found, counts = np.unique(np.frexp(flat)[1] - 1, return_counts=True)
    return {int(e): int(n) for e, n in zip(found, counts, strict=True)}


def _quantiles(values: Array) -> tuple[float, float, float]:
    magnitudes = np.abs(values[np.isfinite(values)])
    if not magnitudes.size:
        return 0.0, 0.0, 0.0
    low, high, most = np.quantile(magnitudes, QUANTILES)
    return float(low), float(high), float(most)


def _median(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else 0.0
