"""Blocks in two stages in registers: one row and `LANES` columns, products in float32.

The first stage is that of `fused_pass`: a group's largest exponent, products cut to int32, their
sum.  The second needs floors: of the products' sum and of the running sum, to places that their
largest exponent E fixes.  In float64 (x + C) − C, added downward, is the floor of x to C's last
place, C = 1.5·2^(E + 52 − places); that of the total's own place is a mask.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.fused_pass import (
    UNROLLED,
    WIDE,
    Block,
    each_term,
    largest_exponents,
    placed,
    terms,
)
from hwsim_kernels.vectors import (
    DOWNWARD,
    FLOATS,
    I32,
    I64,
    Vector,
    add_directed,
    bits,
    floats,
    fma,
    fma_directed,
    maximum,
    minimum,
    select,
    shifted_left,
    splat,
    widened,
)

UNITS, ANY, REACHES = range(3)  # how running sums are
_VECTORS = 4
_HALF = WIDE // 2
_FIELD, _ONE = 0x7F800000, 1 << 23


class Second(NamedTuple):
    """The numbers of the second stage, and the fraction bits F of the first."""

    fraction: int
    kept: float  # 1.5·2^(51 − S): with 2^E, C of the products' sum
    coarse: float  # 1.5·2^(52 − F): the same of the running sum
    mask: int  # the bits of a float64 under its first S
    reach: int  # how far below E a running sum still counts, in steps of exponent fields
    least: int  # no product has a lower exponent; 127 more


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def staged_pass(typing_context, groups, short, how, a, b, s, at, numbers, second):  # type: ignore[no-untyped-def]
    """s[row] ← what a block of some groups adds to it, ``at`` = (row, block); exponents of rows are
    127 too high.  ``short``: groups have `UNROLLED` products; ``how``: `staged_kernel`."""
    options = groups, short, how
    if not all(isinstance(option, types.IntegerLiteral) for option in options):
        return None
    count, once, second_stage = (option.literal_value for option in options)

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        at = placed(context, builder, signature.args[3:], values[3:])
        given = Second(*cgutils.unpack_tuple(builder, at.rounding))
        _emit(at._replace(rounding=given, once=bool(once)), count, second_stage)
        return context.get_dummy_value()

    return types.void(groups, short, how, a, b, s, at, numbers, second), codegen


def _emit(at: Block, groups: int, how: int) -> None:
    size = at.builder.sdiv(at.numbers.size, I64(groups))
    found = []
    for group in range(groups):
        start = at.builder.add(at.start, at.builder.mul(size, I64(group)))
        mine = at._replace(start=start, numbers=at.numbers._replace(size=size))
        found.append(_first(mine))
    for v in range(_VECTORS):
        tops, sums = zip(*((top[v], dot[v]) for top, dot in found), strict=True)
        top, dot = _together(list(tops), list(sums))
        kind = ir.VectorType(FLOATS[32], WIDE)
        s = at.vector("sums", at.row, WIDE * v, kind)
        second = _by_units if how == UNITS else partial(_second, reaches=how == REACHES)
        at.store(second(at, top, dot, s), "sums", at.row, WIDE * v)


def _first(at: Block) -> tuple[list[Vector], list[Vector]]:
    """A group's largest exponents, and the sums of its products times 2^(F − them)."""
    tops = largest_exponents(at)
    ones = [top.constant(254 * _ONE) for top in tops]
    scales = [floats(one - _unit(at, top)) for one, top in zip(ones, tops, strict=True)]
    zeros = [top.constant(0) for top in tops]
    sums = each_term(at, UNROLLED, zeros, lambda k, totals: terms(at, scales, k, totals))
    return tops, sums


def _unit(at: Block, top: Vector) -> Vector:
    """The bits of 2^(E − F), a normal float32, as is its inverse; of groups of zeros the least."""
    field = maximum(top, at.whole(at.rounding.least)) - at.whole(at.rounding.fraction)
    return shifted_left(field, top.constant(23))


def _together(tops: list[Vector], sums: list[Vector]) -> tuple[Vector, Vector]:
    """The largest exponent of all groups, and their sums down to its place."""
    top = tops[0]
    for other in tops[1:]:
        top = maximum(top, other)
    if len(tops) == 1:
        return top, sums[0]
    total = top.constant(0)
    for own, dot in zip(tops, sums, strict=True):
        down = minimum(top - own, top.constant(31))
        total = total + dot.like(dot.builder.ashr(dot.value, down.value))
    return top, total


def _second(at: Block, top: Vector, dot: Vector, s: Vector, reaches: bool) -> Vector:
    """The result.  E is taken for no less than −125: where it is −126, the total's last bit lies
    under what its own exponent keeps, and s, as F ≥ 24, has no bit to lose either way."""
    own = bits(s) & _FIELD
    field = maximum(shifted_left(maximum(top, top.constant(2)), top.constant(23)), own)
    field = minimum(field, own.constant(254 * _ONE))  # s may be infinite, and stays so
    if reaches:
        far = (field - maximum(own, own.constant(_ONE))) > at.whole(at.rounding.reach)
        s = select(far, s.constant(0.0), s)
    parts = (dot, floats(_unit(at, top)), floats(field), s)
    halves = [_half(at, *part) for part in zip(*map(_halves, parts), strict=True)]
    return _joined(at, halves)


def _by_units(at: Block, top: Vector, dot: Vector, s: Vector) -> Vector:
    """The same in units of 2^(E − F), E the largest exponent of products: the running sum goes down
    to them, and the total down to its first S + 1 bits; both are exact in float32 times a unit."""
    unit = _unit(at, top)
    y = _floor(s * floats(unit.constant(254 * _ONE) - unit))
    halves = []
    for x, z in zip(_halves(dot), _halves(y), strict=True):
        x = x.like(at.builder.sitofp(x.value, ir.VectorType(FLOATS[64], _HALF)))
        halves.append(_shortened(at, add_directed(x, widened(z), DOWNWARD)))
    return fma(_joined(at, halves), floats(unit), s.constant(0.0))  # −0 becomes +0


def _floor(x: Vector) -> Vector:
    """Down to a whole number."""
    signature = ir.FunctionType(x.value.type, [x.value.type])
    name = f"llvm.floor.v{x.value.type.count}f32"
    function = cgutils.get_or_insert_function(x.builder.module, signature, name)
    return x.like(x.builder.call(function, [x.value]))


def _half(at: Block, dot: Vector, unit: Vector, power: Vector, s: Vector) -> Vector:
    """Eight lanes of it in float64, and the one rounding, to float32."""
    builder, rules = at.builder, at.rounding
    x = dot.like(builder.sitofp(dot.value, ir.VectorType(FLOATS[64], _HALF)))
    power, y = widened(power), widened(s)
    steps = builder.fsub(rules.kept, rules.coarse), builder.fneg(rules.kept)
    coarse, change, back = (splat(builder, c, _HALF) for c in (rules.coarse, *steps))
    # The running sum, floored, on C of the products' sum; they, floored; and C taken off.
    total = fma(power, change, fma_directed(power, coarse, y, DOWNWARD))
    total = fma(power, back, fma_directed(x, widened(unit), total, DOWNWARD))
    return _shortened(at, total)


def _shortened(at: Block, total: Vector) -> Vector:
    """A total down to its first S + 1 bits, and the one rounding, to float32."""
    mask = splat(at.builder, at.rounding.mask, _HALF)
    word = bits(total)
    word = select(word < 0, word + mask, word) & (mask ^ -1)
    kind = ir.VectorType(FLOATS[32], _HALF)
    return total.like(at.builder.fptrunc(floats(word).value, kind))


def _halves(x: Vector) -> list[Vector]:
    """The lower and the upper lanes."""
    found = []
    for first in (0, _HALF):
        places = ir.Constant(ir.VectorType(I32, _HALF), list(range(first, first + _HALF)))
        found.append(x.like(x.builder.shuffle_vector(x.value, x.value, places)))
    return found


def _joined(at: Block, halves: list[Vector]) -> Vector:
    """Inverse of `_halves`."""
    both = ir.Constant(ir.VectorType(I32, WIDE), list(range(WIDE)))
    return halves[0].like(at.builder.shuffle_vector(*(x.value for x in halves), both))


@cache
def staged_kernel(groups: int, short: bool, how: int) -> Any:
    """blocks(a, b, s, first, last, numbers, second), as `fused_pass.narrow_kernel`'s: a block's
    ``groups`` one after the other, exponents of rows 127 too high.

    short : groups have `UNROLLED` products.  how : `UNITS`, running sums are proved to lie on the
    units of the least products, and in their reach; `ANY`; or `REACHES`, some are too far down to
    count.
    """
    once = int(short)

    @kernel
    def blocks(a, b, s, first, last, numbers, second):  # type: ignore[no-untyped-def]
        for block in range(first, last):
            for row in range(s.shape[0]):
                staged_pass(groups, once, how, a, b, s, (row, block), numbers, second)

    return blocks
