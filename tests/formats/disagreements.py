"""Where other libraries give other results than hwsim, and the clause that decides.

Each row says to which cases it applies and what the library then returns; `test_strangers` checks
that it returns exactly that, that the row's example is a disagreement indeed, and that outside
these rows there is none.  Versions: ml_dtypes 0.6.0, gfloat 0.5.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from hwsim.formats import FloatFormat, Format, parse_format
from hwsim.reference.rounding import round_value, to_grid
from hwsim.reference.values import from_float, to_float


@dataclass(frozen=True)
class Case:
    """One rounding: x, a float64 (or float32, as ``source`` says), to ``fmt``."""

    library: str
    fmt: FloatFormat
    x: float
    rounding: str = "rne"
    overflow: str = "inf"
    source: str = "float64"


@dataclass(frozen=True)
class Disagreement:
    """A class of cases in which ``library`` and hwsim differ.

    applies : whether a case belongs here.  predict : what the library returns there; None where
    that is no value of the format and follows no rule worth writing down.
    """

    library: str
    case: str
    theirs: str
    ours: str
    clause: str
    example: Case
    applies: Callable[[Case], bool]
    predict: Callable[[Case], float | None]


def expected(case: Case) -> float | None:
    """What the library is to return: hwsim's result, but for the rows; None: do not compare."""
    for row in TABLE:
        if row.library == case.library and row.applies(case):
            return row.predict(case)
    return ours(case)


def ours(case: Case) -> float:
    """hwsim's result; ValueError where it refuses."""
    result = round_value(from_float(case.x), case.fmt, case.rounding, case.overflow)
    return to_float(result.value)


def to_float32(x: float) -> float:
    """x as IEEE binary32 rounds it."""
    return to_float(round_value(from_float(x), parse_format("fp32"), "rne", "inf").value)


def _case(library: str, name: str, x: float, *how: str) -> Case:
    fmt = parse_format(name)
    assert isinstance(fmt, FloatFormat)
    return Case(library, fmt, x, *how)


# --- what the rows compute ------------------------------------------------------------------------
def _through_float32(case: Case) -> bool:
    return case.source == "float64" and to_float32(case.x) != case.x and not math.isnan(case.x)


def _rounded_twice(case: Case) -> float:
    again = expected(
        Case(case.library, case.fmt, to_float32(case.x), source="float32", overflow=case.overflow)
    )
    assert again is not None
    return again


def _is_scale(fmt: Format) -> bool:
    return str(fmt) == "e8m0"


def _half_up(case: Case) -> float:
    return ours(Case(case.library, case.fmt, case.x, "rna", case.overflow))


def _overflows_inward(case: Case) -> bool:
    inward = {"rtz", "rdn" if case.x > 0 else "rup"}
    if case.overflow != "nan" or case.rounding not in inward:
        return False
    return case.fmt.largest < abs(case.x) < math.inf and math.isnan(ours(case))


def _under_half(case: Case) -> bool:
    half = float(case.fmt.smallest / 2)
    return (
        case.rounding == "rna"
        and case.fmt.has_subnormals
        and 0 < half == math.nextafter(abs(case.x), math.inf)
    )


def _below_the_smallest(case: Case) -> bool:
    return not case.fmt.has_subnormals and 0 < abs(case.x) < case.fmt.smallest


def _on_the_grid(case: Case) -> float | None:
    if abs(case.x) < 2.0**-1000:  # its own float64 arithmetic underflows
        return None
    return to_float(to_grid(from_float(case.x), case.fmt, case.rounding))


TABLE = (
    Disagreement(
        "ml_dtypes",
        "float64 to any of its formats, where float32 is not exact",
        "rounded to float32 first, then again",
        "one rounding",
        "IEEE 754-2019 §5.4.2: formatOf conversion rounds once; SEMANTICS, values",
        _case("ml_dtypes", "bfloat16", 1.00390625 + 2**-40),
        _through_float32,
        _rounded_twice,
    ),
    Disagreement(
        "ml_dtypes",
        "e8m0, 0 < x ≤ 2^-127",
        "2^-127, the smallest value",
        "NaN from a quarter below (2^-127.42) on: the result lies out of range",
        "SEMANTICS, Formats: e8m0 values that round out of range become NaN",
        _case("ml_dtypes", "e8m0", 2.0**-129, "rne", "nan", "float32"),
        lambda case: _is_scale(case.fmt) and 0 < case.x <= 2.0**-127,
        lambda case: 2.0**-127,
    ),
    Disagreement(
        "ml_dtypes",
        "e8m0, 2^-127 < x < 2^-126 (float32 subnormals)",
        "2^-126, always up",
        "the nearer of 2^-127 and 2^-126",
        "SEMANTICS, Formats: e8m0 is rne by default",
        _case("ml_dtypes", "e8m0", 1.125 * 2.0**-127, "rne", "nan", "float32"),
        lambda case: _is_scale(case.fmt) and 2.0**-127 < case.x < 2.0**-126,
        lambda case: 2.0**-126,
    ),
    Disagreement(
        "ml_dtypes",
        "e8m0, ties",
        "up",
        "to the even code",
        "SEMANTICS, Formats: with p = 1 even is the parity of the code (P3109 4.0 §4.7.4)",
        _case("ml_dtypes", "e8m0", 3.0, "rne", "nan", "float32"),
        lambda case: _is_scale(case.fmt) and case.x > 0 and math.frexp(case.x)[0] == 0.75,
        _half_up,
    ),
    Disagreement(
        "ml_dtypes",
        "NaN to a format without NaN (e2m1, e2m3, e3m2)",
        "-0",
        "ValueError, or what nan= asks for",
        "SEMANTICS, Formats: NaN into a format without NaN",
        _case("ml_dtypes", "e2m1", math.nan, "rne", "saturate"),
        lambda case: math.isnan(case.x) and not case.fmt.has_nan,
        lambda case: -0.0,
    ),
    Disagreement(
        "gfloat",
        "unsigned formats, x < 0",
        "a negative number, which is no value of the format; the largest value for -Inf",
        "the lowest value, or NaN",
        "SEMANTICS, overflow: the rule holds at the lower end too",
        _case("gfloat", "e5m3b16fn_unsigned", -5.0, "rne", "nan"),
        lambda case: not case.fmt.signed and case.x < 0,
        lambda case: None,
    ),
    Disagreement(
        "gfloat",
        "sat=False, no Inf in the format, directed rounding, overflow on the inward side",
        "the largest value",
        "NaN (overflow rule nan)",
        "SEMANTICS, Formats: `nan` gives NaN in every rounding mode",
        _case("gfloat", "e4m3", 1000.0, "rtz", "nan"),
        _overflows_inward,
        lambda case: math.copysign(float(case.fmt.largest), case.x),
    ),
    Disagreement(
        "gfloat",
        "TiesToAway, x the float64 just below half the smallest subnormal",
        "the smallest subnormal: its delta + 0.5 rounds up to 1.0",
        "0",
        "IEEE 754-2019 §4.3.1: roundTiesToAway only where the two are equally near",
        _case("gfloat", "fp16", math.nextafter(2.0**-25, 0.0), "rna"),
        _under_half,
        lambda case: math.copysign(float(case.fmt.smallest), case.x),
    ),
    Disagreement(
        "gfloat",
        "formats without subnormals (dlfloat16, e8m0), 0 < |x| < smallest",
        "precision is kept below the smallest value: the result is no value of the format",
        "±0 (dlfloat16); NaN or the smallest value (e8m0)",
        "SEMANTICS, Formats: round as if the exponent were unbounded below, then 0",
        _case("gfloat", "dlfloat16", 2.0**-40, "rne", "saturate_all"),
        _below_the_smallest,
        _on_the_grid,
    ),
    Disagreement(
        "gfloat",
        "e8m0, zero",
        "0, which is no value of the format",
        "NaN",
        "SEMANTICS, Formats: zero in e8m0",
        _case("gfloat", "e8m0", 0.0, "rne", "nan"),
        lambda case: not case.fmt.has_zero and case.x == 0,
        lambda case: 0.0,
    ),
)
