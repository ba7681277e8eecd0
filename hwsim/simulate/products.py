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

from hwsim import reference
from hwsim.formats import FloatFormat, Format, PositFormat
from hwsim.simulate import wide
from hwsim.simulate.conversions import round_values, value_dtype
from hwsim.simulate.core_products import parts, summing_unit
from hwsim.simulate.cores import out_of_core
from hwsim.simulate.facts import Facts
from hwsim.simulate.finish import holds_nan
from hwsim.simulate.grids import fits_float64_grid
from hwsim.simulate.inputs import carrier_exact
from hwsim.simulate.posits import to_output
from hwsim.simulate.powers import shifted_out
from hwsim.simulate.preparations import Product, plainer, preparations, with_nan
from hwsim.simulate.range_check import out_of_range
from hwsim.simulate.stages import refuse_nan
from hwsim.simulate.streams import Draws
from hwsim.simulate.tally import Totals, exact_total, step_counts
from hwsim.simulate.ways import by_kernels, is_in_codes
from hwsim.units import (
    DoubleWord,
    Fused,
    MacUnit,
    Staged,
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
    product = Product(unit, a, b, c)
    for prepare in preparations(unit):
        product = prepare(product)
    facts = Facts(product.a, product.b, product.c, draws=draws)
    values, found = of_facts(facts, product.unit, level, threads)
    if product.meant is not None and level != NONE:
        found = replace(found, zero_operands=Facts(*product.meant, None).zero_products)
    if unit.nan is not None:
        values = with_nan(values, unit.nan, unit.output_format)
    return values, found


def of_facts(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Telemetry]:
    """The same of operands that nothing is left to be done to."""
    unit = plainer(unit, facts)
    done = by_kernels(facts, unit, level, threads)
    summing = None if done or unit.core is None or unit.ftz else summing_unit(unit)
    if summing is not None:
        return _by_products(facts, unit, summing, level, threads)
    if done is None and not wide.knows(unit, facts):
        return by_reference(facts.a, facts.b, facts.c, unit, level, facts.draws)
    values, totals = done or wide.wide_product(facts, unit, level, threads)
    values, converted = _convert(values, facts, unit, totals)
    if not _has_no_nan(facts, unit, totals) and holds_nan(values):
        values[np.isnan(values)] = math.nan  # every NaN is the canonical one
    if level == NONE:
        return values, NOTHING
    outside = 0
    if level == ALL and unit.core is not None:
        outside = out_of_core(facts, unit)
    elif level == ALL:
        outside = (out_of_range if done else wide.out_of_range)(facts, unit, threads)
    return values, _telemetry(facts, unit, totals, converted, outside)


def _by_products(
    facts: Facts, unit: MacUnit, summing: MacUnit, level: int, threads: int
) -> tuple[Array, Telemetry]:
    """Sums of products that were made one by one."""
    shape = (*facts.a.shape[:2], facts.b.shape[2])
    out = np.empty(shape, value_dtype(unit.output_format))
    counted = Telemetry(complete=level == ALL)
    for part in parts(facts, unit, wide.holds_codes(summing.b)):
        operands = part.ones, part.products, part.c
        values, telemetry = multiply(*operands, summing, level, threads, part.draws)
        out[part.item, part.rows] = values[:, 0]
        counted = counted + telemetry
    if level == NONE:
        return out, NOTHING
    lost = shifted_out(unit, facts)
    return out, replace(counted, zero_operands=facts.zero_products, shifted_out=lost)


def _has_no_nan(facts: Facts, unit: MacUnit, totals: Totals) -> bool:
    """Whether the plan, or operands and rules, make NaN impossible."""
    if not unit.output_format.has_nan or (totals.finite and unit.output is None):
        return True
    rules = {unit.overflow_of(fmt) for fmt in unit.rounded_formats().values()}
    return facts.finite and rules <= {"saturate", "saturate_all", "wrap"}


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


def _is_wider(fmt: Format, inner: Format) -> bool:
    """Whether fmt is fp64 and takes every float64 unchanged."""
    plain = isinstance(fmt, FloatFormat) and fmt == FloatFormat(11, 53)
    return plain and (isinstance(inner, FloatFormat) or inner.width <= 53)


def _convert(values: Array, facts: Facts, unit: MacUnit, totals: Totals) -> tuple[Array, int]:
    """Results in the output format, and how many overflowed on the way."""
    fmt, draws = unit.output, None
    if isinstance(unit.order, DoubleWord):
        return values, _converted_already(totals)
    if fmt is None:
        return values, 0
    if facts.draws:
        draws = facts.draws.of_step(steps_of(unit, facts.length).first_output)
    if is_integer(unit.outer_format):
        values = values.astype(value_dtype(unit.outer_format), copy=False)
    refuse_nan(values, fmt)
    rule = unit.overflow_of(fmt)
    if isinstance(fmt, PositFormat):
        how = unit.rounding, totals.struck
        return to_output(values, unit.outer_format, fmt, how, draws)
    if _is_wider(fmt, unit.outer_format) and rule != "saturate_all":
        return carrier_exact(values), 0
    if rule == "wrap" or is_in_codes(unit) or fits_float64_grid(fmt, unit.rounding):
        rules = (unit.rounding, rule)
        return wide.round_array(values, unit.outer_format, fmt, rules, totals.struck, draws)
    return round_values(carrier_exact(values), fmt, unit.rounding, rule, totals.struck, draws)


def _converted_already(totals: Totals) -> int:
    """Overflows of conversions that a kernel did, which its last format counted."""
    count = int(totals.outer[OVERFLOW])
    totals.outer[OVERFLOW] = 0
    return count


def _telemetry(
    facts: Facts, unit: MacUnit, totals: Totals, converted: int, outside: int
) -> Telemetry:
    """All counts, overflows of conversions and outputs out of range among them."""
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
        zero_operands=facts.zero_products,
        shifted_out=shifted_out(unit, facts),
        overflow_products=int(totals.inner[PRODUCT_OVERFLOW]),
        overflow_converted=converted,
        overflow_outputs=int(np.count_nonzero(totals.struck)) if struck else 0,
        out_of_range=outside,
        lost=exact_total(*totals.lost),
        mass=totals.whole_mass or exact_total(*totals.mass),
        complete=totals.complete,
    )
