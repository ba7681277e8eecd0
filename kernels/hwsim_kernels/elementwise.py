"""Whole arrays to a format's grid or codes, element by element.

The datapath is that of `rounding64.to_grid` and `limit`, traced over vectors: one pass reads an
array of float32 or float64, rounds, applies the overflow rule and writes values or codes.  Lanes
are float32 where the format leaves room for C, else float64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from hwsim_kernels._jit import kernel
from hwsim_kernels.lanes import CODED, conversion, in_all_lanes
from hwsim_kernels.scalars import Grid64
from hwsim_kernels.vectors import (
    Vector,
    absolute,
    bits,
    floats,
    maximum,
    minimum,
    select,
    shifted,
    shifted_left,
    sign_mask,
)

INFINITY, NAN = float("inf"), float("nan")
EXPONENT = {32: 0x7F800000, 64: 0x7FF0000000000000}

# Fields of `Grid64` that hold integers.
WHOLE = frozenset({"floor_bits", "cap_bits", "magic_bits", "quantum_bits"})
# Further flags of a conversion: the rounding is not rne; the format has float32's own exponents, so
# that rounding is an addition to its bits.
DIRECTED, NATURAL = 8, 16


class Layout(NamedTuple):
    """Where a float format keeps what, for codes of the carrier's values on its grid."""

    drop: int  # P − p: bits of the carrier under the format's last
    normal: int  # what the rest of a normal value's bits exceeds its code by
    subnormal: int  # the same of a subnormal value added to ``lift``
    lift: float  # 2^emin
    inf_code: int
    nan_code: int
    sign: int  # the sign bit; 0 when unsigned


def to_grid(v: Vector, g: Grid64, f: Layout, flags: int) -> Vector:
    """v rounded to the grid, exponent unbounded above; without its sign."""
    a = absolute(v)
    if flags & NATURAL:
        return _by_bits(a, f)
    field = maximum(minimum(bits(a) & EXPONENT[v.width], g.cap_bits), g.floor_bits)
    c = floats(field + g.magic_bits)
    t = a + c
    r = t - c
    if flags & DIRECTED:
        r = _moved(v, a, r, t, field, g)
    return select(r < g.smallest, r.constant(0.0), r)


def _by_bits(a: Vector, f: Layout) -> Vector:
    """Nearest even: carries run into the exponent, and beyond the largest to Inf."""
    m = bits(a)
    one = m.constant(1)
    place = shifted_left(one, f.drop)
    even = shifted(m, f.drop) & 1
    return floats((m + shifted(place - 2, one) + even) & (place * -1))


def _moved(v: Vector, a: Vector, r: Vector, t: Vector, field: Vector, g: Grid64) -> Vector:
    """The nearest grid point moved by a step where the distance reaches the mode's threshold."""
    minus = bits(v) < 0
    q = floats(field - g.quantum_bits)
    d = a - r
    up, down = select(minus, g.up_neg, g.up_pos), select(minus, g.down_neg, g.down_pos)
    # rto (both thresholds 0) leaves odd points where they are.
    odd = (bits(t) & 1).ne(0) & (g.up_pos.eq(0.0) & g.down_pos.eq(0.0))
    up, down = select(odd, up.constant(2.0), up), select(odd, down.constant(2.0), down)
    y = select((d > 0.0) & (d >= up * q), r + q, r)
    return select((d < 0.0) & (d * -1.0 >= down * q), r - q, y)


def limited(r: Vector, v: Vector, g: Grid64) -> Vector:
    """The overflow rule on the rounded magnitude of v; NaN is the canonical one."""
    y = floats(bits(r) | (bits(v) & sign_mask(v.width))) + g.zero_add
    over, under = y > g.largest, y < g.lowest
    y = select(over, g.over_pos, y)
    y = select(under, g.over_neg, y)
    y = select(v.eq(INFINITY), g.inf_pos, y)
    y = select(v.eq(-INFINITY), g.inf_neg, y)
    return select(v.ne(v), y.constant(NAN), y)


def encoded(y: Vector, f: Layout) -> Vector:
    """Codes (int64 lanes) of values on the grid."""
    a = absolute(y)
    small = a < f.lift
    m = shifted(bits(select(small, a + f.lift, a)), f.drop)
    m = m - select(small, f.subnormal, f.normal)
    m = select(a.eq(0.0), m.constant(0), m)
    m = select(a.eq(INFINITY), f.inf_code, m)
    m = m | select(bits(y) < 0, f.sign, m.constant(0))
    return select(y.ne(y), f.nan_code, m)


def _rules(builder: Any, data: Any, flags: int) -> Callable[[Vector], tuple[Vector, Vector]]:
    """What lanes become, values or codes, by numbers in memory; and whether they are NaN."""
    count = len(Grid64._fields) - 1 + len(Layout._fields)
    grid, layout = _named(in_all_lanes(builder, data, count))

    def converted(v: Vector) -> tuple[Vector, Vector]:
        y = limited(to_grid(v, grid, layout, flags), v, grid)
        return encoded(y, layout) if flags & CODED else y, v.ne(v)

    return converted


def _named(numbers: list[Vector]) -> tuple[Grid64, Layout]:
    names = Grid64._fields[:-1]
    found = {
        name: bits(x) if name in WHOLE else x
        for name, x in zip(names, numbers[: len(names)], strict=True)
    }
    rest = zip(Layout._fields, numbers[len(names) :], strict=True)
    layout = {name: x if name == "lift" else bits(x) for name, x in rest}
    return Grid64(**found, minus_zero=False), Layout(**layout)


convert_lanes = conversion(_rules)


@cache
def convert_kernel(flags: int) -> Any:
    """convert(x, out, numbers, scale): the kernel for a job; the number of NaN in x.

    x flat float32 or float64; out flat: float32 or float64 values, or unsigned codes; numbers as
    `hwsim.simulate.grids.conversion_numbers` gives them.
    """

    @kernel
    def convert(x, out, numbers, scale):  # type: ignore[no-untyped-def]
        return convert_lanes(flags, x, out, numbers, scale)

    return convert


@kernel
def look_up(codes, table, out):  # type: ignore[no-untyped-def]
    """out ← table[codes], flat arrays."""
    for i in range(codes.shape[0]):
        out[i] = table[codes[i]]
