"""Every product of an approximate multiplier, made with NumPy: what no kernel multiplies so.

One multiplied by each is then a product of another unit, which sums them in any order, rounds them
and draws, as the one with the multiplier would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.formats import FixedFormat, FloatFormat, Format, IntFormat
from hwsim.reference.multipliers import average_of_dropped, realm_additions
from hwsim.simulate import powers
from hwsim.simulate.cores import Significands, both_floats, bound, products_of_row, significands
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import magnitude
from hwsim.simulate.streams import Draws
from hwsim.units import IntegerMultiplier, MacUnit, TableMultiplier
from hwsim.units.multipliers import (
    Drum,
    ExactMultiplier,
    IterativeLog,
    Logarithmic,
    Mbm,
    Mitchell,
    Realm,
    Shift,
    Truncated,
)

Array = npt.NDArray[Any]
BLOCK = 1 << 21  # products at a time
ONE, FLOAT_ONE = IntFormat(1, signed=False), FloatFormat(2, 2, specials="none")  # hold 1


class Part(NamedTuple):
    """Some outputs, (item, rows), as a product of its own: ones (rows, 1, k) times products."""

    item: int
    rows: slice
    ones: Array
    products: Array
    c: Array | None
    draws: Draws | None


def summing_unit(unit: MacUnit) -> MacUnit | None:
    """The unit that multiplies one by products; None where neither float64 nor int64 holds them.

    Their format is as narrow as is known, so that its sums may be proved to fit a carrier.
    """
    a, b, bits = unit.a, unit.b, bound(unit).bits
    if isinstance(a, FixedFormat) and isinstance(b, FixedFormat):
        fixed = _fixed_products(unit, a.fraction_bits + b.fraction_bits)
        return None if fixed is None else replace(unit, a=ONE, b=fixed, core=None)
    quantum, largest = a.quantum_exponent + b.quantum_exponent, magnitude(a) * magnitude(b)
    if isinstance(unit.core, (Shift, Logarithmic)):
        bits, quantum = powers.places(unit)
    if bits > 53 or quantum < -1021 - bits or largest >= 2**1020:
        return None
    one: Format = FLOAT_ONE if both_floats(unit) else ONE
    narrow = quantum >= -125 - bits and largest < 2**120
    made = FloatFormat(8 if narrow else 11, max(bits, 2))
    return replace(unit, a=one, b=made, core=None, daz=False)


def _fixed_products(unit: MacUnit, fraction: int) -> FixedFormat | None:
    """A format of products of integers or fixed point."""
    bits = bound(unit).bits
    if bits < 63:
        return FixedFormat(max(bits - fraction, 0), fraction)
    # Of signed 32-bit integers only −2^31 has 32 bits, and no fraction that could carry.
    small = all(isinstance(f, FixedFormat) and f.width <= 31 + f.signed for f in (unit.a, unit.b))
    constant = isinstance(unit.core, Truncated) and unit.core.corrected
    return (
        FixedFormat(63 - fraction, fraction) if small and not constant and fraction < 64 else None
    )


def parts(facts: Facts, unit: MacUnit, whole: bool) -> Iterator[Part]:
    """All outputs, as many rows at a time as fit a block.  ``whole``: products are codes."""
    batch, m, k = facts.a.shape
    n = facts.b.shape[2]
    step = max(1, BLOCK // max(1, k * n))
    for item in range(batch):
        for first in range(0, m, step):
            rows = slice(first, min(m, first + step))
            made = products(unit, facts.a[item, rows], facts.b[item], whole)
            ones = np.ones((len(made), 1, k), np.int64 if whole else np.float32)
            c = None if facts.c is None else facts.c[item, rows][:, None]
            yield Part(item, rows, ones, made, c, _of_rows(facts.draws, item, rows))


def _of_rows(draws: Draws | None, item: int, rows: slice) -> Draws | None:
    """The draws of some rows, each of which is an item now."""
    if draws is None:
        return None
    mine = draws.rows[item, rows][:, None]
    columns = draws.columns[item]
    return Draws(draws.how, mine, np.broadcast_to(columns, (len(mine), *columns.shape)))


def products(unit: MacUnit, a: Array, b: Array, whole: bool) -> Array:
    """The core's products, exact, of a (m, k) and b (k, n): (m, k, n), float64, or int64 codes."""
    wild = ~(np.isfinite(a)[:, :, None] & np.isfinite(b)[None])
    tame = (np.where(np.isfinite(v), v, v.dtype.type(0)) for v in (a, b))
    values = _codes(unit, *tame) if whole else _values(unit, *tame)
    if wild.any():
        with np.errstate(invalid="ignore", over="ignore"):
            exact = a[:, :, None].astype(np.float64) * b[None].astype(np.float64)
        values = np.where(wild, exact, values)
    return values if whole or both_floats(unit) else values + 0.0


def _codes(unit: MacUnit, a: Array, b: Array) -> Array:
    x, y = significands(a, unit.a), significands(b, unit.b)
    negative, size = _products(unit, x, y)
    codes: Array = np.where(negative, -size, size)
    return codes


def _values(unit: MacUnit, a: Array, b: Array) -> Array:
    if isinstance(unit.core, (Shift, Logarithmic)):
        return np.array([products_of_row(unit, row, b) for row in a])
    x, y = significands(a, unit.a), significands(b, unit.b)
    negative, size = _products(unit, x, y)
    values = np.ldexp(size.astype(np.float64), x.exponent[:, :, None] + y.exponent[None])
    return np.asarray(np.where(negative, -values, values))


def _products(unit: MacUnit, x: Significands, y: Significands) -> tuple[Array, Array]:
    """Whether each product is negated, and what the core makes of the significands."""
    core = unit.core
    assert core is not None
    negative = x.negative[:, :, None] ^ y.negative[None]
    if isinstance(core, TableMultiplier) and core.signed:
        x, y, negative = _signed(x), _signed(y), np.zeros((), bool)
    return negative, products_of(core, x.significand[:, :, None], y.significand[None])


def _signed(x: Significands) -> Significands:
    return x._replace(significand=np.where(x.negative, -x.significand, x.significand))


@singledispatch
def products_of(core: IntegerMultiplier, x: Array, y: Array) -> Array:
    """What a core makes of integers (int64), as `hwsim.reference.multipliers` does of one pair."""
    raise NotImplementedError(f"no products of {type(core).__name__}")


@products_of.register
def _(core: ExactMultiplier, x: Array, y: Array) -> Array:
    return x * y


@products_of.register
def _(core: TableMultiplier, x: Array, y: Array) -> Array:
    entries: Array = np.frombuffer(core.entries, "<i8")
    found: Array = entries[((x - core.lowest) << core.bits) + (y - core.lowest)]
    return found


@products_of.register
def _(core: Drum, x: Array, y: Array) -> Array:
    return _kept(x, core.kept) * _kept(y, core.kept)


def _kept(x: Array, bits: int) -> Array:
    cut = np.maximum(_length(x) - bits, 0)
    return np.where(cut > 0, ((x >> cut) | 1) << cut, x)


@products_of.register
def _(core: Truncated, x: Array, y: Array) -> Array:
    total = x * y
    for i in range(min(core.bits, core.dropped)):
        dropped = y & ((1 << (core.dropped - i)) - 1)
        total = total - (((x >> i) & 1) * dropped << i)
    return total + (average_of_dropped(core.bits, core.dropped) if core.corrected else 0)


@products_of.register
def _(core: IterativeLog, x: Array, y: Array) -> Array:
    total = np.zeros((), np.int64)
    for _ in range(core.corrections + 1):
        x, y = np.where(y == 0, 0, x), np.where(x == 0, 0, y)
        first, second = _leading(x), _leading(y)
        total = total + (first * y + (x - first) * second)
        x, y = x - first, y - second
    return total


@products_of.register
def _(core: Mitchell, x: Array, y: Array) -> Array:
    first, second = _leading(x), _leading(y)
    one = first * second
    rest = (x - first) * second + (y - second) * first
    size: Array = np.where(rest < one, one + rest, 2 * rest) * (one > 0)
    return size


@products_of.register
def _(core: Mbm, x: Array, y: Array) -> Array:
    return _with_addition(core.bits, x, y, np.array(5))


@products_of.register
def _(core: Realm, x: Array, y: Array) -> Array:
    table = np.array(realm_additions(core.segments))
    i, j = (_segment(v, core.segments) for v in (x, y))
    return _with_addition(core.bits, x, y, table[i, j])


def _segment(x: Array, segments: int) -> Array:
    first = _leading(x)
    return ((x - first) * segments) // np.maximum(first, 1)


def _with_addition(n: int, x: Array, y: Array, sixtyfourths: Array) -> Array:
    """Mitchell's product with an addition in its fraction, of which n − 1 bits are kept."""
    one = 1 << (n - 1)
    k1, k2 = _length(x) - 1, _length(y) - 1
    parts = [np.where(k < 0, 0, v << np.maximum(n - 1 - k, 0)) - one for v, k in ((x, k1), (y, k2))]
    fraction = parts[0] + parts[1]
    carry = (fraction >= one).astype(np.int64)
    fraction = fraction - carry * one
    more = (sixtyfourths * one) >> (6 + carry)
    shift = k1 + k2 + carry
    more = np.where((shift == 2 * n - 1) & (fraction + more >= one), 0, more)
    size = one + fraction + more
    cut = np.maximum(n - 1 - shift, 0)
    size = (size >> cut) << np.maximum(shift - (n - 1), 0)
    return np.where((x > 0) & (y > 0), size, 0)


def _length(x: Array) -> Array:
    """Bits of nonnegative integers under 2^53."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def _leading(x: Array) -> Array:
    """Leading ones; 0 of 0."""
    return np.where(x == 0, 0, np.int64(1) << np.maximum(_length(x) - 1, 0))
