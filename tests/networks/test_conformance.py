"""onnx's own operator tests: every case with a Conv, Gemm, MatMul, Attention or local function.

The expected outputs come with the cases, so this oracle is neither hwsim nor ONNX Runtime.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx.backend.test.case.node import collect_testcases

from hwsim.errors import UnsupportedOperator
from hwsim.networks import Network

LAYERS = {"Conv", "Gemm", "MatMul", "Attention"}
REASONS = ("onnx cannot write it out", "BFLOAT16")

pytestmark = pytest.mark.usefixtures("exact")


@cache
def cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators divide by zero on purpose
        return {
            case.name: case
            for case in collect_testcases(None)
            if case.model.functions or {node.op_type for node in case.model.graph.node} & LAYERS
        }


def outcome(case: Any) -> str:
    """``equal``, ``native`` (equal, but nothing to simulate), ``refused``, or why not."""
    try:
        network = Network.load(case.model)
    except UnsupportedOperator as error:
        return "refused" if any(reason in str(error) for reason in REASONS) else str(error)
    feeds, expected = case.data_sets[0]
    names = [value.name for value in case.model.graph.input]
    report = network.run(dict(zip(names, feeds, strict=True)), "fp32xfp32+exact")
    for value, want in zip(case.model.graph.output, expected, strict=True):
        got, want = report.outputs[value.name], np.asarray(want)
        assert got.shape == want.shape, case.name
        limit = (5e-3 if want.dtype == np.float16 else 2e-5) * max(1.0, largest(want))
        close = np.allclose(got, want, rtol=0.0, atol=limit, equal_nan=True)
        assert close, (case.name, value.name)
    return "equal" if network.layers else "native"


def largest(array: Any) -> float:
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    return float(finite.max(initial=0.0))


@pytest.mark.parametrize("start", ["test_conv", "test_gemm", "test_matmul", "test_attention", ""])
def test_operator_cases(start: str) -> None:
    """Cases by the start of their names; '' takes those that no other start does."""
    starts = ("test_conv", "test_gemm", "test_matmul", "test_attention")
    chosen = [
        case
        for name, case in cases().items()
        if (name.startswith(start) if start else not name.startswith(starts))
    ]
    outcomes = [outcome(case) for case in chosen]
    least = {"test_conv": 4, "test_gemm": 10, "test_matmul": 3, "test_attention": 50, "": 0}
    allowed = {"equal", "native", "refused"} if start == "test_attention" else {"equal", "native"}
    assert set(outcomes) <= allowed
    assert outcomes.count("equal") >= least[start]
