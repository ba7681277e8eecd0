"""Cut data into calls of the model.

A call feeds the model as few samples as it takes: one where the first axis is free, as many as
declared where it is fixed.  Whether a free first axis counts independent samples is found by
running two samples together and apart; a model that mixes them is called once with everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from hwsim.networks.data import Data, first_axis
from hwsim.networks.errors import DataError
from hwsim.networks.runtime import Array, Session

Feeds = dict[str, Array]
PROBE_TOLERANCE = 1e-3  # of the largest value: mixing samples changes far more, float32 far less


@dataclass(frozen=True)
class Cutting:
    """``count`` calls; ``sizes``: samples per call of each input that is cut; ``free``: whether
    the model would take more at once."""

    count: int
    sizes: dict[str, int]
    free: bool = False

    def feeds(self, data: Data) -> list[Feeds]:
        """The inputs of each call: views of the data."""
        return [
            {
                name: array[i * self.sizes[name] : (i + 1) * self.sizes[name]]
                if name in self.sizes
                else array
                for name, array in data.inputs.items()
            }
            for i in range(self.count)
        ]


def cut(data: Data, inputs: Sequence[onnx.ValueInfoProto]) -> Cutting:
    """The cutting that the declared shapes allow; it holds only if `mixes_samples` says no."""
    axes = {value.name: first_axis(value) for value in inputs}
    free = [name for name, axis in axes.items() if isinstance(axis, str) and data.inputs[name].ndim]
    if free:
        lengths = {len(data.inputs[name]) for name in free}
        if len(lengths) > 1:  # axes of different meaning: no batch axis is known
            return Cutting(1, {})
        if lengths == {0}:
            return Cutting(1, {})
        return Cutting(lengths.pop(), dict.fromkeys(free, 1), free=True)
    sizes = {name: axis for name, axis in axes.items() if isinstance(axis, int) and axis > 0}
    counts = {len(data.inputs[name]) // size for name, size in sizes.items()}
    if counts <= {1}:
        return Cutting(1, {})
    if len(counts) > 1:
        given = {name: len(data.inputs[name]) for name in sizes}
        raise DataError(f"{data.source}: lengths {given} are no common multiple of {sizes}")
    return Cutting(counts.pop(), sizes)


def mixes_samples(session: Session, cutting: Cutting, data: Data) -> bool:
    """Whether two samples together give anything else than each of them alone."""
    pair = {
        name: array[: 2 * cutting.sizes[name]] if name in cutting.sizes else array
        for name, array in data.inputs.items()
    }
    together = session.run(pair)
    apart = [session.run(feeds) for feeds in cutting.feeds(data)[:2]]
    return not all(
        _agree(value, [single[name] for single in apart]) for name, value in together.items()
    )


def join(values: Sequence[Any]) -> Any:
    """The outputs of all calls as one array."""
    if len(values) == 1:
        return values[0]
    return np.stack(values) if np.ndim(values[0]) == 0 else np.concatenate(values)


def _agree(together: Any, apart: list[Any]) -> bool:
    if not isinstance(together, np.ndarray) or together.ndim == 0:
        return False
    joined = np.concatenate(apart)
    if joined.shape != together.shape:
        return False
    if together.dtype.kind != "f":
        return bool((joined == together).all())
    finite = np.abs(together[np.isfinite(together)])
    atol = PROBE_TOLERANCE * float(finite.max(initial=0.0))
    return bool(np.allclose(joined, together, rtol=0.0, atol=atol, equal_nan=True))
