"""Arrays for a network: read from npz files, checked against the model's declared inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from hwsim.networks.archives import read_npz
from hwsim.networks.errors import DataError
from hwsim.networks.runtime import NUMPY_TYPES, Array, type_name

LABELS = "labels"


@dataclass(frozen=True)
class Data:
    """Arrays by the names of the model's inputs, the labels if there are any, and where from."""

    inputs: dict[str, Array]
    labels: Array | None = None
    source: str = "arguments"

    @property
    def samples(self) -> int:
        """Length of the inputs' first axis; 1 where there is none."""
        return max((len(a) for a in self.inputs.values() if a.ndim), default=1)


DataLike = Data | Mapping[str, Any] | str | PathLike[str] | Array


def load_npz(path: str | PathLike[str], inputs: Sequence[onnx.ValueInfoProto]) -> Data:
    """Read an npz file of arrays named as the model's inputs, and optional integer ``labels``.

    Nothing is unpickled, and no more is read than half of the memory holds.  Raises DataError
    that names the file, its arrays and what is expected.
    """
    file = Path(fspath(path))

    def check(names: list[str]) -> None:
        _check_names(names, inputs, str(file))

    return check_data(read_npz(file, check), inputs, str(file))


def read_data(data: DataLike, inputs: Sequence[onnx.ValueInfoProto]) -> Data:
    """``data`` in any of its forms: a mapping, a path, one array for a model with one input."""
    if isinstance(data, Data):
        return check_data({**data.inputs, **_optional(data.labels)}, inputs, data.source)
    if isinstance(data, (str, PathLike)):
        return load_npz(data, inputs)
    if isinstance(data, Mapping):
        return check_data(data, inputs, "the inputs")
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        raise DataError(f"one bare array for {len(inputs)} inputs; pass a mapping with {names}")
    return check_data({inputs[0].name: data}, inputs, "the inputs")


def check_data(
    arrays: Mapping[str, Any], inputs: Sequence[onnx.ValueInfoProto], source: str
) -> Data:
    """Check names, dtypes, shapes and the common number of samples."""
    _check_names(list(arrays), inputs, source)
    checked = {value.name: _check_input(value, arrays[value.name], source) for value in inputs}
    lengths = {name: len(array) for name, array in checked.items() if array.ndim}
    labels = None if LABELS in checked else arrays.get(LABELS)
    if labels is not None:
        labels = _as_array(labels, LABELS, source)
        if labels.dtype.kind not in "iu":
            raise DataError(f"{source}: {LABELS} of dtype {labels.dtype}; integers are needed")
        if lengths and (labels.ndim == 0 or len(labels) not in lengths.values()):
            raise DataError(f"{source}: {LABELS} of shape {labels.shape} for {lengths} samples")
    return Data(checked, labels, source)


def _check_names(names: list[Any], inputs: Sequence[onnx.ValueInfoProto], source: str) -> None:
    expected = [value.name for value in inputs]
    missing = [name for name in expected if name not in names]
    unknown = [name for name in names if name not in (*expected, LABELS)]
    if missing or unknown:
        raise DataError(
            f"{source}: arrays {', '.join(map(str, names)) or '(none)'}; expected "
            f"{', '.join(map(_describe, inputs))} and optionally {LABELS}"
        )


def _check_input(value: onnx.ValueInfoProto, array: Any, source: str) -> Array:
    """The array in the model's dtype; kinds may widen (int → float), never narrow."""
    element = value.type.tensor_type.elem_type
    if element not in NUMPY_TYPES:
        raise DataError(f"model input {value.name!r} has a type that NumPy does not hold")
    array = _as_array(array, value.name, source)
    wanted = onnx.helper.tensor_dtype_to_np_dtype(element)
    if array.dtype.kind not in "biuf" or not np.can_cast(array.dtype, wanted, "same_kind"):
        raise DataError(f"{source}: {value.name} has dtype {array.dtype}, expected {wanted}")
    shape = declared_shape(value)
    if shape is not None:
        fits = len(shape) == array.ndim and all(
            not isinstance(want, int) or want == have or (axis == 0 and have % want == 0)
            for axis, (want, have) in enumerate(zip(shape, array.shape, strict=False))
        )
        if not fits:
            raise DataError(
                f"{source}: {value.name} has shape {array.shape}, expected {_describe(value)}"
            )
    return np.ascontiguousarray(array, dtype=wanted).reshape(array.shape)


def _as_array(array: Any, name: str, source: str) -> Array:
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{source}: {name} is a masked array; fill or compress it first")
    try:
        return np.asarray(array)
    except Exception as error:  # whatever a ragged list or an object's __array__ raises
        raise DataError(f"{source}: {name} is no array: {error}") from error


def first_axis(value: onnx.ValueInfoProto) -> int | str | None:
    """Declared length of the first axis: a number, a name ('?' without one); None if scalar."""
    shape = declared_shape(value)
    if shape is None:
        return "?"
    return shape[0] if shape else None


def declared_shape(value: onnx.ValueInfoProto) -> list[int | str] | None:
    """Lengths of an input's axes, or their names; None where even their number is open."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim]


def _describe(value: onnx.ValueInfoProto) -> str:
    shape = declared_shape(value)
    kind = type_name(value.type.tensor_type.elem_type).lower()
    return f"{value.name} ({', '.join(map(str, shape)) if shape is not None else '…'}) {kind}"


def _optional(labels: Array | None) -> dict[str, Array]:
    return {} if labels is None else {LABELS: labels}
