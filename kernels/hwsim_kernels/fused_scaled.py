"""Fused blocks of operands that come in blocks with scales.

A product's exponent is the sum of those of its elements and of their scales: packed elements
(`hwsim_kernels.fused`) become values, and their exponents grow by the scales'; the kernels of
numbers do the rest.  Where groups of products are summed exactly, a group is a term, and its
exponent is the scales' alone.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.fused import LANES, NO_EXPONENT, align_row, rescale, round_row, whole
from hwsim_kernels.vectors import FLOATS, I64, Vector, counted_loop, fma, splat

CUT = -1  # a mode beside those of `rounding64`


class Cut64(NamedTuple):
    """A result's bits in float64: a mask of those that it keeps."""

    mask: int


# --- products as terms ----------------------------------------------------------------------------
@kernel
def scale_rows(packed, at, size, zero, scales, lifts):
    """Packed rows of elements, times ``scales`` (m, blocks of scales), exponents raised by
    ``lifts``, in place; ``at`` tells which scale each place has, −1: none."""
    values, exponents, starts = packed
    for i in range(values.shape[0]):
        for t in range(at.shape[0]):
            if at[t] >= 0:
                v = np.float64(values[i, t]) * scales[i, at[t]]
                values[i, t] = v
                regular = (v != 0.0) & (abs(v) < math.inf)
                lifted = np.int16(exponents[i, t] + lifts[i, at[t]])
                exponents[i, t] = lifted if regular else np.int16(NO_EXPONENT)
                if v == 0.0:
                    starts[i, t // size] = zero


@kernel
def scale_columns(packed, at, size, zero, scales, lifts):
    """`scale_rows` for packed columns: ``scales`` and ``lifts`` (blocks of scales, LANES)."""
    values, exponents, starts = packed
    for t in range(at.shape[0]):
        if at[t] >= 0:
            factors, raised = scales[at[t]], lifts[at[t]]
            row, line, start = values[t], exponents[t], starts[t // size]
            for j in range(LANES):
                v = np.float64(row[j]) * factors[j]
                row[j] = v
                regular = (v != 0.0) & (abs(v) < math.inf)
                lifted = np.int16(line[j] + raised[j])
                line[j] = lifted if regular else np.int16(NO_EXPONENT)
                start[j] = zero if v == 0.0 else start[j]


# --- groups as terms ------------------------------------------------------------------------------
@intrinsic
def group_sums(typing_context, rows, columns, sums, at):  # type: ignore[no-untyped-def]
    """sums (LANES) ← Σ rows[i, k] · columns[k], k from first to last, ``at`` = (i, first, last)."""

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        kinds = signature.args[:3]
        arrays = [
            (kind, context.make_array(kind)(context, builder, value))
            for kind, value in zip(kinds, values[:3], strict=True)
        ]
        _emit_sums(context, builder, arrays, list(cgutils.unpack_tuple(builder, values[3])))
        return context.get_dummy_value()

    return types.void(rows, columns, sums, at), codegen


def _emit_sums(context: Any, builder: Any, arrays: list[Any], at: list[Any]) -> None:
    """In registers."""
    rows, columns, sums = arrays
    width = rows[0].dtype.bitwidth
    lanes = 512 // width
    kind = ir.VectorType(FLOATS[width], lanes)

    def place(array: Any, *index: Any) -> Any:
        return cgutils.get_item_pointer(context, builder, *array, index)

    def vector(pointer: Any) -> Any:
        return builder.bitcast(pointer, kind.as_pointer())

    def body(k: Any, now: Any) -> list[Any]:
        x = splat(builder, builder.load(place(rows, at[0], k)), lanes)
        line = [place(columns, k, I64(first)) for first in range(0, LANES, lanes)]
        terms = [Vector(builder, builder.load(vector(p), align=4)) for p in line]
        pairs = zip(terms, now, strict=True)
        return [fma(x, y, Vector(builder, total)).value for y, total in pairs]

    zero = ir.Constant(kind, [0.0] * lanes)
    ends = counted_loop(builder, at[1], at[2], [zero] * (LANES // lanes), body)
    for first, end in zip(range(0, LANES, lanes), ends, strict=True):
        builder.store(end, vector(place(sums, I64(first))), align=4)


@cache
def grouped_kernel(mode: int) -> Any:
    """`fused.general_kernel`, of blocks whose terms are sums of ``width`` products, exact in the
    operands' carrier.  `CUT`: of finite operands, to results that need no rule, cut by
    ``grid.mask``, subnormal ones never; nothing is counted then."""
    plain = mode == CUT

    @kernel
    def blocks(a, b, s, first, last, numbers, width, grid, flags, counts):
        # a: rows (m, terms), exponents of their groups (m, groups); b: columns (terms, LANES),
        # exponents (groups, LANES); an absent group has no exponent, and zeros.
        rows, row_exponents = a
        columns, column_exponents = b
        sums, top = np.empty(LANES, rows.dtype), np.empty(LANES, np.int64)
        scale, total, special = np.empty(LANES), np.empty(LANES), np.empty(LANES)
        lowest, nearest = np.int64(numbers.lowest), numbers.nearest
        groups = numbers.size // width
        for block in range(first, last):
            start, stop = block * groups, (block + 1) * groups
            for i in range(s.shape[0]):
                top[:] = lowest
                for g in range(start, stop):
                    x = row_exponents[i, g]
                    for j in range(LANES):
                        e = x + column_exponents[g, j]
                        top[j] = max(top[j], np.int64(e))
                align_row(s, i, top, numbers, (scale, total, special))
                for g in range(start, stop):
                    group_sums(rows, columns, sums, (i, g * width, (g + 1) * width))
                    for j in range(LANES):
                        p = np.float64(sums[j])
                        t = whole(p * scale[j], nearest)
                        if plain:
                            total[j] += t
                        else:
                            finite = abs(p) < math.inf
                            total[j] += t if finite else 0.0
                            special[j] += 0.0 if finite else p
                rescale(total, scale)
                if plain:
                    for j in range(LANES):
                        v = np.float64(total[j]).view(np.int64) & np.int64(grid.mask)
                        s[i, j] = np.int64(v).view(np.float64)
                else:
                    round_row(total, special, i, (s, flags, counts), grid, mode)

    return blocks
