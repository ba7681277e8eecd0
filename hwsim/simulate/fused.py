"""Fused blocks of products on the kernels: which of them is proved, and how operands are laid out.

The proofs are those of docs/proofs.md, "Fused blocks".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.float64 import ALL, CHEAP, NONE, merge_kernel
from hwsim_kernels.fused import (
    LANES,
    NO_EXPONENT,
    Blocks,
    exact_kernel,
    general_kernel,
    pack_columns,
    pack_rows,
)
from hwsim_kernels.fused_pass import CUT, GROUP, TO_NEAREST, UNROLLED, Cut32, narrow_kernel
from hwsim_kernels.fused_whole import whole_kernel
from hwsim_kernels.rounding64 import INNOCUOUS, NEAREST, STICKY

from hwsim.formats import FloatFormat, Format, stochastic_of
from hwsim.simulate.facts import SLACK, Facts, Unknown
from hwsim.simulate.grids import (
    fits_float64_grid,
    grid64,
    magnitude,
    rounding_mode,
    significant_bits,
)
from hwsim.simulate.preparations import FP32
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.sums import finest_bit
from hwsim.simulate.tally import Tally, Totals
from hwsim.units import Fused, MacUnit

Array = npt.NDArray[Any]
Side = tuple[Array, Format]  # an operand and its format
Packed = tuple[Array, Array, Array]
ROWS = 64  # of a task
SMALL = 1 << 18  # multiplications that are not worth a second thread
MOST_BITS = 53
FLOOR = -1022  # of normal float64
NO_ZEROS = np.empty(0, np.int64)  # they are counted for the whole product


@dataclass(frozen=True)
class Known:
    """What is known of the blocks of ``unit`` on this data."""

    unit: MacUnit
    facts: Facts | Unknown
    level: int

    @property
    def order(self) -> Fused:
        assert isinstance(self.unit.order, Fused)
        return self.unit.order

    @property
    def result(self) -> FloatFormat:
        """What a block is rounded to."""
        fmt = self.unit.block_format
        assert isinstance(fmt, FloatFormat)
        return fmt

    @cached_property
    def start(self) -> float:
        """Largest finite |c| that may enter a block."""
        if self.order.promote:
            return 0.0
        c = self.facts.c_max
        return c if math.isfinite(c) else float(self.unit.accumulator.largest)

    @cached_property
    def quantum(self) -> int:
        """Every term is a multiple of 2^this."""
        facts, fmt = self.facts, self.unit.accumulator
        found = finest_bit(self.unit.a, facts.a_min) + finest_bit(self.unit.b, facts.b_min)
        if not self.bounded:  # a sum may become the largest value
            found = min(found, self.result.emax + 1 - self.result.precision)
        if facts.c is None or self.order.promote:
            return found
        sizes = np.abs(facts.c[facts.c != 0])
        least = float(np.min(sizes, initial=math.inf))  # NaN, too, says nothing
        return min(found, finest_bit(fmt, least))

    @cached_property
    def fraction(self) -> int:
        """F; where nothing is cut, enough to hold every bit on this data."""
        if self.order.fraction is not None:
            return self.order.fraction
        product = min(self.facts.quick_bound, float(self.largest_product))
        top = max(product, min(self.reach, float(self.result.largest)), self.start)
        return max(0, math.frexp(top)[1] - self.quantum) if math.isfinite(top) else 1 << 20

    @cached_property
    def largest_product(self) -> Any:
        """|a·b| at most, of any data."""
        return magnitude(self.unit.a) * magnitude(self.unit.b)

    @property
    def terms(self) -> int:
        """Products of a block, at most."""
        return min(self.order.terms, max(1, self.facts.length), self.order.promote or 1 << 30)

    @cached_property
    def bits(self) -> int:
        """Bits of a block's total: products below 4·2^F and a sum below 2·2^F."""
        return (4 * self.terms + 2).bit_length() + self.fraction

    def refusal(self) -> str:
        """Why no kernel is proved; empty where one is."""
        unit = self.unit
        if stochastic_of(unit.rounding):
            return f"{unit.rounding}: blocks draw nothing in kernels"
        for fmt in unit.rounded_formats().values():
            if problem := fits_float64_grid(fmt):
                return problem
        if significant_bits(unit.a) + significant_bits(unit.b) > MOST_BITS:
            return f"the product {unit.a}x{unit.b} is not exact in float64"
        if self.largest_product >= 2**1000 or self.quantum < -1000:
            return "its exponents come too near to those of float64"
        if self.bits > MOST_BITS and not (self.with_errors or self.whole):
            return f"blocks may need {self.bits} bits"
        return ""

    @property
    def with_errors(self) -> bool:
        """Whether a total that nothing is cut from is a float64 sum and the exact sum of its
        errors: multiples of 2^quantum below half a place of the total, one for each term."""
        errors = (self.terms + 1).bit_length()
        return self.order.fraction is None and MOST_BITS < self.bits <= 2 * MOST_BITS - 1 - errors

    @cached_property
    def whole(self) -> bool:
        """Whether totals that nothing is cut from may be int64 steps of 2^quantum; no sum then
        overflows, and no largest one is wanted."""
        uncut = self.order.fraction is None and self.order.promote is None
        plain = uncut and self.level != ALL and self.facts.finite
        plain = plain and self.unit.rounding == "rne" and self.result == FP32
        inside = plain and -120 <= self.quantum <= 60 and self.bounded
        known = self.whole_within(self.reach) or self.with_errors
        return inside and known and self.whole_within(self.start)

    def whole_within(self, largest: float) -> bool:
        """Whether int64 holds all totals, if no sum before them exceeds ``largest``."""
        products = self.terms * self.facts.a_max * self.facts.b_max
        return (largest + products) * SLACK < 2.0 ** (63 + self.quantum)

    @cached_property
    def reach(self) -> float:
        """|sum| at most, however it is rounded on the way."""
        mass = self.facts.sum_bound
        if self.unit.rounding == "rtz":
            return self.start + mass
        # To nearest a sum errs by no more than is added.
        nearest = self.unit.rounding in ("rne", "rna")
        doubled = self.start + 2.0 * mass if nearest else math.inf
        blocks = self.order.steps(self.facts.length)[0]
        growth = math.log1p(2.0 ** (1 - self.result.precision)) * (blocks + 1)
        tiny = blocks * float(self.result.smallest)
        grown = (self.start + mass + tiny) * math.exp(growth) if growth < 600.0 else math.inf
        return min(doubled, grown)

    @property
    def bounded(self) -> bool:
        """Whether no sum can overflow."""
        return self.reach <= float(self.result.largest)

    @cached_property
    def narrow(self) -> bool:
        """Whether terms are int32 and products exact in float32; no sum then overflows, and no
        largest one is wanted."""
        unit, fmt = self.unit, self.result
        plain = self.level != ALL and self.facts.finite and not self.order.nearest
        exact = significant_bits(unit.a) + significant_bits(unit.b) <= 24
        # Exponent fields of scales and their inverses are normal, and so is every sum.
        inside = self.quantum >= -125 and 1 <= self.fraction <= 26
        inside = inside and self.facts.a_max * self.facts.b_max < 2.0**125
        if unit.rounding == "rtz":  # bits are cut off, of subnormals none
            fits = fmt.precision <= 24 and self.quantum >= fmt.quantum_exponent
        else:
            fits = unit.rounding == "rne" and fmt.precision <= 22 and self.reach < 2.0**100
            fits = fits and fmt.has_negative_zero
        return plain and exact and inside and fits and fmt.has_subnormals and self.bounded

    @property
    def wide(self) -> bool:
        """Whether totals of int32 terms take float64."""
        return (4 * self.terms + 2) << self.fraction > 2**31 - 2**8

    def numbers(self, size: int) -> Blocks:
        """For kernels."""
        zero = NO_EXPONENT if self.order.zero is None else self.order.zero
        lowest, emin = self.quantum + self.fraction, self.emin(self.unit.accumulator)
        return Blocks(size, self.fraction, lowest, zero, emin, self.order.nearest)

    def emin(self, fmt: Format) -> int:
        """Least exponent that aligns; where nothing is cut, a value's own does."""
        assert isinstance(fmt, FloatFormat)
        return fmt.emin if self.order.fraction is not None else FLOOR

    def proof(self) -> str:
        """Of the kernel that is chosen."""
        if self.narrow:
            totals = "float64" if self.wide else "int32"
            return f"float32 products, cut to int32 terms; totals in {totals}"
        if self.whole:
            return (
                "float64 products, whole multiples of their finest bit: int64 totals, rounded once"
            )
        if self.with_errors:
            return f"float64: totals of {self.bits} bits, as a sum and its errors, rounded once"
        return f"float64: totals of {self.bits} <= {MOST_BITS} bits, rounded once"


def fused_product(
    facts: Facts, unit: MacUnit, level: int, threads: int
) -> tuple[Array, Totals] | None:
    """The product in blocks; None where no kernel is proved."""
    known = Known(unit, facts, level)
    if known.refusal():
        return None
    swapped = facts.b.shape[2] < LANES and facts.a.shape[1] > facts.b.shape[2]
    a, b, c = (facts.a, unit.a), (facts.b, unit.b), facts.c
    if not swapped:
        return _Job(known, a, b, c).run(threads)
    a, b = ((np.ascontiguousarray(x.swapaxes(1, 2)), fmt) for x, fmt in (b, a))
    out, totals = _Job(known, a, b, None if c is None else c.swapaxes(1, 2)).run(threads)
    if level != NONE:
        totals.struck = np.ascontiguousarray(totals.struck.swapaxes(1, 2))
    return out.swapaxes(1, 2), totals


class _Job:
    """One product, as tasks of panels of columns and some rows."""

    def __init__(self, known: Known, a: Side, b: Side, c: Array | None) -> None:
        self.known, self.c = known, c
        (self.a, self.fmt_a), (self.b, self.fmt_b) = a, b
        order = known.order
        self.carrier = np.dtype(np.float32 if known.narrow else np.float64)
        self.step = GROUP if known.wide else UNROLLED
        if known.whole:
            self.step = min(UNROLLED, 1 << (known.terms - 1).bit_length())
        self.size = -(-known.terms // self.step) * self.step
        self.places, self.cuts = _layout(order, self.a.shape[2], self.size)
        self.numbers = known.numbers(self.size)
        shape = (*self.a.shape[:2], self.b.shape[2])
        self.sums = np.dtype(np.float32) if known.whole else self.carrier
        self.out: Array = np.zeros(shape, self.sums)
        self.totals = Totals(shape, known.level)
        self.tallies: list[tuple[Any, Tally]] = []

    def run(self, threads: int) -> tuple[Array, Totals]:
        """Every panel; threads take its rows."""
        if self.c is not None:
            self.out[...] = self.c
        small = self.a.size * self.b.shape[2] <= SMALL
        if self.places.size and self.out.size:
            run_tiles(self._tasks(threads), 1 if small else threads)
        for where, tally in self.tallies:
            self.totals.add(tally, where)
        return self.out, self.totals

    def _tasks(self, threads: int) -> Iterator[Callable[[], None]]:
        m, n = self.out.shape[1:]
        rows = max(1, min(ROWS, -(-m // threads)))
        for item in range(self.a.shape[0]):
            left = self._packed(self.a[item], self.fmt_a, 0)
            for first in range(0, n, LANES):
                columns = slice(first, min(n, first + LANES))
                right = self._packed(self.b[item, :, columns], self.fmt_b, 1)
                for row in range(0, m, rows):
                    where = (item, slice(row, min(m, row + rows)), columns)
                    yield partial(self._tile, where, left, right)

    def _packed(self, x: Array, fmt: Any, axis: int) -> Packed:
        """An operand for the kernels."""
        if self.known.whole and not axis and self.places.size == x.shape[1]:
            nobody = np.empty((len(x), 0), np.int16)  # asks for exponents
            return np.ascontiguousarray(x, self.carrier), nobody, nobody
        emin = self.known.emin(fmt)
        return packed(x, self.places, self.numbers, emin, self.carrier, bool(axis))

    def _tile(self, where: Any, left: Any, right: Any) -> None:
        """Some rows of a panel."""
        rows, columns = where[1], self.out[where].shape[1]
        start = np.zeros((self.out[where].shape[0], LANES), self.sums)
        start[:, :columns] = self.out[where]
        a = tuple(x[rows] for x in left)
        tally = Tally(start.shape, (np.int64, np.int64), CHEAP, NO_ZEROS)
        if self.known.order.promote is None:
            self._blocks(a, right, start, (0, self.places.size // self.size), tally)
        else:
            start = self._promoted(a, right, start.astype(np.float64), tally)
        self.out[where] = start[:, :columns]
        if self.known.level != NONE:
            tally.flags, tally.outer_flags = (
                flags[:, :columns] for flags in (tally.flags, tally.outer_flags)
            )
            self.tallies.append((where, tally))

    def _promoted(self, a: Any, b: Any, total: Array, tally: Tally) -> Array:
        """Sums of some blocks from +0, added to the accumulator to nearest."""
        known, unit = self.known, self.known.unit
        p, q = significant_bits(unit.accumulator), significant_bits(known.result)
        decided = known.level != ALL and q <= p and 2 * p + 2 <= MOST_BITS
        merge = merge_kernel(INNOCUOUS if decided else STICKY, NEAREST, False, known.level)
        grid = grid64(unit.outer_format, "rne", unit.overflow_of(unit.outer_format))
        for first, last in zip(self.cuts[:-1], self.cuts[1:], strict=True):
            sums = np.zeros(total.shape, self.carrier)
            self._blocks(a, b, sums, (first, last), tally)
            merge(total, sums.astype(np.float64), tally.outer_flags, tally.outer, grid)
        return total

    def _blocks(self, a: Any, b: Any, s: Array, span: tuple[int, int], tally: Tally) -> None:
        known = self.known
        if known.narrow:
            how = CUT if known.unit.rounding == "rtz" else TO_NEAREST
            run = narrow_kernel(known.wide, how)
            run(a, b, s, *span, self.numbers, _cut32(known.result))
            return
        if known.whole and self._whole(a, b, s, span):
            return
        if s.dtype == np.float32:
            wide = s.astype(np.float64)
            self._general(a, b, wide, span, tally)
            s[...] = wide
            return
        self._general(a, b, s, span, tally)

    def _whole(self, a: Any, b: Any, s: Array, span: tuple[int, int]) -> bool:
        """By int64; whether they held the totals, else s is what it was."""
        known, before = self.known, s.copy()
        watched = not known.whole_within(known.reach)
        largest = np.zeros((1, 16), np.float32)
        run = whole_kernel(self.step, watched)
        run(a, b, s, *span, self.numbers, (2.0**-known.quantum, largest))
        if not watched or known.whole_within(max(known.start, float(largest.max()))):
            return True
        s[...] = before
        return False

    def _general(self, a: Any, b: Any, s: Array, span: tuple[int, int], tally: Tally) -> None:
        known = self.known
        rules = known.unit.rounding, known.unit.overflow_of(known.result)
        grid = grid64(known.result, *rules)
        kernel = exact_kernel if known.with_errors else general_kernel
        run = kernel(rounding_mode(known.unit.rounding))
        run(a, b, s, *span, self.numbers, grid, tally.flags, tally.inner)


def packed(
    x: Array, places: Array, numbers: Blocks, emin: int, carrier: Any, columns: bool
) -> Packed:
    """Rows (m, k) or at most `LANES` columns (k, n) in the order of ``places``: values, their
    exponents, no less than ``emin``, and the exponents that blocks start from."""
    terms, blocks = places.size, places.size // numbers.size
    shape, starts = (len(x), terms), (len(x), blocks)
    if columns:
        shape, starts = (terms, LANES), (blocks, LANES)
    out = np.empty(shape, carrier), np.empty(shape, np.int16), np.empty(starts, np.int16)
    pack = pack_columns if columns else pack_rows
    pack(np.ascontiguousarray(x, carrier), places, numbers.size, emin, numbers.zero, *out)
    return out


def _layout(order: Fused, length: int, size: int) -> tuple[Array, list[int]]:
    """Which product each place of the packed blocks has, −1 for none; and before which blocks the
    sum is promoted, the ends among them."""
    places: list[Array] = [np.empty(0, np.int64)]
    cuts, segment = [0], order.promote or max(1, length)
    within = np.arange(size)
    for first in range(0, length, segment):
        last = min(length, first + segment)
        at = np.arange(first, last, order.terms)[:, None] + within
        places.append(np.where((within < order.terms) & (at < last), at, -1).ravel())
        cuts.append(cuts[-1] + len(at))
    return np.concatenate(places), cuts


def _cut32(fmt: FloatFormat) -> Cut32:
    """A result's bits in float32; formats whose smallest normal is less than its are like it."""
    dropped = 24 - fmt.precision
    return Cut32(
        mask=-(1 << dropped),
        floor=max(fmt.emin + 127, 1) << 23,
        magic=(dropped << 23) + (1 << 22),
    )
