"""Sequential, chunked and laned sums, tile by tile over threads."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import NONE

from hwsim.simulate.facts import Facts
from hwsim.simulate.orders import lane_order
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.stages import Stage, refuse_nan
from hwsim.simulate.tally import Tally, Totals
from hwsim.units import Chunked, Lanes, MacUnit

Array = npt.NDArray[Any]
Plan = tuple[Stage, Stage | None]

LANES = 512  # columns of a tile at most: 2 KB of float32 accumulators
FEW_LANES = 128
ROWS = 64
PANEL_BYTES = 1 << 20  # of b under a tile, so that it stays in a core's cache
NARROW = 64  # columns that fill too few lanes
SMALL = 1 << 18  # multiplications that are not worth a second thread


def tiled_product(
    facts: Facts, unit: MacUnit, plan: Plan, level: int, threads: int
) -> tuple[Array, Totals]:
    """Run a plan; lanes go along the longer of m and n."""
    a, b, c = facts.a, facts.b, facts.c
    swapped = b.shape[2] < NARROW and a.shape[1] > b.shape[2]
    if swapped:  # a·b = b·a, zeros' signs included
        a, b = b.swapaxes(1, 2), a.swapaxes(1, 2)
        c = None if c is None else c.swapaxes(1, 2)
    job = _Job(a, b, c, unit, plan, level)
    run_tiles(job.tasks(threads), threads if a.size * b.shape[2] > SMALL else 1)
    for where, tally in job.tallies:
        job.totals.add(tally, where)
    if not swapped:
        return job.out, job.totals
    if level != NONE:
        job.totals.struck = np.ascontiguousarray(job.totals.struck.swapaxes(1, 2))
    return job.out.swapaxes(1, 2), job.totals


class _Job:
    """One product cut into tiles that threads may finish in any order."""

    def __init__(
        self, a: Array, b: Array, c: Array | None, unit: MacUnit, plan: Plan, level: int
    ) -> None:
        self.a, self.b, self.unit, self.level = a, b, unit, level
        self.inner, self.outer = plan
        self.last = self.outer or self.inner
        shape = (a.shape[0], a.shape[1], b.shape[2])
        self.out: Array = np.zeros(shape, self.last.carrier)
        if c is not None:
            self.out[...] = c
        self.totals = Totals(shape, level)
        self.tallies: list[tuple[Any, Tally]] = []

    def tasks(self, threads: int) -> list[Callable[[], None]]:
        """One task for every tile."""
        batch, m, k = self.a.shape
        n = self.b.shape[2]
        carrier = self.inner.carrier
        width = _panel_width(k, n, np.dtype(carrier).itemsize)
        step = max(1, min(ROWS, -(-m // threads)))
        tasks: list[Callable[[], None]] = []
        for item in range(batch):
            left: Array = np.ascontiguousarray(self.a[item], carrier)
            for first in range(0, n, width):
                columns = slice(first, min(n, first + width))
                panel: Array = np.ascontiguousarray(self.b[item, :, columns], carrier)
                for row in range(0, m, step):
                    where = (item, slice(row, min(m, row + step)), columns)
                    tasks.append(partial(self.tile, where, left[where[1]], panel))
        return tasks

    def tile(self, where: tuple[int, slice, slice], a: Array, b: Array) -> None:
        """Accumulate one tile, which starts as c."""
        target = np.ascontiguousarray(self.out[where])
        tally = Tally(target.shape, (self.inner.lane, self.last.lane), self.level)
        if self.outer is None:
            self.inner.add(a, b, target, tally)
        elif isinstance(self.unit.order, Lanes):
            self._lanes(a, b, target, self.outer, tally)
        else:
            self._chunks(a, b, target, self.outer, tally)
        refuse_nan(target, self.unit.outer_format)
        self.out[where] = target
        if self.level != NONE:
            self.tallies.append((where, tally))

    def _chunks(self, a: Array, b: Array, total: Array, outer: Stage, tally: Tally) -> None:
        assert isinstance(self.unit.order, Chunked)
        length, k = self.unit.order.length, a.shape[1]
        sums: Array = np.empty(total.shape, self.inner.carrier)
        for start in range(0, k, length):
            part = np.ascontiguousarray(a[:, start : start + length])
            sums[...] = 0
            self.inner.add(part, b[start : start + length], sums, tally, start)
            refuse_nan(sums, self.unit.accumulator)
            outer.merge(total, sums.astype(outer.carrier, copy=False), tally)

    def _lanes(self, a: Array, b: Array, total: Array, outer: Stage, tally: Tally) -> None:
        """Sums of lanes wait in a list until they are added up."""
        order = self.unit.order
        assert isinstance(order, Lanes)
        if a.shape[1] == 0:
            return
        inside = copy(tally)  # sums of lanes count as inner ones
        inside.outer, inside.outer_flags = tally.inner, tally.flags
        waiting: list[Array] = []
        for lane, joins, _ in zip(*lane_order(order), strict=True):
            sums: Array = np.zeros(total.shape, self.inner.carrier)
            mine = slice(lane, None, order.count)
            left, right = (np.ascontiguousarray(x) for x in (a[:, mine], b[mine]))
            self.inner.add(left, right, sums, tally)
            refuse_nan(sums, self.unit.accumulator)
            waiting.append(sums.astype(outer.carrier, copy=False))
            for _ in range(joins):
                last = waiting.pop()
                outer.merge(waiting[-1], last, inside)
        outer.merge(total, waiting[0], tally)


def _panel_width(k: int, n: int, itemsize: int) -> int:
    """Columns of a panel: as many as stay in cache, in whole vectors."""
    width = PANEL_BYTES // max(1, k * itemsize) // NARROW * NARROW
    return min(max(1, n), LANES, max(FEW_LANES, width))
