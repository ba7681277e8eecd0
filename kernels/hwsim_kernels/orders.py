"""Lanes and adder trees on a MAC datapath, in the register tiles of `hwsim_kernels.tiles`.

Sums that wait for a partner stand on a ``stack`` in memory, tile by tile; a kernel knows neither
how many lanes there are nor how wide a tree is.  `lanes_kernel` and `trees_kernel` give the
compiled drivers for a pair of datapaths, that of the inner sums and that of sums of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.blocked import begun
from hwsim_kernels.counting import Tally, counted, plus, used
from hwsim_kernels.datapath import add
from hwsim_kernels.joins import join
from hwsim_kernels.multiply import ROWS, addends
from hwsim_kernels.passes import (
    body,
    count_up,
    draws_of,
    flag_starts,
    split,
    start,
    store_flags,
    wrapped,
)
from hwsim_kernels.paths import NONE, Path, Scalars, lossless
from hwsim_kernels.tiles import FUSED, PANEL, Tile, code_of, path_of, vectors
from hwsim_kernels.vectors import I64, Vector, counted_loop, select

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


def _lane(tile: _Stacked, place: Any) -> None:
    """The sum of ``count`` products from k on, ``stride`` apart, to a height of the stack."""
    builder, path = tile.builder, tile.path
    *at, k, stride, count, height, terms = place
    names, g = used(path), tile.scalars(0)
    struck = flag_starts(tile, path)
    sums = [g.start.value] * (ROWS * tile.vectors)
    state = [*sums, *struck, *(start(tile, name) for name in names)]

    def step(i: Any, now: Sequence[Any]) -> list[Any]:
        return body(tile, g, at, terms, builder.add(k, builder.mul(i, stride)), now)

    end = counted_loop(builder, I64(0), count, state, step)
    ends, _, tally = split(tile, end)
    count_up(tile, path, INNER, tally)
    for x, spot in zip(ends[: len(sums)], tile.waiting(at[3], height), strict=True):
        tile.store(x.value, spot)
    store_flags(tile, ends[len(sums) :], at)


def _pair(tile: _Stacked, place: Any) -> None:
    """The rounded sum of products k and k + 1, to a height of the stack, by draw number ``turn``,
    if by any."""
    *at, k, height, terms, turn = place
    path, builder, g = tile.path, tile.builder, tile.scalars(INNER)
    names = used(path)
    n = Tally(**wrapped(builder, {name: start(tile, name) for name in names}))
    n = n._replace(empty=I64(0))
    struck = [Vector(builder, x) for x in flag_starts(tile, path)]
    one, other = (addends(tile, at, x, terms, FUSED) for x in (k, builder.add(k, I64(1))))
    spots, draw = tile.waiting(at[3], height), draws_of(tile, at, turn, [])
    for r in range(ROWS):
        for v in range(tile.vectors):
            i = r * tile.vectors + v
            acc, second = one(r, v).value, other(r, v)
            if path.level == NONE:
                tile.store(add(acc, second, g, path, draw(i, g)).y.value, spots[i])
                continue
            if not lossless(path):
                n = n._replace(empty=plus(n.empty, second.value.eq(0.0)))
            z, n, over = counted(acc, second, g, path, n, draw(i, g))
            if over is not None:
                struck[i] = select(over, struck[i].constant(1), struck[i])
            tile.store(z.value, spots[i])
    if path.level != NONE:
        count_up(tile, path, INNER, {name: getattr(n, name) for name in (*names, "empty")})
    store_flags(tile, struck, at)


def _leaf(tile: _Stacked, place: Any) -> None:
    """Product k, exactly, to a height of the stack."""
    *at, k, height, terms = place
    product = addends(tile, at, k, terms, FUSED)
    spots = tile.waiting(at[3], height)
    for r in range(ROWS):
        for v in range(tile.vectors):
            tile.store(product(r, v).value.value, spots[r * tile.vectors + v])


def _join(tile: _Stacked, place: Any, level: int) -> None:
    """The sum at a height of the stack is added to the one below, or to the tile of ``out``, by
    draw number ``turn``, if by any."""
    *at, height, function, tile.turn = place
    wide = I64(tile.columns)
    below = tile.builder.sub(height, I64(1))
    into = tile.waiting(at[3], below)[0], wide
    if level == OUTER:
        into = tile.spots("out", at)[0], tile.extent("out", 2)
    join(tile, function, (tile.waiting(at[3], height)[0], wide), into, at, level)


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


join_inner = _pass(partial(_join, level=INNER))
join_outer = _pass(partial(_join, level=OUTER))


@cache
def lanes_kernel(inner: Path) -> Any:
    """The driver of interleaved lanes:

    run(a, b, table, out, flags, scalars, counts, stack, draws, first, last, rows, numbers, …)

    with ``numbers`` (order, joins, turns): ``order`` lists the lanes as they are summed; ``joins``
    how often, after each, the two sums on top of the stack become one, and ``turns`` (lanes, most
    joins) as which of all these additions.  The rest is as in `blocked.run_kernel`.
    """
    code, parts = code_of(inner), PANEL // vectors(inner)
    zero = Scalars._fields.index("start")

    @kernel
    def run(  # type: ignore[no-untyped-def]
        a,
        b,
        table,
        out,
        flags,
        scalars,
        counts,
        stack,
        draws,
        first,
        last,
        rows,
        numbers,
        fresh,
        terms,
        outer,
    ):
        arrays = (a, b, table, out, flags, scalars, counts, stack, draws[0], draws[1], draws[2])
        length, panels, targets = a.shape[2] // terms, b.shape[1], (out, flags, fresh)
        order, joins, turns = numbers
        count = order.shape[0]
        for unit in range(first, last):
            item, panel, top, bottom = begun(unit, rows, panels, targets, scalars[1, zero])
            for row in range(top, bottom, ROWS):
                for part in range(parts if length else 0):
                    height = 0
                    for j in range(count):
                        lane = order[j]
                        some = (length - lane + count - 1) // count if lane < length else 0
                        at = (item, row, panel, part, lane, count, some, height, terms)
                        lane_pass(code, arrays, at)
                        for i in range(joins[j]):
                            turn = length + turns[j, i]
                            to = (item, row, panel, part, height, outer, turn)
                            join_inner(code, arrays, to)
                            height -= 1
                        height += 1
                    to = (item, row, panel, part, 0, outer, length + count - 1)
                    join_outer(code, arrays, to)

    return run


@cache
def trees_kernel(inner: Path) -> Any:
    """The driver of adder trees:

    run(a, b, table, out, flags, scalars, counts, stack, draws, first, last, rows, numbers, …)

    with ``numbers`` (width, turns).  Each pair of leaves is added, and then as many pairs of
    waiting sums of one size as there are: every node has the operands that it has when a tree is
    added up level by level.  There it is number ``turns[0]`` (width − 1,) of a whole tree's nodes,
    ``turns[1]`` of the last one's, in the order of additions here.
    """
    code, parts = code_of(inner), PANEL // vectors(inner)
    zero = Scalars._fields.index("start")

    @kernel
    def run(  # type: ignore[no-untyped-def]
        a,
        b,
        table,
        out,
        flags,
        scalars,
        counts,
        stack,
        draws,
        first,
        last,
        rows,
        numbers,
        fresh,
        terms,
        outer,
    ):
        arrays = (a, b, table, out, flags, scalars, counts, stack, draws[0], draws[1], draws[2])
        length, panels, targets = a.shape[2] // terms, b.shape[1], (out, flags, fresh)
        width, turns = numbers
        trees = -(-length // width)
        nodes = length - trees  # of all of them: one less than leaves each
        for unit in range(first, last):
            item, panel, top, bottom = begun(unit, rows, panels, targets, scalars[1, zero])
            for row in range(top, bottom, ROWS):
                for part in range(parts):
                    for base in range(0, length, width):
                        stop = min(length, base + width)
                        pairs = (stop - base) // 2
                        tree = base // width
                        done, turn = base - tree, turns[int(stop < base + width)]
                        height = node = 0
                        for i in range(pairs):
                            k, number = base + 2 * i, done + turn[node]
                            at = (item, row, panel, part, k, height, terms, number)
                            pair_pass(code, arrays, at)
                            node += 1
                            waiting = i
                            while waiting & 1:
                                number = done + turn[node]
                                to = (item, row, panel, part, height, outer, number)
                                join_inner(code, arrays, to)
                                node += 1
                                height -= 1
                                waiting >>= 1
                            height += 1
                        if (stop - base) & 1:
                            at = (item, row, panel, part, stop - 1, height, terms)
                            leaf_pass(code, arrays, at)
                            height += 1
                        for i in range(height - 1, 0, -1):
                            to = (item, row, panel, part, i, outer, done + turn[node])
                            join_inner(code, arrays, to)
                            node += 1
                        to = (item, row, panel, part, 0, outer, nodes + tree)
                        join_outer(code, arrays, to)

    return run
