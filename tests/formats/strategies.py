"""Hypothesis strategies for formats and for the numbers worth rounding to them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from hwsim.errors import SpecError
from hwsim.formats import FixedFormat, FloatFormat, Format, IntFormat
from hwsim.formats.p3109 import SPECIALS as P3109
from hwsim.formats.types import SPECIALS, ZERO_FIELDS


@st.composite
def float_formats(draw: st.DrawFn, /, **fixed: Any) -> FloatFormat:
    """Float formats of up to 8 exponent bits and 12 bits of precision; ``fixed`` sets fields."""
    fields: dict[str, Any] = {
        "exponent_bits": draw(st.integers(1, 8)),
        "precision": draw(st.integers(1, 12)),
        "bias": draw(st.one_of(st.none(), st.integers(-20, 150))),
        "specials": draw(st.sampled_from(SPECIALS)),
        "signed": draw(st.booleans()),
        "zero_field": draw(st.sampled_from(ZERO_FIELDS)),
        "has_zero": draw(st.sampled_from([True, True, True, False])),
    }
    if fields["specials"] in P3109:
        fields |= {"bias": None, "zero_field": "subnormal", "has_zero": True}
    try:
        return FloatFormat(**fields | fixed)
    except SpecError:
        assume(False)
        raise


@st.composite
def fixed_formats(draw: st.DrawFn, largest_width: int = 64) -> FixedFormat:
    """Fixed-point and integer formats of every width."""
    width = draw(st.integers(1, largest_width))
    signed, integer = draw(st.booleans()), draw(st.booleans())
    symmetric = signed and width > 1 and draw(st.booleans())
    if integer:
        return IntFormat(width, signed, symmetric)
    fraction_bits = draw(st.integers(0, width - int(signed)))
    return FixedFormat(width - int(signed) - fraction_bits, fraction_bits, signed, symmetric)


def formats() -> st.SearchStrategy[Format]:
    """Every kind of format."""
    return st.one_of(float_formats(), fixed_formats())


@st.composite
def numbers_for(draw: st.DrawFn, fmt: Format) -> Fraction:
    """A dyadic number that lies well for ``fmt``: near its grid, its midpoints and its ends."""
    scale = Fraction(2) ** draw(st.integers(-4, 3))
    middle = draw(st.sampled_from([fmt.largest, fmt.lowest, fmt.smallest, fmt.smallest_normal]))
    steps = draw(st.integers(-40, 40)) * scale * fmt.smallest
    ratio = Fraction(draw(st.integers(-(2**14), 2**14)), 2**12)
    near = draw(st.sampled_from([steps, middle * ratio, middle + steps, fmt.largest * ratio**9]))
    tiny = draw(st.sampled_from([0, 1, -1])) * fmt.smallest / 2**40
    return near + tiny
