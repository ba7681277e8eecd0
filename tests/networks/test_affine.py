"""Zero points in float networks: codes, corrections and results, computed apart in NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwsim.cli.sources import SCALES
from hwsim.formats import IntFormat, parse_format
from hwsim.networks import LayerError, ModelError, Network, run, shipped
from hwsim.networks.scales import RULES, scale_and_zero_point
from tests.networks.models import GraphBuilder
from tests.networks.quantized_models import runtime

MAC = "uint8xint8+int32"


# --- the rule -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "low", "high", "rule", "expected"),
    [
        ("uint8", 0.0, 510.0, "auto", (2.0, 0)),
        ("uint8", -255.0, 0.0, "auto", (1.0, 255)),
        ("uint8", -100.0, 155.0, "auto", (1.0, 100)),
        ("uint8", 100.0, 510.0, "auto", (2.0, 0)),  # 0 always has a code
        ("uint8", 0.0, 0.0, "auto", (1.0, 0)),
        ("uint4", -1.0, 14.0, "auto", (1.0, 1)),
        ("int8", -1.0, 254.0, "affine", (1.0, -127)),
        ("int8", -1.0, 254.0, "auto", (2.0, 0)),
        ("int8_sym", -127.0, 127.0, "affine", (1.0, 0)),
        ("uint8", -3.0, 510.0, "absmax", (2.0, 0)),
        ("e4m3", -100.0, 1.0, "affine", (8.0, 0)),
        ("uint8", -3.0, 5.0, (0.5, 7), (0.5, 7)),
        ("fp16", -3.0, 5.0, (0.5, 0), (0.5, 0)),
    ],
)
def test_scale_and_zero_point(name: str, low: float, high: float, rule: Any, expected: Any) -> None:
    assert scale_and_zero_point(parse_format(name), low, high, rule) == expected


def test_both_ends_of_the_range_have_codes() -> None:
    """Within half a step, for every range; zero is exact."""
    rng = np.random.default_rng(0)
    for low, high in np.sort(
        rng.standard_normal((500, 2)) * 10.0 ** rng.integers(-30, 30, (500, 1))
    ):
        for fmt in (IntFormat(8, signed=False), IntFormat(4, signed=False), IntFormat(8)):
            scale, zero = scale_and_zero_point(fmt, float(low), float(high), "affine")
            assert fmt.lowest <= zero <= fmt.largest
            for x in (low, high):
                code = np.rint(x / scale) + zero
                assert fmt.lowest - 1 <= code <= fmt.largest + 1


@pytest.mark.parametrize("rule", [(1.0, 256), (1.0, 1.5), (0.0, 1), (1.0,), (1.0, True)], ids=str)
def test_bad_pairs(rule: Any) -> None:
    with pytest.raises(ModelError, match="scale="):
        scale_and_zero_point(parse_format("uint8"), 0.0, 1.0, rule)
    with pytest.raises(ModelError, match="no value of an integer format fp16"):
        scale_and_zero_point(parse_format("fp16"), 0.0, 1.0, (1.0, 1))


def test_the_command_line_knows_every_rule() -> None:
    assert set(SCALES) == set(RULES)


# --- layers, against NumPy ------------------------------------------------------------------------
def draw(*shape: int, seed: int = 0, shift: float = 0.7) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) + shift).astype(np.float32)


def centred(x: Any, scale: float, zero: int, mac: str, key: str) -> Any:
    """code − zero point of every element, in int64."""
    fmt = parse_format(mac.split("+")[0].split("x")["ab".index(key)])
    codes = np.clip(np.rint(x.astype(np.float64) / scale) + zero, int(fmt.lowest), int(fmt.largest))
    return codes.astype(np.int64) - zero


def both(report: Any, a: Any, b: Any, mac: str) -> tuple[Any, Any, float]:
    layer = report.layers[0]
    found = [
        centred(x, layer.scales[key], layer.zero_points[key], mac, key)
        for key, x in (("a", a), ("b", b))
    ]
    return found[0], found[1], layer.scales["a"] * layer.scales["b"]


MACS = ["uint8xint8+int32", "uint8xuint8+int32", "int8xuint8+int24:saturate", "uint4xint8+int17"]


@pytest.mark.parametrize("mac", MACS)
def test_gemm(graph: GraphBuilder, mac: str) -> None:
    graph.node("Gemm", ["x", graph.weight("w", 5, 12), graph.weight("c", 5)], "y", transB=1)
    model, x = graph.model({"x": ["N", 12]}, {"y": None}), draw(7, 12)
    report = run(model, {"x": x}, mac, verify=6)
    w, c = (numpy_helper.to_array(t) for t in graph.weights)
    a, b, scale = both(report, x, w, mac)
    assert report.layers[0].zero_points["a" if mac[0] == "u" else "b"] != 0
    want = ((a @ b.T) * scale).astype(np.float32) + c
    np.testing.assert_array_equal(report.outputs["y"], want)


@pytest.mark.parametrize("mac", MACS)
def test_matmul_of_activations(graph: GraphBuilder, mac: str) -> None:
    graph.node("MatMul", ["x", "z"], "y")
    model = graph.model({"x": ["N", 2, 6, 9], "z": ["N", 1, 9, 4]}, {"y": None})
    feeds = {"x": draw(5, 2, 6, 9), "z": draw(5, 1, 9, 4, seed=1, shift=-0.4)}
    report = run(model, feeds, mac, verify=6, scale="affine")
    a, b, scale = both(report, *feeds.values(), mac)
    np.testing.assert_array_equal(report.outputs["y"], ((a @ b) * scale).astype(np.float32))


def naive_conv(x: Any, w: Any, groups: int, stride: int) -> Any:
    """Padded by one on every side."""
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    share, depth = len(w) // groups, w.shape[1]
    parts = [
        np.einsum(
            "nchwij,cij->nhw", windows[:, o // share * depth : o // share * depth + depth], w[o]
        )
        for o in range(len(w))
    ]
    return np.stack(parts, axis=1)


@pytest.mark.parametrize("mac", MACS)
@pytest.mark.parametrize("groups", [1, 2])
def test_convolution(graph: GraphBuilder, mac: str, groups: int) -> None:
    graph.weight("w", 6, 4 // groups, 3, 3)
    graph.node(
        "Conv", ["x", "w", graph.weight("c", 6)], "y", group=groups, pads=[1] * 4, strides=[2, 2]
    )
    model, x = graph.model({"x": ["N", 4, 7, 8]}, {"y": None}), draw(3, 4, 7, 8)
    report = run(model, {"x": x}, mac, verify=6)
    w, c = (numpy_helper.to_array(t) for t in graph.weights)
    a, b, scale = both(report, x, w, mac)
    want = (naive_conv(a, b, groups, 2) * scale).astype(np.float32) + c[:, None, None]
    np.testing.assert_array_equal(report.outputs["y"], want)


@pytest.mark.parametrize("mac", MACS[:2])
def test_convolution_with_computed_weights(graph: GraphBuilder, mac: str) -> None:
    graph.node("Conv", ["x", "k"], "y", pads=[1] * 4)
    model = graph.model({"x": [1, 2, 6, 5], "k": [4, 2, 3, 3]}, {"y": None})
    feeds = {"x": draw(3, 2, 6, 5), "k": draw(12, 2, 3, 3, seed=3)}
    report = run(model, feeds, mac, verify=6)
    a, b, scale = both(report, *feeds.values(), mac)
    apart = [naive_conv(a[i : i + 1], b[4 * i : 4 * i + 4], 1, 1) for i in range(3)]
    want = (np.concatenate(apart) * scale).astype(np.float32)
    np.testing.assert_array_equal(report.outputs["y"].reshape(want.shape), want)


OPERATORS: list[tuple[str, dict[str, Any], tuple[int, ...], tuple[int, ...]]] = [
    ("ConvTranspose", {"strides": [2, 3], "pads": [1, 0, 0, 1]}, (4, 5, 6), (4, 3, 3, 2)),
    ("ConvTranspose", {"group": 2, "dilations": [2]}, (4, 7), (4, 3, 2)),
    ("Conv", {"pads": [1, 0, 1, 1, 2, 0], "strides": [1, 2, 1]}, (2, 4, 5, 6), (3, 2, 2, 3, 2)),
    ("Conv", {"pads": [2, 1], "group": 2}, (4, 9), (6, 2, 3)),
    ("Einsum", {"equation": "nij,jk->nki"}, (4, 6), (6, 5)),
    ("Einsum", {"equation": "nij,kj->nik"}, (4, 6), (5, 6)),
]


@pytest.mark.parametrize("mac", MACS)
@pytest.mark.parametrize(("op", "attributes", "x_shape", "w_shape"), OPERATORS)
def test_every_operator_on_centred_codes(
    graph: GraphBuilder, mac: str, op: str, attributes: Any, x_shape: Any, w_shape: Any
) -> None:
    """ONNX Runtime on code − zero point, whole numbers that float32 adds exactly: every zero that
    pads, stuffs or fills is a zero of the real operand."""
    graph.node(op, ["x", graph.weight("w", *w_shape)], "y", **attributes)
    model, x = graph.model({"x": ["N", *x_shape]}, {"y": None}), draw(3, *x_shape)
    report = run(model, {"x": x}, mac, verify=6, scale="affine")
    (w,) = (numpy_helper.to_array(t) for t in graph.weights)
    a, b, scale = both(report, x, w, mac)
    assert 0 not in report.layers[0].zero_points.values()
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    whole.graph.initializer[0].CopyFrom(numpy_helper.from_array(b.astype(np.float32), "w"))
    sums = runtime(whole, {"x": a.astype(np.float32)})["y"]
    want = (sums.astype(np.float64) * scale).astype(np.float32)
    np.testing.assert_array_equal(report.outputs["y"], want)


@pytest.mark.parametrize("name", ["digits-cnn", "char-lm"])
def test_unsigned_codes_are_signed_ones_moved(name: str) -> None:
    """uint8 and affine int8 differ by 128 in codes and zero points, and in no bit of a result."""
    network, data = Network.load(shipped(name).model), shipped(name).evaluation
    inputs = {key: x[:12] for key, x in network.data(data).inputs.items()}
    unsigned = network.run(inputs, MAC, verify=2)
    signed = network.run(inputs, "int8xint8+int32", scale={"a": "affine"}, verify=2)
    for key, value in unsigned.outputs.items():
        assert signed.outputs[key].tobytes() == value.tobytes()
    for left, right in zip(unsigned.layers, signed.layers, strict=True):
        assert left.zero_points["a"] == right.zero_points["a"] + 128


def test_biases_in_the_sums(graph: GraphBuilder) -> None:
    """The correction and a bias that is a multiple of both scales."""
    graph.node(
        "Gemm",
        ["x", graph.weight("w", 12, 3), graph.weight("c", values=np.array([64.0, -8.0, 0.5]))],
        "y",
    )
    model, x = graph.model({"x": ["N", 12]}, {"y": None}), draw(5, 12)
    scale = {"a": (0.125, 100), "b": 0.0625}
    inside = run(model, {"x": x}, MAC, scale=scale, bias="acc", verify=4).outputs["y"]
    outside = run(model, {"x": x}, MAC, scale=scale).outputs["y"]
    np.testing.assert_array_equal(inside, outside)  # all of it fits float32


# --- what cannot be -------------------------------------------------------------------------------
def test_a_correction_beyond_a_saturating_accumulator_is_an_error(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", graph.weight("w", values=np.ones((40, 3)))], "y", "fc")
    model, x = graph.model({"x": ["N", 40]}, {"y": None}), draw(5, 40)
    with pytest.raises(LayerError, match=r"'fc'.*correction of its zero points.*int16.*absmax"):
        run(model, {"x": x}, "uint8xint8+int16:saturate")
    wraps = run(model, {"x": x}, "uint8xint8+int16", verify=5)  # the circle takes it
    assert wraps.layers[0].verified == 5
    run(model, {"x": x}, "uint8xint8+int16:saturate", scale="absmax")


def test_float_formats_have_no_zero_points(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", graph.weight("w", 4, 3)], "y")
    model, x = graph.model({"x": ["N", 4]}, {"y": None}), draw(5, 4)
    for mac in ("uint8xe4m3+fp32", "e4m3xuint8+fp32", "fp32xfp32+fp32"):
        for rule in ("auto", "affine"):
            layer = run(model, {"x": x}, mac, scale=rule).layers[0]
            assert layer.zero_points == {"a": 0, "b": 0}
    with pytest.raises(ModelError, match="integer formats of both"):
        run(model, {"x": x}, "uint8xe4m3+fp32", scale={"a": (1.0, 3)})


def test_nan_is_an_error_and_infinity_saturates(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", graph.weight("w", values=np.ones((2, 1)))], "y", "fc")
    model = graph.model({"x": ["N", 2]}, {"y": None})
    x = np.array([[-1.0, 4.0], [np.inf, -np.inf]], np.float32)
    extremes = np.array([[-1.0, 4.0], [4.0, -1.0]], np.float32)
    y = run(model, {"x": x}, MAC).outputs["y"]
    np.testing.assert_array_equal(y, run(model, {"x": extremes}, MAC).outputs["y"])
    with pytest.raises(LayerError, match=r"'fc'.*NaN"):
        run(model, {"x": np.array([[np.nan, 1.0]], np.float32)}, MAC, calibration={"x": x})


# --- reports and golden vectors -------------------------------------------------------------------
def test_reports_and_dumps_hold_zero_points(graph: GraphBuilder, tmp_path: Path) -> None:
    graph.weight("w", 6, 4, 3, 3)
    graph.node("Conv", ["x", "w"], "y", "conv", pads=[1] * 4)
    model, x = graph.model({"x": ["N", 4, 7, 8]}, {"y": None}), draw(3, 4, 7, 8)
    report = run(model, {"x": x}, MAC, dump=tmp_path / "v")
    flat = report.to_dict()["layers"][0]
    json.dumps(flat)
    assert flat["zero_point_b"] == 0
    zero = flat["zero_point_a"]
    with np.load(tmp_path / "v" / "conv.npz", allow_pickle=False) as dumped:
        assert int(dumped["a_zero_point"]) == zero > 0
        info = json.loads(str(dumped["info"]))
        assert info["padding"] == [[0, 0], [0, 0]]
        a = dumped["a_codes"].astype(np.int64)
        b = dumped["b_codes"].view(np.int8).astype(np.int64)
        assert (a[:, :, 0] == zero).all()
        sums = naive_conv(a, b, 1, 1)[:, :, 1:-1, 1:-1] + dumped["c"]
        np.testing.assert_array_equal(sums, dumped["results"])
        scaled = sums * (dumped["a_scale"] * dumped["b_scale"])
        np.testing.assert_array_equal(
            scaled.astype(np.float32), dumped["output"].reshape(sums.shape)
        )
