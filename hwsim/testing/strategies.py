"""Hypothesis strategies: formats, codes, values, arrays and MAC units.  Needs the extra `test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.errors import HwsimError, SpecError
from hwsim.formats import (
    OVERFLOWS,
    ROUNDINGS,
    CodebookFormat,
    FixedFormat,
    FloatFormat,
    Format,
    LogFormat,
    TableFormat,
    as_format,
)
from hwsim.formats.logarithmic import DOMAINS
from hwsim.formats.types import SPECIALS, ZERO_FIELDS
from hwsim.testing.draws import STYLES, values
from hwsim.testing.points import hard_numbers
from hwsim.units import MacUnit, as_unit

try:
    from hypothesis import assume
    from hypothesis import strategies as st
except ImportError as error:  # an optional extra
    raise HwsimError(
        "hwsim.testing's strategies need Hypothesis: pip install 'hwsim[test]'"
    ) from error

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

Array = npt.NDArray[Any]


@st.composite
def floats(draw: DrawFn, max_width: int = 16) -> FloatFormat:
    """Float formats of any exponent width, precision, bias, specials and zero field."""
    exponent_bits = draw(st.integers(1, min(11, max_width - 2)))
    precision = draw(st.integers(1, min(53, max_width - exponent_bits)))
    bias = draw(st.one_of(st.none(), st.integers(-4, 2**exponent_bits + 4)))
    specials = draw(st.sampled_from(SPECIALS))
    field = draw(st.sampled_from(ZERO_FIELDS))
    try:
        return FloatFormat(exponent_bits, precision, bias, specials, zero_field=field)
    except SpecError:
        assume(False)
        raise


@st.composite
def fixed(draw: DrawFn, max_width: int = 16) -> FixedFormat:
    """Integers and fixed point of any width, signed or not."""
    signed = draw(st.booleans())
    width = draw(st.integers(1, max_width))
    fraction = draw(st.sampled_from([0, 0, draw(st.integers(0, width))]))
    try:
        return FixedFormat(width - fraction - signed, fraction, signed)
    except SpecError:
        assume(False)
        raise


def tables(max_width: int = 8) -> SearchStrategy[TableFormat]:
    """Logarithmic formats and codebooks."""
    return st.one_of(logarithmic(max_width), codebooks(max_width))


@st.composite
def logarithmic(draw: DrawFn, max_width: int = 8) -> LogFormat:
    """Logarithmic formats of any base, bias and domain, with and without zero and sign."""
    signed, zero = draw(st.booleans()), draw(st.booleans())
    bits = draw(st.integers(1, max_width - signed))
    fraction = draw(st.integers(0, min(bits, 10)))
    bias = draw(st.one_of(st.none(), st.integers(-4, 2**bits + 4)))
    domain = draw(st.sampled_from(DOMAINS))
    try:
        return LogFormat(bits - fraction, fraction, bias, signed, zero, domain)
    except SpecError:
        assume(False)
        raise


@st.composite
def codebooks(draw: DrawFn, max_width: int = 8) -> CodebookFormat:
    """Codebooks of few eighths, or of any float32 numbers."""
    eighths = st.integers(-64, 64).map(lambda n: n / 8)
    number = draw(
        st.sampled_from([eighths, st.floats(width=32, allow_nan=False, allow_infinity=False)])
    )
    most = min(2**max_width, 40)
    values = draw(st.lists(number, min_size=2, max_size=most, unique_by=lambda v: v + 0.0))
    return CodebookFormat(sorted(values))


def formats(max_width: int = 16) -> SearchStrategy[Format]:
    """Any format of at most ``max_width`` bits."""
    return st.one_of(floats(max_width), fixed(max_width), tables(min(8, max_width)))


@st.composite
def codes(draw: DrawFn, fmt: str | Format) -> int:
    """A code of ``fmt``: hard significands (ones, one-hot, runs) as often as any."""
    fmt = as_format(fmt)
    hard = reference.encode(_finite(hard_numbers(fmt)), fmt, overflow="saturate", nan="zero")
    return int(draw(st.one_of(st.sampled_from(np.unique(hard).tolist()), _any_code(fmt))))


def _any_code(fmt: Format) -> SearchStrategy[int]:
    if isinstance(fmt, TableFormat):
        return st.sampled_from([code for _, code in fmt.entries])
    hole = isinstance(fmt, FixedFormat) and fmt.symmetric
    every = st.integers(0, (1 << fmt.width) - 1)
    return every.filter(lambda code: code != 1 << (fmt.width - 1)) if hole else every


def _finite(x: Array) -> Array:
    found: Array = x[np.isfinite(x)]
    return found


def numbers(fmt: str | Format) -> SearchStrategy[float]:
    """float64 numbers that are hard to round to ``fmt``: values, ties, what lies next to them."""
    return st.sampled_from(hard_numbers(as_format(fmt)).tolist())


@st.composite
def arrays(draw: DrawFn, fmt: str | Format, shape: tuple[int, ...]) -> Array:
    """Values of ``fmt`` in an array: any codes, or exponents near zero, one or the largest."""
    style, seed = draw(st.sampled_from(STYLES)), draw(st.integers(0, 2**32 - 1))
    return values(as_format(fmt), shape, style, np.random.default_rng(seed))


@st.composite
def mac_units(draw: DrawFn, max_width: int = 16) -> MacUnit:
    """MAC units of any formats, rounding, overflow rule and order."""
    a = draw(formats(min(12, max_width)))
    b = draw(st.one_of(st.just(a), formats(min(12, max_width))))
    sums = st.one_of(floats(max_width), fixed(max_width))
    spec = f"{a}x{b}+{draw(sums)}:{draw(st.sampled_from(ROUNDINGS))}"
    spec += draw(st.sampled_from(["", "", *(f":{rule}" for rule in OVERFLOWS)]))
    spec += draw(st.sampled_from([":seq", ":seq", ":chunk1", ":chunk3", ":chunk8", ":exact"]))
    spec += draw(st.sampled_from(["", "", "", ":mul_add", ":daz"]))
    try:
        return as_unit(spec)
    except SpecError:
        assume(False)
        raise
