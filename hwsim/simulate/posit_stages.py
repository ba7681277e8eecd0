"""Stages of sums that are posits, and sums that are rounded to one once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, LARGEST, NONE, OVERFLOW
from hwsim_kernels.posit_sums import COLUMNS, mac_kernel, merge_kernel, vector_kernel

from hwsim.formats import PositFormat
from hwsim.simulate.posits import beyond, posit_array, posit_scalars, round_posits
from hwsim.simulate.tally import Tally, Totals
from hwsim.units import MacUnit

Array = npt.NDArray[Any]
MOST_BITS = 51  # of a sum's significand: float64, rounded to odd, has two more


@dataclass(frozen=True)
class PositStage:
    """A posit accumulator in float64, or in float32 where nothing is counted and it holds all.

    product : the posit format that products are rounded to; None leaves them exact.  wide : whether
    they have more than 53 bits.
    """

    fmt: PositFormat
    product: PositFormat | None
    rounding: str
    wide: bool
    level: int
    proof: str
    carrier: type = np.float64
    lane: type = np.int64

    def add(self, a: Array, b: Array, tile: Array, tally: Tally, start: int = 0) -> None:
        if self.level == NONE and self.product is None:
            self._add_vectors(a, b, tile)
            return
        run = mac_kernel(self.product is not None, self.wide, self.level)
        grids = (posit_scalars(fmt, self.rounding) for fmt in (self.fmt, self.product or self.fmt))
        run(a, b, tile, tally.flags, tally.inner, tally.lost, tally.mass, *grids)

    def _add_vectors(self, a: Array, b: Array, tile: Array) -> None:
        """Columns in whole blocks; those that are missing are zeros."""
        width = 8 * tile.itemsize
        n = tile.shape[1]
        missing = -n % COLUMNS[width]
        sums = tile
        if missing:
            b, sums = (np.pad(x, ((0, 0), (0, missing))) for x in (b, tile))
        left, right = np.ascontiguousarray(a), np.ascontiguousarray(b)
        numbers = posit_array(self.fmt, self.rounding, width)
        vector_kernel(int(self.wide))(left, right, sums, numbers)
        if missing:
            tile[...] = sums[:, :n]

    def merge(self, total: Array, tile: Array, tally: Tally) -> None:
        sums = total.astype(np.float64, copy=False)
        addends = tile.astype(np.float64, copy=False)
        q = posit_scalars(self.fmt, self.rounding)
        merge_kernel(self.level)(sums, addends, tally.outer_flags, tally.outer, q)
        total[...] = sums


def has_posits(unit: MacUnit) -> bool:
    """Whether a sum, or a product, is rounded to a posit."""
    formats = (unit.product_format, unit.accumulator, unit.block_format, unit.outer_format)
    return any(isinstance(fmt, PositFormat) for fmt in formats)


def once(x: Array, unit: MacUnit, level: int) -> tuple[Array, Totals]:
    """Exact totals, rounded to odd, in the accumulator's posits."""
    fmt = unit.accumulator
    assert isinstance(fmt, PositFormat)
    totals = Totals(x.shape, level)
    values = round_posits(x, fmt, unit.rounding, None)
    totals.inner[OVERFLOW] = beyond(x, fmt, totals.struck)
    if level == ALL:
        finite = np.abs(values[np.isfinite(values)])
        totals.inner[LARGEST] = np.float64(finite.max(initial=0.0)).view(np.int64)
    return values, totals
