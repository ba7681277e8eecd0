"""Nodes whose products run on a MAC unit as layers: their operands and attributes, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from hwsim.errors import UnsupportedOperator
from hwsim.networks.einsum import Equation
from hwsim.networks.errors import ModelError
from hwsim.networks.graph import Graph
from hwsim.networks.quantized import CODES, Quantized, describe, operands
from hwsim.networks.runtime import Array, type_name

CARRIERS: dict[int, np.dtype[Any]] = {
    onnx.TensorProto.FLOAT: np.dtype(np.float32),
    onnx.TensorProto.FLOAT16: np.dtype(np.float16),
    onnx.TensorProto.DOUBLE: np.dtype(np.float64),
}


@dataclass(frozen=True)
class ConvAttributes:
    """Attributes of Conv or ConvTranspose (``transposed``, and the two fields after it) as ONNX
    defines them; empty tuples stand for the defaults."""

    auto_pad: str = "NOTSET"
    pads: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    group: int = 1
    transposed: bool = False
    output_padding: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class GemmAttributes:
    """Attributes of Gemm: Y = alpha·A'·B' + beta·C."""

    alpha: float = 1.0
    beta: float = 1.0
    transpose_a: bool = False
    transpose_b: bool = False


@dataclass(frozen=True)
class Layer:
    """A node whose products run on a MAC unit: operand ``a`` on the left, ``b`` on the right.

    a, b, bias, output : names of values; ``bias`` is empty where there is none.
    weights : the values of those that are constants.  dtype : of the ONNX tensors; the result's
    where ``quantized`` says that they are codes.  rectified : whether ``output`` is what a Relu
    makes of the result.
    """

    name: str
    op: str
    index: int
    a: str
    b: str
    bias: str
    output: str
    dtype: np.dtype[Any]
    conv: ConvAttributes | None = None
    gemm: GemmAttributes | None = None
    einsum: Equation | None = None
    quantized: Quantized | None = None
    rectified: bool = False
    weights: dict[str, Array] = field(default_factory=dict, hash=False, compare=False)

    @property
    def activations(self) -> dict[str, str]:
        """The operands that are computed at run time: operand → name of the value."""
        operands = {"a": self.a, "b": self.b}
        return {key: name for key, name in operands.items() if name not in self.weights}

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of everything that is read to run the layer."""
        parameters = self.quantized.parameters if self.quantized else ()
        return tuple(name for name in (self.a, self.b, self.bias, *parameters) if name)


def make_layer(graph: Graph, index: int, node: onnx.NodeProto) -> Layer:
    """The layer of a simulated node; UnsupportedOperator where no unit can run it."""
    a, b, bias = operands(node)
    quantized = describe(node, graph.types)
    element = graph.element_type(node.output[0])
    dtype = _dtype(graph, node, element, quantized)
    given = {x.name: helper.get_attribute_value(x) for x in node.attribute}
    layer = Layer(
        node.name,
        node.op_type,
        index,
        a,
        b,
        bias,
        node.output[0],
        dtype,
        _conv(graph, node, given) if "Conv" in node.op_type else None,
        _gemm(given) if node.op_type == "Gemm" else None,
        _einsum(node, given) if node.op_type == "Einsum" else None,
        quantized,
    )
    weights = {n: w for n in layer.reads if (w := graph.constant(n)) is not None}
    if quantized:
        weights = {name: _plain(w) for name, w in weights.items()}
    return replace(layer, weights=weights)


def _dtype(
    graph: Graph, node: onnx.NodeProto, element: int, quantized: Quantized | None
) -> np.dtype[Any]:
    """Dtype of the result; UnsupportedOperator where operands or result have no place in NumPy."""
    if quantized is None:
        if element in CARRIERS:
            return CARRIERS[element]
        kind = type_name(element)
        advice = "convert the model to float32 (float16 and double run too)"
        raise UnsupportedOperator(node.name, f"{node.op_type} on {kind}", advice)
    for name in operands(node)[:2]:
        if graph.element_type(name) not in CODES:
            kind = type_name(graph.element_type(name))
            operator = f"{node.op_type} on {kind}"
            raise UnsupportedOperator(node.name, operator, "only integer codes are")
    return np.dtype(helper.tensor_dtype_to_np_dtype(element))


def _plain(array: Array) -> Array:
    """The array, in int8 where its type is a packed one of 4 or 2 bits."""
    return array.astype(np.int8) if array.dtype.kind == "V" else array


def _conv(graph: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> ConvAttributes:
    rank = _rank(graph, node)
    if rank is not None and rank not in (3, 4, 5):
        operator = f"{node.op_type} with {rank - 2} spatial axes"
        raise UnsupportedOperator(node.name, operator, "only one to three axes are")
    pads = tuple(given.get("pads", ()))
    if any(pad < 0 for pad in pads):
        operator = f"{node.op_type} with pads={list(pads)}"
        raise UnsupportedOperator(node.name, operator, "crop or pad with an operator of its own")
    return ConvAttributes(
        given.get("auto_pad", b"NOTSET").decode(),
        pads,
        tuple(given.get("strides", ())),
        tuple(given.get("dilations", ())),
        given.get("group", 1),
        node.op_type == "ConvTranspose",
        tuple(given.get("output_padding", ())),
        tuple(given.get("output_shape", ())),
    )


def _rank(graph: Graph, node: onnx.NodeProto) -> int | None:
    """Number of axes of a Conv's operands, if it is known before running."""
    if "kernel_shape" in (names := {x.name: x for x in node.attribute}):
        return len(names["kernel_shape"].ints) + 2
    a, b, _ = operands(node)
    if b in graph.constants:
        return len(graph.constants[b].dims)
    for name in (a, b):
        kind = graph.types[name].tensor_type
        if kind.HasField("shape"):
            return len(kind.shape.dim)
    return None


def _einsum(node: onnx.NodeProto, given: dict[str, Any]) -> Equation:
    try:
        return Equation.parse(given["equation"].decode())
    except ValueError as error:
        raise ModelError(f"node {node.name!r}: {error}") from error


def _gemm(given: dict[str, Any]) -> GemmAttributes:
    return GemmAttributes(
        float(given.get("alpha", 1.0)),
        float(given.get("beta", 1.0)),
        bool(given.get("transA", 0)),
        bool(given.get("transB", 0)),
    )
