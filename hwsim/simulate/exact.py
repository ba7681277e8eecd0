"""Sums without roundings: integers that BLAS adds exactly, and exact (Kulisch) accumulators."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.exact import exact_matmul
from hwsim_kernels.float64 import ALL, LARGEST, NONE, OVERFLOW
from threadpoolctl import ThreadpoolController

from hwsim.formats import FixedFormat, Format
from hwsim.simulate.conversions import round_values
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import (
    fits_float64_grid,
    magnitude,
    significant_bits,
    within_float32,
)
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.stages import refuse_nan
from hwsim.simulate.tally import Totals
from hwsim.units import ExactProduct, MacUnit, is_integer

Array = npt.NDArray[Any]


@cache
def _blas_control() -> ThreadpoolController:
    return ThreadpoolController()


def blas(facts: Facts, unit: MacUnit, threads: int = 1) -> Array | None:
    """Σ a·b exactly, by the machine's matrix product; None where that is not proved.

    Every partial sum is a multiple of the products' common grid, and at most the largest
    Σ|a·b|: it is exact where that many steps of the grid fit the carrier's significand, and the
    operands and the grid its exponents.
    """
    a, b = facts.a, facts.b
    quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    narrow = within_float32(unit.a) and within_float32(unit.b) and facts.sum_bound < 2.0**127
    carriers: list[tuple[Any, int]] = []
    if narrow and quantum >= -149:
        carriers.append((np.float32, 24))
    if quantum >= -1022 and facts.sum_bound < 2.0**1022:
        carriers.append((np.float64, 53))
    for carrier, bits in carriers:
        if facts.sum_bound < 2.0**bits * 2.0**quantum:
            with _blas_control().limit(limits=threads, user_api="blas"):
                product: Array = np.matmul(
                    a.astype(carrier, copy=False), b.astype(carrier, copy=False)
                )
                return product
    return None


def integer_product(facts: Facts, unit: MacUnit, level: int) -> tuple[Array, Totals] | None:
    """Integer sums in which no step can overflow, or whose overflow is modular and uncounted."""
    formats = (unit.a, unit.b, *unit.rounded_formats().values())
    if not all(map(is_integer, formats)) or not isinstance(unit.multiplier, ExactProduct):
        return None
    inside = all(_holds(fmt, facts) for fmt in (unit.accumulator, unit.outer_format))
    if level == ALL or not (inside or (level == NONE and _modular(unit))):
        return None
    total = _integer_total(facts, unit)
    if total is None:
        return None
    if not inside:
        total = _wrapped(total, unit.outer_format)
    return total, Totals(total.shape, level)


def _modular(unit: MacUnit) -> bool:
    """Whether only the final sum modulo the outer format's circle matters."""
    formats = (unit.accumulator, unit.outer_format)
    wraps = all(unit.overflow_of(fmt) == "wrap" for fmt in formats)
    return wraps and unit.outer_format.width <= unit.accumulator.width


def _holds(fmt: Format, facts: Facts) -> bool:
    """Whether no sum on this data leaves the format."""
    bound = (facts.sum_bound + facts.c_max) * (1 + 2.0**-50)  # c may have more than 53 bits
    if fmt.lowest < 0:
        return bound <= min(int(fmt.largest), -int(fmt.lowest))
    lows = [float(x.min()) for x in (facts.a, facts.b, facts.c) if x is not None and x.size]
    return bound <= int(fmt.largest) and all(low >= 0 for low in lows)


def _integer_total(facts: Facts, unit: MacUnit) -> Array | None:
    """c + Σ a·b in int64, where float64 and int64 hold it."""
    product = blas(facts, unit) if facts.sum_bound + facts.c_max < 2.0**62 else None
    if product is None:
        return None
    total = product.astype(np.int64)
    return total if facts.c is None else total + facts.c.astype(np.int64)


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
    floats = all(significant_bits(fmt) <= 53 for fmt in (unit.a, unit.b))
    rounds = not isinstance(unit.multiplier, ExactProduct)
    if rounds or not floats or fits_float64_grid(unit.accumulator):
        return _exact_integers(facts, unit, level)
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
    values, count = round_values(x, fmt, unit.rounding, rule, totals.struck)
    refuse_nan(values, fmt)
    totals.inner[OVERFLOW] = count
    if level == ALL:
        finite = np.abs(values[np.isfinite(values)])
        totals.inner[LARGEST] = np.float64(finite.max(initial=0.0)).view(np.int64)
    return values, totals


def _exact_integers(facts: Facts, unit: MacUnit, level: int) -> tuple[Array, Totals] | None:
    """Wide integer accumulators that no total on this data can leave."""
    formats = (unit.a, unit.b, unit.accumulator)
    whole = all(map(is_integer, formats)) and isinstance(unit.multiplier, ExactProduct)
    if not whole or not _holds(unit.accumulator, facts):
        return None
    total = _integer_total(facts, unit)
    if total is None:
        return None
    totals = Totals(total.shape, level)
    if level == ALL and facts.a.shape[2]:
        largest = np.float64(np.abs(total).max(initial=0))
        totals.inner[LARGEST] = largest.view(np.int64)
    return total, totals


def _exact_sums(facts: Facts, unit: MacUnit, quantum: int, threads: int) -> Array:
    """c + Σ a·b rounded to odd in float64."""
    if facts.c is None and unit.rounding != "rdn" and facts.finite:
        # Sums that start at +0 end at +0 when they cancel: BLAS needs no sign of zero.
        product = blas(facts, unit, threads)
        if product is not None:
            return np.ascontiguousarray(product.astype(np.float64)) + 0.0
    batch, m, k = facts.a.shape
    n = facts.b.shape[2]
    base = min(quantum, unit.accumulator.quantum_exponent) - 106
    highest = max(magnitude(unit.a) * magnitude(unit.b) * max(1, k), magnitude(unit.accumulator))
    size = (int(highest).bit_length() + 2 - base) // 32 + 4
    floating = not isinstance(unit.a, FixedFormat) and not isinstance(unit.b, FixedFormat)
    a = np.ascontiguousarray(facts.a, np.float64)
    b = np.ascontiguousarray(facts.b, np.float64)
    c = np.zeros((batch, m, n)) if facts.c is None else np.ascontiguousarray(facts.c, np.float64)
    out = np.empty((batch, m, n))
    step = max(1, -(-m // threads))
    zero_add, minus = (-0.0 if floating else 0.0), unit.rounding == "rdn"
    tasks = []
    for item in range(batch):
        for row in range(0, m, step):
            at = (item, slice(row, row + step))
            arrays = (a[at], b[item], c[at], out[at])
            tasks.append(partial(exact_matmul, *arrays, base, size, zero_add, minus))
    run_tiles(tasks, threads)
    return out
