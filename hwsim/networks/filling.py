"""Seeded weights for a graph that has none: full-size networks without a download.

The onnx package ships the graphs of well-known networks with constants in place of their weights.
Filled as networks are initialised (He et al. 2015, "Delving deep into rectifiers", eq. 10), and
with the statistics of the activations that really arise, they have the shapes, the products and
the dynamic range of the real ones, and no accuracy.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwsim.networks.errors import ModelError
from hwsim.networks.runtime import LATEST_IR, Array, Session, submodel
from hwsim.networks.source import ModelLike, read_model

SPREAD = 0.1  # of biases and offsets around 0, and of gains around 1
ROLES = {
    ("Conv", 1): "weight",
    ("Gemm", 1): "weight",
    ("MatMul", 1): "weight",
    ("Conv", 2): "offset",
    ("Gemm", 2): "offset",
    ("BatchNormalization", 1): "gain",
    ("BatchNormalization", 2): "offset",
    ("Mul", 1): "gain",
    ("Add", 1): "offset",
}
SHAPING = ("Unsqueeze", "Reshape", "Identity")  # between a constant and what reads it


def fill_weights(model: ModelLike, seed: int = 0) -> onnx.ModelProto:
    """A copy of ``model`` whose float constants are drawn anew.

    Weights of Conv, Gemm and MatMul are normal with variance 2 / fan-in; biases and offsets
    normal around 0, gains around 1, both with deviation 0.1; means and variances of batch
    normalisations are those of their inputs, measured on one call with standard normal inputs.
    Other float constants, and single numbers, stay.

    Raises ModelError for an unreadable model, or one whose inputs have open shapes other than
    a batch.

    >>> text = "g (float[1,2] x) => (float[1,3] y) {w = ConstantOfShape(s) y = MatMul(x, w)}"
    >>> graph = onnx.parser.parse_graph(text)
    >>> graph.initializer.extend([numpy_helper.from_array(np.array([2, 3]), "s")])
    >>> filled = fill_weights(onnx.helper.make_model(graph))
    >>> [node.op_type for node in filled.graph.node], filled.graph.initializer[0].dims
    (['MatMul'], [2, 3])
    """
    filled = read_model(model).original
    constants = {t.name: numpy_helper.to_array(t) for t in filled.graph.initializer}
    _unfold(filled.graph, constants)
    given = [value for value in filled.graph.input if value.name not in constants]
    del filled.graph.input[:]
    filled.graph.input.extend(given)
    filled.ir_version = LATEST_IR  # initializers need not be inputs
    rng = np.random.default_rng(seed)
    _draw(filled.graph, constants, rng)
    _measure(filled, constants, {value.name: _normal_input(value, rng) for value in given})
    used = {name for node in filled.graph.node for name in node.input}
    tensors = [numpy_helper.from_array(constants[n], n) for n in constants if n in used]
    del filled.graph.initializer[:]
    filled.graph.initializer.extend(tensors)
    return filled


def _unfold(graph: onnx.GraphProto, constants: dict[str, Array]) -> None:
    """Turn every ConstantOfShape of a constant into a constant."""
    left = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in constants:
            left.append(node)
            continue
        shape = constants[node.input[0]]
        value = next((helper.get_attribute_value(a) for a in node.attribute), None)
        number: Array = np.zeros(1, np.float32) if value is None else numpy_helper.to_array(value)
        constants[node.output[0]] = np.full(tuple(shape), number[0], number.dtype)
    del graph.node[:]
    graph.node.extend(left)


def _normal_input(value: onnx.ValueInfoProto, rng: np.random.Generator) -> Array:
    dims = value.type.tensor_type.shape.dim
    shape = [d.dim_value or (1 if axis == 0 else 0) for axis, d in enumerate(dims)]
    if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT or 0 in shape:
        raise ModelError(f"input {value.name!r}: float32 of a fixed shape is needed")
    return rng.standard_normal(shape, np.float32)


def _draw(graph: onnx.GraphProto, constants: dict[str, Array], rng: np.random.Generator) -> None:
    """Everything that no data decides."""
    origin = {name: name for name in constants}  # of constants behind a SHAPING node
    for node in graph.node:
        if node.op_type in SHAPING and node.input[0] in origin:
            origin[node.output[0]] = origin[node.input[0]]
        for slot, name in enumerate(node.input):
            source, role = origin.get(name, ""), ROLES.get((node.op_type, slot))
            if role and source and constants[source].dtype == np.float32:
                shape = constants[source].shape
                if shape or node.op_type not in ("Mul", "Add"):  # a lone number is no weight
                    constants[source] = _drawn(role, shape, node, rng)


def _drawn(
    role: str, shape: tuple[int, ...], node: onnx.NodeProto, rng: np.random.Generator
) -> Array:
    noise = rng.standard_normal(shape, np.float32)
    if role != "weight":
        return noise * np.float32(SPREAD) + np.float32(1.0 if role == "gain" else 0.0)
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    fan_in = math.prod(shape[1:]) if node.op_type == "Conv" or transposed else shape[-2:][0]
    return noise * np.float32(math.sqrt(2.0 / fan_in))


def _measure(model: onnx.ModelProto, constants: dict[str, Array], values: dict[str, Array]) -> None:
    """Run node by node; normalisations get the statistics of what reaches them."""
    last = {name: i for i, node in enumerate(model.graph.node) for name in node.input}
    for index, node in enumerate(model.graph.node):
        if node.op_type == "BatchNormalization":
            x = (constants | values)[node.input[0]].astype(np.float64)
            axes = (0, *range(2, x.ndim))
            for name, statistic in zip(node.input[3:], (x.mean(axes), x.var(axes)), strict=True):
                constants[name] = statistic.astype(np.float32)
        values |= _answers(model, node, constants, values)
        for name in [name for name in values if last.get(name, -1) <= index]:
            del values[name]


def _answers(
    model: onnx.ModelProto,
    node: onnx.NodeProto,
    constants: dict[str, Array],
    values: dict[str, Array],
) -> dict[str, Array]:
    """The outputs of one node."""
    feeds = {name: values[name] for name in node.input if name in values}
    kinds = {name: helper.np_dtype_to_tensor_dtype(x.dtype) for name, x in feeds.items()}
    inputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
    known = [numpy_helper.from_array(constants[n], n) for n in node.input if n in constants]
    part = submodel(model, [node], inputs, [name for name in node.output if name], known)
    return Session(part, f"node {node.name}").run(feeds)
