"""Posits by their definition: strings, the standard's rounding, and what SoftPosit gives."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import PositFormat, check_overflow, parse_format

SMALL = [PositFormat(n, es) for n in range(2, 9) for es in range(4)]


def test_published_values() -> None:
    """Gustafson & Yonemoto 2017, figure 2 and table 2; the standard's §3."""
    ring = reference.decode(np.arange(32), "posit5_1").tolist()
    assert ring[:8] == [0, 1 / 64, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4]
    assert ring[8:16] == [1, 3 / 2, 2, 3, 4, 8, 16, 64]
    # 0 0001 101 11011101: 256^-3 · 2^5 · (1 + 221/256), es = 3
    value = reference.decode(0b0000110111011101, "posit16_3").item()
    assert Fraction(value) == Fraction(477, 134217728)
    assert parse_format("posit16") == PositFormat(16, 2)
    assert float(PositFormat(32).largest) == 2.0**120
    assert PositFormat(16).quire_bits == 256
    assert PositFormat(32).quire_bits == 512


@pytest.mark.parametrize("fmt", SMALL, ids=str)
def test_every_code(fmt: PositFormat) -> None:
    """Ascending as two's complement; mirrored; decoded as the description has it."""
    codes = np.arange(1 << fmt.width)
    values = reference.decode(codes, fmt).astype(np.float64)
    signed = np.concatenate([values[fmt.nan_code + 1 :], values[: fmt.nan_code]])
    assert np.isnan(values[fmt.nan_code])
    assert (np.diff(signed) > 0).all()
    assert (values[fmt.nan_code + 1 :] == -values[1 : fmt.nan_code][::-1]).all()
    assert [fmt.magnitude(c) for c in range(fmt.nan_code)] == [
        Fraction(v) for v in values[: fmt.nan_code].tolist()
    ]
    assert (reference.encode(values, fmt) == codes).all()


@pytest.mark.parametrize("fmt", SMALL, ids=str)
def test_standard_rounding(fmt: PositFormat) -> None:
    """The standard's §4.1: u < x < w go apart at v, the posit of n + 1 bits U1; v to the even."""
    finer = PositFormat(fmt.width + 1, fmt.exponent_bits)
    places = range(1, fmt.largest_code)
    low = reference.decode(np.array(places, int), fmt).astype(np.float64)
    high = reference.decode(np.array([c + 1 for c in places], int), fmt).astype(np.float64)
    v = reference.decode(np.array([2 * c + 1 for c in places], int), finer).astype(np.float64)
    even = np.where(np.array(places) % 2 == 0, low, high)
    below, above = np.nextafter(v, 0), np.nextafter(v, np.inf)
    for sign in (1, -1):
        found = [reference.round(sign * x, fmt).astype(np.float64) for x in (below, v, above)]
        assert (found[0] == sign * low).all()
        assert (found[1] == sign * even).all()
        assert (found[2] == sign * high).all()


@pytest.mark.parametrize("rounding", ["rne", "rna", "rtz", "rup", "rdn", "rto", "sr4"])
def test_never_zero_nor_nar(rounding: str) -> None:
    x = np.array([1e-300, -1e-300, 1e300, -1e300, 0.0, -0.0])
    codes = reference.encode(x, "posit8", rounding)
    assert codes.tolist() == [0x01, 0xFF, 0x7F, 0x81, 0, 0]
    assert reference.encode([np.nan, np.inf, -np.inf], "posit8", rounding).tolist() == [0x80] * 3


def test_digest_of_softposit() -> None:
    """What SoftPosit 0.3.4 (Leong 2018; PyPI `softposit`) makes of 4,000 seeded float64 numbers,
    as posit8 (es 0), posit16 (es 1) and posit32 (es 2)."""
    generator = np.random.default_rng(5)
    wide = np.ldexp(generator.random(1000) + 1, generator.integers(-125, 125, 1000))
    near = np.ldexp(generator.random(1000) + 1, generator.integers(-12, 12, 1000))
    x = np.concatenate([wide, near, -wide, -near])
    digest = hashlib.sha256()
    for name in ("posit8_0", "posit16_1", "posit32_2"):
        digest.update(reference.encode(x, name).astype("<u4").tobytes())
    assert digest.hexdigest()[:16] == "9897c0ad04fc7169"


def test_digest_of_softposit_sums() -> None:
    """The same of SoftPosit's mulAdd (one rounding of a·b + c), of random codes."""
    generator = np.random.default_rng(6)
    digest = hashlib.sha256()
    for name, width in (("posit8_0", 8), ("posit16_1", 16), ("posit32_2", 32)):
        codes = generator.integers(0, 1 << width, (400, 3))
        found = []
        for a, b, c in reference.decode(codes, name):
            y = reference.matmul([[a]], [[b]], f"{name}x{name}+{name}", c=[[c]])
            found.append(reference.encode(y, name).item())
        digest.update(np.array(found, "<u4").tobytes())
    assert digest.hexdigest()[:16] == "77862a8e6201a48c"


def test_digest_of_softposit_quire() -> None:
    """The same of SoftPosit's quires (fused dot products of 20 products, rounded once)."""
    generator = np.random.default_rng(7)
    digest = hashlib.sha256()
    for name, width in (("posit8_0", 8), ("posit16_1", 16), ("posit32_2", 32)):
        codes = generator.integers(0, 1 << width, (60, 2, 20))
        found = []
        for a, b in codes:
            sides = (reference.decode(np.where(s == 1 << (width - 1), 0, s), name) for s in (a, b))
            y = reference.dot(*sides, f"{name}x{name}+{name}:exact")
            found.append(reference.encode(y, name).item())
        digest.update(np.array(found, "<u4").tobytes())
    assert digest.hexdigest()[:16] == "ee06880ac76cd834"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("posit64", "significands near 1 have 60 bits"),
        ("posit32_6", "lie beyond float64"),
        ("posit1", "width=1: an integer from 2 to 64"),
        ("posit65_2", "width=65"),
        ("posit8_11", "exponent_bits=11"),
        ("posit8_", "unknown format"),
        ("posit", "unknown format"),
    ],
)
def test_refused(name: str, why: str) -> None:
    with pytest.raises(SpecError, match=why):
        parse_format(name)


@pytest.mark.parametrize("rule", ["inf", "inf_always", "nan", "wrap", "saturate_all", "sat_none"])
def test_posits_saturate(rule: str) -> None:
    with pytest.raises(SpecError, match="posit8_2"):
        check_overflow(rule, PositFormat(8))
    check_overflow("saturate", PositFormat(8))
