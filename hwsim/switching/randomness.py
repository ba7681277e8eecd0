"""What random operands switch: the assumption that a node's constant stands for.

Both operands are new codes for every product, uniform over all codes that are finite.  Sums follow
each other as in the layer's own order: those of one output, or of unrelated outputs that pass by.
Where a float's sums could overflow, larger values are left out, since a sum that has become Inf or
NaN switches no more.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import FixedFormat, FloatFormat, Format, TableFormat
from hwsim.switching.counting import Counts, Tiles, count
from hwsim.switching.orders import IN_PLACE, PASSING
from hwsim.switching.sampling import Sample
from hwsim.units import Chunked, MacUnit

Array = npt.NDArray[Any]
STEPS = 1 << 14  # MACs that are followed
FEWEST, MOST = 8, 512  # sums
ROUNDS = 200


@lru_cache(maxsize=256)
def random_counts(unit: MacUnit, k: int, in_place: bool) -> Counts:
    """Counts of random operands, in sums of ``k`` products that stay ``in_place`` or pass by; the
    same ones for every call."""
    sums = min(MOST, max(FEWEST, STEPS // max(k, 1)))
    rng = np.random.default_rng([11, k])
    limits = _limit(unit, k)
    a = uniform(unit.a, (sums, 1, k), rng, limits)
    b = uniform(unit.b, (sums, k, 1), rng, limits)
    order = IN_PLACE if in_place else PASSING
    places = tuple((tile, 0, 0) for tile in range(sums))
    return count(unit, Tiles(a, b, None, order, Sample(places, 1, 1, False, True)))


def uniform(fmt: Format, shape: tuple[int, ...], rng: Any, limit: float = math.inf) -> Array:
    """Values of uniform codes that are finite and no larger than ``limit``, as `hwsim.matmul` takes
    them.

    >>> from hwsim.formats import IntFormat
    >>> uniform(IntFormat(8), (3,), np.random.default_rng(1)).tolist()
    [-7, 3, 65]
    """
    from hwsim import simulate  # imports numba

    def draw(size: int) -> Array:
        return np.asarray(simulate.decode(_codes(fmt, size, rng), fmt))

    values = draw(math.prod(shape))
    for _ in range(ROUNDS):
        bad = ~np.isfinite(values) | (np.abs(values) > limit)
        if not bad.any():
            break
        values[bad] = draw(int(bad.sum()))
    else:
        values[bad] = 0
    return values.reshape(shape)


def _codes(fmt: Format, size: int, rng: Any) -> Array:
    """Uniform codes, of those that the format has."""
    if isinstance(fmt, TableFormat):
        return np.asarray(rng.choice(np.array([c for _, c in fmt.entries], np.uint64), size))
    if isinstance(fmt, FixedFormat):
        kind = np.int64 if fmt.signed else np.uint64
        drawn = rng.integers(fmt.lowest_code, fmt.largest_code, size, kind, endpoint=True)
        return np.asarray(drawn.astype(np.uint64) & np.uint64((1 << fmt.width) - 1))
    return np.asarray(rng.integers(0, (1 << fmt.width) - 1, size, np.uint64, endpoint=True))


def _limit(unit: MacUnit, k: int) -> float:
    """Operands whose sums stay within float accumulators."""
    sums = ((unit.accumulator, min(k, unit.order.group) if _has_outer(unit) else k),)
    limits = [
        math.sqrt(float(fmt.largest) / max(1, terms))
        for fmt, terms in (*sums, (unit.outer_format, k))
        if isinstance(fmt, FloatFormat)
    ]
    return min(limits, default=math.inf)


def _has_outer(unit: MacUnit) -> bool:
    return isinstance(unit.order, Chunked)
