"""Approximate multipliers for the kernels: bounds of their products, and operands laid out in the
planes that `hwsim_kernels.multiply` multiplies.

    drum              its operands are rewritten, and then multiplied exactly
    ilm, trunc        a sum of exact products of parts of the operands, all of one sign (TERMS)
    mitchell          an addition of the bits of floats (MITCHELL)
    mbm, realm, table an entry of a table of significands, up to 8 bits of them (TABLE)
    shift, log        see `hwsim.simulate.powers`
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels import planes
from hwsim_kernels.paths import (
    MITCHELL,
    PLAIN,
    ROW,
    SHIFT,
    SIGNED_SHIFT,
    SIGNED_WORDS,
    TABLE,
    TERMS,
    WORDS,
)
from hwsim_kernels.vectors import GATHERS, PERMUTES_WORDS

from hwsim.formats import FixedFormat, FloatFormat, Format
from hwsim.reference.multipliers import average_of_dropped, multiply
from hwsim.simulate import powers
from hwsim.simulate.elementwise import read_only
from hwsim.simulate.facts import Facts
from hwsim.units import IntegerMultiplier, MacUnit, TableMultiplier
from hwsim.units.multipliers import (
    Drum,
    IterativeLog,
    Logarithmic,
    Mbm,
    Mitchell,
    Realm,
    Shift,
    Truncated,
)

Array = npt.NDArray[Any]
CARRIERS = {width: (np.dtype(f"f{width // 8}"), np.dtype(f"i{width // 8}")) for width in (32, 64)}
NO_TABLE = {width: np.zeros(1, floats) for width, (floats, _) in CARRIERS.items()}
KINDS: dict[type[IntegerMultiplier], int] = {
    Mitchell: MITCHELL,
    IterativeLog: TERMS,
    Truncated: TERMS,
    Mbm: TABLE,
    Realm: TABLE,
    TableMultiplier: TABLE,
    Shift: SHIFT,
    Logarithmic: TABLE,
}
MOST_TABLE_BITS = 8
MOST_SCALE = 900
LEAST_NORMAL = {32: 2.0**-126, 64: 2.0**-1022}
MOST_NORMAL = {32: 2.0**127, 64: 2.0**1023}


def both_floats(unit: MacUnit) -> bool:
    """Whether zero products have the sign of their operands: else they are +0."""
    return isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)


class Laid(NamedTuple):
    """Operands for a kernel: a (batch, m, k·planes), b (batch, k·planes, n), and a table."""

    a: Array
    b: Array
    table: Array


class Bound(NamedTuple):
    """What proofs know of a core's products: significant bits; and that of significands m and n
    none exceeds growth·m·n + constant.  signed : whether some of them are negative."""

    bits: int
    growth: float
    constant: int = 0
    signed: bool = False


def kind(unit: MacUnit) -> int | None:
    """How kernels multiply on this unit; None where none of them can."""
    if unit.core is None:
        return PLAIN
    found = KINDS.get(type(unit.core))
    if not _scalable(unit):
        return None
    square = found == TABLE and not isinstance(unit.core, Logarithmic)
    return None if square and unit.core.bits > MOST_TABLE_BITS else found


def _scalable(unit: MacUnit) -> bool:
    """Whether significands are scaled by normal powers of two."""
    sizes = [(-f.quantum_exponent, f.largest) for f in (unit.a, unit.b)]
    return all(finest <= MOST_SCALE and top < 2**MOST_SCALE for finest, top in sizes)


def kind_in(unit: MacUnit, found: int, width: int) -> int:
    """The same, ``found``, in a carrier of ``width`` bits: a table's rows may fit registers; a
    shifter's zeros may have signs."""
    if found == SHIFT:
        return SIGNED_SHIFT if both_floats(unit) else SHIFT
    if found != TABLE or not GATHERS:
        return found
    assert unit.core is not None
    if isinstance(unit.core, Logarithmic):
        return powers.table_kind(unit.core, width)
    if unit.core.bits <= 4 and width == 32:
        return ROW
    about = bound(unit)
    if unit.core.bits > 8 or not PERMUTES_WORDS:
        return TABLE
    if about.signed:
        return SIGNED_WORDS if about.bits < 16 else TABLE
    return WORDS if about.bits <= 16 else TABLE


@lru_cache(maxsize=1 << 8)
def bound(unit: MacUnit) -> Bound:
    """Bounds of the products of the unit's core."""
    core = unit.core
    if isinstance(core, (Shift, Logarithmic)):
        return Bound(0, 1.5, int(isinstance(core, Shift)))  # `powers.product` knows more
    bits = sum(f.precision if isinstance(f, FloatFormat) else f.width for f in (unit.a, unit.b))
    if isinstance(core, TableMultiplier):
        entries = np.frombuffer(core.entries, "<i8")
        largest = int(np.abs(entries).max())
        return Bound(max(1, largest.bit_length()), 0.0, largest, bool(entries.min() < 0))
    if isinstance(core, Truncated) and core.corrected:
        return Bound(bits + 1, 1.0, average_of_dropped(core.bits, core.dropped))
    if isinstance(core, (Mbm, Realm)):
        return Bound(2 * core.bits, 1.25)  # no addition exceeds 1/4 of 2^(k1 + k2)
    return Bound(bits, 1.0)


def in_range(unit: MacUnit, sizes: tuple[float, float, float, float], width: int) -> bool:
    """Whether the bits of floats may be added: operands and products are normal in the carrier; or
    a shifter cut there.  ``sizes`` are the bounds of |a| and |b|, above and below."""
    if isinstance(unit.core, Shift):
        return powers.in_range(unit, sizes, width)
    if not isinstance(unit.core, Mitchell) or kind(unit) != MITCHELL:
        return True
    a_max, b_max, a_min, b_min = sizes
    low = min(a_min, b_min, a_min * b_min)
    return low >= 4 * LEAST_NORMAL[width] and max(a_max, b_max, a_max * b_max) < MOST_NORMAL[width]


def rewritten(unit: MacUnit, a: Array, b: Array) -> tuple[MacUnit, Array, Array]:
    """A unit that multiplies exactly what this one's core makes of its operands; the same where
    the core does not work like that."""
    core = unit.core
    if powers.never_loses(unit):
        return replace(unit, core=None), a, b
    if not isinstance(core, Drum) or not _scalable(unit):
        return unit, a, b
    formats = [_wider(fmt) for fmt in (unit.a, unit.b)]
    exact = replace(unit, a=formats[0], b=formats[1], core=None)
    return exact, kept(a, unit.a, core.kept), kept(b, unit.b, core.kept)


def _wider(fmt: Format) -> Format:
    """A format that also holds the magnitude over its own largest that setting a bit may give."""
    if not isinstance(fmt, FixedFormat) or fmt.width == 64:
        return fmt
    return FixedFormat(fmt.integer_bits + 1, fmt.fraction_bits, fmt.signed)


def kept(x: Array, fmt: Format, count: int) -> Array:
    """Values with ``count`` bits from their leading one, the last of them 1 where any was cut; Inf
    and NaN as they are."""
    out, finite = np.empty_like(x, order="C"), np.isfinite(x)
    if not finite.all():
        return np.where(finite, kept(np.where(finite, x, x.dtype.type(0)), fmt, count), x)
    planes.kept(read_only(x), out[None], *_scale(fmt), count)
    return out


def _scale(fmt: Format) -> tuple[int, int]:
    """Precision (an int64's for fixed point) and the exponent of the smallest significands."""
    return (fmt.precision if isinstance(fmt, FloatFormat) else 4096), fmt.quantum_exponent


class Significands(NamedTuple):
    """Values as ±significand·2^exponent."""

    significand: Array  # int64
    exponent: Array
    negative: Array


def significands(x: Array, fmt: Format) -> Significands:
    """Significands as integers of the format's precision (width, where it is fixed point)."""
    wide = x.astype(np.float64)
    fraction, exponent = np.frexp(np.abs(wide))
    if isinstance(fmt, FloatFormat):
        unit = np.maximum(exponent - fmt.precision, fmt.quantum_exponent)
        unit = np.where(fraction == 0, fmt.quantum_exponent, unit)
    else:
        unit = np.full(x.shape, fmt.quantum_exponent)
    return Significands(
        np.ldexp(fraction, exponent - unit).astype(np.int64), unit, np.signbit(wide)
    )


# --- planes ---------------------------------------------------------------------------------------
def laid_out(facts: Facts, plan: Any, swapped: bool) -> Laid:
    """A product's operands as the plan's kernel takes them; ``swapped`` if lanes go along m: then
    rows of a table are operand b's."""
    path, unit = plan.inner.path, plan.unit
    if path.product == PLAIN:
        return Laid(facts.a, facts.b, NO_TABLE[path.width])
    if path.product == TERMS:
        return Laid(*terms(unit, facts, path.width), NO_TABLE[path.width])
    core = unit.core
    assert core is not None
    if path.product == MITCHELL:
        sides = [
            _logarithms(x, i, path.width, i == 0 and plan.negated, both_floats(unit))
            for i, x in enumerate((facts.a, facts.b))
        ]
        return Laid(sides[0], sides[1], NO_TABLE[path.width])
    if isinstance(core, (Shift, Logarithmic)):
        return _of_powers(facts, plan, swapped)
    table, stride = _table(core.mirrored if swapped else core, path.product, path.width)
    signed, lowest = isinstance(core, TableMultiplier) and core.signed, 0
    if isinstance(core, TableMultiplier):
        lowest = core.lowest
    sides = []
    for i, (x, fmt) in enumerate(((facts.a, unit.a), (facts.b, unit.b))):
        woven, out, whole = _woven(x, i, 2, path.width)
        rule = (stride if i == swapped else 0, signed, lowest, i == 0 and plan.negated)
        planes.entries(read_only(x), out, whole, *_scale(fmt), rule)
        sides.append(woven)
    return Laid(sides[0], sides[1], table)


def _of_powers(facts: Facts, plan: Any, swapped: bool) -> Laid:
    """The same of a shifter, or of a logarithmic multiplier."""
    unit, path = plan.unit, plan.inner.path
    table, stride = NO_TABLE[path.width], 0
    if isinstance(unit.core, Logarithmic):
        table, stride = powers.entries(unit.core, path.product, CARRIERS[path.width][0])
    sides = []
    for i, x in enumerate((facts.a, facts.b)):
        woven, out, whole = _woven(x, i, 2, path.width)
        negated = i == 0 and plan.negated
        if isinstance(unit.core, Logarithmic):
            rule = (stride if i == swapped else 0, i, negated)
            powers.looked_up(unit.core, x, (out, whole), rule)
        else:
            powers.moved(unit, x, i, (out, _scale, negated, powers.CUT[path.width]))
        sides.append(woven)
    return Laid(sides[0], sides[1], table)


def _woven(x: Array, side: int, count: int, width: int) -> tuple[Array, Array, Array]:
    """Room for ``count`` planes of operand a (side 0) or b, one after the other at each k, and
    views of it by plane, as floats and as integers."""
    floats, whole = CARRIERS[width]
    batch, rows, last = x.shape
    shape = (batch, rows, last, count) if side == 0 else (batch, rows, count, last)
    room = np.empty(shape, floats)
    flat = (batch, rows, last * count) if side == 0 else (batch, rows * count, last)
    order = (3, 0, 1, 2) if side == 0 else (2, 0, 1, 3)
    view = room.transpose(order)
    return room.reshape(flat), view, view.view(whole)


def plane_count(unit: MacUnit, product: int) -> int:
    """Planes of an operand at each k, of a kind of product."""
    if product == PLAIN:
        return 1
    return term_count(unit) if product == TERMS else 2


def term_count(unit: MacUnit) -> int:
    """Exact products that add to the core's."""
    core = unit.core
    if isinstance(core, IterativeLog):
        return 2 * min(core.corrections + 1, core.bits)
    assert isinstance(core, Truncated)
    return len(_masks(core)[0])


def terms(unit: MacUnit, facts: Facts, width: int) -> tuple[Array, Array]:
    """Planes of values xₜ, yₜ whose products add to the core's, each with its operand's sign."""
    core, sides = unit.core, []
    for i, (x, fmt) in enumerate(((facts.a, unit.a), (facts.b, unit.b))):
        woven, out, _ = _woven(x, i, term_count(unit), width)
        if isinstance(core, IterativeLog):
            planes.iterations(read_only(x), out, *_scale(fmt), bool(i))
        else:
            assert isinstance(core, Truncated)
            planes.columns(read_only(x), out, *_scale(fmt), _masks(core)[i])
        sides.append(woven)
    return sides[0], sides[1]


@lru_cache(maxsize=1 << 8)
def _masks(core: Truncated) -> tuple[Array, Array]:
    """Bits of both operands in each term: a bit of a that meets dropped columns, and the bits of b
    that it still meets; the other bits of a, and all of b; 1 and the constant, negated."""
    low, every = min(core.dropped, core.bits), (1 << 62) - 1
    pairs = [
        (1 << i, every ^ ((1 << (core.dropped - i)) - 1))
        for i in range(low)
        if core.dropped - i < core.bits
    ]
    pairs.append((every ^ ((1 << low) - 1), every))
    if core.corrected:
        pairs.append((-1, -average_of_dropped(core.bits, core.dropped)))
    a, b = np.array(pairs, np.int64).T.copy()
    return a, b


def _logarithms(x: Array, side: int, width: int, negated: bool, signed: bool) -> Array:
    """Planes of MITCHELL: bits, and masks that leave a zero its sign, or nothing where zero
    products have none (not ``signed``)."""
    floats, whole = CARRIERS[width]
    woven, _, out = _woven(x, side, 2, width)
    bits = np.ascontiguousarray(x, floats).view(whole)
    one, sign = (whole.type(np.array(v, floats).view(whole)) for v in (1.0, -0.0))
    left = sign if signed else whole.type(0)
    planes.logarithms(read_only(bits), out, one, sign, (bool(side), negated, left))
    return woven


@lru_cache(maxsize=32)
def _table(core: IntegerMultiplier, product: int, width: int) -> tuple[Array, int]:
    """The core's products as the kernel takes them, and the logarithm of a row's length."""
    table, side = _products(core, CARRIERS[width][0]), 1 << core.bits
    if product == TABLE:
        return table, core.bits
    stride = 4 if product == ROW else 8
    rows = np.zeros((side, 1 << stride), table.dtype)
    rows[:, :side] = table.reshape(side, side)
    if product != ROW:
        rows = rows.astype(np.int64).astype(np.uint16)
    return rows.ravel(), stride


@lru_cache(maxsize=32)
def _products(core: IntegerMultiplier, floats: Any) -> Array:
    """The core's products, a outer, in the carrier."""
    if isinstance(core, TableMultiplier):
        return np.frombuffer(core.entries, "<i8").astype(floats)
    axis = range(1 << core.bits)
    return np.array([multiply(core, a, b) for a in axis for b in axis], floats)


def expanded(unit: MacUnit, facts: Facts) -> tuple[MacUnit, Facts] | None:
    """A product without a core, of TERMS' parts along a longer k, whose exact sums are the same;
    None where a part may be no value of its operand's format."""
    core = unit.core
    if kind(unit) != TERMS or (isinstance(core, Truncated) and core.corrected):
        return None
    width = 8 * max(facts.a.itemsize, facts.b.itemsize)
    return replace(unit, core=None), Facts(*terms(unit, facts, width), facts.c)


def largest_constant(unit: MacUnit, a_max: float, b_max: float) -> Fraction:
    """What a product may exceed its growth·|a·b| by, |a| and |b| being at most finite bounds."""
    exponents = sum(_top_exponent(f, x) for f, x in ((unit.a, a_max), (unit.b, b_max)))
    return bound(unit).constant * Fraction(2) ** exponents


def _top_exponent(fmt: Format, largest: float) -> int:
    """The exponent of the significands of values up to ``largest``."""
    if not isinstance(fmt, FloatFormat):
        return fmt.quantum_exponent
    return max(math.frexp(largest)[1] - fmt.precision, fmt.quantum_exponent)


def _leading(x: Array) -> Array:
    """The leading ones of nonnegative integers."""
    powers: Array = np.where(
        x == 0, 0, np.int64(1) << np.maximum(np.frexp(x.astype(float))[1] - 1, 0)
    )
    return powers


# --- exact totals ---------------------------------------------------------------------------------
def out_of_core(facts: Facts, unit: MacUnit) -> int:
    """Outputs whose exact c + Σ p is finite and lies outside the unit's (outer) accumulator."""
    fmt = unit.outer_format
    # Divided by more than what sums of magnitudes in float64 may have lost.
    high = min(float(fmt.largest), -float(fmt.lowest)) / (1 + (facts.length + 8) * 2.0**-52)
    outside = 0
    for item, (a, b) in enumerate(zip(facts.a, facts.b, strict=True)):
        starts = np.zeros((len(a), b.shape[1])) if facts.c is None else facts.c[item]
        with np.errstate(invalid="ignore", over="ignore"):
            bounds = _mass_bounds(unit, facts, a, b) + np.abs(starts)
        for i in np.flatnonzero(~(bounds <= high).all(axis=1)):
            products, start = products_of_row(unit, a[i], b), starts[i]
            sizes = np.abs(products).sum(axis=0) + np.abs(start)
            for j in np.flatnonzero(~(sizes <= high) & np.isfinite(sizes)):
                total = sum(map(Fraction, products[:, j].tolist()), Fraction(start[j].item()))
                outside += not fmt.lowest <= total <= fmt.largest
    return outside


def _mass_bounds(unit: MacUnit, facts: Facts, a: Array, b: Array) -> Array:
    """At most Σ|p| of the outputs of a (m, k) and b (k, n), but for errors of sums in float64."""
    about = bound(unit)
    exact: Array = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    if isinstance(unit.core, Shift):  # a product exceeds the exact one by a last guard bit at most
        return exact + powers.last_guard_bit(unit) * facts.length
    constant = largest_constant(unit, facts.a_max, facts.b_max) if about.constant else 0
    return exact * about.growth + float(constant) * facts.length


def products_of_row(unit: MacUnit, row: Array, b: Array) -> Array:
    """The core's products, exact in float64, of a row (k) and b (k, n)."""
    if isinstance(unit.core, (Shift, Logarithmic)):
        return powers.products_of_row(unit, row, b, _scale)
    x, y = significands(row[:, None], unit.a), significands(b, unit.b)
    first, second = x.significand, y.significand
    core, found = unit.core, kind(unit)
    assert core is not None
    if found == TERMS:
        left, right = terms(unit, Facts(row[None, None], b[None], None), 64)
        count = term_count(unit)
        both = left.reshape(-1, count, 1) * right.reshape(-1, count, b.shape[1])
        return np.asarray(both.sum(axis=1))
    negative = x.negative ^ y.negative
    if found == TABLE:
        table = _products(core, CARRIERS[64][0])
        if isinstance(core, TableMultiplier) and core.signed:
            first = np.where(x.negative, -first, first) - core.lowest
            second = np.where(y.negative, -second, second) - core.lowest
            negative = np.zeros_like(negative)
        size = table[(first << core.bits) + second]
    else:
        rest = (first - _leading(first)) * _leading(second)
        rest = rest + (second - _leading(second)) * _leading(first)
        one = _leading(first) * _leading(second)
        size = np.where(rest < one, one + rest, 2 * rest) * ((first > 0) & (second > 0))
    size = np.ldexp(size.astype(np.float64), x.exponent + y.exponent)
    products: Array = np.where(negative, -size, size)
    return products
