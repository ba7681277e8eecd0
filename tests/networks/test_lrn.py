"""LRN spelt out: closer to its definition than ONNX Runtime's own, and inside a network."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from hwsim.networks import Network
from hwsim.networks.lrn import spelt_out
from tests.networks.models import GraphBuilder

ULPS = 6  # of float32: six operations round, two of them before a root


def run(nodes: list[onnx.NodeProto], x: np.ndarray, opset: int) -> np.ndarray:
    ends = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy")
    first, last = ends
    graph = helper.make_graph(nodes, "g", [first], [last])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {"x": x})[0])


def defined(x: np.ndarray, size: int, alpha: float, bias: float) -> np.ndarray:
    """The operator's formula in float64."""
    channels = x.shape[1]
    sides = [(0, 0), ((size - 1) // 2, size // 2)] + [(0, 0)] * (x.ndim - 2)
    squares = np.pad(x.astype(np.float64) ** 2, sides)
    mean = sum(squares[:, i : i + channels] for i in range(size)) / size
    return np.asarray(x / (np.float32(bias) + np.float32(alpha) * mean) ** 0.75)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=3, max_size=5),
    size=st.integers(1, 12),
    alpha=st.floats(0, 10, width=32),
    opset=st.sampled_from([9, 11, 13, 18, 22]),
    seed=st.integers(0, 999),
)
def test_spelt_out_is_the_definition(
    shape: list[int], size: int, alpha: float, opset: int, seed: int
) -> None:
    x = np.random.default_rng(seed).normal(0, 30, shape).astype(np.float32)
    node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=alpha, bias=2.0)
    nodes = spelt_out([node])
    assert all(part.op_type != "LRN" for part in nodes)
    wanted = defined(x, size, alpha, 2.0)
    error = np.abs(run(nodes, x, opset) - wanted)
    assert (error <= ULPS * np.spacing(np.abs(wanted).astype(np.float32))).all()


def test_other_exponents_stay() -> None:
    node = helper.make_node("LRN", ["x"], ["y"], size=3, beta=0.5)
    assert spelt_out([node]) == [node]


@pytest.mark.parametrize("count", [1, 3])
def test_a_network_with_lrn(graph: GraphBuilder, count: int) -> None:
    graph.node("Conv", ["x", graph.weight("w1", 6, 3, 3, 3)], "c1")
    graph.node("LRN", ["c1"], "n1", size=5, alpha=0.1)
    graph.node("Conv", ["n1", graph.weight("w2", 4, 6, 1, 1)], "y")
    network = Network.load(graph.model({"x": ["N", 3, 8, 8]}, {"y": None}))
    x = np.random.default_rng(1).standard_normal((count, 3, 8, 8)).astype(np.float32)
    got = network.run({"x": x}, "fp32xfp32+exact").outputs["y"]
    wanted = network.baseline({"x": x})["y"]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
