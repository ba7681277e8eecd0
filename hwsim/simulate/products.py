"""One matrix product on a unit: values of its formats in, values of its output format out.

Everything here works on operands that were already rounded into their formats.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, NONE, PRODUCT_OVERFLOW

from hwsim import reference
from hwsim.formats import FloatFormat, Format
from hwsim.simulate.blocks import run_plan
from hwsim.simulate.conversions import round_values, rounded, value_dtype
from hwsim.simulate.datapaths import plan
from hwsim.simulate.exact import exact_product, integer_product
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import fits_float64_grid
from hwsim.simulate.inputs import carrier_exact
from hwsim.simulate.lowering import lower
from hwsim.simulate.range_check import out_of_range
from hwsim.simulate.stages import refuse_nan
from hwsim.simulate.tally import Totals, exact_total, step_counts
from hwsim.simulate.tiles import tiled_product
from hwsim.units import Chunked, Exact, MacUnit, Telemetry, is_integer

Array = npt.NDArray[Any]


def multiply(
    a: Array, b: Array, c: Array | None, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Telemetry]:
    """(batch, m, k) × (batch, k, n) + c on ``unit``; results in the value dtype of its output."""
    facts = Facts(a, b, c)
    done = None
    if not _output_problem(unit):
        done = _by_kernels(facts, unit, level, threads)
    if done is None:
        return _by_reference(facts, unit, level)
    values, totals = done
    values, converted = _convert(values, unit, totals)
    values = values.astype(value_dtype(unit.output_format), copy=False)
    if values.dtype.kind == "f" and unit.output_format.has_nan and not _has_no_nan(facts, unit):
        values[np.isnan(values)] = math.nan  # every NaN is the canonical one
    telemetry = _telemetry(facts, unit, totals, converted) if level != NONE else Telemetry()
    return values, telemetry


def _has_no_nan(facts: Facts, unit: MacUnit) -> bool:
    """Whether operands and rules make NaN impossible."""
    rules = {unit.overflow_of(fmt) for fmt in unit.rounded_formats().values()}
    return facts.finite and rules <= {"saturate", "saturate_all", "wrap"}


def _by_kernels(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product in the accumulator's carrier; None when no kernel is proved."""
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
        return run_plan(facts, paths, level, threads)
    stages = lower(unit, facts, level)
    return None if isinstance(stages, str) else tiled_product(facts, unit, stages, level, threads)


def _by_reference(facts: Facts, unit: MacUnit, level: int) -> tuple[Array, Telemetry]:
    """The exact reference, for the units that no kernel is proved for."""
    if level == NONE:
        return np.asarray(reference.matmul(facts.a, facts.b, unit, c=facts.c)), Telemetry()
    values, telemetry = reference.matmul(facts.a, facts.b, unit, c=facts.c, telemetry=True)
    return np.asarray(values), telemetry if level == ALL else _cheap(telemetry)


def _cheap(telemetry: Telemetry) -> Telemetry:
    """Only what ``"counts"`` promises."""
    outer = replace(telemetry.outer, dominated=0, underflow=0, largest=0.0)
    telemetry = replace(telemetry, dominated=0, underflow=0, largest=0.0, outer=outer)
    return replace(telemetry, out_of_range=0, lost=0.0, mass=0.0, complete=False)


def _output_problem(unit: MacUnit) -> str:
    """Why results cannot be converted by kernels; empty when they can."""
    fmt = unit.output
    if fmt is None or _is_wider(fmt, unit.outer_format):
        return ""
    inner = unit.outer_format
    if is_integer(inner) and inner.width > 53 and unit.overflow_of(fmt) == "wrap":
        return "" if is_integer(fmt) else f"wrapping {inner} into {fmt} needs all of its bits"
    return fits_float64_grid(fmt)


def _is_wider(fmt: Format, inner: Format) -> bool:
    """Whether fmt is fp64 and takes every float64 unchanged."""
    plain = isinstance(fmt, FloatFormat) and fmt == FloatFormat(11, 53)
    return plain and (isinstance(inner, FloatFormat) or inner.width <= 53)


def _convert(values: Array, unit: MacUnit, totals: Totals) -> tuple[Array, int]:
    """Results in the output format, and how many overflowed on the way."""
    fmt = unit.output
    if fmt is None:
        return values, 0
    refuse_nan(values, fmt)
    rule = unit.overflow_of(fmt)
    if values.dtype.kind in "iu" and is_integer(fmt):
        over = (values < int(fmt.lowest)) | (values > int(fmt.largest))
        if totals.level != NONE:
            totals.struck |= over
        return rounded(values, fmt, unit.rounding, rule), int(np.count_nonzero(over))
    flat = np.ascontiguousarray(carrier_exact(values)).reshape(-1)
    if _is_wider(fmt, unit.outer_format) and rule != "saturate_all":
        return flat.reshape(values.shape), 0
    if rule == "wrap" and not np.isfinite(flat).all():
        raise ValueError(f"Inf reached {fmt}, which cannot wrap it")
    return round_values(flat.reshape(values.shape), fmt, unit.rounding, rule, totals.struck)


def _telemetry(facts: Facts, unit: MacUnit, totals: Totals, converted: int) -> Telemetry:
    batch, m, k = facts.a.shape
    n = facts.b.shape[2]
    outputs = batch * m * n
    chunks = -(-k // unit.order.length) if isinstance(unit.order, Chunked) else 0
    inner = step_counts(totals.inner, outputs * k)
    complete = totals.complete
    return Telemetry(
        **vars(inner),
        outer=step_counts(totals.outer, outputs * chunks),
        outputs=outputs,
        products=outputs * k,
        zero_operands=totals.zeros,
        overflow_products=int(totals.inner[PRODUCT_OVERFLOW]),
        overflow_converted=converted,
        overflow_outputs=int(np.count_nonzero(totals.struck)),
        out_of_range=out_of_range(facts, unit.outer_format) if complete else 0,
        lost=exact_total(*totals.lost),
        mass=totals.whole_mass or exact_total(*totals.mass),
        complete=complete,
    )
