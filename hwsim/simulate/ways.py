"""The ways in which kernels compute a product: which of them a unit has, and what each proves.

A kind of sum is a row of `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, NONE
from hwsim_kernels.paths import MITCHELL, lossless

from hwsim.formats import FloatFormat, stochastic_of
from hwsim.simulate import wide
from hwsim.simulate.bins import binned, is_binnable
from hwsim.simulate.block_plans import block_plan
from hwsim.simulate.blocks import run_plan
from hwsim.simulate.cores import both_floats, expanded, kind
from hwsim.simulate.datapaths import plan
from hwsim.simulate.exact import adds_integers, exact_product, holds_integers, integer_product
from hwsim.simulate.facts import Facts
from hwsim.simulate.fused import fused_product
from hwsim.simulate.logsums import log_product
from hwsim.simulate.lowering import lower
from hwsim.simulate.pairs import pair_sums, pairs_in_chunks
from hwsim.simulate.staged import staged_product
from hwsim.simulate.tally import Totals
from hwsim.simulate.tiles import tiled_product
from hwsim.units import (
    Bins,
    DotAdd,
    Exact,
    Fused,
    LogSum,
    MacUnit,
    Order,
    Sequential,
    Staged,
    StoredProduct,
)

Array = npt.NDArray[Any]
Way = Callable[[Facts, MacUnit, int, int], tuple[Array, Totals] | None]


def by_kernels(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product in the accumulator's carrier; None when no kernel is proved."""
    for way in ways_of(unit):
        done = way(facts, unit, level, threads)
        if done is not None:
            return done
    return None


# --- ways: each gives None where it is not proved on this data, or does not count so much ---------
def _in_stages(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product of a `Staged` unit.  A sum that overflows stays infinite: finite results are
    those of sums that never did, and there is nothing else to count."""
    sums = staged_product(facts, unit, threads) if level != ALL else None
    if sums is None or (level != NONE and not (facts.finite and np.isfinite(sums).all())):
        return None
    return sums, Totals(sums.shape, level)


def _in_pairs(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals] | None:
    """Exact sums of two that are rounded by themselves: by an instruction, or as chunks of two."""
    chunks = None if level == ALL else pairs_in_chunks(unit, facts)
    if chunks is None:
        return None
    sums = pair_sums(unit, facts, threads) if level == NONE else None
    if sums is None:
        return by_kernels(facts, chunks, level, threads)
    return sums, Totals(sums.shape, level)


def _in_bins(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals] | None:
    """The product by the kernels of sequential sums: what a bin adds are all products with the
    places of its value, which are 1 there and else 0, and a zero changes no sum that starts at +0.
    None where 0 times an operand is none."""
    if not is_binnable(facts, unit):
        return None

    def sums(facts: Facts, part: MacUnit) -> tuple[Array, Totals]:
        done = by_kernels(facts, part, level, threads)
        return done or wide.wide_product(facts, part, level, threads)

    return binned(facts, unit, level, sums)


def _lossless(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals] | None:
    """The exact total as a sequential sum in float64 that never rounds; then it is rounded."""
    if level != NONE or facts.c is not None:
        return None
    exact = replace(unit, order=Sequential(), accumulator=FloatFormat(11, 53), overflow=None)
    paths = plan(replace(exact, output=None), facts, level)
    if paths is None or not lossless(paths.inner.path):
        return None
    values, totals = run_plan(facts, paths, level, threads)
    fmt = unit.accumulator
    rules = (unit.rounding, unit.overflow_of(fmt))
    return wide.round_array(values, exact.accumulator, fmt, rules, totals.struck)[0], totals


def _in_parts(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals] | None:
    """Integer sums of products whose parts multiply exactly.  No product of parts exceeds the
    exact one, which bounds are of."""
    longer = None if holds_integers(facts, unit, level) is None else expanded(unit, facts)
    return integer_product(longer[1], longer[0], level, threads) if longer else None


def _in_blocks(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """Groups whose sums have bits that are known, of operands in blocks."""
    paths = None if facts.group_bits is None else block_plan(unit, facts, level)
    return None if paths is None else run_plan(facts, paths, level, threads)


def _by_plan(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals] | None:
    """Datapaths in register tiles."""
    paths = plan(unit, facts, level)
    return None if paths is None else run_plan(facts, paths, level, threads)


def _without_overflow(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product by saturating kernels, if they count no overflow: then no rule made a
    difference at any step.  None where one did, where nothing is counted, or where everything is:
    domination asks what the rule makes of an addend alone."""
    if level in (NONE, ALL) or not facts.finite or unit.overflow == "saturate":
        return None
    done = _by_plan(facts, replace(unit, overflow="saturate"), level, threads)
    return None if done is None or done[1].overflowed else done


def _in_tiles(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals] | None:
    """Any rounding in float64, and integers, tile by tile."""
    stages = lower(unit, facts, level)
    return None if isinstance(stages, str) else tiled_product(facts, unit, stages, level, threads)


# --- which ways a unit has ------------------------------------------------------------------------
def _adds_by(*orders: type[Order]) -> Callable[[MacUnit], bool]:
    return lambda unit: isinstance(unit.order, orders)


def _adds_pairs(unit: MacUnit) -> bool:
    return isinstance(unit.order, DotAdd) and unit.order.partial is not None


def _is_drawn(unit: MacUnit) -> bool:
    return stochastic_of(unit.rounding) is not None


def _is_drawn_apart(unit: MacUnit) -> bool:
    """Whether it draws where no kernel does."""
    return _is_drawn(unit) and (isinstance(unit.order, Bins | Exact) or _adds_pairs(unit))


def _negates_plain_zeros(unit: MacUnit) -> bool:
    """Whether sums are negated, and a zero product would have to be −0 there."""
    return unit.rounding == "rdn" and kind(unit) == MITCHELL and not both_floats(unit)


def is_in_codes(unit: MacUnit) -> bool:
    """Whether an operand or c reaches us as codes, since no float holds its format's values."""
    formats = (unit.a, unit.b, unit.outer_format)
    return any(fmt.carried_as_codes for fmt in formats)


SUMS = (_by_plan, _without_overflow, _in_tiles)
# A unit's ways, tried in turn, are those of the first row that it belongs to.  Where none of them
# is proved, `wide`, which knows numbers of any width, computes its products, or the reference.
KINDS: tuple[tuple[Callable[[MacUnit], bool], tuple[Way, ...]], ...] = (
    (lambda unit: isinstance(unit.multiplier, StoredProduct) or unit.ftz, ()),
    (_adds_by(Staged), (_in_stages,)),
    (_adds_by(LogSum), (log_product,)),
    (_is_drawn_apart, ()),
    (_adds_by(Bins), (_in_bins,)),
    (_adds_pairs, (_in_pairs,)),
    (_negates_plain_zeros, ()),
    (lambda unit: unit.core is not None and isinstance(unit.order, Exact), (_lossless,)),
    (is_in_codes, ()),
    (lambda unit: unit.core is not None, (_in_parts, _by_plan, _without_overflow)),
    (_adds_by(Fused), (fused_product,)),
    (_adds_by(Exact), (exact_product,)),
    (_is_drawn, (integer_product, _by_plan)),
    (_adds_by(DotAdd), (_in_blocks, integer_product, *SUMS)),
    (adds_integers, (integer_product, *SUMS)),
    (lambda unit: True, SUMS),
)


@lru_cache(maxsize=1 << 12)
def ways_of(unit: MacUnit) -> tuple[Way, ...]:
    """The kernels that may compute a unit's products."""
    return next(found for is_one, found in KINDS if is_one(unit))
