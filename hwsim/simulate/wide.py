"""Any unit and any format by integer arithmetic: what no carrier is proved for, slowly.

The kernels take every format as scalars; this module makes the scalars, lays out the arrays
(int64: bits of float64, or codes) and hands blocks of outputs to threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels import project, register, wide, wide_compensated, wide_orders
from hwsim_kernels.float64 import COUNTS, NONE
from hwsim_kernels.wide import Machine, Operand

from hwsim.formats import FloatFormat, Format, GridFormat, SumFormat, stochastic_of
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import magnitude
from hwsim.simulate.inputs import nan_reached
from hwsim.simulate.posit_stages import has_posits
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.streams import NO_WORDS, drawing
from hwsim.simulate.sums import Bounds, finest_bit, product_of
from hwsim.simulate.tally import Tally, Totals
from hwsim.units import (
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    ExactProduct,
    Kahan,
    Lanes,
    MacUnit,
    Order,
    RoundedProduct,
    Sequential,
    Tree,
    is_integer,
)

Array = npt.NDArray[Any]
MODES = {
    "rne": project.NEAREST,
    "rna": project.AWAY,
    "rtz": project.TRUNCATE,
    "rup": project.UP,
    "rdn": project.DOWN,
    "rto": project.ODD,
}
DRAWN = {"a": project.DRAWN_A, "b": project.DRAWN_B, "c": project.DRAWN_C}
MULTIPLIERS = (ExactProduct, RoundedProduct)
ORDERS = (Sequential, Chunked, Lanes, Tree, DotAdd, Kahan, DoubleWord, Exact)
KERNELS = {
    Lanes: wide_orders.lanes,
    Tree: wide_orders.trees,
    DotAdd: wide_orders.dots,
    Kahan: wide_compensated.kahan,
    DoubleWord: wide_compensated.double_words,
}
WINDOW = 2**128  # steps of a grid on which exact sums of two stay exact
ANY = 1 << 20  # beyond every exponent
BLOCK = 1 << 18  # steps of a task: some hundredths of a second
NO_FLAGS = np.empty(0, np.uint8)
NO_DRAWS = np.empty(0, np.uint32)


def knows(unit: MacUnit, facts: Facts) -> bool:
    """Whether the kernels know every part of the unit, on this data."""
    known = isinstance(unit.multiplier, MULTIPLIERS) and isinstance(unit.order, ORDERS)
    plain = unit.core is None and not unit.ftz and not has_posits(unit)
    if isinstance(unit.order, DotAdd) and unit.order.partial is not None:
        return False
    if isinstance(unit.order, DoubleWord) and not isinstance(unit.output_format, GridFormat):
        return False  # two words are rounded into the output's format by the kernel
    return known and plain and _fits_window(unit, facts)


def _fits_window(unit: MacUnit, facts: Facts) -> bool:
    """Whether exact sums of products fit the kernels' window, where a unit makes such sums: of a
    group, or of two leaves of which only the low bits count."""
    wraps = unit.overflow_of(unit.accumulator) == "wrap"
    if not isinstance(unit.order, DotAdd) and not (isinstance(unit.order, Tree) and wraps):
        return True
    product, fmt = product_of(unit, Bounds.of(facts, facts.quick_bound)), unit.product_format
    largest, quantum = Fraction(product.largest), product.quantum
    if fmt is not None:  # rounded: at most to twice its size, or to the smallest value
        largest = min(magnitude(fmt), max(2 * largest, Fraction(2) ** fmt.quantum_exponent))
        quantum = finest_bit(fmt, facts.a_min * facts.b_min)
    quantum = min(quantum, unit.accumulator.quantum_exponent) if wraps else quantum
    return unit.order.width * largest < WINDOW * Fraction(2) ** quantum


def holds_codes(fmt: Format) -> bool:
    """Whether the kernels take integer codes of ``fmt``, which for integers are the values."""
    return is_integer(fmt) or fmt.carried_as_codes


@cache
def target(fmt: Format, rounding: str, overflow: str) -> tuple[Any, ...]:
    """A format with its rounding and its overflow rule: the fields of `project.TARGET`."""
    floating, how = isinstance(fmt, FloatFormat), stochastic_of(rounding)
    flushed = floating and not fmt.has_subnormals
    small = _parts(fmt.smallest if flushed else Fraction(0), fmt)
    normal, largest = _parts(fmt.smallest_normal, fmt), _parts(fmt.largest, fmt)
    lowest = _parts(abs(fmt.lowest), fmt)
    saturates = overflow in ("saturate", "saturate_all")
    fields = {
        "mode": DRAWN[how.variant] if how else MODES[rounding],
        "random": np.uint64(how.bits if how else 0),
        "digits": fmt.precision - 1 if isinstance(fmt, FloatFormat) else ANY,
        "floor": -ANY if flushed else fmt.quantum_exponent,
        "power": isinstance(fmt, FloatFormat) and fmt.precision == 1,
        "bias": fmt.exponent_bias if isinstance(fmt, FloatFormat) else 0,
        "has_zero": fmt.has_zero,
        "minus_zero": fmt.has_negative_zero,
        "small": small[0],
        "small_exponent": small[1],
        "normal": normal[0],
        "normal_exponent": normal[1],
        "largest": largest[0],
        "largest_exponent": largest[1],
        "lowest": lowest[0],
        "lowest_exponent": lowest[1],
        "over_neg": _overflow(fmt, rounding, overflow, True),
        "over_pos": _overflow(fmt, rounding, overflow, False),
        "inf_neg": _infinity(fmt, overflow, True),
        "inf_pos": _infinity(fmt, overflow, False),
        "nan": _nan(fmt),
        "tiny": project.TO_LOWEST if saturates else _nan(fmt),
        "wraps": overflow == "wrap",
        "mask": np.uint64((1 << fmt.width) - 1),
        "sign_bit": np.uint64(1 << (fmt.width - 1) if fmt.signed else 0),
        "holds": _layout(fmt).holds,
    }
    return tuple(fields[name] for name in project.TARGET.names or ())


def _parts(x: Fraction, fmt: Format) -> tuple[np.uint64, int]:
    """(significand, exponent) of a value ≥ 0; of fixed point with the exponent of its codes."""
    exponent = fmt.quantum_exponent
    if isinstance(fmt, FloatFormat):
        exponent = x.numerator.bit_length() - x.denominator.bit_length() - 60
    scaled = x / Fraction(2) ** exponent
    assert scaled.denominator == 1
    return np.uint64(scaled.numerator), exponent


def _nan(fmt: Format) -> int:
    return project.TO_NAN if fmt.has_nan else project.REFUSE


def _overflow(fmt: Format, rounding: str, overflow: str, negative: bool) -> int:
    """What replaces results outside the range (IEEE 754-2019 §7.4 for ``inf``)."""
    extreme = project.TO_LOWEST if negative else project.TO_LARGEST
    if overflow in ("saturate", "saturate_all"):
        return extreme
    if overflow == "sat_none" and negative and rounding in ("rtz", "rup"):
        return extreme  # of unsigned formats: others have a plain rule
    if overflow == "nan" or (negative and fmt.lowest >= 0):
        return _nan(fmt)
    inward = ("rtz", "rto", "rup" if negative else "rdn")
    if overflow == "sat_none" and not fmt.has_inf:
        return extreme
    return extreme if overflow in ("inf", "sat_none") and rounding in inward else project.TO_INF


def _infinity(fmt: Format, overflow: str, negative: bool) -> int:
    """What ±Inf becomes."""
    extreme = project.TO_LOWEST if negative else project.TO_LARGEST
    if negative and not fmt.has_zero:
        return _nan(fmt)
    if overflow == "saturate_all":
        return extreme
    if fmt.has_inf and not (negative and fmt.lowest >= 0):
        return project.TO_INF
    kept = overflow == "saturate" or (overflow == "sat_none" and not negative)
    return extreme if kept else _nan(fmt)


def _layout(fmt: Format) -> Operand:
    """How arrays of a format's values reach the kernels."""
    if not holds_codes(fmt):
        return Operand(project.FLOAT64, 0)
    return Operand(project.SIGNED if fmt.signed else project.UNSIGNED, fmt.quantum_exponent)


def _laid_out(x: Array, fmt: Format) -> Array:
    """Values of ``fmt`` as int64: bits of float64, or codes."""
    if not holds_codes(fmt):
        return np.ascontiguousarray(x, np.float64).view(np.int64)
    integers = np.ascontiguousarray(x, np.int64 if fmt.signed else np.uint64)
    return integers.view(np.int64)


def _values(x: Array, fmt: Format) -> Array:
    """What `_laid_out` made into int64, back: float64, int64 or uint64."""
    if not holds_codes(fmt):
        return x.view(np.float64)
    return x if fmt.signed else x.view(np.uint64)


# --- arrays ---------------------------------------------------------------------------------------
def round_array(
    x: Array,
    source: Format | None,
    fmt: Format,
    rule: tuple[str, str],
    flags: Array = NO_FLAGS,
    draws: Array | None = None,
) -> tuple[Array, int]:
    """x rounded to ``fmt``, and how many values overflowed; float64, int64 or uint64.

    x : float64, float32 …, int64, uint64 (not wider); values of ``source``, which says that
    integers are codes, or numbers (None).  rule : rounding and overflow.  flags : uint8 of x's
    size, which gets 1 where a value overflowed, or empty.  draws : random bits of every element,
    uint32, where the rounding takes any.

    Raises ValueError for NaN, or an Inf that cannot wrap, where the format has none.
    """
    if x.dtype.kind == "u":
        layout, flat = Operand(project.UNSIGNED, 0), np.ascontiguousarray(x, np.uint64)
    elif x.dtype.kind == "i":
        layout, flat = Operand(project.SIGNED, 0), np.ascontiguousarray(x, np.int64)
    else:
        layout, flat = Operand(project.FLOAT64, 0), np.ascontiguousarray(x, np.float64)
    if source is not None and x.dtype.kind in "iu":
        layout = Operand(layout.holds, source.quantum_exponent)
    out = np.empty(x.shape, np.int64)
    bits = flat.view(np.int64).reshape(-1)
    spec = np.array([target(fmt, *rule)], project.TARGET)
    random = NO_DRAWS if draws is None else draws.reshape(-1)
    arrays = (bits, out.reshape(-1), flags.reshape(-1))
    count, refused = wide.round_values(*arrays, layout, spec, random)
    if refused:
        raise nan_reached(fmt)
    return _values(out, fmt), int(count)


# --- products -------------------------------------------------------------------------------------
def wide_product(facts: Facts, unit: MacUnit, level: int, threads: int) -> tuple[Array, Totals]:
    """The product in the outer format's values, before any output conversion."""
    job = _Job(facts, unit, level)
    run_tiles(job.tasks(), threads)
    for where, tally in job.tallies:
        job.totals.add(tally, where)
    return _values(job.out, _last(unit)), job.totals


def out_of_range(facts: Facts, unit: MacUnit, threads: int) -> int:
    """Outputs whose exact c + Σ a·b is finite and outside the outer format's range."""
    if isinstance(unit.order, DoubleWord):  # its last format is that of the output
        unit = replace(unit, order=Sequential())
    job = _Job(facts, unit, NONE)
    counts: list[int] = []

    def count(a: Array, b: Array, c: Array) -> None:
        counts.append(int(register.outside(a, b, c, *job.spec)))

    run_tiles([partial(count, *job.operands(where)) for where in job.blocks()], threads)
    return sum(counts)


class _Job:
    """One product cut into blocks of outputs."""

    def __init__(self, facts: Facts, unit: MacUnit, level: int) -> None:
        self.unit, self.level, self.draws = unit, level, facts.draws
        self.a = _laid_out(facts.a, unit.a)
        self.b = _laid_out(facts.b.swapaxes(1, 2), unit.b)  # (batch, n, k): k is contiguous
        shape = (self.a.shape[0], self.a.shape[1], self.b.shape[1])
        self.c = np.zeros(shape, np.int64)  # the bits of +0
        if facts.c is not None:
            self.c[...] = _laid_out(facts.c, unit.outer_format)
        self.out = np.empty(shape, np.int64)
        self.spec = (_formats(unit), _machine(unit, level))
        self.totals = Totals(shape, level)
        self.tallies: list[tuple[Any, Tally]] = []

    def blocks(self) -> Iterator[tuple[int, slice, slice]]:
        """Rows and columns of tasks that are worth a thread."""
        batch, m, k = self.a.shape
        n = self.b.shape[1]
        columns = max(1, min(n, BLOCK // max(1, k)))
        rows = max(1, min(m, BLOCK // max(1, k * columns)))
        for item in range(batch):
            for row in range(0, m, rows):
                for column in range(0, n, columns):
                    yield item, slice(row, row + rows), slice(column, column + columns)

    def operands(self, where: tuple[int, slice, slice]) -> tuple[Array, Array, Array]:
        """a, b and c of one block."""
        item, rows, columns = where
        return self.a[item, rows], self.b[item, columns], np.ascontiguousarray(self.c[where])

    def words(self, where: tuple[int, slice, slice]) -> tuple[Array, Array]:
        """Where the draws of one block come from."""
        if self.draws is None:
            return NO_WORDS, NO_WORDS
        item, rows, columns = where
        mine = self.draws.rows[item, rows], self.draws.columns[item, columns]
        return np.array(mine[0]), np.array(mine[1])

    def tasks(self) -> Iterator[partial[None]]:
        """One task for every block."""
        for where in self.blocks():
            yield partial(self.run, where)

    def run(self, where: tuple[int, slice, slice]) -> None:
        """Compute one block."""
        a, b, c = self.operands(where)
        out = np.empty(c.shape, np.int64)
        tally = Tally(c.shape, (np.uint8, np.uint8), self.level)
        counts = np.zeros((2, COUNTS), np.int64)
        words = self.words(where)
        if isinstance(self.unit.order, Exact):
            wrong = register.exact_sums(a, b, c, out, tally.flags, counts, *self.spec, *words)
        else:
            sums = (tally.lost, tally.mass)
            kernel = KERNELS.get(type(self.unit.order), wide.mac)
            wrong = kernel(a, b, c, out, tally.flags, *sums, counts, *self.spec, *words)
        if wrong:
            unit = self.unit
            product = unit.product_format or unit.accumulator
            raise nan_reached((product, unit.accumulator, _last(unit))[wrong - 1])
        self.out[where] = out
        if self.level != NONE:
            tally.inner, tally.outer = counts
            self.tallies.append((where, tally))


def _last(unit: MacUnit) -> SumFormat:
    """Format of what the kernels give: two words are rounded into the output's."""
    return unit.output_format if isinstance(unit.order, DoubleWord) else unit.outer_format


def _formats(unit: MacUnit) -> Array:
    """The targets at `wide.INNER`, `OUTER`, `PRODUCT`, `DOUBLE`."""
    inner = unit.accumulator
    formats = (inner, _last(unit), unit.product_format or inner)
    targets = [target(fmt, unit.rounding, unit.overflow_of(fmt)) for fmt in formats]
    return np.array([*targets, target(FloatFormat(11, 53), "rne", "inf")], project.TARGET)


def _machine(unit: MacUnit, level: int) -> Machine:
    floats = isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)
    order = unit.order
    return Machine(
        a=_layout(unit.a),
        b=_layout(unit.b),
        rounds_products=unit.product_format is not None,
        sign_of_zero=floats,
        down=unit.rounding == "rdn",
        length=_length(order),
        level=level,
        halving=isinstance(order, Lanes) and order.tree,
        draws=drawing(stochastic_of(unit.rounding)),
    )


def _length(order: Order) -> int:
    """Of a chunk; how many lanes, or leaves; 0 where sums are sequential."""
    if isinstance(order, Lanes):
        return order.count
    if isinstance(order, Chunked):
        return order.length
    return order.width if isinstance(order, Tree | DotAdd) else 0
