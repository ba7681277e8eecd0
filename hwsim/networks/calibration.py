"""The largest magnitude of every layer's operands, on data that has a name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.networks.calls import Feeds
from hwsim.networks.data import Data
from hwsim.networks.layers import Layer
from hwsim.networks.runtime import Array, Session

DEFAULT_SAMPLES = 256


@dataclass(frozen=True)
class Calibration:
    """Largest finite |x| of each layer's operands ``a`` and ``b``.

    source : the data they come from, in words.  call_bytes : float32 size of the largest
    operand in one call of the model; mini-batches are cut by it.
    """

    source: str
    absmax: dict[str, dict[str, float]]
    call_bytes: int


def calibrate(
    session: Session, layers: Sequence[Layer], calls: Iterable[Feeds], source: str
) -> Calibration:
    """Run the float32 model, whose ``session`` gives every operand, over ``calls``."""
    absmax = {
        layer.name: {
            operand: largest(layer.weights[name]) if name in layer.weights else 0.0
            for operand, name in (("a", layer.a), ("b", layer.b))
        }
        for layer in layers
    }
    call_bytes = 0
    for feeds in calls:
        values = feeds | session.run(feeds)
        seen: dict[str, float] = {}
        for layer in layers:
            for operand, name in layer.activations.items():
                if name not in seen:
                    seen[name] = largest(values[name])
                absmax[layer.name][operand] = max(absmax[layer.name][operand], seen[name])
        call_bytes = max([call_bytes, *(4 * values[name].size for name in seen)])
    return Calibration(source, absmax, call_bytes)


def largest(array: Array) -> float:
    """Largest finite magnitude; 0 of nothing."""
    if not array.size:
        return 0.0
    ends = float(array.min()), float(array.max())
    if not all(map(math.isfinite, ends)):
        return largest(array[np.isfinite(array)])
    return max(-ends[0], ends[1])


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
