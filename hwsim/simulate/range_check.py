"""How many exact totals lie outside a format's range."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import Format
from hwsim.simulate.facts import Facts

Array = npt.NDArray[Any]


def out_of_range(facts: Facts, fmt: Format) -> int:
    """Outputs whose exact c + Σ a·b is finite and lies outside [lowest, largest] of ``fmt``.

    float64 decides where its error bound allows; the rest is added in fractions.
    """
    if facts.sum_bound + facts.c_max <= min(float(fmt.largest), -float(fmt.lowest)) / (
        1 + 2.0**-50
    ):
        return 0
    a, b = facts.a.astype(np.float64), facts.b.astype(np.float64)
    with np.errstate(all="ignore"):
        total: Array = np.matmul(a, b)
        mass: Array = np.matmul(np.abs(a), np.abs(b))
        if facts.c is not None:
            total = total + facts.c
            mass = mass + np.abs(facts.c)
        error = mass * ((a.shape[2] + 4) * 2.0**-53) + 2.0**-1000
        low, high = float(fmt.lowest), float(fmt.largest)
        if high > fmt.largest:  # 64-bit integers: float64 rounds 2^63 − 1 up
            high = float(np.nextafter(high, 0.0))
        outside = (total - error > high) | (total + error < low)
        inside = (total + error <= high) & (total - error >= low)
    finite = _finite(a, b, facts.c)
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
