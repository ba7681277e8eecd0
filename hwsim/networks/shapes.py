"""M, K, N and batch of every layer, from one call of the model: no unit computes anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from hwsim.costs import Gemm
from hwsim.networks.calls import Feeds
from hwsim.networks.data import Data, declared_shape
from hwsim.networks.errors import DataError
from hwsim.networks.execution import Values, stack
from hwsim.networks.layers import Layer
from hwsim.networks.products import lower
from hwsim.networks.runtime import NUMPY_TYPES


def shapes_of(layers: Sequence[Layer], values: Feeds, samples: int) -> tuple[Gemm, ...]:
    """The layers' products for ``samples`` calls, given the ``values`` of one: samples lengthen M,
    or the batch where each has products of its own."""
    calls: Values = {name: [value] for name, value in values.items()}
    found = []
    for layer in layers:
        product = lower(layer, stack(layer, layer.a, calls), stack(layer, layer.b, calls), 1)
        rows = samples if product.stacked else 1
        size = (product.m * rows, product.k, product.n, product.batch * samples // rows)
        found.append(Gemm(*size, name=layer.name))
    return tuple(found)


def check_samples(samples: int) -> None:
    """ValueError for what counts no calls."""
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise ValueError(f"samples={samples!r}: an integer of at least 1 is needed")


def zeros(inputs: Sequence[onnx.ValueInfoProto]) -> Data:
    """One sample of zeros in the declared shapes; DataError where a length is not declared."""
    return Data({value.name: _zeros(value) for value in inputs}, source="zeros")


def _zeros(value: onnx.ValueInfoProto) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    declared, element = declared_shape(value), value.type.tensor_type.elem_type
    known = declared is not None and all(isinstance(length, int) for length in declared[1:])
    if not known or declared is None or element not in NUMPY_TYPES:
        raise DataError(f"model input {value.name!r} has no fixed shape: data is needed")
    shape = [length if isinstance(length, int) else 1 for length in declared]
    return np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(element))
