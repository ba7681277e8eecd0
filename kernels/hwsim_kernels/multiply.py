"""What enters an accumulator at one k: the product of a row's and a column's operand.

An operand is one number at each k, or several (planes), one after the other along k:

PLAIN     x·y.
TERMS     Σ xₜ·yₜ over as many planes as the caller says, exact in the carrier, all of one sign.
MITCHELL  logarithms added: bits of x, plus bits of y less those of 1, are those of the product, its
          sign included.  Second planes keep all bits but of a zero, whose magnitude they clear; the
          first plane of a zero is that of ±1.
TABLE     an entry of ``table`` times two powers of two: the planes are parts of its index, as
          integers, and the powers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hwsim_kernels.datapath import MITCHELL, NATIVE, TABLE, TERMS, Path, Term
from hwsim_kernels.vectors import (
    I64,
    Vector,
    bits,
    counted_loop,
    floats,
    fma,
    looked_up,
    splat,
)

ROWS = 4
Place = Callable[[int, int], Term]  # row and vector of a tile


def planes(path: Path, terms: int) -> int:
    """Numbers of an operand at each k."""
    return {TERMS: terms, MITCHELL: 2, TABLE: 2}.get(path.product, 1)


def addends(tile: Any, at: Any, k: Any, terms: Any, fused: bool) -> Place:
    """The addends of every row and vector of a tile at one k."""
    builder, kind = tile.builder, tile.path.product
    if kind == TERMS:
        return _sums(tile, at, builder.mul(k, terms), terms)
    count = planes(tile.path, 1)
    first = builder.mul(k, I64(count)) if count > 1 else k
    spots = [builder.add(first, I64(i)) if i else first for i in range(count)]
    right = [[tile.right(at, spot, v) for spot in spots] for v in range(tile.vectors)]

    @cache
    def left(r: int) -> list[Vector]:
        return [_left(tile, at, spot, r) for spot in spots]

    # The product is exact but for NATIVE sums, which are defined as fused.
    fused = fused or tile.path.sums == NATIVE
    if kind == MITCHELL:
        return lambda r, v: Term(_mitchell(left(r), right[v]))
    if kind == TABLE:
        return lambda r, v: Term(_entry(tile, left(r), right[v]))
    return lambda r, v: Term(left(r)[0], right[v][0], fused)


def _left(tile: Any, at: Any, spot: Any, r: int) -> Vector:
    item, row = at[:2]
    row = tile.builder.add(row, I64(r))
    return splat(tile.builder, tile.builder.load(tile.address("a", item, row, spot)), tile.lanes)


def _mitchell(x: list[Vector], y: list[Vector]) -> Vector:
    return floats((bits(x[0]) + bits(y[0])) & bits(x[1]) & bits(y[1]))


def _entry(tile: Any, x: list[Vector], y: list[Vector]) -> Vector:
    found = looked_up(tile.address("table", 0), bits(x[0]) + bits(y[0]))
    return found * (x[1] * y[1])


def _sums(tile: Any, at: Any, first: Any, terms: Any) -> Place:
    """Every term but the first by fma; the bits are those of any order."""
    count = ROWS * tile.vectors

    def products(spot: Any) -> tuple[list[Vector], list[Vector]]:
        right = [tile.right(at, spot, v) for v in range(tile.vectors)]
        return [_left(tile, at, spot, r) for r in range(ROWS)], right

    def more(t: Any, sums: Any) -> list[Any]:
        x, y = products(tile.builder.add(first, t))
        pairs = [(x[i // tile.vectors], y[i % tile.vectors]) for i in range(count)]
        return [
            fma(*pair, Vector(tile.builder, total)).value
            for pair, total in zip(pairs, sums, strict=True)
        ]

    x, y = products(first)
    start = [(x[i // tile.vectors] * y[i % tile.vectors]).value for i in range(count)]
    ends = counted_loop(tile.builder, I64(1), terms, start, more)
    return lambda r, v: Term(Vector(tile.builder, ends[r * tile.vectors + v]))
