"""With an exact float32 unit the whole network gives ONNX Runtime's outputs, whatever its shape.

ONNX Runtime on the untouched model is the oracle; the unit is a float64 stand-in that shares no
code with hwsim, so what is tested is everything around the unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from hwsim.networks import Network
from tests.networks.models import GraphBuilder
from tests.networks.stub import ExactEngine

UNIT = "fp32xfp32+exact"
NEWEST = onnx.defs.onnx_opset_version()


pytestmark = pytest.mark.usefixtures("exact")


def runtime(model: onnx.ModelProto, feeds: dict[str, Any]) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # extended optimisations quantize the activations of MatMul after DequantizeLinear
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = min(copy.ir_version, 10)
    session = onnxruntime.InferenceSession(copy.SerializeToString(), options)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def agree(
    model: onnx.ModelProto, feeds: dict[str, Any], layers: int, tolerance: float = 1e-5
) -> Any:
    """Compare with ONNX Runtime; the model must be untouched and have ``layers`` layers."""
    before = model.SerializeToString()
    network = Network.load(model)
    assert len(network.layers) == layers
    report = network.run(feeds, UNIT)
    assert model.SerializeToString() == before
    for name, expected in runtime(model, feeds).items():
        got = report.outputs[name]
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max(), name
    for batch in (1, 2):
        again = network.run(feeds, UNIT, batch=batch)
        for name, value in report.outputs.items():
            assert again.outputs[name].tobytes() == value.tobytes(), (name, batch)
        assert [r.macs for r in again.layers] == [r.macs for r in report.layers]
        assert [(r.m, r.batch) for r in again.layers] == [(r.m, r.batch) for r in report.layers]
    return report


def images(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


CONVS: list[dict[str, Any]] = [
    {},
    {"pads": [1, 2, 0, 3]},
    {"strides": [2, 1], "pads": [1, 1, 1, 1]},
    {"dilations": [2, 3], "pads": [2, 3, 2, 3]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"auto_pad": "SAME_UPPER"},
    {"auto_pad": "VALID", "strides": [1, 2]},
    {"group": 2, "pads": [1, 1, 1, 1], "strides": [1, 2], "dilations": [1, 2]},
    {"group": 4},
]


@pytest.mark.parametrize("attributes", CONVS, ids=str)
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
def test_conv_2d(graph: GraphBuilder, attributes: dict[str, Any], bias: bool) -> None:
    graph.weight("w", 8, 4 // attributes.get("group", 1), 3, 2)
    inputs = ["x", "w", graph.weight("b", 8)] if bias else ["x", "w"]
    graph.node("Conv", inputs, "y", **attributes)
    model = graph.model({"x": ["N", 4, 9, 10]}, {"y": ["N", 8, "h", "w2"]})
    agree(model, {"x": images(3, 4, 9, 10)}, 1)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [2, 1], "strides": [2], "dilations": [2]},
        {"auto_pad": "SAME_LOWER", "strides": [3]},
        {"group": 4, "pads": [1, 0]},
    ],
    ids=str,
)
def test_conv_1d(graph: GraphBuilder, attributes: dict[str, Any]) -> None:
    graph.weight("w", 8, 4 // attributes.get("group", 1), 3)
    graph.node("Conv", ["x", "w", graph.weight("b", 8)], "y", **attributes)
    model = graph.model({"x": ["N", 4, 11]}, {"y": ["N", 8, "l"]})
    agree(model, {"x": images(5, 4, 11)}, 1)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 1.0), (1.0, -2.0), (0.3, 0.7)])
@pytest.mark.parametrize("trans", [(0, 0), (0, 1)])
def test_gemm(graph: GraphBuilder, alpha: float, beta: float, trans: tuple[int, int]) -> None:
    graph.weight("w", *((5, 7) if trans[1] else (7, 5)))
    inputs = ["x", "w", graph.weight("c", 5)]
    graph.node("Gemm", inputs, "y", alpha=alpha, beta=beta, transA=trans[0], transB=trans[1])
    agree(graph.model({"x": ["N", 7]}, {"y": ["N", 5]}), {"x": images(6, 7)}, 1)


@pytest.mark.parametrize("c", [(), (1,), (4,), (3, 1), (3, 4)], ids=str)
def test_gemm_transposed_left_with_broadcast_c(graph: GraphBuilder, c: tuple[int, ...]) -> None:
    graph.node("Gemm", ["x", "w", graph.weight("c", *c)], "y", transA=1)
    graph.weight("w", 6, 4)
    agree(graph.model({"x": [6, 3]}, {"y": [3, 4]}), {"x": images(6, 3)}, 1)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((6,), (6,)),
        ((6,), (6, 4)),
        ((5, 6), (6,)),
        ((5, 6), (6, 4)),
        ((3, 5, 6), (6, 4)),
        ((5, 6), (3, 6, 4)),
        ((2, 1, 5, 6), (3, 6, 4)),
        ((6,), (3, 6, 4)),
        ((3, 5, 6), (6,)),
    ],
    ids=str,
)
@pytest.mark.parametrize("weights", ["right", "left", "none"])
def test_matmul_shapes(
    graph: GraphBuilder, left: tuple[int, ...], right: tuple[int, ...], weights: str
) -> None:
    shapes = {"x": list(left), "w": list(right)}
    constant = {"right": "w", "left": "x"}.get(weights, "")
    if constant:
        graph.weight(constant, *shapes.pop(constant))
    graph.node("MatMul", ["x", "w"], "y")
    feeds = {name: images(*shape) for name, shape in shapes.items()}
    agree(graph.model(shapes, {"y": None}), feeds, 1)


@pytest.mark.parametrize("right", [(7, 4), (3, 7, 4), (1, 7, 4), (7,)], ids=str)
def test_matmul_of_samples(graph: GraphBuilder, right: tuple[int, ...]) -> None:
    """A batch axis on the left only, on both sides, and a broadcast one."""
    graph.node("MatMul", ["x", graph.weight("w", *right)], "a")
    graph.node("MatMul", ["x", "x2"], "y")
    model = graph.model({"x": ["N", 3, 5, 7], "x2": ["N", 1, 7, 2]}, {"a": None, "y": None})
    report = agree(model, {"x": images(4, 3, 5, 7), "x2": images(4, 1, 7, 2)}, 2)
    assert report.layers[1].macs == 4 * 3 * 5 * 7 * 2


def test_conv_with_computed_weights(graph: GraphBuilder) -> None:
    """Both operands of a convolution depend on the sample."""
    graph.node("Reshape", ["k", graph.weight("shape", values=np.array([4, 2, 3, 3]))], "w")
    graph.node("ReduceMean", ["k"], "bias", axes=[0, 2], keepdims=0)
    graph.node("Conv", ["x", "w", "bias"], "y", group=2, pads=[1, 0, 1, 0], strides=[2, 1])
    model = graph.model({"x": [1, 4, 6, 5], "k": [1, 4, 18]}, {"y": None})
    feeds = {"x": images(3, 4, 6, 5), "k": images(3, 4, 18)}
    network = Network.load(model)
    got = network.run(feeds, UNIT)
    apart = [runtime(model, {n: a[i : i + 1] for n, a in feeds.items()})["y"] for i in range(3)]
    np.testing.assert_allclose(got.outputs["y"], np.concatenate(apart), atol=1e-5)
    assert got.layers[0].macs == network.run(feeds, UNIT, batch=1).layers[0].macs
    assert got.layers[0].batch == 2 * 3


def residual_network(graph: GraphBuilder, opset: int) -> onnx.ModelProto:
    """Conv, BatchNormalization, pooling, residual, Flatten, Gemm, Softmax."""
    for name in ("scale", "var"):
        graph.weight(name, values=np.array([0.5, 1.5, 1.0, 2.0], np.float32))
    graph.weight("shift", 4)
    graph.weight("mean", 4)
    graph.node("Conv", ["x", graph.weight("w1", 4, 3, 3, 3)], "c1", pads=[1, 1, 1, 1])
    graph.node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], "bn")
    graph.node("Relu", ["bn"], "r")
    graph.node("Conv", ["r", graph.weight("w2", 4, 4, 1, 1), graph.weight("b2", 4)], "c2")
    graph.node("Add", ["c2", "r"], "sum")
    graph.node("MaxPool", ["sum"], "pool", kernel_shape=[2, 2], strides=[2, 2])
    graph.node("GlobalAveragePool", ["pool"], "gap")
    graph.node("Flatten", ["gap"], "flat")
    graph.node("Gemm", ["flat", graph.weight("w3", 6, 4), graph.weight("b3", 6)], "g", transB=1)
    graph.node("Softmax", ["g"], "y", axis=1)
    ir_version = 4 if opset < 12 else 8
    return graph.model({"x": ["N", 3, 8, 8]}, {"y": ["N", 6], "c2": None}, opset, ir_version)


@pytest.mark.parametrize("opset", range(9, NEWEST + 1))
def test_residual_network_in_every_opset(graph: GraphBuilder, opset: int) -> None:
    model = residual_network(graph, opset)
    agree(model, {"x": images(5, 3, 8, 8)}, 3)


def test_initializers_listed_as_inputs(graph: GraphBuilder) -> None:
    """IR version 3 demands it; they are weights all the same."""
    model = residual_network(graph, 9)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    assert Network.load(model).inputs == ("x",)
    agree(model, {"x": images(5, 3, 8, 8)}, 3)


def test_weights_of_every_origin(graph: GraphBuilder) -> None:
    """A Constant node, DequantizeLinear, a Transpose of a shared initializer: all are weights."""
    shared = graph.weight("shared", 6, 6)
    constant = numpy_helper.from_array(images(6, 6), "value")
    graph.node("Constant", [], "w1", value=constant)
    graph.node("Transpose", [shared], "w2")
    graph.weight("q", values=np.arange(-18, 18, dtype=np.int8).reshape(6, 6))
    graph.weight("q.scale", values=np.array(0.05, np.float32))
    graph.weight("q.zero", values=np.array(3, np.int8))
    graph.node("DequantizeLinear", ["q", "q.scale", "q.zero"], "w3")
    for i, weight in enumerate(["w1", "w2", "w3", shared]):
        graph.node("MatMul", ["x" if i == 0 else f"r{i - 1}", weight], f"m{i}")
        graph.node("Tanh", [f"m{i}"], f"r{i}")
    model = graph.model({"x": ["N", 6]}, {"r3": ["N", 6], "m0": ["N", 6]})
    agree(model, {"x": images(7, 6)}, 4)
    layers = Network.load(model).plan.layers
    assert all(list(layer.weights) == [layer.b] for layer in layers)
    steps = (np.arange(-18, 18) - 3).astype(np.float32).reshape(6, 6)
    np.testing.assert_array_equal(layers[2].weights["w3"], steps * np.float32(0.05))


def test_omitted_optional_inputs(graph: GraphBuilder) -> None:
    graph.node("Conv", ["x", graph.weight("w", 4, 2, 3, 3), ""], "c")
    graph.node("Clip", ["c", "", graph.weight("top", values=np.array(0.5, np.float32))], "k")
    graph.node("Flatten", ["k"], "f")
    graph.node("Gemm", ["f", graph.weight("w2", 36, 3), ""], "y")
    agree(graph.model({"x": ["N", 2, 5, 5]}, {"y": ["N", 3]}), {"x": images(3, 2, 5, 5)}, 2)


def attention_block(graph: GraphBuilder, heads: int, opset: int) -> onnx.ModelProto:
    """LayerNormalization (primitive or not), attention by MatMuls, residual, GELU by Erf."""
    shape = graph.weight("heads", values=np.array([0, 6, heads, 8 // heads]))
    graph.weight("gain", 8)
    graph.weight("offset", 8)
    graph.node("LayerNormalization", ["x", "gain", "offset"], "n", axis=-1)
    for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        graph.node("MatMul", ["n", graph.weight(f"w{name}", 8, 8)], name)
        graph.node("Reshape", [name, shape], f"{name}.split")
        graph.node("Transpose", [f"{name}.split"], f"{name}.heads", perm=perm)
    graph.node("MatMul", ["q.heads", "k.heads"], "scores")
    graph.node("Softmax", ["scores"], "p", axis=-1)
    graph.node("MatMul", ["p", "v.heads"], "mix")
    graph.node("Transpose", ["mix"], "back", perm=[0, 2, 1, 3])
    graph.node("Reshape", ["back", graph.weight("flat", values=np.array([0, 6, 8]))], "joined")
    graph.node("MatMul", ["joined", graph.weight("wo", 8, 8)], "out")
    graph.node("Add", ["x", "out"], "res")
    graph.node("Erf", ["res"], "y")
    return graph.model({"x": ["N", 6, 8]}, {"y": ["N", 6, 8]}, opset)


@pytest.mark.parametrize("opset", [17, 20])
def test_attention(graph: GraphBuilder, opset: int) -> None:
    report = agree(attention_block(graph, 2, opset), {"x": images(5, 6, 8)}, 6)
    scores = next(r for r in report.layers if r.name == "MatMul_10")
    assert (scores.m, scores.k, scores.n, scores.batch) == (6, 4, 6, 5 * 2)


def test_outputs_that_are_inputs_constants_or_layers(graph: GraphBuilder) -> None:
    graph.node("Identity", ["x"], "same")
    graph.node("Add", [graph.weight("one", values=np.ones((1, 2), np.float32)), "one"], "two")
    graph.node("Gemm", ["x", graph.weight("w", 3, 2)], "y")
    graph.node("Relu", ["y"], "r")
    model = graph.model({"x": [4, 3]}, {"y": [4, 2], "same": [4, 3], "two": [1, 2], "r": [4, 2]})
    agree(model, {"x": images(4, 3)}, 1)


def test_branch_with_captured_values(graph: GraphBuilder) -> None:
    """An If whose branches read outer values stays native and lies in the right segment."""

    def branch(op: str) -> onnx.GraphProto:
        nodes = [helper.make_node(op, ["m", "x"], [f"{op}.out"])]
        return helper.make_graph(
            nodes, op, [], [helper.make_tensor_value_info(f"{op}.out", 1, None)]
        )

    graph.node("MatMul", ["x", graph.weight("w", 4, 4)], "m")
    graph.node("ReduceSum", ["x"], "s", keepdims=0)
    graph.node("Greater", ["s", graph.weight("zero", values=np.zeros((), np.float32))], "test")
    graph.node("If", ["test"], "i", then_branch=branch("Add"), else_branch=branch("Sub"))
    graph.node("MatMul", ["i", "w"], "y")
    agree(graph.model({"x": [3, 4]}, {"y": [3, 4]}), {"x": images(3, 4)}, 2)


@pytest.mark.parametrize(
    ("element", "dtype"), [(10, np.float16), (11, np.float64)], ids=["half", "double"]
)
def test_other_precisions(graph: GraphBuilder, element: int, dtype: Any) -> None:
    weights = np.random.default_rng(2).standard_normal((7, 5)).astype(dtype)
    graph.weights.append(numpy_helper.from_array(weights, "w"))
    graph.node("MatMul", ["x", "w"], "m")
    graph.node("Relu", ["m"], "y")
    model = graph.model({"x": ["N", 7]}, {"y": ["N", 5]}, element=element)
    agree(model, {"x": images(4, 7).astype(dtype)}, 1, 2e-3 if dtype is np.float16 else 1e-6)


@pytest.mark.parametrize("op", ["Softplus", "Elu", "Sin", "Log", "Mish"])
def test_batches_give_the_same_bits_where_onnxruntime_does_not(
    graph: GraphBuilder, op: str
) -> None:
    """ONNX Runtime rounds the last elements of these differently, so batches would show."""
    graph.node("MatMul", ["x", graph.weight("w", 5, 5)], "m")
    graph.node("Abs", ["m"], "a")
    graph.node(op, ["a"], "y")
    model = graph.model({"x": ["N", 5]}, {"y": ["N", 5]}, 18)
    network, x = Network.load(model), images(37, 5)
    whole = network.run({"x": x}, UNIT).outputs["y"]
    for batch in (1, 3, 16):
        assert network.run({"x": x}, UNIT, batch=batch).outputs["y"].tobytes() == whole.tobytes()


def test_a_model_that_mixes_samples_is_called_once(graph: GraphBuilder, exact: ExactEngine) -> None:
    """The first axis is time here: attention over it must not be cut."""
    graph.node("Transpose", ["x"], "t", perm=[1, 0])
    graph.node("MatMul", ["x", "t"], "s")
    graph.node("MatMul", ["s", "x"], "y")
    model = graph.model({"x": ["T", 4]}, {"y": ["T", 4]})
    report = agree(model, {"x": images(9, 4)}, 2)
    assert (report.layers[0].m, report.layers[0].n) == (9, 9)


def test_float32_rescaling_is_one_rounding(graph: GraphBuilder) -> None:
    """y = float32(float64(r)·(s_a·s_b)), then the bias in float32: exactly."""
    graph.node("Gemm", ["x", graph.weight("w", 6, 3), graph.weight("c", 3)], "y")
    network, x = Network.load(graph.model({"x": ["N", 6]}, {"y": ["N", 3]})), images(8, 6)
    report = network.run({"x": x}, UNIT, scale={"a": 0.3, "b": 0.7})
    w, c = (numpy_helper.to_array(t) for t in graph.weights)
    r = (x / np.float64(0.3) @ (w / np.float64(0.7))).astype(np.float32)
    want = (r.astype(np.float64) * (0.3 * 0.7)).astype(np.float32) + c
    assert report.outputs["y"].tobytes() == want.tobytes()
    assert report.layers[0].scales == {"a": 0.3, "b": 0.7}
