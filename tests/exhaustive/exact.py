"""Exact products of all codes of two formats, and what the reference rounds exact values to.

A sum depends on a product's exact value alone, so each distinct value is rounded once, by
`hwsim.reference`, and tables of codes are looked up in the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.formats import FloatFormat, Format, parse_format
from hwsim.reference import codes
from hwsim.reference.containers import to_array
from hwsim.reference.rounding import Rounded, round_value
from hwsim.reference.values import NAN, ZERO, Kind, Value, finite, infinity

Array = npt.NDArray[Any]
KINDS = (Kind.FINITE, Kind.INFINITE, Kind.NAN)
FINITE, INFINITE, NOT_A_NUMBER = range(3)
BIAS = 2048  # makes exponents of products positive
EXPONENT_BITS, SIGNIFICAND_BITS = 12, 32


@dataclass(frozen=True)
class Codes:
    """All codes of a format that stand for something: as NumPy takes them, and exactly.

    numbers : the values in the format's dtype.  exact : the same for the reference.
    kind, negative, significand, exponent : the fields of ``exact``, as arrays.
    """

    code: Array
    numbers: Array
    exact: tuple[Value, ...]
    kind: Array
    negative: Array
    significand: Array
    exponent: Array

    @property
    def finite(self) -> Array:
        """Positions of the finite values."""
        return np.flatnonzero(self.kind == FINITE)

    @property
    def infinite_too(self) -> Array:
        """Positions of the values that no product turns into NaN: neither NaN nor zero."""
        zero = (self.kind == FINITE) & (self.significand == 0)
        return np.flatnonzero((self.kind != NOT_A_NUMBER) & ~zero)


@cache
def all_codes(name: str) -> Codes:
    """Every code of the format called ``name``."""
    fmt = parse_format(name)
    kept, values = [], []
    for code in range(1 << fmt.width):
        try:
            values.append(codes.decode(code, fmt))
        except ValueError:  # the code that symmetric integers leave out
            continue
        kept.append(code)
    return Codes(
        np.array(kept),
        to_array(values, fmt, (len(values),)),
        tuple(values),
        np.array([KINDS.index(v.kind) for v in values]),
        np.array([v.negative for v in values]),
        np.array([v.significand for v in values], np.int64),
        np.array([v.exponent for v in values], np.int64),
    )


class Products(NamedTuple):
    """Distinct exact products of two formats' codes: packed, sorted, and which pair gives which.

    ``where`` : (codes of a, codes of b), positions in ``keys``.
    """

    keys: Array
    where: Array


@cache
def products(a: str, b: str) -> Products:
    """All products; significands are below 2^16 and odd, so theirs are exact and odd too."""
    x, y = all_codes(a), all_codes(b)
    zero_x, zero_y = ((c.kind == FINITE) & (c.significand == 0) for c in (x, y))
    lost = (x.kind == NOT_A_NUMBER)[:, None] | (y.kind == NOT_A_NUMBER)
    lost |= (x.kind == INFINITE)[:, None] & zero_y | zero_x[:, None] & (y.kind == INFINITE)
    infinite = ((x.kind == INFINITE)[:, None] | (y.kind == INFINITE)) & ~lost
    zero = (zero_x[:, None] | zero_y) & ~lost
    negative = (x.negative[:, None] ^ y.negative) & ~lost
    if not (isinstance(parse_format(a), FloatFormat) and isinstance(parse_format(b), FloatFormat)):
        negative &= ~zero  # where an operand is an integer a zero is +
    number = ~(lost | infinite | zero)
    significand = np.where(number, x.significand[:, None] * y.significand, 0)
    exponent = np.where(number, x.exponent[:, None] + y.exponent, 0)
    kind = np.where(lost, NOT_A_NUMBER, np.where(infinite, INFINITE, FINITE))
    keys, where = np.unique(pack(kind, negative, significand, exponent), return_inverse=True)
    assert len(keys) < 1 << 16
    return Products(keys, where.reshape(kind.shape).astype(np.uint16))


def pack(kind: Array, negative: Array, significand: Array, exponent: Array) -> Array:
    """The fields of exact values as one integer each."""
    assert int(significand.max(initial=0)) < 1 << SIGNIFICAND_BITS
    head = (kind * 2 + negative) << EXPONENT_BITS
    packed: Array = ((head + exponent + BIAS) << SIGNIFICAND_BITS) + significand
    return packed


def unpack(key: int) -> Value:
    """The exact value of a packed one."""
    head, exponent = divmod(key >> SIGNIFICAND_BITS, 1 << EXPONENT_BITS)
    kind, negative = divmod(head, 2)
    if kind == NOT_A_NUMBER:
        return NAN
    if kind == INFINITE:
        return infinity(bool(negative))
    return finite(bool(negative), key & ((1 << SIGNIFICAND_BITS) - 1), exponent - BIAS)


class Outcomes(NamedTuple):
    """What the reference makes of exact values.

    distinct : results of the distinct values; 0 where the reference raises ValueError, which
    ``lost`` says.  where : for every value, its position among the distinct ones.
    """

    distinct: list[Value]
    where: Array
    lost: Array

    @property
    def results(self) -> list[Value]:
        """The result of every value."""
        return [self.distinct[i] for i in self.where.tolist()]

    @property
    def refused(self) -> Array:
        """For every value, whether the reference refuses it."""
        refused: Array = self.lost[self.where]
        return refused

    def bits(self, fmt: Format) -> Array:
        """The bits of every result, as unsigned integers."""
        found: Array = bits(numbers(self.distinct, fmt))[self.where]
        return found


def outcomes(
    exact: Sequence[Value], fmt: Format, rounding: str, rules: Sequence[str]
) -> dict[str, Outcomes]:
    """Every exact value rounded to ``fmt`` under each overflow rule; each distinct one once.

    The reference asks for the rule only where a value overflows or is not finite, so the others
    are rounded under one rule alone.
    """
    place: dict[Value, int] = {}
    where = np.array([place.setdefault(x, len(place)) for x in exact], np.int64)
    first = [_attempt(x, fmt, rounding, rules[0]) for x in place]
    struck = [
        (i, x)
        for x, i in place.items()
        if (r := first[i]) is None or r.overflowed or not x.is_finite
    ]
    found = {}
    for rule in rules:
        results = [ZERO if r is None else r.value for r in first]
        refused = np.zeros(len(place), bool)
        for i, x in struck:
            again = _attempt(x, fmt, rounding, rule)
            refused[i] = again is None
            results[i] = ZERO if again is None else again.value
        found[rule] = Outcomes(results, where, refused)
    return found


def _attempt(x: Value, fmt: Format, rounding: str, rule: str) -> Rounded | None:
    try:
        return round_value(x, fmt, rounding, rule)
    except ValueError:
        return None


def numbers(values: Sequence[Value], fmt: Format) -> Array:
    """Values of ``fmt`` as an array of its dtype; each distinct one is converted once."""
    place: dict[Value, int] = {}
    where = [place.setdefault(value, len(place)) for value in values]
    return to_array(list(place), fmt, (len(place),))[where]


def bits(x: Array) -> Array:
    """The bits of an array, as unsigned integers."""
    return np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}")
