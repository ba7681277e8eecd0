"""How many exact totals lie outside a format's range."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.simulate.exact import blas, gemm, product_error
from hwsim.simulate.facts import SLACK, Facts
from hwsim.units import MacUnit

Array = npt.NDArray[Any]


def out_of_range(facts: Facts, unit: MacUnit, threads: int) -> int:
    """Outputs whose exact c + Σ a·b is finite and lies outside [lowest, largest] of the unit's
    (outer) accumulator.

    float64 decides where its error bound allows; the rest is added in fractions.
    """
    fmt = unit.outer_format
    if facts.sums_within(min(float(fmt.largest), -float(fmt.lowest)) / SLACK):  # floats round up
        return 0
    total = blas(facts, unit, threads) if facts.finite else None
    error: Array | float = 0.0
    if total is None:
        a, b = facts.a.astype(np.float64), facts.b.astype(np.float64)
        total = gemm(a, b, threads)
        error = product_error(a, b)
    total = total.astype(np.float64, copy=False)  # a bound may have more bits than float32
    low, high = float(fmt.lowest), float(fmt.largest)
    if high > fmt.largest:  # 64-bit integers: float64 rounds 2^63 − 1 up
        high = float(np.nextafter(high, 0.0))
    with np.errstate(all="ignore"):
        if facts.c is not None:
            error = error + (np.abs(total) + np.abs(facts.c)) * 2.0**-51 + 2.0**-1000
            total = total + facts.c
        above, below = total + error, total - error
        outside = (below > high) | (above < low)
        inside = (above <= high) & (below >= low)
    finite = True if facts.finite else _finite(facts.a, facts.b, facts.c)
    unsure = np.argwhere(finite & ~outside & ~inside)
    exact = sum(not fmt.lowest <= _total(facts, *at) <= fmt.largest for at in unsure)
    return int(np.count_nonzero(outside & finite)) + exact


def _finite(a: Array, b: Array, c: Array | None) -> Array:
    rows: Array = np.asarray(np.isfinite(a).all(axis=2))
    columns: Array = np.asarray(np.isfinite(b).all(axis=1))
    finite = rows[:, :, None] & columns[:, None, :]
    return np.asarray(finite if c is None else finite & np.isfinite(c))


def _total(facts: Facts, item: int, i: int, j: int) -> Fraction:
    start = Fraction(0) if facts.c is None else Fraction(facts.c[item, i, j].item())
    row, column = facts.a[item, i].tolist(), facts.b[item, :, j].tolist()
    return start + sum(
        (Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)), Fraction(0)
    )
