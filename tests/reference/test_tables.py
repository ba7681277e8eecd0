"""Rounding to tables: against definitions by enumeration and by published numbers."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hwsim.formats import ROUNDINGS, CodebookFormat, LogFormat, TableFormat, parse_format
from hwsim.reference import decode, encode
from hwsim.reference import round as rounded
from hwsim.reference.tables import exceeds_root

TABLES = (
    *("binary", "ternary", "pow2_4", "pow2_4_linear", "pow2_3_nozero", "pow2_3_unsigned", "lns8"),
    *("log2.2b9", "log2.2b9_linear", "log1.2_nozero_linear", "nf4", "codebook_n3_n1_1_3"),
    *("codebook_n3_n2_1_7_9", "codebook_n4_n3_n1", "codebook_2_3_7", "codebook_0_1"),
)


def table(name: str) -> TableFormat:
    """A table of the catalogue or the grammar."""
    fmt = parse_format(name)
    assert isinstance(fmt, TableFormat)
    return fmt


def by_definition(x: Fraction, fmt: TableFormat, mode: str) -> Fraction:
    """R(x) by looking at every value."""
    below = [e for e in fmt.entries if e[0] <= x]
    above = [e for e in fmt.entries if e[0] >= x]
    if not below or not above:
        return (above or below)[0 if not below else -1][0]
    (low, low_code), (high, high_code) = below[-1], above[0]
    if low == high:
        return low
    across = low < 0 < high
    own = high if x >= 0 else low
    inner = own if across else (low if low >= 0 else high)
    odd = own if low_code % 2 == high_code % 2 else (high if high_code % 2 else low)
    even = own if across else (low if low_code % 2 == 0 else high)
    outer = own if across else (high if low >= 0 else low)
    nearest = _nearest(x, low, high, fmt)
    return {
        "rup": high,
        "rdn": low,
        "rtz": inner,
        "rto": odd,
        "rne": even if nearest is None else nearest,
        "rna": outer if nearest is None else nearest,
    }[mode]


def _nearest(x: Fraction, low: Fraction, high: Fraction, fmt: TableFormat) -> Fraction | None:
    """The nearer one; None for a tie."""
    if fmt.domain == "linear":
        return {-1: low, 0: None, 1: high}[(2 * x > low + high) - (2 * x < low + high)]
    if low < 0 < high:
        return high if x >= 0 else low
    assert isinstance(fmt, LogFormat)
    # Far from every threshold in these tests: logarithms of floats decide.
    ends = [
        float(fmt.exponent(0)) if not v else round(math.log2(abs(v)) * 2**10) / 2**10
        for v in (low, high)
    ]
    at = math.log2(abs(x))
    middle = sum(ends) / 2
    assert abs(at - middle) > 1e-9
    outward = at > middle
    return (high if outward else low) if low >= 0 else (low if outward else high)


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("name", TABLES)
def test_definition(name: str, mode: str) -> None:
    """Values, midpoints, what lies next to them, and seeded numbers."""
    fmt = table(name)
    values = [value for value, _ in fmt.entries]
    points = {v + d for v in values for d in (0, Fraction(1, 2**20), Fraction(-1, 2**20))}
    for low, high in pairwise(values):
        points |= {low + (high - low) * k / 8 for k in range(1, 8)}
    points |= {values[0] * 2 - 1, values[-1] * 2 + 1, Fraction(0)}
    x = sorted(p for p in points if Fraction(float(p)) == p)
    got = rounded([float(p) for p in x], fmt, mode)
    assert [Fraction(float(g)) for g in got] == [by_definition(p, fmt, mode) for p in x]
    assert len(x) > 3 * len(values)


def test_published_thresholds() -> None:
    """Miyashita 2016: codes part at √2 (base 2) and 2^(1/4) (base √2)."""
    root = math.sqrt(2)
    assert Fraction(math.nextafter(root, 0)) ** 2 < 2 < Fraction(root) ** 2
    assert rounded([math.nextafter(root, 0), root], "pow2_4").tolist() == [1.0, 2.0]
    fourth = 2**0.25
    below = fourth if Fraction(fourth) ** 4 < 2 else math.nextafter(fourth, 0)
    assert Fraction(below) ** 4 < 2 < Fraction(math.nextafter(below, 2)) ** 4
    got = rounded([below, math.nextafter(below, 2)], "log4.1")
    assert got.tolist() == [1.0, float(np.float32(math.sqrt(2)))]


@pytest.mark.parametrize(
    ("name", "above", "below"),
    [("pow2_8", 41.42, -29.29), ("log4.1", 18.92, -15.91), ("lns8", 4.42738, -4.23967)],
)
def test_published_errors(name: str, above: float, below: float) -> None:
    """The worst relative errors of rounding to nearest, between values of one sign."""
    fmt = table(name)
    assert isinstance(fmt, LogFormat)
    edges = [float(fmt.threshold(fmt.first_field + k)) for k in range(5)]
    x = np.array([math.nextafter(e, side) for e in edges for side in (0, 9e9)])
    errors = (rounded(x, fmt).astype(float) - x) / x * 100
    digits = len(f"{above}".partition(".")[2])
    assert (round(errors.max(), digits), round(errors.min(), digits)) == (above, below)


def test_zero_is_a_field() -> None:
    """In the log domain 0 ends where the power of its field would; in the linear at half."""
    x = [2**-0.5 - 1e-9, 2**-0.5 + 1e-9, 0.5, 0.5000001, -0.4]
    assert rounded(x, "pow2_4").tolist() == [0, 1, 0, 0, 0]
    assert rounded(x, "pow2_4_linear").tolist() == [1, 1, 0, 1, 0]
    assert rounded([0.01, -0.01, 0.0, -0.0], "pow2_4_nozero").tolist() == [1, -1, 1, 1]


def test_ties() -> None:
    """rne to the even code, rna away from zero; across zero the number's own sign, 0 positive."""
    book = CodebookFormat([-3, -1, 1, 3])
    x = [-2.0, 2.0, 0.0, -0.0]
    assert rounded(x, book, "rne").tolist() == [-3, 1, 1, 1]
    assert rounded(x, book, "rna").tolist() == [-3, 3, 1, 1]
    assert rounded([-0.5, 0.5, -0.51, 0.51], "ternary").tolist() == [0, 0, -1, 1]
    assert rounded([-0.5, 0.5], "ternary", "rna").tolist() == [-1, 1]
    assert rounded([0.0, -0.0, -1e-300], "binary").tolist() == [1, 1, -1]


@pytest.mark.parametrize("name", TABLES)
def test_codes(name: str) -> None:
    """Every code but the holes decodes, and encodes back; holes are refused."""
    fmt = table(name)
    for value, code in fmt.entries:
        assert decode([code], fmt).tolist() == [float(value)]
        assert encode([float(value)], fmt).tolist() == [code]
    for code in set(range(1 << fmt.width)) - {code for _, code in fmt.entries}:
        with pytest.raises(ValueError, match="no code"):
            decode([code], fmt)


@pytest.mark.parametrize("name", ["binary", "pow2_4", "nf4"])
def test_special_numbers(name: str) -> None:
    """Inf goes to the ends, NaN is refused or replaced, other rules are refused."""
    fmt = table(name)
    ends = [float(fmt.lowest), float(fmt.largest)]
    for rule in ("saturate", "saturate_all"):
        assert rounded([-math.inf, math.inf], fmt, "rne", rule).tolist() == ends
    with pytest.raises(ValueError, match="NaN"):
        rounded([math.nan], fmt)
    assert rounded([math.nan], fmt, nan="max").tolist() == [ends[1]]
    assert rounded([math.nan], fmt, nan="zero").tolist() == rounded([0.0], fmt).tolist()
    for rule in ("inf", "nan", "wrap"):
        with pytest.raises(ValueError, match="impossible"):
            rounded([1.0], fmt, "rne", rule)


@given(
    st.floats(1e-300, 1e300), st.integers(-2000, 2000).map(lambda n: 2 * n + 1), st.integers(1, 5)
)
@example(math.sqrt(2), 1, 1)
@example(math.nextafter(math.sqrt(2), 2), 1, 1)
def test_exceeds_root(x: float, power: int, depth: int) -> None:
    """x > 2^(power / 2^depth), as fractions of one power say."""
    number, degree = Fraction(x), 1 << depth
    assert exceeds_root(number, power, degree) == (number**degree > Fraction(2) ** power)
