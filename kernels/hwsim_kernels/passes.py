"""What a register tile does over some k: products enter its sums, and what happens is counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels.counting import Tally, counted, plus, used
from hwsim_kernels.datapath import add, entered, left
from hwsim_kernels.draws import GAMMA
from hwsim_kernels.joins import join
from hwsim_kernels.lane_draws import random_bits, register_bits, signed
from hwsim_kernels.multiply import ROWS, addends
from hwsim_kernels.paths import DRAWN, Path, Scalars
from hwsim_kernels.tallies import count_up, flag_starts, start, store_flags, wrapped
from hwsim_kernels.tiles import DRAWS, FUSED, PANEL, VECTOR_BITS, Tile, path_of
from hwsim_kernels.vectors import (
    FLOATS,
    I64,
    Vector,
    bits,
    counted_loop,
    lane_values,
    maximum,
    population,
    select,
    splat,
)

TOGETHER = 4  # draws whose chains are emitted side by side; a tile has a multiple of it


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def tile_pass(typing_context, inner, arrays, at):  # type: ignore[no-untyped-def]
    """One register tile over k0 ≤ k < k1; ``arrays`` are those of `ARRAYS` and `DRAWS`, ``at`` is
    (item, row, panel, part of the panel, k0, k1, terms of a product, the chunk sum's draw, the
    address of a function or 0).

    At 0 the tile of ``out`` is the accumulator; else the sum of these k starts at zero and then
    enters the tile as a chunk sum, by the function (`joins`).  Returns whether the pass counts: a
    watched one whose sums left the range has changed nothing.
    """
    if not isinstance(inner, types.IntegerLiteral):
        return None
    path = path_of(inner.literal_value)

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        tile = Tile(context, builder, signature.args[1], values[1], path)
        return _emit(tile, cgutils.unpack_tuple(builder, values[2]))

    return types.boolean(inner, arrays, at), codegen


def _emit(tile: Tile, place: Any) -> Any:
    """Emit the pass; whether it counts (i1), which only a watched one can deny."""
    builder, path = tile.builder, tile.path
    *at, k0, k1, terms, tile.turn, outer = place
    spots = tile.spots("out", at)
    g = tile.scalars(0)
    chunks = builder.icmp_signed("!=", outer, I64(0))
    sums = [builder.select(chunks, g.start.value, tile.load(x, tile.kind)) for x in spots]
    struck = flag_starts(tile, path)
    names = used(path)
    own = _own_starts(tile, at)
    sums = [entered(Vector(builder, x), g, path).value for x in sums]
    state = [*sums, *struck, *own, *(start(tile, name) for name in names)]
    end = counted_loop(builder, k0, k1, state, partial(body, tile, g, at, terms))
    ends, own, tally = split(tile, end)
    ends[: len(spots)] = [left(x, g, path) for x in ends[: len(spots)]]
    if "largest" in tally:
        tally["largest"] = reduce(maximum, own["largest"])
    if not path.watched:
        _finish(tile, (chunks, outer), spots, at, ends, own, tally)
        return ir.Constant(ir.IntType(1), 1)
    kept = _within(tile, tally["largest"])
    with builder.if_then(kept, likely=True):
        _finish(tile, (chunks, outer), spots, at, ends, own, tally)
    return kept


def body(tile: Tile, g: Scalars, at: Any, terms: Any, k: Any, now: Any) -> list[Any]:
    """All steps of one k: the state after it."""
    path = tile.path
    many, names = ROWS * tile.vectors, used(path)
    ends, own, tally = split(tile, now)
    accs, flags = ends[:many], ends[many:]
    n = Tally(**tally)
    product_at = addends(tile, at, k, terms, FUSED)
    registers = own.pop("register", [])
    draws = draws_of(tile, at, k, registers)
    for r in range(ROWS):
        for v in range(tile.vectors):
            i = r * tile.vectors + v
            product = product_at(r, v)
            if not names:
                accs[i] = add(accs[i], product, g, path, draws(i, g)).y
                continue
            mine = {name: own[name][i % len(own[name])] for name in own}
            if "empty" in names:
                n = n._replace(empty=plus(n.empty, product.value.eq(0.0)))
            tally_now = n._replace(**mine)
            accs[i], n, over = counted(accs[i], product, g, path, tally_now, draws(i, g))
            for name in own:
                own[name][i % len(own[name])] = getattr(n, name)
            if over is not None:
                flags[i] = select(over, flags[i].constant(1), flags[i])
    kept = [x for name in own for x in own[name]] + registers
    new = (*accs, *flags, *kept, *(getattr(n, name) for name in names))
    return [getattr(x, "value", x) for x in new]


def draws_of(
    tile: Tile, at: Any, number: Any, registers: list[Vector]
) -> Callable[[int, Scalars], Vector | None]:
    """The random bits of rounding ``number`` for the tile's vectors, by their places in it; none
    for a path that takes none.  A state is the sum of the row's word and the column's; shift
    ``registers`` move on as they are read."""
    if tile.path.rounding not in DRAWN:
        return lambda i, g: None
    if tile.path.clocked:
        return _clocked(tile, registers)
    builder, count = tile.builder, VECTOR_BITS // 64
    item, row, panel, part = at
    first = builder.mul(panel, I64(PANEL * tile.lanes))
    first = builder.add(first, builder.mul(part, I64(tile.vectors * tile.lanes)))
    move = builder.mul(number, I64(signed(GAMMA)))
    factor = splat(builder, builder.load(tile.address("words", 0, 0)), count)
    parts = tile.lanes // count
    lines = []
    for r in range(ROWS):
        word = builder.load(tile.address("rows", item, builder.add(row, I64(r))))
        lines.append(splat(builder, builder.add(word, move), count))
    wide = ir.VectorType(I64, count)

    def states(i: int) -> list[Vector]:
        r, v = divmod(i, tile.vectors)
        found = []
        for half in range(parts):
            column = builder.add(first, I64(v * tile.lanes + half * count))
            spot = tile.address("columns", item, column)
            found.append(lines[r] + Vector(builder, tile.load(spot, wide, 8)))
        return found

    made: dict[int, Vector] = {}

    def draw(i: int, g: Scalars) -> Vector:
        if i not in made:
            some = range(i, i + TOGETHER)
            made.update(zip(some, random_bits([*map(states, some)], factor, g), strict=True))
        return made[i]

    return draw


def _clocked(tile: Tile, registers: list[Vector]) -> Callable[[int, Scalars], Vector]:
    word = tile.builder.load(tile.address("words", 0, 0))
    feedback = splat(tile.builder, tile.builder.trunc(word, tile.whole.element), tile.lanes)

    def draw(i: int, g: Scalars) -> Vector:
        random, registers[i] = register_bits(registers[i], feedback, g)
        return random

    return draw


def _registers(tile: Tile, at: Any) -> list[Any]:
    """Pointers to the shift registers of the pass's roundings."""
    return tile.spots(DRAWS[0], at) if tile.path.clocked else []


def _apart(path: Path, vectors: int) -> dict[str, int]:
    """Parts of the tally of which there are several: the largest, one for each column of vectors,
    because one chain of maxima would be the slowest thing in the loop; lost mass of every output,
    where its order counts; shift registers."""
    several = {"largest": vectors} if "largest" in used(path) else {}
    several |= dict.fromkeys(("lost", "mass"), ROWS * vectors) if path.ordered else {}
    return several | ({"register": ROWS * vectors} if path.clocked else {})


def _own_starts(tile: Tile, at: Any) -> list[Any]:
    """Their values before the pass."""
    starts = []
    for name, count in _apart(tile.path, tile.vectors).items():
        if name == "largest":
            starts += [start(tile, name)] * count
        elif name == "register":
            starts += [tile.load(spot, tile.whole) for spot in _registers(tile, at)]
        else:
            kind = ir.VectorType(FLOATS[64], tile.lanes)
            spots = tile.spots("lost", at, I64(int(name == "mass")))
            starts += [tile.load(spot, kind, 8) for spot in spots]
    return starts


def split(tile: Tile, state: Any) -> tuple[list[Vector], dict[str, list[Vector]], dict[str, Any]]:
    """A loop's state: sums and flags; the parts of the tally that stand apart; the tally."""
    names = used(tile.path)
    several = _apart(tile.path, tile.vectors)
    rest = len(state) - len(names)
    first = rest - sum(several.values())
    vectors = [Vector(tile.builder, x) for x in state[:rest]]
    own, start = {}, first
    for name, count in several.items():
        own[name] = vectors[start : start + count]
        start += count
    tally = wrapped(tile.builder, dict(zip(names, state[rest:], strict=True)))
    return vectors[:first], own, tally


def _within(tile: Tile, largest: Vector) -> Any:
    """Whether no sum of a pass left the range (taken as symmetric)."""
    limit = bits(tile.scalars(0).largest)
    inside = largest <= limit
    return tile.builder.icmp_signed("==", population(inside), I64(tile.lanes))


def _finish(
    tile: Tile,
    into: tuple[Any, Any],
    spots: list[Any],
    at: Any,
    ends: list[Vector],
    own: dict[str, list[Vector]],
    tally: dict[str, Any],
) -> None:
    """Store what a pass gave; ``into``: whether that are chunk sums, and their function."""
    count_up(tile, tile.path, 0, tally)
    if tile.path.ordered:
        for i, name in enumerate(("lost", "mass")):
            for x, spot in zip(own[name], tile.spots("lost", at, I64(i)), strict=True):
                tile.store(x.value, spot, 8)
    elif "lost" in tally:
        _add_lost(tile, tally["lost"], at)
    for x, spot in zip(own.get("register", []), _registers(tile, at), strict=True):
        tile.store(x.value, spot)
    sums, flags = ends[: len(spots)], ends[len(spots) :]
    store_flags(tile, flags, at)
    chunks, function = into
    with tile.builder.if_else(chunks) as (then, otherwise):
        with then:
            terms = tile.kept(sums)
            join(tile, function, terms, (spots[0], tile.extent("out", 2)), at, 1)
        with otherwise:
            for x, spot in zip(sums, spots, strict=True):
                tile.store(x.value, spot)


def _add_lost(tile: Tile, lost: Vector, at: Any) -> None:
    """Add to the tile's lost mass, in any order: the caller proves that no sum here rounds."""
    builder = tile.builder
    item, row, panel, _ = at
    spot = tile.address("lost", I64(0), item, panel, builder.sdiv(row, I64(ROWS)))
    total = builder.load(spot)
    for x in lane_values(lost):
        total = builder.fadd(total, x)
    builder.store(total, spot)
