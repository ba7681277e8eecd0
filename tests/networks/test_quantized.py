"""ONNX's integer operators on integer units: ONNX Runtime's bits, and exact integer sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import hwsim
from hwsim.networks import LayerError, ModelError, Network, run
from tests.networks.quantized_models import NAMES, Builder, convolution, float32, pairs, runtime


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
    (3, {"pads": [1, 0, 1, 0, 1, 1], "strides": [1, 2, 1]}),
]


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
