"""What happened inside the accumulators: counts over all outputs of a matrix product.

Definitions: p is the addend actually added (the rounded product under mul_add), y = R(acc + p).
Steps with a nonfinite value or an overflow are excluded from the swamped and dominated counts;
``=`` compares values, so −0 = +0.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, TypeVar


@dataclass(frozen=True)
class StepCounts:
    """Counts over the additions of one level: inner (products) or outer (sums of them).

    additions : additions done.
    swamped_full : p ≠ 0 and y = acc: the addend vanished.
    swamped_partial : y ≠ acc and y ≠ acc + p: some of it was lost.
    dominated : acc ≠ 0, p ≠ 0, y = R(p) and y ≠ acc + p: the accumulator vanished.
    overflow_steps : the result, rounded with unbounded exponent, lies outside the format.
    underflow : 0 < |acc + p| < smallest normal, and y inexact.
    largest : largest finite |y|; 0 when there is none.
    """

    additions: int = 0
    swamped_full: int = 0
    swamped_partial: int = 0
    dominated: int = 0
    overflow_steps: int = 0
    underflow: int = 0
    largest: float = 0.0

    def __add__(self, other: StepCounts) -> StepCounts:
        return _merge(self, other)


@dataclass(frozen=True)
class Telemetry(StepCounts):
    """Counts of a matrix product, a layer or a network; they add up with ``+``.

    The fields of `StepCounts` count inner steps; ``outer`` holds the same for the additions to c:
    of chunk sums, of lanes' sums, of the roots of trees (all zero for other orders).

    outputs : results computed.  products : M·N·K.
    zero_operands : products with a = 0 or b = 0.
    shifted_out : products of a shifter (`hwsim.units.multipliers.Shift`) that lost bits.
    overflow_products, overflow_converted : overflows of rounded products, of output conversions.
    overflow_outputs : outputs with an overflow anywhere after their initial value.
    overflow_initial : outputs of a network's layer whose initial value, the correction of zero
        points, lies outside a wrapping accumulator and enters it modulo its circle.
    out_of_range : outputs whose exact c + Σ a·b lies outside the outer format's finite range.
    lost, mass : Σ|y − (acc + p)| and Σ|p| over finite inner steps: float64 sums in k order, each
        term rounded to float64, per output; over outputs added without rounding, so that the
        total does not depend on how they were grouped (a Fraction, or Inf beyond float64).
    complete : False when only the cheap counts were asked for; dominated, underflow, largest,
        lost, mass and out_of_range are then 0.
    """

    outer: StepCounts = StepCounts()
    outputs: int = 0
    products: int = 0
    zero_operands: int = 0
    shifted_out: int = 0
    overflow_products: int = 0
    overflow_converted: int = 0
    overflow_outputs: int = 0
    overflow_initial: int = 0
    out_of_range: int = 0
    lost: Fraction | float = 0.0
    mass: Fraction | float = 0.0
    complete: bool = True

    @property
    def lost_mass(self) -> float:
        """lost / mass, each correctly rounded to float64; 0 when nothing was added."""
        return _ratio(_to_float(self.lost), _to_float(self.mass))

    @property
    def struck(self) -> int:
        """Outputs that an overflow has struck, before or after the first addition: at least so
        many."""
        return max(self.overflow_outputs, self.overflow_initial)

    def __add__(self, other: StepCounts) -> Telemetry:
        if not isinstance(other, Telemetry):
            return NotImplemented
        return _merge(self, other)

    def to_dict(self) -> dict[str, float | int | bool]:
        """Flat names for tables; those of the chunk sums are prefixed ``outer_``."""
        flat = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "outer"}
        flat |= {f"outer_{f.name}": getattr(self.outer, f.name) for f in fields(self.outer)}
        flat |= {"lost": _to_float(self.lost), "mass": _to_float(self.mass)}
        return flat | {"lost_mass": self.lost_mass}


def _add_exactly(a: Fraction | float, b: Fraction | float) -> Fraction | float:
    if not a or not b:
        return a or b
    return math.inf if math.inf in (a, b) else Fraction(a) + Fraction(b)


def _to_float(total: Fraction | float) -> float:
    """Correctly rounded; Inf beyond float64."""
    try:
        return float(total)
    except OverflowError:
        return math.inf


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


Counts = TypeVar("Counts", StepCounts, Telemetry)


_HOW: dict[str, Callable[[Any, Any], Any]] = {
    "largest": max,
    "complete": operator.and_,
    "lost": _add_exactly,
    "mass": _add_exactly,
}


def _merge(a: Counts, b: Counts) -> Counts:
    """Add field by field; maxima and flags combine as such."""
    theirs = vars(b)
    return type(a)(
        **{name: _HOW.get(name, operator.add)(mine, theirs[name]) for name, mine in vars(a).items()}
    )
