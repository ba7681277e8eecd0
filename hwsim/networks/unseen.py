"""Sums of products that a model spells with elementwise operators: Mul, then ReduceSum.

They run natively, since elementwise functions and reductions are not the MAC array's work; but
the author of such a model may have meant a dot product, so they are named and warned of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import onnx

from hwsim.networks.graph import Graph
from hwsim.networks.operators import first_output, label, subgraphs, uses

SUMS = ("ReduceSum", "ReduceMean")


class NativeProductWarning(UserWarning):
    """A dot product in a model runs natively, on no MAC unit."""


def native_products(graph: Graph) -> tuple[str, ...]:
    """Names of the Muls whose results go into sums and nowhere else.

    Squares (norms, variances) and products with a single constant are left out.
    """
    nodes = [node for _, node in graph.nodes]
    scalars = {name for name, tensor in graph.constants.items() if math.prod(tensor.dims) == 1}
    found = _found(nodes, graph.outputs, scalars)
    return tuple(node.name or first_output(node) for node in found)


def message(model: str, names: tuple[str, ...]) -> str:
    """What a warning says."""
    return (
        f"model {model}: the products of {', '.join(names)} are summed by ReduceSum or ReduceMean "
        "and run natively; to simulate them, write MatMul or Einsum"
    )


def _found(
    nodes: list[onnx.NodeProto], outputs: Iterable[str], scalars: set[str]
) -> Iterator[onnx.NodeProto]:
    readers: dict[str, list[str]] = {name: ["the model's output"] for name in outputs}
    for node in nodes:
        for name in uses(node):
            readers.setdefault(name, []).append(label(node))
    for node in nodes:
        if label(node) == "Mul" and node.input[0] != node.input[1]:
            sums = [reader in SUMS for reader in readers.get(node.output[0], ())]
            if sums and all(sums) and not scalars.intersection(node.input):
                yield node
        for body in subgraphs(node):
            inner = {value.name for value in body.output}
            yield from _found(list(body.node), inner, scalars)
