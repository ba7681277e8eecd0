"""Quantized models on units that hold no codes, rare parameters, and golden vectors of codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hwsim
from hwsim.networks import Calibration, LayerError, Network, run
from hwsim.networks import graph as graph_module
from hwsim.reference import matmul as reference_matmul
from tests.networks.quantized_models import Builder, float32, runtime

FLOATS = ["fp32xfp32+exact", "e4m3xe4m3+fp16", "int4xint4+int16", "fp16xe5m2+fp32:chunk4"]


def uncalibrated(network: Network) -> Calibration:
    """For models that ONNX Runtime cannot run: codes need no ranges."""
    return Calibration("nothing", {n: dict.fromkeys("ab", (0.0, 0.0)) for n in network.layers}, 1)


def twins(op: str) -> tuple[Any, Any, dict[str, Any]]:
    """A QLinear operator, and its QDQ form with nothing recognised about it."""
    models = []
    for quantized in (True, False):
        b = Builder(30)
        conv = op == "Conv"
        w = b.codes(np.int8, *((6, 2, 3, 3) if conv else (12, 6)))
        b.constant("w", w)
        x, wq = b.affine("x", np.uint8), b.affine("w", np.int8, 6)
        y = b.affine("y", np.uint8)
        b.constants["y.scale"] = np.array(0.2, float32)
        b.constants["bias"] = b.rng.integers(-9999, 9999, 6).astype(np.int32)
        more = {"pads": [1, 0, 1, 1]} if conv else {}
        if quantized:
            bias = ["bias"] if conv else []
            b.node(f"QLinear{op}", ["x", *x, "w", *wq, *y, *bias], "y", name="layer", **more)
        else:
            inputs = [b.dequantized("x", x), b.dequantized("w", wq, axis=0 if conv else 1)]
            if conv:
                step = b.constants["x.scale"] * b.constants["w.scale"]
                scale = b.constant("bias.scale", step)
                inputs.append(b.dequantized("bias", [scale], axis=0))
            b.node(op, inputs, "t", name="layer", **more)
            b.node("QuantizeLinear", ["t", *y], "y")
        shape = (2, 7, 6) if conv else (12,)
        models.append(b.model({"x": (np.uint8, ["N", *shape])}, {"y": np.uint8}))
    return models[0], models[1], {"x": b.codes(np.uint8, 9, *shape)}


@pytest.mark.parametrize("mac", FLOATS)
@pytest.mark.parametrize("op", ["Conv", "MatMul"])
def test_qlinear_operators_on_reals_are_their_qdq_form(
    monkeypatch: pytest.MonkeyPatch, op: str, mac: str
) -> None:
    quantized, spelled, feeds = twins(op)
    got = Network.load(quantized).run(feeds, mac, verify=4)
    monkeypatch.setattr(graph_module, "recognise", lambda nodes, *_: (nodes, {}))
    want = Network.load(spelled).run(feeds, mac)
    np.testing.assert_array_equal(got.outputs["y"], want.outputs["y"])
    assert got.layers[0].scales == want.layers[0].scales


def test_nan_becomes_the_code_that_onnx_runtime_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounded products of both infinities add up to NaN."""
    _, spelled, feeds = twins("MatMul")
    for tensor in spelled.graph.initializer:
        if tensor.name in ("x.scale", "w.scale"):
            large = np.full(tensor.dims, 300, float32)
            tensor.CopyFrom(numpy_helper.from_array(large, tensor.name))
    mac, scale = "fp16xfp16+fp16:mul_add", "none"
    got = run(spelled, feeds, mac, scale=scale).outputs["y"]
    monkeypatch.setattr(graph_module, "recognise", lambda nodes, *_: (nodes, {}))
    np.testing.assert_array_equal(got, run(spelled, feeds, mac, scale=scale).outputs["y"])
    assert (got == 0).any()


@pytest.mark.parametrize("op", ["Conv", "MatMul"])
def test_scales_that_differ_from_sample_to_sample(op: str) -> None:
    """All scales and zero points of activations come as inputs."""
    quantized, _, feeds = twins(op)
    del quantized.graph.initializer[:]
    weights = {t.name: t for t in twins(op)[0].graph.initializer}
    moving = ("x.scale", "x.zero", "y.scale", "y.zero")
    for name, tensor in weights.items():
        if name in moving:
            value = helper.make_tensor_value_info(name, tensor.data_type, [1])
            quantized.graph.input.append(value)
        else:
            quantized.graph.initializer.append(tensor)
    quantized.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    rng = np.random.default_rng(35)
    feeds |= {f"{k}.scale": rng.uniform(0.01, 0.2, 9).astype(float32) for k in "xy"}
    feeds |= {f"{k}.zero": rng.integers(0, 256, 9).astype(np.uint8) for k in "xy"}
    network = Network.load(quantized)
    apart = [
        runtime(quantized, {name: x[i : i + 1] for name, x in feeds.items()})["y"] for i in range(9)
    ]
    for mac in ("uint8xint8+int32", "int8xint8+int32"):
        report = network.run(feeds, mac, verify=9)
        np.testing.assert_array_equal(report.outputs["y"], np.concatenate(apart))
        assert "a" not in report.layers[0].scales
    reals = network.run(feeds, "fp32xfp32+exact").outputs["y"].astype(int)
    assert np.abs(reals - np.concatenate(apart)).max() <= 1  # but for ties
    with pytest.raises(LayerError, match="depends on the sample"):
        network.run(feeds, "uint8xint8+int32:out=uint8:requant31")


@pytest.mark.parametrize("mac", ["fp32xfp32+exact", "bf16xe4m3+exact", "int6xint4+int32"])
def test_integer_sums_from_reals(mac: str) -> None:
    """code − zero point is a number like any other: rounded into its format; sums are exact."""
    b = Builder(31)
    b.constant("b", b.codes(np.int8, 20, 5))
    za, zb = b.affine("a", np.uint8, zero=3)[1], b.affine("b", np.int8, zero=-100)[1]
    b.node("MatMulInteger", ["a", "b", za, zb], "y")
    model = b.model({"a": (np.uint8, ["N", 20])}, {"y": np.int32}, 13)
    feeds = {"a": b.codes(np.uint8, 8, 20)}
    got = run(model, feeds, mac, scale="none", verify=5).outputs["y"]
    assert got.dtype == np.int32
    unit = hwsim.mac(mac)
    left = hwsim.round(feeds["a"].astype(float32) - 3, unit.a, overflow="saturate")
    right = hwsim.round(b.constants["b"].astype(float32) + 100, unit.b, overflow="saturate")
    np.testing.assert_array_equal(got, left.astype(np.int64) @ right.astype(np.int64))
    assert (got == runtime(model, feeds)["y"]).all() == mac.startswith("fp32")


def test_zero_points_of_rows_and_columns() -> None:
    """ONNX has them; ONNX Runtime takes columns only."""
    b = Builder(32)
    for name, shape in (("b", (9, 4)), ("b2", (3, 9, 4))):
        b.constant(name, b.codes(np.uint8, *shape))
    rows, columns = (
        b.constant("rows", b.codes(np.uint8, 5)),
        b.constant("cols", b.codes(np.uint8, 4)),
    )
    deep = (
        b.constant("deep", b.codes(np.uint8, 3, 5, 1)),
        b.constant("wide", b.codes(np.uint8, 3, 1, 4)),
    )
    b.node("MatMulInteger", ["a", "b", rows, columns], "y", name="flat")
    b.node("MatMulInteger", ["a2", "b2", *deep], "z", name="deep")
    inputs = {"a": (np.uint8, [5, 9]), "a2": (np.uint8, [3, 5, 9])}
    model = b.model(inputs, {"y": np.int32, "z": np.int32}, 13)
    network = Network.load(model)
    feeds = {"a": b.codes(np.uint8, 5, 9), "a2": b.codes(np.uint8, 3, 5, 9)}
    report = network.run(feeds, "int8xint8+int32", calibration=uncalibrated(network), verify=7)
    known = {name: x.astype(int) for name, x in (b.constants | feeds).items()}
    flat = (known["a"] - known["rows"][:, None]) @ (known["b"] - known["cols"])
    np.testing.assert_array_equal(report.outputs["y"], flat)
    stacked = (known["a2"] - known["deep"]) @ (known["b2"] - known["wide"])
    np.testing.assert_array_equal(report.outputs["z"], stacked)
    assert report.layers[0].zero_points["b"] == tuple((known["cols"] - 128).tolist())


def test_weights_of_four_bits() -> None:
    """int4 tensors have no NumPy dtype of their own; their codes enter like any others."""
    b = Builder(33)
    w = b.rng.integers(-8, 8, (12, 5))
    x, wq = b.affine("x", np.uint8), b.affine("w", np.int8, 5, zero=0)
    b.constants["w.zero"] = np.zeros(5)  # replaced below, in int4
    b.node("MatMul", [b.dequantized("x", x), b.dequantized("w", wq, axis=1)], "y", name="fc")
    b.constants["w"] = w
    model = b.model({"x": (np.uint8, ["N", 12])}, {"y": float32})
    for tensor in model.graph.initializer:
        if tensor.name in ("w", "w.zero"):
            values = w if tensor.name == "w" else np.zeros(5, int)
            packed = helper.make_tensor(
                tensor.name, TensorProto.INT4, values.shape, values.ravel().tolist()
            )
            tensor.CopyFrom(packed)
    feeds = {"x": b.codes(np.uint8, 7, 12)}
    report = run(model, feeds, "uint8xint4+int16", verify=5)
    sums = (feeds["x"].astype(int) - b.constants["x.zero"]) @ w
    want = sums.astype(float32) * (b.constants["x.scale"] * b.constants["w.scale"])
    np.testing.assert_array_equal(report.outputs["y"], want)
    assert report.layers[0].zero_points["b"] == (0,) * 5


def test_golden_vectors_of_codes(tmp_path: Path) -> None:
    """Operand codes, c and scales are enough to compute the layer again by the reference."""
    b = Builder(34)
    b.constant("b", b.codes(np.uint8, 10, 4))
    names = ["a", *b.affine("a", np.uint8), "b", *b.affine("b", np.uint8, 4)]
    y = b.affine("y", np.uint8)
    b.constants["y.scale"] = np.array(0.1, float32)
    b.node("QLinearMatMul", [*names, *y], "y", name="fc")
    model = b.model({"a": (np.uint8, ["N", 10])}, {"y": np.uint8})
    feeds = {"a": b.codes(np.uint8, 6, 10)}
    report = run(model, feeds, "uint8xuint8+int24", dump=tmp_path / "v")
    json.dumps(report.to_dict())
    assert report.to_csv().count("\n") == 2
    with np.load(tmp_path / "v" / "fc.npz", allow_pickle=False) as v:
        np.testing.assert_array_equal(v["a_codes"], feeds["a"])
        sums = reference_matmul(v["a_codes"], v["b_codes"], "uint8xuint8+int24", c=v["c"])
        np.testing.assert_array_equal(v["results"], sums)
        centred = (v["a_codes"].astype(int) - v["a_zero_point"]) @ (
            v["b_codes"].astype(int) - v["b_zero_point"]
        )
        np.testing.assert_array_equal(sums, centred)
        ratio = v["a_scale"] * v["b_scale"] / b.constants["y.scale"]
        codes = np.rint(sums.astype(float32) * ratio) + b.constants["y.zero"]
        want = np.clip(codes, 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(v["output"].reshape(want.shape), want)
        np.testing.assert_array_equal(report.outputs["y"], want)
