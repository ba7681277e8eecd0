"""Exact values: what codes stand for and what additions and products give before any rounding.

A value is a sign and a significand times a power of two, or ±Inf, or NaN.  Zeros have a sign.
Nothing here rounds, and nothing here knows a format.

Source of the rules for special values and for the signs of zeros: IEEE 754-2019 §6.1–6.3, 7.2.
"""

from __future__ import annotations

from enum import Enum
from fractions import Fraction
from math import copysign, isnan
from typing import NamedTuple, Protocol


class Kind(Enum):
    """Whether a value is a number, an infinity or no number."""

    FINITE = "finite"
    INFINITE = "Inf"
    NAN = "NaN"


class Value(NamedTuple):
    """(−1)^negative · significand · 2^exponent, or ±Inf, or NaN.

    Built by `finite`, which keeps the significand odd (zero: significand and exponent 0), so that
    two values are equal as tuples exactly when they are the same datum: −0 ≠ +0, and NaN == NaN.
    Use `equal` to compare as numbers.
    """

    kind: Kind
    negative: bool
    significand: int
    exponent: int

    @property
    def is_finite(self) -> bool:
        """Neither Inf nor NaN."""
        return self.kind is Kind.FINITE

    @property
    def is_zero(self) -> bool:
        """+0 or −0."""
        return self.kind is Kind.FINITE and self.significand == 0

    @property
    def leading_exponent(self) -> int:
        """floor(log2 |x|) of a finite nonzero value."""
        return self.exponent + self.significand.bit_length() - 1

    def __str__(self) -> str:
        if self.kind is Kind.NAN:
            return "NaN"
        sign = "-" if self.negative else ""
        if self.kind is Kind.INFINITE:
            return sign + "Inf"
        return f"{sign}{self.significand}" + (f"*2^{self.exponent}" if self.exponent else "")


NAN = Value(Kind.NAN, False, 0, 0)
ZERO = Value(Kind.FINITE, False, 0, 0)


class Real(Protocol):
    """What `from_real` reads: int, float, Fraction, and NumPy's scalars."""

    def as_integer_ratio(self) -> tuple[int, int]:
        """Numerator and denominator."""
        ...


# --- making values --------------------------------------------------------------------------------
def finite(negative: bool, significand: int, exponent: int) -> Value:
    """(−1)^negative · significand · 2^exponent, for a significand ≥ 0."""
    if significand == 0:
        return zero(negative)
    even_bits = (significand & -significand).bit_length() - 1
    return Value(Kind.FINITE, negative, significand >> even_bits, exponent + even_bits)


def zero(negative: bool = False) -> Value:
    """±0."""
    return Value(Kind.FINITE, negative, 0, 0)


def infinity(negative: bool = False) -> Value:
    """±Inf."""
    return Value(Kind.INFINITE, negative, 0, 0)


def from_int(number: int, exponent: int = 0) -> Value:
    """number · 2^exponent."""
    return finite(number < 0, abs(number), exponent)


def from_float(number: float) -> Value:
    """A Python float, or any NumPy float scalar, exactly; NaNs lose their payload and sign."""
    if isnan(number):
        return NAN
    if number in (float("inf"), float("-inf")):
        return infinity(number < 0)
    if number == 0:
        return zero(copysign(1.0, number) < 0)
    return from_ratio(number)


def from_ratio(number: Real) -> Value:
    """A nonzero dyadic rational, exactly.  ValueError when its denominator is no power of two."""
    numerator, denominator = number.as_integer_ratio()
    exponent = 1 - denominator.bit_length()
    if denominator != 1 << -exponent:
        raise ValueError(f"{number} is not an integer times a power of two")
    return from_int(numerator, exponent)


# --- reading values -------------------------------------------------------------------------------
def to_fraction(x: Value) -> Fraction:
    """A finite value as a Fraction (which has no −0)."""
    if not x.is_finite:
        raise ValueError(f"{x} is not finite")
    magnitude = x.significand * Fraction(2) ** x.exponent
    return -magnitude if x.negative else magnitude


def to_float(x: Value) -> float:
    """The value as a Python float, rounded once to nearest, ties to even; ±Inf beyond its range."""
    if x.kind is Kind.NAN:
        return float("nan")
    try:  # int / int is correctly rounded, subnormal quotients included
        up, down = max(x.exponent, 0), max(-x.exponent, 0)
        magnitude = (x.significand << up) / (1 << down) if x.is_finite else float("inf")
    except OverflowError:
        magnitude = float("inf")
    return -magnitude if x.negative else magnitude


def to_int(x: Value, exponent: int = 0) -> int:
    """x / 2^exponent, for a multiple of 2^exponent; else ValueError."""
    if not x.is_finite or (x.significand and x.exponent < exponent):
        raise ValueError(f"{x} is no multiple of 2^{exponent}")
    steps = x.significand << (x.exponent - exponent) if x.significand else 0
    return -steps if x.negative else steps


# --- exact arithmetic -----------------------------------------------------------------------------
def negate(x: Value) -> Value:
    """−x; NaN has no sign to turn."""
    return x if x.kind is Kind.NAN else x._replace(negative=not x.negative)


def add(x: Value, y: Value, rounding: str = "rne") -> Value:
    """x + y, exactly.

    Inf + (−Inf) and NaN give NaN.  An exact zero of opposite signs is +0, and −0 under ``rdn``;
    (−0) + (−0) is −0.
    """
    if x.kind is Kind.NAN or y.kind is Kind.NAN:
        return NAN
    if not x.is_finite or not y.is_finite:
        if x.is_finite:
            return y
        return x if y.is_finite or x.negative == y.negative else NAN
    exponent = min(x.exponent, y.exponent)
    total = _steps(x, exponent) + _steps(y, exponent)
    if total == 0:
        return zero(x.negative if x.negative == y.negative else rounding == "rdn")
    return from_int(total, exponent)


def multiply(x: Value, y: Value) -> Value:
    """x · y, exactly.  0 · Inf and NaN give NaN; the sign is the XOR of the signs, of zeros too."""
    negative = x.negative != y.negative
    if x.kind is Kind.NAN or y.kind is Kind.NAN:
        return NAN
    if not x.is_finite or not y.is_finite:
        return NAN if x.is_zero or y.is_zero else infinity(negative)
    return finite(negative, x.significand * y.significand, x.exponent + y.exponent)


def distance(x: Value, y: Value) -> Value:
    """|x − y| of finite values."""
    return add(x, negate(y))._replace(negative=False)


def equal(x: Value, y: Value) -> bool:
    """x = y as numbers: −0 = +0, and NaN equals nothing."""
    return (x == y and x.kind is not Kind.NAN) or (x.is_zero and y.is_zero)


def less(x: Value, y: Value) -> bool:
    """x < y, for finite values."""
    exponent = min(x.exponent, y.exponent)
    return _steps(x, exponent) < _steps(y, exponent)


def _steps(x: Value, exponent: int) -> int:
    """x / 2^exponent of a finite value, for an exponent that is not above x's."""
    steps = x.significand << (x.exponent - exponent)
    return -steps if x.negative else steps
