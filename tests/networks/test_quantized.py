"""ONNX's integer operators on integer units: ONNX Runtime's bits, and exact integer sums."""

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

import hwsim
from hwsim.networks import LayerError, ModelError, Network, run, shipped
from hwsim.networks import graph as graph_module
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
    ((5, 16), (16, 7), True),
    ((5, 16), (16, 7), False),
    ((3, 5, 16), (16, 7), False),
    ((3, 5, 16), (3, 16, 7), False),
    ((16,), (16, 7), False),
    ((5, 16), (16,), False),
]


@pytest.mark.parametrize("shapes", MATMULS, ids=str)
@pairs
def test_matmul_integer(left: Any, right: Any, shapes: Any) -> None:
    b = Builder(3)
    a_shape, b_shape, columns = shapes
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


def test_every_product_of_codes_near_every_tie() -> None:
    """All 65 536 pairs of codes as sums of one product, with scales that put many near a tie."""
    different = 0
    for seed in range(40):
        b = Builder(100 + seed)
        b.constant("b", np.arange(256, dtype=np.uint8)[None, :])
        names = ["a", *b.affine("a", np.uint8), "b", *b.affine("b", np.uint8)]
        y = b.affine("y", np.uint8)
        b.constants["y.scale"] = np.array(b.constants["a.scale"] * 100, float32)
        b.node("QLinearMatMul", [*names, *y], "y")
        model = b.model({"a": (np.uint8, [256, 1])}, {"y": np.uint8})
        feeds = {"a": np.arange(256, dtype=np.uint8)[:, None]}
        got = run(model, feeds, "int8xint8+int32").outputs["y"]
        np.testing.assert_array_equal(got, runtime(model, feeds)["y"])
        known = {name: x.astype(np.float64) for name, x in b.constants.items()}
        sums = (feeds["a"] - known["a.zero"]) * (known["b"] - known["b.zero"])
        once = sums * (known["a.scale"] * known["b.scale"] / known["y.scale"]) + known["y.zero"]
        different += np.count_nonzero(np.clip(np.rint(once), 0, 255) != got)
    assert different > 0  # float32's roundings are part of the definition


def test_both_operands_at_run_time() -> None:
    """Attention's products: activations on both sides, each with its own scale and zero point."""
    b = Builder(5)
    names = ["a", *b.affine("a", np.uint8), "b", *b.affine("b", np.uint8)]
    y = b.affine("y", np.uint8)
    b.constants["y.scale"] = np.array(0.4, float32)
    b.node("QLinearMatMul", [*names, *y], "y")
    model = b.model(
        {"a": (np.uint8, ["N", 3, 6, 8]), "b": (np.uint8, ["N", 3, 8, 5])}, {"y": np.uint8}
    )
    feeds = {"a": b.codes(np.uint8, 4, 3, 6, 8), "b": b.codes(np.uint8, 4, 3, 8, 5)}
    report = same(model, feeds, "int8xint8+int32")
    assert report.layers[0].batch == 12


CONVS: list[tuple[int, dict[str, Any]]] = [
    (2, {}),
    (2, {"pads": [1, 2, 0, 1], "strides": [2, 1], "dilations": [1, 2]}),
    (2, {"auto_pad": "SAME_UPPER", "strides": [2, 2], "group": 2}),
    (2, {"pads": [1, 1, 1, 1], "group": 4}),
    (1, {"pads": [2, 1], "strides": [2]}),
]


def convolution(b: Builder, op: str, axes: int, filters: bool, types: Any, **given: Any) -> Any:
    """A model of one QLinearConv (with a bias) or ConvInteger, and its feeds."""
    left, right = types
    groups, channels = given.get("group", 1), (8,) if filters else ()
    b.constant("w", b.codes(right, 8, 4 // groups, *(3, 2)[:axes]))
    x, w, y = b.affine("x", left), b.affine("w", right, *channels), b.affine("y", left)
    b.constants["y.scale"] = np.array(0.2, float32)
    if op == "ConvInteger":
        b.node(op, ["x", "w", x[1], w[1]], "y", name="conv", **given)
    else:
        bias = b.constant("bias", b.rng.integers(-20000, 20000, 8).astype(np.int32))
        b.node(op, ["x", *x, "w", *w, *y, bias], "y", name="conv", **given)
    image = (11, 9)[:axes]
    result = np.int32 if op == "ConvInteger" else left
    model = b.model({"x": (left, ["N", 4, *image])}, {"y": result}, 13)
    return model, {"x": b.codes(left, 5, 4, *image)}


@pytest.mark.parametrize("conv", CONVS, ids=str)
@pytest.mark.parametrize("filters", [False, True], ids=["tensor", "channel"])
@pairs
def test_qlinear_conv(left: Any, right: Any, filters: bool, conv: Any) -> None:
    model, feeds = convolution(
        Builder(6), "QLinearConv", conv[0], filters, (left, right), **conv[1]
    )
    for mac in (f"{NAMES[left]}x{NAMES[right]}+int32", "int8xint8+int32"):
        same(model, feeds, mac)


@pytest.mark.parametrize("conv", CONVS, ids=str)
def test_conv_integer(conv: Any) -> None:
    """uint8 alone: ONNX Runtime has no other kernel."""
    types = (np.uint8, np.uint8)
    model, feeds = convolution(Builder(7), "ConvInteger", conv[0], False, types, **conv[1])
    for mac in ("uint8xuint8+int32", "int8xint8+int32"):
        same(model, feeds, mac)


def test_dynamic_quantization_feeds_integer_layers() -> None:
    """Scales and zero points that differ from sample to sample, as their codes do."""
    b = Builder(8)
    b.constant("w", b.codes(np.int8, 12, 5))
    b.constant("k", b.codes(np.uint8, 2, 3, 3))
    b.constant("k.zero", np.array(7, np.uint8))
    b.constant("w.scale", np.array(0.02, float32))
    b.node("DynamicQuantizeLinear", ["x"], "q q.scale q.zero")
    b.node("MatMulInteger", ["q", "w", "q.zero"], "sums")
    b.node("Cast", ["sums"], "real", to=1)
    b.node("Mul", ["q.scale", "w.scale"], "step")
    b.node("Mul", ["real", "step"], "y")
    b.node("Unsqueeze", ["q", b.constant("axis", np.array([1]))], "image")
    b.constants["k"] = b.codes(np.uint8, 2, 1, 3)
    b.node("ConvInteger", ["image", "k", "q.zero", "k.zero"], "z", pads=[1, 1])
    model = b.model({"x": (float32, [1, 12])}, {"y": float32, "z": np.int32}, 13)
    x = (b.rng.normal(1, 1, (6, 12)) * np.arange(1, 7)[:, None]).astype(float32)
    network = Network.load(model)
    for mac in ("uint8xint8+int32", "int8xint8+int32"):
        report = network.run({"x": x}, mac, verify=4)
        apart = [runtime(model, {"x": x[i : i + 1]}) for i in range(6)]
        for name, value in report.outputs.items():
            want = np.concatenate([answer[name] for answer in apart])
            np.testing.assert_array_equal(value, want)


# --- the QDQ form ---------------------------------------------------------------------------------
def qdq(b: Builder, op: str, types: Any, *, columns: bool, bias: str, tail: str) -> Any:
    """DequantizeLinear → op → tail; bias: none, codes or floats."""
    left, right = types
    conv = op == "Conv"
    x_shape = (4, 9, 7) if conv else (16,)
    w = b.codes(right, *((6, 4, 3, 3) if conv else (16, 6)))
    b.constant("w", w)
    shape = (6,) if columns else ()
    x = b.affine("x", left)
    wq = b.affine("w", right, *shape, zero=0 if columns else None)
    y = b.affine("y", left, zero=None if "Relu" not in tail else np.iinfo(left).min)
    b.constants["y.scale"] = np.array(0.3, float32)
    inputs = [b.dequantized("x", x), b.dequantized("w", wq, axis=0 if conv else 1)]
    codes = b.rng.integers(-20000, 20000, 6).astype(np.int32)
    step = b.constants["x.scale"] * b.constants["w.scale"]
    if bias == "codes":
        b.constant("bias", codes)
        inputs.append(b.dequantized("bias", [b.constant("bias.scale", step)], axis=0))
    elif bias == "floats":
        inputs.append(b.constant("bias", ((codes + 0.3) * step).astype(float32)))
    b.node(op, inputs, "t", name="layer", **({"pads": [1, 2, 1, 2]} if conv else {}))
    last, kind = "t", float32
    if "Relu" in tail:
        last = b.node("Relu", [last], "r")
    if "Q" in tail:
        last, kind = b.node("QuantizeLinear", [last, *y], "q"), left
    model = b.model({"x": (left, ["N", *x_shape])}, {last: kind})
    return model, {"x": b.codes(left, 11, *x_shape)}


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


@pytest.mark.parametrize("zero", [0, 100])
def test_relu_before_the_quantization_is_a_clamp_at_its_zero_point(zero: int) -> None:
    b = Builder(21)
    b.constant("w", b.codes(np.int8, 16, 6))
    x, w = b.affine("x", np.uint8), b.affine("w", np.int8, zero=0)
    b.node("MatMul", [b.dequantized("x", x), b.dequantized("w", w)], "t", name="fc")
    b.node("Relu", ["t"], "r")
    y = b.affine("y", np.uint8, zero=zero)
    b.constants["y.scale"] = np.array(0.3, float32)
    b.node("QuantizeLinear", ["r", *y], "q")
    model = b.model({"x": (np.uint8, ["N", 16])}, {"q": np.uint8})
    feeds = {"x": b.codes(np.uint8, 50, 16)}
    report = run(model, feeds, "uint8xint8+int32:out=uint8:requant31")  # only a layer with codes
    plain = run(model, feeds, "uint8xint8+int32").outputs["q"]
    np.testing.assert_array_equal(plain, runtime(model, feeds)["q"])
    for got in (plain, report.outputs["q"]):
        assert got.min() == zero
        assert np.count_nonzero(got == zero) > 20


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
    layers = {layer.name: layer.quantized for layer in Network.load(model)._plan.layers}
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


# --- requantizing units ---------------------------------------------------------------------------
@pytest.mark.parametrize("filters", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize("requant", ["requant31/half-up/rna", "requant31/half-up", "requant15"])
@pytest.mark.parametrize("out", ["uint8", "int8"])
def test_requantizing_units(tmp_path: Any, filters: bool, requant: str, out: str) -> None:
    """The unit's own integers instead of float32: what `hwsim.reference.requantize` gives, and
    with 31 bits what ONNX Runtime gives, but for ties."""
    types = (np.uint8, np.int8)
    conv = {"pads": [1, 1, 1, 1], "group": 2}
    model, feeds = convolution(Builder(13), "QLinearConv", 2, filters, types, **conv)
    mac = f"uint8xint8+int32:out={out}:{requant}"
    report = run(model, feeds, mac, verify=6, dump=tmp_path / "v")
    got, (layer,) = report.outputs["y"], report.layers
    with np.load(tmp_path / "v" / "conv.npz") as v:
        names = ("multiplier", "shift", "result_zero_point", "low", "high")
        factor = hwsim.Rescaling(*(v[name] for name in names))
        want = hwsim.reference.requantize(v["sums"], mac, factor)
        np.testing.assert_array_equal(v["results"], want)
        free = hwsim.Rescaling(*(v[name] for name in names[:3]))
        wide = hwsim.requantize(v["sums"], mac.replace(f"out={out}", "out=int32"), free)
        clamped = np.count_nonzero((wide < v["low"]) | (wide > v["high"]))
    assert layer.telemetry.overflow_converted == clamped > 0
    np.testing.assert_array_equal(got, want + (128 if out == "int8" else 0))
    assert np.abs(got.astype(int) - runtime(model, feeds)["y"]).max() <= 1


def test_requantizing_units_need_codes_and_scales() -> None:
    b = Builder(14)
    b.constant("w", b.codes(np.int8, 6, 3).astype(float32))
    b.node("MatMul", ["x", "w"], "y", name="fc")
    model = b.model({"x": (float32, ["N", 6])}, {"y": float32})
    x = b.rng.normal(size=(4, 6)).astype(float32)
    with pytest.raises(ModelError, match=r"'fc'.*requantizes.*QLinearConv"):
        run(model, {"x": x}, "uint8xint8+int32:out=int8:requant31")
    model, feeds = convolution(Builder(13), "QLinearConv", 2, False, (np.uint8, np.int8))
    with pytest.raises(ModelError, match="int4 does not hold its result's codes"):
        run(model, feeds, "uint8xint8+int32:out=int4:requant31")


# --- accumulators that are too narrow -------------------------------------------------------------
def test_narrow_accumulators_wrap_and_saturate_as_the_unit_does() -> None:
    """The sums themselves go wrong, not the arithmetic around them."""
    model, feeds = convolution(Builder(15), "ConvInteger", 2, False, (np.uint8, np.uint8))
    exact = run(model, feeds, "int8xint8+int32").outputs["y"].astype(np.int64)
    wrapped = run(model, feeds, "int8xint8+int16", verify=9).outputs["y"]
    np.testing.assert_array_equal(wrapped, (exact + 2**15) % 2**16 - 2**15)
    assert (wrapped != exact).any()


def test_int32_results_wrap_as_onnx_says() -> None:
    """A wider accumulator does not show: ONNX's results have 32 bits."""
    b = Builder(16)
    b.constant("b", np.full((40000, 1), 255, np.uint8))
    b.node("MatMulInteger", ["a", "b"], "y")
    model = b.model({"a": (np.uint8, ["N", 40000])}, {"y": np.int32}, 13)
    feeds = {"a": np.full((2, 40000), 255, np.uint8)}
    y = same(model, feeds, "uint8xuint8+int64").outputs["y"]
    assert (y < 0).all()


def test_shapes_of_scales_are_checked() -> None:
    b = Builder(17)
    b.constant("b", b.codes(np.int8, 8, 3))
    names = [
        "a",
        *b.affine("a", np.uint8),
        "b",
        *b.affine("b", np.int8, 2),
        *b.affine("y", np.uint8),
    ]
    b.node("QLinearMatMul", names, "y", name="odd")
    model = b.model({"a": (np.uint8, ["N", 8])}, {"y": np.uint8})
    with pytest.raises((LayerError, ModelError), match=r"odd|QLinearMatMul"):
        run(model, {"a": b.codes(np.uint8, 4, 8)}, "uint8xint8+int32")


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
