"""Inputs that a node leaves out though its operator needs them: ONNX's checker lets them pass, and
ONNX Runtime reads memory that is not there."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import defs

from hwsim.networks.errors import ModelError
from hwsim.networks.functions import standard_opset
from hwsim.networks.operators import domain, subgraphs


def check_omitted(model: onnx.ModelProto, name: str) -> None:
    """Raise ModelError for an input ``""`` that is not optional."""
    opset = standard_opset(model)
    bodies = [model.graph.node, *(function.node for function in model.functions)]
    for nodes in bodies:
        for node in _all_nodes(nodes):
            for i in _needed(node, opset):
                raise ModelError(
                    f"model {name}: node {node.name!r}: input {i} of {node.op_type} is left out, "
                    "and is not optional"
                )


def _all_nodes(nodes: object) -> Iterator[onnx.NodeProto]:
    """Nodes, and those of their bodies."""
    for node in nodes:  # type: ignore[attr-defined]
        yield node
        for graph in subgraphs(node):
            yield from _all_nodes(graph.node)


def _needed(node: onnx.NodeProto, opset: int) -> Iterator[int]:
    """Inputs that are left out and must not be."""
    if "" not in node.input or domain(node) != "":
        return
    try:
        formal = defs.get_schema(node.op_type, opset, "").inputs
    except defs.SchemaError:  # a local function, or what the checker has refused
        return
    for i, given in enumerate(node.input):
        if given == "" and formal:
            kind = formal[min(i, len(formal) - 1)].option
            if kind != defs.OpSchema.FormalParameterOption.Optional:
                yield i
