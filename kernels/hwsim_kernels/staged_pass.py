"""Blocks in two stages in registers: one row and `LANES` columns, products in float32.

The first stage is that of `fused_pass`: a group's largest exponent, products cut to int32, their
sum.  The second needs floors: of the products' sum and of the running sum, to places that their
largest exponent E fixes.  In float64 (x + C) − C, added downward, is the floor of x to C's last
place, C = 1.5·2^(E + 52 − places); that of the total's own place is a mask.
"""

from __future__ import annotations

from functools import cache
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
    fma_directed,
    maximum,
    minimum,
    select,
    shifted_left,
    splat,
    widened,
)

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


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def staged_pass(typing_context, groups, a, b, s, at, numbers, second):  # type: ignore[no-untyped-def]
    """s[row] ← what a block of some groups adds to it, ``at`` = (row, block)."""
    if not isinstance(groups, types.IntegerLiteral):
        return None
    count = groups.literal_value

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        at = placed(context, builder, signature.args[1:], values[1:])
        given = Second(*cgutils.unpack_tuple(builder, at.rounding))
        _emit(at._replace(rounding=given), count)
        return context.get_dummy_value()

    return types.void(groups, a, b, s, at, numbers, second), codegen


def _emit(at: Block, groups: int) -> None:
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
        at.store(_second(at, top, dot, s), "sums", at.row, WIDE * v)


def _first(at: Block) -> tuple[list[Vector], list[Vector]]:
    """A group's largest exponents, −127 where it has none, and the sums of its products times
    2^(F − them)."""
    none = at.whole(I64(-127))
    tops = [maximum(top, none) for top in largest_exponents(at)]
    bias = at.whole(at.builder.add(at.rounding.fraction, I64(127)))
    scales = [_power(bias - _scaled(at, top)) for top in tops]
    zeros = [top.constant(0) for top in tops]
    sums = each_term(at, UNROLLED, zeros, lambda k, totals: terms(at, scales, k, totals))
    return tops, sums


def _scaled(at: Block, top: Vector) -> Vector:
    """An exponent that a normal float32 scales by; of groups of zeros others."""
    return maximum(top, at.whole(at.builder.sub(at.rounding.fraction, I64(127))))


def _power(field: Vector) -> Vector:
    """2^(field − 127), float32."""
    return floats(shifted_left(field, field.constant(23)))


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


def _second(at: Block, top: Vector, dot: Vector, s: Vector) -> Vector:
    """The result.  E is taken for no less than −125: where it is −126, the total's last bit lies
    under what its own exponent keeps, and s, as F ≥ 24, has no bit to lose either way."""
    rules = at.rounding
    own = maximum(bits(s) & _FIELD, bits(s).constant(_ONE))
    field = maximum(maximum(shifted_left(top + 127, top.constant(23)), own), own.constant(2 * _ONE))
    field = minimum(field, own.constant(254 * _ONE))  # s may be infinite, and stays so
    far = (field - own) > at.whole(rules.reach)
    s = select(far, s.constant(0.0), s)
    unit = _power(_scaled(at, top) + at.whole(at.builder.sub(I64(127), rules.fraction)))
    parts = zip(*(_halves(x) for x in (dot, unit, floats(field), s)), strict=True)
    halves = [_half(at, *part) for part in parts]
    both = ir.Constant(ir.VectorType(I32, WIDE), list(range(WIDE)))
    return s.like(at.builder.shuffle_vector(*(x.value for x in halves), both))


def _half(at: Block, dot: Vector, unit: Vector, power: Vector, s: Vector) -> Vector:
    """Eight lanes of it in float64, and the one rounding, to float32."""
    builder, rules = at.builder, at.rounding
    x = dot.like(builder.sitofp(dot.value, ir.VectorType(FLOATS[64], _HALF)))
    power, y = widened(power), widened(s)
    fine, coarse = (power * splat(builder, c, _HALF) for c in (rules.kept, rules.coarse))
    total = fma_directed(x, widened(unit), fine, DOWNWARD)
    total = (total + (add_directed(y, coarse, DOWNWARD) - coarse)) - fine
    mask = splat(builder, rules.mask, _HALF)
    word = bits(total)
    word = (word + ((word >> 63) & mask)) & (mask ^ -1)
    kind = ir.VectorType(FLOATS[32], _HALF)
    return s.like(builder.fptrunc(floats(word).value, kind))


def _halves(x: Vector) -> list[Vector]:
    """The lower and the upper lanes."""
    found = []
    for first in (0, _HALF):
        places = ir.Constant(ir.VectorType(I32, _HALF), list(range(first, first + _HALF)))
        found.append(x.like(x.builder.shuffle_vector(x.value, x.value, places)))
    return found


@cache
def staged_kernel(groups: int) -> Any:
    """blocks(a, b, s, first, last, numbers, second), as `fused_pass.narrow_kernel`'s: a block's
    ``groups`` one after the other."""

    @kernel
    def blocks(a, b, s, first, last, numbers, second):  # type: ignore[no-untyped-def]
        for block in range(first, last):
            for row in range(s.shape[0]):
                staged_pass(groups, a, b, s, (row, block), numbers, second)

    return blocks
