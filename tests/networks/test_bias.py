"""Biases as initial values of the sums: ``bias="acc"``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwsim
from hwsim.networks import LayerError, ModelError, run
from tests.networks.models import GraphBuilder

RNG = np.random.default_rng(11)
UNIT = "e5m2xe5m2+e6m9"
NONE = {"scale": "none"}


def small(*shape: int) -> np.ndarray:
    """Values of e5m2 whose sums round in e6m9."""
    values = hwsim.round(RNG.normal(size=shape) * 8, "e5m2")
    return np.asarray(values, np.float32)


def convolution():
    graph = GraphBuilder()
    w = graph.weight("w", values=small(4, 3, 3, 3))
    b = graph.weight("b", values=np.array([1.0, -200.0, 0.5, 64.0]))
    graph.node("Conv", ["x", w, b], "y", "conv", pads=[1, 1, 1, 1])
    return graph.model({"x": ["N", 3, 6, 6]}, {"y": None})


def gemm(alpha: float = 1.0, beta: float = 1.0):
    graph = GraphBuilder()
    w = graph.weight("w", values=small(5, 32))
    b = graph.weight("b", values=np.array([1.0, -200.0, 0.5, 64.0, 0.0]))
    graph.node("Gemm", ["x", w, b], "y", "fc", transB=1, alpha=alpha, beta=beta)
    return graph.model({"x": ["N", 32]}, {"y": None})


def weights(model) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    return {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}


def test_convolution_starts_at_its_bias(tmp_path: Path):
    model, x = convolution(), small(5, 3, 6, 6)
    report = run(model, {"x": x}, UNIT, bias="acc", verify=6, dump=tmp_path / "v", **NONE)
    known = weights(model)
    c = known["b"].reshape(1, 4, 1, 1)
    assert np.array_equal(report.outputs["y"], hwsim.conv2d(x, known["w"], UNIT, c=c, padding=1))
    assert report.layers[0].verified == 6
    outside = run(model, {"x": x}, UNIT, **NONE).outputs["y"]
    assert not np.array_equal(outside, report.outputs["y"])  # it enters before the roundings
    with np.load(tmp_path / "v" / "conv.npz") as dumped:
        assert np.array_equal(dumped["c"], c)
        assert "bias" not in dumped.files


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0)])
def test_gemm_starts_at_its_bias(alpha: float, beta: float):
    model, x = gemm(alpha, beta), small(7, 32)
    report = run(model, {"x": x}, UNIT, bias="acc", verify=6, **NONE)
    known = weights(model)
    c = known["b"] * beta / alpha
    expected = hwsim.matmul(x, known["w"].T, UNIT, c=c) * np.float32(alpha)
    assert np.array_equal(report.outputs["y"], expected)


def test_batches_change_nothing():
    model, x = gemm(), small(7, 32)
    whole = run(model, {"x": x}, UNIT, bias="acc", **NONE).outputs["y"]
    parts = run(model, {"x": x}, UNIT, bias="acc", batch=2, **NONE).outputs["y"]
    assert whole.tobytes() == parts.tobytes()


def test_a_bias_that_the_accumulator_cannot_hold_is_an_error():
    """Over the scales of int8 operands, 1.0 is no integer."""
    with pytest.raises(LayerError, match="is no value of int32"):
        run(gemm(), {"x": small(7, 32)}, "int8xint8+int32", bias="acc")


def test_the_choice_is_checked():
    with pytest.raises(ModelError, match="bias='inside'"):
        run(gemm(), {"x": small(7, 32)}, UNIT, bias="inside")
