"""Sums of logarithms: operands and c as fields, tables, and the kernels' scalars."""

from __future__ import annotations

import math
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import NONE
from hwsim_kernels.logsums import NEVER, ZERO, LogUnit, Rounding, counting_kernel, log_sums

from hwsim.formats import Format, LogFormat
from hwsim.reference import logsums as exactly
from hwsim.simulate.facts import Facts
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.tally import Tally, Totals
from hwsim.units import LogSum, MacUnit

Array = npt.NDArray[Any]
ROWS = 32  # of a task
PANEL = 256  # columns whose operands stay in cache
UNSURE = 2.0**-20  # float64 errs by less than this share of an entry's last place
MOST_BITS = 18  # under the point: logarithms of float64's numbers have 11 above it, and a sign


def log_product(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The sums' values, and what was counted; None where float64 does not hold a sum of two."""
    fmt = unit.log_accumulator
    if not _fits(unit) or (level != NONE and fmt.largest >= 2**1022):
        return None
    job = _Job(facts, unit, level)
    run_tiles(job.tasks(), threads)
    for where, tally in job.tallies:
        job.totals.add(tally, where)
    values = magnitudes(fmt)[job.fields]
    np.negative(values, out=values, where=(job.signs != 0) & (job.fields != 0))
    return values, job.totals


def log_proof(unit: MacUnit) -> str:
    """Why the kernels give the bits."""
    if not _fits(unit):
        return f"the exact reference, slowly: entries of more than {MOST_BITS} fraction bits"
    return "int32: logarithms are added and rounded to fields; entries of tables are exact"


def _fits(unit: MacUnit) -> bool:
    """Whether int32 holds every logarithm, with the bits that are rounded."""
    formats = (unit.a, unit.b, unit.log_accumulator)
    bits = max(fmt.fraction_bits for fmt in formats if isinstance(fmt, LogFormat))
    return max(bits, _places(unit)) <= MOST_BITS


class _Job:
    """One product cut into rows and columns."""

    def __init__(self, facts: Facts, unit: MacUnit, level: int) -> None:
        self.unit, self.level = unit, level
        self.scalars, self.table = scalars(unit)
        bits = _common_bits(unit)
        self.a, self.b = (logarithms(x, f, bits) for x, f in ((facts.a, unit.a), (facts.b, unit.b)))
        shape = (*facts.a.shape[:2], facts.b.shape[2])
        self.fields, self.signs = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        if facts.c is not None:
            self.fields[...], self.signs[...] = fields(facts.c, unit.log_accumulator)
        self.totals = Totals(shape, level)
        self.tallies: list[tuple[Any, Tally]] = []

    def tasks(self) -> list[partial[None]]:
        """One for every block of outputs."""
        batch, m, n = self.fields.shape
        return [
            partial(self.run, (item, slice(row, row + ROWS), slice(column, column + PANEL)))
            for item in range(batch)
            for column in range(0, n, PANEL)
            for row in range(0, m, ROWS)
        ]

    def run(self, where: tuple[int, slice, slice]) -> None:
        """One block."""
        item, rows, columns = where
        left = [np.ascontiguousarray(x[item, rows]) for x in self.a]
        right = [np.ascontiguousarray(x[item, :, columns]) for x in self.b]
        sums = [np.ascontiguousarray(x[where]) for x in (self.fields, self.signs)]
        arrays = (*left, *right, *sums, self.table, self.scalars)
        if self.level == NONE:
            log_sums(*arrays)
        else:
            tally = Tally(sums[0].shape, (np.int64, np.int64), self.level)
            values = magnitudes(self.unit.log_accumulator).astype(np.float64)
            slots = (tally.flags, tally.inner, tally.lost, tally.mass)
            counting_kernel(self.level)(*arrays, values, slots)
            self.tallies.append((where, tally))
        self.fields[where], self.signs[where] = sums


# --- numbers --------------------------------------------------------------------------------------
@cache
def magnitudes(fmt: LogFormat) -> Array:
    """The value of each field, that of zero at 0, in the format's value dtype."""
    dtype = np.float32 if fmt.value_bits == 24 else np.float64
    first = fmt.first_field
    found = [float(fmt.magnitude(field)) for field in range(first, fmt.last_field + 1)]
    return np.array([0.0] * first + found, dtype)


def fields(x: Array, fmt: LogFormat) -> tuple[Array, Array]:
    """(field, sign) of values of the format, int32; a zero's are those of the first field."""
    sizes, known = np.abs(x), magnitudes(fmt)
    field = np.searchsorted(known, sizes.astype(known.dtype)).astype(np.int32)
    return field, (x < 0).astype(np.int32)


def logarithms(x: Array, fmt: Format, bits: int) -> tuple[Array, Array]:
    """(logarithm with ``bits`` fraction bits, sign) of values; `ZERO` of zeros."""
    assert isinstance(fmt, LogFormat)
    field, minus = fields(x, fmt)
    logs = (field - np.int32(fmt.exponent_bias)) << np.int32(bits - fmt.fraction_bits)
    return np.where(x == 0, ZERO, logs).astype(np.int32), minus


def _common_bits(unit: MacUnit) -> int:
    """Fraction bits of a product's logarithm."""
    return max(fmt.fraction_bits for fmt in (unit.a, unit.b) if isinstance(fmt, LogFormat))


def _places(unit: MacUnit) -> int:
    """Fraction bits of the tables' entries."""
    assert isinstance(unit.order, LogSum)
    places = unit.order.places
    return unit.log_accumulator.fraction_bits if places is None else places


# --- tables and roundings -------------------------------------------------------------------------
@cache
def scalars(unit: MacUnit) -> tuple[LogUnit, Array]:
    """What the kernels know of a unit, and both tables, one after the other."""
    fmt, places, bits = unit.log_accumulator, _places(unit), _common_bits(unit)
    f = fmt.fraction_bits
    table = tables(f, places) << np.int32(max(0, f - places))
    table[table.size // 2] = NEVER
    of_products = rounding(unit.rounding, max(0, bits - f))
    return (
        LogUnit(
            last=np.int32(fmt.last_field),
            align=np.int32(max(0, f - bits)),
            bias=np.int32(fmt.exponent_bias << max(0, bits - f)),
            product=of_products,
            sum=rounding(unit.rounding, max(0, places - f)),
            entries=np.int32(table.size // 2 - 1),
        ),
        table,
    )


def rounding(mode: str, more: int) -> Rounding:
    """A rounding of logarithms with ``more`` bits under a field's."""
    all_but_one, half = (1 << more) - 1, (1 << more) >> 1
    plus, minus, odd = {
        "rne": (max(half - 1, 0), max(half - 1, 0), int(more > 0)),
        "rna": (half, half, 0),
        "rtz": (0, 0, 0),
        "rup": (all_but_one, 0, 0),
        "rdn": (0, all_but_one, 0),
        "rto": (all_but_one, all_but_one, -all_but_one),
    }[mode]
    tiny = {"rup": (1, 0), "rdn": (0, 1), "rto": (1, 1)}.get(mode, (0, 0))
    return Rounding(*(np.int32(x) for x in (more, plus, minus, odd, *tiny)))


@cache
def tables(bits: int, places: int) -> Array:
    """s(z) and d(z) for z = 0, −1, … fields, to the nearest multiple of 2^-places, in these: int32,
    each up to its first 0; that of d(0) is 0."""
    count = (places + 3) << bits
    z = -np.arange(count + 1) / (1 << bits)
    powers = np.exp2(z)
    with np.errstate(divide="ignore"):
        found = np.stack([np.log1p(powers), np.log1p(-powers)]) / math.log(2.0) * 2.0**places
    found[1, 0] = 0.0
    nearest = np.rint(found).astype(np.int32)
    unsure = np.abs(np.abs(found - nearest) - 0.5) < UNSURE
    for which, k in np.argwhere(unsure):
        entry = (exactly.plus, exactly.minus)[which]
        nearest[which, k] = entry(int(k), bits, places)
    table: Array = nearest.ravel()
    return table
