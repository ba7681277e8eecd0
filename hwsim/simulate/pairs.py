"""Products whose pairs saturate by themselves (`DotAdd.partial`): sums in floats where these hold
them, else chunks of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.pairs import clamped_pairs

from hwsim.formats import FixedFormat
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import magnitude
from hwsim.simulate.scheduler import run_tiles
from hwsim.units import Chunked, DotAdd, ExactProduct, MacUnit

Array = npt.NDArray[Any]
ROWS, COLUMNS = 64, 512  # of a tile
STEP = 4  # products that the kernel takes at a time


def pairs_in_chunks(unit: MacUnit, facts: Facts) -> MacUnit | None:
    """Chunks of two for exact sums of two that saturate by themselves, where one product never
    does, and what they are added to does not wrap; None elsewhere."""
    order, acc = unit.order, unit.accumulator
    assert isinstance(order, DotAdd)
    fmt = order.partial
    whole = all(isinstance(f, FixedFormat) and f.fraction_bits == 0 for f in (unit.a, unit.b, acc))
    if order.width != 2 or not isinstance(fmt, FixedFormat) or not whole or fmt.fraction_bits:
        return None
    fits = magnitude(unit.a) * magnitude(unit.b) <= min(fmt.largest, -fmt.lowest)
    if not fits or unit.core is not None or not isinstance(unit.multiplier, ExactProduct):
        return None
    if unit.overflow_of(acc) == "wrap" and not _stays_inside(unit, facts):
        return None
    return replace(unit, accumulator=fmt, overflow="saturate", order=Chunked(2, acc))


def _pair(unit: MacUnit) -> FixedFormat:
    """What a pair's sum is rounded to."""
    assert isinstance(unit.order, DotAdd)
    assert isinstance(unit.order.partial, FixedFormat)
    return unit.order.partial


def _largest_sum(unit: MacUnit, facts: Facts) -> Fraction:
    """No sum of pairs, nor c with some of them, is larger."""
    return -(-facts.length // 2) * magnitude(_pair(unit)) + Fraction(facts.c_max)


def _stays_inside(unit: MacUnit, facts: Facts) -> bool:
    acc = unit.accumulator
    return _largest_sum(unit, facts) <= min(acc.largest, -acc.lowest)


def pair_sums(unit: MacUnit, facts: Facts, threads: int) -> Array | None:
    """c and the sums of pairs of a unit that `pairs_in_chunks` knows, in floats; None where a sum
    may overflow, or float64 may not hold it."""
    most = _largest_sum(unit, facts)
    if not _stays_inside(unit, facts) or most >= 2**53:
        return None
    carrier = np.dtype(np.float32 if most < 2**24 else np.float64)
    pad = -facts.length % STEP
    a = np.pad(facts.a.astype(carrier), ((0, 0), (0, 0), (0, pad)))
    b = np.pad(facts.b.astype(carrier), ((0, 0), (0, pad), (0, 0)))
    out = np.zeros((*a.shape[:2], b.shape[2]), carrier)
    if facts.c is not None:
        out[...] = facts.c
    ends = tuple(carrier.type(end) for end in (_pair(unit).lowest, _pair(unit).largest))
    run_tiles(_tiles(a, b, out, ends), threads)
    return out


def _tiles(a: Array, b: Array, out: Array, ends: Any) -> Iterator[Callable[[], None]]:
    batch, m, n = out.shape
    for item in range(batch):
        for first in range(0, n, COLUMNS):
            columns = slice(first, first + COLUMNS)
            panel = np.ascontiguousarray(b[item, :, columns])
            for row in range(0, m, ROWS):
                rows = slice(row, row + ROWS)
                yield partial(clamped_pairs, a[item, rows], panel, out[item, rows, columns], *ends)
