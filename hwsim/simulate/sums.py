"""What is known about the sums of one accumulator, on the data at hand or on any."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from hwsim_kernels.paths import AWAY, DRAWN, NEAREST, TRUNCATE, UP

from hwsim.formats import FixedFormat, FloatFormat, Format, GridFormat, stochastic_of
from hwsim.formats.stochastic import VARIANTS
from hwsim.simulate import cores, powers
from hwsim.simulate.facts import Facts, Unknown
from hwsim.simulate.grids import magnitude, significant_bits
from hwsim.units import SPLIT, MacUnit
from hwsim.units.multipliers import Logarithmic, Shift


@dataclass(frozen=True)
class Carrier:
    """A float that lanes compute in."""

    width: int
    bits: int
    emin: int  # of the smallest subnormal
    emax: int
    native: FloatFormat


CARRIERS = (
    Carrier(32, 24, -149, 127, FloatFormat(8, 24)),
    Carrier(64, 53, -1074, 1023, FloatFormat(11, 53)),
)
WAYS = {"rne": NEAREST, "rtz": TRUNCATE, "rup": UP, "rdn": UP, "rna": AWAY}


def way_of(rounding: str) -> int | None:
    """How the kernels round by a mode; None where they do not."""
    how = stochastic_of(rounding)
    if how is None:
        return WAYS.get(rounding)
    return DRAWN[VARIANTS.index(how.variant)]


class Bounds(NamedTuple):
    """What a proof takes from the data: `Facts` in numbers."""

    finite: bool
    a_max: float
    b_max: float
    a_min: float
    b_min: float
    c_max: float
    c_minus_zero: bool
    has_c: bool
    length: int
    mass: float  # Σ|a·b| of an output at most

    @classmethod
    def of(cls, facts: Facts | Unknown, mass: float) -> Bounds:
        sizes = (facts.a_max, facts.b_max, facts.a_min, facts.b_min, facts.c_max)
        kinds = (facts.c_minus_zero, facts.c is not None, facts.length)
        return cls(facts.finite, *sizes, *kinds, mass)

    @classmethod
    def around(cls, facts: Facts | Unknown) -> Bounds:
        """Powers of two around the same, which many data share, and K·max|a|·max|b|."""
        highs = _above(facts.a_max), _above(facts.b_max)
        lows = _above(facts.a_min) / 2, _above(facts.b_min) / 2
        kinds = (facts.c_minus_zero, facts.c is not None, facts.length)
        sizes = (*highs, *lows, _above(facts.c_max))
        return cls(facts.finite, *sizes, *kinds, _above(facts.quick_bound))


def _above(x: float) -> float:
    """The power of two over x; 0, Inf and NaN stay."""
    return math.ldexp(1.0, math.frexp(x)[1]) if 0.0 < x < 2.0**1000 else x


@dataclass(frozen=True)
class Addend:
    """What enters an accumulator, on this data.

    bits : q.  quantum : every addend is a multiple of 2^quantum.  largest : |addend| at most.
    mass : Σ|addend| of an output at most.
    """

    bits: int
    quantum: int
    largest: Fraction | float
    mass: float
    what: str


@dataclass(frozen=True)
class Sum:
    """One accumulator and what enters it."""

    unit: MacUnit
    fmt: GridFormat
    addend: Addend
    facts: Bounds
    level: int
    inner: bool
    steps: int
    carrier: Carrier
    finite: bool  # every addend, and c
    leaves: bool = False  # the first nodes of trees: acc is an addend, too

    @property
    def split(self) -> bool:
        """Whether sums enter another one."""
        return isinstance(self.unit.order, SPLIT)

    @cached_property
    def start(self) -> float:
        """Largest |c| where this accumulator starts at c."""
        return 0.0 if self.inner and self.split else self.facts.c_max

    @cached_property
    def has_c(self) -> bool:
        return self.facts.has_c and not (self.inner and self.split)

    @cached_property
    def precision(self) -> int:
        return significant_bits(self.fmt)

    @property
    def way(self) -> int:
        way = way_of(self.unit.rounding)
        assert way is not None
        return way

    @cached_property
    def random(self) -> int:
        """Bits of a draw; 0 where there is none."""
        how = stochastic_of(self.unit.rounding)
        return how.bits if how else 0

    @property
    def clocked(self) -> bool:
        """Whether shift registers give the draws."""
        how = stochastic_of(self.unit.rounding)
        return how is not None and how.lfsr is not None

    @cached_property
    def bound(self) -> float:
        """|acc| at most, if no overflow rule bites.

        To nearest, rounding errs by no more than the addend, as acc is on the grid; toward zero
        it never grows a sum; otherwise all of it by a factor 1 + 2^(1 − p) at each step, and a
        draw takes what is subnormal up by a quantum.
        """
        if self.leaves:
            below = self.addend.quantum < self.fmt.quantum_exponent
            return self.joined(self.addend.mass, self.steps, self.facts.length * below)
        growth = {NEAREST: 2.0, AWAY: 2.0, TRUNCATE: 1.0}.get(self.way)
        if growth is None:
            gained = self.facts.length * 2.0**self.fmt.quantum_exponent if self.random else 0.0
            return self.joined(self.start + self.addend.mass + gained, self.steps + 1)
        return (self.start + growth * self.addend.mass) * 1.0000001

    def joined(self, mass: float, depth: int, loose: int = 0) -> float:
        """Σ|sum| at most where numbers of this mass are added up, each of them ``depth`` times:
        by a factor 1 + 2^−p at each step to nearest, and by a step of the subnormal grid for each
        of the ``loose`` ones that do not lie on it."""
        if self.way == TRUNCATE:
            return mass * 1.0000001
        places = self.precision - (self.way == UP)
        exponent = depth * 2.0**-places * 1.0001
        growth = math.exp(exponent) if exponent < 700 else math.inf
        return growth * (mass + loose * 2.0**self.fmt.quantum_exponent) * 1.0000001

    @cached_property
    def bounded(self) -> bool:
        """Whether no sum can leave the range on this data."""
        return self.finite and self.bound <= min(float(self.fmt.largest), -float(self.fmt.lowest))

    @cached_property
    def reach(self) -> float:
        """|acc + addend| at most."""
        if self.leaves:
            return 2.0 * float_or_inf(self.addend.largest)
        acc = self.bound if self.bounded else float_or_inf(magnitude(self.fmt))
        return acc + float_or_inf(self.addend.largest)

    @cached_property
    def quantum(self) -> int:
        """Every sum is a multiple of 2^quantum: rounding to a coarser grid keeps multiples."""
        quantum = self.addend.quantum
        if self.has_c:
            quantum = min(quantum, self.fmt.quantum_exponent)
        if not self.bounded:  # the range may end between multiples
            top = self.fmt.quantum_exponent
            if isinstance(self.fmt, FloatFormat):
                top = self.fmt.emax - self.fmt.precision + 1
            quantum = min(quantum, top)
        return quantum

    @cached_property
    def whole(self) -> bool:
        """Whether every sum lies on the subnormal grid, so that none underflows."""
        fmt = self.fmt
        if isinstance(fmt, FixedFormat) or fmt.has_subnormals:
            return self.quantum >= fmt.quantum_exponent
        return self.quantum >= fmt.emin + (fmt.zero_field == "normal")

    def places(self) -> float:
        """Bits that hold every sum exactly."""
        if not math.isfinite(self.reach):
            return math.inf  # no carrier has so many
        return math.frexp(self.reach)[1] - self.quantum


def product_of(unit: MacUnit, facts: Bounds) -> Addend:
    """The exact product of two operands, as narrow as the data shows it."""
    pairs = ((unit.a, facts.a_max, facts.a_min), (unit.b, facts.b_max, facts.b_min))
    bits, quantum, largest = 0, 0, Fraction(1)
    for fmt, most, least in pairs:
        bits += significant_bits(fmt)
        quantum += finest_bit(fmt, least)
        top = magnitude(fmt)
        largest *= min(top, Fraction(most)) if math.isfinite(most) else top
    if unit.core is not None:
        return _by_core(unit, facts, quantum)
    return Addend(bits, quantum, largest, facts.mass, f"{unit.a}x{unit.b}")


def _by_core(unit: MacUnit, facts: Bounds, quantum: int) -> Addend:
    """The product that an approximate multiplier gives."""
    tops = zip((unit.a, unit.b), (facts.a_max, facts.b_max), strict=True)
    sizes = [min(float_or_inf(magnitude(f)), x) if math.isfinite(x) else math.inf for f, x in tops]
    about = cores.bound(unit)
    what = f"{unit.a}x{unit.b}:{unit.core}"
    if isinstance(unit.core, (Shift, Logarithmic)):
        quanta = finest_bit(unit.a, facts.a_min), finest_bit(unit.b, facts.b_min)
        return Addend(*powers.product(unit, facts, quanta), what)
    if not all(map(math.isfinite, sizes)):
        return Addend(about.bits, quantum, math.inf, math.inf, what)
    constant = cores.largest_constant(unit, *sizes)
    growth = Fraction(about.growth)
    largest = growth * Fraction(sizes[0]) * Fraction(sizes[1]) + constant
    mass = facts.mass * about.growth if about.growth else 0.0
    mass += float_or_inf(constant) * facts.length
    if constant:  # zeros, whose significands have the finest unit, may have products
        quantum = unit.a.quantum_exponent + unit.b.quantum_exponent
    return Addend(about.bits, quantum, largest, mass * 1.0000001, what)


def finest_bit(fmt: Format, least: float) -> int:
    """Every value of ``fmt`` is a multiple of 2^this, if none but 0 is smaller than ``least``."""
    if not isinstance(fmt, FixedFormat) and 0.0 < least < math.inf:
        return max(fmt.quantum_exponent, math.frexp(least)[1] - significant_bits(fmt))
    return fmt.quantum_exponent


def float_or_inf(x: Fraction | float) -> float:
    """Rounded to float64; Inf beyond."""
    try:
        return float(x)
    except OverflowError:
        return math.inf
