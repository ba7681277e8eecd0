"""Every law that applies to every unit of the catalogue: all pairs of 8-bit codes as products,
seeded sums with hard operands, telemetry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hwsim.testing import check
from hwsim.units.catalogue import UNITS
from tests.exhaustive.spaces import Part

DRAWN = 2000


def jobs() -> Iterator[tuple[str]]:
    """A job per unit."""
    for entry in UNITS:
        yield (entry.unit,)


def run(unit: str) -> Part:
    """Judge one unit; AssertionError with the counterexamples where a law is broken."""
    report = check(unit, cases=DRAWN)
    broken = [f"{v.law}: {v.counterexample}" for v in report.verdicts if not v.skipped and not v.ok]
    assert not broken, broken
    counts = [(v.law, v.cases) for v in report.verdicts]
    return Part(
        sum(cases for _, cases in counts), hashlib.sha256(repr(counts).encode()).hexdigest()
    )
