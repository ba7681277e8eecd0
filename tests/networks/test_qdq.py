"""The QDQ form on integer units, and networks from ONNX Runtime's own quantizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from hwsim.networks import Network, run, shipped
from hwsim.networks import graph as graph_module
from tests.networks.quantized_models import NAMES, PAIRS, Builder, float32, pairs, qdq, runtime

QDQ = [
    ("Conv", "codes", "Q"),
    ("Conv", "floats", "Q"),
    ("Conv", "none", "Q"),
    ("Conv", "codes", "Relu Q"),
    ("MatMul", "none", "Q"),
    ("MatMul", "none", ""),
    ("Gemm", "codes", "Q"),
    ("Gemm", "floats", "Q"),
    ("Gemm", "codes", ""),
]


@pytest.mark.parametrize("columns", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize(("op", "bias", "tail"), QDQ)
@pairs
def test_qdq_equals_onnx_runtimes_integer_kernels(
    left: Any, right: Any, op: str, bias: str, tail: str, columns: bool
) -> None:
    """At ORT_ENABLE_EXTENDED ONNX Runtime replaces these by QLinearConv, QLinearMatMul, QGemm and
    MatMulIntegerToFloat, whose arithmetic is defined.  Convolutions and products of int8
    activations it leaves in float32; quantized, the result is the same here."""
    model, feeds = qdq(Builder(9), op, (left, right), columns=columns, bias=bias, tail=tail)
    network = Network.load(model)
    (name, want), *_ = runtime(model, feeds, "ORT_ENABLE_EXTENDED").items()
    if (op, left, tail) == ("MatMul", np.int8, ""):  # float32, in an order of its own
        want = exact_floats(model, feeds)
    for mac in (f"{NAMES[left]}x{NAMES[right]}+int32", "int8xint8+int32"):
        report = network.run(feeds, mac, verify=5)
        got = report.outputs[name]
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
        assert network.run(feeds, mac, batch=1).outputs[name].tobytes() == got.tobytes()
        (layer,) = report.layers
        constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        assert layer.scales["a"] == constants["x.scale"]
        moved = 128 * (mac.startswith("int8") and left is np.uint8)
        assert layer.zero_points["a"] == int(constants["x.zero"]) - moved


def test_sums_of_more_than_24_bits_are_rounded_to_float32_first() -> None:
    b = Builder(20)
    b.constant("w", b.codes(np.uint8, 900, 300) // 8 + 200)
    x, w = b.affine("x", np.uint8, zero=3), b.affine("w", np.uint8, zero=1)
    b.node("MatMul", [b.dequantized("x", x), b.dequantized("w", w)], "y")
    model = b.model({"x": (np.uint8, ["N", 900])}, {"y": float32})
    feeds = {"x": b.codes(np.uint8, 60, 900) // 8 + 200}
    want = runtime(model, feeds, "ORT_ENABLE_EXTENDED")["y"]
    got = run(model, feeds, "uint8xuint8+int32").outputs["y"]
    np.testing.assert_array_equal(got, want)
    exact = (feeds["x"].astype(int) - 3) @ (b.constants["w"].astype(int) - 1)
    assert exact.min() > 2**24
    step = np.float64(b.constants["x.scale"] * b.constants["w.scale"])
    assert ((exact * step).astype(float32) != got).any()


CLAMPS: list[tuple[str, list[float], int, tuple[int, int]]] = [
    ("Relu", [], 0, (0, 255)),
    ("Relu", [], 100, (100, 255)),
    ("Clip", [0.0, 6.0], 0, (0, 60)),
    ("Clip", [-3.0, 6.0], 100, (70, 160)),
    ("Clip", [-3e9], 100, (0, 255)),
]


@pytest.mark.parametrize(("op", "limits", "zero", "ends"), CLAMPS)
def test_a_clamp_before_the_quantization_is_one_of_codes(
    op: str, limits: list[float], zero: int, ends: tuple[int, int]
) -> None:
    b = Builder(21)
    b.constant("w", b.codes(np.int8, 16, 6))
    x, w = b.affine("x", np.uint8), b.affine("w", np.int8, zero=0)
    b.node("MatMul", [b.dequantized("x", x), b.dequantized("w", w)], "t", name="fc")
    names = [b.constant(f"limit{i}", np.array(v, float32)) for i, v in enumerate(limits)]
    b.node(op, ["t", *names], "r")
    y = b.affine("y", np.uint8, zero=zero)
    b.constants["y.scale"] = np.array(0.1, float32)
    b.node("QuantizeLinear", ["r", *y], "q")
    model = b.model({"x": (np.uint8, ["N", 16])}, {"q": np.uint8})
    feeds = {"x": b.codes(np.uint8, 50, 16)}
    report = run(model, feeds, "uint8xint8+int32:out=uint8:requant31")  # only a layer with codes
    plain = run(model, feeds, "uint8xint8+int32").outputs["q"]
    np.testing.assert_array_equal(plain, runtime(model, feeds)["q"])
    for got in (plain, report.outputs["q"]):
        assert (got.min(), got.max()) == ends


def exact_floats(model: onnx.ModelProto, feeds: dict[str, Any]) -> Any:
    """float32(sum) times the float32 product of the scales, of a MatMul."""
    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer} | feeds
    x, w = (known[k].astype(np.int64) - known[f"{k}.zero"] for k in "xw")
    return (x @ w).astype(float32) * (known["x.scale"] * known["w.scale"])


@pytest.mark.parametrize(("op", "bias", "tail"), QDQ)
@pytest.mark.parametrize(
    "mac", ["e4m3xe4m3+fp16", "fp32xfp32+fp32", "int4xint4+int16", "fixed3.4xint8+fixed20.8"]
)
def test_units_that_do_not_hold_the_codes_run_the_reals(
    monkeypatch: pytest.MonkeyPatch, mac: str, op: str, bias: str, tail: str
) -> None:
    """Bit for bit what the same model gives when no QDQ form is recognised: dequantized, scaled
    by the unit's own rule, and quantized afterwards."""
    model, feeds = qdq(Builder(10), op, PAIRS[0], columns=True, bias=bias, tail=tail)
    found = Network.load(model).run(feeds, mac, verify=3)
    monkeypatch.setattr(graph_module, "recognise", lambda nodes, *_: (nodes, {}))
    plain = Network.load(model).run(feeds, mac, verify=3)
    for name, value in plain.outputs.items():
        assert found.outputs[name].dtype == value.dtype
        np.testing.assert_array_equal(found.outputs[name], value)
    assert found.layers[0].scales == plain.layers[0].scales


def test_what_is_no_qdq_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A float activation, an alpha, a shared product: each runs as a float layer, or keeps its
    quantization apart."""
    b = Builder(11)
    b.constant("w", b.codes(np.int8, 16, 6))
    w = b.dequantized("w", b.affine("w", np.int8))
    x = b.dequantized("x", b.affine("x", np.uint8))
    y = b.affine("y", np.uint8)
    b.node("MatMul", ["f", w], "weights.only", name="weights_only")
    b.node("Gemm", [x, w], "scaled", name="alpha", alpha=0.5)
    b.node("MatMul", [x, w], "shared", name="shared")
    b.node("QuantizeLinear", ["shared", *y], "q")
    b.node("Relu", ["shared"], "r")
    b.constant("bias", b.rng.integers(-9, 9, 6).astype(np.int32))
    step = b.constants["x.scale"] * b.constants["w.scale"]
    near = b.constant("near.scale", np.nextafter(step, float32(1)))
    b.node("Gemm", [x, w, b.dequantized("bias", [near])], "g", name="odd_bias")
    model = b.model(
        {"x": (np.uint8, ["N", 16]), "f": (float32, ["N", 16])},
        {"weights.only": float32, "scaled": float32, "q": np.uint8, "r": float32, "g": float32},
    )
    layers = {layer.name: layer.quantized for layer in Network.load(model).plan.layers}
    assert layers["weights_only"] is None
    assert layers["alpha"] is None
    assert layers["shared"] is not None
    assert layers["shared"].y is None
    assert layers["odd_bias"] is not None
    assert not layers["odd_bias"].bias_codes  # in steps of its own: added as floats
    feeds = {"x": b.codes(np.uint8, 9, 16), "f": b.rng.normal(size=(9, 16)).astype(float32)}
    report = Network.load(model).run(feeds, "uint8xint8+int32", verify=4)
    np.testing.assert_array_equal(report.outputs["r"], np.maximum(report.outputs["r"], 0))


@pytest.mark.parametrize("columns", [False, True], ids=["tensor", "channel"])
def test_transposed_weights(columns: bool) -> None:
    """Exporters store (N, K): the transpose of a dequantized constant is one too."""
    b = Builder(18)
    b.constant("w", b.codes(np.int8, 6, 16))
    shape = (6,) if columns else ()
    w = b.dequantized("w", b.affine("w", np.int8, *shape, zero=0), axis=0)
    b.node("Transpose", [w], "turned", perm=[1, 0])
    b.node("MatMul", [b.dequantized("x", b.affine("x", np.uint8)), "turned"], "t", name="fc")
    y = b.affine("y", np.uint8)
    b.constants["y.scale"] = np.array(0.3, float32)
    b.node("QuantizeLinear", ["t", *y], "q")
    model = b.model({"x": (np.uint8, ["N", 3, 16])}, {"q": np.uint8})
    feeds = {"x": b.codes(np.uint8, 9, 3, 16)}
    report = Network.load(model).run(feeds, "uint8xint8+int32", verify=5)
    assert report.layers[0].zero_points["a"] == int(b.constants["x.zero"])
    known = b.constants
    sums = (feeds["x"].astype(int) - known["x.zero"]) @ known["w"].T.astype(int)
    ratio = known["x.scale"] * known["w.scale"] / known["y.scale"]
    want = np.clip(np.rint(sums.astype(float32) * ratio) + known["y.zero"], 0, 255)
    np.testing.assert_array_equal(report.outputs["q"], want)


def test_a_rule_for_the_scales_overrides_the_models_own() -> None:
    model, feeds = qdq(Builder(12), "MatMul", PAIRS[0], columns=False, bias="none", tail="")
    network = Network.load(model)
    own = network.run(feeds, "uint8xint8+int32").layers[0]
    other = network.run(feeds, "uint8xint8+int32", scale="absmax").layers[0]
    assert own.scales["a"] != other.scales["a"]
    assert other.zero_points == {"a": 0, "b": 0}


# --- whole networks -------------------------------------------------------------------------------
def quantized_digits(folder: Path, **options: Any) -> tuple[onnx.ModelProto, Any]:
    """digits-cnn as ONNX Runtime's own quantizer writes it, and its evaluation images."""
    digits = shipped("digits-cnn")
    network = Network.load(digits.model)
    (name,) = network.inputs
    images = network.data(digits.calibration).inputs[name]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = iter([{name: images}])

        def get_next(self) -> Any:
            return next(self.batches, None)

    file = str(folder / "quantized.onnx")
    if "activation_type" in options:
        quantize_static(str(digits.model), file, Reader(), **options)
    else:
        quantize_dynamic(str(digits.model), file, **options)
    model = onnx.load(file)
    model.ir_version = min(model.ir_version, 10)
    return model, {name: network.data(digits.evaluation).inputs[name][:100]}


TYPES = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
SIGNED = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}


@pytest.mark.filterwarnings("ignore")  # the quantizer's own
@pytest.mark.parametrize("options", [TYPES | {"per_channel": True}, TYPES, SIGNED], ids=str)
def test_a_network_from_onnx_runtimes_quantizer(tmp_path: Path, options: dict[str, Any]) -> None:
    """QDQ, static: every layer integer, every logit ONNX Runtime's, at ORT_ENABLE_EXTENDED."""
    model, feeds = quantized_digits(tmp_path, quant_format=QuantFormat.QDQ, **options)
    report = Network.load(model).run(feeds, "int8xint8+int32", verify=5)
    want = runtime(model, feeds, "ORT_ENABLE_EXTENDED")["logits"]
    np.testing.assert_array_equal(report.outputs["logits"], want)
    assert [layer.op for layer in report.layers] == ["Conv", "Conv", "Conv", "Gemm", "Gemm"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", [QuantType.QUInt8, QuantType.QInt8])
def test_a_dynamically_quantized_network(tmp_path: Path, weights: Any) -> None:
    """DynamicQuantizeLinear, ConvInteger, MatMulInteger: a scale holds for all that one call
    sees, so the samples go in together, as they do in ONNX Runtime."""
    model, feeds = quantized_digits(tmp_path, weight_type=weights)
    report = Network.load(model).run(feeds, "int8xint8+int32", verify=5)
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_EXTENDED"):
        want = runtime(model, feeds, level)["logits"]
        np.testing.assert_array_equal(report.outputs["logits"], want)
    assert {layer.op for layer in report.layers} == {"ConvInteger", "MatMulInteger"}
