"""Hypothesis strategies: formats, codes, values, arrays and MAC units.  Needs the extra `test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.errors import HwsimError, SpecError
from hwsim.formats import OVERFLOWS, ROUNDINGS, FixedFormat, FloatFormat, Format, as_format
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


def formats(max_width: int = 16) -> SearchStrategy[Format]:
    """Any format of at most ``max_width`` bits."""
    return st.one_of(floats(max_width), fixed(max_width))


@st.composite
def codes(draw: DrawFn, fmt: str | Format) -> int:
    """A code of ``fmt``: hard significands (ones, one-hot, runs) as often as any."""
    fmt = as_format(fmt)
    hard = reference.encode(_finite(hard_numbers(fmt)), fmt, overflow="saturate", nan="zero")
    return int(draw(st.one_of(st.sampled_from(np.unique(hard).tolist()), _any_code(fmt))))


def _any_code(fmt: Format) -> SearchStrategy[int]:
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
    spec = f"{a}x{b}+{draw(formats(max_width))}:{draw(st.sampled_from(ROUNDINGS))}"
    spec += draw(st.sampled_from(["", "", *(f":{rule}" for rule in OVERFLOWS)]))
    spec += draw(st.sampled_from([":seq", ":seq", ":chunk1", ":chunk3", ":chunk8", ":exact"]))
    spec += draw(st.sampled_from(["", "", "", ":mul_add", ":daz"]))
    try:
        return as_unit(spec)
    except SpecError:
        assume(False)
        raise
