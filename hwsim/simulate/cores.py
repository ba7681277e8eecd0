"""Approximate multipliers for the kernels: bounds of their products, and operands laid out in the
planes that `hwsim_kernels.multiply` multiplies.

    drum              its operands are rewritten, and then multiplied exactly
    ilm, trunc        a sum of exact products of parts of the operands, all of one sign (TERMS)
    mitchell          an addition of the bits of floats (MITCHELL)
    mbm, realm, table an entry of a table of significands, up to 8 bits of them (TABLE)
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.datapath import MITCHELL, PLAIN, TABLE, TERMS

from hwsim.formats import FixedFormat, FloatFormat, Format
from hwsim.reference.multipliers import average_of_dropped, multiply
from hwsim.simulate.facts import Facts
from hwsim.units import IntegerMultiplier, MacUnit, TableMultiplier
from hwsim.units.multipliers import Drum, IterativeLog, Mbm, Mitchell, Realm, Truncated

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
}
MOST_TABLE_BITS = 8
LEAST_NORMAL = {32: 2.0**-126, 64: 2.0**-1022}
MOST_NORMAL = {32: 2.0**127, 64: 2.0**1023}


class Laid(NamedTuple):
    """Operands for a kernel: a (batch, m, k·terms), b (batch, k·terms, n), a table, terms."""

    a: Array
    b: Array
    table: Array
    terms: int


class Bound(NamedTuple):
    """What proofs know of a core's products: significant bits; how much larger than |a·b| they may
    be; and the largest product of significands where only that is known."""

    bits: int
    growth: float | None
    largest: int


def kind(unit: MacUnit) -> int | None:
    """How kernels multiply on this unit; None where none of them can."""
    if unit.core is None:
        return PLAIN
    found = KINDS.get(type(unit.core))
    return None if found == TABLE and unit.core.bits > MOST_TABLE_BITS else found


@lru_cache(maxsize=1 << 8)
def bound(unit: MacUnit) -> Bound:
    """Bounds of the products of the unit's core."""
    core = unit.core
    bits = sum(f.precision if isinstance(f, FloatFormat) else f.width for f in (unit.a, unit.b))
    if isinstance(core, TableMultiplier):
        largest = int(np.abs(np.frombuffer(core.entries, "<i8")).max())
        return Bound(max(1, largest.bit_length()), None, largest)
    if isinstance(core, Truncated) and core.corrected:
        largest = (1 << bits) + average_of_dropped(core.bits, core.dropped)
        return Bound(bits + 1, None, largest)
    if isinstance(core, (Mbm, Realm)):
        return Bound(2 * core.bits, 1.25, 0)  # no addition exceeds 1/4 of 2^(k1 + k2)
    return Bound(bits, 1.0, 0)


def in_range(unit: MacUnit, sizes: tuple[float, float, float, float], width: int) -> bool:
    """Whether the bits of floats may be added: operands and products are normal in the carrier.
    ``sizes`` are the bounds of |a| and |b|, above and below."""
    if not isinstance(unit.core, Mitchell) or kind(unit) != MITCHELL:
        return True
    a_max, b_max, a_min, b_min = sizes
    low = min(a_min, b_min, a_min * b_min)
    return low >= 4 * LEAST_NORMAL[width] and max(a_max, b_max, a_max * b_max) < MOST_NORMAL[width]


def rewritten(unit: MacUnit, a: Array, b: Array) -> tuple[MacUnit, Array, Array]:
    """A unit that multiplies exactly what this one's core makes of its operands; the same where
    the core does not work like that."""
    core = unit.core
    if not isinstance(core, Drum):
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
    """Values with ``count`` bits from their leading one, the last of them 1 where any was cut."""
    parts = _parts(x, fmt)
    cut = np.maximum(_length(parts.significand) - count, 0)
    cleared = (parts.significand >> cut) | (cut > 0)
    return _value(parts, cleared << cut, x.dtype)


class _Parts(NamedTuple):
    """Values as ±significand·2^exponent."""

    significand: Array  # int64
    exponent: Array
    negative: Array


def _parts(x: Array, fmt: Format) -> _Parts:
    """Significands as integers of the format's precision (width, where it is fixed point)."""
    wide = x.astype(np.float64)
    fraction, exponent = np.frexp(np.abs(wide))
    if isinstance(fmt, FloatFormat):
        unit = np.maximum(exponent - fmt.precision, fmt.quantum_exponent)
        unit = np.where(fraction == 0, fmt.quantum_exponent, unit)
    else:
        unit = np.full(x.shape, fmt.quantum_exponent)
    return _Parts(np.ldexp(fraction, exponent - unit).astype(np.int64), unit, np.signbit(wide))


def _length(x: Array) -> Array:
    """Bits of nonnegative integers."""
    return np.where(x == 0, 0, np.frexp(x.astype(np.float64))[1]).astype(np.int64)


def _value(parts: _Parts, significand: Array, dtype: Any) -> Array:
    """Values of other significands, with the signs and exponents of these."""
    size = np.ldexp(significand.astype(np.float64), parts.exponent)
    signed: Array = np.where(parts.negative, -size, size)
    return signed.astype(dtype)


# --- planes ---------------------------------------------------------------------------------------
def laid_out(facts: Facts, plan: Any) -> Laid:
    """A product's operands as the plan's kernel takes them."""
    path, unit = plan.inner.path, plan.unit
    table = NO_TABLE[path.width]
    if path.product == PLAIN:
        return Laid(facts.a, facts.b, table, 1)
    floats, whole = CARRIERS[path.width]
    if path.product == TERMS:
        a, b = terms(unit, facts.a, facts.b)
        return Laid(_woven(a, 2), _woven(b, 1), table, len(a))
    if path.product == MITCHELL:
        a, b = _logarithms(facts.a, facts.b, floats, whole, plan.negated)
        return Laid(_woven(a, 2), _woven(b, 1), table, 2)
    assert unit.core is not None
    table = _products(unit.core, floats)
    a = _looked(facts.a, unit.a, unit.core, unit.core.bits, (floats, whole), plan.negated)
    b = _looked(facts.b, unit.b, unit.core, 0, (floats, whole), False)
    return Laid(_woven(a, 2), _woven(b, 1), table, 2)


def _woven(planes: list[Array], axis: int) -> Array:
    """Planes one after the other at each k, which is ``axis``."""
    together = np.stack(planes, axis=axis + 1)
    shape = planes[0].shape
    return together.reshape(*shape[:axis], shape[axis] * len(planes), *shape[axis + 1 :])


def terms(unit: MacUnit, a: Array, b: Array) -> tuple[list[Array], list[Array]]:
    """Values xₜ, yₜ whose products add to the core's, each with its operand's sign."""
    x, y = _parts(a, unit.a), _parts(b, unit.b)
    core = unit.core
    if isinstance(core, IterativeLog):
        pairs = _iterations(x.significand, y.significand, core.corrections)
    else:
        assert isinstance(core, Truncated)
        pairs = _columns(x.significand, y.significand, core)
    left = [_value(x, first, a.dtype) for first, _ in pairs]
    return left, [_value(y, second, b.dtype) for _, second in pairs]


def _iterations(a: Array, b: Array, corrections: int) -> list[tuple[Array, Array]]:
    """2^k1·b + r1·2^k2, then the same of r1 and r2."""
    pairs = []
    for _ in range(corrections + 1):
        first, second = _leading(a), _leading(b)
        pairs += [(first, b), (a - first, second)]
        a, b = a - first, b - second
        if not a.any() or not b.any():
            break
    return pairs


def _leading(x: Array) -> Array:
    return np.where(x == 0, 0, np.int64(1) << np.maximum(_length(x) - 1, 0))


def _columns(a: Array, b: Array, core: Truncated) -> list[tuple[Array, Array]]:
    """Each bit of a that meets dropped columns, times what is left of b; the other bits, times b;
    and the constant."""
    pairs = []
    low = min(core.dropped, core.bits)
    for i in range(low):
        lost = core.dropped - i
        if lost < core.bits:
            pairs.append((a & (1 << i), (b >> lost) << lost))
    pairs.append(((a >> low) << low, b))
    if core.corrected:
        pairs.append((np.ones_like(a), np.full_like(b, average_of_dropped(core.bits, core.dropped))))
    return pairs


def _logarithms(
    a: Array, b: Array, floats: Any, whole: Any, negated: bool
) -> tuple[list[Array], list[Array]]:
    """Planes of MITCHELL: bits, and masks that leave a zero its sign."""
    one = np.ones((), floats).view(whole)
    sign = np.array(-0.0, floats).view(whole)
    found = []
    for x, change in ((a, negated), (b, False)):
        values = -x.astype(floats) if change else x.astype(floats)
        zero = values == 0
        bits = np.copysign(np.where(zero, floats.type(1), values), values).view(whole)
        found.append([bits, np.where(zero, sign, whole.type(-1))])
    found[1][0] = found[1][0] - one
    first, second = ([plane.view(floats) for plane in planes] for planes in found)
    return first, second


def _looked(
    x: Array, fmt: Format, core: IntegerMultiplier, shift: int, kinds: Any, negated: bool
) -> list[Array]:
    """Planes of TABLE: a part of the index, and the sign with the power of two."""
    floats, whole = kinds
    parts = _parts(x, fmt)
    significand, negative = parts.significand, parts.negative
    if isinstance(core, TableMultiplier) and core.signed:
        significand = np.where(negative, -significand, significand) - core.lowest
        negative = np.zeros_like(negative)
    scale = np.ldexp(1.0, parts.exponent)
    scale = np.where(negative ^ negated, -scale, scale)
    return [(significand << shift).astype(whole).view(floats), scale.astype(floats)]


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
    a, b = terms(unit, facts.a, facts.b)
    plain = replace(unit, core=None)
    return plain, Facts(_woven(a, 2), _woven(b, 1), facts.c)


def largest_product(unit: MacUnit, a_max: float, b_max: float) -> Fraction:
    """|a·b| by the core at most, where |a| and |b| are at most these finite bounds."""
    about = bound(unit)
    if about.growth is not None:
        return Fraction(about.growth) * Fraction(a_max) * Fraction(b_max)
    exponents = sum(_top_exponent(f, x) for f, x in ((unit.a, a_max), (unit.b, b_max)))
    return about.largest * Fraction(2) ** exponents


def _top_exponent(fmt: Format, largest: float) -> int:
    """The exponent of the significands of values up to ``largest``."""
    if not isinstance(fmt, FloatFormat):
        return fmt.quantum_exponent
    return max(math.frexp(largest)[1] - fmt.precision, fmt.quantum_exponent)


# --- exact totals ---------------------------------------------------------------------------------
def out_of_core(facts: Facts, unit: MacUnit) -> int:
    """Outputs whose exact c + Σ p is finite and lies outside the unit's (outer) accumulator."""
    fmt = unit.outer_format
    high = min(float(fmt.largest), -float(fmt.lowest)) / (1 + 2.0**-50)
    growth = bound(unit).growth
    if growth is not None and facts.sum_bound * growth + facts.c_max <= high:
        return 0
    outside = 0
    for item, i in np.ndindex(*facts.a.shape[:2]):
        products = products_of_row(unit, facts.a[item, i], facts.b[item])
        start = np.zeros(products.shape[1]) if facts.c is None else facts.c[item, i]
        sizes = np.abs(products).sum(axis=0) + np.abs(start)
        sure = sizes <= high
        for j in np.flatnonzero(~sure & np.isfinite(sizes)):
            total = sum(map(Fraction, products[:, j].tolist()), Fraction(start[j].item()))
            outside += not fmt.lowest <= total <= fmt.largest
    return outside


def products_of_row(unit: MacUnit, row: Array, b: Array) -> Array:
    """The core's products, exact in float64, of a row (k) and b (k, n)."""
    x, y = _parts(row[:, None], unit.a), _parts(b, unit.b)
    first, second = x.significand, y.significand
    core, found = unit.core, kind(unit)
    assert core is not None
    if found == TERMS:
        left, right = terms(unit, row[:, None].astype(np.float64), b.astype(np.float64))
        return np.asarray(sum(p * q for p, q in zip(left, right, strict=True)))
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
    return np.where(negative, -size, size)
