"""Units at random beside the reference: dot products from +0, clock by clock, and single steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwsim.units import Sequential
from tests.rtl.drawing import drawn_design
from tests.rtl.judge import design_outputs, dot_cases, step_cases, step_outputs

DRAWS = 20


@pytest.mark.parametrize("seed", range(DRAWS))
def test_drawn_unit(seed: int) -> None:
    """Some cases of each; those of a step are of any accumulator."""
    unit, design = drawn_design(seed)
    dots = list(dot_cases(unit, design.latency, 12, seed))
    found = design_outputs(design, [words for words, _ in dots])
    alone = isinstance(unit.order, Sequential)
    steps = list(step_cases(replace(unit, output=None), 20, seed)) if alone else []
    if steps:
        found += step_outputs(unit, [words for words, _ in steps])
    cases = dots + steps
    assert cases
    assert found == [code for _, code in cases], str(unit)
