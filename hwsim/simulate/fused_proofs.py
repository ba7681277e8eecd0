"""Fused blocks of products on the kernels: which of them is proved.

The proofs are those of docs/proofs-units.md, "Fused blocks" and "Scaled blocks".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from hwsim_kernels.float64 import ALL
from hwsim_kernels.fused import NO_EXPONENT, Blocks

from hwsim.formats import FloatFormat, Format, stochastic_of
from hwsim.simulate.facts import SLACK, Facts, Unknown
from hwsim.simulate.grids import fits_float64_grid, magnitude, significant_bits
from hwsim.simulate.preparations import FP32
from hwsim.simulate.scaled import Scaled
from hwsim.simulate.sums import finest_bit
from hwsim.units import Fused, MacUnit

MOST_BITS = 53
FLOOR = -1022  # of normal float64
PRODUCTS = Scaled(4, None, 0)  # terms of operands without scales


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

    @property
    def scaled(self) -> Scaled:
        """What terms are."""
        return self.facts.scaled or PRODUCTS

    @property
    def largest_total(self) -> int:
        """Of a block, in 2^F: terms below 4 (without scales), and a sum below 2."""
        return self.scaled.growth * -(-self.terms // (self.scaled.exact or 1)) + 2

    @cached_property
    def bits(self) -> int:
        """Bits of a block's total."""
        return self.largest_total.bit_length() + self.fraction

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
        if (self.order.zero or 0) >= 1000:
            return f"a zero of exponent {self.order.zero} leaves float64"
        if self.bits > MOST_BITS and not (self.with_errors or self.whole):
            return f"blocks may need {self.bits} bits"
        if self.scaled.bits > MOST_BITS:
            return f"a group's sum may need {self.scaled.bits} bits"
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
        if self.order.nearest:
            return math.inf  # a term to nearest may double, and the sum is one in every block
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
        inside = self.quantum >= -125 and 1 <= self.fraction <= 29 - self.scaled.growth.bit_length()
        inside = inside and self.facts.a_max * self.facts.b_max < 2.0**125
        inside = inside and self.exponents_within_float32
        if unit.rounding == "rtz":  # bits are cut off, of subnormals none
            fits = fmt.precision <= 24 and self.quantum >= fmt.quantum_exponent
        else:
            fits = unit.rounding == "rne" and fmt.precision <= 22 and self.reach < 2.0**100
            fits = fits and fmt.has_negative_zero
        fits = fits and self.scaled.exact is None
        return plain and exact and inside and fits and fmt.has_subnormals and self.bounded

    @property
    def exponents_within_float32(self) -> bool:
        """Whether float32 holds finite operands, and 2^(F − E), E being no more than the exponents
        of the largest operands and all the bits by which subnormals stay below their own."""
        facts, unit = self.facts, self.unit
        exponent = math.frexp(facts.a_max)[1] + math.frexp(facts.b_max)[1] - 2
        exponent += significant_bits(unit.a) + significant_bits(unit.b) - 2
        return self.operands_within_float32 and max(exponent, self.order.zero or 0) < (
            self.fraction + 127
        )

    @property
    def operands_within_float32(self) -> bool:
        """Whether float32 holds finite operands."""
        unit, facts = self.unit, self.facts
        fine = min(finest_bit(unit.a, facts.a_min), finest_bit(unit.b, facts.b_min)) >= -149
        few = max(significant_bits(unit.a), significant_bits(unit.b)) <= 24
        return fine and few and max(facts.a_max, facts.b_max) < 2.0**128

    @property
    def narrow_groups(self) -> bool:
        """Whether sums of groups are exact in float32."""
        facts, products = self.facts, self.scaled.exact
        if products is None or self.scaled.bits > 24 or not facts.finite:
            return False
        inside = self.quantum >= -149 and products * facts.a_max * facts.b_max < 2.0**127
        return inside and self.operands_within_float32

    @property
    def cut(self) -> bool:
        """Whether results are float64 totals cut at a place: of finite terms, in rtz, none beyond
        the largest value or finer than the smallest; no largest one is wanted."""
        fmt = self.result
        plain = self.level != ALL and self.facts.finite and self.unit.rounding == "rtz"
        fine = fmt.has_subnormals and self.quantum >= fmt.quantum_exponent
        return plain and fine and self.bounded

    @property
    def wide(self) -> bool:
        """Whether totals of int32 terms take float64."""
        return self.largest_total << self.fraction > 2**31 - 2**8

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
        some = f"sums of {self.scaled.exact} products and " if self.scaled.exact else ""
        return f"float64: {some}totals of {self.bits} <= {MOST_BITS} bits, rounded once"
