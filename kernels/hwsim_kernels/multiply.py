"""What enters an accumulator at one k: the product of a row's and a column's operand.

An operand is one number at each k, or several (planes), one after the other along k:

PLAIN     x·y.
TERMS     Σ xₜ·yₜ over as many planes as the caller says, exact in the carrier, all of one sign.
MITCHELL  logarithms added: bits of x, plus bits of y less those of 1, are those of the product, its
          sign included.  Second planes keep all bits but of a zero, whose magnitude they clear; the
          first plane of a zero is that of ±1.
TABLE     an entry of ``table`` times two powers of two: the planes are parts of its index, as
          integers, and the powers.
ROW       the same where a row of the table, all that one operand a meets, has 16 floats: they are
          permuted in a register.
SHIFT     x·y of a word and a power of two, cut at a place that both of them tell: the bits of the
          second planes add up to those of C, 1.5·2^(P − 1) of that place, with the sign that C +
          x·y keeps where cutting it cuts the product.  SIGNED_SHIFT: zeros have C's sign.
WORDS     the same where it has 256 16-bit words (SIGNED_WORDS: signed ones), in eight registers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir

from hwsim_kernels.paths import (
    MITCHELL,
    NATIVE,
    ROW,
    SHIFTS_OF_WORDS,
    SIGNED_SHIFT,
    SIGNED_WORDS,
    TABLES,
    TERMS,
    WORDS,
    Path,
)
from hwsim_kernels.terms import Term, cut
from hwsim_kernels.vectors import (
    I32,
    I64,
    Choice,
    Vector,
    bits,
    counted_loop,
    floats,
    fma,
    lane_values,
    looked_up,
    permuted,
    rounds_as_told,
    sign_mask,
    splat,
)

ROWS = 4
Place = Callable[[int, int], Term]  # row and vector of a tile


def planes(path: Path, terms: int) -> int:
    """Numbers of an operand at each k."""
    return {TERMS: terms, MITCHELL: 2, **dict.fromkeys((*SHIFTS_OF_WORDS, *TABLES), 2)}.get(
        path.product, 1
    )


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
    if kind in SHIFTS_OF_WORDS:
        return lambda r, v: Term(_moved(left(r), right[v], (kind == SIGNED_SHIFT, fused)))
    if kind in (WORDS, SIGNED_WORDS):
        return _words(tile, at, spots, right, kind == SIGNED_WORDS)
    if kind in TABLES:
        return lambda r, v: Term(_entry(tile, left(r), right[v]))
    return lambda r, v: Term(left(r)[0], right[v][0], fused)


def _left(tile: Any, at: Any, spot: Any, r: int) -> Vector:
    item, row = at[:2]
    row = tile.builder.add(row, I64(r))
    return splat(tile.builder, tile.builder.load(tile.address("a", item, row, spot)), tile.lanes)


def _mitchell(x: list[Vector], y: list[Vector]) -> Vector:
    return floats((bits(x[0]) + bits(y[0])) & bits(x[1]) & bits(y[1]))


def _moved(x: list[Vector], y: list[Vector], how: tuple[bool, bool]) -> Vector:
    """x·y is exact in the carrier, has at most P − 2 bits over C's last place, and C is normal;
    how : (whether zeros have signs, whether an fma is there)."""
    signed, fused = how
    c, product = floats(bits(x[1]) + bits(y[1])), Term(x[0], y[0], fused)
    if rounds_as_told(c):
        t = product.cut_with(c)
    else:
        s = product.plus(c)
        t = floats(cut(s, product.minus(s - c) + 0.0))
    p = t - c
    return floats(bits(p) | (bits(c) & sign_mask(c.width))) if signed else p


def _entry(tile: Any, x: list[Vector], y: list[Vector]) -> Vector:
    if tile.path.product == ROW:
        first = tile.builder.bitcast(lane_values(x[0])[0], I32)
        row = tile.load(tile.address("table", tile.builder.sext(first, I64)), tile.kind)
        found = permuted(Vector(tile.builder, row), bits(y[0]))
    else:
        found = looked_up(tile.address("table", 0), bits(x[0]) + bits(y[0]))
    return found * (x[1] * y[1])


def _words(tile: Any, at: Any, spots: list[Any], right: Any, signed: bool) -> Place:
    """So many vectors at a time that their indices are the words of one register, for every row."""
    builder, many = tile.builder, 32 // tile.lanes
    groups = [
        Choice.of([bits(right[v + i][0]) for i in range(many)])
        for v in range(0, tile.vectors, many)
    ]

    @cache
    def found(r: int) -> list[Vector]:
        index = lane_values(bits(_left(tile, at, spots[0], r)))[0]
        start = builder.sext(index, I64) if index.type != I64 else index
        kind = ir.VectorType(ir.IntType(16), 32)
        parts = [
            tile.load(tile.address("table", builder.add(start, I64(32 * i))), kind, 2)
            for i in range(8)
        ]
        return [found for group in groups for found in group.of_row(parts, signed)]

    def term(r: int, v: int) -> Term:
        return Term(found(r)[v] * (_left(tile, at, spots[1], r) * right[v][1]))

    return term


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
