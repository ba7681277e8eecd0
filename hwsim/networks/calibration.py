"""The range of every layer's operands, on data that has a name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hwsim.networks.affine import real_values
from hwsim.networks.calls import Feeds
from hwsim.networks.data import Data
from hwsim.networks.layers import Layer
from hwsim.networks.products import Operand
from hwsim.networks.quantized import Affine
from hwsim.networks.runtime import Array, Session

DEFAULT_SAMPLES = 256
Range = tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """Smallest and largest finite x of each layer's operands ``a`` and ``b`` (0, 0 of nothing).

    source : the data they come from, in words.  call_bytes : float32 size of the largest
    operand in one call of the model; mini-batches are cut by it.
    """

    source: str
    ranges: dict[str, dict[str, Range]]
    call_bytes: int

    @property
    def absmax(self) -> dict[str, dict[str, float]]:
        """Largest finite |x| of each layer's operands."""
        return {
            layer: {operand: max(-low, high) for operand, (low, high) in both.items()}
            for layer, both in self.ranges.items()
        }


def calibrate(
    session: Session, layers: Sequence[Layer], calls: Iterable[Feeds], source: str
) -> Calibration:
    """Run the float32 model, whose ``session`` gives every operand, over ``calls``."""
    ranges: dict[str, dict[str, Range | None]] = {
        layer.name: {key: None if _moves(layer, key) else _range(layer, key, {}) for key in "ab"}
        for layer in layers
    }
    call_bytes = 0
    for feeds in calls:
        values = feeds | session.run(feeds)
        seen: dict[tuple[str, Affine | None], Range] = {}
        for layer in layers:
            for key in filter(partial(_moves, layer), "ab"):
                tensor = _tensor(layer, key)
                if tensor not in seen:
                    seen[tensor] = _range(layer, key, values)
                ranges[layer.name][key] = _union(ranges[layer.name][key], seen[tensor])
        call_bytes = max([call_bytes, *(4 * values[n].size for n, _ in seen if n in values)])
    known = {
        name: {key: found or (0.0, 0.0) for key, found in both.items()}
        for name, both in ranges.items()
    }
    return Calibration(source, known, call_bytes)


def _tensor(layer: Layer, key: str) -> tuple[str, Affine | None]:
    """Name of an operand, and what its codes mean."""
    name = layer.a if key == "a" else layer.b
    if layer.quantized is None:
        return name, None
    return name, layer.quantized.a if key == "a" else layer.quantized.b


def _moves(layer: Layer, key: str) -> bool:
    """Whether an operand, or what its codes mean, is only known at run time."""
    name, affine = _tensor(layer, key)
    names = (name, affine.scale, affine.zero_point) if affine else (name,)
    return any(n and n not in layer.weights for n in names)


def _range(layer: Layer, key: str, values: Feeds) -> Range:
    """The range of an operand in one call of the model, in float32 where the model has codes."""
    known = values | layer.weights
    return range_of(real_values(layer, key, lambda name: Operand(known[name], False)).array)


def _union(a: Range | None, b: Range) -> Range:
    return b if a is None else (min(a[0], b[0]), max(a[1], b[1]))


def range_of(array: Array) -> Range:
    """Smallest and largest finite value; 0 and 0 of nothing."""
    if not array.size:
        return 0.0, 0.0
    low, high = float(array.min()), float(array.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = array[np.isfinite(array)]
    return range_of(finite)


def first_samples(data: Data) -> Data:
    """The first ≤ 256 samples (arrays that are shorter than the data stay whole)."""
    count = data.samples
    taken = {
        name: array[:DEFAULT_SAMPLES] if array.ndim and len(array) == count else array
        for name, array in data.inputs.items()
    }
    shown = min(count, DEFAULT_SAMPLES)
    return Data(taken, source=f"the first {shown} of {count} samples of {data.source}")


def digest(data: Data) -> str:
    """SHA-256 of the inputs: names, dtypes, shapes and bytes."""
    sha = hashlib.sha256()
    for name in sorted(data.inputs):
        array = data.inputs[name]
        sha.update(f"{name} {array.dtype.str} {array.shape};".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
