"""One layer: what its operands switch, and the energy by that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim import costs
from hwsim.costs.activity import DataEnergy, Switching, check_gating, data_energy
from hwsim.costs.nodes import Node
from hwsim.formats import Format
from hwsim.switching.counting import Counts, Tiles, count
from hwsim.switching.operands import Rows, operand_toggles
from hwsim.switching.orders import check_stationary
from hwsim.switching.randomness import random_counts
from hwsim.switching.report import Activity
from hwsim.switching.sampling import Sample, sample
from hwsim.switching.sources import Source
from hwsim.switching.sums import check_countable, multipliers_of, places_of
from hwsim.units import MacUnit

MACS = 1 << 16
MOST = 1 << 22


@dataclass(frozen=True)
class How:
    """How a layer is seen, sampled and priced."""

    stationary: str = "weight"
    gating: str = "none"
    macs: int = MACS
    seed: int = 0
    node: str | Node = "45nm"

    def __post_init__(self) -> None:
        check_stationary(self.stationary)
        check_gating(self.gating)
        for name, value, least, most in (
            ("macs", self.macs, 1, MOST),
            ("seed", self.seed, 0, None),
        ):
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < least or (most is not None and value > most):
                upper = "" if most is None else f" to {most}"
                raise ValueError(f"{name}={value!r}: an integer from {least}{upper} is needed")


def counted(source: Source, how: How) -> Activity:
    """All counts of a layer's operands, and its energy."""
    unit, (items, m, k, n) = source.unit, source.sizes
    check_countable(unit)
    drawn = sample(items, m, k, n, how.stationary, how.macs, how.seed)
    random = random_counts(unit.summing, k, how.stationary == "output")
    found = _followed(source, drawn, how) if items * m * k * n else None
    switching = Switching()
    if found is not None:
        switching = found.gated if how.gating in ("zero", "both") else found.plain
    energy, node = _energy(unit, (items * m * n, k), switching, random.plain, how)
    return Activity(
        *(str(unit), node, how.stationary, how.gating),
        *(m, k, n, items, items * m * k, items * n * k),
        *_operands(source, how.stationary),
        followed=len(drawn.places) * drawn.rows * drawn.columns * k,
        exact=drawn.exact,
        switching=switching,
        idle=found.idle if found else 0.0,
        widths=(found or random).widths,
        random=random.plain,
        energy=energy,
    )


def _operands(source: Source, stationary: str) -> tuple[int, int, int, int]:
    """Zeros of a and b, and their toggles, of all items."""
    items = [_operands_of(source, item, stationary) for item in range(source.sizes[0])]
    a_zeros, b_zeros, a_toggles, b_toggles = (sum(item[i] for item in items) for i in range(4))
    return a_zeros, b_zeros, a_toggles, b_toggles


def _followed(source: Source, drawn: Sample, how: How) -> Counts:
    return count(source.unit, Tiles(*source.tiles(drawn), how.stationary, drawn))


def _energy(
    unit: MacUnit, outputs: tuple[int, int], data: Switching, random: Switching, how: How
) -> tuple[DataEnergy, str]:
    """Of ``outputs``: how many, of how many products each; and the node's name."""
    price, (count, k) = costs.cost(unit, how.node), outputs
    times = (count * k, count * -(-k // unit.order.group), count)
    return data_energy(price, times, data, random, how.gating), price.node


def _operands_of(source: Source, item: int, stationary: str) -> tuple[int, int, int, int]:
    """Zeros of a and b, and their toggles."""
    unit, (_, m, k, n) = source.unit, source.sizes
    places = places_of(unit, k)
    plain = places == list(range(k))
    zeros = [
        sum(_zeros(x, fmt) for x in pieces)
        for pieces, fmt in ((source.rows(item), unit.a), (source.columns(item), unit.b))
    ]

    def ordered(pieces: Callable[[int], Iterator[Any]]) -> Rows:
        return lambda: (x if plain else x[:, places] for x in pieces(item))

    rows, columns = ordered(source.rows), ordered(source.columns)
    toggles = operand_toggles(rows, columns, m, n, stationary, multipliers_of(unit))
    return zeros[0], zeros[1], *toggles


def _zeros(codes: Any, fmt: Format) -> int:
    """Codes of ±0."""
    from hwsim import simulate  # imports numba

    found = np.zeros(codes.shape, bool)
    if getattr(fmt, "has_zero", True):
        for zero in np.unique(simulate.encode(np.array([0.0, -0.0]), fmt)):
            found |= codes == zero
    return int(np.count_nonzero(found))
