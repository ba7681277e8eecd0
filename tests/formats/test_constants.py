"""Published constants of the named formats."""

from __future__ import annotations

from fractions import Fraction
from math import isnan

import pytest

from hwsim.formats import CATALOGUE, FloatFormat, parse_format
from hwsim.reference import decode, encode, round

# name: largest, smallest normal, smallest subnormal, has Inf, NaN codes, has −0
# Sources: OFP8 1.0 tables 1 and 2; MX 1.0 §5.3; IEEE 754-2019 table 3.5; Agrawal et al. 2019
CONSTANTS = {
    "e4m3": (448, 2**-6, 2**-9, False, {0x7F, 0xFF}, True),
    "e5m2": (57344, 2**-14, 2**-16, True, {0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF}, True),
    "e4m3fnuz": (240, 2**-7, 2**-10, False, {0x80}, False),
    "e5m2fnuz": (57344, 2**-15, 2**-17, False, {0x80}, False),
    "e4m3b11fnuz": (30, 2**-10, 2**-13, False, {0x80}, False),
    "e4m3ieee": (240, 2**-6, 2**-9, True, {*range(0x79, 0x80), *range(0xF9, 0x100)}, True),
    "e3m4": (15.5, 2**-2, 2**-6, True, {*range(0x71, 0x80), *range(0xF1, 0x100)}, True),
    "e3m2": (28, 0.25, 0.0625, False, set(), True),
    "e2m3": (7.5, 1, 0.125, False, set(), True),
    "e2m1": (6, 1, 0.5, False, set(), True),
    "dlfloat16": (8573157376, 2**-31 * (1 + 2**-9), None, False, {0x7FFF, 0xFFFF}, True),
    "e8m0": (2**127, 2**-127, None, False, {0xFF}, False),
    "binary8p4se": (224, 2**-7, 2**-10, True, {0x80}, False),
    "binary8p3se": (49152, 2**-15, 2**-17, True, {0x80}, False),
    "binary8p4sf": (240, 2**-7, 2**-10, False, {0x80}, False),
    "binary8p3sf": (57344, 2**-15, 2**-17, False, {0x80}, False),
    "binary8p1se": (2**62, 2**-63, None, True, {0x80}, False),
    "binary8p1uf": (2**126, 2**-127, None, False, {0xFF}, False),
    "binary6p3sf": (14, 2**-3, 2**-5, False, {0x20}, False),
    "binary4p2sf": (3, 0.5, 0.25, False, {0x8}, False),
    "binary4p1sf": (8, 0.125, None, False, {0x8}, False),
    "fp16": (65504, 2**-14, 2**-24, True, None, True),
    "bf16": (3.3895313892515355e38, 2**-126, 2**-133, True, None, True),
    "tf32": (3.4011621342146535e38, 2**-126, 2**-136, True, None, True),
    "e6m9": (2**32 - 2**22, 2**-30, 2**-39, True, None, True),
    "fp32": (3.4028234663852886e38, 2**-126, 2**-149, True, None, True),
    "fp64": (1.7976931348623157e308, 2**-1022, 2**-1074, True, None, True),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_range(name: str) -> None:
    """Largest and smallest values, Inf and −0 are those of the published tables."""
    largest, normal, subnormal, has_inf, _, negative_zero = CONSTANTS[name]
    fmt = parse_format(name)
    assert fmt.largest == Fraction(largest)
    assert fmt.smallest_normal == Fraction(normal)
    assert fmt.smallest == Fraction(normal if subnormal is None else subnormal)
    assert (fmt.has_inf, fmt.has_negative_zero) == (has_inf, negative_zero)


@pytest.mark.parametrize("name", [name for name, row in CONSTANTS.items() if row[4] is not None])
def test_nan_codes(name: str) -> None:
    """Exactly the listed codes decode to NaN."""
    values = decode(range(1 << parse_format(name).width), name).tolist()
    assert {code for code, value in enumerate(values) if isnan(value)} == CONSTANTS[name][4]


def test_every_float_of_the_catalogue_has_its_constants() -> None:
    """A new float format cannot enter the catalogue without a row above."""
    floats = {name for name, entry in CATALOGUE.items() if isinstance(entry.format, FloatFormat)}
    assert floats == set(CONSTANTS)


@pytest.mark.parametrize(
    ("name", "code"),
    {
        "e5m2": 0x7E,
        "e4m3ieee": 0x7C,
        "e3m4": 0x78,
        "bf16": 0x7FC0,
        "fp16": 0x7E00,
        "fp32": 0x7FC00000,
        "fp64": 0x7FF8000000000000,
        "e4m3": 0x7F,
        "e4m3fnuz": 0x80,
        "e4m3b11fnuz": 0x80,
        "dlfloat16": 0x7FFF,
        "e8m0": 0xFF,
    }.items(),
)
def test_canonical_nan(name: str, code: int) -> None:
    """NaN, of either sign, is written as the one canonical code (SEMANTICS: Formats)."""
    assert encode([float("nan"), -float("nan")], name).tolist() == [code, code]


def test_e2m1_values() -> None:
    """All sixteen codes of OCP FP4."""
    positive = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    assert str(decode(range(16), "e2m1").tolist()) == str(positive + [-v for v in positive])


def test_dlfloat16_lowest_binade() -> None:
    """Field 0 holds normal numbers; only code 0 of it is zero."""
    got = decode([0, 1, 0x1FF, 0x200, 0x8000, 0x8001, 0x7FFE], "dlfloat16").tolist()
    unit = 2.0**-40
    assert got == [0, 513 * unit, 1023 * unit, 1024 * unit, 0, -513 * unit, 8573157376.0]


@pytest.mark.parametrize(
    ("x", "rule", "result"),
    [
        (464.0, "nan", "448.0"),
        (464.0000001, "nan", "nan"),
        (1e9, "saturate", "448.0"),
        (-1e9, "saturate", "-448.0"),
    ],
)
def test_ofp8_conversion_overflow(x: float, rule: str, result: str) -> None:
    """OFP8 1.0: 464 is the half-way point of e4m3 and rounds to even, 448."""
    assert str(round(x, "e4m3", overflow=rule).item()) == result


@pytest.mark.parametrize(("x", "result"), [(61439.0, 57344.0), (61440.0, float("inf"))])
def test_e5m2_conversion_overflow(x: float, result: float) -> None:
    """Not saturating, e5m2 overflows to Inf from the half-way point on."""
    assert round(x, "e5m2").item() == result
