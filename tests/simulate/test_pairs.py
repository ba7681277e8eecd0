"""Products of every code with every code, straight by the reference: a seeded slice."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.formats import ROUNDINGS
from tests.simulate.all_pairs import ACCUMULATORS, check, units

PAIRS = (("e5m2", "e5m2"), ("e4m3", "e5m2"), ("e4m3fnuz", "e3m4"), ("int8", "e4m3"))


# Half of them, each pair with half of the accumulators; `make exhaustive` takes all.
SLICES = [(p, a) for i, p in enumerate(PAIRS) for j, a in enumerate(ACCUMULATORS) if (i + j) % 2]


@pytest.mark.parametrize(("pair", "accumulator"), SLICES)
def test_seeded_slice(pair: tuple[str, str], accumulator: str) -> None:
    """Four seeded codes of a with every code of b, with and without c, all modes and rules."""
    generator = np.random.default_rng([PAIRS.index(pair), ACCUMULATORS.index(accumulator)])
    modes = set()
    for seed, unit in enumerate(units(*pair, (accumulator,))):
        check(unit, generator.integers(0, 256, 4), seed)
        modes.add(unit.rounding)
    assert modes == set(ROUNDINGS)


@pytest.mark.parametrize("pair", PAIRS, ids="x".join)
def test_every_pair(pair: tuple[str, str]) -> None:
    """All 65 536 products, into the unit's usual accumulator."""
    spec = {"e5m2": "e6m9", "e4m3": "fp16", "e4m3fnuz": "bf16", "int8": "e4m3"}[pair[0]]
    unit = next(units(*pair, (spec,)))
    assert len(check(unit, None, 0)) >= 2 * 240 * 240 * 4
