"""One matrix product on a unit: values of its formats in, values of its output format out.

Everything here works on operands that were already rounded into their formats.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, NONE, OVERFLOW, PRODUCT_OVERFLOW
from hwsim_kernels.paths import MITCHELL, lossless

from hwsim import reference
from hwsim.formats import FloatFormat, Format, PositFormat
from hwsim.simulate import wide
from hwsim.simulate.bins import binned, is_binnable
from hwsim.simulate.block_plans import block_plan
from hwsim.simulate.blocks import run_plan
from hwsim.simulate.conversions import round_values, value_dtype
from hwsim.simulate.core_products import parts, summing_unit
from hwsim.simulate.cores import both_floats, expanded, kind, out_of_core, rewritten
from hwsim.simulate.datapaths import plan
from hwsim.simulate.exact import exact_product, holds_integers, integer_product
from hwsim.simulate.facts import Facts
from hwsim.simulate.finish import holds_nan
from hwsim.simulate.fused import fused_product
from hwsim.simulate.grids import fits_float64_grid
from hwsim.simulate.inputs import carrier_exact
from hwsim.simulate.logsums import log_product
from hwsim.simulate.lowering import lower
from hwsim.simulate.pairs import pair_sums, pairs_in_chunks
from hwsim.simulate.posits import to_output
from hwsim.simulate.powers import plain, shifted_out
from hwsim.simulate.preparations import flushed, in_turn, plainer, with_nan
from hwsim.simulate.range_check import out_of_range
from hwsim.simulate.staged import staged_product
from hwsim.simulate.stages import refuse_nan
from hwsim.simulate.stored import by_codes
from hwsim.simulate.streams import Draws
from hwsim.simulate.tally import Totals, exact_total, step_counts
from hwsim.simulate.tiles import tiled_product
from hwsim.units import (
    Bins,
    DotAdd,
    DoubleWord,
    Exact,
    Fused,
    LogSum,
    MacUnit,
    Sequential,
    Staged,
    StoredProduct,
    Telemetry,
    is_integer,
    steps_of,
)

Array = npt.NDArray[Any]
NOTHING = Telemetry()
MANY = 1 << 21  # products of the reference that take half a minute


def multiply(
    a: Array,
    b: Array,
    c: Array | None,
    unit: MacUnit,
    level: int,
    threads: int,
    draws: Draws | None = None,
) -> tuple[Array, Telemetry]:
    """(batch, m, k) × (batch, k, n) + c on ``unit``; results that the value dtype of its
    output holds: integers may come in floats, where no bit of theirs is lost.  ``draws``: of a unit
    that rounds stochastically."""
    if unit.nan is not None:
        plainly = replace(unit, nan=None)
        values, found = multiply(a, b, c, plainly, level, threads, draws)
        return with_nan(values, unit.nan, unit.output_format), found
    unit, a, b = in_turn(unit, a, b)
    a, b = flushed(a, unit.a, unit), flushed(b, unit.b, unit)
    if unit.ftz and c is not None and a.shape[2]:
        c = flushed(c, unit.outer_format, unit)
    stored = isinstance(unit.multiplier, StoredProduct) and not unit.ftz
    if stored and (looked := by_codes(unit, a, b)):
        zeros = Facts(a, b, None).zero_products if level != NONE else 0
        values, found = multiply(looked[1], looked[2], c, looked[0], level, threads, draws)
        return values, replace(found, zero_operands=zeros)
    if isinstance(unit.order, DoubleWord) and a.shape[2] == 0:
        unit = replace(unit, order=Sequential())  # there is but one word
    unit, a, b = rewritten(unit, a, b)
    return of_facts(Facts(a, b, c), unit, level, threads, draws)


def of_facts(
    facts: Facts, unit: MacUnit, level: int, threads: int, draws: Draws | None
) -> tuple[Array, Telemetry]:
    """The same of operands that nothing is left to be done to."""
    unit = plainer(plain(unit, facts), facts, draws is not None)
    if isinstance(unit.order, Bins):
        done = None if draws or unit.ftz else _in_bins(facts, unit, level, threads)
    else:
        done = _by_kernels(facts, unit, level, threads, draws)
    summing = None if done or unit.core is None or unit.ftz else summing_unit(unit)
    if summing is not None:
        return _by_products(facts, unit, summing, (level, threads), draws)
    if done is None and not wide.knows(unit, facts):
        return by_reference(facts.a, facts.b, facts.c, unit, level, draws)
    in_floats = done is not None
    values, totals = done or wide.wide_product(facts, unit, level, threads, draws)
    if level != NONE and not in_floats:
        totals.zeros = facts.zero_products
    last = (
        draws.of_step(steps_of(unit, facts.length).first_output) if draws and unit.output else None
    )
    values, converted = _convert(values, unit, totals, last)
    if not _has_no_nan(facts, unit, totals) and holds_nan(values):
        values[np.isnan(values)] = math.nan  # every NaN is the canonical one
    if level == NONE:
        return values, NOTHING
    outside = 0
    if level == ALL and unit.core is not None:
        outside = out_of_core(facts, unit)
    elif level == ALL and in_floats:
        outside = out_of_range(facts, unit, threads)
    elif level == ALL:
        outside = wide.out_of_range(facts, unit, threads)
    dropped = shifted_out(unit, facts)
    return values, _telemetry(facts, unit, totals, (converted, outside, dropped))


def _by_products(
    facts: Facts, unit: MacUnit, summing: MacUnit, how: tuple[int, int], draws: Draws | None
) -> tuple[Array, Telemetry]:
    """Sums of products that were made one by one; how : level, threads."""
    shape = (*facts.a.shape[:2], facts.b.shape[2])
    out = np.empty(shape, value_dtype(unit.output_format))
    counted = Telemetry(complete=how[0] == ALL)
    for part in parts(facts, unit, wide.holds_codes(summing.b), draws):
        mine = part.facts
        values, telemetry = multiply(mine.a, mine.b, mine.c, summing, *how, part.draws)
        out[part.item, part.rows] = values[:, 0]
        counted = counted + telemetry
    if how[0] == NONE:
        return out, NOTHING
    lost = shifted_out(unit, facts)
    return out, replace(counted, zero_operands=facts.zero_products, shifted_out=lost)


def _has_no_nan(facts: Facts, unit: MacUnit, totals: Totals) -> bool:
    """Whether the plan, or operands and rules, make NaN impossible."""
    if not unit.output_format.has_nan or (totals.finite and unit.output is None):
        return True
    rules = {unit.overflow_of(fmt) for fmt in unit.rounded_formats().values()}
    return facts.finite and rules <= {"saturate", "saturate_all", "wrap"}


def _by_kernels(
    facts: Facts, unit: MacUnit, level: int, threads: int, draws: Draws | None
) -> tuple[Array, Totals] | None:
    """The product in the accumulator's carrier; None when no kernel is proved."""
    if isinstance(unit.multiplier, StoredProduct) or unit.ftz:
        return None
    if isinstance(unit.order, Staged):
        return _in_stages(facts, unit, level, threads)
    if isinstance(unit.order, DotAdd) and unit.order.partial is not None:
        chunks = None if draws or level == ALL else pairs_in_chunks(unit, facts)
        sums = pair_sums(unit, facts, threads) if chunks and level == NONE else None
        if sums is not None:
            return sums, Totals(sums.shape, level)
        return None if chunks is None else _by_kernels(facts, chunks, level, threads, None)
    if isinstance(unit.order, LogSum):
        done = log_product(facts, unit, level, threads)
        if done is not None and level != NONE:
            done[1].zeros = facts.zero_products
        return done
    if unit.core is not None:
        return _by_core(facts, unit, level, threads, draws)
    if _in_codes(unit):
        return None
    if isinstance(unit.order, Fused):
        done = fused_product(facts, unit, level, threads)
        if done is not None and level != NONE:
            done[1].zeros = facts.zero_products
        return done
    if isinstance(unit.order, Exact) and draws:
        return None
    if facts.group_bits is not None and not draws:
        paths = block_plan(unit, facts, level)
        if paths is not None:
            return run_plan(facts, paths, level, threads)
    if isinstance(unit.order, Exact):
        done = exact_product(facts, unit, level, threads)
    else:
        done = integer_product(facts, unit, level, threads)
    if done is not None:
        if level != NONE:
            done[1].zeros = facts.zero_products
        return done
    if isinstance(unit.order, Exact):
        return None
    paths = plan(unit, facts, level)
    if paths is not None:
        return run_plan(facts, paths, level, threads, draws)
    if draws:
        return None
    done = _without_overflow(facts, unit, level, threads)
    if done is not None:
        return done
    stages = lower(unit, facts, level)
    return None if isinstance(stages, str) else tiled_product(facts, unit, stages, level, threads)


def _in_stages(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product of a `Staged` unit.  A sum that overflows stays infinite: finite results are
    those of sums that never did, and there is nothing else to count."""
    sums = staged_product(facts, unit, threads) if level != ALL else None
    if sums is None or (level != NONE and not (facts.finite and np.isfinite(sums).all())):
        return None
    totals = Totals(sums.shape, level)
    totals.zeros = facts.zero_products if level != NONE else 0
    return sums, totals


def _by_core(
    facts: Facts, unit: MacUnit, level: int, threads: int, draws: Draws | None
) -> tuple[Array, Totals] | None:
    """The same of products that are approximate: of parts that multiply exactly, or by kernels."""
    if unit.rounding == "rdn" and kind(unit) == MITCHELL and not both_floats(unit):
        return None  # sums are negated, and a zero product would have to be −0 there
    if isinstance(unit.order, Exact):
        return None if draws else _lossless(facts, unit, level, threads)
    if _in_codes(unit):
        return None
    # No product of parts exceeds the exact one, which bounds are of.
    longer = None if holds_integers(facts, unit, level) is None else expanded(unit, facts)
    done = integer_product(longer[1], longer[0], level, threads) if longer else None
    if done is not None:
        if level != NONE:
            done[1].zeros = facts.zero_products
        return done
    paths = plan(unit, facts, level)
    if paths is not None:
        return run_plan(facts, paths, level, threads, draws)
    return None if draws else _without_overflow(facts, unit, level, threads)


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


def _in_bins(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals] | None:
    """The product by the kernels of sequential sums: what a bin adds are all products with the
    places of its value, which are 1 there and else 0, and a zero changes no sum that starts at +0.
    None where 0 times an operand is none."""
    if not is_binnable(facts, unit):
        return None

    def sums(facts: Facts, part: MacUnit) -> tuple[Array, Totals]:
        done = _by_kernels(facts, part, level, threads, None)
        return done or wide.wide_product(facts, part, level, threads)

    return binned(facts, unit, level, sums)


def _without_overflow(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product by saturating kernels, if they count no overflow: then no rule made a
    difference at any step.  None where one did, where nothing is counted, or where everything is:
    domination asks what the rule makes of an addend alone."""
    if level in (NONE, ALL) or not facts.finite or unit.overflow == "saturate":
        return None
    paths = plan(replace(unit, overflow="saturate"), facts, level)
    if paths is None:
        return None
    values, totals = run_plan(facts, paths, level, threads)
    return None if totals.overflowed else (values, totals)


def by_reference(
    a: Array, b: Array, c: Array | None, unit: MacUnit, level: int, draws: Draws | None
) -> tuple[Array, Telemetry]:
    """The exact reference, for units with a part that no kernel knows."""
    count = math.prod(a.shape) * b.shape[2]
    if count > MANY:
        how = f"the exact reference multiplies {count:,} times, some tens of thousands a second"
        what = "computes this" if level == NONE else "computes and counts this on this data"
        warnings.warn(f"{unit}: no kernel {what}; {how}", RuntimeWarning, stacklevel=2)
    drawn = draws.listed(steps_of(unit, a.shape[2]).total) if draws else None
    operands = a, b, unit, c
    if level == NONE:
        return np.asarray(reference.matmul(*operands, draws=drawn)), NOTHING
    values, telemetry = reference.matmul(*operands, telemetry=True, draws=drawn)
    return np.asarray(values), telemetry if level == ALL else cheap(telemetry)


def cheap(telemetry: Telemetry) -> Telemetry:
    """Only what ``"counts"`` promises."""
    outer = replace(telemetry.outer, dominated=0, underflow=0, largest=0.0)
    telemetry = replace(telemetry, dominated=0, underflow=0, largest=0.0, outer=outer)
    return replace(telemetry, out_of_range=0, lost=0.0, mass=0.0, complete=False)


def _in_codes(unit: MacUnit) -> bool:
    """Whether an operand or c reaches us as codes, since no float holds its format's values."""
    formats = (unit.a, unit.b, unit.outer_format)
    return any(fmt.carried_as_codes for fmt in formats)


def _is_wider(fmt: Format, inner: Format) -> bool:
    """Whether fmt is fp64 and takes every float64 unchanged."""
    plain = isinstance(fmt, FloatFormat) and fmt == FloatFormat(11, 53)
    return plain and (isinstance(inner, FloatFormat) or inner.width <= 53)


def _convert(
    values: Array, unit: MacUnit, totals: Totals, draws: Array | None
) -> tuple[Array, int]:
    """Results in the output format, and how many overflowed on the way; by ``draws`` where the
    rounding takes any."""
    fmt = unit.output
    if isinstance(unit.order, DoubleWord):
        return values, _converted_already(totals)
    if fmt is None:
        return values, 0
    if is_integer(unit.outer_format):
        values = values.astype(value_dtype(unit.outer_format), copy=False)
    refuse_nan(values, fmt)
    rule = unit.overflow_of(fmt)
    if isinstance(fmt, PositFormat):
        how = unit.rounding, totals.struck
        return to_output(values, unit.outer_format, fmt, how, draws)
    if _is_wider(fmt, unit.outer_format) and rule != "saturate_all":
        return carrier_exact(values), 0
    if rule == "wrap" or _in_codes(unit) or fits_float64_grid(fmt, unit.rounding):
        rules = (unit.rounding, rule)
        return wide.round_array(values, unit.outer_format, fmt, rules, totals.struck, draws)
    return round_values(carrier_exact(values), fmt, unit.rounding, rule, totals.struck, draws)


def _converted_already(totals: Totals) -> int:
    """Overflows of conversions that a kernel did, which its last format counted."""
    count = int(totals.outer[OVERFLOW])
    totals.outer[OVERFLOW] = 0
    return count


def _telemetry(
    facts: Facts, unit: MacUnit, totals: Totals, found: tuple[int, int, int]
) -> Telemetry:
    converted, outside, dropped = found  # overflows of conversions; outputs out of range; shifts
    batch, m, k = facts.a.shape
    n = facts.b.shape[2]
    outputs = batch * m * n
    inner_steps, outer_steps = unit.order.steps(k)
    if isinstance(unit.order, Fused | Staged):
        inner_steps = facts.terms  # every one is added, though a block is rounded once
    struck = converted > 0 or totals.overflowed
    inner = step_counts(totals.inner, outputs * inner_steps)
    return Telemetry(
        **vars(inner),
        outer=step_counts(totals.outer, outputs * outer_steps),
        outputs=outputs,
        products=outputs * k,
        zero_operands=totals.zeros,
        shifted_out=dropped,
        overflow_products=int(totals.inner[PRODUCT_OVERFLOW]),
        overflow_converted=converted,
        overflow_outputs=int(np.count_nonzero(totals.struck)) if struck else 0,
        out_of_range=outside,
        lost=exact_total(*totals.lost),
        mass=totals.whole_mass or exact_total(*totals.mass),
        complete=totals.complete,
    )
