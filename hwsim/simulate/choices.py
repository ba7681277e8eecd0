"""The cheapest datapath of one accumulator that is proved exact, and the proof.

The conditions are those of docs/bits.md, "When a carrier is exact".  P is the carrier's
precision, p the accumulator's, q the addend's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from hwsim_kernels.paths import (
    ALL,
    AWAY,
    BEYOND,
    CLAMP,
    COUNTS,
    DRAWN,
    DRAWN_C,
    EXACT,
    HALF,
    INFINITE,
    INNOCUOUS,
    MITCHELL,
    NATIVE,
    NEAREST,
    NONE,
    NOTHING,
    RING,
    SCALE,
    STEPS,
    STICKY,
    TRUNCATE,
    TURN,
    UNBOUNDED,
    UP,
    Path,
)

from hwsim.formats import FixedFormat, FloatFormat
from hwsim.simulate.cores import both_floats, in_range, kind
from hwsim.simulate.grids import within_float32
from hwsim.simulate.sums import Sum, float_or_inf
from hwsim.units import Chunked, Sequential

FARTHEST_STEP = 90  # of a fixed grid, so that C is normal in float32


@dataclass(frozen=True)
class Choice:
    """A datapath, and why it is exact."""

    path: Path
    proof: str


def choose(sum: Sum) -> Choice | None:
    """The datapath of one accumulator in one carrier."""
    if sum.leaves and sum.level != NONE and not (_own(sum) and sum.whole):
        return None  # counts take acc for a value of the format
    native = _native(sum)
    if native is not None:
        return native
    limit = _limit(sum)
    if limit is None or not _fits(sum):
        return None
    if limit == CLAMP and sum.fmt.lowest == 0 and _told_apart(sum):
        return None  # the kernel clamps to −0
    sums, why = _sums(sum)
    rounding, floor = sum.way, not sum.whole
    fixed = isinstance(sum.fmt, FixedFormat)
    if sums == EXACT and not floor and (fixed or sum.places() <= sum.precision):
        rounding = NOTHING
    elif fixed:
        if not _by_steps(sum, sums):
            return None
        rounding = STEPS
    if limit == TURN and _by_ring(sum, sums):
        rounding, limit = NOTHING, RING
    if rounding in DRAWN and plainly_cut(rounding, sum.level, floor):
        sums = STICKY
    if not _allowed(sum, rounding, floor):
        return None
    live = floor or sum.facts.c_minus_zero or not sum.inner or not sum.finite
    if sum.level == ALL and sums == INNOCUOUS and (floor or limit != UNBOUNDED):
        sums = STICKY
    own = sum.level != ALL or _own(sum)
    path = Path(sum.carrier.width, sums, rounding, limit, floor, own=own, level=sum.level)
    path = _common(path, live and rounding == NEAREST)
    path = path._replace(clocked=path.rounding in DRAWN and sum.clocked)
    if rounding in DRAWN and floor:
        limit = CLAMP if path.level == NONE and limit == UNBOUNDED else limit
        path = path._replace(signs=True, limit=limit)
    if not sum.fmt.has_negative_zero and sum.inner and sum.split:
        path = path._replace(signs=False)  # an outer sum could tell −0 from +0
    # Where a sum may become infinite, later addends are no mass: they are known one by one.
    known = _lost_is_exact(sum, path) and path.limit not in INFINITE
    path = path._replace(ordered=sum.level == ALL and not known)
    return Choice(path, f"float{sum.carrier.width}: {why}; {_scope(path)}")


def _by_steps(sum: Sum, sums: int) -> bool:
    """Whether exact sums are rounded to a fixed grid by (x + C) − C, C = 1.5·2^(P − 1) steps of it:
    to nearest, where none reaches 2^(P − 2) steps."""
    simple = isinstance(sum.unit.order, Sequential | Chunked)
    if sums != EXACT or sum.way != NEAREST or not simple or not sum.finite:
        return False
    step = sum.fmt.quantum_exponent
    return abs(step) <= FARTHEST_STEP and sum.reach < 2.0 ** (step + sum.carrier.bits - 2)


def _by_ring(sum: Sum, sums: int) -> bool:
    """Whether the low bits of a large number and a sum of steps are the result (`entered`)."""
    fmt, places = sum.fmt, sum.carrier.bits - 2
    assert isinstance(fmt, FixedFormat)
    low, step = -fmt.lowest_code, fmt.quantum_exponent
    if sums != EXACT or sum.level != NONE or abs(step) > FARTHEST_STEP or fmt.width > places:
        return False
    simple = isinstance(sum.unit.order, Sequential | Chunked)
    halved = low == 0 or (low == 1 << (fmt.width - 1) and low > 1)
    to_nearest = sum.way == NEAREST or sum.quantum >= step
    return simple and halved and to_nearest and sum.reach + low * 2.0**step < 2.0 ** (step + places)


def plainly_cut(rounding: int, level: int, floor: bool) -> bool:
    """Whether a draw takes sums with their error, exact or not: where that costs nothing, as a cut
    is one instruction; and where s − y of tiny sums needs more bits than the carrier has."""
    return (level == NONE and rounding != DRAWN_C) or (level == ALL and floor)


def _told_apart(sum: Sum) -> bool:
    """Whether this is a chunk sum whose zero's sign the outer accumulator could show."""
    return sum.inner and sum.split and sum.unit.outer_format.has_negative_zero


def _common(path: Path, live: bool) -> Path:
    """The path that does what this one does, and more at little cost: so few are compiled that a
    sweep over formats soon meets no new one (`family`)."""
    if path.level == NONE and (live or path.limit in (SCALE, BEYOND)):
        limit = CLAMP if path.limit == UNBOUNDED else path.limit  # to a bound that none exceeds
        floor = path.floor or path.rounding == NEAREST
        path = path._replace(floor=floor, signs=True, limit=limit)
    elif path.level == COUNTS and live:
        path = path._replace(floor=True, signs=True)
    elif live:
        path = path._replace(signs=True)
    if path.level == NONE and path.rounding == NEAREST and path.sums == EXACT:
        path = path._replace(sums=INNOCUOUS)
    return path


def _fits(sum: Sum) -> bool:
    """Whether operands, products and sums are values of the carrier."""
    carrier, unit = sum.carrier, sum.unit
    if carrier.width == 32 and not all(map(within_float32, (unit.a, unit.b, sum.fmt))):
        return False
    if sum.precision > carrier.bits or sum.addend.bits > carrier.bits:
        return False
    facts = sum.facts
    sizes = (facts.a_max, facts.b_max, facts.a_min, facts.b_min)
    if sum.inner and not in_range(unit, sizes, carrier.width):
        return False
    low = min(sum.quantum, sum.addend.quantum) >= carrier.emin
    return low and sum.reach < 2.0**carrier.emax


def _native(sum: Sum) -> Choice | None:
    """The accumulator is the carrier, and the machine rounds: products need not even fit."""
    unit = sum.unit
    floats = isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)
    if sum.inner and unit.core is not None:
        return None
    plain = sum.fmt == sum.carrier.native and unit.rounding == "rne"
    if not floats or not plain or unit.overflow_of(sum.fmt) not in ("inf", "inf_always"):
        return None
    if sum.carrier.width == 32 and not all(map(within_float32, (unit.a, unit.b))):
        return None
    if sum.level != NONE and not (_fits(sum) and sum.bounded and sum.whole):
        return None
    if sum.leaves and not _fits(sum):
        return None  # one product of the two is rounded by itself
    own = sum.level != ALL or _own(sum)
    path = Path(sum.carrier.width, NATIVE, NOTHING, UNBOUNDED, own=own, level=sum.level)
    path = path._replace(ordered=sum.level == ALL and not _lost_is_exact(sum, path))
    proof = f"the accumulator is the carrier: the machine's fma rounds once to {sum.fmt}"
    return Choice(path, proof)


def _limit(sum: Sum) -> int | None:
    """What the overflow rule needs; None where no datapath has it."""
    if sum.bounded:
        return UNBOUNDED
    if sum.fmt.lowest > 0:
        return None
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
    if rule == "inf_always" or sum.way in (NEAREST, AWAY, *DRAWN):
        return SCALE if _fills_binade(sum.fmt) else BEYOND
    if not sum.finite:
        return None
    if sum.way == TRUNCATE:
        return CLAMP
    return HALF if _fills_binade(sum.fmt) else None


def _fills_binade(fmt: FloatFormat) -> bool:
    """Whether the largest value is the last one of its binade."""
    return fmt.largest == Fraction(2) ** (fmt.emax + 1) * (1 - Fraction(1, 2**fmt.precision))


def _fixed_limit(sum: Sum) -> int | None:
    """Saturation, or a circle of which no addend is more than one turn."""
    if not sum.finite:
        return None
    if sum.unit.overflow_of(sum.fmt) != "wrap":
        return CLAMP
    if sum.leaves and not _own(sum):
        return None
    span = Fraction(2) ** (sum.fmt.width + sum.fmt.quantum_exponent)
    return TURN if sum.addend.largest <= span else None


def _sums(sum: Sum) -> tuple[int, str]:
    """What is proved about sums in the carrier, and the proof."""
    p, q, bits = sum.precision, sum.addend.bits, sum.carrier.bits
    if sum.places() <= bits:
        return EXACT, f"every sum fits {bits} bits"
    on_grid = sum.whole or not sum.leaves
    if sum.way == NEAREST and q <= p and bits >= 2 * p + 2 and on_grid:
        return INNOCUOUS, f"{sum.addend.what} has {q} <= {p} bits and {bits} >= 2*{p} + 2"
    if sum.random:
        return STICKY, f"sums are cut, and {bits} >= {p} + {sum.random} + 2 bits"
    return STICKY, f"sums keep their error, and {bits} >= {p} + 2 bits"


def _allowed(sum: Sum, rounding: int, floor: bool) -> bool:
    """Whether the datapath's own conditions hold."""
    p, carrier = sum.precision, sum.carrier
    if _integer_zero(sum, floor):
        return False
    if rounding == NOTHING:
        return sum.finite
    if isinstance(sum.fmt, FixedFormat):
        return True  # see `_by_steps`
    if not 2 <= p <= carrier.bits - 2 - sum.random:
        return False
    if sum.fmt.emin < carrier.emin + carrier.bits - 1:
        return False  # binades that the carrier has no exponents for
    if rounding in DRAWN:
        return sum.finite and (sum.fmt.has_subnormals or not floor)
    if rounding != NEAREST:
        return sum.finite and not floor
    # C must be finite, whatever the exponent of a sum.
    top = math.frexp(sum.reach)[1] + carrier.bits - p
    return top <= carrier.emax and (sum.fmt.has_subnormals or not floor)


def _integer_zero(sum: Sum, floor: bool) -> bool:
    """Whether a zero product of an integer, which is +0, may meet a sum of −0: the machine would
    give the product its factors' sign."""
    unit = sum.unit
    if both_floats(unit) or (sum.inner and kind(unit) == MITCHELL):  # its masks clear the sign
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
    cut = path.rounding in (TRUNCATE, UP, *DRAWN)
    if cut:
        each = sum.reach * 2.0 ** (1 - sum.precision) + float_or_inf(sum.addend.largest)
        loss = sum.steps * (each + (2.0**sum.fmt.quantum_exponent if sum.random else 0.0))
    if path.limit == TURN:
        loss = sum.facts.length * 2.0**sum.fmt.width * float(sum.fmt.smallest)
    tile = 4 * 64 * 2.0
    if sum.split:
        loss *= -(-sum.facts.length // max(1, sum.steps)) if cut else 1
    return max(loss * tile, sum.addend.mass) < 2.0 ** (53 + min(sum.quantum, sum.addend.quantum))


def _scope(path: Path) -> str:
    words = {
        UNBOUNDED: "no sum overflows on this data",
        CLAMP: "sums saturate",
        SCALE: "sums overflow to Inf",
        BEYOND: "sums over the largest value become Inf",
        HALF: "sums overflow to Inf where they round away from zero, else to the last value",
        TURN: "sums wrap, by one turn at most",
        RING: "sums wrap",
    }
    grid = "exponents floored" if path.floor else "none underflows"
    return f"{words[path.limit]}, {grid}"
