"""Fused blocks of products on the kernels, panel by panel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, CHEAP, LARGEST, NONE, merge_kernel
from hwsim_kernels.fused import LANES, exact_kernel, general_kernel
from hwsim_kernels.fused_pass import CUT, TO_NEAREST, Cut32, narrow_kernel
from hwsim_kernels.fused_scaled import CUT as CUT64
from hwsim_kernels.fused_scaled import Cut64, grouped_kernel
from hwsim_kernels.fused_whole import whole_kernel
from hwsim_kernels.rounding64 import INNOCUOUS, NEAREST, STICKY

from hwsim.formats import FloatFormat
from hwsim.simulate.facts import Facts
from hwsim.simulate.fused_layout import Layout, Side, sides_of
from hwsim.simulate.fused_proofs import MOST_BITS, Known
from hwsim.simulate.grids import grid64, rounding_mode, significant_bits
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.tally import Tally, Totals
from hwsim.units import MacUnit

Array = npt.NDArray[Any]
ROWS = 64  # of a task
SMALL = 1 << 18  # multiplications that are not worth a second thread


def fused_product(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product in blocks; None where no kernel is proved."""
    known = Known(unit, facts, level)
    if known.refusal():
        return None
    swapped = facts.b.shape[2] < LANES and facts.a.shape[1] > facts.b.shape[2]
    sides, c = sides_of(known), facts.c
    if not swapped:
        return _Job(known, sides, c).run(threads)
    sides = sides[1].turned, sides[0].turned
    out, totals = _Job(known, sides, None if c is None else c.swapaxes(1, 2)).run(threads)
    if level != NONE:
        totals.struck = np.ascontiguousarray(totals.struck.swapaxes(1, 2))
    return out.swapaxes(1, 2), totals


class _Job:
    """One product, as tasks of panels of columns and some rows."""

    def __init__(self, known: Known, sides: tuple[Side, Side], c: Array | None) -> None:
        self.known, self.c = known, c
        self.sides, self.a, self.b = sides, sides[0].values, sides[1].values
        self.layout = Layout(known, self.a.shape[2])
        shape = (*self.a.shape[:2], self.b.shape[2])
        self.sums = np.dtype(np.float32 if known.whole or known.narrow else np.float64)
        self.out: Array = np.zeros(shape, self.sums)
        self.totals = Totals(shape, known.level)
        self.tallies: list[tuple[Any, Tally]] = []

    def run(self, threads: int) -> tuple[Array, Totals]:
        """Every panel; threads take its rows."""
        if self.c is not None:
            self.out[...] = self.c
        small = self.a.size * self.b.shape[2] <= SMALL
        if self.layout.places.size and self.out.size:
            run_tiles(self._tasks(threads), 1 if small else threads)
        for where, tally in self.tallies:
            self.totals.add(tally, where)
        if self.known.level != ALL:
            self.totals.inner[LARGEST] = 0  # the kernels have it, and nobody asked
        return self.out, self.totals

    def _tasks(self, threads: int) -> Iterator[Callable[[], None]]:
        m, n = self.out.shape[1:]
        rows = max(1, min(ROWS, -(-m // threads)))
        for item in range(self.a.shape[0]):
            left = self.layout.packed(self.sides[0], item, None)
            for first in range(0, n, LANES):
                columns = slice(first, min(n, first + LANES))
                right = self.layout.packed(self.sides[1], item, columns)
                for row in range(0, m, rows):
                    where = (item, slice(row, min(m, row + rows)), columns)
                    yield partial(self._tile, where, left, right)

    def _tile(self, where: Any, left: Any, right: Any) -> None:
        """Some rows of a panel."""
        rows, columns = where[1], self.out[where].shape[1]
        start = np.zeros((self.out[where].shape[0], LANES), self.sums)
        start[:, :columns] = self.out[where]
        a = tuple(x[rows] for x in left)
        tally = Tally(start.shape, (np.int64, np.int64), CHEAP)
        if self.known.order.promote is None:
            self._blocks(a, right, start, (0, self.layout.blocks), tally)
        else:
            start = self._promoted(a, right, start.astype(np.float64), tally)
        self.out[where] = start[:, :columns]
        if self.known.level != NONE:
            tally.flags, tally.outer_flags = (
                flags[:, :columns] for flags in (tally.flags, tally.outer_flags)
            )
            self.tallies.append((where, tally))

    def _promoted(self, a: Any, b: Any, total: Array, tally: Tally) -> Array:
        """Sums of some blocks from +0, added to the accumulator to nearest."""
        known, unit = self.known, self.known.unit
        p, q = significant_bits(unit.accumulator), significant_bits(known.result)
        decided = known.level != ALL and q <= p and 2 * p + 2 <= MOST_BITS
        merge = merge_kernel(INNOCUOUS if decided else STICKY, NEAREST, False, known.level)
        grid = grid64(unit.outer_format, "rne", unit.overflow_of(unit.outer_format))
        for first, last in zip(self.layout.cuts[:-1], self.layout.cuts[1:], strict=True):
            sums = np.zeros(total.shape, self.layout.carrier)
            self._blocks(a, b, sums, (first, last), tally)
            merge(total, sums.astype(np.float64), tally.outer_flags, tally.outer, grid)
        return total

    def _blocks(self, a: Any, b: Any, s: Array, span: tuple[int, int], tally: Tally) -> None:
        known = self.known
        if known.narrow:
            how = CUT if known.unit.rounding == "rtz" else TO_NEAREST
            run = narrow_kernel(known.wide, how)
            run(a, b, s, *span, self.layout.numbers, _cut32(known.result))
            return
        if known.whole and self._whole(a, b, s, span):
            return
        if s.dtype == np.float32:
            wide = s.astype(np.float64)
            self._general(a, b, wide, span, tally)
            s[...] = wide
            return
        self._general(a, b, s, span, tally)

    def _whole(self, a: Any, b: Any, s: Array, span: tuple[int, int]) -> bool:
        """By int64; whether they held the totals, else s is what it was."""
        known, before = self.known, s.copy()
        watched = not known.whole_within(known.reach)
        largest = np.zeros((1, 16), np.float32)
        run = whole_kernel(self.layout.step, watched)
        run(a, b, s, *span, self.layout.numbers, (2.0**-known.quantum, largest))
        if not watched or known.whole_within(max(known.start, float(largest.max()))):
            return True
        s[...] = before
        return False

    def _general(self, a: Any, b: Any, s: Array, span: tuple[int, int], tally: Tally) -> None:
        known = self.known
        rules = known.unit.rounding, known.unit.overflow_of(known.result)
        mode: int = rounding_mode(known.unit.rounding)
        grid: Any = grid64(known.result, *rules)
        given, counts = (a, b, s, *span, self.layout.numbers), (tally.flags, tally.inner)
        if width := known.scaled.exact:
            if known.cut:
                mode, grid = CUT64, _cut64(known.result)
            grouped_kernel(mode)(*given, width, grid, *counts)
            return
        run = exact_kernel(mode) if known.with_errors else general_kernel(mode)
        run(*given, grid, *counts)


def _cut64(fmt: FloatFormat) -> Cut64:
    """A result's bits in float64."""
    return Cut64(-(1 << (53 - fmt.precision)))


def _cut32(fmt: FloatFormat) -> Cut32:
    """A result's bits in float32; formats whose smallest normal is less than its are like it."""
    dropped = 24 - fmt.precision
    return Cut32(
        mask=-(1 << dropped),
        floor=max(fmt.emin + 127, 1) << 23,
        magic=(dropped << 23) + (1 << 22),
    )
