"""Sums that enter another accumulator: chunk sums the outer one, lanes' and trees' each other.

A function apart for each datapath, which kernels call by its address: so there is one kernel for
each datapath of products, whatever becomes of its sums, and none for a pair of datapaths.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import called
from hwsim_kernels.counting import Tally, counted, plus, used
from hwsim_kernels.datapath import add, entered, left
from hwsim_kernels.draws import GAMMA
from hwsim_kernels.lane_draws import random_bits, register_bits, signed
from hwsim_kernels.multiply import ROWS
from hwsim_kernels.paths import DRAWN, NONE, Path, lossless
from hwsim_kernels.tallies import count_up, start, wrapped
from hwsim_kernels.terms import Term
from hwsim_kernels.tiles import DRAWS, VECTOR_BITS, Tile, code_of, lanes, path_of
from hwsim_kernels.vectors import FLOATS, I64, Vector, counted_loop, select, splat

# What such a function is told, as int64: where the terms, the sums and the rest of a tile begin,
# and how many elements there are from a row to the next.
FRAME = ("terms", "terms_row", "sums", "sums_row", "flags", "registers", "out_row")
FRAME += ("scalars", "counts", "rows", "columns", "words", "draw", "vectors")


def join(tile: Tile, function: Any, terms: Any, sums: Any, at: Any, level: int) -> None:
    """Emit the call of a function: ``terms`` and ``sums`` are (first pointer, elements of a row),
    ``level`` is that of the counts and of the format."""
    builder = tile.builder
    numbers = dict(zip(("terms", "terms_row"), terms, strict=True))
    numbers |= zip(("sums", "sums_row"), sums, strict=True)
    numbers |= {name: tile.address(name, level, 0) for name in ("scalars", "counts")}
    numbers |= {} if tile.turn is None else _draws_of(tile, at, level)
    if tile.path.level != NONE or tile.turn is not None:
        numbers |= {"flags": tile.spots("flags", at)[0], "out_row": tile.extent("out", 2)}
    numbers["vectors"] = I64(tile.vectors)
    frame = cgutils.alloca_once(builder, ir.ArrayType(I64, len(FRAME)))
    for i, name in enumerate(FRAME):
        word = numbers.get(name, I64(ir.Undefined))
        if isinstance(word.type, ir.PointerType):
            word = builder.ptrtoint(word, I64)
        builder.store(word, builder.gep(frame, [I64(0), I64(i)]))
    kind = ir.FunctionType(I64, [I64]).as_pointer()
    builder.call(builder.inttoptr(function, kind), [builder.ptrtoint(frame, I64)])


def _draws_of(tile: Tile, at: Any, level: int) -> dict[str, Any]:
    """What the sums' draws come from."""
    item, row, panel, part = at
    if tile.arrays["rows"][0].ndim == 3:
        words = tile.address("words", 0, 0)
        return {"registers": tile.spots(DRAWS[1], at)[0], "words": words}
    column = tile.builder.mul(panel, I64(tile.columns))
    column = tile.builder.add(column, tile.builder.mul(part, I64(tile.vectors * tile.lanes)))
    found = {"rows": tile.address("rows", item, row), "words": tile.address("words", level, 0)}
    found |= {"columns": tile.address("columns", item, column)}
    return found | {"draw": tile.turn}


class _Frame(Tile):
    """A tile as a frame tells it, for one vector of columns at a time."""

    def __init__(self, builder: Any, frame: Any, path: Path) -> None:
        self.builder, self.path, self.lanes, self.vectors = builder, path, lanes(path), 1
        self.kind = ir.VectorType(FLOATS[path.width], self.lanes)
        self.whole = ir.VectorType(ir.IntType(path.width), self.lanes)
        words = builder.inttoptr(frame, I64.as_pointer())
        self.words = {
            name: builder.load(builder.gep(words, [I64(i)])) for i, name in enumerate(FRAME)
        }

    def address(self, name: str, *index: Any) -> Any:
        """Pointer to an element of a row: of all indices the last one counts."""
        kind = self.kind.element if name in ("terms", "sums", "scalars") else I64
        kind = self.whole.element if name in ("flags", "registers") else kind
        last = index[-1] if isinstance(index[-1], ir.Value) else I64(index[-1])
        return self.builder.gep(self.builder.inttoptr(self.words[name], kind.as_pointer()), [last])

    def column(self, name: str, row: str, v: Any) -> list[Any]:
        """Pointers to vector v of every row."""
        first = self.builder.mul(v, I64(self.lanes))
        places = [self.builder.mul(self.words[row], I64(r)) for r in range(ROWS)]
        return [self.address(name, self.builder.add(place, first)) for place in places]

    def draws(self, v: Any) -> list[Vector | None]:
        """Random bits for vector v of every row; shift registers move on."""
        path, builder = self.path, self.builder
        if path.rounding not in DRAWN:
            return [None] * ROWS
        if path.clocked:
            return self._clocked(v)
        count = VECTOR_BITS // 64
        wide = ir.VectorType(I64, count)
        move = builder.mul(self.words["draw"], I64(signed(GAMMA)))
        columns = [
            Vector(builder, self.load(self.address("columns", place), wide, 8))
            for half in range(self.lanes // count)
            for place in [builder.add(builder.mul(v, I64(self.lanes)), I64(half * count))]
        ]
        states = []
        for r in range(ROWS):
            word = builder.add(builder.load(self.address("rows", r)), move)
            states.append([splat(builder, word, count) + column for column in columns])
        factor = splat(builder, builder.load(self.address("words", 0)), count)
        return [*random_bits(states, factor, self.scalars(0))]

    def _clocked(self, v: Any) -> list[Vector | None]:
        word = self.builder.load(self.address("words", 0))
        word = word if self.path.width == 64 else self.builder.trunc(word, self.whole.element)
        feedback, found = splat(self.builder, word, self.lanes), []
        for spot in self.column("registers", "out_row", v):
            register = Vector(self.builder, self.load(spot, self.whole))
            random, register = register_bits(register, feedback, self.scalars(0))
            self.store(register.value, spot)
            found.append(random)
        return [*found]


def _emit(tile: _Frame) -> None:
    """Every sum of the tile: R(sum + term)."""
    builder, path = tile.builder, tile.path
    g, names = tile.scalars(0), used(path)
    names += ("empty",) * (path.level != NONE)

    def column(v: Any, state: Any) -> list[Any]:
        n = Tally(**wrapped(builder, dict(zip(names, state, strict=True))))
        draws = tile.draws(v)
        spots = tile.column("sums", "sums_row", v)
        for r, place in enumerate(tile.column("terms", "terms_row", v)):
            acc, t = (Vector(builder, tile.load(x, tile.kind)) for x in (spots[r], place))
            acc = entered(acc, g, path)
            if path.level == NONE:
                y = add(acc, Term(t), g, path, draws[r]).y
            else:
                if not lossless(path):
                    n = n._replace(empty=plus(n.empty, t.eq(0.0)))
                y, n, over = counted(acc, Term(t), g, path, n, draws[r])
                if over is not None:
                    _strike(tile, over, tile.column("flags", "out_row", v)[r])
            tile.store(left(y, g, path).value, spots[r])
        return [getattr(x, "value", x) for x in (getattr(n, name) for name in names)]

    starts = [start(tile, name) for name in names]
    ends = counted_loop(builder, I64(0), tile.words["vectors"], starts, column)
    count_up(tile, path, 0, wrapped(builder, dict(zip(names, ends, strict=True))))


def _strike(tile: _Frame, over: Vector, spot: Any) -> None:
    before = Vector(tile.builder, tile.load(spot, tile.whole))
    tile.store((before | select(over, before.constant(1), before.constant(0))).value, spot)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _joined(typing_context, path, frame):  # type: ignore[no-untyped-def]
    """The whole of such a function."""
    if not isinstance(path, types.IntegerLiteral):
        return None
    found = path_of(path.literal_value)

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        assert found
        _emit(_Frame(builder, values[1], found))
        return I64(0)

    return types.int64(path, frame), codegen


@cache
def join_function(path: Path | None) -> int:
    """The address of a datapath's function; 0 for none."""
    if path is None:
        return 0
    code = code_of(path)

    def joined(frame):  # type: ignore[no-untyped-def]
        return _joined(code, frame)

    return called(joined, "int64(int64)")
