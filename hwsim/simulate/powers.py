"""Shifters and logarithmic multipliers for the kernels: bounds of their products, operands laid out
in planes, what is shifted out.

    shift   a product, cut by adding a large one (SHIFT)
    log     an entry of a table of fractions' sums, and two powers of two (TABLE, ROW, WORDS)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels import planes
from hwsim_kernels.paths import ROW, TABLE, WORDS
from hwsim_kernels.vectors import GATHERS, PERMUTES_WORDS

from hwsim.formats import FixedFormat, FloatFormat, Format
from hwsim.formats.logarithmic import ROOT_BITS, root_of_two
from hwsim.simulate.elementwise import read_only
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import significant_bits
from hwsim.units import MacUnit
from hwsim.units.multipliers import Logarithmic, Shift, has_powers_alone

FARTHEST = 56  # places to the right: none is left of 51 bits but the sign
RANGE = {32: (24, -126, 127), 64: (53, -1022, 1023)}  # P, exponents of normal numbers

Array = npt.NDArray[Any]
Scale = Callable[[Format], tuple[int, int]]


class Product(NamedTuple):
    """What proofs know of a product: bits, quantum, largest magnitude, and Σ|p| of an output."""

    bits: int
    quantum: int
    largest: Fraction | float
    mass: float


class Sides(NamedTuple):
    """A shifter's operands: which one the power is, and their formats."""

    power: int
    word: Format
    other: Format

    @property
    def signed(self) -> bool:
        """Whether words go down, not towards zero."""
        return isinstance(self.word, FixedFormat)


def sides(unit: MacUnit) -> Sides:
    """The power and the word that it moves."""
    if has_powers_alone(unit.a):
        return Sides(0, unit.b, unit.a)
    return Sides(1, unit.a, unit.b)


def never_loses(unit: MacUnit, facts: Facts | None = None) -> bool:
    """Whether a shifter has guard bits enough, for all values or on this data: it is exact then."""
    if not isinstance(unit.core, Shift):
        return False
    found = sides(unit)
    least = float(found.other.smallest)
    if facts is not None and facts.finite:
        least = max(least, (facts.a_min, facts.b_min)[found.power])
    return least >= 2.0**-unit.core.guard


def plain(unit: MacUnit, facts: Facts) -> MacUnit:
    """The unit without a shifter that loses nothing."""
    return replace(unit, core=None) if never_loses(unit, facts) else unit


def product(unit: MacUnit, facts: Any, quanta: tuple[int, int]) -> Product:
    """Bounds on this data (`hwsim.simulate.sums.Bounds`); ``quanta``: of the operands' values."""
    largest, mass = Fraction(1), facts.mass
    for fmt, most in ((unit.a, facts.a_max), (unit.b, facts.b_max)):
        top = max(abs(fmt.largest), abs(fmt.lowest))
        largest *= min(top, Fraction(most)) if math.isfinite(most) else top
    lows = [_exponent(f, least) for f, least in ((unit.a, facts.a_min), (unit.b, facts.b_min))]
    if isinstance(unit.core, Logarithmic):
        places, growth = unit.core.table_bits, _growth(unit.core)
        return Product(places + 1, sum(lows) - places, largest * growth, mass * float(growth))
    assert isinstance(unit.core, Shift)
    found, guard = sides(unit), unit.core.guard
    low = lows[found.power] + guard
    quantum = quanta[1 - found.power] + max(low, 0) - guard
    if low < 0 and found.signed:  # downwards is away from zero for some
        largest += Fraction(2) ** quantum
        mass += 2.0**quantum * facts.length
    return Product(significant_bits(found.word), quantum, largest, mass * 1.0000001)


def places(unit: MacUnit) -> tuple[int, int]:
    """Bits of the products of any operands, and the exponent of a place that divides them."""
    lows = [_exponent(f, 0.0) for f in (unit.a, unit.b)]
    if isinstance(unit.core, Logarithmic):
        return unit.core.table_bits + 1, sum(lows) - unit.core.table_bits
    assert isinstance(unit.core, Shift)
    word = sides(unit).word
    return significant_bits(word), word.quantum_exponent - unit.core.guard


def last_guard_bit(unit: MacUnit) -> float:
    """What a word that is moved downwards may gain in magnitude; 0 of floats."""
    assert isinstance(unit.core, Shift)
    found = sides(unit)
    return 2.0 ** (found.word.quantum_exponent - unit.core.guard) if found.signed else 0.0


def _growth(core: Logarithmic) -> Fraction:
    """How far a table's entry may exceed its power, and values what they stand for."""
    return 1 + Fraction(1, 2 << core.table_bits) + Fraction(1, 1 << 20)


def _exponent(fmt: Format, least: float) -> int:
    """That of the smallest magnitude but 0."""
    some = least if 0.0 < least < math.inf else float(fmt.smallest)
    return math.frexp(some)[1] - 1


def table_kind(core: Logarithmic, width: int) -> int:
    """Which table kernel takes the fractions."""
    if GATHERS and width == 32 and core.bits <= 4:
        return ROW
    fits = core.bits <= 8 and core.table_bits + 2 <= 16
    return WORDS if GATHERS and PERMUTES_WORDS and fits else TABLE


# --- planes ---------------------------------------------------------------------------------------
class Scaled(NamedTuple):
    """What second planes are multiplied by: that of words, and that of powers."""

    words: float = 1.0
    powers: float = 1.0


# The bits of both add up to those of 1.5·2^(P − 1), and neither is far from 1.
CUT = {
    32: Scaled(2.0**-64, 1.5 * 2.0 ** (23 - 63)),
    64: Scaled(2.0**-512, 1.5 * 2.0 ** (52 - 511)),
}


def moved(unit: MacUnit, x: Array, side: int, room: tuple[Array, Scale, bool, Scaled]) -> None:
    """Planes of SHIFT, for operand a (``side`` 0) or b; room : (out, scales of formats, whether
    its sign is turned, what the second plane is multiplied by)."""
    out, scale, negated, by = room
    core, found = unit.core, sides(unit)
    assert isinstance(core, Shift)
    if side == found.power:
        ends = 2.0 ** -(core.guard + FARTHEST), 2.0**-core.guard
        planes.powers(read_only(x), out, *ends, (by.powers, negated))
    else:
        rule = by.words, not found.signed, negated
        planes.words(read_only(x), out, *scale(found.word), rule)


def in_range(unit: MacUnit, sizes: tuple[float, float, float, float], width: int) -> bool:
    """Whether a carrier holds what SHIFT computes on data of these sizes, its numbers normal: the
    planes, products of places that count, and C; and words have two bits less than it."""
    assert isinstance(unit.core, Shift)
    (power, word, other), guard = sides(unit), unit.core.guard
    bits, normal, most = RANGE[width]
    up = max(_exponent(other, sizes[power]), -guard)
    fine = coarse = word.quantum_exponent
    if isinstance(word, FloatFormat):
        places = word.precision - 1
        fine = max(_exponent(word, sizes[3 - power]) - places, fine)
        coarse = max(_exponent(word, sizes[1 - power]) - places, fine)
    high = max(coarse, 0) + max(up, 0) + bits
    low = min(fine, 0) - guard - FARTHEST
    inside = high <= most and low >= normal and fine > normal // 2
    return inside and significant_bits(word) <= bits - 2


def looked_up(core: Logarithmic, x: Array, out: tuple[Array, Array], rule: Any) -> None:
    """Planes of a table; rule : (shift of the index, side, negated)."""
    shift, side, negated = rule
    values, whole = out
    place = 0 if side else -core.table_bits
    rule = (core.bits, shift, place, negated)
    planes.fractions(read_only(x), values, whole, _roots(core.bits), rule)


@lru_cache(maxsize=16)
def _roots(bits: int) -> tuple[Array, Array]:
    """2^(f·2^-bits) and Inf, less than any value that stands for one; and for each of 2^(bits + 1)
    parts of [1, 2) the f of its least number."""
    near = [root_of_two(f, bits) / 2**ROOT_BITS for f in range(1 << bits)]
    roots = np.array([*near, math.inf]) * (1 - 2.0**-20)
    parts = 1 + np.arange(2 << bits) / (2 << bits)
    return roots, np.searchsorted(roots, parts, "right") - 1


@lru_cache(maxsize=32)
def entries(core: Logarithmic, product: int, floats: Any) -> tuple[Array, int]:
    """2^(f·2^-bits) in units of 2^-table_bits, for a sum f of two fractions, as the kernel takes
    it; and the logarithm of a row's length, 0 where the index is the sum."""
    side, drop = 1 << core.bits, ROOT_BITS - core.table_bits
    once = [(root_of_two(f, core.bits) + (1 << (drop - 1))) >> drop for f in range(side)]
    twice = np.array(once + [2 * entry for entry in once], floats)
    if product == TABLE:
        return twice, 0
    stride = 4 if product == ROW else 8
    rows = np.zeros((side, 1 << stride), floats if product == ROW else np.uint16)
    for f in range(side):
        rows[f, :side] = twice[f : f + side]
    return rows.ravel(), stride


# --- counts ---------------------------------------------------------------------------------------
def shifted_out(unit: MacUnit, facts: Facts) -> int:
    """Products of finite operands that lost a bit which is not 0: at each k those of a word whose
    lowest one lies under the place where the power cuts."""
    core = unit.core
    if not isinstance(core, Shift):
        return 0
    found = sides(unit)
    x, y = (facts.a, facts.b) if found.power else (facts.b.swapaxes(1, 2), facts.a.swapaxes(1, 2))
    lowest, cut = _lowest_ones(x, found.word), _cuts(y, core.guard)
    total = 0
    for place in range(core.bits):
        words = np.count_nonzero(lowest == place, axis=1)
        powers = np.count_nonzero(cut > place, axis=2)
        total += int((words * powers).sum())
    return total


def _lowest_ones(x: Array, fmt: Format) -> Array:
    """The place of the lowest one of each significand; −1 of 0."""
    wide = _finite_sizes(x)
    top = np.frexp(wide)[1]
    places: Array = np.full(x.shape, fmt.quantum_exponent)
    if not isinstance(fmt, FixedFormat):
        places = np.maximum(top - significant_bits(fmt), places)
    whole = np.ldexp(wide, -places).astype(np.int64)
    return np.asarray(np.frexp((whole & -whole).astype(np.float64))[1] - 1)


def _finite_sizes(x: Array) -> Array:
    """|x| in float64; 0 for NaN and Inf, of which no bit is shifted."""
    sizes = np.abs(x.astype(np.float64))
    return np.where(np.isfinite(sizes), sizes, 0.0)


def _cuts(y: Array, guard: int) -> Array:
    """How many places each power moves a word under its guard bits; 0 does not count."""
    wide = _finite_sizes(y)
    return np.where(wide == 0, 0, 1 - guard - np.frexp(wide)[1])


def products_of_row(unit: MacUnit, row: Array, b: Array, scale: Scale) -> Array:
    """Products, exact in float64, of a row (k) and b (k, n)."""
    sides_of = ((row[None, :, None], 0), (b[None], 1))
    core = unit.core
    made = []
    for x, side in sides_of:
        out = np.empty((2, *x.shape))
        whole = out.view(np.int64)
        if isinstance(core, Logarithmic):
            looked_up(core, x, (out, whole), (0, side, False))
        else:
            moved(unit, x, side, (out, scale, False, Scaled()))
        made.append((out[:, 0], whole[0, 0]))
    (first, i), (second, j) = made
    rest = first[1] * second[1]
    if isinstance(core, Logarithmic):
        return np.asarray(entries(core, TABLE, np.dtype("f8"))[0][i + j] * rest)
    return np.asarray(np.floor(first[0] * second[0] / rest) * rest)
