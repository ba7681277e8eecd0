"""Read a model and bring it into the form that the partition expects.

The caller's ModelProto is never changed.  Local functions, and schema functions that hide matrix
products, are replaced by their bodies; every node gets a name of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

import onnx
from onnx import checker, helper, inliner, shape_inference

from hwsim.errors import UnsupportedOperator
from hwsim.networks.errors import ModelError
from hwsim.networks.functions import make_local
from hwsim.networks.omitted import check_omitted
from hwsim.networks.operators import SCHEMA_FUNCTIONS, check_operators, label
from hwsim.networks.recurrent import unroll
from hwsim.networks.tensors import check_tensors, external_tensors, load_external

LARGEST_FILE = 2**31 - 1
ModelLike = str | PathLike[str] | bytes | onnx.ModelProto


@dataclass(frozen=True)
class Source:
    """A model as it was given (``original``) and as it is run (``model``); its name and digest."""

    original: onnx.ModelProto
    model: onnx.ModelProto
    name: str
    sha256: str


def read_model(model: ModelLike) -> Source:
    """Read a path, bytes or a ModelProto; raise ModelError or UnsupportedOperator."""
    original, name, sha256 = _read(model)
    if original.graph.sparse_initializer:
        raise ModelError(f"model {name}: sparse initializers are not read; store them dense")
    try:
        # functions of another opset are legal, and converted below
        checker.check_model(_with_shapes(original), skip_opset_compatibility_check=True)
    except Exception as error:  # ValidationError, and InferenceError from C++
        raise ModelError(f"model {name} is not valid ONNX: {_one_line(error)}") from error
    check_omitted(original, name)
    check_tensors(original, name)
    _name_nodes(original)  # ONNX Runtime refuses two nodes of one name
    prepared = _inline(original, name)
    _name_nodes(prepared)
    prepared = unroll(prepared)
    check_operators(prepared)
    return Source(original, prepared, name, sha256)


def _read(model: ModelLike) -> tuple[onnx.ModelProto, str, str]:
    if isinstance(model, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        return _loaded(copy), model.graph.name or "model", ""
    if isinstance(model, bytes):
        return _loaded(_parse(model, "bytes")), "model", hashlib.sha256(model).hexdigest()
    if not isinstance(model, (str, PathLike)):
        raise ModelError(f"model={type(model).__name__}: path, bytes or ModelProto is needed")
    path = Path(fspath(model))
    data = _read_file(path)
    proto = _parse(data, str(path))
    load_external(proto, path.parent, str(path))
    return proto, path.stem, hashlib.sha256(data).hexdigest()


def _read_file(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"model {path}: no regular file")
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"model {path}: over 2 GiB, which protobuf cannot hold")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"model {path}: {getattr(error, 'strerror', None) or error}") from error


def _parse(data: bytes, name: str) -> onnx.ModelProto:
    try:
        proto: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except Exception as error:  # google.protobuf.message.DecodeError
        raise ModelError(f"model {name} is not an ONNX file: {_one_line(error)}") from error
    if not proto.HasField("graph"):
        raise ModelError(f"model {name} is not an ONNX file: it holds no graph")
    return proto


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a shape for every input and output: the checker asks for one, while ONNX
    Runtime, like the exporters that leave it out, does not."""
    open_shapes = [
        value.name
        for value in (*model.graph.input, *model.graph.output)
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape")
    ]
    if not open_shapes:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        if value.name in open_shapes:
            value.type.tensor_type.shape.SetInParent()
    return copy


def _loaded(proto: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in external_tensors(proto):
        raise ModelError(
            f"weight {tensor.name!r} lies in an external file: pass the model's path instead"
        )
    return proto


def _inline(original: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """A copy without local functions and without schema functions that hide products."""
    model = onnx.ModelProto()
    model.CopyFrom(original)
    if model.functions:
        model = _inline_local(model, name)
    hiding = next((n for n in model.graph.node if label(n) in SCHEMA_FUNCTIONS), None)
    if hiding is None:
        return model
    try:
        return _inline_local(make_local(model, SCHEMA_FUNCTIONS), name)
    except Exception as error:  # onnx's function builders ask for types that inference lacks
        advice = f"onnx cannot write it out ({_one_line(error)}): export it as MatMul and Softmax"
        raise UnsupportedOperator(hiding.name, hiding.op_type, advice) from error


def _inline_local(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with the bodies of its functions in place of the calls."""
    local = {(f.domain, f.name) for f in model.functions}
    try:
        inlined = _inlined(model)
    except Exception as error:  # RuntimeError from C++
        raise ModelError(
            f"model {name}: its local functions cannot be inlined (export functions and model "
            f"with the same opset): {_one_line(error)}"
        ) from error
    left = next((n for n in inlined.graph.node if (n.domain, n.op_type) in local), None)
    if left is not None:
        raise ModelError(
            f"model {name}: local function {left.domain}.{left.op_type} uses another opset than "
            "the model and cannot be converted; export both with the same opset"
        )
    return inlined


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    opsets = {o.domain: o.version for o in model.opset_import}
    used = {(o.domain, o.version) for f in model.functions for o in f.opset_import}
    if all(opsets.get(domain, version) == version for domain, version in used):
        return inliner.inline_local_functions(model)
    for tensor in model.graph.initializer:  # the conversion asks for every type
        model.graph.value_info.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    return inliner.inline_local_functions(shape_inference.infer_shapes(model), True)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own: the operator and its position where there is none."""
    taken = {node.name for node in model.graph.node if node.name}
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        name = node.name or f"{node.op_type}_{index}"
        candidate, copy = name, 1
        while candidate in seen or (candidate != node.name and candidate in taken):
            copy += 1
            candidate = f"{name}#{copy}"
        node.name = candidate
        seen.add(candidate)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
