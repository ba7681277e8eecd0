"""The exact numbers of the slow kernel against Python's fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hwsim_kernels import bignum
from hypothesis import given, settings
from hypothesis import strategies as st

WINDOW = 190
WORDS = st.one_of(
    st.integers(1, 2**64 - 1),
    st.integers(0, 63).map(lambda k: 1 << k),
    st.integers(1, 64).map(lambda k: (1 << k) - 1),
    st.integers(0, 63).map(lambda k: 2**64 - (1 << k)),
)
Number = tuple[Any, ...]


def as_fraction(x: Number) -> Fraction:
    """The value of a finite number."""
    kind, negative, high, middle, low, exponent = x
    if kind == bignum.ZERO:
        return Fraction(0)
    assert kind == bignum.FINITE
    words = (int(high) << 128) | (int(middle) << 64) | int(low)
    assert words.bit_length() == WINDOW
    return (-words if negative else words) * Fraction(2) ** int(exponent)


def value(negative: bool, word: int, exponent: int) -> Number:
    return np.int64(bignum.FINITE), negative, np.uint64(word), np.int64(exponent)


def typed(x: Number) -> Number:
    """A result as an argument again: Numba returns plain integers."""
    return (np.int64(x[0]), bool(x[1]), *(np.uint64(word) for word in x[2:5]), np.int64(x[5]))


@st.composite
def products(draw: st.DrawFn) -> tuple[Number, Fraction]:
    """A product of two words, or one word, with an exponent around zero."""
    x, y = draw(WORDS), draw(st.one_of(st.just(1), WORDS))
    shift, negative = draw(st.integers(-260, 260)), draw(st.booleans())
    found = bignum.multiply(value(negative, x, shift), value(False, y, 0), True)
    return typed(found), (-x * y if negative else x * y) * Fraction(2) ** shift


@settings(max_examples=400)
@given(products())
def test_products_are_exact(product: tuple[Number, Fraction]) -> None:
    """All 128 bits, normalised."""
    assert as_fraction(product[0]) == product[1]


@settings(max_examples=3000)
@given(products(), products())
def test_sums(x: tuple[Number, Fraction], y: tuple[Number, Fraction]) -> None:
    """Exact and said to be so; or between the two neighbours of the window, and then odd."""
    total = x[1] + y[1]
    found, whole = bignum.add(x[0], y[0], False)
    got = as_fraction(found)
    assert whole == (got == total)
    if not whole:
        words = (int(found[2]) << 128) | (int(found[3]) << 64) | int(found[4])
        # A cancelled leading bit moves the odd bit one place up.
        unit = Fraction(2) ** (int(found[5]) + (words & 1 == 0))
        assert (got / unit).denominator == 1
        assert int(got / unit) % 2 == 1
        assert abs(got - total) < unit
    else:
        assert found[0] == bignum.ZERO or found[1] == (total < 0)
    smaller = bignum.smaller(x[0], y[0])
    assert smaller == (abs(x[1]) < abs(y[1]))
    assert bignum.equal(x[0], y[0]) == (x[1] == y[1])


@settings(max_examples=600)
@given(WORDS, WORDS, st.integers(-130, 130))
def test_comparison_of_words(x: int, y: int, shift: int) -> None:
    """x·2^e < y·2^f."""
    wanted = x * Fraction(2) ** shift < y
    assert bignum.below(np.uint64(x), np.int64(shift), np.uint64(y), np.int64(0)) == wanted
    word = np.uint64(x)
    assert not bignum.below(word, np.int64(shift), word, np.int64(shift))


def test_the_carry_drops_a_bit() -> None:
    """2^64 − 1 + (1 + 2^−126) needs 191 bits: (2^63 + 2^32 + 1)·(2^63 − 2^32 + 1) = 2^126 + 1."""
    one = bignum.multiply(
        value(False, 2**63 + 2**32 + 1, -63), value(False, 2**63 - 2**32 + 1, -63), True
    )
    assert as_fraction(one) == 1 + Fraction(2) ** -126
    most = bignum.number(*value(False, 2**64 - 1, 0))
    found, whole = bignum.add(typed(most), typed(one), False)
    assert not whole
    assert as_fraction(found) == 2**64 + Fraction(2) ** -125
