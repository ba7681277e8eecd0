"""Lanes and adder trees on a MAC datapath, in the register tiles of `hwsim_kernels.tiles`.

Sums that wait for a partner stand on a ``stack`` in memory, tile by tile; a kernel knows neither
how many lanes there are nor how wide a tree is.  `lanes_kernel` and `trees_kernel` give the
compiled drivers for a pair of datapaths, that of the inner sums and that of sums of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.blocked import flags_of, place
from hwsim_kernels.datapath import (
    NATIVE,
    NONE,
    Path,
    Scalars,
    Tally,
    Term,
    add,
    counted,
    lossless,
    plus,
    used,
)
from hwsim_kernels.multiply import ROWS
from hwsim_kernels.passes import (
    body,
    count_up,
    flag_starts,
    split,
    start,
    store_flags,
    wrapped,
)
from hwsim_kernels.tiles import FUSED, PANEL, Tile, code_of, columns, path_of, vectors
from hwsim_kernels.vectors import I64, Vector, counted_loop, select, splat

INNER, OUTER = range(2)  # rows of counts


class _Stacked(Tile):
    """A register tile beside its stack, (heights, ROWS, columns of a panel), in the place of lost
    mass."""

    def waiting(self, part: Any, height: Any) -> list[Any]:
        """Pointers to the vectors of the tile that wait at a height of the stack."""
        first = self.builder.mul(part, I64(self.vectors * self.lanes))
        return [
            self.address("lost", height, r, self.builder.add(first, I64(v * self.lanes)))
            for r in range(ROWS)
            for v in range(self.vectors)
        ]

    def left(self, at: Any, r: int, k: Any) -> Vector:
        """An element of a in all lanes."""
        row = self.builder.add(at[1], I64(r))
        return splat(self.builder, self.builder.load(self.address("a", at[0], row, k)), self.lanes)


class _Steps:
    """Additions of one pass, and what is counted of them.

    struck : masks of the outputs that an overflow strikes; empty where none can.
    """

    def __init__(self, tile: _Stacked, path: Path, level: int) -> None:
        self.tile, self.path, self.level = tile, path, level
        self.g: Scalars = tile.scalars(level)
        names = used(path)
        tally = {name: start(tile, name) for name in names}
        self.n = Tally(**wrapped(tile.builder, tally))._replace(empty=I64(0))
        self.struck = [Vector(tile.builder, x) for x in flag_starts(tile, path)]

    def add(self, i: int, acc: Vector, p: Term) -> Vector:
        """R(acc + p) in vector i of the tile."""
        if self.path.level == NONE:
            return add(acc, p, self.g, self.path).y
        if not lossless(self.path):
            self.n = self.n._replace(empty=plus(self.n.empty, p.value.eq(0.0)))
        y, self.n, over = counted(acc, p, self.g, self.path, self.n)
        if over is not None:
            self.struck[i] = select(over, self.struck[i].constant(1), self.struck[i])
        return y

    def finish(self, at: Any) -> None:
        """Store what was counted."""
        if self.path.level != NONE:
            names = (*used(self.path), "empty")
            tally = {name: getattr(self.n, name) for name in names}
            count_up(self.tile, self.path, self.level, tally)
        store_flags(self.tile, self.struck, at)


def _lane(tile: _Stacked, place: Any) -> None:
    """The sum of ``count`` products from k on, ``stride`` apart, to a height of the stack."""
    builder, path = tile.builder, tile.path
    *at, k, stride, count, height = place
    names, g = used(path), tile.scalars(0)
    struck = flag_starts(tile, path)
    sums = [g.start.value] * (ROWS * tile.vectors)
    state = [*sums, *struck, *(start(tile, name) for name in names)]

    def step(i: Any, now: Sequence[Any]) -> list[Any]:
        return body(tile, g, at, I64(1), builder.add(k, builder.mul(i, stride)), now)

    end = counted_loop(builder, I64(0), count, state, step)
    ends, _, tally = split(tile, end)
    count_up(tile, path, INNER, tally)
    for x, spot in zip(ends[: len(sums)], tile.waiting(at[3], height), strict=True):
        tile.store(x.value, spot)
    store_flags(tile, ends[len(sums) :], at)


def _pair(tile: _Stacked, place: Any) -> None:
    """The rounded sum of products k and k + 1, to a height of the stack."""
    *at, k, height = place
    steps = _Steps(tile, tile.path, INNER)
    ks = k, tile.builder.add(k, I64(1))
    right = [[tile.right(at, x, v) for v in range(tile.vectors)] for x in ks]
    spots = tile.waiting(at[3], height)
    for r in range(ROWS):
        x, y = (tile.left(at, r, k) for k in ks)
        for v in range(tile.vectors):
            i = r * tile.vectors + v
            second = Term(y, right[1][v], FUSED or tile.path.sums == NATIVE)
            tile.store(steps.add(i, x * right[0][v], second).value, spots[i])
    steps.finish(at)


def _leaf(tile: _Stacked, place: Any) -> None:
    """Product k, exactly, to a height of the stack."""
    *at, k, height = place
    right = [tile.right(at, k, v) for v in range(tile.vectors)]
    spots = tile.waiting(at[3], height)
    for r in range(ROWS):
        x = tile.left(at, r, k)
        for v in range(tile.vectors):
            tile.store((x * right[v]).value, spots[r * tile.vectors + v])


def _join(tile: _Stacked, outer: Path, level: int, place: Any) -> None:
    """The sum at a height of the stack is added to the one below, or to the tile of ``out``."""
    *at, height = place
    steps = _Steps(tile, outer, level)
    terms = tile.waiting(at[3], height)
    below = tile.builder.sub(height, I64(1))
    spots = tile.spots("out", at) if level == OUTER else tile.waiting(at[3], below)
    for i, (spot, term) in enumerate(zip(spots, terms, strict=True)):
        acc, p = (Vector(tile.builder, tile.load(x, tile.kind)) for x in (spot, term))
        tile.store(steps.add(i, acc, Term(p)).value, spot)
    steps.finish(at)


def _pass(emit: Any) -> Any:
    """An intrinsic ``(path, arrays, at)`` that emits a pass."""

    @intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
    def tile_pass(typing_context, inner, arrays, at):  # type: ignore[no-untyped-def]
        if not isinstance(inner, types.IntegerLiteral):
            return None
        path = path_of(inner.literal_value)

        def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
            assert path
            tile = _Stacked(context, builder, signature.args[1], values[1], path)
            emit(tile, cgutils.unpack_tuple(builder, values[2]))
            return ir.Constant(ir.IntType(1), 1)

        return types.boolean(inner, arrays, at), codegen

    return tile_pass


lane_pass, pair_pass, leaf_pass = _pass(_lane), _pass(_pair), _pass(_leaf)


def _joins(level: int) -> Any:
    """An intrinsic of `_join` at a level, in tiles as ``inner`` has them."""

    @intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
    def join(typing_context, inner, outer, arrays, at):  # type: ignore[no-untyped-def]
        if not all(isinstance(x, types.IntegerLiteral) for x in (inner, outer)):
            return None
        paths = path_of(inner.literal_value), path_of(outer.literal_value)

        def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
            assert paths[0]
            assert paths[1]
            tile = _Stacked(context, builder, signature.args[2], values[2], paths[0])
            _join(tile, paths[1], level, cgutils.unpack_tuple(builder, values[3]))
            return ir.Constant(ir.IntType(1), 1)

        return types.boolean(inner, outer, arrays, at), codegen

    return join


join_inner, join_outer = _joins(INNER), _joins(OUTER)


@cache
def lanes_kernel(inner: Path, outer: Path) -> Any:
    """The driver of interleaved lanes:

    run(a, b, table, out, flags, scalars, counts, stack, draws, first, last, rows, numbers, …)

    with ``numbers`` (order, joins): ``order`` lists the lanes as they are summed; ``joins`` how
    often, after each, the two sums on top of the stack become one.  The rest is as in
    `blocked.run_kernel`.
    """
    code, outer_code = code_of(inner), code_of(outer)
    parts, wide = PANEL // vectors(inner), columns(inner)
    flagged, zero = flags_of(inner, outer), Scalars._fields.index("start")

    @kernel
    def run(  # type: ignore[no-untyped-def]
        a, b, table, out, flags, scalars, counts, stack, draws, first, last, rows, numbers, fresh, _
    ):
        arrays = (a, b, table, out, flags, scalars, counts, stack, draws[0], draws[1], draws[2])
        m, length, panels = a.shape[1], a.shape[2], b.shape[1]
        order, joins = numbers
        count = order.shape[0]
        for unit in range(first, last):
            item, panel, top, bottom = place(unit, rows, m, panels)
            block = slice(top, bottom), slice(panel * wide, (panel + 1) * wide)
            if fresh:
                out[item][block] = scalars[1, zero]
            if flagged:
                flags[item][block] = 0
            for row in range(top, bottom, ROWS):
                for part in range(parts if length else 0):
                    height = 0
                    for j in range(count):
                        lane = order[j]
                        terms = (length - lane + count - 1) // count if lane < length else 0
                        at = (item, row, panel, part, lane, count, terms, height)
                        lane_pass(code, arrays, at)
                        for _ in range(joins[j]):
                            to = (item, row, panel, part, height)
                            join_inner(code, outer_code, arrays, to)
                            height -= 1
                        height += 1
                    to = (item, row, panel, part, 0)
                    join_outer(code, outer_code, arrays, to)

    return run


@cache
def trees_kernel(inner: Path, outer: Path) -> Any:
    """The driver of adder trees:

    run(a, b, table, out, flags, scalars, counts, stack, draws, first, last, rows, width, …)

    Each pair of leaves is added, and then as many pairs of waiting sums of one size as there are:
    every node has the operands that it has when a tree is added up level by level.
    """
    code, outer_code = code_of(inner), code_of(outer)
    parts, wide = PANEL // vectors(inner), columns(inner)
    flagged, zero = flags_of(inner, outer), Scalars._fields.index("start")

    @kernel
    def run(  # type: ignore[no-untyped-def]
        a, b, table, out, flags, scalars, counts, stack, draws, first, last, rows, width, fresh, _
    ):
        arrays = (a, b, table, out, flags, scalars, counts, stack, draws[0], draws[1], draws[2])
        m, length, panels = a.shape[1], a.shape[2], b.shape[1]
        for unit in range(first, last):
            item, panel, top, bottom = place(unit, rows, m, panels)
            block = slice(top, bottom), slice(panel * wide, (panel + 1) * wide)
            if fresh:
                out[item][block] = scalars[1, zero]
            if flagged:
                flags[item][block] = 0
            for row in range(top, bottom, ROWS):
                for part in range(parts):
                    for base in range(0, length, width):
                        stop = min(length, base + width)
                        pairs = (stop - base) // 2
                        height = 0
                        for i in range(pairs):
                            at = (item, row, panel, part, base + 2 * i, height)
                            pair_pass(code, arrays, at)
                            waiting = i
                            while waiting & 1:
                                to = (item, row, panel, part, height)
                                join_inner(code, outer_code, arrays, to)
                                height -= 1
                                waiting >>= 1
                            height += 1
                        if (stop - base) & 1:
                            at = (item, row, panel, part, stop - 1, height)
                            leaf_pass(code, arrays, at)
                            height += 1
                        for i in range(height - 1, 0, -1):
                            to = (item, row, panel, part, i)
                            join_inner(code, outer_code, arrays, to)
                        to = (item, row, panel, part, 0)
                        join_outer(code, outer_code, arrays, to)

    return run
