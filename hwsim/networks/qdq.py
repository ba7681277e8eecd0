"""The QDQ form: DequantizeLinear → Conv, Gemm or MatMul (→ Relu, Clip) → QuantizeLinear as a node.

A product of two dequantized tensors is one of codes: `recognise` makes it a node that reads the
codes, their scales and zero points, and gives the codes of the result where they follow at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwsim.networks.operators import QDQ_DOMAIN, domain, label, uses
from hwsim.networks.quantized import CODES, SMALL

Nodes = list[tuple[int, onnx.NodeProto]]
Constants = dict[str, onnx.TensorProto]


def recognise(
    nodes: Nodes,
    types: Mapping[str, onnx.TypeProto],
    constants: Constants,
    outputs: Iterable[str],
) -> tuple[Nodes, Constants]:
    """The nodes with every QDQ layer as one node, where its last node stood; and constants that
    they read and the model does not have.

    Nodes that are left without a reader are still there.
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
    return rest, search.turned


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
        constants: Constants,
        outputs: set[str],
    ) -> None:
        self.maker = {name: node for _, node in nodes for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for _, node in nodes:
            for name in uses(node):
                self.readers[name].append(node)
        self.types, self.constants, self.outputs = types, constants, outputs
        self.turned: Constants = {}

    def layer(self, node: onnx.NodeProto) -> _Found | None:
        """The layer around a Conv, Gemm or MatMul on two dequantized operands."""
        if domain(node) != "" or node.op_type not in ("Conv", "Gemm", "MatMul"):
            return None
        given = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        if given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0:
            return None
        a, b = self.dequantized(node.input[0]), self.dequantized(node.input[1])
        turned = b is None and node.op_type == "MatMul" and self.is_turned(node.input[1])
        if turned:
            b = self.dequantized(self.maker[node.input[1]].input[0])
        if a is None or b is None or not self.is_single(a):
            return None
        if not self.is_single(b) and not self.is_per_channel(node, given, b, turned):
            return None
        bias, codes = self.bias([*node.input, ""][2], a, b)
        tail, clamp = self.tail(node, codes, [bias, a.input[1], b.input[1]])
        weights = [self.turn(b.input[0]) if turned else b.input[0], *_three(b)[1:]]
        names = [*_three(a), *weights, *(tail[-1].input[1:3] if len(tail) > 1 else ()), "", ""]
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

    def is_turned(self, name: str) -> bool:
        """Whether it is a dequantized constant matrix, transposed."""
        node = self.maker.get(name)
        if node is None or label(node) != "Transpose":
            return False
        source = self.maker.get(node.input[0])
        perm = next((list(x.ints) for x in node.attribute if x.name == "perm"), [1, 0])
        codes = source.input[0] if source is not None else ""
        return perm == [1, 0] and codes in self.constants and len(self.constants[codes].dims) == 2

    def turn(self, name: str) -> str:
        """The name of a constant matrix's transpose."""
        codes, turned = numpy_helper.to_array(self.constants[name]), f"{name}, transposed"
        plain = codes.astype(np.int8) if codes.dtype.kind == "V" else codes
        self.turned[turned] = numpy_helper.from_array(np.ascontiguousarray(plain.T), turned)
        return turned

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
        self, node: onnx.NodeProto, given: dict[str, Any], b: onnx.NodeProto, turned: bool
    ) -> bool:
        """Whether the scales of the constant ``b`` belong to the columns or filters."""
        if b.input[0] not in self.constants or b.input[1] not in self.constants:
            return False
        rank = len(self.constants[b.input[0]].dims)
        axis = next((x.i for x in b.attribute if x.name == "axis"), 1) % rank
        first = node.op_type == "Conv" or turned or bool(given.get("transB", 0))
        return rank > 1 and axis == (0 if first else rank - 1)

    def bias(self, name: str, a: onnx.NodeProto, b: onnx.NodeProto) -> tuple[str, bool]:
        """The bias as int32 codes in steps of both scales where it has them; else as it is."""
        node = self.maker.get(name)
        if node is None or label(node) != "DequantizeLinear":
            return name, not name
        codes, scale, zero = (self.value(x) for x in _three(node))
        steps = self.value(a.input[1]), self.value(b.input[1])
        if codes is None or scale is None or steps[0] is None or steps[1] is None:
            return name, False
        if codes.dtype != np.int32 or (zero is not None and zero.any()):
            return name, False
        product = steps[0].ravel() * steps[1].ravel()
        fits = scale.size in (1, product.size) or product.size == 1
        return (node.input[0], True) if fits and (scale.ravel() == product).all() else (name, False)

    def tail(
        self, node: onnx.NodeProto, codes: bool, inputs: list[str]
    ) -> tuple[tuple[onnx.NodeProto, ...], dict[str, int]]:
        """The product, and Relu or Clip and QuantizeLinear after it if nobody else reads between
        them; the codes that are left.  A bias of floats is turned into codes, so it must be
        constant, as must the scales (``inputs``)."""
        alone: tuple[tuple[onnx.NodeProto, ...], dict[str, int]] = (node,), {}
        if not codes and not all(name in self.constants for name in inputs):
            return alone
        nodes, bounds = [node, *self.reader(node)], (-np.inf, np.inf)
        if len(nodes) > 1 and (found := self.bounds(nodes[-1])):
            nodes, bounds = [*nodes, *self.reader(nodes[-1])], found
        kind = self.element(nodes[-1].output[0])
        if label(nodes[-1]) != "QuantizeLinear" or kind not in SMALL:
            return alone
        scale, zero = (self.value(x) for x in [*nodes[-1].input, ""][1:3])
        if scale is None or scale.size != 1 or scale.dtype != np.float32:
            return alone
        if zero is None and any(nodes[-1].input[2:3]):
            return alone
        point = 0 if zero is None else int(zero.ravel()[0])
        ends = np.rint(np.array(bounds, np.float32) / scale.ravel()) + point
        low, high = np.clip(ends, *SMALL[kind]).astype(int).tolist()
        return tuple(nodes), {"low": low, "high": high}

    def reader(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The only node that reads what ``node`` gives, as its first input; else nothing."""
        name = node.output[0]
        readers = self.readers[name]
        if len(readers) != 1 or name in self.outputs or [*readers[0].input][:1] != [name]:
            return []
        return readers

    def bounds(self, node: onnx.NodeProto) -> tuple[float, float] | None:
        """What Relu, or Clip with constant limits, clamps to."""
        if label(node) == "Relu":
            return 0.0, np.inf
        if label(node) != "Clip":
            return None
        given = {x.name: x.f for x in node.attribute}  # before opset 11
        limits = [given.get("min", -np.inf), given.get("max", np.inf)]
        for i, name in enumerate(node.input[1:3]):
            value = self.value(name)
            if name and value is None:
                return None
            limits[i] = float(value.ravel()[0]) if value is not None else limits[i]
        return limits[0], limits[1]


def _three(node: onnx.NodeProto) -> list[str]:
    """Codes, scale and zero point of a DequantizeLinear."""
    return [*node.input, ""][:3]


def _value_of(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant."""
    return next((x.t for x in node.attribute if x.name == "value"), None)
