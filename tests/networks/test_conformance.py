"""onnx's own operator tests: every case whose products can be simulated, on hwsim's own units.

The expected outputs come with the cases (NumPy's for the operators, PyTorch's for the converted
modules), so this oracle is neither hwsim nor ONNX Runtime.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests

from hwsim.errors import UnsupportedOperator
from hwsim.networks import DataError, Network
from hwsim.networks.operators import RECURRENT, SCHEMA_FUNCTIONS, SIMULATED
from hwsim.networks.quantized import INTEGER_OPERATORS

FLOATS = SIMULATED - set(INTEGER_OPERATORS)  # integers: test_quantized_conformance
OPERATORS = FLOATS | SCHEMA_FUNCTIONS | RECURRENT | {"AffineGrid", "LinearAttention"}
# relative to the largest output: sums of fewer than 200 products in float32, and one rounding
LIMITS = {"float16": 2**-10, "float32": 1e-6, "float64": 1e-6}
EXACT = 2**24  # whole numbers below it are float32 values, whatever the order of a sum


@dataclass(frozen=True)
class Case:
    """A model and what it gives."""

    name: str
    model: onnx.ModelProto
    feeds: list[Any]
    expected: list[Any]

    @property
    def operators(self) -> set[str]:
        return {node.op_type for node in self.model.graph.node}


@cache
def generated() -> dict[str, Case]:
    """The operators' own cases, which the wheel carries as programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators divide by zero on purpose
        found = [Case(c.name, c.model, *c.data_sets[0]) for c in collect_testcases(None)]
    return {c.name: c for c in found if c.model.functions or c.operators & OPERATORS}


@cache
def stored() -> dict[str, Case]:
    """The cases that the wheel carries as files, of opsets that ONNX Runtime knows."""
    return {
        case.name: case
        for kind in ("simple", "pytorch-converted", "pytorch-operator")
        for test in load_model_tests(kind=kind)
        if (case := _read(Path(test.model_dir))) and case.operators & OPERATORS
    }


def _read(folder: Path) -> Case | None:
    data, model = folder / "test_data_set_0", onnx.load(folder / "model.onnx")
    if model.opset_import[0].version < 9 and {n.op_type for n in model.graph.node} & {"Gemm"}:
        return None  # Gemm-6 is unknown to ONNX Runtime, too
    return Case(folder.name, model, [*_tensors(data, "input")], [*_tensors(data, "output")])


def _tensors(folder: Path, kind: str) -> Iterator[Any]:
    for i in range(len(list(folder.glob(f"{kind}_*.pb")))):
        yield numpy_helper.to_array(onnx.load_tensor(folder / f"{kind}_{i}.pb"))


def outcome(case: Case) -> str:
    """``equal`` (whole numbers, to the bit), ``close``, ``native`` (nothing to simulate), the
    reason why it is refused, or ``WRONG``."""
    try:
        network = Network.load(case.model)
    except UnsupportedOperator as error:
        return f"refused: {error.operator}"
    feeds = dict(zip(network.inputs, case.feeds, strict=True))
    try:
        report = network.run(feeds, "fp32xfp32+exact")
    except DataError as error:  # bfloat16
        return f"refused: {error}"
    found = [report.outputs[value.name] for value in case.model.graph.output]
    whole = all(_whole(array) for array in (*case.feeds, *weights(case.model), *case.expected))
    agrees = _equal if whole else _close
    if not all(agrees(got, np.asarray(w)) for got, w in zip(found, case.expected, strict=True)):
        return "WRONG"
    return "native" if not network.layers else "equal" if whole else "close"


def weights(model: onnx.ModelProto) -> list[Any]:
    return [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]


def _whole(array: Any) -> bool:
    values = np.asarray(array, np.float64)
    return bool(np.all(values == np.rint(values)) and np.all(np.abs(values) < EXACT))


def _equal(got: Any, want: Any) -> bool:
    return got.shape == want.shape and got.dtype == want.dtype and bool(np.all(got == want))


def _close(got: Any, want: Any) -> bool:
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    largest = np.abs(want[np.isfinite(want)].astype(np.float64)).max(initial=0.0)
    atol = LIMITS.get(want.dtype.name, 0.0) * max(1.0, float(largest))
    return bool(np.allclose(got, want, rtol=0.0, atol=atol, equal_nan=True))


# start of the names → the least numbers of outcomes (onnx 1.23); no other outcome is allowed
GENERATED = {
    "test_affine_grid": {"close": 4, "refused: AffineGrid": 4},
    "test_attention": {"close": 174, "equal": 2, "refused: MatMul on BFLOAT16": 10},
    "test_basic_conv": {"equal": 2},
    "test_causal_conv": {"close": 26},
    "test_conv_": {"equal": 4},
    "test_convtranspose": {"equal": 11},
    "test_einsum": {
        "close": 2,
        "native": 4,
        "refused: Einsum on BFLOAT16": 1,
        "refused: model input 'x' has a type that NumPy does not hold": 2,
    },
    "test_flexattention": {"close": 11},
    "test_gemm": {"close": 11},
    "test_gru": {"close": 6},
    "test_linear_attention": {"refused: LinearAttention": 14},
    "test_lstm": {"close": 6},
    "test_matmul_": {"close": 7},
    "test_rnn": {"close": 1},
    "test_simple_rnn": {"close": 5},
}


@pytest.mark.parametrize("start", GENERATED)
def test_generated(start: str) -> None:
    cases = [case for name, case in generated().items() if name.startswith(start)]
    check({case.name: outcome(case) for case in cases}, GENERATED[start])


def test_stored() -> None:
    check({name: outcome(case) for name, case in stored().items()}, {"close": 31})


def test_no_case_is_left_out() -> None:
    assert [name for name in generated() if not name.startswith(tuple(GENERATED))] == []


def check(found: dict[str, str], least: dict[str, int]) -> None:
    assert set(found.values()) <= set(least), found
    counts = Counter(found.values())
    assert all(counts[kind] >= number for kind, number in least.items()), counts
