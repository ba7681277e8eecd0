"""Functions, the model's own and the standard's, are written out: their products show."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from hwsim.errors import UnsupportedOperator
from hwsim.networks import Network
from tests.networks.models import GraphBuilder
from tests.networks.test_equivalence import NEWEST, UNIT, agree, images

pytestmark = pytest.mark.usefixtures("exact")


@pytest.mark.parametrize("opset", range(23, NEWEST + 1))
def test_attention_operator_is_inlined(graph: GraphBuilder, opset: int) -> None:
    graph.node("Attention", ["q", "k", "v"], "y", "attention", q_num_heads=2, kv_num_heads=2)
    shapes = {name: ["N", 4, 8] for name in "qkv"}
    feeds = {name: images(3, 4, 8, seed=i) for i, name in enumerate("qkv")}
    agree(graph.model(shapes, {"y": ["N", 4, 8]}, opset, 10), feeds, 2)


@pytest.mark.parametrize("opset", range(27, NEWEST + 1))
def test_causal_convolution(graph: GraphBuilder, opset: int) -> None:
    """A depthwise convolution of what was and is: y[c, t] = Σ_j w[c, j]·x[c, t − 2 + j]."""
    w = images(3, 1, 3, seed=2)
    graph.node("CausalConvWithState", ["x", graph.weight("w", values=w)], "y state", "causal")
    model = graph.model({"x": ["N", 3, 6]}, {"y": None, "state": None}, opset, 10)
    x = images(4, 3, 6)
    report = Network.load(model).run({"x": x}, UNIT)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 0)))
    want = sum(w[:, 0, j, None] * padded[:, :, j : j + 6] for j in range(3))
    np.testing.assert_allclose(report.outputs["y"], want, atol=1e-6)
    np.testing.assert_array_equal(report.outputs["state"], x[:, :, -2:])
    assert [layer.op for layer in report.layers] == ["Conv"]


def dense_function(opset: int) -> onnx.FunctionProto:
    inner = [
        helper.make_node("MatMul", ["a", "w"], ["t"], "product"),
        helper.make_node("Relu", ["t"], ["b"]),
    ]
    return helper.make_function(
        "mine", "Dense", ["a", "w"], ["b"], inner, [helper.make_opsetid("", opset)]
    )


def test_nested_local_functions_are_inlined(graph: GraphBuilder) -> None:
    body = [
        helper.make_node("Dense", ["a", "w"], ["t"], domain="mine"),
        helper.make_node("Dense", ["t", "w"], ["b"], domain="mine"),
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    twice = helper.make_function("mine", "Twice", ["a", "w"], ["b"], body, opsets)
    graph.weight("w", 5, 5)
    graph.node("Twice", ["x", "w"], "h", domain="mine")
    graph.node("Dense", ["h", "w"], "y", domain="mine")
    functions = [dense_function(17), twice]
    model = graph.model({"x": ["N", 5]}, {"y": ["N", 5]}, functions=functions, domains=["mine"])
    report = agree(model, {"x": images(4, 5)}, 3)
    assert len({layer.name for layer in report.layers}) == 3


def test_local_function_with_attributes(graph: GraphBuilder) -> None:
    """The calls' attributes reach the operators of the body, and their defaults."""
    conv = helper.make_node("Conv", ["a", "w"], ["t"])
    for name, kind in (("strides", "INTS"), ("group", "INT")):
        attribute = onnx.AttributeProto(name=name, ref_attr_name=name)
        attribute.type = getattr(onnx.AttributeProto, kind)
        conv.attribute.append(attribute)
    body = [conv, helper.make_node("ConvTranspose", ["t", "v"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function(
        "mine", "Neck", ["a", "w", "v"], ["b"], body, opsets, attributes=["strides", "group"]
    )
    graph.weight("w", 4, 2, 3, 3)
    graph.weight("v", 4, 4, 2, 2)
    graph.node("Neck", ["x", "w", "v"], "h", domain="mine", strides=[2, 1], group=2)
    graph.node("Neck", ["h", "w", "v"], "y", domain="mine", strides=[1, 1], group=2)
    shapes: dict[str, list[Any]] = {"x": ["N", 4, 9, 9]}
    model = graph.model(shapes, {"y": None}, functions=[function], domains=["mine"])
    agree(model, {"x": images(3, 4, 9, 9)}, 4)


def test_product_in_a_function_in_a_branch(graph: GraphBuilder) -> None:
    def branch(name: str) -> onnx.GraphProto:
        node = helper.make_node("Dense", ["x", "w"], [name], domain="mine")
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, 1, None)])

    graph.weight("w", 5, 5)
    graph.weight("yes", values=np.array(True))
    graph.node("If", ["yes"], "y", then_branch=branch("a"), else_branch=branch("b"))
    functions = [dense_function(17)]
    model = graph.model({"x": [4, 5]}, {"y": None}, functions=functions, domains=["mine"])
    with pytest.raises(UnsupportedOperator, match=r"MatMul.*inside an If, Loop or Scan"):
        Network.load(model)


def test_local_function_of_another_opset_is_converted(graph: GraphBuilder) -> None:
    graph.node("Dense", ["x", graph.weight("w", 5, 5)], "y", domain="mine")
    functions = [dense_function(13)]
    model = graph.model({"x": ["N", 5]}, {"y": ["N", 5]}, functions=functions, domains=["mine"])
    agree(model, {"x": images(4, 5)}, 1)
