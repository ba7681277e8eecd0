"""Sums without roundings: integers that BLAS adds exactly, and exact (Kulisch) accumulators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.exact import Digits, column_norms, exact_rows, settle_rows
from hwsim_kernels.float64 import ALL, LARGEST, NONE, OVERFLOW

from hwsim.formats import FixedFormat, FloatFormat, Format, GridFormat, PositFormat
from hwsim.simulate.conversions import round_values
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import (
    fits_float64_grid,
    grid64,
    magnitude,
    rounding_mode,
    significant_bits,
    within_float32,
)
from hwsim.simulate.posit_stages import MOST_BITS, once
from hwsim.simulate.posits import round_posits
from hwsim.simulate.scheduler import one_blas_thread, run_tiles
from hwsim.simulate.stages import refuse_nan
from hwsim.simulate.tally import Totals
from hwsim.simulate.xnor import BINARY, xnor_product
from hwsim.units import ExactProduct, MacUnit, has_whole_values, is_integer

Array = npt.NDArray[Any]
SMALL = 1 << 23  # multiplications that are not worth a second thread
_NO_START = np.empty((0, 0, 0))


def blas(facts: Facts, unit: MacUnit, threads: int = 1) -> Array | None:
    """Σ a·b exactly, by the machine's matrix product; None where that is not proved.

    Every partial sum is a multiple of the products' common grid, and at most the largest
    Σ|a·b|: it is exact where that many steps of the grid fit the carrier's significand, and the
    operands and the grid its exponents.
    """
    a, b = facts.a, facts.b
    quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    narrow = within_float32(unit.a) and within_float32(unit.b) and facts.products_within(2.0**127)
    carriers: list[tuple[Any, int]] = []
    if narrow and quantum >= -149:
        carriers.append((np.float32, 24))
    if quantum >= -1022 and facts.products_within(2.0**1022):
        carriers.append((np.float64, 53))
    for carrier, bits in carriers:
        if facts.products_within(2.0**bits * 2.0**quantum):
            return gemm(a.astype(carrier, copy=False), b.astype(carrier, copy=False), threads)
    return None


def gemm(a: Array, b: Array, threads: int) -> Array:
    """The machine's matrix product.  Threads take rows or columns, each a product of its own:
    BLAS's own threads would wait for work by spinning."""
    out = np.empty((*a.shape[:2], b.shape[2]), a.dtype)
    m, n = out.shape[1:]
    step = -(-max(m, n) // (threads if a.size * n > SMALL else 1)) or 1

    def part(first: int) -> None:
        at = slice(first, first + step)
        with np.errstate(all="ignore"):
            if m >= n:
                np.matmul(a[:, at], b, out=out[:, at])
            else:
                np.matmul(a, b[:, :, at], out=out[:, :, at])

    with one_blas_thread():
        run_tiles([partial(part, first) for first in range(0, max(m, n), step)], threads)
    return out


def integer_product(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """Integer sums in which no step can overflow, or whose overflow is modular and uncounted."""
    inside = holds_integers(facts, unit, level)
    if inside is None:
        return None
    total = _integer_total(facts, unit, threads)
    if total is None:
        return None
    if not inside:
        total = _wrapped(total.astype(np.int64, copy=False), unit.outer_format)
    return total, Totals(total.shape, level)


def holds_integers(facts: Facts, unit: MacUnit, level: int) -> bool | None:
    """Whether no step of integer sums can overflow; None where it matters that one may."""
    if not adds_integers(unit):
        return None
    inside = all(_holds(fmt, facts) for fmt in (unit.accumulator, unit.outer_format))
    if level == ALL or not (inside or (level == NONE and _modular(unit))):
        return None
    return inside


@lru_cache(maxsize=1 << 12)
def adds_integers(unit: MacUnit) -> bool:
    """Whether a unit rounds nothing, and all that it multiplies and adds are integers."""
    whole = all(map(has_whole_values, (unit.a, unit.b)))
    whole = whole and all(map(is_integer, unit.rounded_formats().values()))
    return whole and isinstance(unit.multiplier, ExactProduct)


def _modular(unit: MacUnit) -> bool:
    """Whether only the final sum modulo the outer format's circle matters."""
    formats = (unit.accumulator, unit.outer_format)
    wraps = all(unit.overflow_of(fmt) == "wrap" for fmt in formats)
    return wraps and unit.outer_format.width <= unit.accumulator.width


def _holds(fmt: Format, facts: Facts) -> bool:
    """Whether no sum on this data leaves the format."""
    if fmt.lowest < 0:
        return facts.sums_within(min(int(fmt.largest), -int(fmt.lowest)))
    lows = [float(x.min()) for x in (facts.a, facts.b, facts.c) if x is not None and x.size]
    return facts.sums_within(int(fmt.largest)) and all(low >= 0 for low in lows)


def _integer_total(facts: Facts, unit: MacUnit, threads: int) -> Array | None:
    """c + Σ a·b, whole numbers in a float or in int64, where float64 and int64 hold it."""
    if unit.a == unit.b == BINARY and facts.length < 1 << 24:
        product: Array | None = xnor_product(facts, threads)
    else:
        product = blas(facts, unit, threads) if facts.sums_within(2.0**62) else None
    if product is None:
        return None
    if facts.c is None:
        return product
    return product.astype(np.int64) + facts.c.astype(np.int64)


def _wrapped(total: Array, fmt: Format) -> Array:
    assert isinstance(fmt, FixedFormat)
    if fmt.width == 64:
        return total if fmt.signed else total.view(np.uint64)
    low = np.int64(fmt.lowest_code)
    return ((total - low) & np.int64((1 << fmt.width) - 1)) + low


def exact_product(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """One rounding of the exact total, c included; None where 53 bits do not do."""
    if isinstance(unit.accumulator, PositFormat):
        return _exact_posits(facts, unit, level, threads)
    floats = all(significant_bits(fmt) <= 53 for fmt in (unit.a, unit.b))
    rounds = not isinstance(unit.multiplier, ExactProduct)
    if rounds or not floats or fits_float64_grid(unit.accumulator):
        return _exact_integers(facts, unit, level, threads)
    product = magnitude(unit.a) * magnitude(unit.b) * max(1, facts.a.shape[2])
    quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    if product >= 2**1022 or quantum < -1022:
        return None
    x = _exact_sums(facts, unit, quantum, threads)
    totals = Totals(x.shape, level)
    if facts.a.shape[2] == 0:
        return x, totals  # c, or +0, unrounded
    fmt = unit.accumulator
    rule = unit.overflow_of(fmt)
    with np.errstate(invalid="ignore"):
        if rule == "wrap" and not np.abs(x).max(initial=0.0) < float(fmt.smallest) * 2.0**50:
            return None  # the circle needs the low bits that rounding to odd has dropped
    assert isinstance(fmt, GridFormat)
    values, count = round_values(x, fmt, unit.rounding, rule, totals.struck)
    refuse_nan(values, fmt)
    totals.inner[OVERFLOW] = count
    if level == ALL:
        finite = np.abs(values[np.isfinite(values)])
        totals.inner[LARGEST] = np.float64(finite.max(initial=0.0)).view(np.int64)
    return values, totals


def exact_problem(unit: MacUnit) -> str:
    """Why digits and float64 do not give the posit that an exact total rounds to; empty when they
    do."""
    operands = max(map(significant_bits, (unit.a, unit.b))) <= 53
    if not isinstance(unit.multiplier, ExactProduct):
        return "products are rounded"
    if not operands or significant_bits(unit.accumulator) > MOST_BITS:
        return f"operands have more than 53 bits, or {unit.accumulator} more than {MOST_BITS}"
    quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    inside = magnitude(unit.a) * magnitude(unit.b) < 2**980 and quantum >= -1022
    return "" if inside else f"the product {unit.a}x{unit.b} is beyond float64"


def _exact_posits(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """One rounding of the exact total, c included, into a posit."""
    if exact_problem(unit):
        return None
    if facts.length == 0:
        x = np.zeros((*facts.a.shape[:2], facts.b.shape[2])) if facts.c is None else facts.c
        return x.astype(np.float64), Totals(x.shape, level)
    quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    return once(_exact_sums(facts, unit, quantum, threads), unit, level)


def _exact_integers(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """Wide integer accumulators that no total on this data can leave."""
    whole = all(map(has_whole_values, (unit.a, unit.b))) and is_integer(unit.accumulator)
    whole = whole and isinstance(unit.multiplier, ExactProduct)
    if not whole or not _holds(unit.accumulator, facts):
        return None
    total = _integer_total(facts, unit, threads)
    if total is None:
        return None
    total = total.astype(np.int64, copy=False)
    totals = Totals(total.shape, level)
    if level == ALL and facts.a.shape[2]:
        largest = np.float64(np.abs(total).max(initial=0))
        totals.inner[LARGEST] = largest.view(np.int64)
    return total, totals


def _exact_sums(facts: Facts, unit: MacUnit, quantum: int, threads: int) -> Array:
    """float64 numbers that round as c + Σ a·b does: those totals rounded to odd, or near them."""
    if facts.c is None and unit.rounding != "rdn" and facts.finite:
        # Sums that start at +0 end at +0 when they cancel: BLAS needs no sign of zero.
        product = blas(facts, unit, threads)
        if product is not None:
            return np.ascontiguousarray(product.astype(np.float64)) + 0.0
    arrays = (facts.a, facts.b, _NO_START if facts.c is None else facts.c)
    a, b, c = (np.ascontiguousarray(x, np.float64) for x in arrays)
    sums = _Sums(a, b, c, _digits(unit, facts, quantum), threads)
    if not _is_bounded(unit):
        return sums.by_digits()
    if isinstance(unit.accumulator, PositFormat):
        return sums.settled_posits(unit.accumulator, unit.rounding)
    return sums.settled(unit)


def product_error(a: Array, b: Array) -> Array:
    """How much a float64 product errs at most: k products and additions, three conversions of
    integers, and this bound's own errors, each relative to max|a|·Σ|b| of an output."""
    with np.errstate(all="ignore"):
        rows = np.abs(a).max(axis=2, initial=0.0)[:, :, None]
        columns = np.abs(b).sum(axis=1)[:, None, :]
        bound: Array = rows * columns * ((a.shape[2] + 8) * 2.0**-52) + 2.0**-1000
    return bound


@dataclass(frozen=True)
class _Sums:
    """c + Σ a·b of float64 operands (items, m, k), (items, k, n); c may be empty."""

    a: Array
    b: Array
    c: Array
    digits: Digits
    threads: int

    def by_digits(self) -> Array:
        """Every total, rounded to odd."""
        x = np.empty((*self.a.shape[:2], self.b.shape[2]))
        wanted = np.ones(x.shape, bool)
        self._by_rows(partial(exact_rows, self.a, self.b, self.c, x, wanted), self.digits)
        return x

    def settled(self, unit: MacUnit) -> Array:
        """Numbers that round as the totals do: a float64 product where its error bound decides."""
        a, b, c = self.a, self.b, self.c
        x = gemm(a, b, self.threads)
        columns = np.empty((b.shape[0], b.shape[2]))
        column_norms(b, columns)
        # γ of K products and sums, c's included; the last factor covers the norms' own errors.
        error = (a.shape[2] + 8) * 2.0**-53 * 1.0001
        assert isinstance(unit.accumulator, GridFormat)
        grid = grid64(unit.accumulator, unit.rounding, unit.overflow_of(unit.accumulator))
        mode, minus = rounding_mode(unit.rounding), self.digits.minus_zero
        open = np.empty(x.shape, bool)

        def rows(first: int, last: int) -> None:
            settle_rows(a, c, columns, x, open, first, last, error, grid, mode, minus)
            exact_rows(a, b, c, x, open, first, last, self.digits)

        self._by_rows(rows)
        return x

    def settled_posits(self, fmt: PositFormat, rounding: str) -> Array:
        """The same for posits: where both ends of the bound round alike, and both, or neither, lie
        beyond maxpos."""
        a, b, c = self.a, self.b, self.c
        x = gemm(a, b, self.threads)
        with np.errstate(all="ignore"):
            error = product_error(a, b)
            if c.size:
                error = error + (np.abs(x) + np.abs(c)) * 2.0**-51
                x = x + c
            ends = x - error, x + error
            low, high = (round_posits(end, fmt, rounding, None) for end in ends)
            top = float(fmt.largest)
            open = (low != high) | ((np.abs(ends[0]) > top) != (np.abs(ends[1]) > top))
        self._by_rows(partial(exact_rows, a, b, c, x, open), self.digits)
        return x

    def _by_rows(self, task: Callable[..., None], *rest: Any) -> None:
        """Run ``task`` on pieces of all items' rows."""
        rows = self.a.shape[0] * self.a.shape[1]
        step = max(1, -(-rows // (4 * self.threads)))
        pieces = ((first, min(rows, first + step)) for first in range(0, rows, step))
        run_tiles([partial(task, *piece, *rest) for piece in pieces], self.threads)


def _is_bounded(unit: MacUnit) -> bool:
    """Whether norms of operands neither overflow nor underflow, and roundings are monotone."""
    plain = unit.overflow_of(unit.accumulator) != "wrap"
    return plain and all(
        magnitude(fmt) < 2**500 and fmt.quantum_exponent > -500 for fmt in (unit.a, unit.b)
    )


def _digits(unit: MacUnit, facts: Facts, quantum: int) -> Digits:
    """Digits that hold every sum."""
    base = min(quantum, unit.accumulator.quantum_exponent) - 106
    terms = max(1, facts.a.shape[2])
    highest = max(magnitude(unit.a) * magnitude(unit.b) * terms, magnitude(unit.accumulator))
    floats = isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)
    return Digits(
        base=base,
        size=(int(highest).bit_length() + 2 - base) // 32 + 4,
        narrow=significant_bits(unit.a) + significant_bits(unit.b) <= 53,
        zero_add=-0.0 if floats else 0.0,
        minus_zero=unit.rounding == "rdn",
    )
