"""Choose the cheapest datapath of the blocked kernels that is proved exact on this data.

The conditions are those of docs/bits.md, "When a carrier is exact".  P is the carrier's
precision, p the accumulator's, q the addend's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import NamedTuple

from hwsim_kernels.datapath import (
    ALL,
    AWAY,
    CLAMP,
    COUNTS,
    EXACT,
    HALF,
    INNOCUOUS,
    NATIVE,
    NEAREST,
    NONE,
    NOTHING,
    SCALE,
    STICKY,
    TRUNCATE,
    TURN,
    UNBOUNDED,
    UP,
    Path,
)

from hwsim.formats import FixedFormat, FloatFormat, Format
from hwsim.simulate.facts import Facts, Unknown
from hwsim.simulate.grids import magnitude, significant_bits, within_float32
from hwsim.units import Chunked, MacUnit


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
    fmt: Format
    addend: Addend
    facts: Bounds
    level: int
    inner: bool
    steps: int
    carrier: Carrier
    finite: bool  # every addend, and c

    @cached_property
    def start(self) -> float:
        """Largest |c| where this accumulator starts at c."""
        chunked = isinstance(self.unit.order, Chunked)
        return 0.0 if self.inner and chunked else self.facts.c_max

    @cached_property
    def has_c(self) -> bool:
        chunked = isinstance(self.unit.order, Chunked)
        return self.facts.has_c and not (self.inner and chunked)

    @cached_property
    def precision(self) -> int:
        return significant_bits(self.fmt)

    @property
    def way(self) -> int:
        return WAYS[self.unit.rounding]

    @cached_property
    def bound(self) -> float:
        """|acc| at most, if no overflow rule bites.

        To nearest, rounding errs by no more than the addend, as acc is on the grid; toward zero
        it never grows a sum; otherwise all of it by a factor 1 + 2^(1 − p) at each step.
        """
        growth = {NEAREST: 2.0, AWAY: 2.0, TRUNCATE: 1.0}.get(self.way)
        if growth is None:
            exponent = (self.steps + 1) * 2.0 ** (1 - self.precision) * 1.0001
            growth = math.exp(exponent) if exponent < 700 else math.inf
            return growth * (self.start + self.addend.mass) * 1.0000001
        return (self.start + growth * self.addend.mass) * 1.0000001

    @cached_property
    def bounded(self) -> bool:
        """Whether no sum can leave the range on this data."""
        return self.finite and self.bound <= min(float(self.fmt.largest), -float(self.fmt.lowest))

    @cached_property
    def reach(self) -> float:
        """|acc + addend| at most."""
        acc = self.bound if self.bounded else _float(magnitude(self.fmt))
        return acc + _float(self.addend.largest)

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


@dataclass(frozen=True)
class Choice:
    """A datapath, and why it is exact."""

    path: Path
    proof: str


@dataclass(frozen=True)
class Plan:
    """The datapaths of a unit on this data; ``negated`` where operands enter with other signs
    (rdn is rup of the negated sum)."""

    unit: MacUnit
    inner: Choice
    outer: Choice | None
    negated: bool

    @cached_property
    def finite(self) -> bool:
        """Whether finite operands give finite sums."""
        paths = [choice.path for choice in (self.inner, self.outer) if choice]
        return all(path.limit not in (SCALE, HALF) and path.sums != NATIVE for path in paths)

    @property
    def ideal(self) -> bool:
        """Whether tighter bounds of the data would change little."""
        path = self.inner.path
        loose = path.sums == STICKY or path.limit != UNBOUNDED or path.ordered
        return path.width == 32 and not loose


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

    def coarse(self) -> Bounds:
        """Powers of two around: many data have the same ones."""
        a, b = _above(self.a_max), _above(self.b_max)
        low_a, low_b = _above(self.a_min) / 2, _above(self.b_min) / 2
        top_c, mass = _above(self.c_max), _above(self.mass)
        kinds = (self.c_minus_zero, self.has_c, self.length)
        return Bounds(self.finite, a, b, low_a, low_b, top_c, *kinds, mass)


def _above(x: float) -> float:
    """The power of two over x; 0, Inf and NaN stay."""
    return math.ldexp(1.0, math.frexp(x)[1]) if 0.0 < x < 2.0**1000 else x


def plan(unit: MacUnit, facts: Facts | Unknown, level: int) -> Plan | None:
    """The cheapest plan that is proved; None where there is none."""
    # A bound that two passes over the data give, and a plan that many products share.
    quick = _plan(unit, level, Bounds.of(facts, facts.quick_bound).coarse())
    if quick is not None and quick.ideal:
        return quick
    return _plan(unit, level, Bounds.of(facts, facts.sum_bound)) or quick


@lru_cache(maxsize=1 << 12)
def _plan(unit: MacUnit, level: int, facts: Bounds) -> Plan | None:
    """The cheaper one of what both carriers offer."""
    formats = (unit.a, unit.b, unit.accumulator, unit.outer_format)
    if unit.product_format is not None or unit.rounding not in WAYS:
        return None
    if any(fmt.carried_as_codes for fmt in formats):
        return None
    if level != NONE and any(fmt.lowest >= 0 for fmt in formats[2:]):
        return None  # overflow is watched for in magnitude
    kinds = {isinstance(fmt, FloatFormat) for fmt in formats[2:]}
    if unit.rounding == "rdn" and len(kinds) == 2:
        return None  # floats would be negated, and integers have another range then
    product = _product(unit, facts)
    steps = facts.length
    if isinstance(unit.order, Chunked):
        steps = min(steps, unit.order.length)
    plans = []
    for carrier in CARRIERS:
        inner = Sum(
            *(unit, unit.accumulator, product, facts, level),
            *(True, steps, carrier, facts.finite),
        )
        first = _choose(inner)
        if first is None:
            continue
        outer = _outer(inner, first) if isinstance(unit.order, Chunked) else None
        second = _choose(outer) if outer else None
        if outer is None or second is not None:
            negated = unit.rounding == "rdn" and isinstance(unit.outer_format, FloatFormat)
            plans.append(Plan(unit, first, second, negated))
            if plans[-1].ideal:
                break
    return min(plans, key=lambda plan: _cost(plan.inner.path), default=None)


def _cost(path: Path) -> int:
    """Halves of a step: float64 has half the lanes, and a sum's error costs more than that."""
    return (path.width // 32) * (3 if path.sums == STICKY else 1)


def _product(unit: MacUnit, facts: Bounds) -> Addend:
    """The exact product of two operands, as narrow as the data shows it."""
    pairs = ((unit.a, facts.a_max, facts.a_min), (unit.b, facts.b_max, facts.b_min))
    bits, quantum, largest = 0, 0, Fraction(1)
    for fmt, most, least in pairs:
        bits += significant_bits(fmt)
        quantum += finest_bit(fmt, least)
        top = magnitude(fmt)
        largest *= min(top, Fraction(most)) if math.isfinite(most) else top
    return Addend(bits, quantum, largest, facts.mass, f"{unit.a}x{unit.b}")


def finest_bit(fmt: Format, least: float) -> int:
    """Every value of ``fmt`` is a multiple of 2^this, if none but 0 is smaller than ``least``."""
    if isinstance(fmt, FloatFormat) and 0.0 < least < math.inf:
        return max(fmt.quantum_exponent, math.frexp(least)[1] - fmt.precision)
    return fmt.quantum_exponent


def _outer(inner: Sum, choice: Choice) -> Sum:
    """The accumulator of chunk sums."""
    unit, fmt = inner.unit, inner.fmt
    order = unit.order
    assert isinstance(order, Chunked)
    chunks = max(1, -(-inner.facts.length // order.length))
    # Each chunk sum is at most the bound of one; all of them together that of one long sum.
    largest = inner.bound if inner.bounded else magnitude(fmt)
    mass = inner.bound if inner.bounded else math.inf
    sums = Addend(inner.precision, inner.quantum, largest, mass, f"chunk sum in {fmt}")
    native = choice.path.sums == NATIVE and not inner.bounded
    finite = inner.finite and choice.path.limit not in (SCALE, HALF) and not native
    return replace(
        inner, fmt=unit.outer_format, addend=sums, inner=False, steps=chunks, finite=finite
    )


def _choose(sum: Sum) -> Choice | None:
    """The datapath of one accumulator in one carrier."""
    native = _native(sum)
    if native is not None:
        return native
    limit = _limit(sum)
    if limit is None or not _fits(sum):
        return None
    sums, why = _sums(sum)
    rounding, floor = sum.way, not sum.whole
    fixed = isinstance(sum.fmt, FixedFormat)
    if sums == EXACT and not floor and (fixed or sum.places() <= sum.precision):
        rounding = NOTHING
    elif fixed:
        return None
    if not _allowed(sum, rounding, floor):
        return None
    live = floor or sum.facts.c_minus_zero or not sum.inner or not sum.finite
    if sum.level == ALL and sums == INNOCUOUS and (floor or limit != UNBOUNDED):
        sums = STICKY
    own = sum.level != ALL or _own(sum)
    path = Path(sum.carrier.width, sums, rounding, limit, floor, own=own, level=sum.level)
    path = _common(path, live and rounding == NEAREST)
    if not sum.fmt.has_negative_zero and sum.inner and isinstance(sum.unit.order, Chunked):
        path = path._replace(signs=False)  # an outer sum could tell −0 from +0
    # Where a sum may become infinite, later addends are no mass: they are known one by one.
    known = _lost_is_exact(sum, path) and path.limit not in (SCALE, HALF)
    path = path._replace(ordered=sum.level == ALL and not known)
    return Choice(path, f"float{sum.carrier.width}: {why}; {_scope(path)}")


def _common(path: Path, live: bool) -> Path:
    """The path that does what this one does, and more at little cost: so few are compiled that a
    sweep over formats soon meets no new one (`family`)."""
    if path.level == NONE and (live or path.limit == SCALE):
        limit = CLAMP if path.limit == UNBOUNDED else path.limit  # to a bound that none exceeds
        path = path._replace(floor=path.rounding == NEAREST, signs=True, limit=limit)
    elif path.level == COUNTS and live:
        path = path._replace(floor=True, signs=True)
    elif live:
        path = path._replace(signs=True)
    if path.level == NONE and path.rounding == NEAREST and path.sums == EXACT:
        path = path._replace(sums=INNOCUOUS)
    return path


def family(level: int) -> list[Path]:
    """The paths that float formats meet in rne, nothing or only the cheap part counted."""
    paths = []
    for carrier in CARRIERS:
        plain = Path(carrier.width, NATIVE, NOTHING, UNBOUNDED, level=level)
        paths.append(plain)
        for limit in (UNBOUNDED, CLAMP, SCALE):
            scaled = limit == SCALE and level == NONE
            paths.append(plain._replace(sums=EXACT, limit=limit, signs=scaled))
            for sums in (EXACT, INNOCUOUS, STICKY) if level else (INNOCUOUS, STICKY):
                path = plain._replace(sums=sums, rounding=NEAREST, limit=limit)
                if not scaled:
                    paths.append(path)
                if level or limit != UNBOUNDED:
                    paths.append(path._replace(floor=True, signs=True))
    return paths


def _fits(sum: Sum) -> bool:
    """Whether operands, products and sums are values of the carrier."""
    carrier, unit = sum.carrier, sum.unit
    if carrier.width == 32 and not all(map(within_float32, (unit.a, unit.b, sum.fmt))):
        return False
    if sum.precision > carrier.bits or sum.addend.bits > carrier.bits:
        return False
    low = min(sum.quantum, sum.addend.quantum) >= carrier.emin
    return low and sum.reach < 2.0**carrier.emax


def _native(sum: Sum) -> Choice | None:
    """The accumulator is the carrier, and the machine rounds: products need not even fit."""
    unit = sum.unit
    floats = isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)
    plain = sum.fmt == sum.carrier.native and unit.rounding == "rne"
    if not floats or not plain or unit.overflow_of(sum.fmt) not in ("inf", "inf_always"):
        return None
    if sum.carrier.width == 32 and not all(map(within_float32, (unit.a, unit.b))):
        return None
    if sum.level != NONE and not (_fits(sum) and sum.bounded and sum.whole):
        return None
    own = sum.level != ALL or _own(sum)
    path = Path(sum.carrier.width, NATIVE, NOTHING, UNBOUNDED, own=own, level=sum.level)
    path = path._replace(ordered=sum.level == ALL and not _lost_is_exact(sum, path))
    proof = f"the accumulator is the carrier: the machine's fma rounds once to {sum.fmt}"
    return Choice(path, proof)


def _limit(sum: Sum) -> int | None:
    """What the overflow rule needs; None where no datapath has it."""
    if sum.bounded:
        return UNBOUNDED
    if isinstance(sum.fmt, FixedFormat):
        return _fixed_limit(sum)
    rule = sum.unit.overflow_of(sum.fmt)
    if rule in ("saturate", "saturate_all"):
        return CLAMP if sum.finite else None
    if rule not in ("inf", "inf_always") or sum.fmt.emax < 0:
        return None
    if sum.level != NONE and not sum.facts.finite:
        return None
    if rule == "inf_always" and sum.way == TRUNCATE:
        return None  # an infinite sum's error would count as one
    if rule == "inf_always" or sum.way in (NEAREST, AWAY):
        return SCALE
    if not sum.finite:
        return None
    return CLAMP if sum.way == TRUNCATE else HALF


def _fixed_limit(sum: Sum) -> int | None:
    """Saturation, or a circle of which no addend is more than one turn."""
    if not sum.finite:
        return None
    if sum.unit.overflow_of(sum.fmt) != "wrap":
        return CLAMP
    span = Fraction(2) ** (sum.fmt.width + sum.fmt.quantum_exponent)
    return TURN if sum.addend.largest <= span else None


def _sums(sum: Sum) -> tuple[int, str]:
    """What is proved about sums in the carrier, and the proof."""
    p, q, bits = sum.precision, sum.addend.bits, sum.carrier.bits
    if sum.places() <= bits:
        return EXACT, f"every sum fits {bits} bits"
    if sum.way == NEAREST and q <= p and bits >= 2 * p + 2:
        return INNOCUOUS, f"{sum.addend.what} has {q} <= {p} bits and {bits} >= 2*{p} + 2"
    return STICKY, f"sums keep their error, and {bits} >= {p} + 2 bits"


def _allowed(sum: Sum, rounding: int, floor: bool) -> bool:
    """Whether the datapath's own conditions hold."""
    p, carrier = sum.precision, sum.carrier
    if _integer_zero(sum, floor):
        return False
    if rounding == NOTHING:
        return sum.finite
    if not 2 <= p <= carrier.bits - 2:
        return False
    assert isinstance(sum.fmt, FloatFormat)
    if sum.fmt.emin < carrier.emin + carrier.bits - 1:
        return False  # binades that the carrier has no exponents for
    if rounding != NEAREST:
        return sum.finite and not floor
    # C must be finite, whatever the exponent of a sum.
    top = math.frexp(sum.reach)[1] + carrier.bits - p
    return top <= carrier.emax and (sum.fmt.has_subnormals or not floor)


def _integer_zero(sum: Sum, floor: bool) -> bool:
    """Whether a zero product of an integer, which is +0, may meet a sum of −0: the machine would
    give the product its factors' sign."""
    unit = sum.unit
    if isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat):
        return False
    negative = floor or unit.rounding == "rdn" or sum.facts.c_minus_zero
    return sum.fmt.has_negative_zero and negative


def _own(sum: Sum) -> bool:
    """Whether every addend is its own rounding."""
    fmt = sum.fmt
    fits = sum.addend.largest <= min(fmt.largest, -fmt.lowest)
    return sum.addend.bits <= sum.precision and sum.addend.quantum >= fmt.quantum_exponent and fits


def _lost_is_exact(sum: Sum, path: Path) -> bool:
    """Whether float64 adds a tile's lost mass, and an output's mass, without rounding."""
    if not sum.inner:
        return True
    loss = sum.addend.mass  # to nearest, and where the range ends, an error is at most the addend
    if path.rounding in (TRUNCATE, UP):
        loss = sum.steps * (sum.reach * 2.0 ** (1 - sum.precision) + _float(sum.addend.largest))
    if path.limit == TURN:
        loss = sum.facts.length * 2.0**sum.fmt.width * float(sum.fmt.smallest)
    tile = 4 * 64 * 2.0
    if isinstance(sum.unit.order, Chunked):
        loss *= -(-sum.facts.length // max(1, sum.steps)) if path.rounding in (TRUNCATE, UP) else 1
    return max(loss * tile, sum.addend.mass) < 2.0 ** (53 + min(sum.quantum, sum.addend.quantum))


def _float(x: Fraction | float) -> float:
    """Rounded to float64; Inf beyond."""
    try:
        return float(x)
    except OverflowError:
        return math.inf


def _scope(path: Path) -> str:
    words = {
        UNBOUNDED: "no sum overflows on this data",
        CLAMP: "sums saturate",
        SCALE: "sums overflow to Inf",
        HALF: "sums overflow to Inf where they round away from zero, else to the last value",
        TURN: "sums wrap, by one turn at most",
    }
    grid = "exponents floored" if path.floor else "none underflows"
    return f"{words[path.limit]}, {grid}"
