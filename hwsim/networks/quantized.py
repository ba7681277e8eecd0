"""Layers on integer codes: what ONNX's quantized operators say of their operands.

    real value = scale · (code − zero point)

A node of the domain `QDQ_DOMAIN` (`hwsim.networks.qdq`) has the inputs of QLinearConv: a, its
scale and zero point, b, its scale and zero point, the result's scale and zero point, bias; an
empty name is omitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper

from hwsim.networks.operators import QDQ_DOMAIN, domain, label

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
