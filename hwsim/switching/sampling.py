"""Which outputs of a product are followed: all of a small one, else tiles drawn by a seed.

A tile is a few outputs that come one after the other in the innermost loop (output-stationary: in
the loop around it), each with all its K products.  What is counted in tiles stands for the whole
product: changes within a run of the innermost loop and changes from one run to the next apart,
since a tile's runs are shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST = 16  # outputs of a tile
MOST = 512  # tiles


@dataclass(frozen=True)
class Sample:
    """Tiles of ``rows`` × ``columns`` outputs: (item, first row, first column) each.

    exact : the tiles are all items, whole.  within, between : how many changes of the whole product
    one stands for; outputs : how many outputs.
    """

    places: tuple[tuple[int, int, int], ...]
    rows: int
    columns: int
    exact: bool
    within: float = 1.0
    between: float = 1.0
    outputs: float = 1.0


def sample(items: int, m: int, k: int, n: int, stationary: str, steps: int, seed: int) -> Sample:
    """About ``steps`` MACs of ``items`` products (M, K) × (K, N)."""
    if items * m * n * max(k, 1) <= steps:
        places = tuple((item, 0, 0) for item in range(items))
        return Sample(places, m, n, True)
    along = m if stationary == "weight" else n
    length = min(along, max(2, min(LONGEST, steps // max(k, 1))))
    tiles = max(1, min(MOST, steps // (length * max(k, 1))))
    rng = np.random.default_rng([seed, items, m, k, n])
    across = n if stationary == "weight" else m
    starts = zip(
        rng.integers(items, size=tiles).tolist(),
        rng.integers(across, size=tiles).tolist(),
        rng.integers(along - length + 1, size=tiles).tolist(),
        strict=True,
    )
    if stationary == "weight":
        places = tuple((item, start, line) for item, line, start in starts)
        rows, columns = length, 1
    else:
        places = tuple((item, line, start) for item, line, start in starts)
        rows, columns = 1, length
    lines = items * across / tiles
    outputs = lines * along / length
    if stationary == "output":
        return Sample(places, rows, columns, False, outputs, outputs, outputs)
    within = lines * (along - 1) / (length - 1) if length > 1 else lines
    return Sample(places, rows, columns, False, within, lines, outputs)
