"""Hypothesis strategies: MAC units with everything that a description can say.

Everything drawn is valid by construction, and shrinks to a sequential, exactly multiplying unit of
named formats that rounds to nearest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from hwsim.errors import SpecError
from hwsim.formats import (
    OVERFLOWS,
    ROUNDINGS,
    FixedFormat,
    FloatFormat,
    Format,
    GridFormat,
    PositFormat,
    Stochastic,
    TableFormat,
    check_overflow,
)
from hwsim.formats.stochastic import MOST_BITS, TAPS, VARIANTS
from hwsim.testing.format_strategies import fixed, floats, grids, logarithmic, named, tables
from hwsim.testing.log_strategies import NARROWEST, log_units
from hwsim.units import (
    REQUANT_ROUNDINGS,
    Bins,
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    ExactProduct,
    Fused,
    IntegerMultiplier,
    Kahan,
    Lanes,
    MacUnit,
    Multiplier,
    Order,
    Requantization,
    Rescaling,
    Reversed,
    RoundedProduct,
    Sequential,
    Staged,
    StoredProduct,
    Tree,
    is_integer,
    multiplier,
)
from hwsim.units import multipliers as kinds
from hwsim.units.orders import MOST_INPUTS
from hwsim.units.requantization import LARGEST_MULTIPLIER_BITS
from hwsim.units.tables import MOST_TABLE_BITS
from hwsim.units.types import MOST_STORED_BITS

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

WIDTHS = (8, 16, 32, 64)
T = TypeVar("T")


@st.composite
def mac_units(draw: DrawFn, max_width: int = 16) -> MacUnit:
    """MAC units of any operands, multiplier, sums, rounding, overflow rule, order and output.

    max_width : bits of every format, 2 … 64.
    """
    if max_width >= NARROWEST and draw(st.integers(0, 15)) == 15:
        return draw(log_units(max_width))
    a, b = draw(_pairs(max_width))
    core, accumulator = draw(cores(a, b)), draw(_sums(max_width))
    flushes = draw(st.sampled_from(("", "daz", "ftz")))
    plain = MacUnit(
        a,
        b,
        accumulator,
        draw(roundings()),
        order=draw(_orders(accumulator, max_width)),
        multiplier=draw(products(max_width)),
        output=draw(st.one_of(st.none(), st.none(), _sums(max_width))),
        daz=flushes == "daz",
        core=core,
        ftz=flushes == "ftz",
    )
    plain = replace(plain, **draw(_of_tables(a, b, max_width))) if core is None else plain
    plain = replace(plain, **draw(_of_floats(plain)))
    unit = replace(plain, requantization=draw(_requantizations(plain)))
    return replace(unit, overflow=draw(st.sampled_from(_rules(unit))), nan=draw(_nans(unit)))


@st.composite
def _of_floats(draw: DrawFn, unit: MacUnit) -> dict[str, Any]:
    """Blocks of exact products of floats into floats, now and then."""
    formats = (unit.a, unit.b, unit.accumulator)
    exact = unit.core is None and isinstance(unit.multiplier, ExactProduct)
    floats = exact and all(isinstance(fmt, FloatFormat) for fmt in formats)
    return {"order": draw(blocks())} if draw(st.booleans()) and floats else {}


def blocks() -> SearchStrategy[Order]:
    """Fused blocks and blocks in two stages, of few terms and of any widths that tell."""
    places, most = st.integers(0, 40), st.integers(1, 9)
    whole = st.builds(Fused, most, promote=st.one_of(st.none(), most))
    cut = st.builds(
        Fused,
        most,
        places,
        st.one_of(st.none(), st.integers(-160, 20)),
        st.booleans(),
        promote=st.one_of(st.none(), most),
    )
    staged = st.builds(
        lambda terms, extra, *rest: Staged(terms + extra, *rest),
        *(most, st.integers(0, 8), places, places, most, st.one_of(st.none(), places)),
    )
    return st.one_of(whole, cut, staged.filter(lambda order: order.groups <= order.terms))


@st.composite
def _nans(draw: DrawFn, unit: MacUnit) -> int | None:
    """All ones but the sign as the code of NaN, now and then."""
    fmt, some = unit.output_format, draw(st.booleans())  # always: no format is simpler by it
    has = isinstance(fmt, FloatFormat) and fmt.specials == "ieee"
    return (1 << (fmt.width - 1)) - 1 if some and has else None


@st.composite
def _pairs(draw: DrawFn, max_width: int) -> tuple[Format, Format]:
    """Operands; now and then logarithms whose values are irrational, which one multiplier takes."""
    a = draw(operands(max_width))
    if draw(st.integers(0, 7)) < 7:
        return a, draw(st.one_of(st.just(a), operands(max_width)))
    return draw(logarithmic(min(8, max_width))), draw(logarithmic(min(8, max_width)))


@st.composite
def _of_tables(draw: DrawFn, a: Format, b: Format, max_width: int) -> dict[str, Any]:
    """What only tables have, now and then: bins of a codebook's values, or stored products."""
    tables = [fmt for fmt in (b, a) if isinstance(fmt, TableFormat)]
    if not tables or draw(st.booleans()):
        return {}
    count, narrow = len(tables[0].entries), max(a.width, b.width) <= MOST_STORED_BITS
    if 2 <= count <= MOST_INPUTS and not (narrow and draw(st.booleans())):
        outer = draw(st.one_of(st.none(), _sums(max_width)))
        return {"order": Bins(count, outer), "multiplier": ExactProduct()}
    return {"multiplier": StoredProduct(draw(_sums(max_width)))} if narrow else {}


def operands(max_width: int = 16) -> SearchStrategy[Format]:
    """Formats that can be multiplied exactly: floats, posits, fixed point, tables."""
    return _of_any_width(_operands, max_width)


def _operands(width: int) -> SearchStrategy[Format]:
    choice: dict[str, SearchStrategy[Format]] = {
        "named": named(width, lambda fmt: fmt.has_exact_values),
        "float": floats(width),
        "fixed": fixed(width),
        "table": tables(min(8, width), exact=True),
    }
    return st.sampled_from(("named", "float", "fixed", "float", "table")).flatmap(
        lambda kind: choice[kind]
    )


def _sums(max_width: int) -> SearchStrategy[GridFormat]:
    return _of_any_width(grids, max_width)


def _of_any_width(strategy: Callable[[int], SearchStrategy[T]], most: int) -> SearchStrategy[T]:
    """Narrow formats as often as wide ones."""
    widths = [width for width in WIDTHS if width < most]
    return st.sampled_from([*widths, most]).flatmap(strategy)


def roundings() -> SearchStrategy[str]:
    """Names of roundings: rne twice as often as another, stochastic ones of any kind."""
    return st.one_of(st.just("rne"), st.sampled_from(ROUNDINGS), stochastic())


@st.composite
def stochastic(draw: DrawFn) -> str:
    """Stochastic roundings of any number of bits and variant, by splitmix64 or a register."""
    bits = draw(st.one_of(st.sampled_from([8, 1, 2, 16]), st.integers(1, MOST_BITS)))
    least = max(bits, min(TAPS))
    register = draw(st.one_of(st.none(), st.integers(least, max(TAPS))))
    return str(Stochastic(bits, draw(st.sampled_from(VARIANTS)), register))


def orders(max_width: int = 16) -> SearchStrategy[Order]:
    """Every order of accumulation; of chunks, with and without another outer format."""
    outer = st.one_of(st.none(), _sums(max_width))
    return st.one_of(
        st.just(Sequential()),
        st.builds(Chunked, st.integers(1, 9), outer),
        st.builds(Lanes, st.integers(1, 9)),
        st.builds(lambda depth: Lanes(1 << depth, tree=True), st.integers(1, 4)),
        st.builds(Tree, st.integers(2, 17)),
        st.builds(DotAdd, st.integers(2, 9), outer),
        st.builds(Reversed, st.integers(2, 9)),
        st.just(Exact()),
    )


def _orders(accumulator: GridFormat, max_width: int) -> SearchStrategy[Order]:
    """Those that an accumulator can obey: only floats round what they add."""
    found = orders(max_width)
    if not isinstance(accumulator, FloatFormat):
        return found
    return st.one_of(found, found, found, st.sampled_from([Kahan(), DoubleWord()]))


def products(max_width: int = 16) -> SearchStrategy[Multiplier]:
    """Exact products, more often, and rounded ones."""
    rounded = st.builds(RoundedProduct, st.one_of(st.none(), _sums(max_width)))
    return st.one_of(st.just(ExactProduct()), st.just(ExactProduct()), rounded)


@st.composite
def cores(draw: DrawFn, a: Format, b: Format) -> IntegerMultiplier | None:
    """Multipliers of the significands of two formats; half of them exact (None)."""
    bits = kinds.core_bits(a, b)
    if not (a.has_exact_values and b.has_exact_values):
        return kinds.Logarithmic(bits, draw(st.integers(0, 20)))
    if bits > kinds.MOST_BITS or not draw(st.booleans()):
        return None
    powers = [kinds.has_powers_alone(fmt) for fmt in (a, b)]
    if sum(powers) == 1 and not isinstance((a, b)[powers[0]], TableFormat | PositFormat):
        return kinds.Shift(bits, draw(st.integers(0, 6)))
    if isinstance(a, TableFormat | PositFormat) or isinstance(b, TableFormat | PositFormat):
        return None
    signed = all(isinstance(fmt, FixedFormat) and fmt.signed for fmt in (a, b))
    return draw(integer_multipliers(bits, signed))


def integer_multipliers(bits: int, signed: bool = False) -> SearchStrategy[IntegerMultiplier]:
    """Multipliers of ``bits``-bit integers of every kind; tables where there are entries for them,
    ``signed``: of signed operands too."""
    found: list[SearchStrategy[IntegerMultiplier]] = [
        st.just(kinds.Mitchell(bits)),
        st.just(kinds.Mbm(bits)),
        st.builds(kinds.Realm, st.just(bits), st.sampled_from([8, 2, 4, 16])),
        st.builds(kinds.IterativeLog, st.just(bits), st.integers(0, min(bits, 4))),
        st.builds(kinds.Truncated, st.just(bits), st.integers(0, 2 * bits - 1), st.booleans()),
    ]
    if bits > 1:
        found.append(st.builds(kinds.Drum, st.just(bits), st.integers(2, bits)))
    if bits <= MOST_TABLE_BITS:
        found.append(_product_tables(bits, signed))
    return st.one_of(*found)


@st.composite
def _product_tables(draw: DrawFn, bits: int, signed: bool) -> IntegerMultiplier:
    """Tables of exact products, of ones with noise in the low bits, and of anything."""
    width = draw(st.integers(bits, min(MOST_TABLE_BITS, bits + 1)))
    twos = signed and draw(st.booleans())
    axis = np.arange(1 << width) - ((1 << (width - 1)) if twos else 0)
    exact = axis[:, None] * axis[None, :]
    noise = draw(st.sampled_from([0, 7, (1 << 31) - 1]))
    seed = draw(st.integers(0, 2**32 - 1)) if noise else 0
    mask = np.random.default_rng(seed).integers(0, noise, exact.shape, endpoint=True)
    return multiplier(exact ^ mask, signed=twos)


@st.composite
def _requantizations(draw: DrawFn, unit: MacUnit) -> Requantization | None:
    """A requantization now and then, where sums and output are integers."""
    integers = is_integer(unit.outer_format) and is_integer(unit.output_format)
    if not integers or not draw(st.booleans()):
        return None
    bits = draw(st.one_of(st.just(31), st.integers(1, LARGEST_MULTIPLIER_BITS)))
    modes = st.sampled_from(REQUANT_ROUNDINGS)
    return Requantization(bits, draw(modes), draw(st.one_of(st.none(), modes)))


@st.composite
def rescalings(draw: DrawFn, unit: MacUnit) -> Rescaling | None:
    """What a unit that requantizes multiplies by; None for the others."""
    how, fmt = unit.requantization, unit.output_format
    if how is None:
        return None
    assert isinstance(fmt, FixedFormat)
    factor = draw(st.integers(0, 2**how.multiplier_bits - 1))
    zero = draw(st.one_of(st.just(0), st.integers(fmt.lowest_code, fmt.largest_code)))
    return Rescaling(factor, draw(st.integers(-40, 8)), zero)


def _rules(unit: MacUnit) -> list[str | None]:
    """Overflow rules that every format of the unit can obey, first of all each one's own."""
    rules: list[str | None] = [None, None]
    for rule in OVERFLOWS:
        try:
            for fmt in unit.rounded_formats().values():
                check_overflow(rule, fmt)
        except SpecError:
            continue
        rules.append(rule)
    return rules
