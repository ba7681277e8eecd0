"""Matrix products on a MAC datapath, blocked in registers: a tile of ROWS × (vectors of columns)
accumulators stays in registers while k runs, as in a BLAS kernel.  The lane is the output
column, never k, so that every output meets its products in ascending order.

`run_kernel` gives the compiled driver for a datapath (`Path`); `pack` lays out its operand b.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial, reduce
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.datapath import (
    ALL,
    DRAWN,
    INTEGERS,
    LARGEST,
    MITCHELL,
    NONE,
    PLAIN,
    SHIFT,
    SIGNED_WORDS,
    SLOT,
    UNBOUNDED,
    WORDS,
    Path,
    Scalars,
    Tally,
    Term,
    add,
    counted,
    plus,
    random_bits,
    signed,
    used,
)
from hwsim_kernels.draws import GAMMA
from hwsim_kernels.multiply import ROWS, addends
from hwsim_kernels.vectors import (
    FLOATS,
    I64,
    Vector,
    bits,
    counted_loop,
    floats,
    lane_values,
    maximum,
    population,
    select,
    splat,
    widened,
)

FEATURES = llvmlite.binding.get_host_cpu_features()
FUSED = bool(FEATURES.get("fma", True))  # without the instruction llvm.fma would be a call
WIDE = bool(FEATURES.get("avx512f", False))  # 32 registers of 512 bits; else 16 of 256
VECTOR_BITS = 512 if WIDE else 256

SMALL = 1 << 15  # bytes: finding an address takes longer than lines that are crossed
K_BLOCK = 512  # of a panel of b that stays in the second-level cache under all rows


def lanes(path: Path) -> int:
    """Columns of a vector."""
    return VECTOR_BITS // path.width


def vectors(path: Path) -> int:
    """Vectors of columns in a tile: as many sums in flight as hide their latency, as few as
    leave registers for what each of them carries along."""
    flagged = path.level != NONE and path.limit != UNBOUNDED
    if path.product in (WORDS, SIGNED_WORDS):
        return 32 // lanes(path)  # a register of their indices
    busy = path.level == ALL or flagged or path.rounding in DRAWN
    return 4 if WIDE and not busy and path.product in (PLAIN, MITCHELL, SHIFT) else 2


PANEL = 4 if WIDE else 2  # vectors of a panel of b; a tile is a part of it


def columns(path: Path) -> int:
    """Columns of a panel of b."""
    return PANEL * lanes(path)


RADIX = (2, 4, 9, 5, 2, 2, 2, 3, 2, 2, 16)  # of Path's fields, the width as 32 · (1 + digit)


def code_of(path: Path | None) -> int:
    """A path as one integer, which a compiled kernel's closure can hold; 0 for none."""
    if path is None:
        return 0
    code = 0
    for digit, radix in zip((path.width // 64, *map(int, path[1:])), RADIX, strict=True):
        assert digit < radix, path
        code = code * radix + digit
    return code + 1


def path_of(code: int) -> Path | None:
    """Inverse of `code_of`."""
    if not code:
        return None
    code -= 1
    digits: list[int] = []
    for radix in reversed(RADIX):
        digits.insert(0, code % radix)
        code //= radix
    width, sums, rounding, limit, floor, signs, own, level, watched, ordered, product = digits
    flags = (bool(floor), bool(signs), bool(own))
    rest = (level, bool(watched), bool(ordered), product)
    return Path(32 * (1 + width), sums, rounding, limit, *flags, *rest)


class _Tile:
    """Emits one register tile: its addresses, its scalars, its loads and stores."""

    def __init__(self, context: Any, builder: Any, kinds: Any, arrays: Any, path: Path) -> None:
        self.context, self.builder, self.path = context, builder, path
        values = cgutils.unpack_tuple(builder, arrays)
        self.arrays = {
            name: (kind, context.make_array(kind)(context, builder, value))
            for name, kind, value in zip(ARRAYS + DRAWS, kinds, values, strict=True)
        }
        self.lanes, self.vectors = lanes(path), vectors(path)
        self.turn: Any = None  # number of the chunk sum's draw
        self.kind = ir.VectorType(FLOATS[path.width], self.lanes)
        self.whole = ir.VectorType(ir.IntType(path.width), self.lanes)

    def address(self, name: str, *index: Any) -> Any:
        """Pointer to an element."""
        kind, array = self.arrays[name]
        index = [x if isinstance(x, ir.Value) else I64(x) for x in index]
        return cgutils.get_item_pointer(self.context, self.builder, kind, array, index)

    def load(self, pointer: Any, kind: Any, align: int = 4) -> Any:
        pointer = self.builder.bitcast(pointer, kind.as_pointer())
        return self.builder.load(pointer, align=align)

    def store(self, value: Any, pointer: Any, align: int = 4) -> None:
        pointer = self.builder.bitcast(pointer, value.type.as_pointer())
        self.builder.store(value, pointer, align=align)

    def scalars(self, level: int) -> Scalars:
        """The format's numbers in all lanes: 0 for the inner accumulator, 1 for the outer."""
        found = {}
        for i, name in enumerate(Scalars._fields):
            number = self.builder.load(self.address("scalars", level, i))
            vector = splat(self.builder, number, self.lanes)
            found[name] = bits(vector) if name in INTEGERS else vector
        return Scalars(**found)

    def right(self, at: Any, spot: Any, v: int) -> Vector:
        """Vector ``v`` of b at a place along k."""
        item, _, panel, part = at
        first = self.builder.mul(part, I64(self.vectors * self.lanes))
        column = self.builder.add(first, I64(v * self.lanes))
        return Vector(
            self.builder, self.load(self.address("b", item, panel, spot, column), self.kind)
        )

    def spots(self, name: str, at: Any, *before: Any) -> list[Any]:
        """Pointers to the vectors of the tile in ``out`` or another array of its shape, row by
        row."""
        item, row, panel, part = at
        first = self.builder.mul(panel, I64(PANEL * self.lanes))
        first = self.builder.add(first, self.builder.mul(part, I64(self.vectors * self.lanes)))
        return [
            self.address(
                name,
                *before,
                item,
                self.builder.add(row, I64(r)),
                self.builder.add(first, I64(v * self.lanes)),
            )
            for r in range(ROWS)
            for v in range(self.vectors)
        ]


ARRAYS = ("a", "b", "table", "out", "flags", "scalars", "counts", "lost")
DRAWS = ("rows", "columns", "words")


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def tile_pass(typing_context, inner, outer, arrays, at):  # type: ignore[no-untyped-def]
    """One register tile over k0 ≤ k < k1; ``arrays`` are those of `ARRAYS` and `DRAWS`, ``at`` is
    (item, row, panel, part of the panel, k0, k1, terms of a product, the chunk sum's draw).

    Without ``outer`` the tile of ``out`` is the accumulator; with it the sum of these k starts at
    zero and then enters the tile as a chunk sum.  Returns whether the pass counts: a watched one
    whose sums left the range has changed nothing.
    """
    if not isinstance(inner, types.IntegerLiteral) or not isinstance(outer, types.IntegerLiteral):
        return None
    paths = path_of(inner.literal_value), path_of(outer.literal_value)

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        tile = _Tile(context, builder, signature.args[2], values[2], paths[0])
        return _emit(tile, paths[1], cgutils.unpack_tuple(builder, values[3]))

    return types.boolean(inner, outer, arrays, at), codegen


def _emit(tile: _Tile, outer: Path | None, place: Any) -> Any:
    """Emit the pass; whether it counts (i1), which only a watched one can deny."""
    builder, path = tile.builder, tile.path
    *at, k0, k1, terms, tile.turn = place
    spots = tile.spots("out", at)
    g = tile.scalars(0)
    sums = [g.start.value if outer else tile.load(spot, tile.kind) for spot in spots]
    struck = _flag_starts(tile, path)
    names = used(path)
    own = _own_starts(tile, at)
    state = [*sums, *struck, *own, *(_start(tile, name) for name in names)]
    end = counted_loop(builder, k0, k1, state, partial(_body, tile, g, at, terms))
    ends, own, tally = _split(tile, end)
    if "largest" in tally:
        tally["largest"] = reduce(maximum, own["largest"])
    if not path.watched:
        _finish(tile, outer, spots, at, ends, own, tally)
        return ir.Constant(ir.IntType(1), 1)
    kept = _within(tile, tally["largest"])
    with builder.if_then(kept, likely=True):
        _finish(tile, outer, spots, at, ends, own, tally)
    return kept


def _body(tile: _Tile, g: Scalars, at: Any, terms: Any, k: Any, now: Any) -> list[Any]:
    """All steps of one k: the state after it."""
    path = tile.path
    many, names = ROWS * tile.vectors, used(path)
    ends, own, tally = _split(tile, now)
    accs, flags = ends[:many], ends[many:]
    n = Tally(**tally)
    product_at = addends(tile, at, k, terms, FUSED)
    draws = _draws(tile, at, k, path, 0)
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
    kept = [x for name in own for x in own[name]]
    new = (*accs, *flags, *kept, *(getattr(n, name) for name in names))
    return [getattr(x, "value", x) for x in new]


def _draws(
    tile: _Tile, at: Any, number: Any, path: Path, level: int
) -> Callable[[int, Scalars], Vector | None]:
    """The random bits of rounding ``number`` for the tile's vectors, by their places in it; none
    for a path that takes none.  A state is the sum of the row's word and the column's."""
    if path.rounding not in DRAWN:
        return lambda i, g: None
    builder, count = tile.builder, VECTOR_BITS // 64
    item, row, panel, part = at
    first = builder.mul(panel, I64(PANEL * tile.lanes))
    first = builder.add(first, builder.mul(part, I64(tile.vectors * tile.lanes)))
    move = builder.mul(number, I64(signed(GAMMA)))
    factor = splat(builder, builder.load(tile.address("words", level, 0)), count)
    parts = tile.lanes // count
    lines = []
    for r in range(ROWS):
        word = builder.load(tile.address("rows", item, builder.add(row, I64(r))))
        lines.append(splat(builder, builder.add(word, move), count))
    wide = ir.VectorType(I64, count)

    def draw(i: int, g: Scalars) -> Vector:
        r, v = divmod(i, tile.vectors)
        states = []
        for half in range(parts):
            column = builder.add(first, I64(v * tile.lanes + half * count))
            spot = tile.address("columns", item, column)
            states.append(lines[r] + Vector(builder, tile.load(spot, wide, 8)))
        return random_bits(states[0], states[-1], factor, g)

    return draw


def _apart(path: Path, vectors: int) -> dict[str, int]:
    """Parts of the tally of which there are several: the largest, one for each column of vectors,
    because one chain of maxima would be the slowest thing in the loop; lost mass of every output,
    where its order counts."""
    several = {"largest": vectors} if "largest" in used(path) else {}
    return several | (dict.fromkeys(("lost", "mass"), ROWS * vectors) if path.ordered else {})


def _own_starts(tile: _Tile, at: Any) -> list[Any]:
    """Their values before the pass."""
    starts = []
    for name, count in _apart(tile.path, tile.vectors).items():
        if name == "largest":
            starts += [_start(tile, name)] * count
        else:
            kind = ir.VectorType(FLOATS[64], tile.lanes)
            spots = tile.spots("lost", at, I64(int(name == "mass")))
            starts += [tile.load(spot, kind, 8) for spot in spots]
    return starts


def _split(tile: _Tile, state: Any) -> tuple[list[Vector], dict[str, list[Vector]], dict[str, Any]]:
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
    tally = _wrapped(tile.builder, dict(zip(names, state[rest:], strict=True)))
    return vectors[:first], own, tally


def _within(tile: _Tile, largest: Vector) -> Any:
    """Whether no sum of a pass left the range (taken as symmetric)."""
    limit = bits(tile.scalars(0).largest)
    inside = largest <= limit
    return tile.builder.icmp_signed("==", population(inside), I64(tile.lanes))


def _finish(
    tile: _Tile,
    outer: Path | None,
    spots: list[Any],
    at: Any,
    ends: list[Vector],
    own: dict[str, list[Vector]],
    tally: dict[str, Any],
) -> None:
    """Store what a pass gave."""
    _count_up(tile, tile.path, 0, tally)
    if tile.path.ordered:
        for i, name in enumerate(("lost", "mass")):
            for x, spot in zip(own[name], tile.spots("lost", at, I64(i)), strict=True):
                tile.store(x.value, spot, 8)
    elif "lost" in tally:
        _add_lost(tile, tally["lost"], at)
    sums, flags = ends[: len(spots)], ends[len(spots) :]
    if outer:
        _merge(tile, outer, spots, sums, flags, at)
        return
    for x, spot in zip(sums, spots, strict=True):
        tile.store(x.value, spot)
    _store_flags(tile, flags, at)


def _merge(
    tile: _Tile, path: Path, spots: list[Any], sums: list[Vector], flags: list[Vector], at: Any
) -> None:
    """Chunk sums enter the outer accumulator, which is the tile of ``out``."""
    builder = tile.builder
    g = tile.scalars(1)
    names = used(path)
    n = Tally(**_wrapped(builder, {name: _start(tile, name) for name in names}))
    n = n._replace(empty=I64(0))
    struck = flags or [Vector(builder, x) for x in _flag_starts(tile, path)]
    draws = _draws(tile, at, tile.turn, path, 1)
    for i, (spot, t) in enumerate(zip(spots, sums, strict=True)):
        before = Vector(builder, tile.load(spot, tile.kind))
        if path.level == NONE:
            y = add(before, Term(t), g, path, draws(i, g)).y
        else:
            n = n._replace(empty=plus(n.empty, t.eq(0.0)))
            y, n, over = counted(before, Term(t), g, path, n, draws(i, g))
            if over is not None:
                struck[i] = select(over, struck[i].constant(1), struck[i])
        tile.store(y.value, spot)
    if path.level != NONE:
        _count_up(tile, path, 1, {name: getattr(n, name) for name in (*names, "empty")})
    _store_flags(tile, struck, at)


def _flag_starts(tile: _Tile, path: Path) -> list[Any]:
    """Masks of the outputs that an overflow strikes, where any can."""
    if path.level == NONE or path.limit == UNBOUNDED:
        return []
    return [ir.Constant(tile.whole, None)] * (ROWS * tile.vectors)


def _store_flags(tile: _Tile, flags: list[Vector], at: Any) -> None:
    if not flags:
        return
    for spot, flag in zip(tile.spots("flags", at), flags, strict=True):
        before = tile.load(spot, tile.whole)
        tile.store(tile.builder.or_(before, flag.value), spot)


def _start(tile: _Tile, name: str) -> Any:
    """A count, a maximum or a sum at zero."""
    wide = ir.VectorType(FLOATS[64], tile.lanes)
    kind = {"largest": tile.whole, "lost": wide, "mass": wide}
    return ir.Constant(kind[name], None) if name in kind else I64(0)


def _wrapped(builder: Any, tally: dict[str, Any]) -> dict[str, Any]:
    """Vectors as `Vector`, counts as they are."""
    return {k: v if k in SLOT else Vector(builder, v) for k, v in tally.items()}


def _count_up(tile: _Tile, path: Path, level: int, tally: dict[str, Any]) -> None:
    """Add a pass's counts to ``counts``."""
    builder = tile.builder
    for name, value in tally.items():
        if name in SLOT:
            spot = tile.address("counts", level, SLOT[name])
            builder.store(builder.add(builder.load(spot), value), spot)
    if path.level == ALL:
        _raise_largest(tile, level, tally["largest"])


def _raise_largest(tile: _Tile, level: int, largest: Vector) -> None:
    """Bits of float64 magnitudes are ordered as integers."""
    builder, spot = tile.builder, tile.address("counts", level, LARGEST)
    top = builder.load(spot)
    for x in lane_values(bits(widened(floats(largest)))):
        top = builder.select(builder.icmp_signed(">", x, top), x, top)
    builder.store(top, spot)


def _add_lost(tile: _Tile, lost: Vector, at: Any) -> None:
    """Add to the tile's lost mass, in any order: the caller proves that no sum here rounds."""
    builder = tile.builder
    item, row, panel, _ = at
    spot = tile.address("lost", I64(0), item, panel, builder.sdiv(row, I64(ROWS)))
    total = builder.load(spot)
    for x in lane_values(lost):
        total = builder.fadd(total, x)
    builder.store(total, spot)


@cache
def run_kernel(inner: Path, outer: Path | None) -> Any:
    """The driver for these datapaths:

    run(a, b, table, out, flags, scalars, counts, lost, draws, first, …, step, fresh, terms)

    a (batch, m, k), b packed (batch, panels, k, columns), k counting planes (`multiply`), of which
    there are ``terms`` for TERMS; out and flags (batch, m, panels ·
    columns), all C-contiguous, m a multiple of ROWS; scalars (2, …); counts (2, SLOTS); lost
    (1, batch, panels, m / ROWS), or for ordered paths (2, batch, m, panels · columns), lost and
    mass.  draws holds what random bits come from, uint64: words of rows (batch, m), of columns
    (batch, panels · columns), and factors (2, 1).  Units of work ``first`` … ``last`` − 1 are
    blocks of ``rows`` rows of one panel of one item; ``step`` is the chunk length, or how long a
    panel stays.  ``out`` holds what sums start from, unless they are ``fresh``: then nothing was
    written there yet; nor ever into flags.

    Where overflows are counted, passes without one are the rule: they are watched, and done
    again where one occurs; after that, until the next tile, nothing is tried.
    """
    # An addend beyond the range is its own rounding only after the rule.
    watches = inner.level != NONE and inner.limit != UNBOUNDED and inner.own
    quick = inner._replace(limit=UNBOUNDED, watched=True) if watches else None
    quick_code, inner_code, outer_code = code_of(quick), code_of(inner), code_of(outer)
    quick_parts = PANEL // vectors(quick) if quick else 0
    parts = PANEL // vectors(inner)

    flagged = any(x.level != NONE and x.limit != UNBOUNDED for x in (inner, outer) if x)
    wide, zero = columns(inner), Scalars._fields.index("start")

    @kernel
    def run(  # type: ignore[no-untyped-def]
        a,
        b,
        table,
        out,
        flags,
        scalars,
        counts,
        lost,
        draws,
        first,
        last,
        rows,
        step,
        fresh,
        terms,
    ):
        arrays = (a, b, table, out, flags, scalars, counts, lost, draws[0], draws[1], draws[2])
        m, length, panels = a.shape[1], a.shape[2] // terms, b.shape[1]
        blocks = (m + rows - 1) // rows
        for unit in range(first, last):
            top = (unit % blocks) * rows
            panel = unit // blocks % panels
            item = unit // blocks // panels
            block = slice(top, min(m, top + rows)), slice(panel * wide, (panel + 1) * wide)
            if fresh:  # while it is near
                out[item][block] = scalars[1, zero]
            if flagged:
                flags[item][block] = 0
            for k in range(0, length, step):
                stop = min(length, k + step)
                turn = length + k // step
                calm = watches
                for row in range(top, min(m, top + rows), ROWS):
                    done = 0  # vectors of the panel
                    if watches:
                        part = 0
                        while calm and part < quick_parts:
                            at = (item, row, panel, part, k, stop, terms, turn)
                            calm = tile_pass(quick_code, outer_code, arrays, at)
                            part += calm
                        done = part * (PANEL // quick_parts) if watches else 0
                    for part in range(done * parts // PANEL, parts):
                        at = (item, row, panel, part, k, stop, terms, turn)
                        tile_pass(inner_code, outer_code, arrays, at)

    return run


@kernel
def pack(b, out, first, last):  # type: ignore[no-untyped-def]
    """out (batch, panels, k, columns) ← b (batch, k, n), in out's dtype; zeros beyond n.

    Panels ``first`` … ``last`` − 1 of all items, counted through.
    """
    wide = out.shape[3]
    for unit in range(first, last):
        item, panel = unit // out.shape[1], unit % out.shape[1]
        start = panel * wide
        have = min(wide, b.shape[2] - start)
        for k in range(b.shape[1]):
            line, source = out[item, panel, k], b[item, k, start : start + have]
            for j in range(have):
                line[j] = source[j]
            for j in range(have, wide):
                line[j] = 0


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """An uninitialised array; a large one's data starts a cache line: vectors then cross none."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)
