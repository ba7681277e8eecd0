"""In which order a processing element sees a layer's words, and which words follow each other.

One element does all MACs of a product (M, K) × (K, N); an array of elements shares them out, and
each of its elements sees a part of the same sequence.

weight : the element holds b[k, n] while a[m, k] streams: for n, for k, for m.  A sum passes through
    on its way down the column: the element's register holds, after each MAC, s[m, k, n], the sum of
    output (m, n) after product k.
output : the element holds output (m, n) while both operands stream: for m, for n, for k.
input : the element holds a[m, k] while b[k, n] streams: for m, for k, for n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Loops from the outermost to the innermost, as axes of words (tiles, rows, columns, k).
_AXES = {"weight": (0, 2, 3, 1), "output": (0, 1, 2, 3), "input": (0, 1, 3, 2)}
STATIONARY = tuple(_AXES)
PASSING = "passing"  # sums of unrelated outputs, one a tile, pass by: for k, for all tiles
IN_PLACE = "in place"  # or stay: for all tiles, for k


def check_stationary(stationary: str) -> None:
    """ValueError for what is no order."""
    if stationary not in STATIONARY:
        raise ValueError(f"stationary={stationary!r}: allowed are {', '.join(STATIONARY)}")


def in_order(words: Array, stationary: str) -> Array:
    """Words (tiles, rows, columns, k) as they follow each other: (tiles, runs, length of a run),
    a run being what the innermost loop meets."""
    if stationary in (PASSING, IN_PLACE):
        lines = words.reshape(words.shape[0], words.shape[3])
        return lines.T[None] if stationary == PASSING else lines[None]
    turned = words.transpose(_AXES[stationary])
    return turned.reshape(turned.shape[0], turned.shape[1] * turned.shape[2], turned.shape[3])


@dataclass(frozen=True)
class Changes:
    """Which word follows which, as flat indices; ``before`` is −1 for the reset's word of zeros;
    ``within``: both lie in one run."""

    before: Array
    after: Array
    within: Array


def changes(keep: Array, closed: bool) -> Changes:
    """Every kept word after the kept one before it, tile by tile.

    keep : bools (tiles, runs, length); the others leave all wires as they are.
    closed : the last word of a tile comes before its first one (of samples); else the reset does.
    """
    length, size = keep.shape[2], keep.shape[1] * keep.shape[2]
    after = np.flatnonzero(keep)
    if not after.size:
        return Changes(after, after, np.zeros(0, bool))
    tile, before = after // size, np.roll(after, 1)
    first = np.concatenate([[True], tile[1:] != tile[:-1]])
    last = np.roll(first, -1)
    before[first] = after[last] if closed else -1
    within = (before >= 0) & (before // length == after // length) & (before < after)
    return Changes(before, after, within)


def bits_between(words: Array, which: Changes) -> Array:
    """Bits in which each word differs from the one before it (int64)."""
    flat = words.reshape(-1)
    zero = np.zeros(1, flat.dtype) if flat.dtype != object else np.array([0], object)
    flat = np.concatenate([flat, zero])  # where −1 points to
    return ones(flat[which.before] ^ flat[which.after])


def ones(words: Array) -> Array:
    """Bits that are set, of unsigned words or of Python's integers."""
    if words.dtype == object:
        return np.array([int(x).bit_count() for x in words.reshape(-1)], np.int64)
    return np.bitwise_count(words).astype(np.int64)
