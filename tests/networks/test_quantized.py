"""ONNX's integer operators on integer units: ONNX Runtime's bits, and exact integer sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from hwsim.networks import LayerError, Network, run
from tests.networks.quantized_models import Builder, float32, runtime

PAIRS = [(np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)]
NAMES = {np.uint8: "uint8", np.int8: "int8"}
pairs = pytest.mark.parametrize(
    ("left", "right"), PAIRS, ids=[f"{NAMES[a]}x{NAMES[b]}" for a, b in PAIRS]
)


def same(model: onnx.ModelProto, feeds: dict[str, Any], mac: str, **options: Any) -> Any:
    """Compare with ONNX Runtime bit for bit, in one mini-batch and sample by sample."""
    network = Network.load(model)
    report = network.run(feeds, mac, verify=5, **options)
    want = runtime(model, feeds)
    for name, value in want.items():
        got = report.outputs[name]
        assert got.dtype == value.dtype
        np.testing.assert_array_equal(got, value)
        again = network.run(feeds, mac, batch=1, telemetry=True, **options).outputs[name]
        assert again.tobytes() == got.tobytes()
    assert all(layer.verified == 5 for layer in report.layers)
    return report


MATMULS = [
    ((5, 16), (16, 7), "", ""),
    ((5, 16), (16, 7), "", "columns"),
    ((3, 5, 16), (16, 7), "", ""),
    ((3, 5, 16), (3, 16, 7), "", ""),
    ((16,), (16, 7), "", ""),
    ((5, 16), (16,), "", ""),
]


@pytest.mark.parametrize("shapes", MATMULS, ids=str)
@pairs
def test_matmul_integer(left: Any, right: Any, shapes: Any) -> None:
    if (left, right) == (np.int8, np.uint8):
        pytest.skip("ONNX Runtime has no such kernel")
    b = Builder(3)
    a_shape, b_shape, _, columns = shapes
    if a_shape == (16,) or b_shape == (16,):
        columns = ""
    b.constant("b", b.codes(right, *b_shape))
    za = b.affine("a", left)[1]
    zb = b.affine("b", right, *((7,) if columns else ()))[1]
    b.node("MatMulInteger", ["a", "b", za, zb], "y", name="product")
    model = b.model({"a": (left, list(a_shape))}, {"y": np.int32}, 13)
    feeds = {"a": b.codes(left, *a_shape)}
    for mac in (f"{NAMES[left]}x{NAMES[right]}+int32", "int8xint8+int32", "uint8xint8+int24"):
        report = same(model, feeds, mac)
        assert report.layers[0].k == 16


@pytest.mark.parametrize("columns", [False, True])
@pairs
def test_qlinear_matmul(left: Any, right: Any, columns: bool) -> None:
    b = Builder(4)
    b.constant("b", b.codes(right, 40, 9))
    shape = (9,) if columns else ()
    names = ["a", *b.affine("a", left), "b", *b.affine("b", right, *shape)]
    y = b.affine("y", left)
    b.constants["y.scale"] = np.array(0.05, float32)
    b.node("QLinearMatMul", [*names, *y], "y", name="product")
    model = b.model({"a": (left, ["N", 40])}, {"y": left})
    feeds = {"a": b.codes(left, 30, 40)}
    for mac in (f"{NAMES[left]}x{NAMES[right]}+int32", "int8xint8+int32", "int16xint9+int64:exact"):
        same(model, feeds, mac)
