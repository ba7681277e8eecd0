"""Names of formats: reading, writing, errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import SpecError
from hwsim.formats import (
    ALIASES,
    CATALOGUE,
    FixedFormat,
    FloatFormat,
    Format,
    IntFormat,
    format_length,
    parse_format,
)
from tests.formats.strategies import formats


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue_names_are_canonical(name: str) -> None:
    """str and parse are inverse on every name of the catalogue."""
    fmt = CATALOGUE[name].format
    assert parse_format(name) == fmt
    assert str(fmt) == name
    assert CATALOGUE[name].source


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias: str) -> None:
    """An alias names the format of the catalogue that it stands for."""
    assert parse_format(alias) is CATALOGUE[ALIASES[alias]].format


@given(formats())
def test_round_trip(fmt: Format) -> None:
    """Every format is spelled in a way that reads back as itself, type included."""
    again = parse_format(str(fmt))
    assert again == fmt
    assert str(again) == str(fmt)
    assert hash(again) == hash(fmt)


@given(formats(), st.sampled_from(["", "x", "+", ":", "/", "xint8", ":rtz"]))
def test_a_name_is_taken_whole(fmt: Format, rest: str) -> None:
    """The longest name at a position is the format's own, whatever separator comes next."""
    text = "q" + str(fmt) + rest
    assert format_length(text, 1) == len(str(fmt))


@pytest.mark.parametrize(
    ("text", "fmt"),
    {
        "e4m3": FloatFormat(4, 4, specials="fn"),
        "e4m3ieee": FloatFormat(4, 4),
        "e2m1": FloatFormat(2, 2, specials="none"),
        "e3m2": FloatFormat(3, 3, specials="none"),
        "e2m3": FloatFormat(2, 4, specials="none"),
        "e5m10": FloatFormat(5, 11),
        "e5m10_nosub": FloatFormat(5, 11, zero_field="zero"),
        "e6m9": FloatFormat(6, 10),
        "e5m2fnuz": FloatFormat(5, 3, bias=16, specials="fnuz"),
        "e4m3bn3": FloatFormat(4, 4, bias=-3, specials="fn"),
        "int8": IntFormat(8),
        "uint4": IntFormat(4, signed=False),
        "int8_sym": IntFormat(8, symmetric=True),
        "fixed3.4": FixedFormat(3, 4),
        "ufixed0.8": FixedFormat(0, 8, signed=False),
        "e8m0": FloatFormat(8, 1, specials="fn", signed=False, zero_field="normal", has_zero=False),
    }.items(),
)
def test_meaning(text: str, fmt: Format) -> None:
    """What SEMANTICS says that a name means."""
    assert parse_format(text) == fmt


def test_wide_e4m3_is_not_dlfloat() -> None:
    """e6m9 is ieee with emax 31; DLFloat is another format with the same fields."""
    assert parse_format("e6m9") != parse_format("dlfloat16")
    assert (parse_format("e6m9").emax, parse_format("dlfloat16").emax) == (31, 32)  # type: ignore[union-attr]


BAD = {
    "": "unknown format",
    "bfloat61": "did you mean 'bfloat16'?",
    "e4m3fx": "unknown format",
    "int0": "bits=0",
    "int65": "bits=65",
    "e11m53": "precision=54",
    "e16m3": "exponent_bits=16",
    "e8m0ieee": "no code is left for NaN",
    "e1m4ieee": "no code is left for NaN",
    "e1m4": "no code is left for NaN",
    "e12m3": "beyond float64",
    "e5m2b1100": "beyond float64",
    "e5m2bn1200": "beyond float64",
    "e4m3_nosub_normal0": "exclude each other",
    "e4m3fnuz_unsigned": "signed must be True",
    "e4m3_nozero": "has_zero=False",
    "fixed40.40": "81 bits wide",
    "ufixed4.4_sym": "symmetric needs a sign",
    "fixed0.0_sym": "symmetric needs a sign and 2 bits",
}


@pytest.mark.parametrize("text", BAD)
def test_errors_point_at_the_text(text: str) -> None:
    """The message says what is wrong, and a caret line lies under the name."""
    with pytest.raises(SpecError) as caught:
        parse_format(text)
    lines = str(caught.value).split("\n")
    assert BAD[text] in str(caught.value)
    if text:
        assert lines[1:3] == ["  " + text, "  " + "^" * len(text)]
    assert "\n" not in caught.value.line


@pytest.mark.parametrize(
    "fields",
    [
        {"precision": 0},
        {"precision": True},
        {"exponent_bits": 4.0},
        {"specials": "IEEE"},
        {"zero_field": "flush"},
        {"bias": "7"},
        {"has_zero": False},
    ],
    ids=str,
)
def test_constructor_refuses(fields: dict[str, object]) -> None:
    """A field of the wrong type or value is named in a SpecError."""
    with pytest.raises(SpecError, match=next(iter(fields))):
        FloatFormat(**{"exponent_bits": 4, "precision": 4} | fields)  # type: ignore[arg-type]
