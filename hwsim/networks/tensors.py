"""A model's tensors before anything relies on them: as large as they say, and, where an ONNX file
keeps them in other files, inside its own folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import external_data_helper, helper, numpy_helper

from hwsim.networks.errors import ModelError
from hwsim.networks.operators import subgraphs

PACKED = {
    getattr(onnx.TensorProto, name)
    for name in ("INT4", "UINT4", "FLOAT4E2M1")
    if hasattr(onnx.TensorProto, name)
}


def check_tensors(model: onnx.ModelProto, name: str) -> None:
    """Raise ModelError for a tensor whose data do not fill its shape."""
    for tensor in _tensors(model.graph):
        try:
            if tensor.HasField("raw_data"):
                good = len(tensor.raw_data) == _bytes(tensor)
            else:
                good = numpy_helper.to_array(tensor).shape == tuple(tensor.dims)
        except Exception as error:  # onnx raises what NumPy and its tables do
            raise ModelError(f"model {name}: weight {tensor.name!r}: {error!r}") from error
        if not good:
            raise ModelError(
                f"model {name}: weight {tensor.name!r}: {len(tensor.raw_data)} bytes of data for "
                f"shape {tuple(tensor.dims)}"
            )


def load_external(model: onnx.ModelProto, folder: Path, name: str) -> None:
    """Read external weights into ``model``; ModelError names the weight and what is wrong."""
    tensors = list(external_tensors(model))
    for tensor in tensors:
        _check(tensor, folder, name)
    try:
        for tensor in tensors:
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    except Exception as error:  # ValidationError, OSError, and what onnx raises besides
        raise ModelError(f"model {name}: external weights: {error}") from error


def external_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model that lies in another file."""
    for tensor in _tensors(model.graph):
        if external_data_helper.uses_external_data(tensor):
            yield tensor
    for function in model.functions:
        for node in function.node:
            yield from filter(external_data_helper.uses_external_data, _node_tensors(node))


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
    for graph in subgraphs(node):
        yield from _tensors(graph)


def _bytes(tensor: onnx.TensorProto) -> int:
    """What a tensor's elements take; those of 4 bits are packed in pairs."""
    count: int = math.prod(tensor.dims)
    if tensor.data_type in PACKED:
        return -(-count // 2)
    return count * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _check(tensor: onnx.TensorProto, folder: Path, name: str) -> None:
    """A regular file inside the folder that holds exactly the tensor's bytes."""
    what = f"model {name}: weight {tensor.name!r}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    try:
        file, inside = (folder / location).resolve(), folder.resolve()
        offset, length = int(entries.get("offset") or 0), entries.get("length")
        available = file.stat().st_size - offset if file.is_file() else -1
        needed = _bytes(tensor)
        stored = int(length) if length else available
    except Exception as error:  # names and numbers that no system understands
        raise ModelError(f"{what}: external data {dict(entries)!r}: {error}") from error
    if not location or not file.is_relative_to(inside):
        raise ModelError(f"{what}: external data {location!r} lies outside {folder}")
    if not file.is_file():
        raise ModelError(f"{what}: external data {location!r}: no such file in {folder}")
    if offset < 0 or stored > available or stored < needed or min(tensor.dims, default=0) < 0:
        raise ModelError(
            f"{what}: external data {location!r} holds {available} bytes from {offset}; "
            f"length {length}, and {needed} are needed"
        )
