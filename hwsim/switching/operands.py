"""Toggles of both operands of a whole product, exactly, without walking through all its MACs.

A word that is used again and again switches alike each time, so that rows of codes and the number
of repetitions suffice.  `Rows` come in pieces, so that a convolution need not be unfolded at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rows = Callable[[], Iterator[Array]]  # the rows of one operand, (rows, K) codes at a time


def operand_toggles(
    a: Rows, b: Rows, m: int, n: int, stationary: str, multipliers: int = 1
) -> tuple[int, int]:
    """Bits that switch at the inputs a and b of a processing element, from its reset on.

    a, b : rows of codes (M, K) and columns of codes (N, K); ``multipliers``: so many work at once,
    each on every so-manieth k.  The order of MACs: `hwsim.switching.orders`.
    """
    held, streamed, cycled = _held, _streamed, _cycled
    ways = {
        "weight": ((streamed, n), (held, 1)),
        "output": ((_repeated, n), (cycled, m)),
        "input": ((held, 1), (streamed, m)),
    }
    (way_a, times_a), (way_b, times_b) = ways[stationary]
    if not m or not n:
        return 0, 0
    return way_a(a, times_a, multipliers), way_b(b, times_b, multipliers)


def _held(rows: Rows, times: int, step: int) -> int:
    """Row after row, each word once."""
    return _cycled(rows, times, step)


def _cycled(rows: Rows, times: int, step: int) -> int:
    """All rows one after the other, and this ``times`` over."""
    found = _along(rows, step)
    if found is None:
        return 0
    again = (times - 1) * _ones(found.first ^ found.last)
    return times * (found.inside + found.joints) + again + _ones(found.first)


def _repeated(rows: Rows, times: int, step: int) -> int:
    """Every row ``times`` over before the next one."""
    found = _along(rows, step)
    if found is None:
        return 0
    again = times * found.inside + (times - 1) * found.wraps
    return again + found.joints + _ones(found.first)


def _streamed(rows: Rows, times: int, step: int) -> int:
    """Column after column, and this ``times`` over: each k for all rows."""
    total, top, bottom = 0, None, None
    for x in rows():
        top = x[0] if top is None else top
        total += 0 if bottom is None else _ones(x[0] ^ bottom)
        total += _ones(x[1:] ^ x[:-1])
        bottom = x[-1]
    if top is None or bottom is None or not top.size:
        return 0
    total += _ones(top[step:] ^ bottom[:-step]) if len(top) > step else 0
    first, last = _ends(top[None], step)[0], _ends(bottom[None], step)[1]
    return times * total + (times - 1) * _ones(first ^ last) + _ones(first)


@dataclass(frozen=True)
class _Along:
    """Bits between a row's words, from a row's end to its start, from a row to the next one; the
    first words of all, and the last."""

    inside: int
    wraps: int
    joints: int
    first: Array
    last: Array


def _along(rows: Rows, step: int) -> _Along | None:
    inside = wraps = joints = 0
    first = last = None
    for x in rows():
        if not x.size:
            continue
        inside += _ones(x[:, step:] ^ x[:, :-step]) if x.shape[1] > step else 0
        starts, ends = _ends(x, step)
        wraps += _ones(starts ^ ends)
        joints += _ones(starts[1:] ^ ends[:-1])
        joints += 0 if last is None else _ones(starts[0] ^ last)
        first = starts[0] if first is None else first
        last = ends[-1]
    if first is None or last is None:
        return None
    return _Along(inside, wraps, joints, first, last)


def _ends(x: Array, step: int) -> tuple[Array, Array]:
    """The first and the last word of every row, of each multiplier."""
    k, lanes = x.shape[1], np.arange(min(step, x.shape[1]))
    return x[:, lanes], x[:, lanes + (k - 1 - lanes) // step * step]


def _ones(words: Array) -> int:
    return int(np.bitwise_count(words).sum())
