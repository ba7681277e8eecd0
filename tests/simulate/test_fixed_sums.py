"""Fixed-point sums that round at each step: one constant takes them to the grid."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hwsim_kernels.paths import CLAMP, NOTHING, RING, STEPS

import hwsim
from hwsim import reference
from hwsim.simulate import ways
from tests.simulate.comparison import check_matmul


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_all_sums(overflow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """c + x·y for every c, x and y of 5 bits: ties of both signs, both ends of the range."""
    unit = hwsim.mac(f"fixed1.3xfixed1.3+fixed2.2:{overflow}")
    paths: list[Any] = []
    run = ways.run_plan

    def watched(facts: Any, plan: Any, *rest: Any) -> Any:
        paths.append(plan.inner.path)
        return run(facts, plan, *rest)

    monkeypatch.setattr(ways, "run_plan", watched)
    x = reference.decode(np.arange(32), unit.a)
    for c in reference.decode(np.arange(32), unit.accumulator):
        start = np.full((32, 32), c)
        check_matmul(x[:, None], x[None, :], unit, start, levels=(False,))
    wanted = (NOTHING, RING) if overflow == "wrap" else (STEPS, CLAMP)
    assert {(path.rounding, path.limit) for path in paths} == {wanted}


@pytest.mark.parametrize(
    "spec",
    [
        "fixed1.6xfixed1.6+fixed7.8",
        "fixed1.6xfixed1.6+fixed2.3:chunk5/fixed4.1",
        "fixed0.7xint8+int12:wrap",
        "fixed0.7xint8+uint7:wrap:chunk4/int9",
        "int8xfixed1.2+int2:wrap",
        "fixed1.22xfixed1.22+fixed9.20",
        "e4m3xfixed1.6+fixed5.4",
    ],
)
def test_sums_and_counts(spec: str) -> None:
    rng = np.random.default_rng(5)
    for (m, k, n), size in itertools.product(((1, 1, 1), (5, 23, 3), (2, 9, 40)), (0.1, 3.0)):
        a, b = rng.normal(0, size, (m, k)), rng.normal(0, size, (k, n))
        c = rng.normal(0, 8, (m, n)) if k % 2 else None
        check_matmul(a, b, spec, c)
