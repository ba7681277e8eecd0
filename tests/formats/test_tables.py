"""Formats that are tables: names, values, anchors, errors."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hwsim.errors import SpecError
from hwsim.formats import (
    CodebookFormat,
    FloatFormat,
    IntFormat,
    LogFormat,
    TableFormat,
    format_length,
    parse_format,
)
from hwsim.formats.logarithmic import ROOT_BITS, root_of_two

NAMES = (
    *("binary", "ternary", "nf4", "lns8", "pow2_2", "pow2_4", "pow2_8b64", "pow2_4_linear"),
    *("pow2_5b16_unsigned_nozero_linear", "log4.1", "log4.3", "log0.3_nozero", "log2.3bn40"),
    *("log3.4b60_unsigned", "log5.10", "log10.1b1000", "log1.0b5_nozero"),
    *("codebook_n1_n0.25_0_0.25_1", "codebook_e4m3_n1_0_0.3125", "codebook_n1en5_3e22"),
    *("codebook_e5m3bn3_0_8", "codebook_int4_n3_n1_1_3", "codebook_1en300_1e300"),
)


@pytest.mark.parametrize("name", NAMES)
def test_names_read_back(name: str) -> None:
    """str is canonical, is taken whole before every separator, and pickles keep the format."""
    fmt = parse_format(name)
    again = parse_format(str(fmt))
    assert isinstance(fmt, TableFormat)
    assert again == fmt == pickle.loads(pickle.dumps(fmt))
    assert hash(again) == hash(fmt)
    for rest in ("", "xint8+int32", "+fp32", ":rne", "/fp32"):
        assert format_length(f"q{fmt}{rest}", 1) == len(str(fmt))


@pytest.mark.parametrize(
    ("text", "fmt"),
    {
        "pow2_4": LogFormat(3),
        "log3.0": LogFormat(3),
        "log3.0b8": LogFormat(3, bias=8),
        "lns8": LogFormat(4, 3, bias=0, has_zero=False),
        "ternary": LogFormat(1, domain="linear"),
        "pow2_2_linear": LogFormat(1, domain="linear"),
        "pow2_3_unsigned": LogFormat(3, signed=False),
        "binary": CodebookFormat([-1, 1]),
        "codebook_n1_1": CodebookFormat((np.float32(-1), Fraction(1))),
        "codebook_fp16_0_0.1": CodebookFormat([0, 0.1], FloatFormat(5, 11)),
        "codebook_int8_n200_n7_0": CodebookFormat([-128, -7, 0], IntFormat(8)),
    }.items(),
)
def test_meaning(text: str, fmt: TableFormat) -> None:
    """What a name means; entries are rounded into their format, saturating."""
    assert parse_format(text) == fmt


@pytest.mark.parametrize("name", [*NAMES, "log2.0b3", "pow2_3_unsigned"])
def test_codes_and_values_are_bijective(name: str) -> None:
    """Every value has one code, values ascend, and the table's facts are those of its values."""
    fmt = parse_format(name)
    assert isinstance(fmt, TableFormat)
    values, codes = zip(*fmt.entries, strict=True)
    assert list(values) == sorted(set(values))
    assert len(set(codes)) == len(codes)
    assert all(0 <= code < 1 << fmt.width for code in codes)
    assert all(Fraction(float(value)) == value for value in values)
    step = Fraction(2) ** fmt.quantum_exponent
    assert all((value / step).denominator == 1 for value in values)
    assert any((value / step).numerator % 2 for value in values)
    odd = [abs(v.numerator) >> _zeros(v.numerator) for v in values if v]
    assert max(x.bit_length() for x in odd) == fmt.significant_bits
    assert (fmt.lowest, fmt.largest) == (values[0], values[-1])
    assert fmt.has_zero == (0 in values)
    assert fmt.smallest == min(abs(v) for v in values if v)


def _zeros(n: int) -> int:
    return (n & -n).bit_length() - 1


# --- logarithms -----------------------------------------------------------------------------------
def test_lns_madam() -> None:
    """Zhao et al. 2021: 8 bits, γ = 8, range 2^(127/8); remainder table 2^(r/8) of 8 bits."""
    fmt = parse_format("lns8")
    assert isinstance(fmt, LogFormat)
    assert fmt.width == 8
    assert f"{float(fmt.largest):.3f}" == "60096.777"
    remainders = [round(fmt.magnitude(r) * 256) for r in range(8)]
    assert remainders == [256, 279, 304, 332, 362, 395, 431, 470]


def test_full_scale_range() -> None:
    """Miyashita et al. 2016: 2^bits codes under FSR; the lowest one is 0."""
    bits, fsr = 3, 0
    fmt = LogFormat(bits, bias=2**bits - fsr, signed=False)
    powers = [math.log2(value) for value, _ in fmt.entries if value]
    assert powers == list(range(fsr - 2**bits + 1, fsr))


@pytest.mark.parametrize("name", ["log4.1", "lns8", "log3.4b60_unsigned", "log10.1b1000"])
def test_values_are_the_nearest_floats(name: str) -> None:
    """2^(e / 2^f) lies within half a unit in the last place, by exact powers."""
    fmt = parse_format(name)
    assert isinstance(fmt, LogFormat)
    degree = 1 << fmt.fraction_bits
    for field in range(fmt.first_field, fmt.last_field + 1):
        value, power = fmt.magnitude(field), Fraction(2) ** (field - fmt.exponent_bias)
        top, bottom = value.numerator, value.denominator
        exponent = top.bit_length() - bottom.bit_length()
        exponent -= value < Fraction(2) ** exponent
        half = Fraction(2) ** (exponent - fmt.value_bits)
        if value**degree == power:
            continue
        assert (value - half) ** degree < power < (value + half) ** degree


def test_float64_holds_what_float32_does_not() -> None:
    """float32 where its normal numbers span the format, else float64."""
    found = {name: parse_format(name) for name in ("lns8", "log7.1b126", "log7.1b200", "log8.1")}
    bits = {n: fmt.value_bits for n, fmt in found.items() if isinstance(fmt, LogFormat)}
    assert bits == {"lns8": 24, "log7.1b126": 24, "log7.1b200": 24, "log8.1": 24} | {
        name: 53
        for name, fmt in found.items()
        if fmt.largest >= 2**128 or fmt.smallest < Fraction(1, 2**126)
    }


@pytest.mark.parametrize("depth", [1, 2, 3, 11])
def test_roots(depth: int) -> None:
    """floor(2^128 · 2^(part / 2^depth)), by raising it again."""
    parts = range(1 << depth) if depth < 11 else (0, 1, 2, 777, 1024, 2046, 2047)
    for part in parts:
        root = root_of_two(part, depth)
        degree = 1 << depth
        target = part + ROOT_BITS * degree
        assert root**degree <= 1 << target < (root + 1) ** degree


# --- codebooks ------------------------------------------------------------------------------------
def test_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of numbers is read at every use, and spelled out by str."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.txt"
    path.write_text("# k-means\n-1, -0.5\n0 0.25 # and\n1\n")
    fmt = parse_format("codebook=weights.txt")
    assert fmt == CodebookFormat([-1, -0.5, 0, 0.25, 1])
    assert str(fmt) == "codebook_n1_n0.5_0_0.25_1"
    assert format_length("codebook=weights.txtxint8+int32", 0) == len("codebook=weights.txt")
    path.write_text("-2 2")
    assert str(parse_format("codebook=weights.txt")) == "codebook_n2_2"


@pytest.mark.parametrize("text", ["", "1", "1 1", "2 1", "1 nan", "0 inf", "a b", "1 1e999"])
def test_bad_files(tmp_path: Path, text: str) -> None:
    """An error names the file."""
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"bad\.txt"):
        parse_format(f"codebook={path}")
    with pytest.raises(SpecError, match=r"none\.txt.*cannot be read"):
        parse_format(f"codebook={tmp_path}/none.txt")


@pytest.mark.parametrize(
    ("values", "entry", "message"),
    [
        ([1], None, "1 values"),
        ([], None, "0 values"),
        ([1, 0], None, "ascending"),
        ([0, 0.0], None, "distinct"),
        ([1, 1.01], "e4m3", "entries' format e4m3"),
        ([0, math.nan], None, "nan"),
        ([0, math.inf], None, "inf"),
        ([0, True], None, "True"),
        (["0", 1], None, "'0'"),
        ([0, Fraction(1, 3)], None, "float64"),
        ([0, 2**53 + 1], None, "float64"),
        ([0, 1], "e8m0", "entry=e8m0"),
        ([0, 1], "pow2_4", "entry=pow2_4"),
        (range(65537), None, "65537 values"),
    ],
)
def test_bad_codebooks(values: list[object], entry: str | None, message: str) -> None:
    """Values that are none, not ascending, or alike in their format."""
    with pytest.raises(SpecError, match=message):
        CodebookFormat(values, entry)


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "pow2_1": "at least 1",
        "pow2_18": "from 0 to 16",
        "log0.0": "at least 1",
        "log8.8": "at most 16",
        "log2.11": "fraction_bits=11",
        "log11.0": "beyond float64",
        "log4.0b9999": "beyond float64",
        "codebook_1": "1 values",
        "codebook_1_0": "ascending",
        "codebook_int4_0.1_0.2": "distinct",
        "codebook_": "unknown format",
        "codebook_e4m3": "unknown format",
        "codebook_codebook_0_1_0_1": "unknown format",
        "codebook=a.csv": "unknown format",
        "log4": "unknown format",
        "pow2_4_sym": "unknown format",
    }.items(),
)
def test_bad_names(text: str, message: str) -> None:
    """An error says what is allowed."""
    with pytest.raises(SpecError, match=message):
        parse_format(text)


def test_most_entries() -> None:
    """65 536 entries have codes of 16 bits."""
    fmt = CodebookFormat(range(65536))
    assert (fmt.width, fmt.entries[-1]) == (16, (Fraction(65535), 65535))
