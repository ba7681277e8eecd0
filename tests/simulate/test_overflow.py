"""Counting kernels for rules other than saturation: they run where nothing overflows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim import MacUnit
from hwsim.simulate import ways
from tests.simulate.comparison import Array, check_matmul

UNITS = ("e4m3xe4m3+fp16", "e4m3xe4m3+fp16:nan", "e5m2xe5m2+e6m9:chunk8", "e4m3xe4m3+fp16:rtz")


def _operands(top: float) -> tuple[Array, Array]:
    """No proof keeps the sums below the largest value; whether they stay there depends on top."""
    rng = np.random.default_rng(5)
    a = rng.choice([-1.0, 1.0], (5, 40)) * 256.0
    b = np.full((40, 7), 8.0)
    a[:, 1::2] = -a[:, ::2]
    a[0, 0] = a[0, 2] = top
    return a, b


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("top", [256.0, 448.0])
def test_equals_the_reference_on_both_sides(unit: str, top: float) -> None:
    a, b = _operands(top)
    scale = 4.0 if "e6m9" not in unit else 2.0**15
    check_matmul(a, b * scale, unit)
    check_matmul(a, b * scale * 4, unit)


def test_an_overflow_sends_the_product_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    attempt, all_ways = ways._without_overflow, ways.ways_of

    def spied(*args: Any) -> Any:
        done = attempt(*args)
        taken.append(done is not None)
        return done

    def watched(unit: MacUnit) -> tuple[ways.Way, ...]:
        return tuple(spied if way is attempt else way for way in all_ways(unit))

    monkeypatch.setattr(ways, "ways_of", watched)
    a, b = _operands(256.0)
    for scale, fits in ((2.0, True), (32.0, False)):
        _, telemetry = hwsim.matmul(a, b * scale, "e4m3xe4m3+fp16:nan", telemetry="counts")
        assert (telemetry.overflow_steps == 0) is fits
        assert taken.pop() is fits
