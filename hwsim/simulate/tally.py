"""Counters of one tile, and the `Telemetry` they become."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels import float64

from hwsim.units import StepCounts

Array = npt.NDArray[Any]
NO_FLAGS = np.zeros(0, np.uint8)
ZERO = Fraction(0)
LEVELS = {False: float64.NONE, "counts": float64.CHEAP, True: float64.ALL}


class Tally:
    """What kernels count into, for one tile of (m, n) outputs."""

    def __init__(self, shape: tuple[int, int], lanes: tuple[type, type], level: int) -> None:
        self.inner = np.zeros(float64.COUNTS, np.int64)
        self.outer = np.zeros(float64.COUNTS, np.int64)
        nothing = (1, 1)
        # Kernels vectorise where flags are as wide as values, so each level has its own.
        self.flags: Array = np.zeros(shape if level else nothing, lanes[0])
        self.outer_flags: Array = np.zeros(shape if level else nothing, lanes[1])
        full = level == float64.ALL
        self.lost = np.zeros(shape if full else nothing)
        self.mass = np.zeros(shape if full else nothing)


def step_counts(counts: Array, additions: int) -> StepCounts:
    """The kernels' counts of one level, named."""
    bits = np.int64(counts[float64.LARGEST])
    return StepCounts(
        additions=additions,
        swamped_full=int(counts[float64.FULL]),
        swamped_partial=int(counts[float64.PARTIAL]),
        dominated=int(counts[float64.DOMINATED]),
        overflow_steps=int(counts[float64.OVERFLOW]),
        underflow=int(counts[float64.UNDERFLOW]),
        largest=float(bits.view(np.float64)),
    )


class Totals:
    """The tallies of all tiles, and which outputs an overflow struck."""

    def __init__(self, shape: tuple[int, ...], level: int) -> None:
        self.level = level
        self.inner = np.zeros(float64.COUNTS, np.int64)
        self.outer = np.zeros(float64.COUNTS, np.int64)
        self.struck = np.zeros(shape, np.uint8) if level else NO_FLAGS
        self.lost: list[Array] = []
        self.mass: list[Array] = []
        self.whole_mass: Fraction | float = ZERO  # what was added without rounding
        self.finite = False  # whether no sum can be Inf or NaN, where that was proved

    @property
    def complete(self) -> bool:
        """Whether everything was counted."""
        return self.level == float64.ALL

    @property
    def overflowed(self) -> bool:
        """Whether any step or product overflowed; only then can an output be struck."""
        slots = [float64.OVERFLOW, float64.PRODUCT_OVERFLOW]
        return bool(self.inner[slots].any() or self.outer[slots].any())

    def add(self, tally: Tally, where: Any) -> None:
        """Take in a finished tile, whose outputs stand at ``where``."""
        for mine, theirs in ((self.inner, tally.inner), (self.outer, tally.outer)):
            largest = max(mine[float64.LARGEST], theirs[float64.LARGEST])
            mine += theirs
            mine[float64.LARGEST] = largest
        slots = (float64.OVERFLOW, float64.PRODUCT_OVERFLOW)
        if any(tally.inner[slot] or tally.outer[slot] for slot in slots):
            self.struck[where] = (tally.flags != 0) | (tally.outer_flags != 0)
        if self.complete:
            self.lost.append(tally.lost)
            self.mass.append(tally.mass)


def exact_total(*parts: Array) -> Fraction | float:
    """Σ of float64 arrays without rounding; Inf where one is.

    Significands of 53 bits are added exponent by exponent, in halves whose sums float64 holds.
    """
    total = Fraction(0)
    for part in parts:
        values = part[part != 0.0]
        if not np.isfinite(values).all():
            return math.inf
        for some in np.array_split(values, -(-values.size // (1 << 24)) or 1):
            total += _exact_sum(some)
    return total


def _exact_sum(values: Array) -> Fraction:
    """At most 2^24 finite values: 27 bits of 2^24 halves make 51."""
    fractions, exponents = np.frexp(values)
    high = np.trunc(fractions * 2.0**26)
    low = fractions * 2.0**53 - high * 2.0**27
    base = int(exponents.min(initial=0))
    place = exponents - base
    total = Fraction(0)
    for half, unit in ((high, base - 26), (low, base - 53)):
        for i, count in enumerate(np.bincount(place, weights=half).tolist()):
            total += int(count) * Fraction(2) ** (unit + i) if count else 0
    return total
