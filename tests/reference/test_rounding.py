"""Rounding: against its definition by enumeration, its laws, and the overflow rules."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hwsim.formats import OVERFLOWS, ROUNDINGS, FloatFormat, Format, check_overflow, parse_format
from hwsim.reference import round
from hwsim.reference.codes import decode, encode
from hwsim.reference.rounding import finite_range, round_value, to_grid
from hwsim.reference.values import (
    Kind,
    Value,
    equal,
    from_float,
    from_int,
    from_ratio,
    less,
    negate,
    to_fraction,
    zero,
)
from tests.formats.strategies import float_formats, formats, numbers_for

SMALL = (
    *("e2m1", "e2m3", "e3m2", "e4m3", "e5m2", "e3m4", "e4m3ieee", "e4m3fnuz", "e4m3b11fnuz"),
    *("e6m0fn", "e7m0fnuz", "e5m0none", "e8m0b128fn_unsigned", "e5m3b16fn_unsigned", "e1m6fnuz"),
    *("e1m3none", "e2m0none", "int4", "int8", "uint5", "int6_sym", "fixed2.3", "ufixed0.6"),
    *("fixed0.4_sym", "int1", "uint1"),
)


def value_of(x: Fraction) -> Value:
    return from_ratio(x) if x else zero()


def by_enumeration(x: Fraction, table: list[tuple[Fraction, int]], mode: str) -> Fraction:
    """The rounding of x, inside the range, by looking at its two neighbours among all values."""
    numbers = [number for number, _ in table]
    below, above = table[bisect_right(numbers, x) - 1], table[bisect_left(numbers, x)]
    if below == above:
        return x
    inner, outer = (below, above) if x > 0 else (above, below)
    away, middle = abs(x - inner[0]), abs(outer[0] - inner[0]) / 2
    odd = inner if inner[1] % 2 else outer
    even = outer if inner[1] % 2 else inner
    nearest = inner if away < middle else outer if away > middle else None
    return {
        "rne": nearest or even,
        "rna": nearest or outer,
        "rtz": inner,
        "rup": above,
        "rdn": below,
        "rto": odd,
    }[mode][0]


def table_of(fmt: Format) -> list[tuple[Fraction, int]]:
    """All finite values with their codes, ascending, −0 left out."""
    rows = []
    for code in range(1 << fmt.width):
        try:
            value = decode(code, fmt)
        except ValueError:
            continue
        if value.is_finite and value != zero(True):
            rows.append((to_fraction(value), code))
    return sorted(rows)


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("name", SMALL)
def test_by_enumeration(name: str, mode: str) -> None:
    """Every value, and four points inside every gap, round as the definition says."""
    fmt = parse_format(name)
    table = table_of(fmt)
    points = []
    for (low, _), (high, _) in pairwise(table):
        gap = high - low
        points += [low, low + gap / 4, low + gap / 2, high - gap / 4, high - gap / 2**30]
        points.append(low + gap / 2 + gap / 2**30)
    points.append(table[-1][0])
    for x in points:
        result = round_value(value_of(x), fmt, mode, "saturate")
        assert not result.overflowed
        assert to_fraction(result.value) == by_enumeration(x, table, mode), float(x)
    assert len(points) > 5 * (len(table) - 1)


# --- laws -----------------------------------------------------------------------------------------
def project(x: Fraction, fmt: Format, mode: str, overflow: str = "saturate") -> Value:
    return round_value(value_of(x), fmt, mode, overflow).value


@st.composite
def roundings(draw: st.DrawFn) -> tuple[Format, Fraction]:
    """A format with a zero, and a number near its grid."""
    fmt = draw(formats())
    assume(fmt.has_zero)
    return fmt, draw(numbers_for(fmt))


@given(roundings())
def test_directed_modes_bracket_the_nearest(drawn: tuple[Format, Fraction]) -> None:
    """rdn ≤ rne, rna, rtz, rto ≤ rup, and both ends are neighbours of x or equal to it."""
    fmt, x = drawn
    low, high = (to_fraction(project(x, fmt, mode)) for mode in ("rdn", "rup"))
    for mode in ("rne", "rna", "rtz", "rto"):
        assert low <= to_fraction(project(x, fmt, mode)) <= high
        assert to_fraction(project(x, fmt, mode)) in (low, high)


@given(roundings(), st.sampled_from(ROUNDINGS), st.sampled_from(OVERFLOWS))
def test_idempotent(drawn: tuple[Format, Fraction], mode: str, overflow: str) -> None:
    """A rounded value is a value: it has a code, and rounds to itself in every mode."""
    fmt, x = drawn
    try:
        check_overflow(overflow, fmt)
    except ValueError:
        assume(False)
    y = project(x, fmt, mode, overflow)
    assert decode(encode(y, fmt), fmt) == y
    for again in ROUNDINGS:
        assert round_value(y, fmt, again, overflow) == (y, False)


@given(roundings(), st.data(), st.sampled_from(ROUNDINGS))
def test_monotone(drawn: tuple[Format, Fraction], data: st.DataObject, mode: str) -> None:
    """x ≤ x' implies R(x) ≤ R(x'), saturating."""
    fmt, x = drawn
    first, second = sorted((x, data.draw(numbers_for(fmt))))
    assert to_fraction(project(first, fmt, mode)) <= to_fraction(project(second, fmt, mode))


@given(roundings(), st.sampled_from(ROUNDINGS))
def test_sign_symmetry(drawn: tuple[Format, Fraction], mode: str) -> None:
    """R(−x) = −R(x) in symmetrical formats, with rup and rdn exchanged; zeros aside."""
    fmt, x = drawn
    assume(fmt.lowest == -fmt.largest)
    mirror = {"rup": "rdn", "rdn": "rup"}.get(mode, mode)
    assert equal(project(-x, fmt, mirror), negate(project(x, fmt, mode)))


@given(roundings())
def test_nearest_is_nearest(drawn: tuple[Format, Fraction]) -> None:
    """No value is nearer than rne's: its neighbours in code are not, and rtz is not beyond."""
    fmt, x = drawn
    assume(fmt.has_subnormals)
    assume(fmt.lowest <= x <= fmt.largest)
    nearest, down, up = (to_fraction(project(x, fmt, mode)) for mode in ("rne", "rdn", "rup"))
    assert down <= x <= up
    assert abs(nearest - x) == min(x - down, up - x)
    toward_zero = to_fraction(project(x, fmt, "rtz"))
    assert abs(toward_zero) <= abs(x)
    odd = project(x, fmt, "rto")
    assert to_fraction(odd) == x or encode(odd, fmt) % 2 == 1


@given(formats(), st.integers(-(2**70), 2**70))
def test_wrap_is_modulo(fmt: Format, steps: int) -> None:
    """wrap differs from x by a multiple of 2^width steps."""
    assume(not isinstance(fmt, FloatFormat) and not fmt.symmetric)
    x = from_int(steps, fmt.quantum_exponent)
    y, overflowed = round_value(x, fmt, "rne", "wrap")
    code = to_fraction(y) / fmt.smallest
    assert (steps - code) % (1 << fmt.width) == 0
    assert overflowed == (not fmt.lowest <= to_fraction(x) <= fmt.largest)


@given(float_formats(zero_field="subnormal", has_zero=True), st.data())
def test_round_to_odd_permits_a_second_rounding(fmt: FloatFormat, data: st.DataObject) -> None:
    """Rounding to odd with two bits more, then again, is one rounding (Boldo, Melquiond 2008)."""
    x, mode = data.draw(numbers_for(fmt)), data.draw(st.sampled_from(ROUNDINGS))
    wide = FloatFormat(11, fmt.precision + data.draw(st.integers(2, 6)))
    odd = to_grid(value_of(x), wide, "rto")
    once = round_value(value_of(x), fmt, mode, "saturate")
    assert round_value(odd, fmt, mode, "saturate") == once


# --- one bit of precision -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("x", "mode", "result"),
    [
        (1.5, "rne", 2.0),  # code of 1 is 31, odd: up
        (3.0, "rne", 2.0),  # code of 2 is 32, even: down
        (6.0, "rne", 8.0),
        (5.0, "rne", 4.0),
        (7.0, "rne", 8.0),
        (1.25, "rto", 1.0),
        (2.25, "rto", 4.0),
        (-2.25, "rto", -4.0),
        (3.0, "rna", 4.0),
        (2.0**-31, "rne", 0.0),  # half of the smallest: code 0 is even
        (2.0**-31, "rto", 2.0**-30),
        (1.9, "rtz", 1.0),
    ],
)
def test_precision_one(x: float, mode: str, result: float) -> None:
    """e6m0fn (bias 31): even and odd are the parity of the code."""
    assert round(x, "e6m0fn", mode).item() == result


# --- range ----------------------------------------------------------------------------------------
INF, NAN = math.inf, math.nan
OVERFLOW_TABLE = [
    # format, rule, mode, x, result
    ("e5m2", "inf", "rne", 61440.0, INF),
    ("e5m2", "inf", "rne", -61440.0, -INF),
    ("e5m2", "inf", "rna", 1e9, INF),
    ("e5m2", "inf", "rtz", 1e9, 57344.0),
    ("e5m2", "inf", "rto", -1e9, -57344.0),
    ("e5m2", "inf", "rup", 57345.0, INF),
    ("e5m2", "inf", "rup", -1e9, -57344.0),
    ("e5m2", "inf", "rdn", 1e9, 57344.0),
    ("e5m2", "inf", "rdn", -57345.0, -INF),
    ("e5m2", "inf", "rtz", INF, INF),
    ("e5m2", "inf_always", "rtz", 1e9, INF),
    ("e5m2", "inf_always", "rdn", 1e9, INF),
    ("e5m2", "inf_always", "rtz", 65535.0, 57344.0),  # rounds to 57344: no overflow
    ("e5m2", "saturate", "rne", 1e9, 57344.0),
    ("e5m2", "saturate", "rne", -INF, -INF),
    ("e5m2", "saturate_all", "rne", -INF, -57344.0),
    ("e5m2", "nan", "rne", 1e9, NAN),
    ("e5m2", "nan", "rtz", -1e9, NAN),
    ("e5m2", "nan", "rne", INF, INF),
    ("e5m2", "nan", "rtz", 61440.0, 57344.0),
    ("e4m3", "saturate", "rne", INF, 448.0),
    ("e4m3", "saturate", "rne", NAN, NAN),
    ("e4m3", "nan", "rdn", 480.0, NAN),
    ("e4m3", "nan", "rne", -INF, NAN),
    ("e2m1", "saturate", "rne", -INF, -6.0),
    ("int8", "wrap", "rne", 128.0, -128.0),
    ("int8", "wrap", "rne", 127.5, -128.0),
    ("int8", "wrap", "rtz", 127.5, 127.0),
    ("int8", "wrap", "rne", -129.0, 127.0),
    ("int8", "saturate", "rne", 1e30, 127.0),
    ("int8", "saturate", "rne", -INF, -128.0),
    ("int8_sym", "saturate", "rne", -128.0, -127.0),
    ("uint8", "wrap", "rne", -1.0, 255.0),
    ("uint8", "wrap", "rne", -0.5, 0.0),
    ("uint8", "saturate", "rne", -7.0, 0.0),
    ("fixed3.4", "wrap", "rne", 8.0, -8.0),
    ("fixed3.4", "saturate", "rne", 1 / 32, 0.0),
    ("fixed3.4", "saturate", "rto", 1 / 32, 1 / 16),
    # unsigned floats
    ("e5m3b16fn_unsigned", "saturate", "rne", -5.0, 0.0),
    ("e5m3b16fn_unsigned", "saturate", "rne", -INF, 0.0),
    ("e5m3b16fn_unsigned", "nan", "rne", -5.0, NAN),
    ("e5m3b16fn_unsigned", "nan", "rne", -1e-9, 0.0),
    ("e5m3b16fn_unsigned", "nan", "rdn", -1e-9, NAN),
    ("e5m2_unsigned", "inf", "rne", -5.0, NAN),
    ("e5m2_unsigned", "inf_always", "rne", -INF, NAN),
    ("e5m2_unsigned", "inf", "rne", 1e9, INF),
    ("e5m2_unsigned", "saturate", "rne", -INF, 0.0),
    ("e5m2_unsigned", "saturate", "rne", INF, INF),
    # scales
    ("e8m0", "nan", "rne", 0.0, NAN),
    ("e8m0", "nan", "rne", -1.0, NAN),
    ("e8m0", "saturate", "rne", 0.0, NAN),
    ("e8m0", "saturate", "rne", -INF, NAN),
    ("e8m0", "saturate_all", "rne", -2.0, NAN),
    ("e8m0", "nan", "rne", 3.0, 2.0),
    ("e8m0", "nan", "rne", 6.0, 8.0),
    ("e8m0", "nan", "rne", 2.0**-128, NAN),
    ("e8m0", "nan", "rne", 1.5 * 2.0**-128, 2.0**-127),
    ("e8m0", "saturate", "rne", 2.0**-140, 2.0**-127),
    ("e8m0", "nan", "rne", 2.0**128, NAN),
    ("e8m0", "saturate", "rne", 2.0**128, 2.0**127),
    ("e8m0", "nan", "rne", INF, NAN),
    ("e8m0", "saturate", "rne", INF, 2.0**127),
    # no subnormals
    ("dlfloat16", "saturate", "rne", 2.0**-31, 0.0),
    ("dlfloat16", "saturate", "rup", 2.0**-40, 0.0),
    ("dlfloat16", "saturate", "rdn", -(2.0**-40), -0.0),
    (
        "dlfloat16",
        "saturate",
        "rne",
        2.0**-31 * (1 + 2.0**-10 + 2.0**-20),
        2.0**-31 * (1 + 2.0**-9),
    ),
    ("dlfloat16", "nan", "rne", 2.0**33, NAN),
    ("e5m10_nosub", "inf", "rne", 2.0**-14, 2.0**-14),
    ("e5m10_nosub", "inf", "rne", 2.0**-14 * (1 - 2.0**-13), 2.0**-14),
    ("e5m10_nosub", "inf", "rne", 2.0**-14 * (1 - 2.0**-11), 0.0),
    ("e5m10_nosub", "inf", "rdn", -(2.0**-14) * (1 - 2.0**-11), -0.0),
    # zeros
    ("fp16", "inf", "rne", -0.0, -0.0),
    ("fp16", "inf", "rne", -1e-9, -0.0),
    ("fp16", "inf", "rup", -1e-9, -0.0),
    ("e4m3fnuz", "nan", "rne", -0.0, 0.0),
    ("e4m3fnuz", "nan", "rne", -1e-9, 0.0),
]


@pytest.mark.parametrize(("name", "rule", "mode", "x", "result"), OVERFLOW_TABLE)
def test_range_rules(name: str, rule: str, mode: str, x: float, result: float) -> None:
    """One line per clause of SEMANTICS and of the holes filled beside it."""
    got = round(x, name, mode, rule).item()
    assert str(float(got)) == str(float(result))


@pytest.mark.parametrize(
    ("name", "x", "rule"),
    [
        ("e2m1", NAN, None),
        ("int8", NAN, "saturate"),
        ("int8", INF, "wrap"),
        ("int8", -INF, None),
        ("e3m1none_normal0_unsigned_nozero", 0.0, None),
        ("e3m1none_normal0_unsigned_nozero", -1.0, None),
    ],
)
def test_refusals(name: str, x: float, rule: str | None) -> None:
    """NaN where there is none, and Inf where values wrap, are errors that name the format."""
    with pytest.raises(ValueError, match=name):
        round(x, name, overflow=rule)


@pytest.mark.parametrize(
    ("name", "rule"),
    [("e4m3", "inf"), ("e2m1", "nan"), ("fp16", "wrap"), ("int8", "inf"), ("int8_sym", "wrap")],
)
def test_impossible_rules(name: str, rule: str) -> None:
    """An overflow rule that the format cannot obey is refused by name, always."""
    with pytest.raises(ValueError, match=f"overflow '{rule}' is impossible for {name}"):
        round(0.0, name, overflow=rule)


@pytest.mark.parametrize(("nan", "result"), [("zero", 0.0), ("max", 6.0)])
def test_nan_replacement(nan: str, result: float) -> None:
    """nan= replaces NaN where the format has none, and only there."""
    assert round([NAN, 1.0], "e2m1", nan=nan).tolist() == [result, 1.0]
    assert math.isnan(round(NAN, "e4m3", nan=nan).item())


@given(roundings(), st.sampled_from(ROUNDINGS))
def test_overflow_flag(drawn: tuple[Format, Fraction], mode: str) -> None:
    """The flag says that the rounding with unbounded exponent left the range, and nothing else."""
    fmt, x = drawn
    assume(fmt.has_subnormals)  # else a nonzero result may become 0, inside the range
    grid = to_fraction(to_grid(value_of(x), fmt, mode))
    result = round_value(value_of(x), fmt, mode, "saturate")
    assert result.overflowed == (not fmt.lowest <= grid <= fmt.largest)
    assert result.value.kind is Kind.FINITE
    limits = finite_range(fmt)
    assert not less(limits.largest, result.value)


def test_overflow_is_judged_after_rounding() -> None:
    """65535 rounds to 57344 under rtz and to an overflow under rne."""
    fmt = parse_format("e5m2")
    assert not round_value(from_float(65535.0), fmt, "rtz", "inf").overflowed
    assert round_value(from_float(65535.0), fmt, "rne", "inf").overflowed
