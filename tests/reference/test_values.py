"""Exact arithmetic: against Fraction, against the machine's float64, and the special values."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import parse_format
from hwsim.reference.rounding import round_value
from hwsim.reference.values import (
    NAN,
    Value,
    add,
    equal,
    finite,
    from_float,
    from_int,
    from_ratio,
    infinity,
    less,
    multiply,
    negate,
    to_float,
    to_fraction,
    to_int,
    zero,
)

FP64 = parse_format("fp64")
INF, MINUS_INF, PLUS_0, MINUS_0, ONE = infinity(), infinity(True), zero(), zero(True), from_int(1)
values = st.builds(from_int, st.integers(-(2**70), 2**70), st.integers(-300, 300))
floats = st.floats(allow_nan=True, allow_infinity=True)


def rounded_to_float64(x: Value) -> float:
    return to_float(round_value(x, FP64, "rne", "inf").value)


def same_bits(x: float, y: float) -> bool:
    return bool(np.float64(x).view(np.uint64) == np.float64(y).view(np.uint64)) or (
        math.isnan(x) and math.isnan(y)
    )


@given(values, values)
def test_against_fractions(x: Value, y: Value) -> None:
    """Sums, products and order are those of the rationals."""
    p, q = to_fraction(x), to_fraction(y)
    assert to_fraction(add(x, y)) == p + q
    assert to_fraction(multiply(x, y)) == p * q
    assert less(x, y) == (p < q)
    assert equal(x, y) == (p == q)
    assert to_fraction(negate(x)) == -p


@given(floats, floats)
def test_against_the_machine(x: float, y: float) -> None:
    """Rounded to fp64, sums and products are the machine's, zeros and specials included."""
    with np.errstate(all="ignore"):
        machine_sum = float(np.float64(x) + np.float64(y))
        machine_product = float(np.float64(x) * np.float64(y))
    assert same_bits(rounded_to_float64(add(from_float(x), from_float(y))), machine_sum)
    assert same_bits(rounded_to_float64(multiply(from_float(x), from_float(y))), machine_product)


@given(floats)
def test_floats_survive(x: float) -> None:
    """from_float and to_float are exact, in both directions."""
    assert same_bits(to_float(from_float(x)), x)
    for narrow in (np.float32, np.float16, np.longdouble):
        with np.errstate(over="ignore"):
            y = narrow(x)
        assert same_bits(to_float(from_float(y)), float(y))  # type: ignore[arg-type]


@given(st.integers(-(2**1200), 2**1200), st.integers(-2300, 100))
def test_to_float_rounds_once(numerator: int, exponent: int) -> None:
    """Wide values become the float64 that the format fp64 rounds them to."""
    value = from_int(numerator, exponent)
    assert same_bits(to_float(value), rounded_to_float64(value))


@given(values)
def test_canonical(x: Value) -> None:
    """One tuple per datum: the significand is odd, or zero with exponent zero."""
    assert x.significand % 2 == 1 or (x.significand, x.exponent) == (0, 0)
    assert finite(x.negative, x.significand * 8, x.exponent - 3) == x


def test_exact_integers() -> None:
    """Integers beyond float64 keep every bit."""
    big = 2**64 - 1
    assert to_int(from_int(big)) == big
    assert to_int(add(from_int(big), from_int(-1))) == big - 1
    assert to_int(from_int(3, 4), 2) == 12
    with pytest.raises(ValueError, match="no multiple of 2"):
        to_int(from_int(3), 1)


@pytest.mark.parametrize(
    ("x", "y", "rounding", "total"),
    [
        (PLUS_0, MINUS_0, "rne", PLUS_0),
        (PLUS_0, MINUS_0, "rdn", MINUS_0),
        (MINUS_0, MINUS_0, "rne", MINUS_0),
        (PLUS_0, PLUS_0, "rdn", PLUS_0),
        (ONE, negate(ONE), "rne", PLUS_0),
        (ONE, negate(ONE), "rdn", MINUS_0),
        (ONE, negate(ONE), "rup", PLUS_0),
        (INF, MINUS_INF, "rne", NAN),
        (INF, INF, "rne", INF),
        (MINUS_INF, ONE, "rne", MINUS_INF),
        (ONE, NAN, "rne", NAN),
        (NAN, INF, "rne", NAN),
    ],
    ids=str,
)
def test_special_sums(x: Value, y: Value, rounding: str, total: Value) -> None:
    """IEEE 754-2019 §6.1–6.3, both ways round."""
    assert add(x, y, rounding) == total
    assert add(y, x, rounding) == total


@pytest.mark.parametrize(
    ("x", "y", "product"),
    [
        (PLUS_0, INF, NAN),
        (MINUS_0, MINUS_INF, NAN),
        (MINUS_0, ONE, MINUS_0),
        (MINUS_0, negate(ONE), PLUS_0),
        (MINUS_INF, negate(ONE), INF),
        (INF, MINUS_INF, MINUS_INF),
        (NAN, PLUS_0, NAN),
    ],
    ids=str,
)
def test_special_products(x: Value, y: Value, product: Value) -> None:
    """IEEE 754-2019 §6.1–6.3, both ways round."""
    assert multiply(x, y) == product
    assert multiply(y, x) == product


def test_comparisons_of_specials() -> None:
    """−0 = +0; NaN equals nothing; Inf equals itself."""
    assert equal(PLUS_0, MINUS_0)
    assert not equal(NAN, NAN)
    assert equal(INF, INF)
    assert not equal(INF, MINUS_INF)


def test_thirds_are_refused() -> None:
    """Only dyadic rationals are values."""
    with pytest.raises(ValueError, match="power of two"):
        from_ratio(Fraction(1, 3))
