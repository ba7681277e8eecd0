"""Codes and values of the reference are each other's inverse."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import (
    CATALOGUE,
    FloatFormat,
    Format,
    PositFormat,
    TableFormat,
    parse_format,
)
from hwsim.reference.codes import decode, encode
from hwsim.reference.rounding import finite_range, round_value
from hwsim.reference.values import Kind, Value, from_float, from_int, less, to_fraction, zero
from tests.formats.strategies import fixed_formats, float_formats, formats

NARROW = [name for name, entry in CATALOGUE.items() if entry.format.width <= 16]


def codes_of(fmt: Format) -> list[int]:
    """Every code that stands for something."""
    if isinstance(fmt, TableFormat):
        return sorted(fmt.values_by_code)
    return list(range(1 << fmt.width))


@pytest.mark.parametrize("name", NARROW)
def test_every_code(name: str) -> None:
    """encode(decode(code)) = code, but for NaNs, which all become the canonical one."""
    fmt = parse_format(name)
    nans = 0
    for code in codes_of(fmt):
        value = decode(code, fmt)
        if value.kind is Kind.NAN:
            nans += 1
            assert isinstance(fmt, FloatFormat | PositFormat)
            assert encode(value, fmt) == fmt.nan_code, hex(code)
        else:
            assert encode(value, fmt) == code, hex(code)
    assert (nans > 0) == fmt.has_nan


@pytest.mark.parametrize("name", NARROW)
def test_values_are_fixed_points(name: str) -> None:
    """Rounding changes no value of the format, and reports no overflow, in any mode."""
    fmt = parse_format(name)
    for code in codes_of(fmt)[:: 1 if fmt.width < 12 else 7]:
        value = decode(code, fmt)
        for mode in ("rne", "rna", "rtz", "rup", "rdn", "rto"):
            assert round_value(value, fmt, mode, fmt.default_overflow) == (value, False), hex(code)


def test_flushed_codes_of_fnuz_are_plus_zero() -> None:
    """Field 0 holds only zeros, and fnuz has no −0: every such code but NaN's is +0."""
    fmt = parse_format("e4m3fnuz_nosub")
    assert [decode(code, fmt) for code in (0, 1, 7, 0x81, 0x87)] == [zero()] * 5
    assert decode(0x80, fmt).kind is Kind.NAN
    assert decode(0x81, parse_format("e4m3_nosub")) == zero(True)


@given(formats(), st.data())
def test_drawn_formats(fmt: Format, data: st.DataObject) -> None:
    """The same for formats that nobody named; flushed codes decode to zeros."""
    code = data.draw(st.integers(0, (1 << fmt.width) - 1))
    try:
        value = decode(code, fmt)
    except ValueError:
        symmetric = not isinstance(fmt, FloatFormat) and fmt.symmetric
        assert symmetric
        assert code == 1 << (fmt.width - 1)
        return
    again = encode(value, fmt)
    assert decode(again, fmt) == value
    if value.is_finite and not value.is_zero:
        assert again == code


@given(float_formats(), st.data())
def test_codes_ascend(fmt: FloatFormat, data: st.DataObject) -> None:
    """Positive finite codes are in the order of their values; `magnitude` says the same."""
    low = data.draw(st.integers(0, fmt.largest_code - 1))
    first, second = decode(low, fmt), decode(low + 1, fmt)
    flushed = fmt.zero_field == "zero" and low + 1 < 1 << fmt.fraction_bits
    assert less(first, second) or flushed
    assert to_fraction(first) == fmt.magnitude(low)


@given(float_formats())
def test_ends_are_values(fmt: FloatFormat) -> None:
    """lowest, largest, smallest and smallest_normal have codes; nothing lies under smallest."""
    for value in finite_range(fmt):
        assert decode(encode(value, fmt), fmt) == value
    assert encode(finite_range(fmt).largest, fmt) == fmt.largest_code
    code = encode(finite_range(fmt).smallest, fmt)
    assert code == 0 or decode(code - 1, fmt).is_zero


@given(fixed_formats())
def test_fixed_ends(fmt: Format) -> None:
    """Fixed point: both ends have codes, and the numbers beyond have none."""
    limits = finite_range(fmt)
    quantum = from_int(1, fmt.quantum_exponent)
    assert decode(encode(limits.largest, fmt), fmt) == limits.largest
    assert decode(encode(limits.lowest, fmt), fmt) == limits.lowest
    beyond = from_int(int(fmt.largest / fmt.smallest) + 1, fmt.quantum_exponent)
    for value in (beyond, quantum._replace(exponent=quantum.exponent - 1)):
        with pytest.raises(ValueError, match="no value of the format"):
            encode(value, fmt)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (from_float(449.0), "e4m3"),
        (from_float(512.0), "e4m3"),
        (from_float(2.0**-10), "e4m3"),
        (from_float(math.inf), "e4m3"),
        (from_float(-math.inf), "e2m1"),
        (from_float(math.nan), "e2m1"),
        (from_float(math.nan), "int8"),
        (from_float(math.inf), "int8"),
        (zero(True), "e4m3fnuz"),
        (zero(True), "int8"),
        (zero(), "e8m0"),
        (from_int(-1), "e8m0"),
        (from_int(2**31), "int32"),
        (from_float(2.0**-31), "dlfloat16"),
        (from_float(2.0**-15), "e5m10_nosub"),
    ],
    ids=str,
)
def test_encode_refuses_what_is_no_value(value: Value, name: str) -> None:
    """encode does not round."""
    with pytest.raises(ValueError, match="no value of the format"):
        encode(value, parse_format(name))


@pytest.mark.parametrize(("code", "name"), [(-1, "e4m3"), (256, "e4m3"), (16, "int4")])
def test_decode_refuses_what_is_no_code(code: int, name: str) -> None:
    """A code outside 0 … 2^width − 1 is named."""
    with pytest.raises(ValueError, match=str(code)):
        decode(code, parse_format(name))
