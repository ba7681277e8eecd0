"""What theory says of a unit's sums, and what its simulation measures, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import SpecError
from hwsim.formats import FixedFormat, FloatFormat, stochastic_of
from hwsim.theory.bounds import (
    best_chunk,
    chunked_bound,
    probabilistic_bound,
    sequential_bound,
    unit_roundoff,
)
from hwsim.theory.variance import is_usable, longest_usable, variance_retention
from hwsim.theory.widths import a2q_bits, worst_case_bits
from hwsim.units import Chunked, ExactProduct, MacUnit, Sequential, as_unit

Array = npt.NDArray[Any]
OUTPUTS = 64  # rows, and columns, of the measured product
MOST_TERMS = 1 << 20


@dataclass(frozen=True)
class Statement:
    """One line: what theory says of a quantity, what was measured, and where the theory is from.

    theory, measured : numbers, or None where there is none of the kind.
    """

    name: str
    theory: float | None  # infinite where there is no bound
    measured: float | None
    source: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity."""
        return {key: None if value == math.inf else value for key, value in vars(self).items()}


@dataclass(frozen=True)
class Assessment:
    """Statements about the sums of ``unit`` over ``length`` products.

    ``outputs`` dot products of standard normal operands, seeded by ``seed`` and rounded into the
    unit's formats, were simulated; errors are relative to Σ|a·b|.
    """

    unit: MacUnit
    length: int
    outputs: int
    seed: int
    statements: tuple[Statement, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [statement.to_dict() for statement in self.statements]
        about = {"unit": str(self.unit), "length": self.length}
        return about | {"outputs": self.outputs, "seed": self.seed, "statements": rows}


def assess(unit: str | MacUnit, length: int, seed: int = 0) -> Assessment:
    """Theory beside measurement, of sequential or chunked sums of exact products.

    Floats: variance retention, the longest usable sum, worst-case and probabilistic bounds, the
    best chunk.  Integers: widths that never overflow.  Raises SpecError for other units, ValueError
    for ``length`` or ``seed``.

    >>> found = {s.name: s for s in assess("int8xint8+int16", 4608).statements}
    >>> found["width, worst case"].theory, found["width, A2Q"].theory
    (28, 28)
    """
    unit = as_unit(unit)
    for name, value, least, most in (("length", length, 1, MOST_TERMS), ("seed", seed, 0, 2**63)):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{name}={value!r}: an integer from {least} to {most} is needed")
    if not isinstance(unit.order, Sequential | Chunked) or unit.is_blocked or unit.core is not None:
        raise SpecError(f"{unit}: theory knows sequential and chunked sums of exact products")
    if not isinstance(unit.multiplier, ExactProduct):
        raise SpecError(f"{unit}: theory knows exact products")
    rows = OUTPUTS if length <= 1 << 16 else 8
    acc, operands = unit.accumulator, (unit.a, unit.b)
    outer = unit.outer_format
    if isinstance(acc, FixedFormat) and all(isinstance(x, FixedFormat) for x in operands):
        found = _of_integers(unit, length)
    elif all(isinstance(x, FloatFormat) for x in (acc, outer, *operands)):
        found = _of_floats(unit, length, rows, seed)
    else:
        raise SpecError(f"{unit}: theory knows floats in a float, and integers in an integer")
    return Assessment(unit, length, rows * rows, seed, tuple(found))


def _of_integers(unit: MacUnit, length: int) -> list[Statement]:
    a, b = unit.a, unit.b
    assert isinstance(a, FixedFormat)
    assert isinstance(b, FixedFormat)
    worst = worst_case_bits(a, b, length)
    rule = a2q_bits(length, b.width, a.width, a.signed)
    return [
        Statement("width, worst case", worst, None, "extreme values of the formats"),
        Statement("width, A2Q", rule, None, "Colbert et al. 2023, eq. 3"),
        Statement("width of the unit", unit.accumulator.width, None, "its description"),
    ]


def _of_floats(unit: MacUnit, length: int, rows: int, seed: int) -> list[Statement]:
    a, b, acc = unit.a, unit.b, unit.accumulator
    assert isinstance(a, FloatFormat)
    assert isinstance(b, FloatFormat)
    assert isinstance(acc, FloatFormat)
    outer = unit.outer_format
    assert isinstance(outer, FloatFormat)
    measured = _measured(unit, length, rows, seed)
    chunk = unit.order.length if isinstance(unit.order, Chunked) else None
    product = max(a.precision + b.precision - 1, 1)
    fraction, last = (max(fmt.precision - 1, 1) for fmt in (acc, outer))
    kept = variance_retention(fraction, product, length, chunk, outer=last)
    u = unit_roundoff(min(acc.precision, outer.precision), unit.rounding)
    # From +0 the first addition rounds a product, which the bounds take for exact.
    if chunk is None:
        bound = sequential_bound(length + 1, u)
    else:
        bound = chunked_bound(length + -(-length // chunk), chunk + 1, u)
    likely = probabilistic_bound(length + 1, u)
    drawn = stochastic_of(unit.rounding) is not None
    sure = "where draws have bits enough: " if drawn else "independent errors: "
    sakr = "Sakr et al. 2019 (theory of rne)"
    return [
        Statement("variance kept", kept, measured["variance"], sakr),
        Statement("usable, n·(1 − VRR) < ln 50", is_usable(kept, length), None, sakr),
        Statement("longest usable without chunks", longest_usable(fraction, product), None, sakr),
        Statement("error bound", bound, measured["largest"], "Higham 2002; Blanchard 2020"),
        Statement(
            "error bound, 99 %",
            likely,
            measured["99 %"],
            f"{sure}Higham, Mary 2019; Connolly et al. 2021",
        ),
        Statement("best chunk", best_chunk(length), None, "Blanchard et al. 2020"),
    ]


def _measured(unit: MacUnit, length: int, rows: int, seed: int) -> dict[str, float]:
    """Of dot products of normal operands, in the unit's formats."""
    from hwsim import simulate

    rng = np.random.default_rng(seed)
    a = simulate.round(rng.standard_normal((rows, length)), unit.a)
    b = simulate.round(rng.standard_normal((length, rows)), unit.b)
    found = np.asarray(simulate.matmul(a, b, unit, seed=seed), np.float64)
    a, b = a.astype(np.float64), b.astype(np.float64)
    exact, mass = a @ b, np.abs(a) @ np.abs(b)
    errors = np.abs(found - exact) / np.where(mass > 0.0, mass, 1.0)
    variance = float(np.mean(found**2) / np.mean(exact**2)) if exact.any() else 1.0
    return {
        "variance": variance,
        "largest": float(errors.max(initial=0.0)),
        "99 %": float(np.quantile(errors, 0.99)),
    }
