"""Fused blocks that nothing is cut from, as whole numbers: every term is so many steps of one grid,
an int64, and so is their sum; it becomes a float32, to nearest even, in one conversion.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.fused import LANES
from hwsim_kernels.fused_pass import Block, each_term, placed
from hwsim_kernels.vectors import FLOATS, I64, Vector, absolute, maximum, splat

_COUNT = 8  # 64-bit lanes of a vector
_VECTORS = LANES // _COUNT
_RUNS = 2  # chains of maxima
_FLOATS = ir.VectorType(FLOATS[32], _COUNT)
_DOUBLES = ir.VectorType(FLOATS[64], _COUNT)
_WHOLE = ir.VectorType(I64, _COUNT)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def whole_pass(typing_context, step, watched, a, b, s, at, numbers, given):  # type: ignore[no-untyped-def]
    """s[row] ← R(s[row] + a block), ``at`` = (row, block), ``given`` = (up, largest); ``step``
    terms at a time."""
    options = step, watched
    if not all(isinstance(option, types.IntegerLiteral) for option in options):
        return None
    terms, watch = (option.literal_value for option in options)

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        at = placed(context, builder, signature.args[2:], values[2:])
        up, largest = cgutils.unpack_tuple(builder, at.rounding)
        at.arrays["largest"] = _array(context, builder, signature.args[-1][1], largest)
        _emit(at._replace(rounding=up), terms, watch)
        return context.get_dummy_value()

    return types.void(step, watched, a, b, s, at, numbers, given), codegen


def _array(context: Any, builder: Any, kind: Any, value: Any) -> tuple[Any, Any]:
    return kind, context.make_array(kind)(context, builder, value)


def _emit(at: Block, step: int, watched: int) -> None:
    builder, up = at.builder, at.rounding
    narrow = builder.fptrunc(up, FLOATS[32])
    grow = splat(builder, narrow, _COUNT)
    shrink = splat(builder, builder.fdiv(ir.Constant(FLOATS[32], 1.0), narrow), _COUNT)
    places = [_COUNT * v for v in range(_VECTORS)]

    def body(k: Any, totals: list[Vector]) -> list[Vector]:
        value = builder.load(at.pointer("row_values", at.row, k))
        x = splat(builder, builder.fmul(value, up), _COUNT)
        columns = [at.vector("column_values", k, place, _DOUBLES) for place in places]
        return [t + _whole(x * y) for t, y in zip(totals, columns, strict=True)]

    starts = [_whole(at.vector("sums", at.row, place, _FLOATS) * grow) for place in places]
    runs = [at.vector("largest", I64(0), place, _FLOATS) for place in places[:_RUNS]]
    for v, total in enumerate(each_term(at, step, starts, body)):
        result = total.like(builder.sitofp(total.value, _FLOATS)) * shrink
        at.store(result, "sums", at.row, places[v])
        runs[v % _RUNS] = maximum(absolute(result), runs[v % _RUNS])
    for place, run in zip(places, runs if watched else [], strict=False):
        at.store(run, "largest", I64(0), place)


def _whole(x: Vector) -> Vector:
    """Whole numbers, int64."""
    return x.like(x.builder.fptosi(x.value, _WHOLE))


@cache
def whole_kernel(step: int, watched: bool) -> Any:
    """blocks(a, b, s, first, last, numbers, given), as `fused_pass.narrow_kernel`'s, of blocks of a
    multiple of ``step`` terms; operands are float64, sums float32.

    given : (up, largest).  up, a power of two, normal in float32 like its inverse; all terms and
    sums times it are whole, and the sizes of a block's must add up to less than 2^63.  largest
    (1, 16), float32: where ``watched``, its lanes are raised to the sizes of results.
    """
    watched = int(watched)

    @kernel
    def blocks(a, b, s, first, last, numbers, given):  # type: ignore[no-untyped-def]
        for block in range(first, last):
            for row in range(s.shape[0]):
                whole_pass(step, watched, a, b, s, (row, block), numbers, given)

    return blocks
