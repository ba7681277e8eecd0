"""Choose, for a unit and what is known of the data, the cheapest kernels proved exact.

The conditions are those of docs/bits.md, "When a carrier is exact".  P is the carrier's
precision, p the accumulator's, q the addend's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from hwsim_kernels.float64 import ALL, CHEAP, NONE
from hwsim_kernels.paths import MITCHELL, PLAIN, SHIFT, TABLE, TERMS
from hwsim_kernels.rounding64 import EXACT, INNOCUOUS, STICKY
from hwsim_kernels.scalars import Grid64

from hwsim.formats import (
    FixedFormat,
    FloatFormat,
    GridFormat,
    PositFormat,
    SumFormat,
    stochastic_of,
)
from hwsim.simulate.bins import parts
from hwsim.simulate.block_plans import group_bits
from hwsim.simulate.compensated import CompensatedStage
from hwsim.simulate.core_products import summing_unit
from hwsim.simulate.cores import kind, rewritten
from hwsim.simulate.datapaths import plan
from hwsim.simulate.exact import exact_problem
from hwsim.simulate.facts import Facts, Unknown
from hwsim.simulate.fused_proofs import Known
from hwsim.simulate.grids import (
    fits_float64_grid,
    grid64,
    int_range,
    magnitude,
    rounding_mode,
    significant_bits,
    within_float32,
)
from hwsim.simulate.logsums import log_proof
from hwsim.simulate.posit_stages import MOST_BITS, PositStage, has_posits
from hwsim.simulate.posits import is_narrow
from hwsim.simulate.powers import never_loses
from hwsim.simulate.preparations import FP32_NOSUB, adds_products
from hwsim.simulate.scaled import Scaled, scaled_terms
from hwsim.simulate.staged import staged_proof
from hwsim.simulate.stages import (
    Float64Stage,
    IntegerStage,
    Stage,
)
from hwsim.simulate.stored import by_codes
from hwsim.units import (
    COMPENSATED,
    Bins,
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    ExactProduct,
    Fused,
    Kahan,
    Lanes,
    LogSum,
    MacUnit,
    Reversed,
    Sequential,
    Staged,
    StoredProduct,
    has_whole_values,
    is_integer,
)


@dataclass(frozen=True)
class Addend:
    """What enters an accumulator: its bits, its grid (a multiple of 2^quantum), its range."""

    bits: int
    quantum: int
    largest: Fraction
    times: float  # data bound: Σ|addend| ≤ times·Σ|a·b|
    what: str


@dataclass(frozen=True)
class Level:
    """One accumulator to be lowered: its format and rule, what enters it, what is counted."""

    unit: MacUnit
    fmt: SumFormat
    addend: Addend
    level: int
    finite: bool  # every addend and c, on this data

    @property
    def overflow(self) -> str:
        return self.unit.overflow_of(self.fmt)

    @property
    def rounding(self) -> str:
        return self.unit.rounding

    def span_bits(self) -> int:
        """Bits that hold every sum exactly: from the finest place to the largest magnitude."""
        quantum = min(self.addend.quantum, self.fmt.quantum_exponent)
        units = (magnitude(self.fmt) + self.addend.largest) / Fraction(2) ** quantum
        return int(units).bit_length()

    def sums(self, carrier_bits: int) -> tuple[int, str]:
        """What is proved about sums in a carrier, and the proof."""
        p, q = significant_bits(self.fmt), self.addend.bits
        if self.span_bits() <= carrier_bits:
            return EXACT, f"every sum fits {carrier_bits} bits"
        floating = isinstance(self.fmt, FloatFormat)
        nearest = floating and self.rounding in ("rne", "rna")
        # Underflow is counted on the exact sum, which only the odd rounding keeps.
        if nearest and self.level != ALL and q <= p and carrier_bits >= 2 * p + 2:
            why = f"{self.addend.what} has {q} <= {p} bits and {carrier_bits} >= 2*{p} + 2"
            return INNOCUOUS, why
        return STICKY, f"sums are rounded to odd in {carrier_bits} >= {p} + 2 bits"


def lower(unit: MacUnit, facts: Facts | Unknown, level: int) -> tuple[Stage, Stage | None] | str:
    """The stages of ``unit`` on this data, inner and outer; or why there are none."""
    if how := stochastic_of(unit.rounding):
        return f"{how}: no vector of sums that leaves room for its bits is proved"
    if isinstance(unit.order, COMPENSATED):
        return _compensated(unit, unit.order, facts, level)
    laned = isinstance(unit.order, Lanes) and level != ALL
    if not laned and not isinstance(unit.order, Sequential | Chunked):
        return f"no carrier is proved for {unit.order}"
    product = _product(unit)
    if unit.product_format is None:
        inner_addend = product
    else:
        fmt = unit.product_format
        inner_addend = Addend(
            significant_bits(fmt), fmt.quantum_exponent, magnitude(fmt), 2.0, f"product in {fmt}"
        )
    addends = facts.finite and _stays_finite(unit, unit.product_format, product, facts)
    inner = _stage(Level(unit, unit.accumulator, inner_addend, level, addends), facts)
    if isinstance(inner, str) or isinstance(unit.order, Sequential):
        return inner if isinstance(inner, str) else (inner, None)
    fmt = unit.accumulator
    # Each step's rounding error is at most its addend, so a chunk sum is at most twice its mass.
    times = 2.0 * inner_addend.times
    sums = Addend(
        significant_bits(fmt), fmt.quantum_exponent, magnitude(fmt), times, f"chunk sum in {fmt}"
    )
    addends = addends and _stays_finite(unit, fmt, inner_addend, facts)
    outer = _stage(Level(unit, unit.outer_format, sums, level, addends), facts)
    return outer if isinstance(outer, str) else (inner, outer)


def _compensated(
    unit: MacUnit, order: Kahan | DoubleWord, facts: Facts | Unknown, level: int
) -> tuple[Stage, Stage | None] | str:
    """The stage of a sequential sum, and what holds of sums of two values of its format."""
    fmt, last = unit.accumulator, unit.output_format
    if not isinstance(fmt, GridFormat) or not isinstance(last, GridFormat) or has_posits(unit):
        return "compensated sums of posits have no kernel"
    found = lower(replace(unit, order=Sequential(), output=None), facts, level)
    if isinstance(found, str):
        return found
    first = found[0]
    assert isinstance(first, Float64Stage)
    if isinstance(order, DoubleWord) and (reason := _two_words_end(unit)):
        return reason
    value = Addend(
        significant_bits(fmt), fmt.quantum_exponent, magnitude(fmt), 2.0, f"{fmt} + {fmt}"
    )
    sums, why = Level(unit, fmt, value, level, facts.finite).sums(53)
    proof = f"{first.proof}; of two values of {fmt}: {why}"
    grid = _grid(unit, last if isinstance(order, DoubleWord) else fmt)
    return CompensatedStage(first, sums, order, last, grid, proof), None


def _two_words_end(unit: MacUnit) -> str:
    """Why float64 does not round two words into the output's format; empty where it does."""
    fmt = unit.output_format
    if unit.overflow_of(fmt) == "wrap":
        return f"two words may lie beyond the circle of {fmt} that float64 holds"
    return fits_float64_grid(fmt)


def _stays_finite(
    unit: MacUnit, fmt: SumFormat | None, addend: Addend, facts: Facts | Unknown
) -> bool:
    """Whether results in ``fmt``, from finite addends, are finite: by its rule or by this data."""
    if fmt is None or unit.overflow_of(fmt) in ("saturate", "saturate_all", "wrap"):
        return True
    return 2.0 * addend.times * facts.sum_bound <= float(fmt.largest)


def _product(unit: MacUnit) -> Addend:
    """The exact product of two operands."""
    bits = significant_bits(unit.a) + significant_bits(unit.b)
    quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    return Addend(bits, quantum, magnitude(unit.a) * magnitude(unit.b), 1.0, f"{unit.a}x{unit.b}")


def _stage(level: Level, facts: Facts | Unknown) -> Stage | str:
    """The cheapest stage that is proved; the reason of the last refusal where none is."""
    if isinstance(level.fmt, PositFormat):
        return _posit(level, level.fmt)
    return _integer(level) or _float64(level, facts)


def _exact_in(level: Level, bits: int, quantum: int, emax: int) -> bool:
    """Whether the unit's exact product is exact in a carrier."""
    product = _product(level.unit)
    return (
        product.bits <= bits
        and product.quantum >= quantum
        and product.largest < Fraction(2) ** (emax + 1)
    )


def _integer(level: Level) -> Stage | None:
    unit, fmt = level.unit, level.fmt
    whole = has_whole_values(unit.a) and has_whole_values(unit.b)
    whole = whole and all(is_integer(f) for f in unit.rounded_formats().values())
    if not whole or unit.product_format is not None or level.level == ALL:
        return None
    assert isinstance(fmt, FixedFormat)
    wraps = level.overflow == "wrap"
    reach = int(magnitude(fmt) + level.addend.largest)
    for lane, bits in ((np.int32, 31), (np.int64, 63)):
        if reach.bit_length() <= bits:
            proof = f"acc + {level.addend.what} fits int{bits + 1}"
            limits = int_range(fmt, bits + 1)
            return IntegerStage(limits, lane, wraps, level.level >= CHEAP, proof)
    return None


def _float64(level: Level, facts: Facts | Unknown) -> Stage | str:
    unit, fmt = level.unit, level.fmt
    product = unit.product_format
    for rounded in (fmt, product or fmt):
        if reason := fits_float64_grid(rounded):
            return reason
    assert isinstance(fmt, GridFormat)
    assert isinstance(product, GridFormat | None)
    if not _exact_in(level, 53, -1074, 1022):
        return f"the product {unit.a}x{unit.b} is not exact in float64"
    wraps = level.overflow == "wrap"
    reach = magnitude(fmt) + level.addend.largest
    if wraps and (reach / fmt.smallest >= 2**50 or not level.finite):
        return f"a wrapping {fmt} may meet sums beyond float64's exact integers"
    if product is not None:
        if not facts.finite and not product.has_nan:
            return f"NaN may reach {product}, which cannot hold it"
        if wraps != (unit.overflow_of(product) == "wrap"):
            return f"{product} and {fmt} wrap differently"
        if wraps and _product(unit).largest / product.smallest >= 2**50:
            return f"a wrapping {product} may meet products beyond float64's exact integers"
    sums, why = level.sums(53)
    zero_add = -0.0
    if not (isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)):
        zero_add = 0.0
    return Float64Stage(
        grid=_grid(unit, fmt),
        product=None if product is None else _grid(unit, product),
        sums=sums,
        mode=rounding_mode(level.rounding),
        wraps=wraps,
        level=level.level,
        zero_add=zero_add,
        proof=f"float64: {why}",
    )


def _posit(level: Level, fmt: PositFormat) -> Stage | str:
    """A posit accumulator, in float64 or float32."""
    unit, rounded = level.unit, level.unit.product_format
    if rounded is not None and not isinstance(rounded, PositFormat):
        return f"products in {rounded} and sums in {fmt}"
    if max(f.precision for f in (fmt, rounded) if f) > MOST_BITS:
        return f"{fmt} has more than {MOST_BITS} bits, two less than float64"
    product = _product(unit)
    operands = max(significant_bits(unit.a), significant_bits(unit.b)) <= 53
    wide = product.bits > 53
    low = product.quantum >= -1074 and level.addend.quantum >= -1074
    if not operands or not low or product.largest + level.addend.largest + fmt.largest >= 2**1022:
        return f"the product {unit.a}x{unit.b} is beyond float64"
    if wide and level.level == ALL and rounded is None:
        return f"what is lost of {unit.a}x{unit.b} has more bits than two float64"
    bare = level.level == NONE and rounded is None and level.addend.what == product.what
    narrow = bare and _holds_in_float32(unit, fmt, product)
    bits = 24 if narrow else 53
    how = "a product is the sum of two floats, and " if wide else ""
    return PositStage(
        fmt,
        rounded,
        unit.rounding,
        wide,
        level.level,
        f"float{64 - 32 * narrow}: {how}sums are rounded to odd in {bits} >= {fmt.precision} + 2 "
        "bits",
        np.float32 if narrow else np.float64,
    )


def _holds_in_float32(unit: MacUnit, fmt: PositFormat, product: Addend) -> bool:
    """Whether operands, products and sums are float32 numbers, and posits have two bits less."""
    narrow = all(map(within_float32, (unit.a, unit.b))) and is_narrow(fmt) and fmt.precision <= 22
    inside = product.quantum >= -149 and product.largest + fmt.largest < 2**127
    return narrow and inside and product.bits <= 24


def _grid(unit: MacUnit, fmt: GridFormat) -> Grid64:
    return grid64(fmt, unit.rounding, unit.overflow_of(fmt))


def _describe_blocks(unit: MacUnit) -> tuple[str, ...]:
    """How a unit of blocks is computed by those of numbers."""
    if isinstance(unit.order, Fused):
        return _describe_scaled(unit, unit.order)
    if unit.scales_sums:
        how = "sums of elements, times both scales in float64 (exact), are added by one more sum"
        return (how, "with c, rdn, sr or everything counted: the exact reference, slowly")
    exact = "values, element times scale, are exact; they enter as numbers"
    bits = group_bits(unit)
    if bits is not None and bits <= 53:
        carrier = "float32" if bits <= 24 else "float64"
        return (f"{exact}; {carrier}: a group's sums have at most {bits} bits",)
    return (exact, *describe(unit.of_values))


def describe(unit: MacUnit) -> tuple[str, ...]:
    """The proofs for ``unit`` on finite data of unknown size, with nothing counted."""
    if unit.is_blocked:
        return _describe_blocks(unit)
    if plainer := _describe_plainer(unit):
        return plainer
    if isinstance(unit.order, Bins):
        return _describe_bins(unit)
    if isinstance(unit.multiplier, StoredProduct):
        nothing = np.zeros((1, 1, 1))
        found = by_codes(unit, nothing, nothing)
        if found is None:
            return ("the exact reference, slowly",)
        table = found[0]
        inside, plain = (
            f"{table.a}x{table.b}:{table.core}",
            f"{unit.a}x{unit.b}:products/{unit.multiplier.format}",
        )
        proofs = [proof.replace(inside, plain) for proof in describe(table)]
        return tuple(
            proof.replace(f"{table.core}: entries of a table of significands", "entries of a table")
            for proof in proofs
        )
    if unit.core is not None:
        return _describe_core(unit)
    if isinstance(unit.order, Fused):
        return _describe_fused(unit)
    if isinstance(unit.order, LogSum):
        return (log_proof(unit),)
    if has_posits(unit):
        return _describe_posits(unit)
    if isinstance(unit.order, Exact) and stochastic_of(unit.rounding):
        return ("integers of any width, slowly: the sum's one rounding draws",)
    if isinstance(unit.order, Exact):
        bits = "BLAS where 53 bits hold the sum or decide its rounding, else 32-bit digits of it"
        problem = fits_float64_grid(unit.accumulator)
        if problem and not is_integer(unit.accumulator):
            return (f"integers of any width, slowly: {problem}",)
        return (f"{bits}; rounded once",)
    paths = plan(unit, Unknown(), NONE)
    if paths is not None:
        return tuple(choice.proof for choice in (paths.inner, paths.outer) if choice is not None)
    stages = lower(unit, Unknown(), NONE)
    if isinstance(stages, str):
        return (f"integers of any width, slowly: {stages}",)
    return tuple(stage.proof for stage in stages if stage is not None)


def _describe_posits(unit: MacUnit) -> tuple[str, ...]:
    """The proofs of sums that are posits."""
    if isinstance(unit.order, Exact) and not stochastic_of(unit.rounding):
        if problem := exact_problem(unit):
            return (f"the exact reference, slowly: {problem}",)
        return ("BLAS where 53 bits hold the sum, else 32-bit digits of it; rounded once",)
    stages = lower(unit, Unknown(), NONE)
    if isinstance(stages, str):
        return (f"the exact reference, slowly: {stages}",)
    return tuple(stage.proof for stage in stages if stage is not None)


def _describe_plainer(unit: MacUnit) -> tuple[str, ...]:
    """The proofs of a unit that is another one on some data, or on all; nothing for the others."""
    order = unit.order
    if isinstance(order, Reversed):
        return describe(replace(unit, order=Sequential()))
    if unit.ftz and (isinstance(order, LogSum) or not adds_products(unit)):
        return ("the exact reference, slowly",)
    if unit.ftz:
        why = "where the data shows no number under the smallest normal one, ftz changes no bit"
        rest = replace(unit, ftz=False)
        if unit.product_format and _product(unit).bits <= significant_bits(unit.product_format):
            why += ", and where products fit their format, rounding them none"
            rest = replace(rest, multiplier=ExactProduct())
        return (f"{why}; else the exact reference, slowly", *describe(rest))
    if unit.accumulator == FP32_NOSUB and adds_products(unit):
        why = "where the data shows no number under the smallest normal one, sums are fp32's"
        return (why, *_describe_rest(unit))
    if isinstance(order, Staged):
        return (staged_proof(unit),)
    if isinstance(order, DotAdd) and order.partial is not None:
        why = "clamped sums of two integers in floats that hold every sum, or saturating chunks"
        return (f"{why}; else, and where everything is counted, the reference, slowly",)
    return ()


def _describe_rest(unit: MacUnit) -> tuple[str, ...]:
    """The proofs of sums without subnormals, on any data."""
    stages = lower(unit, Unknown(), NONE)
    if isinstance(stages, str):
        return (f"else integers of any width, slowly: {stages}",)
    return tuple(f"else {stage.proof}" for stage in stages if stage is not None)


def _describe_scaled(unit: MacUnit, order: Fused) -> tuple[str, ...]:
    """The same of blocks that share scales."""
    plain = replace(unit, order=replace(order, exact=None)).of_values
    if order.fraction is None:
        return ("values, element times scale, are exact", *_describe_fused(plain))
    whose = "a group has those of its scales" if order.exact else "products' and scales' are added"
    how = f"values, element times scale, are exact; of exponents, {whose}"
    return (how, *_describe_fused(plain, scaled_terms(unit)))


def _describe_fused(unit: MacUnit, scaled: Scaled | None = None) -> tuple[str, ...]:
    """The proof of a block on any data, or why none holds there."""
    known = Known(unit, Unknown(scaled=scaled), NONE)
    problem = known.refusal()
    if problem and known.order.fraction is None:
        some = "of few enough bits: int64, or float64 sums with their errors, rounded once"
        return (f"data {some}; else the exact reference, slowly: {problem}",)
    if problem:
        return (f"the exact reference, slowly: {problem}",)
    if known.scaled.exact:
        return (known.proof(),)
    return (f"{known.proof()}; int32 terms of float32 products where the data allow it",)


def _describe_bins(unit: MacUnit) -> tuple[str, ...]:
    """The proofs of a bin's sum and of the last one."""
    if stochastic_of(unit.rounding):
        return (f"{unit.order}: the exact reference, slowly",)
    names = ("each bin", "the last sum")
    proofs = zip(names, map(describe, parts(unit)), strict=True)
    return tuple(f"{name}: {proof}" for name, found in proofs for proof in found)


KERNELS = {
    TERMS: "the parts' exact products are added first",
    MITCHELL: "the bits of two floats are added",
    TABLE: "entries of a table of significands",
    SHIFT: "products are cut at the last guard bit",
}


def _describe_core(unit: MacUnit) -> tuple[str, ...]:
    """How an approximate multiplier is computed, and the proof of the sum."""
    nothing = np.zeros((1, 1, 1))
    exact = rewritten(unit, nothing, nothing)[0]
    if exact.core is None:
        why = "no bit is shifted out" if never_loses(unit) else "its operands are rewritten"
        return (f"{unit.core}: {why}, and multiplied exactly", *describe(exact))
    ends = [(float(f.largest), float(f.smallest)) for f in (unit.a, unit.b)]
    data = Unknown(a_max=ends[0][0], b_max=ends[1][0], a_min=ends[0][1], b_min=ends[1][1])
    how = KERNELS.get(kind(unit) or PLAIN)
    if isinstance(unit.order, Exact) and how:
        return (f"{unit.core}: {how}", "float64 where it holds every sum, else product by product")
    paths = plan(unit, data, NONE) if how else None
    if how is None or paths is None:
        summing = summing_unit(unit)
        if summing is None:
            return (f"{unit.core}: the exact reference, slowly",)
        return (f"{unit.core}: products made one by one", *describe(summing))
    proofs = [choice.proof for choice in (paths.inner, paths.outer) if choice is not None]
    return (f"{unit.core}: {how}", *proofs)
