"""Layers on integer codes: ONNX's quantized operators, and the QDQ form that stands for them.

    real value = scale · (code − zero point)

`recognise` turns DequantizeLinear → Conv, Gemm or MatMul (→ Relu) → QuantizeLinear into one node
of the domain `DOMAIN`, whose inputs are those of QLinearConv: a, its scale and zero point, b, its
scale and zero point, the result's scale and zero point, bias; an empty name is omitted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwsim.networks.operators import QDQ_DOMAIN, domain, label, uses

Nodes = list[tuple[int, onnx.NodeProto]]
SMALL: dict[int, tuple[int, int]] = {
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT8: (0, 255),
    TensorProto.INT16: (-(2**15), 2**15 - 1),
    TensorProto.UINT16: (0, 2**16 - 1),
}
PACKED: dict[int, tuple[int, int]] = {
    getattr(TensorProto, name): (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if name.startswith("I")
    else (0, (1 << bits) - 1)
    for name, bits in (("INT4", 4), ("UINT4", 4), ("INT2", 2), ("UINT2", 2))
    if hasattr(TensorProto, name)
}
CODES = SMALL | PACKED
INTEGER_OPERATORS = {
    "MatMulInteger": "MatMul",
    "ConvInteger": "Conv",
    "QLinearMatMul": "MatMul",
    "QLinearConv": "Conv",
}


@dataclass(frozen=True)
class Affine:
    """Names of the scale (empty: 1) and the zero point (empty: 0) of a tensor of codes.

    low, high : the codes of its type.
    """

    scale: str
    zero_point: str
    low: int
    high: int


@dataclass(frozen=True)
class Quantized:
    """What is known of a layer on codes.

    a, b : its operands.  y : its result; None where that is a float, scaled by both operands.
    sums : the result is the integer sum itself (MatMulInteger, ConvInteger).
    low, high : clamp of the result's codes.  bias_codes : the bias is in steps of both scales.
    """

    a: Affine
    b: Affine
    y: Affine | None = None
    sums: bool = False
    low: int = 0
    high: int = 0
    bias_codes: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all scales and zero points."""
        given = (x for x in (self.a, self.b, self.y) if x is not None)
        return tuple(name for x in given for name in (x.scale, x.zero_point) if name)


def describe(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto]) -> Quantized | None:
    """What a node says of its codes; None for a layer on floats."""
    if label(node) in INTEGER_OPERATORS:
        names = [*node.input, *[""] * 9]
        if node.op_type.endswith("Integer"):
            a = _affine(names[0], "", names[2], types)
            return Quantized(a, _affine(names[1], "", names[3], types), sums=True)
        return _quantized(names, node.output[0], {}, types)
    if domain(node) == QDQ_DOMAIN:
        given = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        return _quantized([*node.input, *[""] * 9], node.output[0], given, types)
    return None


def operands(node: onnx.NodeProto) -> tuple[str, str, str]:
    """Names of a, b and bias."""
    names = [*node.input, *[""] * 9]
    if node.op_type.startswith("QLinear") or domain(node) == QDQ_DOMAIN:
        return names[0], names[3], names[8]
    if label(node) in INTEGER_OPERATORS:
        return names[0], names[1], ""
    return names[0], names[1], names[2]


def _affine(codes: str, scale: str, zero: str, types: Mapping[str, onnx.TypeProto]) -> Affine:
    return Affine(scale, zero, *CODES.get(types[codes].tensor_type.elem_type, (0, 0)))


def _quantized(
    names: list[str], output: str, given: dict[str, Any], types: Mapping[str, onnx.TypeProto]
) -> Quantized:
    a, b = (_affine(names[i], names[i + 1], names[i + 2], types) for i in (0, 3))
    codes = bool(given.get("bias_codes", True))
    if not names[6]:
        return Quantized(a, b, bias_codes=codes)
    y = _affine(output, names[6], names[7], types)
    low, high = given.get("low", y.low), given.get("high", y.high)
    return Quantized(a, b, y, low=low, high=high, bias_codes=codes)


# --- recognising the QDQ form ---------------------------------------------------------------------
def recognise(
    nodes: Nodes,
    types: Mapping[str, onnx.TypeProto],
    constants: dict[str, onnx.TensorProto],
    outputs: Iterable[str],
) -> Nodes:
    """The nodes with every QDQ layer as one node, where its last node stood.

    What is left without a reader is still there.
    """
    known = {x.output[0]: x for _, x in nodes if label(x) == "Constant"}
    values = {name: _value_of(node) for name, node in known.items()}
    constants = constants | {name: value for name, value in values.items() if value is not None}
    search = _Search(nodes, types, constants, set(outputs))
    found = [layer for _, node in nodes if (layer := search.layer(node)) is not None]
    replaced = {node.output[0] for layer in found for node in layer.nodes}
    last = {layer.nodes[-1].output[0]: layer for layer in found}
    position = {node.output[0]: index for index, node in nodes if node.output}
    rest: Nodes = []
    for index, node in nodes:
        first = node.output[0] if node.output else ""
        if first in last:
            rest.append((position[last[first].nodes[0].output[0]], last[first].merged))
        elif first not in replaced:
            rest.append((index, node))
    return rest


@dataclass(frozen=True)
class _Found:
    """The nodes from the product to the quantization, and the one that replaces them."""

    nodes: tuple[onnx.NodeProto, ...]
    merged: onnx.NodeProto


class _Search:
    """Who makes and who reads each value, and which values are constants."""

    def __init__(
        self,
        nodes: Nodes,
        types: Mapping[str, onnx.TypeProto],
        constants: Mapping[str, onnx.TensorProto],
        outputs: set[str],
    ) -> None:
        self.maker = {name: node for _, node in nodes for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for _, node in nodes:
            for name in uses(node):
                self.readers[name].append(node)
        self.types, self.constants, self.outputs = types, constants, outputs

    def layer(self, node: onnx.NodeProto) -> _Found | None:
        """The layer around a Conv, Gemm or MatMul on two dequantized operands."""
        if domain(node) != "" or node.op_type not in ("Conv", "Gemm", "MatMul"):
            return None
        given = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        if given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0:
            return None
        a, b = (self.dequantized(name) for name in node.input[:2])
        if a is None or b is None or not self.is_single(a):
            return None
        if not self.is_single(b) and not self.is_per_channel(node, given, b):
            return None
        bias, codes = self.bias([*node.input, ""][2], a, b)
        tail, clamp = self.tail(node, codes, [bias, a.input[1], b.input[1]])
        names = [*_three(a), *_three(b), *(tail[-1].input[1:3] if len(tail) > 1 else ()), "", ""]
        merged = helper.make_node(
            node.op_type, [*names[:8], bias], [tail[-1].output[0]], node.name, domain=QDQ_DOMAIN
        )
        merged.attribute.extend(node.attribute)
        merged.attribute.append(helper.make_attribute("bias_codes", int(codes)))
        merged.attribute.extend(helper.make_attribute(k, v) for k, v in clamp.items())
        return _Found(tail, merged)

    def dequantized(self, name: str) -> onnx.NodeProto | None:
        """The DequantizeLinear that makes a float32 operand of integer codes."""
        node = self.maker.get(name)
        if node is None or label(node) != "DequantizeLinear" or self.element(name) != 1:
            return None
        if any(x.name == "block_size" and x.i for x in node.attribute):
            return None
        kinds = CODES if node.input[0] in self.constants else SMALL
        return node if self.element(node.input[0]) in kinds else None

    def element(self, name: str) -> int:
        return int(self.types[name].tensor_type.elem_type) if name in self.types else 0

    def value(self, name: str) -> np.ndarray[Any, Any] | None:
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def is_single(self, node: onnx.NodeProto) -> bool:
        """Whether one scale holds for the whole tensor."""
        scale = self.value(node.input[1])
        if scale is not None:
            return scale.size == 1
        kind = self.types[node.input[1]].tensor_type if node.input[1] in self.types else None
        return kind is not None and kind.HasField("shape") and not kind.shape.dim

    def is_per_channel(
        self, node: onnx.NodeProto, given: dict[str, Any], b: onnx.NodeProto
    ) -> bool:
        """Whether the scales of the constant ``b`` belong to the columns or filters."""
        if b.input[0] not in self.constants or b.input[1] not in self.constants:
            return False
        rank = len(self.constants[b.input[0]].dims)
        axis = next((x.i for x in b.attribute if x.name == "axis"), 1) % rank
        wanted = {"Conv": 0, "Gemm": 0 if given.get("transB", 0) else 1, "MatMul": rank - 1}
        return rank > 1 and axis == wanted[node.op_type]

    def bias(self, name: str, a: onnx.NodeProto, b: onnx.NodeProto) -> tuple[str, bool]:
        """The bias as int32 codes in steps of both scales where it has them; else as it is."""
        node = self.maker.get(name)
        if node is None or label(node) != "DequantizeLinear":
            return name, not name
        codes, scale, zero = (self.value(x) for x in _three(node))
        steps = self.value(a.input[1]), self.value(b.input[1])
        if codes is None or scale is None or steps[0] is None or steps[1] is None:
            return name, False
        own = np.broadcast_to(scale.ravel(), np.broadcast_shapes(scale.ravel().shape, (1,)))
        exact = np.array_equal(own, (steps[0].ravel() * steps[1].ravel()).astype(own.dtype))
        if not exact or codes.dtype != np.int32 or (zero is not None and zero.any()):
            return name, False
        return node.input[0], True

    def tail(
        self, node: onnx.NodeProto, codes: bool, inputs: list[str]
    ) -> tuple[tuple[onnx.NodeProto, ...], dict[str, int]]:
        """The product, and Relu and QuantizeLinear after it if nobody else reads between them;
        the codes that Relu leaves.  A bias of floats is turned into codes, so it must be constant,
        as must the scales (``inputs``)."""
        nodes, relu = [node], False
        while True:
            name = nodes[-1].output[0]
            readers = self.readers[name]
            if len(readers) != 1 or name in self.outputs:
                return (node,), {}
            nodes.append(readers[0])
            if label(readers[0]) == "QuantizeLinear" and readers[0].input[0] == name:
                break
            if label(readers[0]) != "Relu" or relu:
                return (node,), {}
            relu = True
        scale, zero = (self.value(x) for x in (*nodes[-1].input, "")[1:3])
        kind = self.element(nodes[-1].output[0])
        constant = codes or all(name in self.constants for name in inputs)
        absent = not [x for x in nodes[-1].input[2:3] if x]
        if kind not in SMALL or scale is None or scale.size != 1 or not constant:
            return (node,), {}
        if scale.dtype != np.float32 or (zero is None and not absent):
            return (node,), {}
        low, high = SMALL[kind]
        point = 0 if zero is None else int(zero.ravel()[0])
        return tuple(nodes), {"low": point if relu else low, "high": high}


def _three(node: onnx.NodeProto) -> list[str]:
    """Codes, scale and zero point of a DequantizeLinear."""
    return [*node.input, ""][:3]


def _value_of(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant."""
    return next((x.t for x in node.attribute if x.name == "value"), None)
