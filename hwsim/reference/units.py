"""Dot products of MAC units, one output at a time, as SEMANTICS.md defines them.

    product   p = a·b, or R(a·b) under mul_add
    sum       s = R(s + p), in the unit's order
    output    R(s), where the unit names an output format

`dot` reads from top to bottom like that; `Level` is one running sum, and counts what its
additions do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple, TypeVar

from hwsim.formats import FloatFormat, Format, LogFormat, TableFormat
from hwsim.reference.compensated import double_word_sum, kahan_sum
from hwsim.reference.draws import Draw, no_draw
from hwsim.reference.fused import Term, block_sum, term_of
from hwsim.reference.logsums import Table, add_logs, log_of, product_log, value_of
from hwsim.reference.multipliers import multiply as core_product
from hwsim.reference.powers import logarithmic_product, shifted, shifts_out, significand
from hwsim.reference.rounding import Rounded, finite_range, round_value
from hwsim.reference.staged import staged_sum
from hwsim.reference.values import (
    ZERO,
    Value,
    add,
    distance,
    equal,
    finite,
    from_int,
    from_ratio,
    less,
    multiply,
    to_float,
    zero,
)
from hwsim.units import (
    Bins,
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    Fused,
    IntegerMultiplier,
    Kahan,
    Lanes,
    LogSum,
    MacUnit,
    Order,
    Reversed,
    Staged,
    StepCounts,
    StoredProduct,
    TableMultiplier,
    Telemetry,
    Tree,
    codebook_side,
    has_subnormal_values,
    steps_of,
)
from hwsim.units.multipliers import Logarithmic, Shift

T = TypeVar("T")


@dataclass(frozen=True)
class Dot:
    """A result, and what happened on the way to it (all zero where nobody looked)."""

    value: Value
    telemetry: Telemetry = field(default_factory=Telemetry)


@dataclass
class Level:
    """One level of sums: the rule of its additions, and their counts.

    unit, fmt : the unit whose rounding and overflow hold, and the format of the sum.
    observe : False leaves out the counts.  draw : R of each of the output's roundings; those of
    this level are numbered from ``step``.
    """

    unit: MacUnit
    fmt: Format
    observe: bool
    draw: Draw = no_draw
    step: int = 0
    counts: StepCounts = field(default_factory=StepCounts)
    lost: Fraction | float = 0.0
    mass: Fraction | float = 0.0

    def add(self, acc: Value, p: Value) -> Value:
        """y = R(acc + p): one rounding of the exact sum."""
        exact = add(acc, p, self.unit.rounding)
        y, overflowed = self.round(exact)
        if self.observe:
            self._count(acc, p, exact, y, overflowed)
        self.step += 1
        return y

    def took(self, acc: Value, p: Value, y: Value, overflowed: bool) -> None:
        """A step that was done elsewhere."""
        if self.observe:
            self._count(acc, p, add(acc, p, self.unit.rounding), y, overflowed)
        self.step += 1

    def rest(self, x: Value, y: Value) -> Value:
        """R(x + y) of a step that serves another one: only an overflow is counted."""
        return self.alone(add(x, y, self.unit.rounding))

    def alone(self, exact: Value) -> Value:
        """R(exact), of which only an overflow is counted."""
        z, overflowed = self.round(exact)
        self.step += 1
        if self.observe and overflowed:
            self.counts = replace(self.counts, overflow_steps=self.counts.overflow_steps + 1)
        return z

    def round(self, exact: Value) -> tuple[Value, bool]:
        """R(exact) by the draw of this step, and whether it overflowed."""
        return rounded(exact, self.fmt, self.unit, self.draw(self.step))

    def block(self, exact: Value, products: int) -> Value:
        """R(the sum of a block of products), which counts as their additions."""
        y, overflowed = self.round(exact)
        self.step += 1
        if self.observe:
            old = self.counts
            self.counts = StepCounts(
                additions=old.additions + products,
                overflow_steps=old.overflow_steps + overflowed,
                largest=max(old.largest, abs(to_float(y)) if y.is_finite else 0.0),
            )
        return y

    def _count(self, acc: Value, p: Value, exact: Value, y: Value, overflowed: bool) -> None:
        """Count one addition."""
        old, all_finite = self.counts, acc.is_finite and p.is_finite and y.is_finite
        unaltered, inexact = equal(y, acc), not equal(y, exact)
        regular = all_finite and not overflowed
        self.counts = StepCounts(
            additions=old.additions + 1,
            swamped_full=old.swamped_full + (regular and not p.is_zero and unaltered),
            swamped_partial=old.swamped_partial + (regular and inexact and not unaltered),
            dominated=old.dominated + (regular and inexact and self._dominates(p, acc, y)),
            overflow_steps=old.overflow_steps + overflowed,
            underflow=old.underflow + (inexact and self._is_tiny(exact)),
            largest=max(old.largest, abs(to_float(y)) if y.is_finite else 0.0),
        )
        if all_finite:
            self.lost += to_float(distance(y, exact))
            self.mass += abs(to_float(p))

    def _dominates(self, p: Value, acc: Value, y: Value) -> bool:
        """Whether y is what p alone would have given."""
        return not acc.is_zero and not p.is_zero and equal(y, self.round(p)[0])

    def _is_tiny(self, exact: Value) -> bool:
        """0 < |exact| < smallest normal."""
        if not exact.is_finite or exact.is_zero:
            return False
        magnitude = exact._replace(negative=False)
        return less(magnitude, finite_range(self.fmt).smallest_normal)


def dot(
    a: Sequence[Value],
    b: Sequence[Value],
    unit: MacUnit,
    c: Value = ZERO,
    observe: bool = True,
    draw: Draw = no_draw,
) -> Dot:
    """c + Σ a·b as ``unit`` computes it.

    a, b : values of the unit's operand formats, equally many.  c : a value of its outer format.
    observe : False skips the counts, which cost about as much as the result.  draw : the random
    bits of each rounding, by its number (`hwsim.units.steps_of`), where the unit draws any.

    Raises ValueError where a NaN meets a format without NaN, or an Inf one that wraps.
    """
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} values, b has {len(b)}: equally many are needed")
    if isinstance(unit.order, Reversed):
        a, b = ([x[k] for k in unit.order.places(len(a))] for x in (a, b))
    a, b = [operand(x, unit.a, unit) for x in a], [operand(y, unit.b, unit) for y in b]
    c = operand(c, unit.outer_format, unit) if unit.ftz and a else c
    exact_products = [product(x, y, unit) for x, y in zip(a, b, strict=True)]
    steps = steps_of(unit, len(a))
    if isinstance(unit.order, LogSum):
        addends, overflow_products = log_products(a, b, unit)
    else:
        addends, overflow_products = rounded_products(exact_products, unit, draw)
    inner = Level(unit, unit.block_format, observe, draw, steps.first_inner)
    outer = Level(unit, unit.outer_format, observe, draw, steps.first_outer)
    if isinstance(unit.order, Bins):
        total = binned_sum((a, b), c, inner, outer)
    elif isinstance(unit.order, Fused):
        terms = [
            term_of(p, [(x, unit.a), (y, unit.b)], unit.order)
            for p, x, y in zip(addends, a, b, strict=True)
        ]
        total = fused_sum(terms, c, unit.order, inner, outer)
    elif isinstance(unit.order, Staged):
        total = staged_blocks((a, b), c, unit.order, inner)
    else:
        total = accumulate(addends, c, unit.order, inner, outer)
    entered = Entered(a, b, exact_products, overflow_products)
    return finished(total, c, entered, (inner, outer), unit, draw)


class Entered(NamedTuple):
    """What a sum was made of: operands, exact products, and how many of these overflowed."""

    a: Sequence[Value]
    b: Sequence[Value]
    products: list[Value]
    overflowed: int = 0


def finished(
    total: Value, c: Value, entered: Entered, levels: tuple[Level, Level], unit: MacUnit, draw: Draw
) -> Dot:
    """The output of a sum, and everything that was counted."""
    (inner, outer), steps = levels, steps_of(unit, len(entered.a))
    result, converted = total, False
    if steps.output:
        result, converted = convert(total, unit, draw(steps.first_output))
    if not inner.observe:
        return Dot(result)
    overflows = inner.counts.overflow_steps + outer.counts.overflow_steps
    pairs = list(zip(entered.a, entered.b, strict=True))
    telemetry = Telemetry(
        **vars(inner.counts),
        outer=outer.counts,
        outputs=1,
        products=len(pairs),
        zero_operands=sum(x.is_zero or y.is_zero for x, y in pairs),
        shifted_out=sum(shifts_out(x, y, unit) for x, y in pairs),
        overflow_products=entered.overflowed,
        overflow_converted=int(converted),
        overflow_outputs=int(overflows + entered.overflowed + converted > 0),
        out_of_range=int(is_out_of_range(entered.products, c, unit)),
        lost=inner.lost,
        mass=inner.mass,
    )
    return Dot(result, telemetry)


# --- products -------------------------------------------------------------------------------------
def operand(x: Value, fmt: Format, unit: MacUnit) -> Value:
    """x as the unit takes it: a subnormal is a zero of its sign under ``daz``; under ``ftz`` it is
    +0, and so is −0."""
    if unit.ftz and isinstance(fmt, FloatFormat) and (x.is_zero or is_subnormal(x, fmt)):
        return zero()
    if unit.daz and is_subnormal(x, fmt):
        return zero(x.negative and fmt.has_negative_zero)
    return x


def is_subnormal(x: Value, fmt: Format) -> bool:
    """0 < |x| < smallest normal, in a float format that has such values."""
    if not has_subnormal_values(fmt) or not x.is_finite or x.is_zero:
        return False
    return less(x._replace(negative=False), finite_range(fmt).smallest_normal)


def rounded(exact: Value, fmt: Format, unit: MacUnit, draw: int = 0) -> Rounded:
    """R(exact) in one of the unit's formats; under ``ftz`` a subnormal is a zero of its sign."""
    y, overflowed = round_value(exact, fmt, unit.rounding, unit.overflow_of(fmt), draw)
    tiny = unit.ftz and is_subnormal(y, fmt)
    return Rounded(zero(y.negative and fmt.has_negative_zero) if tiny else y, overflowed)


def product(x: Value, y: Value, unit: MacUnit) -> Value:
    """x·y, exactly or as the unit's core has it.  A zero is + where either operand is an integer or
    fixed point."""
    exact = multiply(x, y)
    if isinstance(unit.multiplier, StoredProduct):
        exact = round_value(exact, unit.multiplier.format, "rne", "saturate").value
    if unit.core is not None and exact.is_finite:
        exact = _by_core(x, y, unit, unit.core)
    if exact.is_zero and not (isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)):
        return zero()
    return exact


def _by_core(x: Value, y: Value, unit: MacUnit, core: IntegerMultiplier) -> Value:
    """The product of the significands, with the exact product's sign."""
    if isinstance(core, Shift):
        return shifted(x, y, unit).value
    if isinstance(core, Logarithmic):
        return logarithmic_product(x, y, unit)
    (m, e), (n, f) = significand(x, unit.a), significand(y, unit.b)
    negative = x.negative != y.negative
    if isinstance(core, TableMultiplier) and core.signed:
        signs = (-1 if v.negative else 1 for v in (x, y))
        number = core_product(core, m * next(signs), n * next(signs))
        return from_int(number, e + f) if number else zero(negative)
    number = core_product(core, m, n)
    return finite(negative != (number < 0), abs(number), e + f)


def rounded_products(
    products: list[Value], unit: MacUnit, draw: Draw = no_draw
) -> tuple[list[Value], int]:
    """The addends of the sum, and how many of them overflowed: the products, rounded or not."""
    fmt = unit.product_format
    if fmt is None:
        return products, 0
    found = [rounded(p, fmt, unit, draw(k)) for k, p in enumerate(products)]
    return [r.value for r in found], sum(r.overflowed for r in found)


def log_products(a: list[Value], b: list[Value], unit: MacUnit) -> tuple[list[Value], int]:
    """The addends of a sum of logarithms, and how many of them overflowed."""
    formats, table = (unit.a, unit.b), table_of(unit)
    assert isinstance(formats[0], LogFormat)
    assert isinstance(formats[1], LogFormat)
    found = [product_log(x, y, (formats[0], formats[1]), table) for x, y in zip(a, b, strict=True)]
    return [value_of(log, table.fmt) for log, _ in found], sum(over for _, over in found)


def table_of(unit: MacUnit) -> Table:
    """What sums of logarithms need of a unit."""
    order, fmt = unit.order, unit.log_accumulator
    assert isinstance(order, LogSum)
    places = fmt.fraction_bits if order.places is None else order.places
    return Table(fmt, places, unit.rounding)


# --- sums -----------------------------------------------------------------------------------------
def accumulate(addends: list[Value], c: Value, order: Order, inner: Level, outer: Level) -> Value:
    """c + Σ addends, in the given order.  Without addends it is c."""
    if isinstance(order, Exact):
        return exact_sum(addends, c, inner)
    if isinstance(order, Chunked):
        return chunked_sum(addends, c, order.length, inner, outer)
    if isinstance(order, Lanes):
        return laned_sum(addends, c, order, inner, outer)
    if isinstance(order, Tree):
        return tree_sum(addends, c, order.width, inner, outer)
    if isinstance(order, DotAdd):
        return dot_sum(addends, c, order, inner, outer)
    if isinstance(order, LogSum):
        return log_sum(addends, c, inner)
    if isinstance(order, Kahan):
        return kahan_sum(addends, c, inner)
    if isinstance(order, DoubleWord):
        return double_word_sum(addends, c, inner, inner.unit.rounding)
    return sequential_sum(addends, c, inner)


def sequential_sum(addends: list[Value], start: Value, level: Level) -> Value:
    """s = start, then s = R(s + p) for every addend in turn."""
    s = start
    for p in addends:
        s = level.add(s, p)
    return s


def log_sum(addends: list[Value], start: Value, level: Level) -> Value:
    """s = start, then s + p by the tables; telemetry takes the values that logarithms stand for."""
    table, s = table_of(level.unit), start
    for p in addends:
        log, overflowed = add_logs(log_of(s, table.fmt), log_of(p, table.fmt), table)
        y = value_of(log, table.fmt)
        level.took(s, p, y, overflowed)
        s = y
    return s


def chunked_sum(addends: list[Value], c: Value, length: int, inner: Level, outer: Level) -> Value:
    """Chunks of ``length`` addends, each summed from +0; their sums, in turn, added to c."""
    sums = [sequential_sum(chunk, ZERO, inner) for chunk in parts(addends, length)]
    return sequential_sum(sums, c, outer)


def fused_sum(terms: list[Term], c: Value, order: Fused, inner: Level, outer: Level) -> Value:
    """Blocks into c; or, promoted, into +0, and their sums, rne, into c."""
    if order.promote is None:
        return fused_blocks(terms, c, order, inner)
    outer.unit = replace(outer.unit, rounding="rne")
    sums = [fused_blocks(part, ZERO, order, inner) for part in parts(terms, order.promote)]
    return sequential_sum(sums, c, outer)


def fused_blocks(terms: list[Term], start: Value, order: Fused, level: Level) -> Value:
    """s = start, then s = R(the aligned sum of s and the next products)."""
    s = start
    for block in parts(terms, order.terms):
        own = term_of(s, [(s, level.unit.accumulator)], order)
        s = level.block(block_sum([*block, own], order), len(block))
    return s


def staged_blocks(
    operands: tuple[list[Value], list[Value]], start: Value, order: Staged, level: Level
) -> Value:
    """s = start, then s = R(the two-stage sum of the next products and s)."""
    s, unit = start, level.unit
    factors = [((x, unit.a), (y, unit.b)) for x, y in zip(*operands, strict=True)]
    for block in parts(factors, order.terms):
        s = level.block(staged_sum(block, (s, unit.accumulator), order), len(block))
    return s


def parts(addends: list[T], length: int) -> list[list[T]]:
    """``length`` addends at a time; the last part may be shorter."""
    return [addends[k : k + length] for k in range(0, len(addends), length)]


def laned_sum(addends: list[Value], c: Value, order: Lanes, inner: Level, outer: Level) -> Value:
    """Addend k enters lane k mod count, each from +0; the lanes' sum is added to c."""
    if not addends:
        return c
    lanes = [ZERO] * order.count
    for k, p in enumerate(addends):
        lanes[k % order.count] = inner.add(lanes[k % order.count], p)
    if not order.tree:
        return outer.add(c, sequential_sum(lanes[1:], lanes[0], inner))
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [inner.add(lanes[i], lanes[i + half]) for i in range(half)]
    return outer.add(c, lanes[0])


def tree_sum(addends: list[Value], c: Value, width: int, inner: Level, outer: Level) -> Value:
    """The roots of trees over ``width`` addends, in turn, added to c."""
    return sequential_sum([root(leaves, inner) for leaves in parts(addends, width)], c, outer)


def root(nodes: list[Value], level: Level) -> Value:
    """Adjacent pairs, rounded, until one is left; an odd one goes up as it is."""
    while len(nodes) > 1:
        pairs = [level.add(*nodes[i : i + 2]) for i in range(0, len(nodes) - 1, 2)]
        nodes = pairs + nodes[2 * len(pairs) :]
    return nodes[0]


def dot_sum(addends: list[Value], c: Value, order: DotAdd, inner: Level, outer: Level) -> Value:
    """s = c, then s = R(s + the sum of the next ``width`` addends), which is exact, or rounded once
    to nearest, saturating, by itself."""
    groups, rounding = parts(addends, order.width), inner.unit.rounding
    sums = [exact_total(group[1:], group[0], rounding) for group in groups]
    if order.partial is None:
        return sequential_sum(sums, c, inner)
    fmt = order.partial
    inner.unit = MacUnit(fmt, fmt, fmt, overflow="saturate", ftz=inner.unit.ftz)
    return sequential_sum([inner.block(total, 1) for total in sums], c, outer)


def binned_sum(
    operands: tuple[list[Value], list[Value]], c: Value, inner: Level, outer: Level
) -> Value:
    """The values that meet each value of the codebook, summed from +0 in k order (a zero enters as
    +0); then the sums times those values, ascending, added to c.  Mass is lost bin by bin, and the
    bins' are added without rounding."""
    unit, first = inner.unit, inner.step
    lost: Fraction | float = 0.0
    mass: Fraction | float = 0.0
    side = codebook_side(unit)
    codebook = unit.b if side else unit.a
    assert side is not None
    assert isinstance(codebook, TableFormat)
    total = c
    for number, _ in codebook.entries if operands[0] else ():
        value, level = from_ratio(number), replace(inner, lost=0.0, mass=0.0)
        total_of_bin = ZERO
        for k, (x, y) in enumerate(zip(operands[1 - side], operands[side], strict=True)):
            if equal(y, value):
                level.step = first + k
                total_of_bin = level.add(total_of_bin, zero() if x.is_zero else x)
        inner.counts = level.counts
        lost, mass = _exactly(lost, level.lost), _exactly(mass, level.mass)
        p = multiply(total_of_bin, value)
        total = outer.add(total, zero() if p.is_zero else p)
    inner.lost, inner.mass = lost, mass
    return total


def _exactly(total: Fraction | float, x: Fraction | float) -> Fraction | float:
    """total + x, unrounded; Inf where one is."""
    return Fraction(total) + Fraction(x) if math.isfinite(total) and math.isfinite(x) else math.inf


def exact_sum(addends: list[Value], c: Value, level: Level) -> Value:
    """One rounding of c + Σ addends; the sign of a zero is that of adding one by one."""
    if not addends:
        return c
    total = exact_total(addends, c, level.unit.rounding)
    y, overflowed = level.round(total)
    level.counts = StepCounts(
        additions=len(addends),
        overflow_steps=int(overflowed),
        largest=abs(to_float(y)) if y.is_finite else 0.0,
    )
    return y


def exact_total(addends: list[Value], c: Value, rounding: str) -> Value:
    """c + Σ addends without any rounding."""
    total = c
    for p in addends:
        total = add(total, p, rounding)
    return total


# --- output and counts ----------------------------------------------------------------------------
def convert(x: Value, unit: MacUnit, draw: int = 0) -> tuple[Value, bool]:
    """The output conversion, and whether it overflowed."""
    return rounded(x, unit.output_format, unit, draw)


def is_out_of_range(products: list[Value], c: Value, unit: MacUnit) -> bool:
    """Whether the exact c + Σ a·b is finite and outside the outer format's finite range."""
    total = exact_total(products, c, unit.rounding)
    limits = finite_range(unit.outer_format)
    return total.is_finite and (less(total, limits.lowest) or less(limits.largest, total))


def merge(records: Sequence[Telemetry]) -> Telemetry:
    """Totals over many outputs; lost and mass add without rounding."""
    return sum(records, Telemetry())
