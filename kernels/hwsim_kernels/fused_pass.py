"""Fused blocks in registers: products in float32, terms in int32, one row and `LANES` columns.

A block is read twice: for the largest exponent of its terms (int16 lanes), then for the terms,
each a product times 2^(F − E), cut by the conversion to an integer.  Their total becomes a float32
that keeps what rounding needs: cut at 24 bits, or rounded to odd there (Boldo, Melquiond 2008);
times 2^(E − F), which is exact, it is rounded to the result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.fused import LANES, Blocks
from hwsim_kernels.vectors import (
    FLOATS,
    I32,
    I64,
    ROUNDS,
    TOWARD_ZERO,
    Vector,
    bits,
    counted_loop,
    floats,
    maximum,
    select,
    splat,
)

CUT, TO_NEAREST = range(2)  # how a total is rounded to a result
GROUP = 8  # terms whose sum is an int32, whatever the block
UNROLLED = 4

_I16 = ir.IntType(16)
WIDE = 16  # float32 lanes of a vector
_VECTORS = LANES // WIDE
_FIELD, _SIGN, _ONE = 0x7F800000, -(1 << 31), 1 << 23


class Cut32(NamedTuple):
    """A result format in float32's bits: a mask of the bits that it keeps; and for sums to nearest
    the exponent field of its smallest normal binade, and what makes (x + C) − C of it."""

    mask: int
    floor: int
    magic: int


class Block(NamedTuple):
    """What emits one block: arrays by name, and where it is."""

    context: Any
    builder: Any
    arrays: dict[str, tuple[Any, Any]]
    row: Any
    block: Any
    start: Any  # its first term
    numbers: Blocks
    rounding: Any  # `Cut32`, or what another kernel rounds by
    once: bool = False  # whether it has no more terms than are taken at a time

    def pointer(self, name: str, *index: Any) -> Any:
        kind, array = self.arrays[name]
        return cgutils.get_item_pointer(self.context, self.builder, kind, array, index)

    def vector(self, name: str, line: Any, first: int, kind: Any) -> Vector:
        """Lanes of a row of an array, from a column on."""
        pointer = self.pointer(name, line, I64(first))
        pointer = self.builder.bitcast(pointer, kind.as_pointer())
        return Vector(self.builder, self.builder.load(pointer, align=2))

    def store(self, x: Vector, name: str, line: Any, first: int) -> None:
        """Inverse of `vector`."""
        pointer = self.pointer(name, line, I64(first))
        pointer = self.builder.bitcast(pointer, x.value.type.as_pointer())
        self.builder.store(x.value, pointer, align=2)

    def scalar(self, name: str, column: Any, lanes: int) -> Vector:
        """An element of this row, in all lanes."""
        return splat(self.builder, self.builder.load(self.pointer(name, self.row, column)), lanes)

    def whole(self, number: Any) -> Vector:
        """An integer in 32 bits, in all lanes."""
        return splat(self.builder, self.builder.trunc(number, I32), WIDE)


def _names() -> tuple[str, ...]:
    sides = ("row", "column")
    return tuple(f"{side}_{part}" for side in sides for part in ("values", "exponents", "starts"))


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def block_pass(typing_context, wide, how, a, b, s, at, numbers, grid):  # type: ignore[no-untyped-def]
    """s[row] ← R(s[row] + a block), ``at`` = (row, block); ``wide``: totals take float64."""
    if not isinstance(wide, types.IntegerLiteral) or not isinstance(how, types.IntegerLiteral):
        return None
    options = bool(wide.literal_value), how.literal_value

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        at = placed(context, builder, signature.args[2:], values[2:])
        _emit(at._replace(rounding=Cut32(*_unpacked(builder, at.rounding))), *options)
        return context.get_dummy_value()

    return types.void(wide, how, a, b, s, at, numbers, grid), codegen


def placed(context: Any, builder: Any, kinds: Any, values: Any) -> Block:
    """The block that (a, b, s, (row, block), numbers, rounding) say."""
    sides = [*kinds[0].types, *kinds[1].types, kinds[2]]
    parts = [*_unpacked(builder, values[0]), *_unpacked(builder, values[1]), values[2]]
    arrays = {
        name: (kind, context.make_array(kind)(context, builder, value))
        for name, kind, value in zip((*_names(), "sums"), sides, parts, strict=True)
    }
    row, block = _unpacked(builder, values[3])
    known = Blocks(*_unpacked(builder, values[4]))
    start = builder.mul(block, known.size)
    return Block(context, builder, arrays, row, block, start, known, values[5])


def _unpacked(builder: Any, value: Any) -> list[Any]:
    return list(cgutils.unpack_tuple(builder, value))


def _emit(at: Block, wide: bool, how: int) -> None:
    """One block of one row."""
    tops = largest_exponents(at)
    kind = ir.VectorType(FLOATS[32], WIDE)
    sums = [at.vector("sums", at.row, WIDE * v, kind) for v in range(_VECTORS)]
    scales = [_scale(at, top, x) for top, x in zip(tops, sums, strict=True)]
    own = [whole(x * scale) for x, scale in zip(sums, scales, strict=True)]
    totals = (_wide_totals if wide else _narrow_totals)(at, scales, own, how)
    for v, (total, scale) in enumerate(zip(totals, scales, strict=True)):
        inverse = floats(scale.like(bits(scale).constant(254 * _ONE).value) - bits(scale))
        result = (_cut if how == CUT else _nearest)(at, total * inverse)
        at.store(result, "sums", at.row, WIDE * v)


def each_term(at: Block, step: int, state: list[Vector], body: Callable[..., list[Vector]]) -> Any:
    """``step`` terms at a time: state = body(place of the first, state)."""
    builder = at.builder
    if at.once:
        for q in range(step):
            state = body(builder.add(at.start, I64(q)), state)
        return state
    count = builder.sdiv(at.numbers.size, I64(step))

    def once(k: Any, now: Any) -> list[Any]:
        place = builder.add(at.start, builder.mul(k, I64(step)))
        vectors = [Vector(builder, x) for x in now]
        for q in range(step):
            vectors = body(builder.add(place, I64(q)), vectors)
        return [x.value for x in vectors]

    ends = counted_loop(builder, I64(0), count, [x.value for x in state], once)
    return [Vector(builder, x) for x in ends]


def largest_exponents(at: Block) -> list[Vector]:
    """Of the products, in 32-bit lanes."""
    lanes, builder = 2 * WIDE, at.builder
    kind = ir.VectorType(_I16, lanes)
    least = at.scalar("row_starts", at.block, lanes)
    firsts = range(0, LANES, lanes)
    starts = [maximum(at.vector("column_starts", at.block, f, kind), least) for f in firsts]

    def body(k: Any, tops: list[Vector]) -> list[Vector]:
        x = at.scalar("row_exponents", k, lanes)
        each = [x + at.vector("column_exponents", k, f, kind) for f in firsts]
        return [maximum(e, top) for e, top in zip(each, tops, strict=True)]

    found = []
    for top in each_term(at, UNROLLED, starts, body):
        for half in range(2):
            places = list(range(half * WIDE, (half + 1) * WIDE))
            mask = ir.Constant(ir.VectorType(I32, WIDE), places)
            part = builder.shuffle_vector(top.value, top.value, mask)
            found.append(Vector(builder, builder.sext(part, ir.VectorType(I32, WIDE))))
    return found


def _scale(at: Block, top: Vector, x: Vector) -> Vector:
    """2^(F − E), E the largest exponent, that of the sum x among them."""
    numbers = at.numbers
    own = (bits(x) & _FIELD).like(
        at.builder.lshr((bits(x) & _FIELD).value, bits(x).constant(23).value)
    ) - 127
    own = maximum(own, at.whole(numbers.emin))
    own = select(x.eq(0.0), at.whole(numbers.zero), own)
    top = maximum(maximum(top, own), at.whole(numbers.lowest))
    field = at.whole(at.builder.add(numbers.fraction, I64(127))) - top
    return floats(field.like(at.builder.shl(field.value, field.constant(23).value)))


def whole(x: Vector) -> Vector:
    """x toward zero, int32."""
    return x.like(x.builder.fptosi(x.value, ir.VectorType(I32, x.value.type.count)))


def terms(at: Block, scales: list[Vector], k: Any, totals: list[Vector]) -> list[Vector]:
    """Totals with the terms of one k."""
    kind = ir.VectorType(FLOATS[32], WIDE)
    x = at.scalar("row_values", k, WIDE)
    products = [x * at.vector("column_values", k, WIDE * v, kind) for v in range(_VECTORS)]
    each = zip(totals, products, scales, strict=True)
    return [total + whole(p * scale) for total, p, scale in each]


def _narrow_totals(at: Block, scales: list[Vector], own: list[Vector], how: int) -> list[Vector]:
    """Totals of int32, as float32 numbers (`_shortened`)."""
    totals = each_term(at, UNROLLED, own, partial(terms, at, scales))
    return [_shortened(total, how) for total in totals]


def _shortened(total: Vector, how: int) -> Vector:
    """24 bits of an int32: cut, or, to be rounded again, rounded to odd."""
    short = _cut_float(total)
    if how == CUT:
        return short
    lost = whole(short).ne(total)
    odd = bits(short)
    return floats(select(lost, odd | 1, odd))


def _cut_float(total: Vector) -> Vector:
    """An int32 toward zero to float32."""
    builder, kind = total.builder, ir.VectorType(FLOATS[32], WIDE)
    if ROUNDS:
        name = "llvm.x86.avx512.sitofp.round.v16f32.v16i32"
        signature = ir.FunctionType(kind, [total.value.type, I32])
        function = cgutils.get_or_insert_function(builder.module, signature, name)
        how = ir.Constant(I32, TOWARD_ZERO)
        return total.like(builder.call(function, [total.value, how]))
    near = total.like(builder.sitofp(total.value, kind))
    rest = (total - whole(near)) ^ total  # negative where the size was rounded up
    same = whole(near).eq(total)
    return floats(select(same, bits(near), bits(near) + (rest >> 31)))


def _wide_totals(at: Block, scales: list[Vector], own: list[Vector], how: int) -> list[Vector]:
    """Totals of float64, as float32 numbers: sums of `GROUP` terms are int32."""
    builder, half = at.builder, WIDE // 2
    starts = [part for total in own for part in _doubles(total)]
    count = builder.sdiv(at.numbers.size, I64(GROUP))

    def once(k: Any, now: Any) -> list[Any]:
        place = builder.add(at.start, builder.mul(k, I64(GROUP)))
        groups = [total.constant(0) for total in own]
        for q in range(GROUP):
            groups = terms(at, scales, builder.add(place, I64(q)), groups)
        parts = [part for group in groups for part in _doubles(group)]
        return [builder.fadd(x, part.value) for x, part in zip(now, parts, strict=True)]

    ends = counted_loop(builder, I64(0), count, [x.value for x in starts], once)
    shorts = [_short_double(Vector(builder, x), how) for x in ends]
    both = ir.Constant(ir.VectorType(I32, WIDE), list(range(2 * half)))
    pairs = zip(shorts[::2], shorts[1::2], strict=True)
    return [Vector(builder, builder.shuffle_vector(x.value, y.value, both)) for x, y in pairs]


def _doubles(x: Vector) -> list[Vector]:
    """An int32 vector's halves in float64."""
    found, half = [], WIDE // 2
    for first in (0, half):
        mask = ir.Constant(ir.VectorType(I32, half), list(range(first, first + half)))
        part = x.builder.shuffle_vector(x.value, x.value, mask)
        found.append(x.like(x.builder.sitofp(part, ir.VectorType(FLOATS[64], half))))
    return found


def _short_double(total: Vector, how: int) -> Vector:
    """24 bits of a float64, in float32: cut, or rounded to odd."""
    last = 1 << 29
    whole = bits(total)
    short = whole & -last
    if how != CUT:
        short = select((whole & (last - 1)).ne(0), short | last, short)
    kind = ir.VectorType(FLOATS[32], total.value.type.count)
    return total.like(total.builder.fptrunc(floats(short).value, kind))


def _cut(at: Block, x: Vector) -> Vector:
    """x toward zero to the result's precision."""
    return floats(bits(x) & at.whole(at.rounding.mask))


def _nearest(at: Block, x: Vector) -> Vector:
    """x to nearest, ties to even; its sign stays."""
    field = maximum(bits(x) & _FIELD, at.whole(at.rounding.floor))
    c = floats(field + at.whole(at.rounding.magic))
    r = (x + c) - c
    return floats((bits(r) & ~_SIGN) | (bits(x) & _SIGN))


@cache
def narrow_kernel(wide: bool, how: int) -> Any:
    """Blocks whose terms are int32: blocks(a, b, s, first, last, numbers, grid), a: rows (m,
    terms), exponents, starts; b: columns (terms, LANES), exponents, starts; s (m, LANES), float32
    sums that blocks ``first`` … ``last`` − 1 are added to."""
    wide = int(wide)

    @kernel
    def blocks(a, b, s, first, last, numbers, grid):  # type: ignore[no-untyped-def]
        for block in range(first, last):
            for row in range(s.shape[0]):
                block_pass(wide, how, a, b, s, (row, block), numbers, grid)

    return blocks
