"""Register tiles: ROWS × (vectors of columns) accumulators that stay in registers while k runs, as
in a BLAS kernel.  The lane is the output column, never k, so that every output meets its products
in ascending order.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils

from hwsim_kernels.multiply import ROWS
from hwsim_kernels.paths import (
    ALL,
    DRAWN,
    INTEGERS,
    MITCHELL,
    NONE,
    PLAIN,
    SHIFTS_OF_WORDS,
    SIGNED_WORDS,
    UNBOUNDED,
    WORDS,
    Path,
    Scalars,
)
from hwsim_kernels.vectors import FLOATS, I64, Vector, bits, splat

FEATURES = llvmlite.binding.get_host_cpu_features()
FUSED = bool(FEATURES.get("fma", True))  # without the instruction llvm.fma would be a call
WIDE = bool(FEATURES.get("avx512f", False))  # 32 registers of 512 bits; else 16 of 256
VECTOR_BITS = 512 if WIDE else 256


def lanes(path: Path) -> int:
    """Columns of a vector."""
    return VECTOR_BITS // path.width


SPARE = (PLAIN, MITCHELL, *SHIFTS_OF_WORDS)  # products that need few registers


def vectors(path: Path) -> int:
    """Vectors of columns in a tile: as many sums in flight as hide their latency, as few as
    leave registers for what each of them carries along."""
    flagged = path.level != NONE and path.limit != UNBOUNDED
    if path.product in (WORDS, SIGNED_WORDS):
        return 32 // lanes(path)  # a register of their indices
    busy = path.level == ALL or flagged or path.rounding in DRAWN
    return 4 if WIDE and not busy and path.product in SPARE else 2


PANEL = 4 if WIDE else 2  # vectors of a panel of b; a tile is a part of it


def columns(path: Path) -> int:
    """Columns of a panel of b."""
    return PANEL * lanes(path)


RADIX = (2, 4, 9, 7, 2, 2, 2, 3, 2, 2, 16, 2)  # of Path's fields, the width as 32 · (1 + digit)


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
    width, sums, rounding, limit, floor, signs, own, level, watched, ordered, *more = digits
    flags = (bool(floor), bool(signs), bool(own))
    rest = (level, bool(watched), bool(ordered), more[0], bool(more[1]))
    return Path(32 * (1 + width), sums, rounding, limit, *flags, *rest)


ARRAYS = ("a", "b", "table", "out", "flags", "scalars", "counts", "lost")
DRAWS = ("rows", "columns", "words")


class Tile:
    """Emits one register tile: its addresses, its scalars, its loads and stores."""

    def __init__(self, context: Any, builder: Any, kinds: Any, arrays: Any, path: Path) -> None:
        self.context, self.builder, self.path = context, builder, path
        values = cgutils.unpack_tuple(builder, arrays)
        self.arrays = {
            name: (kind, context.make_array(kind)(context, builder, value))
            for name, kind, value in zip(ARRAYS + DRAWS, kinds, values, strict=True)
        }
        self.lanes, self.vectors = lanes(path), vectors(path)
        self.columns = columns(path)
        self.turn: Any = None  # number of the chunk sum's draw
        self.kind = ir.VectorType(FLOATS[path.width], self.lanes)
        self.whole = ir.VectorType(ir.IntType(path.width), self.lanes)

    def address(self, name: str, *index: Any) -> Any:
        """Pointer to an element."""
        kind, array = self.arrays[name]
        index = [x if isinstance(x, ir.Value) else I64(x) for x in index]
        return cgutils.get_item_pointer(self.context, self.builder, kind, array, index)

    def extent(self, name: str, axis: int) -> Any:
        """An array's size along an axis."""
        return cgutils.unpack_tuple(self.builder, self.arrays[name][1].shape)[axis]

    def kept(self, sums: list[Vector]) -> tuple[Any, Any]:
        """(pointer, elements of a row) of a copy of the tile."""
        rows = ir.ArrayType(ir.ArrayType(self.kind, self.vectors), ROWS)
        place = cgutils.alloca_once(self.builder, rows)
        first = self.builder.bitcast(place, FLOATS[self.path.width].as_pointer())
        for i, x in enumerate(sums):
            self.store(x.value, self.builder.gep(first, [I64(i * self.lanes)]))
        return first, I64(self.vectors * self.lanes)

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
