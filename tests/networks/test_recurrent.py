"""LSTM, GRU and RNN: ONNX Runtime's own kernels in float32, and a plain loop in all bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import hwsim
from hwsim.errors import UnsupportedOperator
from hwsim.networks import Network
from tests.networks.models import GraphBuilder

STEPS, SAMPLES, WIDTH, HIDDEN = 4, 3, 5, 6
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ROUGH = "e5m2xe5m2+e5m2"  # rounds every addition


def values(seed: int, *shape: int) -> Any:
    drawn = np.random.default_rng(seed).normal(size=shape)
    return np.asarray(hwsim.round(drawn, "e5m2"), np.float32)


def shapes(op: str, directions: int) -> dict[str, tuple[int, ...]]:
    rows = GATES[op] * HIDDEN
    state = (directions, SAMPLES, HIDDEN)
    return {
        "W": (directions, rows, WIDTH),
        "R": (directions, rows, HIDDEN),
        "B": (directions, 2 * rows),
        "initial_h": state,
        "initial_c": state,
        "P": (directions, 3 * HIDDEN),
    }


def model(
    graph: GraphBuilder, op: str, given: str = "", opset: int = 14, **attributes: Any
) -> onnx.ModelProto:
    """A recurrent node with weights, and with the optional inputs that ``given`` names."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    inputs = ["X", "W", "R", *(name if name in given.split() else "" for name in names[3:])]
    while not inputs[-1]:
        inputs.pop()
    for seed, (name, shape) in enumerate(shapes(op, directions).items()):
        if name in inputs:
            graph.weight(name, values=values(seed, *shape) / 2)
    if "sequence_lens" in inputs:
        graph.weight("sequence_lens", values=np.array([4, 2, 1], np.int32))
    outputs = "Y Y_h" + (" Y_c" if op == "LSTM" else "")
    graph.node(op, inputs, outputs, "cell", hidden_size=HIDDEN, **attributes)
    return graph.model(
        {"X": [STEPS, SAMPLES, WIDTH]},
        dict.fromkeys(outputs.split()),
        opset,
        4 if opset < 12 else 8,
    )


OPTIONS: list[tuple[str, str, dict[str, Any]]] = [
    (op, given, {"direction": direction})
    for op in GATES
    for given in ("", "B", "B sequence_lens initial_h")
    for direction in ("forward", "reverse", "bidirectional")
]
OPTIONS += [
    ("LSTM", "B initial_c initial_h P", {}),
    ("LSTM", "B sequence_lens P", {"direction": "bidirectional"}),
    ("LSTM", "B", {"input_forget": 1}),
    ("LSTM", "", {"activations": ["sigmoid", "Relu", "Softsign"]}),
    ("GRU", "B", {"linear_before_reset": 1}),
    ("GRU", "", {"linear_before_reset": 1, "direction": "bidirectional"}),
    ("RNN", "B", {"activations": ["Relu", "Softsign"], "direction": "bidirectional"}),
    *((op, "B", {"clip": 0.3}) for op in GATES),
]


def agrees(proto: onnx.ModelProto) -> None:
    """Every output is ONNX Runtime's to float32's error."""
    x = values(9, STEPS, SAMPLES, WIDTH)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    want = dict(zip((o.name for o in proto.graph.output), session.run(None, {"X": x}), strict=True))
    got = Network.load(proto).run({"X": x}, "fp32xfp32+exact").outputs
    assert set(got) == set(want)
    for name, expected in want.items():
        assert got[name].shape == expected.shape
        np.testing.assert_allclose(got[name], expected, rtol=0, atol=5e-7, err_msg=name)


@pytest.mark.parametrize(("op", "given", "attributes"), OPTIONS, ids=str)
def test_like_onnxruntime(
    graph: GraphBuilder, op: str, given: str, attributes: dict[str, Any]
) -> None:
    agrees(model(graph, op, given, **attributes))


@pytest.mark.parametrize("opset", [9, 11, 13, 22, onnx.defs.onnx_opset_version()])
@pytest.mark.parametrize("op", GATES)
def test_opsets(graph: GraphBuilder, op: str, opset: int) -> None:
    agrees(model(graph, op, "B sequence_lens initial_h", opset, direction="bidirectional"))


def product(a: Any, b: Any) -> Any:
    return np.asarray(hwsim.reference.matmul(a, b, ROUGH), np.float32)


def relu(x: Any) -> Any:
    return np.maximum(x, np.float32(0))


def split(gates: Any) -> list[Any]:
    return np.split(gates, gates.shape[-1] // HIDDEN, axis=-1)


def lstm_step(x: Any, h: Any, c: Any, r: Any, b: Any, p: Any) -> tuple[Any, Any]:
    total = x + product(h, r.T) + b[0] + b[1]
    i, o, f, g = split(total)
    p_i, p_o, p_f = split(p)
    i, f = relu(i + p_i * c), relu(f + p_f * c)
    c = f * c + i * relu(g)
    return relu(o + p_o * c) * relu(c), c


def gru_step(x: Any, h: Any, c: Any, r: Any, b: Any, p: Any) -> tuple[Any, Any]:
    both = slice(0, 2 * HIDDEN)
    zr = relu(x[:, both] + product(h, r[both].T) + b[0][both] + b[1][both])
    z, reset = split(zr)
    last = slice(2 * HIDDEN, None)
    new = relu(x[:, last] + (product(reset * h, r[last].T) + b[1][last]) + b[0][last])
    return (np.float32(1) - z) * new + z * h, c


def rnn_step(x: Any, h: Any, c: Any, r: Any, b: Any, p: Any) -> tuple[Any, Any]:
    return relu(x + product(h, r.T) + b[0] + b[1]), c


@pytest.mark.parametrize(
    ("op", "step", "relus"),
    [("LSTM", lstm_step, 3), ("GRU", gru_step, 2), ("RNN", rnn_step, 1)],
    ids=list(GATES),
)
def test_plain_loop(graph: GraphBuilder, op: str, step: Any, relus: int) -> None:
    """With Relu everywhere NumPy's float32 gives the native part's bits too."""
    given = "B initial_h initial_c P" if op == "LSTM" else "B initial_h"
    proto = model(graph, op, given, activations=["Relu"] * relus)
    weights = {t.name: onnx.numpy_helper.to_array(t)[0] for t in proto.graph.initializer}
    x = values(9, STEPS, SAMPLES, WIDTH)
    report = Network.load(proto).run({"X": x}, ROUGH, scale="none", verify=3)
    inputs = product(x.reshape(-1, WIDTH), weights["W"].T).reshape(STEPS, SAMPLES, -1)
    h, c = weights["initial_h"], weights.get("initial_c")
    b, p = np.split(weights["B"], 2), weights.get("P")
    for t in range(STEPS):
        h, c = step(inputs[t], h, c, weights["R"], b, p)
        assert report.outputs["Y"][t, 0].tobytes() == h.tobytes(), t
    assert report.outputs["Y_h"][0].tobytes() == h.tobytes()
    names = [layer.name for layer in report.layers]
    parts = ("/zr", "/h") if op == "GRU" else ("",)
    steps = [f"cell/step{t}{part}" for t in range(STEPS) for part in parts]
    assert names == ["cell/input", *steps]


def test_batchwise_layout(graph: GraphBuilder) -> None:
    """Samples first, which ONNX Runtime has no kernel for: the same numbers, turned."""
    plain = model(graph, "LSTM", "B initial_h initial_c", direction="bidirectional")
    x = values(9, STEPS, SAMPLES, WIDTH)
    want = Network.load(plain).run({"X": x}, ROUGH, scale="none").outputs
    turned = onnx.ModelProto()
    turned.CopyFrom(plain)
    turned.graph.node[0].attribute.append(onnx.helper.make_attribute("layout", 1))
    for tensor in turned.graph.initializer:
        if tensor.name.startswith("initial"):
            array = onnx.numpy_helper.to_array(tensor).transpose(1, 0, 2)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.copy(), tensor.name))
    turned.graph.input[0].CopyFrom(
        onnx.helper.make_tensor_value_info("X", 1, [SAMPLES, STEPS, WIDTH])
    )
    feeds = {"X": x.transpose(1, 0, 2).copy()}
    got = Network.load(turned).run(feeds, ROUGH, scale="none").outputs
    np.testing.assert_array_equal(got["Y"], want["Y"].transpose(2, 0, 1, 3))
    np.testing.assert_array_equal(got["Y_h"], want["Y_h"].transpose(1, 0, 2))
    np.testing.assert_array_equal(got["Y_c"], want["Y_c"].transpose(1, 0, 2))


def test_samples_of_a_network(graph: GraphBuilder) -> None:
    """Behind a Transpose, as exporters write it, samples stay apart in any batch."""
    graph.weight("W", values=values(1, 1, 3 * HIDDEN, WIDTH))
    graph.weight("R", values=values(2, 1, 3 * HIDDEN, HIDDEN))
    graph.node("Transpose", ["x"], "X", perm=[1, 0, 2])
    graph.node("GRU", ["X", "W", "R"], "Y Y_h", "cell", hidden_size=HIDDEN)
    graph.node("Squeeze", ["Y_h", graph.weight("zero", values=np.array([0]))], "h")
    network = Network.load(graph.model({"x": ["N", STEPS, WIDTH]}, {"h": ["N", HIDDEN]}))
    x = values(9, 7, STEPS, WIDTH)
    whole = network.run({"x": x}, ROUGH, batch=7)
    for batch in (1, 3):
        again = network.run({"x": x}, ROUGH, batch=batch)
        assert again.outputs["h"].tobytes() == whole.outputs["h"].tobytes()
        assert [layer.macs for layer in again.layers] == [layer.macs for layer in whole.layers]
    assert whole.layers[0].m == 7 * STEPS


@pytest.mark.parametrize("op", GATES)
def test_steps_share_their_weights(graph: GraphBuilder, op: str) -> None:
    layers = Network.load(model(graph, op, "B")).plan.layers
    steps = [layer for layer in layers if "step" in layer.name]
    weights = {id(layer.weights[layer.b]) for layer in steps}
    assert len(steps) == STEPS * len(weights)
    assert len(weights) == (2 if op == "GRU" else 1)


def test_unknown_length(graph: GraphBuilder) -> None:
    proto = model(graph, "LSTM")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "T"
    with pytest.raises(UnsupportedOperator, match=r"'cell'.*LSTM.*length of its sequence"):
        Network.load(proto)


def test_activations_with_parameters(graph: GraphBuilder) -> None:
    proto = model(graph, "RNN", activations=["LeakyRelu"], activation_alpha=[0.1])
    with pytest.raises(UnsupportedOperator, match=r"'cell'.*activation Leakyrelu.*Relu, Sigmoid"):
        Network.load(proto)


def test_names_stay_unique(graph: GraphBuilder) -> None:
    """A node and a value that are called like a step's parts."""
    graph.node("Identity", ["X"], "cell/value0", "cell/step0")
    proto = model(graph, "RNN", "B")
    proto.graph.output.append(onnx.helper.make_tensor_value_info("cell/value0", 1, None))
    assert Network.load(proto).layers[:2] == ("cell_/input", "cell_/step0")
