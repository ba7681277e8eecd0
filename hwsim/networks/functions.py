"""Operators that the standard defines by a function, made model-local functions.

onnx's inliner then puts the bodies in their place, so that their products show: it renames values,
hands on attributes, and copes with omitted inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import onnx
from onnx import defs, helper, shape_inference

from hwsim.networks.operators import domain

DOMAIN = "hwsim.inlined"


def make_local(model: onnx.ModelProto, operators: Collection[str]) -> onnx.ModelProto:
    """``model``, or a copy whose ``operators`` (in the main graph) call functions of its own."""
    if not any(_is_one(node, operators) for node in model.graph.node):
        return model
    types, opset = _types(model), standard_opset(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.opset_import.add(domain=DOMAIN, version=1)
    for index, node in enumerate(copy.graph.node):
        if _is_one(node, operators):
            function = _function(node, [types.get(name) for name in node.input], opset)
            function.name, function.domain = f"{node.op_type}_{index}", DOMAIN
            node.op_type, node.domain = function.name, DOMAIN
            copy.functions.append(function)
    return copy


def standard_opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the model uses; 1 where it names none."""
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    return int(versions[0]) if versions else 1


def _is_one(node: onnx.NodeProto, operators: Collection[str]) -> bool:
    return domain(node) == "" and node.op_type in operators


def _types(model: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    inferred = shape_inference.infer_shapes(model)
    known = [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]
    types = {value.name: value.type for value in known}
    for tensor in model.graph.initializer:
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    return types


def _function(
    node: onnx.NodeProto, types: list[onnx.TypeProto | None], opset: int
) -> onnx.FunctionProto:
    """The body of ``node``, whose inputs have ``types`` (None where omitted)."""
    schema: Any = defs.get_schema(node.op_type, opset, "")  # onnx types half of its methods
    version = max(v for v in schema.context_dependent_function_opset_versions if v <= opset)
    given = [(kind or onnx.TypeProto()).SerializeToString() for kind in types]
    data = schema.get_context_dependent_function_with_opset_version(
        version, node.SerializeToString(), given
    )
    function: onnx.FunctionProto = onnx.FunctionProto.FromString(data)
    return function
