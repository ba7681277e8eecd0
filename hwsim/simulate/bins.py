"""Bins: sums of what meets each value of a codebook, by the kernels of sequential sums.

A bin's sum is that of all values times 1 where the codebook's value is the bin's, and else times 0;
the last sum is one product with a single term after another, each from what the last one gave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import LARGEST, NONE

from hwsim.formats import TableFormat, as_format
from hwsim.simulate.facts import Facts
from hwsim.simulate.inputs import carrier_exact
from hwsim.simulate.tally import Totals, exact_total
from hwsim.units import MacUnit, Sequential, codebook_side

Array = npt.NDArray[Any]
Sums = Callable[[Facts, MacUnit], tuple[Array, Totals]]


def is_binnable(facts: Facts, unit: MacUnit) -> bool:
    """Whether zeros are where values are not counted, and floats hold the bins."""
    operand = facts.a if codebook_side(unit) else facts.b
    codes = (unit.a, unit.b, unit.accumulator, unit.outer_format)
    return bool(np.isfinite(operand).all()) and not any(fmt.carried_as_codes for fmt in codes)


def parts(unit: MacUnit) -> tuple[MacUnit, MacUnit]:
    """The units of a bin's sum and of the last one."""
    plain = replace(unit, order=Sequential(), output=None, requantization=None, daz=False)
    one_or_zero, side = as_format("ternary"), codebook_side(unit)
    codebook = unit.b if side else unit.a
    inner = replace(plain, b=one_or_zero) if side else replace(plain, a=one_or_zero)
    return inner, replace(plain, a=unit.accumulator, b=codebook, accumulator=unit.outer_format)


def binned(facts: Facts, unit: MacUnit, level: int, sums: Sums) -> tuple[Array, Totals]:
    """The product before any output conversion; ``sums`` computes sequential ones."""
    side = codebook_side(unit)
    codebook = unit.b if side else unit.a
    assert side is not None
    assert isinstance(codebook, TableFormat)
    inner, outer = parts(unit)
    places = facts.b if side else facts.a
    batch, m, n = facts.a.shape[0], facts.a.shape[1], facts.b.shape[2]
    totals = Totals((batch, m, n), level)
    total = facts.c
    for number, _ in codebook.entries if facts.length else ():
        value = places.dtype.type(float(number))
        ones = (places == value).astype(np.float32)
        counted = Facts(facts.a, ones, None) if side else Facts(ones, facts.b, None)
        bins, found = sums(counted, inner)
        _take(totals, found, "inner")
        start = None if total is None else total.reshape(1, -1, 1)
        one = Facts(carrier_exact(bins).reshape(1, -1, 1), np.full((1, 1, 1), value), start)
        values, found = sums(one, outer)
        _take(totals, found, "outer")
        total = carrier_exact(values).reshape(batch, m, n)
    return np.zeros((batch, m, n)) if total is None else total, totals


def _take(totals: Totals, found: Totals, name: str) -> None:
    """Counts of one sum into those of its level."""
    if totals.level == NONE:
        return
    mine, theirs = getattr(totals, name), found.inner
    largest = max(mine[LARGEST], theirs[LARGEST])
    mine += theirs
    mine[LARGEST] = largest
    totals.struck |= found.struck.reshape(totals.struck.shape)
    if name == "inner" and totals.complete:
        totals.lost += found.lost
        totals.whole_mass += found.whole_mass or exact_total(*found.mass)
