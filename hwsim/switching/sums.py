"""Words of the accumulators, step by step: the unit itself runs, each step from the last one's sum.

Sequential and reversed sums, trees, exact groups, fused and staged blocks go on from c; chunks and
promoted sums have an inner register, which begins anew, and an outer one.  Of lanes every one has
its register.  Exact sums lie in a register as wide as `hwsim.costs.register_bits` says, in two's
complement.  Compensated sums show their first word alone, by sums of the first 1, 2, 3 … products.
Under stochastic rounding every step draws bits of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.costs.widths import register_bits
from hwsim.errors import HwsimError
from hwsim.formats import Format
from hwsim.switching.exact import exact_words
from hwsim.switching.words import codes_of, in_blocks
from hwsim.units import (
    COMPENSATED,
    Bins,
    Chunked,
    DotAdd,
    Exact,
    Fused,
    Lanes,
    MacUnit,
    Reversed,
    Sequential,
    Staged,
    Tree,
)

Array = npt.NDArray[Any]


class UncountedError(HwsimError):
    """A unit whose sums cannot be followed; says why."""


@dataclass(frozen=True)
class Sums:
    """Words (tiles, rows, columns, steps) of the register, that of the outer one (None without
    one), and the finished sums' (tiles, rows, columns).

    groups : numbers of the products that each step adds.  registers : steps go round so many.
    """

    words: Array
    bits: int
    outer: Array | None
    outer_bits: int
    results: Array
    groups: list[list[int]]
    registers: int = 1


def multipliers_of(unit: MacUnit) -> int:
    """How many products a unit makes at once."""
    order = unit.order
    if isinstance(order, Tree | DotAdd):
        return order.width
    return order.terms if isinstance(order, Fused | Staged) else 1


def places_of(unit: MacUnit, k: int) -> list[int]:
    """The products' numbers in the order in which they are made."""
    return unit.order.places(k) if isinstance(unit.order, Reversed) else list(range(k))


def check_countable(unit: MacUnit) -> None:
    """UncountedError for what has no sums that one could follow."""
    order = unit.order
    if isinstance(order, Bins):
        raise UncountedError(f"{unit}: sums in bins are not followed, so nothing is counted")
    if unit.is_blocked and (unit.scales_sums or isinstance(order, Fused)):
        if order.group % unit.block_size:
            raise UncountedError(
                f"{unit}: sums of parts of blocks are not followed; a multiple of "
                f"{unit.block_size} products at a time is counted"
            )


def sums_of(unit: MacUnit, a: Array, b: Array, c: Array | None = None) -> Sums:
    """Follow the sums of a (tiles, rows, K) times b (tiles, K, columns), values as `hwsim.matmul`
    takes them, from c (tiles, rows, columns) on."""
    check_countable(unit)
    unit, a, b = _of_numbers(unit.summing, a, b)
    order, k = unit.order, a.shape[-1]
    results = codes_of(_matmul(unit, a, b, c, 0), unit.outer_format)
    if isinstance(order, Chunked) or (isinstance(order, Fused) and order.promote):
        return _in_chunks(unit, a, b, c, results)
    fmt, bits, registers = unit.block_format, unit.block_format.width, 1
    groups = _groups(places_of(unit, k), multipliers_of(unit))
    if isinstance(order, Lanes):
        words, registers = _in_lanes(unit, a, b, order.count), order.count
    elif isinstance(order, Exact):
        bits = register_bits(unit)
        words = exact_words(unit, a, b, c, bits)
    elif isinstance(order, COMPENSATED):
        firsts = [_matmul(unit, a[..., : i + 1], b[:, : i + 1], c, 0) for i in range(k)]
        words = _stacked([codes_of(x, fmt) for x in firsts], a, b)
    else:
        fmt = unit.accumulator if isinstance(order, DotAdd) else fmt
        bits = fmt.width
        words = _stepped(_stepping(unit), a, b, c, groups, fmt)
    return Sums(words, bits, None, 0, results, groups, registers)


def _of_numbers(unit: MacUnit, a: Array, b: Array) -> tuple[MacUnit, Array, Array]:
    """Blocks as numbers, element times scale, where no sum is scaled."""
    if not unit.is_blocked or unit.scales_sums or isinstance(unit.order, Fused):
        return unit, a, b
    a = in_blocks(a, unit.a_block, -1)[1] if unit.a_block else a
    b = in_blocks(b, unit.b_block, -2)[1] if unit.b_block else b
    return unit.of_values, a, b


def _stepping(unit: MacUnit) -> MacUnit:
    """The unit that takes one step."""
    return replace(unit, order=Sequential()) if isinstance(unit.order, Reversed) else unit


def _groups(places: Sequence[int], size: int) -> list[list[int]]:
    return [list(places[i : i + size]) for i in range(0, len(places), size)]


def _stepped(
    unit: MacUnit, a: Array, b: Array, c: Any, groups: list[list[int]], fmt: Format
) -> Array:
    """The sum after every group of products."""
    words, state = [], c
    for number, group in enumerate(groups):
        state = _matmul(unit, a[..., group], b[:, group], state, number)
        words.append(codes_of(state, fmt))
    return _stacked(words, a, b)


def _in_chunks(unit: MacUnit, a: Array, b: Array, c: Any, results: Array) -> Sums:
    """Inner sums from +0, whose last ones enter the outer sum."""
    order, k, fmt = unit.order, a.shape[-1], unit.block_format
    chunks = _groups(range(k), order.group)
    if isinstance(order, Fused):
        inner, size = replace(unit, order=replace(order, promote=None)), order.terms
    else:
        inner, size = replace(unit.of_elements, order=Sequential()), 1
    groups = [_groups(chunk, size) for chunk in chunks]
    left, right = _elements(unit, a, b)
    parts = [_stepped(inner, left, right, None, steps, fmt) for steps in groups]
    words = np.concatenate(parts, axis=-1) if parts else _stacked([], a, b)
    outer = _stepped(unit, a, b, c, chunks, unit.outer_format)
    every = [step for steps in groups for step in steps]
    return Sums(words, fmt.width, outer, unit.outer_format.width, results, every)


def _elements(unit: MacUnit, a: Array, b: Array) -> tuple[Array, Array]:
    """Operands without their blocks' scales, where sums are scaled."""
    if unit.scales_sums:
        a = in_blocks(a, unit.a_block, -1)[0] if unit.a_block else a
        b = in_blocks(b, unit.b_block, -2)[0] if unit.b_block else b
    return a, b


def _in_lanes(unit: MacUnit, a: Array, b: Array, count: int) -> Array:
    """The sum that each product enters, of its own lane."""
    k, step = a.shape[-1], replace(unit, order=Sequential())
    words = _stacked([], a, b)
    for lane in range(min(count, k)):
        places = range(lane, k, count)
        own = _stepped(step, a, b, None, _groups(places, 1), unit.accumulator)
        if not words.shape[-1]:
            words = np.zeros((*own.shape[:3], k), own.dtype)
        words[..., lane::count] = own
    return words


def _stacked(words: list[Array], a: Array, b: Array) -> Array:
    """Words of all steps along a last axis."""
    if words:
        return np.stack(words, axis=-1)
    return np.zeros((a.shape[0], a.shape[1], b.shape[2], 0), np.uint8)


def _matmul(unit: MacUnit, a: Array, b: Array, c: Any, seed: int) -> Array:
    from hwsim import simulate  # imports numba

    return np.asarray(simulate.matmul(a, b, unit, c=c, seed=seed))
