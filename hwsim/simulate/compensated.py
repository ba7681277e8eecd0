"""Compensated sums, and sums of two words, in float64 tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels import compensated
from hwsim_kernels.scalars import Grid64

from hwsim.formats import GridFormat
from hwsim.simulate.stages import Float64Stage, refuse_nan
from hwsim.simulate.tally import Tally
from hwsim.units import DoubleWord, Kahan

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CompensatedStage:
    """A sum whose additions are those of a stage; ``rest``: what is proved of those of two values
    of the accumulator's format."""

    first: Float64Stage
    rest: int
    order: Kahan | DoubleWord
    last: GridFormat
    last_grid: Grid64
    proof: str
    carrier: type = np.float64
    lane: type = np.int64

    def add(self, a: Array, b: Array, tile: Array, tally: Tally, start: int = 0) -> None:
        """tile ← tile + a·b over all of k; words that were two are one then."""
        stage = self.first
        how = (stage.sums, self.rest, stage.mode, stage.product is not None, stage.level)
        grids = stage.grid, stage.product or stage.grid
        lost, mass, counts = tally.lost, tally.mass, tally.inner
        arrays = (a, b, tile, tally.flags, counts, lost, mass, *grids)
        if isinstance(self.order, Kahan):
            compensated.kahan_kernel(*how)(*arrays, stage.zero_add)
            return
        compensated.double_word_kernel(*how)(*arrays, self.last_grid, tally.outer, stage.zero_add)
        refuse_nan(tile, self.last)

    def merge(self, total: Array, tile: Array, tally: Tally) -> None:
        """Nothing is split."""
        raise AssertionError(self.order)
