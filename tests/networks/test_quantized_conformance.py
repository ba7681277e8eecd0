"""onnx's own tests of the integer operators: the expected codes come with them."""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.backend.test.case.node import collect_testcases

from hwsim.networks import Calibration, Network

LAYERS = re.compile("test_(qlinear|matmulinteger|convinteger)")
NATIVE = re.compile("test_(dynamicquantizelinear|quantizelinear|dequantizelinear)")
NEWEST = 24  # the newest opset that ONNX Runtime has these operators for


@cache
def cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators divide by zero on purpose
        return {case.name: case for case in collect_testcases(None) if case.model is not None}


def foreign(case: Any) -> bool:
    """Whether its data has a type that NumPy does not hold."""
    data = [x for given in case.data_sets for part in given for x in part]
    return any(isinstance(x, onnx.TensorProto) for x in data)


def run_case(case: Any, mac: str, layers: int) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for opset in model.opset_import:
        opset.version = min(opset.version, NEWEST)
    network = Network.load(model)
    assert len(network.layers) == layers
    feeds, expected = case.data_sets[0]
    given = {value.name: np.asarray(x) for value, x in zip(model.graph.input, feeds, strict=True)}
    # Codes need no calibration, and ONNX Runtime cannot run every model (per-filter zero points).
    nothing = Calibration(
        "nothing", {n: dict.fromkeys("ab", (0.0, 0.0)) for n in network.layers}, 1
    )
    report = network.run(given, mac, verify=3, calibration=nothing)
    for value, want in zip(model.graph.output, expected, strict=True):
        got = report.outputs[value.name]
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def names(pattern: re.Pattern[str]) -> list[str]:
    return [name for name, case in cases().items() if pattern.match(name) and not foreign(case)]


@pytest.mark.parametrize("mac", ["uint8xuint8+int32", "int8xint8+int32"])
@pytest.mark.parametrize("name", names(LAYERS))
def test_integer_operators(name: str, mac: str) -> None:
    run_case(cases()[name], mac, 1)


@pytest.mark.parametrize("name", names(NATIVE))
def test_quantization_operators(name: str) -> None:
    run_case(cases()[name], "uint8xuint8+int32", 0)


def test_there_are_enough() -> None:
    assert len(names(LAYERS)) >= 12
    assert len(names(NATIVE)) >= 16
