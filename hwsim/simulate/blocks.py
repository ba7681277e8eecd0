"""Run a plan of datapaths on a product: operands packed, units of work handed to threads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels._jit import was_compiled
from hwsim_kernels.blocked import K_BLOCK
from hwsim_kernels.draws import FACTORS
from hwsim_kernels.joins import join_function
from hwsim_kernels.multiply import ROWS
from hwsim_kernels.operands import zero_pairs
from hwsim_kernels.packing import empty, pack
from hwsim_kernels.paths import (
    ALL,
    DRAWN,
    EMPTY,
    FULL,
    LARGEST,
    MITCHELL,
    NEAREST,
    NONE,
    PLAIN,
    SLOTS,
    TERMS,
    TOUCHED,
    UNBOUNDED,
    Path,
    Scalars,
    lossless,
)
from hwsim_kernels.tiles import columns, lanes

from hwsim.formats import FloatFormat, Format, stochastic_of
from hwsim.simulate.cores import CARRIERS, NO_TABLE, laid_out, plane_count
from hwsim.simulate.datapaths import Plan, family, relatives
from hwsim.simulate.elementwise import convert, read_only
from hwsim.simulate.facts import Facts
from hwsim.simulate.finish import prepare as prepare_finish
from hwsim.simulate.grids import draw_place, lane_scalars
from hwsim.simulate.operands import PART
from hwsim.simulate.orders import driver, losing_steps, numbers_of, stack_for
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.stages import refuse_nan
from hwsim.simulate.streams import Draws
from hwsim.simulate.sums import finest_bit, way_of
from hwsim.simulate.tally import Totals
from hwsim.units import Chunked, DotAdd, Lanes, MacUnit, Sequential, Tree

Array = npt.NDArray[Any]

NO_DRAWS = (np.zeros((1, 1), np.uint64), np.zeros((1, 1), np.uint64), np.zeros((2, 1), np.uint64))
# What nothing is written to, where nothing is counted or nothing can overflow.
NO_MASS = np.zeros((1, 1, 1, 1))
NO_FLAGS = {width: np.zeros((1, 1, 1), whole) for width, (_, whole) in CARRIERS.items()}
BLOCK = 64  # rows that use a panel while it is in cache
SMALL = 1 << 20  # multiplications that are not worth a second thread


def run_plan(facts: Facts, plan: Plan, level: int, threads: int) -> tuple[Array, Totals]:
    """The product's values, in the carrier, and what was counted."""
    job = _Job.make(facts, plan, level, threads)
    if facts.draws:
        job.take(facts.draws)
    job.run(threads)
    return job.finish(facts)


class _Program(NamedTuple):
    """What runs a plan, whatever the data."""

    kernel: Any
    step: int  # products that stay together
    scalars: Array
    function: int  # the address of what chunk sums enter; 0 for nothing
    wide: int  # columns of a panel
    floats: np.dtype[Any]
    whole: np.dtype[Any]
    limited: bool  # whether a sum may overflow
    planes: int  # of an operand
    plain_zeros: bool  # whether −0, which is none of the results, may come out


@lru_cache(maxsize=1 << 12)
def _program(plan: Plan) -> _Program:
    path, unit, order = plan.inner.path, plan.unit, plan.unit.order
    outer = plan.outer.path if plan.outer else None
    planes = plane_count(unit, path.product)
    step = max(1, K_BLOCK // planes)
    if isinstance(order, Chunked | DotAdd):
        step = order.length if isinstance(order, Chunked) else order.width
    how, formats = stochastic_of(unit.rounding), (unit.accumulator, unit.outer_format)
    scalars = _scalars(*formats, path.width, plan.negated, how.bits if how else 0)
    if isinstance(order, DotAdd):
        scalars = _from_minus_zero(scalars)
    limited = path.limit != UNBOUNDED or (outer is not None and outer.limit != UNBOUNDED)
    fmt, last = unit.outer_format, outer or path
    negative = plan.negated or last.signs or fmt.lowest == 0
    fixed = join_function(outer), columns(path), *CARRIERS[path.width], limited, planes
    plain_zeros = negative and not fmt.has_negative_zero
    return _Program(driver(order, path), step, scalars, *fixed, plain_zeros)


@dataclass
class _Job:
    """One product, laid out for the kernels."""

    plan: Plan
    program: _Program
    level: int
    swapped: bool  # lanes go along m: a·b = b·a, zeros' signs included
    sizes: tuple[int, int, int, int]  # batch, m, k, n as the kernels see them
    a: Array
    b: Array
    table: Array
    out: Array
    flags: Array
    counts: list[Array]
    lost: Array
    fresh: bool  # sums start at zero, which the kernels write
    words: tuple[Array, Array, Array] = NO_DRAWS  # what draws come from

    @classmethod
    def make(cls, facts: Facts, plan: Plan, level: int, threads: int) -> _Job:
        path, program, c = plan.inner.path, _program(plan), facts.c
        wide, carrier = program.wide, program.floats
        # Lanes go along n, as operands lie in memory, unless that computes much more padding.
        m, n = facts.a.shape[1], facts.b.shape[2]
        swapped = 10 * _padded(n, m, wide) < 9 * _padded(m, n, wide)
        laid = laid_out(facts, plan, swapped)
        a, b = laid.a, laid.b
        if swapped:
            a, b = b.swapaxes(1, 2), a.swapaxes(1, 2)
            c = None if c is None else c.swapaxes(1, 2)
        (batch, m, k), n = a.shape, b.shape[2]
        panels, rows = -(-n // wide), -(-m // ROWS) * ROWS
        left = _left(a, rows, carrier, plan.negated and path.product in (PLAIN, TERMS))
        right = empty((batch, panels, k, wide), carrier)
        _pack(b, right, threads if b.size >= PART else 1)
        out = empty((batch, rows, panels * wide), carrier)
        if c is not None:
            out[...] = 0.0
            out[:, :m, :n] = -c if plan.negated else c
        flags, lost = NO_FLAGS[path.width], NO_MASS
        if level != NONE and program.limited:
            flags = empty(out.shape, program.whole)
        if level == ALL:
            tiles = (batch, panels, rows // ROWS)
            lost = np.zeros((2, *out.shape) if path.ordered else (1, *tiles))
        sizes = (batch, m, facts.length, n)
        arrays = (left, right, laid.table, out, flags)
        return cls(plan, program, level, swapped, sizes, *arrays, [], lost, c is None)

    def take(self, draws: Draws) -> None:
        """Lay out what draws come from, as the kernels see rows and columns."""
        draws = draws.swapped() if self.swapped else draws
        batch, m, k, n = self.sizes
        if draws.how.lfsr:
            registers = np.zeros((2, *self.out.shape), self.program.whole)
            draws.registers(0, registers[0, :, :m, :n])
            if self.plan.outer:
                draws.registers(k, registers[1, :, :m, :n])
            self.words = (*registers, np.array([[draws.how.feedback]], np.uint64))
            return
        unit, width = self.plan.unit, self.plan.inner.path.width
        rows = np.zeros(self.out.shape[:2], np.uint64)
        columns = np.zeros((batch, self.out.shape[2]), np.uint64)
        rows[:, :m], columns[:, :n] = draws.rows, draws.columns
        if width == 32:  # words of even columns of a vector, then of odd ones
            vectors = columns.reshape(batch, -1, lanes(self.plan.inner.path) // 2, 2)
            columns = vectors.swapaxes(2, 3).reshape(columns.shape)
        factors = np.full((2, 1), FACTORS[1], np.uint64)
        if width == 32:
            formats = (unit.accumulator, unit.outer_format)
            places = [draw_place(fmt, width, draws.how.bits) for fmt in formats]
            factors <<= np.array(places, np.uint64)[:, None]
        self.words = (rows, columns, factors)

    def run(self, threads: int) -> None:
        """All units of work, cut evenly; results do not depend on the cuts."""
        order, program = self.plan.unit.order, self.program
        kernel, function = program.kernel, program.function
        batch, _, k, n = self.sizes
        rows = self.out.shape[1]
        small = batch * rows * k * n <= SMALL
        share = -(-rows // (threads * ROWS)) * ROWS
        block = max(ROWS, min(BLOCK, rows if small else share))
        units = batch * self.b.shape[1] * -(-rows // block)
        pieces = 1 if small or threads == 1 else min(units, 8 * threads)
        numbers = numbers_of(order, program.step, k)
        tasks = []
        for i in range(pieces):
            first, last = units * i // pieces, units * (i + 1) // pieces
            counts = np.zeros((2, SLOTS), np.int64)
            self.counts.append(counts)
            arrays = (self.a, self.b, self.table, self.out, self.flags, program.scalars, counts)
            last_array = self.lost
            if isinstance(order, (Lanes, Tree)):
                last_array = stack_for(order, self.plan.inner.path, self.out.dtype)
            span = (first, last, block, numbers, self.fresh, program.planes, function)
            tasks.append(partial(kernel, *arrays, last_array, self.words, *span))
        run_tiles(tasks, 1 if small else threads)
        if self.level != ALL and (kernel, function) not in _known:
            _known.add((kernel, function))
            self._prepare(kernel, function)

    def _prepare(self, kernel: Any, function: int) -> None:
        """Compile what other formats will need, once something had to be compiled: a sweep then
        compiles nothing after its first unit, and the cache on disk has everything.  Of products
        that are approximate few kernels are needed, each when it is."""
        path, order = self.plan.inner.path, self.plan.unit.order
        way = way_of(self.plan.unit.rounding)
        compiled = kernel.stats.cache_misses and path.product == PLAIN
        if compiled and isinstance(order, Lanes | Tree):
            prepare_order(isinstance(order, Tree), self.level, way)
        elif compiled:
            prepare(self.level)
            prepare_way(self.level, way, path.clocked)
        if was_compiled(function):
            prepare_joins(self.level, way, path.clocked)

    def finish(self, facts: Facts) -> tuple[Array, Totals]:
        """Values and counts as the caller knows them."""
        plan = self.plan
        _, m, _, n = self.sizes
        values = self.out[:, :m, :n]
        if plan.negated:
            values = -values
        if self.program.plain_zeros:
            values = values + values.dtype.type(0)
        struck = self.flags[:, :m, :n] if self.flags.shape == self.out.shape else None
        if self.swapped:
            values = values.swapaxes(1, 2)
            struck = None if struck is None else struck.swapaxes(1, 2)
        refuse_nan(values, plan.unit.outer_format)
        totals = Totals(values.shape, self.level)
        totals.finite = facts.finite and plan.finite
        if self.level != NONE:
            self._count(facts, totals)
            if struck is not None and totals.overflowed:
                totals.struck = np.ascontiguousarray(struck != 0, np.uint8)
        return values, totals

    def _count(self, facts: Facts, totals: Totals) -> None:
        plan = self.plan
        batch, _, k, _ = self.sizes
        outputs = batch * self.out.shape[1] * self.out.shape[2]  # padding gives zero products
        counts = sum(self.counts, np.zeros((2, SLOTS), np.int64))
        for i in (0, 1):
            counts[i, LARGEST] = max(piece[i, LARGEST] for piece in self.counts)
        zeros = facts.zero_products
        known = plan.inner.path.product in (PLAIN, MITCHELL)
        empty_inner = zeros + outputs * k - self._products() if known else int(counts[0, EMPTY])
        empty_ones = empty_inner, int(counts[1, EMPTY])
        for where, row, steps, none in _levels(plan, k, outputs, empty_ones, counts):
            mine = totals.outer if where else totals.inner
            mine += row[: mine.size]
            mine[FULL] = steps - row[TOUCHED] - none if steps else 0
        if self.level == ALL:
            totals.lost.append(self.lost[0])
            if plan.inner.path.ordered:
                totals.mass.append(self.lost[1])
            else:
                totals.whole_mass = _mass(facts, plan.unit)

    def _products(self) -> int:
        batch, m, k, n = self.sizes
        return batch * m * k * n


def _levels(
    plan: Plan, k: int, outputs: int, zeros: tuple[int, int], counts: Array
) -> list[tuple[bool, Array, int, int]]:
    """(whether outer, counts, steps that may lose something, zero addends among them) of each
    level; ``zeros``: products, and sums that entered outer ones."""
    order, inner = plan.unit.order, plan.inner.path
    outer = plan.outer.path if plan.outer else None
    if isinstance(order, DotAdd):  # its steps are those on sums of groups
        assert outer
        steps = 0 if lossless(outer) else outputs * order.steps(k)[0]
        return [(False, counts[1], steps, zeros[1])]
    if isinstance(order, Lanes | Tree):
        assert outer
        products, joined = losing_steps(order, k, inner, outer)
        some = (zeros[0] if products else 0) + int(counts[0, EMPTY])
        found = [(False, counts[0], outputs * (products + joined), some)]
    else:
        steps = 0 if lossless(inner) else outputs * k
        found = [(False, counts[0], steps, zeros[0])]
    if outer:
        steps = 0 if lossless(outer) else outputs * order.steps(k)[1]
        found.append((True, counts[1], steps, zeros[1]))
    return found


_known: set[tuple[Any, int]] = set()  # kernels, and what sums enter, that this process has run


@cache
def prepare(level: int) -> None:
    """What sums to nearest need, and those that nothing is asked of."""
    _compile(family(level))
    _prepare_operands()
    for carrier, _ in CARRIERS.values() if level != NONE else ():
        some = read_only(np.zeros((1, 1, 1), carrier))
        zero_pairs(some, some)


@cache
def prepare_way(level: int, way: int | None, clocked: bool) -> None:
    """The same of another rounding, once one of its kernels was compiled; where much is counted
    kernels of directed ones are compiled as they are met, and those that shift registers have."""
    if not clocked and (level == NONE or way in DRAWN):
        _compile(relatives(level, way, clocked))


@cache
def prepare_order(trees: bool, level: int, way: int | None) -> None:
    """The same of lanes or trees, to nearest and with nothing counted."""
    if level == NONE and way == NEAREST:
        _compile(family(level), Tree(2) if trees else Lanes(2))


@cache
def prepare_joins(level: int, way: int | None, clocked: bool) -> None:
    """What sums enter: small functions."""
    for path in relatives(level, way, clocked):
        join_function(path)


def _compile(paths: list[Path], order: Lanes | Tree | None = None) -> None:
    for path in paths:
        carrier, whole = CARRIERS[path.width]
        wide = columns(path)
        left, right = np.zeros((1, 0, 1), carrier), np.zeros((1, 1, 1, wide), carrier)
        out, flags = np.zeros((1, 0, wide), carrier), np.zeros((1, 1, 1), whole)
        scalars = np.zeros((2, len(Scalars._fields)), carrier)
        counts = np.zeros((2, SLOTS), np.int64)
        last = stack_for(order, path, carrier) if order else NO_MASS
        arrays = (read_only(left), right, NO_TABLE[path.width], out, flags, scalars, counts, last)
        one = order or Sequential()
        numbers = numbers_of(one, 1, 0)
        driver(one, path)(*arrays, NO_DRAWS, 0, 0, ROWS, numbers, True, 1, 0)


@cache
def _prepare_operands() -> None:
    """The same for what lays operands out and rounds them, and looks at them and at results."""
    prepare_finish()
    floats = (np.float32, np.float64)
    for source, carrier in ((floats[0], floats[0]), (floats[0], floats[1]), (floats[1], floats[1])):
        b = np.zeros((2, 3, 2), source)
        out = np.zeros((2, 1, 3, 64), carrier)
        for operand in (
            b,
            b.swapaxes(1, 2)[:1],
            b.swapaxes(1, 2),
        ):  # C's order, Fortran's, none
            pack(read_only(operand), out, 0, 0)
        # Lanes of float32; rounding by bits; lanes of float64.
        for fmt in (FloatFormat(4, 4), FloatFormat(8, 8), FloatFormat(8, 24)):
            convert(np.zeros(1, source), np.zeros(1, carrier), fmt, "rne", "saturate")


def _scalars(inner: Format, outer: Format, width: int, negated: bool, random: int) -> Array:
    return np.stack([lane_scalars(fmt, width, negated, random) for fmt in (inner, outer)])


def _from_minus_zero(scalars: Array) -> Array:
    """The same, of groups that start at −0: a sum of products of −0 is −0."""
    scalars = scalars.copy()
    scalars[0, Scalars._fields.index("start")] = -0.0
    return scalars


def _padded(rows: int, lanes: int, wide: int) -> int:
    """Outputs computed, those of padding included."""
    return -(-rows // ROWS) * ROWS * (-(-lanes // wide) * wide)


def _pack(b: Array, right: Array, threads: int) -> None:
    """Operand b in panels."""
    units = right.shape[0] * right.shape[1]
    view = read_only(b)
    if threads == 1:
        pack(view, right, 0, units)
        return
    cuts = [units * i // threads for i in range(threads + 1)]
    run_tiles([partial(pack, view, right, *ends) for ends in pairwise(cuts)], threads)


def _left(a: Array, rows: int, carrier: np.dtype[Any], negated: bool) -> Array:
    """Operand a for the kernels: contiguous, with zero rows up to a multiple of ROWS."""
    m = a.shape[1]
    if m == rows and not negated:
        return read_only(np.ascontiguousarray(a, carrier))
    left = np.zeros((a.shape[0], rows, a.shape[2]), carrier)
    left[:, :m] = -a if negated else a
    return read_only(left)


def _mass(facts: Facts, unit: MacUnit) -> Fraction:
    """Σ|a·b| over all outputs: Σₖ Σᵢ|aᵢₖ|·Σⱼ|bₖⱼ|, since no output's own sum rounds (proved)."""
    places = finest_bit(unit.a, facts.a_min), finest_bit(unit.b, facts.b_min)
    columns_of_a = _sums(facts.a, 1, places[0], facts.a_max)
    rows_of_b = _sums(facts.b, 2, places[1], facts.b_max)
    total = sum(x * y for x, y in zip(columns_of_a, rows_of_b, strict=True))
    return total * Fraction(2) ** sum(places)


def _sums(x: Array, axis: int, quantum: int, largest: float) -> list[int]:
    """Σ|x| along an axis, flat over the others, in units of 2^quantum: every x is a multiple."""
    sizes = np.abs(x)
    top = math.frexp(largest)[1] + x.shape[axis].bit_length()
    if largest == 0.0 or (top - quantum <= 53 and top <= 1023):
        sums = np.ldexp(sizes.sum(axis=axis, dtype=np.float64), -quantum)
        whole: list[int] = sums.astype(np.int64).ravel().tolist()
        return whole
    lines = np.moveaxis(sizes, axis, -1).reshape(-1, x.shape[axis])
    unit = Fraction(2) ** quantum
    return [int(sum(map(Fraction, line), Fraction(0)) / unit) for line in lines.tolist()]
