"""Hypothesis strategies: formats of every kind, their codes, values and arrays.

Everything drawn is valid by construction, and shrinks to a named format.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.errors import HwsimError
from hwsim.formats import (
    CATALOGUE,
    CodebookFormat,
    FixedFormat,
    FloatFormat,
    Format,
    GridFormat,
    IntFormat,
    LogFormat,
    PositFormat,
    TableFormat,
    as_format,
)
from hwsim.formats.logarithmic import DOMAINS
from hwsim.formats.p3109 import SPECIALS as P3109
from hwsim.formats.p3109 import WIDEST, exponent_bits
from hwsim.formats.posits import MOST_EXPONENT
from hwsim.formats.types import SPECIALS, ZERO_FIELDS
from hwsim.testing.draws import STYLES, values
from hwsim.testing.points import hard_codes, hard_numbers

try:
    from hypothesis import strategies as st
except ImportError as error:  # an optional extra
    raise HwsimError(
        "hwsim.testing's strategies need Hypothesis: pip install 'hwsim[test]'"
    ) from error

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

Array = npt.NDArray[Any]
LARGEST_EXPONENT, LOWEST_EXPONENT = 1023, -1074  # of float64


@st.composite
def floats(draw: DrawFn, max_width: int = 16, *, of_sums: bool = False) -> FloatFormat:
    """Float formats of any exponent width, precision, bias, specials and zero field.

    of_sums : only those that a sum can have, with a sign and a zero.
    """
    signed = of_sums or draw(st.sampled_from([True, True, True, False]))
    exponent_bits = draw(st.integers(1, min(11, max_width - signed)))
    most = min(51 if exponent_bits == 11 else 53, max_width - signed - exponent_bits + 1)
    precision = draw(st.integers(1, most))
    specials = draw(st.sampled_from(_specials(exponent_bits, precision, signed)))
    field = draw(st.sampled_from(ZERO_FIELDS))
    # Between these biases the largest value and the smallest subnormal are float64 numbers.
    low = 2**exponent_bits - 1 - LARGEST_EXPONENT
    high = -LOWEST_EXPONENT - precision + 1
    default = 2 ** (exponent_bits - 1) - (specials != "fnuz")
    plain = [st.none()] if low <= default <= high else []
    near = st.integers(max(low, -4), min(high, 2**exponent_bits + 4))
    bias = draw(st.one_of(*plain, near))
    zero = signed or field != "normal" or draw(st.booleans())
    return FloatFormat(exponent_bits, precision, bias, specials, signed, field, zero)


def _specials(exponent_bits: int, precision: int, signed: bool) -> list[Any]:
    """Specials that leave a code for a number and, if there is NaN, one for it."""
    impossible = set() if signed else {"fnuz"}
    if exponent_bits == 1 or precision == 1:
        impossible.add("ieee")
    if exponent_bits == precision == 1:
        impossible |= {"fn", "merged"}
    return [kind for kind in SPECIALS if kind not in {*impossible, *P3109}]


@st.composite
def p3109(draw: DrawFn, max_width: int = 16, *, of_sums: bool = False) -> FloatFormat:
    """Any format of IEEE P3109 that float64 holds; ``of_sums``: the signed ones."""
    width = draw(st.integers(3, min(max_width, WIDEST)))
    signed = of_sums or draw(st.booleans())
    precision = draw(st.integers(max(1, width - signed - 10), width - signed))
    specials = draw(st.sampled_from(P3109))
    x = exponent_bits(width, precision, signed)
    return FloatFormat(x, precision, specials=specials, signed=signed)


@st.composite
def fixed(draw: DrawFn, max_width: int = 16) -> FixedFormat:
    """Integers and fixed point of any width, signed or not, symmetric or not."""
    width = draw(st.integers(1, max_width))
    signed = draw(st.sampled_from([True, True, False]))
    symmetric = signed and width > 1 and draw(st.sampled_from([False, False, True]))
    fraction = draw(st.one_of(st.none(), st.integers(0, width - signed)))
    if fraction is None:
        return IntFormat(width, signed, symmetric)
    return FixedFormat(width - fraction - signed, fraction, signed, symmetric)


@st.composite
def posits(draw: DrawFn, max_width: int = 32) -> PositFormat:
    """Posits of any n and es that float64 holds, with two bits more."""
    width = draw(st.integers(2, min(max_width, 57)))  # beyond, no es leaves two bits
    most = next(es for es in range(10, -1, -1) if (width - 2) << es <= MOST_EXPONENT)
    return PositFormat(width, draw(st.integers(max(0, width - 53), most)))


def grids(max_width: int = 16) -> SearchStrategy[GridFormat]:
    """Formats that sums and results can have: floats with sign and zero, fixed point."""
    known = named(max_width, _can_be_summed)
    floating = [floats(max_width, of_sums=True)]
    if max_width >= 3:
        floating.append(p3109(max_width, of_sums=True))
    return st.one_of(known, *floating, fixed(max_width))


def _can_be_summed(fmt: Format) -> bool:
    signed = fmt.signed or isinstance(fmt, FixedFormat)
    return isinstance(fmt, GridFormat) and fmt.has_zero and signed


def tables(max_width: int = 8, *, exact: bool = False) -> SearchStrategy[TableFormat]:
    """Logarithmic formats and codebooks; ``exact``: only those whose values are no roundings."""
    known = named(
        max_width, lambda f: isinstance(f, TableFormat) and (f.has_exact_values or not exact)
    )
    return st.one_of(known, logarithmic(max_width, exact=exact), codebooks(max_width))


@st.composite
def logarithmic(draw: DrawFn, max_width: int = 8, *, exact: bool = False) -> LogFormat:
    """Logarithmic formats of any base, bias and domain, with and without zero and sign."""
    signed, zero = draw(st.booleans()), draw(st.booleans())
    bits = draw(st.integers(1, min(9 if exact else 16, max_width - signed, 16 - signed)))
    # Nine integer bits: float64's normal numbers span the values.
    fraction = 0 if exact else draw(st.integers(max(0, bits - 9), min(bits, 10)))
    bias = draw(st.one_of(st.none(), st.integers(-4, 2**bits + 4)))
    domain = draw(st.sampled_from(DOMAINS))
    return LogFormat(bits - fraction, fraction, bias, signed, zero, domain)


@st.composite
def codebooks(draw: DrawFn, max_width: int = 8) -> CodebookFormat:
    """Codebooks of few eighths, of any float32 numbers, or of another format's values."""
    entry = draw(st.sampled_from([None, None, "e4m3", "int8"]))
    numbers: list[SearchStrategy[Any]] = [
        st.integers(-64, 64).map(lambda n: n / 8),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
    ]
    if entry is not None:
        known = reference.decode(np.arange(1 << 8), entry).astype(np.float64)
        numbers = [st.sampled_from(sorted(known[np.isfinite(known)].tolist(), key=abs))]
    most = min(2**max_width, 40)
    drawn = draw(
        st.lists(st.one_of(*numbers), min_size=2, max_size=most, unique_by=lambda v: v + 0.0)
    )
    return CodebookFormat(sorted(drawn), entry)


def formats(max_width: int = 16) -> SearchStrategy[Format]:
    """Any format of at most ``max_width`` bits."""
    small = min(8, max_width)
    floating = [floats(max_width), *([p3109(max_width)] if max_width >= 3 else [])]
    others = [tables(small), *([posits(max_width)] if max_width >= 2 else [])]
    return st.one_of(named(max_width), *floating, fixed(max_width), *others)


def named(max_width: int, also: Callable[[Format], bool] = bool) -> SearchStrategy[Any]:
    """Formats of the catalogue for which ``also`` holds; of its integers those of few widths."""
    return st.sampled_from([fmt for fmt in _catalogue(max_width) if also(fmt)])


@cache
def _catalogue(max_width: int) -> list[Format]:
    """Simple ones first: of 8 bits, then by width."""
    found = {entry.format for entry in CATALOGUE.values() if entry.format.width <= max_width}
    few = (1, 4, 8, 16, 32)
    chosen = [fmt for fmt in found if not isinstance(fmt, IntFormat) or fmt.width in few]

    def rank(fmt: Format) -> tuple[object, ...]:
        late = isinstance(fmt, FloatFormat) and fmt.specials in P3109
        return fmt.width != 8, fmt.width, late, str(fmt)

    return sorted(chosen, key=rank)


def codes(fmt: str | Format) -> SearchStrategy[int]:
    """A code of ``fmt``: hard significands (ones, one-hot, runs), zeros and specials as often as
    any."""
    fmt = as_format(fmt)
    kinds = [st.sampled_from(hard_codes(fmt)), _any_code(fmt)]
    if isinstance(fmt, FloatFormat):
        kinds.insert(1, st.sampled_from(_special_codes(fmt)))
    return st.one_of(*kinds)


def _special_codes(fmt: FloatFormat) -> list[int]:
    """Zeros, the smallest and largest values of both signs, Inf and NaN."""
    found = {0, 1, fmt.largest_code} | ({fmt.inf_code} if fmt.has_inf else set())
    found |= {fmt.nan_code} if fmt.has_nan else set()
    return sorted(found | {code | fmt.sign_code for code in found})


def _any_code(fmt: Format) -> SearchStrategy[int]:
    if isinstance(fmt, TableFormat):
        return st.sampled_from([code for _, code in fmt.entries])
    if isinstance(fmt, FixedFormat):
        every = st.integers(fmt.lowest_code, fmt.largest_code)
        return every.map(lambda code: code % (1 << fmt.width))
    return st.integers(0, (1 << fmt.width) - 1)


def numbers(fmt: str | Format) -> SearchStrategy[float]:
    """float64 numbers that are hard to round to ``fmt``: values, ties, what lies next to them."""
    return st.sampled_from(hard_numbers(as_format(fmt)).tolist())


@st.composite
def arrays(draw: DrawFn, fmt: str | Format, shape: tuple[int, ...]) -> Array:
    """Values of ``fmt`` in an array: any codes, specials among them; exponents near zero, one or
    the largest; significands of ones, of one bit and of runs; or zeros of both signs."""
    style, seed = draw(st.sampled_from((*STYLES, "zeros"))), draw(st.integers(0, 2**32 - 1))
    return values(as_format(fmt), shape, style, np.random.default_rng(seed))
