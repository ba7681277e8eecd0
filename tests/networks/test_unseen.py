"""Dot products spelt with elementwise operators are named: they run on no unit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from hwsim.networks import NativeProductWarning, Network
from tests.networks.models import GraphBuilder

INPUTS: dict[str, list[Any]] = {"x": ["N", 3, 4], "y": ["N", 3, 4]}


def load(graph: GraphBuilder, outputs: list[str], opset: int = 13) -> Network:
    graph.node("MatMul", ["x", graph.weight("layer", 4, 4)], "m", "fc")
    return Network.load(graph.model(INPUTS, dict.fromkeys([*outputs, "m"]), opset))


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean"])
@pytest.mark.parametrize("right", ["y", "w"], ids=["activations", "weights"])
def test_dot_product_is_warned_of(graph: GraphBuilder, op: str, right: str) -> None:
    graph.weight("w", 4)
    graph.node("Mul", ["x", right], "p", "products")
    graph.node(op, ["p"], "s", keepdims=0)
    with pytest.warns(NativeProductWarning, match=r"products of products.*MatMul or Einsum"):
        network = load(graph, ["s"])
    assert network.native_products == ("products",)
    feeds = {name: np.ones((2, 3, 4), np.float32) for name in network.inputs}
    report = network.run(feeds, "fp32xfp32+exact")
    assert report.native_products == ("products",)
    assert report.to_dict()["native_products"] == ["products"]
    assert "on no unit: the products of products" in report._repr_html_()


def quiet(graph: GraphBuilder, *outputs: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(graph, list(outputs)).native_products == ()


def test_squares_are_norms(graph: GraphBuilder) -> None:
    graph.node("Mul", ["x", "x"], "p")
    graph.node("ReduceSum", ["p"], "s")
    quiet(graph, "s")


def test_a_scale_is_no_dot_product(graph: GraphBuilder) -> None:
    graph.node("Mul", ["x", graph.weight("half", values=np.float32(0.5))], "p")
    graph.node("ReduceSum", ["p"], "s")
    quiet(graph, "s")


def test_products_that_are_used_themselves(graph: GraphBuilder) -> None:
    graph.node("Mul", ["x", "y"], "p")
    graph.node("ReduceSum", ["p"], "s")
    quiet(graph, "s", "p")


def test_products_of_constants_are_folded(graph: GraphBuilder) -> None:
    graph.node("Mul", [graph.weight("a", 4), graph.weight("b", 4)], "p")
    graph.node("ReduceSum", ["p"], "s")
    quiet(graph, "s")


def test_inside_a_branch(graph: GraphBuilder) -> None:
    def branch(name: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Mul", ["x", "y"], [f"{name}.p"], f"{name}.products"),
            helper.make_node("ReduceSum", [f"{name}.p"], [name]),
        ]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, 1, None)])

    graph.node("ReduceMax", ["x"], "top", keepdims=0)
    graph.node("Greater", ["top", graph.weight("zero", values=np.float32(0))], "positive")
    graph.node("If", ["positive"], "s", then_branch=branch("a"), else_branch=branch("b"))
    with pytest.warns(NativeProductWarning):
        assert set(load(graph, ["s"]).native_products) == {"a.products", "b.products"}
