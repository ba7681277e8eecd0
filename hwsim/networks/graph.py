"""A prepared model as a list of live nodes, constants (folded) and the types of its values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from hwsim.networks.errors import ModelError
from hwsim.networks.operators import first_output, is_simulated, uses
from hwsim.networks.qdq import recognise
from hwsim.networks.runtime import NUMPY_TYPES, Array, Session, submodel, with_outputs

SHAPE_SIZES = 1024  # elements: constants up to this size may be shapes, which inference reads


@dataclass(frozen=True)
class Graph:
    """What is left to run once everything that depends on constants alone has been computed.

    model : the prepared model.  nodes : live nodes in topological order, each with its position
    in the model.  constants : initializers and folded values.  inputs : declared model inputs
    that are no initializers.  outputs : names of the model's outputs.
    types : element types (onnx.TensorProto codes) of tensors; 0 for sequences and the like.
    """

    model: onnx.ModelProto
    nodes: tuple[tuple[int, onnx.NodeProto], ...]
    constants: dict[str, onnx.TensorProto]
    inputs: tuple[onnx.ValueInfoProto, ...]
    outputs: tuple[str, ...]
    types: dict[str, onnx.TypeProto]
    _arrays: dict[str, Array] = field(default_factory=dict)

    def element_type(self, name: str) -> int:
        """Element type of a tensor; 0 where it is no tensor."""
        return element_type(self.types[name])

    def constant(self, name: str) -> Array | None:
        """The value of a constant, or None; one array for all layers that share it."""
        if name in self.constants and name not in self._arrays:
            self._arrays[name] = numpy_helper.to_array(self.constants[name])
        return self._arrays.get(name)


def build_graph(model: onnx.ModelProto) -> Graph:
    """Prune dead nodes, find types, and fold what depends on constants alone."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    outputs = tuple(value.name for value in model.graph.output)
    nodes = _live(list(enumerate(model.graph.node)), outputs)
    inputs = tuple(value for value in model.graph.input if value.name not in constants)
    types = _types(model, [name for _, node in nodes for name in node.output if name])
    nodes, turned = recognise(nodes, types, constants, outputs)
    nodes, constants = _live(nodes, outputs), constants | turned
    types |= {name: _tensor_type(tensor.data_type) for name, tensor in turned.items()}
    folded = _foldable([node for _, node in nodes], constants, outputs, types)
    computed = _fold(model, folded, constants, nodes, outputs)
    gone = {name for node in folded for name in node.output}
    rest = tuple((i, node) for i, node in nodes if not gone.intersection(node.output))
    return Graph(model, rest, constants | computed, inputs, outputs, types)


def element_type(value: onnx.TypeProto) -> int:
    """Element type of a tensor type; 0 for sequences, maps and optionals."""
    return value.tensor_type.elem_type if value.HasField("tensor_type") else 0


def _live(
    nodes: list[tuple[int, onnx.NodeProto]], outputs: Iterable[str]
) -> list[tuple[int, onnx.NodeProto]]:
    """The nodes that some output depends on."""
    needed, live = set(outputs), []
    for index, node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(uses(node))
            live.append((index, node))
    return live[::-1]


def _types(model: onnx.ModelProto, names: Sequence[str]) -> dict[str, onnx.TypeProto]:
    """Types of all values: by shape inference, failing that from ONNX Runtime."""
    light = _without_weights(model)
    try:
        inferred = shape_inference.infer_shapes(light)
    except Exception:  # it is a convenience here: ONNX Runtime decides
        inferred = light
    known = [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]
    types = {value.name: value.type for value in known if value.type.WhichOneof("value")}
    for tensor in model.graph.initializer:
        types[tensor.name] = _tensor_type(tensor.data_type)
    missing = [name for name in names if name not in types]
    if missing:
        session = Session(with_outputs(model, missing), "the model")
        types |= {name: _parse_type(name, session.types[name]) for name in missing}
    return types


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its large initializers as inputs: their types, without a copy of them."""
    light = onnx.ModelProto(ir_version=model.ir_version, functions=model.functions)
    light.opset_import.extend(model.opset_import)
    graph = light.graph
    graph.name = model.graph.name
    for part in ("node", "input", "output", "value_info"):
        getattr(graph, part).extend(getattr(model.graph, part))
    present = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= SHAPE_SIZES:
            graph.initializer.append(tensor)
        elif tensor.name not in present:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    return light


def _tensor_type(element: int) -> onnx.TypeProto:
    return onnx.helper.make_tensor_type_proto(element, None)


def _parse_type(name: str, text: str) -> onnx.TypeProto:
    """``tensor(float)`` as ONNX Runtime writes it."""
    runtime = {"float": "FLOAT", "double": "DOUBLE"}
    if not text.startswith("tensor("):
        raise ModelError(f"the type {text} of value {name!r} cannot pass between operators here")
    word = text[len("tensor(") : -1]
    return _tensor_type(getattr(onnx.TensorProto, runtime.get(word, word.upper())))


def _foldable(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, onnx.TensorProto],
    outputs: Iterable[str],
    types: dict[str, onnx.TypeProto],
) -> list[onnx.NodeProto]:
    """Nodes that depend on constants alone and whose results NumPy can hold."""
    barred: set[str] = set()
    while True:
        known, folded = set(constants), []
        for node in nodes:
            constant = all(name in known for name in uses(node))
            if constant and not is_simulated(node) and not barred.intersection(node.output):
                folded.append(node)
                known.update(node.output)
        frontier = _frontier(folded, nodes, outputs)
        odd = {name for name in frontier if element_type(types[name]) not in NUMPY_TYPES}
        if not odd:
            return folded
        barred |= odd


def _frontier(
    folded: Sequence[onnx.NodeProto], nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]
) -> list[str]:
    """Results of ``folded`` that something else reads."""
    inside = {first_output(node) for node in folded}
    read = set(outputs)
    for node in nodes:
        if first_output(node) not in inside:
            read.update(uses(node))
    return [name for node in folded for name in node.output if name in read]


def _fold(
    model: onnx.ModelProto,
    folded: Sequence[onnx.NodeProto],
    constants: dict[str, onnx.TensorProto],
    nodes: Iterable[tuple[int, onnx.NodeProto]],
    outputs: Iterable[str],
) -> dict[str, onnx.TensorProto]:
    """Compute ``folded`` once."""
    wanted = _frontier(folded, [node for _, node in nodes], outputs)
    if not wanted:
        return {}
    read = {name for node in folded for name in uses(node)}
    weights = [tensor for name, tensor in constants.items() if name in read]
    session = Session(submodel(model, folded, [], wanted, weights), "the constant nodes")
    return {
        name: numpy_helper.from_array(np.asarray(value), name)
        for name, value in session.run({}).items()
    }
