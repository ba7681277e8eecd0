"""Sums without roundings: integers that BLAS adds exactly, and exact (Kulisch) accumulators."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.exact import exact_matmul
from hwsim_kernels.float64 import ALL, LARGEST, NONE, OVERFLOW, round_array
from threadpoolctl import ThreadpoolController

from hwsim.formats import FixedFormat, Format
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import fits_float64_grid, grid64, magnitude, rounding_mode
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.stages import refuse_nan
from hwsim.simulate.tally import Totals
from hwsim.units import ExactProduct, MacUnit, is_integer

Array = npt.NDArray[Any]


@cache
def _blas_control() -> ThreadpoolController:
    return ThreadpoolController()


def blas(a: Array, b: Array, bound: float, threads: int = 1) -> Array | None:
    """a·b exactly, by the machine's matrix product; None where ``bound`` does not prove it.

    ``bound``: the largest Σ|a·b| in units of the products' common grid.
    """
    for carrier, bits in ((np.float32, 24), (np.float64, 53)):
        if bound < 2.0**bits:
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
    bound = facts.sum_bound + facts.c_max
    steps = (unit.accumulator, unit.outer_format)
    inside = all(min(int(fmt.largest), -int(fmt.lowest)) >= bound for fmt in steps)
    if level == ALL or not (inside or (level == NONE and _modular(unit))):
        return None
    product = blas(facts.a, facts.b, bound)
    if product is None:
        return None
    total = product.astype(np.int64)
    if facts.c is not None:
        total += facts.c.astype(np.int64)
    if not inside:
        total = _wrapped(total, unit.outer_format)
    return total, Totals(total.shape, level)


def _modular(unit: MacUnit) -> bool:
    """Whether only the final sum modulo the outer format's circle matters."""
    formats = (unit.accumulator, unit.outer_format)
    wraps = all(unit.overflow_of(fmt) == "wrap" for fmt in formats)
    return wraps and unit.outer_format.width <= unit.accumulator.width


def _wrapped(total: Array, fmt: Format) -> Array:
    assert isinstance(fmt, FixedFormat)
    low = np.int64(fmt.lowest_code)
    return ((total - low) & np.int64((1 << fmt.width) - 1)) + low


def exact_product(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """One rounding of the exact total, c included; None where only the reference can."""
    if not isinstance(unit.multiplier, ExactProduct) or fits_float64_grid(unit.accumulator):
        return _exact_integers(facts, unit, level)
    product = magnitude(unit.a) * magnitude(unit.b) * max(1, facts.a.shape[2])
    quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    if product >= 2**1022 or quantum < -1022:
        return None
    x = _exact_sums(facts, unit, quantum, threads)
    fmt = unit.accumulator
    rule = unit.overflow_of(fmt)
    if rule == "wrap" and (not facts.finite or np.abs(x).max(initial=0) >= fmt.smallest * 2**50):
        return None
    totals = Totals(x.shape, level)
    values = np.empty(x.shape)
    flat, flags = x.reshape(-1), totals.struck.reshape(-1)
    grid = grid64(fmt, unit.rounding, rule)
    mode = rounding_mode(unit.rounding)
    count = round_array(flat, values.reshape(-1), flags, grid, mode, rule == "wrap")
    refuse_nan(values, fmt)
    totals.inner[OVERFLOW] = count
    if level == ALL and facts.a.shape[2]:
        finite = np.abs(values[np.isfinite(values)])
        totals.inner[LARGEST] = np.float64(finite.max(initial=0.0)).view(np.int64)
    return values, totals


def _exact_integers(facts: Facts, unit: MacUnit, level: int) -> tuple[Array, Totals] | None:
    """Wide integer accumulators that no total on this data can leave."""
    formats = (unit.a, unit.b, unit.accumulator)
    bound = facts.sum_bound + facts.c_max
    whole = all(map(is_integer, formats)) and isinstance(unit.multiplier, ExactProduct)
    room = min(int(unit.accumulator.largest), -int(unit.accumulator.lowest))
    if not whole or room < bound:
        return None
    product = blas(facts.a, facts.b, bound)
    if product is None:
        return None
    total = product.astype(np.int64)
    if facts.c is not None:
        total += facts.c.astype(np.int64)
    totals = Totals(total.shape, level)
    if level == ALL and facts.a.shape[2]:
        largest = np.float64(np.abs(total).max(initial=0))
        totals.inner[LARGEST] = largest.view(np.int64)
    return total, totals


def _exact_sums(facts: Facts, unit: MacUnit, quantum: int, threads: int) -> Array:
    """c + Σ a·b rounded to odd in float64."""
    if facts.c is None and unit.rounding != "rdn" and facts.finite:
        # Sums that start at +0 end at +0 when they cancel: BLAS needs no sign of zero.
        product = blas(facts.a, facts.b, facts.sum_bound * 2.0**-quantum, threads)
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
