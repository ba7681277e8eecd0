"""Stages: one accumulator as the kernels run it.

A stage adds products to a tile (`add`), or chunk sums to a tile of totals (`merge`).  Each
carries the proof that its kernel gives the exact bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from hwsim_kernels import float64, integers
from hwsim_kernels.scalars import Grid64, IntRange

from hwsim.formats import Format
from hwsim.simulate.finish import holds_nan
from hwsim.simulate.inputs import nan_reached
from hwsim.simulate.tally import Tally

Array = npt.NDArray[Any]


class Stage(Protocol):
    """An accumulator's kernels; tiles and flags have the dtypes ``carrier`` and ``lane``."""

    @property
    def carrier(self) -> type: ...
    @property
    def lane(self) -> type: ...
    @property
    def proof(self) -> str: ...
    def add(self, a: Array, b: Array, tile: Array, tally: Tally, start: int = 0) -> None:
        """tile ← R(tile + a·b) over k, which counts from ``start``."""

    def merge(self, total: Array, tile: Array, tally: Tally) -> None:
        """total ← R(total + tile)."""


@dataclass(frozen=True)
class Float64Stage:
    """Any rounding and overflow in float64."""

    grid: Grid64
    product: Grid64 | None
    sums: int
    mode: int
    wraps: bool
    level: int
    zero_add: float
    proof: str
    carrier: type = np.float64
    lane: type = np.int64

    def add(self, a: Array, b: Array, tile: Array, tally: Tally, start: int = 0) -> None:
        rounded = self.product is not None
        run = float64.mac_kernel(self.sums, self.mode, self.wraps, rounded, self.level)
        product = self.product or self.grid
        counts = tally.inner
        lost, mass = tally.lost, tally.mass
        run(a, b, tile, tally.flags, counts, lost, mass, self.grid, product, self.zero_add)

    def merge(self, total: Array, tile: Array, tally: Tally) -> None:
        run = float64.merge_kernel(self.sums, self.mode, self.wraps, self.level)
        run(total, tile, tally.outer_flags, tally.outer, self.grid)


@dataclass(frozen=True)
class IntegerStage:
    """Saturating or wrapping integers in int32 or int64 lanes."""

    range: IntRange
    lane: type
    wraps: bool
    counted: bool
    proof: str

    @property
    def carrier(self) -> type:
        return self.lane

    def add(self, a: Array, b: Array, tile: Array, tally: Tally, start: int = 0) -> None:
        run = integers.mac_kernel(self.lane, self.wraps, self.counted)
        run(a, b, tile, tally.flags, tally.inner[float64.OVERFLOW :], self.range)

    def merge(self, total: Array, tile: Array, tally: Tally) -> None:
        counts = tally.outer[float64.OVERFLOW :]
        flags = tally.outer_flags
        integers.merge(total, tile, flags, counts, self.range, self.wraps, self.counted)


def refuse_nan(values: Array, fmt: Format) -> None:
    """Raise ValueError when NaN has reached a format that cannot hold it."""
    if not fmt.has_nan and holds_nan(values):
        raise nan_reached(fmt)
