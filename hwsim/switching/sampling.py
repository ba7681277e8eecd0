"""Which outputs of a product are followed: all of a small one, else tiles drawn by a seed.

A tile is up to 16 outputs that come one after the other in the innermost loop over outputs (where
this is short, in the two of them), each with all its K products.  What is counted in tiles stands
for the whole product: changes within a run of the innermost loop and changes from one run to the
next apart, where a tile's runs are shorter.  A tile that is no whole product is closed: its last
word comes before its first one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST = 16  # outputs of a tile
MOST = 512  # tiles


@dataclass(frozen=True)
class Sample:
    """Tiles of ``rows`` × ``columns`` outputs: (item, first row, first column) each.

    exact : the tiles are all items, whole.  closed : they are parts of items.
    within, between : how many changes of the whole product one stands for; outputs : how many
    outputs.
    """

    places: tuple[tuple[int, int, int], ...]
    rows: int
    columns: int
    exact: bool
    closed: bool
    within: float = 1.0
    between: float = 1.0
    outputs: float = 1.0


def sample(items: int, m: int, k: int, n: int, stationary: str, steps: int, seed: int) -> Sample:
    """About ``steps`` MACs of ``items`` products (M, K) × (K, N)."""
    if items * m * n * max(k, 1) <= steps:
        return Sample(tuple((item, 0, 0) for item in range(items)), m, n, True, False)
    along, across = (m, n) if stationary == "weight" else (n, m)
    outputs = max(2, min(LONGEST, steps // max(k, 1)))
    length = min(along, outputs)
    lines = min(across, outputs // length) if length == along else 1
    tiles = max(1, min(MOST, steps // (length * lines * max(k, 1))))
    rng = np.random.default_rng([seed, items, m, k, n])
    ends = (items, across - lines + 1, along - length + 1)
    starts = [rng.integers(end, size=tiles).tolist() for end in ends]
    each = items * across * along / (tiles * lines * length)
    # Runs of the whole product are longer, so that fewer changes lie between them.
    between = each * length / along if stationary != "output" else each
    within = between * (along - 1) / (length - 1) if stationary != "output" and length > 1 else each
    closed = (length, lines) != (along, across)
    if stationary == "weight":
        places = tuple(zip(starts[0], starts[2], starts[1], strict=True))
        return Sample(places, length, lines, False, closed, within, between, each)
    places = tuple(zip(*starts, strict=True))
    return Sample(places, lines, length, False, closed, within, between, each)
