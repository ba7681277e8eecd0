"""Floats to the entries of a table of up to 256, by a binary search whose levels lie in registers.

Where single bytes of two registers can be permuted (AVX-512 VBMI), larger tables lie there as
planes, one of each byte of their words, and four vectors of 16 lanes are looked up as one of 64:
128 words take four instructions, and 256 twelve, besides those that take indices together and
bytes apart.
"""

from __future__ import annotations

from functools import cache, reduce
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.lanes import LANES, in_all_lanes, load_lanes, store_lanes, through
from hwsim_kernels.tables import Bits, shifted_down
from hwsim_kernels.vectors import (
    I32,
    I64,
    Vector,
    lane_values,
    picked,
    population,
    select,
    splat,
)

DEPTHS = (6, 7, 8)
MANY = 4  # vectors at a time: no one waits for the chain of another's levels, 64 are a register
BYTE_LANES = MANY * LANES
BYTES = bool(get_host_cpu_features().get("avx512vbmi", False))
FEW = 4  # vectors of words that are permuted as words, whatever there is

Vectors = list[Vector]
# ``planes[t][i]``: byte t of words 64·i … 64·i + 63.
Planes = list[list[Any]]


def in_tree(x: Vectors, f: Bits, tree: tuple[Vectors, Planes], entries: Any) -> Vectors:
    """Entries by keys: ``tree`` holds the middle step at 1 and those of node h's halves at 2h and
    2h + 1, and at 0 a one, which the compiler must not know lest it add masks instead of adding
    under a mask; of its last level planes, too.  Without ``entries`` (words, planes) the result is
    the place."""
    rows, planes = tree
    keys = [v ^ (shifted_down(v, f.top) & f.magnitude) for v in x]
    one = splat(x[0].builder, lane_values(rows[0])[0], LANES)
    nodes, first, size = [v.constant(1) for v in x], 1, LANES * len(rows)
    while first < size:
        level = rows[first // LANES : max(2 * first, LANES) // LANES]
        steps = looked_up(level, planes if 2 * first == size else None, nodes)
        nodes = [_next(*three, one) for three in zip(keys, steps, nodes, strict=True)]
        first *= 2
    return looked_up(*entries, nodes) if entries else [node & (first - 1) for node in nodes]


def _next(key: Vector, step: Vector, node: Vector, one: Vector) -> Vector:
    twice = node + node
    return select(key >= step, twice + one, twice)


def looked_up(rows: Vectors, planes: Planes | None, indices: Vectors) -> Vectors:
    """Words of a table of a power of two of them by integers, whose higher bits do not count."""
    if not planes or len(rows) <= FEW:
        return [picked(rows, x) for x in indices]
    builder = indices[0].builder
    places = _together(builder, [(x & (LANES * len(rows) - 1)).value for x in indices])
    upper = None
    if len(planes[0]) == 4:
        zero = ir.Constant(places.type, None)
        upper = builder.icmp_signed("<", places, zero)
    found = [_byte(builder, plane, places, upper) for plane in planes]
    return [Vector(builder, x) for x in _apart(builder, found)]


def _byte(builder: Any, plane: list[Any], places: Any, upper: Any) -> Any:
    """One byte of every word."""
    kind = places.type
    name = "llvm.x86.avx512.vpermi2var.qi.512"
    permute = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), name
    )
    pairs = zip(plane[::2], plane[1::2], strict=True)
    low, *high = [builder.call(permute, [x, places, y]) for x, y in pairs]
    return builder.select(upper, high[0], low) if high else low


def _together(builder: Any, words: list[Any]) -> Any:
    """Four vectors of 16 words under 256 as one of bytes; 128 bits of each stay together."""

    def packed(name: str, x: Any, y: Any, width: int) -> Any:
        kind = ir.VectorType(ir.IntType(width), 512 // width)
        signature = ir.FunctionType(kind, [x.type] * 2)
        pack = cgutils.get_or_insert_function(builder.module, signature, f"llvm.x86.avx512.{name}")
        return builder.call(pack, [x, y])

    halves = [packed("packusdw.512", *words[i : i + 2], 16) for i in (0, 2)]
    return packed("packuswb.512", *halves, 8)


def _apart(builder: Any, planes: list[Any]) -> list[Any]:
    """Four vectors of words from their bytes: what `_together` put together goes back."""

    def merged(x: Any, y: Any) -> tuple[Any, Any]:
        """Elements of both by turns, from the lower and the upper halves of all 128 bits."""
        count = x.type.count
        lane = count // 4
        ends = []
        for start in (0, lane // 2):
            places = [
                base + start + i + side
                for base in range(0, count, lane)
                for i in range(lane // 2)
                for side in (0, count)
            ]
            mask = ir.Constant(ir.VectorType(I32, count), places)
            wide = ir.VectorType(ir.IntType(2 * x.type.element.width), count // 2)
            ends.append(builder.bitcast(builder.shuffle_vector(x, y, mask), wide))
        return ends[0], ends[1]

    lower, upper = merged(*planes[:2]), merged(*planes[2:])
    return [word for pair in zip(lower, upper, strict=True) for word in merged(*pair)]


@helper
def planes_of(words):  # type: ignore[no-untyped-def]
    """(4, size), uint8: the bytes of int32 words."""
    out = np.empty((4, words.shape[0]), np.uint8)
    for t in range(4):
        for i in range(words.shape[0]):
            out[t, i] = (words[i] >> (8 * t)) & 255
    return out


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def tree_lanes(typing_context, size, placed, bits, out, tables, fields):  # type: ignore[no-untyped-def]
    """The work of `tree_kernel`."""
    if not isinstance(size, types.IntegerLiteral) or not isinstance(placed, types.IntegerLiteral):
        return None
    count, no_entries = size.literal_value, placed.literal_value

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        kinds = [*signature.args[2:4], *signature.args[4], signature.args[5]]
        arrays = [*values[2:4], *cgutils.unpack_tuple(builder, values[4]), values[5]]
        source, target, *data, numbers = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(kinds, arrays, strict=True)
        )
        steps, step_bytes, words, word_bytes = (array.data for array in data)
        tree = _rows(builder, steps, count), _planes(builder, step_bytes, count // 2)
        entries = None
        if not no_entries:
            entries = _rows(builder, words, count), _planes(builder, word_bytes, count)
        f = Bits(*in_all_lanes(builder, numbers.data, len(Bits._fields)))

        def body(bits: Any, out: Any, first: Any) -> Any:
            at = [builder.add(first, I64(LANES * j)) for j in range(MANY)]
            x = [load_lanes(builder, bits, place) for place in at]
            for y, place in zip(in_tree(x, f, tree, entries), at, strict=True):
                store_lanes(builder, y.value, out, place)
            lost = [population((v & f.magnitude) > f.infinite) for v in x]
            return reduce(builder.add, lost)

        return through(builder, source, target, body, BYTE_LANES)

    return types.int64(size, placed, bits, out, tables, fields), codegen


def _rows(builder: Any, data: Any, count: int) -> Vectors:
    return [load_lanes(builder, data, I64(i)) for i in range(0, count, LANES)]


def _planes(builder: Any, data: Any, count: int) -> Planes:
    """Of so many words, in pairs of vectors; none where there are too few, or no instruction."""
    if not BYTES or count % (2 * BYTE_LANES):
        return []

    def row(at: int) -> Any:
        return load_lanes(builder, data, I64(at), BYTE_LANES).value

    return [[row(t * count + i) for i in range(0, count, BYTE_LANES)] for t in range(4)]


@cache
def tree_kernel(size: int, placed: int) -> Any:
    """run(bits, out, steps, entries, fields): as `hwsim_kernels.tables.chain_kernel`'s, for int32
    bits and ``size`` steps as `in_tree` has them; entries (size,), unless ``placed``: each is its
    place then."""

    @kernel
    def by_tree(bits, out, steps, entries, fields):  # type: ignore[no-untyped-def]
        tables = steps, planes_of(steps[size // 2 :]), entries, planes_of(entries)
        return tree_lanes(size, placed, bits, out, tables, fields)

    return by_tree
