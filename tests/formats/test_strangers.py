"""Formats and roundings against ml_dtypes, gfloat and NumPy."""

from __future__ import annotations

import math
import warnings
from typing import Any

import gfloat
import gfloat.formats as published
import ml_dtypes
import numpy as np
import pytest
from gfloat.types import Domain, FormatInfo

from hwsim.formats import FloatFormat, Format, check_overflow, parse_format
from hwsim.reference import decode, round
from hwsim.testing import hard_numbers
from tests.formats.disagreements import TABLE, Case, Disagreement, expected, ours

CASTS: dict[str, Any] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    **{
        name: getattr(ml_dtypes, name)
        for name in dir(ml_dtypes)
        if name.startswith(("float", "bf"))
    },
}
INTEGERS = ("int2", "int4", "uint2", "uint4")
ML_RULES = {"fn": "nan", "fnuz": "nan", "ieee": "inf", "none": "saturate"}

GFLOAT_PUBLISHED = {
    "fp64": published.format_info_binary64,
    "fp32": published.format_info_binary32,
    "fp16": published.format_info_binary16,
    "bf16": published.format_info_bfloat16,
    "e5m2": published.format_info_ocp_e5m2,
    "e4m3": published.format_info_ocp_e4m3,
    "e2m3": published.format_info_ocp_e2m3,
    "e3m2": published.format_info_ocp_e3m2,
    "e2m1": published.format_info_ocp_e2m1,
    "e8m0": published.format_info_ocp_e8m0,
    # P3109's finite formats: signed ones are fnuz, unsigned ones have their NaN on top
    "e7m0fnuz": published.format_info_p3109(8, 1, domain=Domain.Finite),
    "e5m2fnuz": published.format_info_p3109(8, 3, domain=Domain.Finite),
    "e4m3fnuz": published.format_info_p3109(8, 4, domain=Domain.Finite),
    "e1m6fnuz": published.format_info_p3109(8, 7, domain=Domain.Finite),
    "e3m2fnuz": published.format_info_p3109(6, 3, domain=Domain.Finite),
    "e5m3b16fn_unsigned": published.format_info_p3109(
        8, 4, published.Signedness.Unsigned, Domain.Finite
    ),
    "e8m0b128fn_unsigned": published.format_info_p3109(
        8, 1, published.Signedness.Unsigned, Domain.Finite
    ),
}
GFLOAT_BUILT = (
    "tf32",
    "e6m9",
    "dlfloat16",
    "e4m3b11fnuz",
    "e4m3ieee",
    "e3m4",
    "e6m0fn",
    "e5m0none",
)
GFLOAT_MODES = {
    "rne": gfloat.RoundMode.TiesToEven,
    "rna": gfloat.RoundMode.TiesToAway,
    "rtz": gfloat.RoundMode.TowardZero,
    "rup": gfloat.RoundMode.TowardPositive,
    "rdn": gfloat.RoundMode.TowardNegative,
}


def same(x: float, y: float) -> bool:
    """The same datum: NaN is NaN, and −0 is not +0."""
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y and math.copysign(1, x) == math.copysign(1, y)


def wide_format(name: str) -> FloatFormat:
    fmt = parse_format(name)
    assert isinstance(fmt, FloatFormat)
    return fmt


def random_floats(fmt: FloatFormat, count: int) -> list[float]:
    """Log-uniform magnitudes over a little more than the format's range, both signs; seeded."""
    generator = np.random.default_rng(20251)
    exponents = generator.uniform(max(fmt.quantum_exponent - 3, -1074), fmt.emax + 1.2, count)
    signs = generator.choice([-1.0, 1.0], count)
    with np.errstate(over="ignore"):
        return (signs * np.exp2(exponents)).tolist()  # type: ignore[no-any-return]


def cast(xs: list[float], source: str, target: str) -> list[float]:
    """What the library's astype makes of xs, given as an array of dtype ``source``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.array(xs, source).astype(CASTS[target]).astype(np.float64).tolist()  # type: ignore[no-any-return]


# --- codes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", [*(n for n in CASTS if n not in ("float64", "float32")), *INTEGERS]
)
def test_ml_dtypes_codes(name: str) -> None:
    """Every code has the value that ml_dtypes (or NumPy) gives it."""
    dtype = np.dtype(CASTS[name] if name in CASTS else getattr(ml_dtypes, name))
    codes = np.arange(1 << parse_format(name).width, dtype=f"u{dtype.itemsize}")
    with np.errstate(invalid="ignore"):  # signalling NaNs
        theirs = codes.view(dtype).astype(np.float64).tolist()
    values = decode(codes, name).astype(np.float64).tolist()
    assert len(theirs) == codes.size
    assert [c for c, pair in enumerate(zip(values, theirs, strict=True)) if not same(*pair)] == []


def gfloat_info(fmt: FloatFormat) -> FormatInfo:
    """The same format in gfloat's description."""
    high_nans = {"ieee": 2**fmt.fraction_bits - 1, "fn": 1, "merged": 1, "none": 0, "fnuz": 0}
    return FormatInfo(
        str(fmt),
        fmt.width,
        fmt.precision,
        bias=fmt.exponent_bias,
        is_signed=fmt.signed,
        domain=Domain.Extended if fmt.has_inf else Domain.Finite,
        has_nz=fmt.has_negative_zero,
        num_high_nans=high_nans[fmt.specials],
        has_subnormals=fmt.has_subnormals,
        is_twos_complement=False,
    )


@pytest.mark.parametrize("name", GFLOAT_PUBLISHED)
def test_gfloat_descriptions(name: str) -> None:
    """The fields of our format are those of gfloat's constant."""
    info, theirs = gfloat_info(wide_format(name)), GFLOAT_PUBLISHED[name]
    info.name = theirs.name
    assert info == theirs


@pytest.mark.parametrize(
    "name", [n for n in (*GFLOAT_PUBLISHED, *GFLOAT_BUILT) if parse_format(n).width <= 16]
)
def test_gfloat_codes(name: str) -> None:
    """Every code has the value that gfloat gives it."""
    fmt = wide_format(name)
    info = gfloat_info(fmt)
    values = decode(range(1 << fmt.width), fmt).astype(np.float64).tolist()
    wrong = [
        code
        for code, value in enumerate(values)
        if not same(value, float(gfloat.decode_float(info, code).fval))
    ]
    assert len(values) == 1 << fmt.width
    assert wrong == []


# --- roundings ------------------------------------------------------------------------------------
def differences(cases: list[Case], theirs: list[float]) -> list[tuple[Case, float, float]]:
    """Cases in which the library does not return what the table and the reference say."""
    found = []
    for case, got in zip(cases, theirs, strict=True):
        wanted = expected(case)
        if wanted is not None and not same(wanted, got):
            found.append((case, wanted, got))
    return found


@pytest.mark.parametrize("source", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in CASTS if n not in ("float64", "float32")])
def test_ml_dtypes_roundings(name: str, source: str) -> None:
    """astype rounds as `round` does (rne), but for the rows of the table."""
    fmt = wide_format(name)
    hard = hard_numbers(fmt).tolist() + random_floats(fmt, 3000) + [math.nan]
    xs = sorted({*cast(hard, "float64", source)}, key=str)
    library = "numpy" if name == "float16" else "ml_dtypes"
    rule = ML_RULES[fmt.specials]
    cases = [Case(library, fmt, x, overflow=rule, source=source) for x in xs]
    assert len(cases) > 100
    assert differences(cases, cast(xs, source, name)) == []


def test_numpy_float32() -> None:
    """NumPy's conversion from float64 to float32 is `round` to fp32."""
    fmt = wide_format("fp32")
    xs = hard_numbers(fmt).tolist() + random_floats(fmt, 3000)
    cases = [Case("numpy", fmt, x) for x in xs]
    assert differences(cases, cast(xs, "float64", "float32")) == []


GFLOAT_ROUNDINGS = [
    pytest.param(
        name, mode, saturating, id=f"{name} {mode} {'saturate_all' if saturating else '-'}"
    )
    for name in (*GFLOAT_PUBLISHED, *GFLOAT_BUILT)
    for mode in GFLOAT_MODES
    for saturating in (True, False)
    if saturating or parse_format(name).has_nan  # else gfloat raises, where we have no such rule
]


@pytest.mark.parametrize(("name", "mode", "saturating"), GFLOAT_ROUNDINGS)
def test_gfloat_roundings(name: str, mode: str, saturating: bool) -> None:
    """gfloat rounds as `round` does, but for the rows of the table."""
    fmt = wide_format(name)
    rule = "saturate_all" if saturating else "inf" if fmt.has_inf else "nan"
    xs = hard_numbers(fmt).tolist() + random_floats(fmt, 300)
    xs = xs[:: 1 if fmt.width <= 8 else 5] + [math.nan] * fmt.has_nan
    cases = [Case("gfloat", fmt, x, mode, rule) for x in xs]
    info = gfloat_info(fmt)
    theirs = [float(gfloat.round_float(info, x, GFLOAT_MODES[mode], saturating)) for x in xs]
    assert len(cases) > 100
    assert differences(cases, theirs) == []


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "uint32"])
def test_integers_wrap_like_numpy(dtype: str) -> None:
    """Integers wrap modulo 2^n, as NumPy's integer conversions do."""
    edges = [s * 2**k + d for k in range(63) for s in (1, -1) for d in (-1, 0, 1)]
    x = np.array(edges, np.int64)
    assert round(x, dtype, overflow="wrap").tolist() == x.astype(dtype).tolist()


# --- the table ------------------------------------------------------------------------------------
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.library}: {row.case}")
def test_every_row_is_a_disagreement(row: Disagreement) -> None:
    """The example belongs to its row, and the library's result there is not ours."""
    case = row.example
    assert row.library == case.library
    assert row.applies(case)
    assert all(
        not other.applies(case)
        for other in TABLE[: TABLE.index(row)]
        if other.library == row.library
    )
    if row.library == "gfloat":
        mode, saturating = GFLOAT_MODES[case.rounding], case.overflow == "saturate_all"
        theirs = float(gfloat.round_float(gfloat_info(case.fmt), case.x, mode, saturating))
    else:
        names = {str(parse_format(name)): name for name in CASTS}
        theirs = cast([case.x], case.source, names[str(case.fmt)])[0]
    predicted = row.predict(case)
    assert predicted is None or same(theirs, predicted)
    if math.isnan(case.x):
        with pytest.raises(ValueError, match="NaN is no value of the format"):
            ours(case)
    else:
        assert not same(theirs, ours(case))


def test_rules_exist() -> None:
    """The overflow rules that stand for the libraries' habits are rules of these formats."""
    formats: list[Format] = [parse_format(name) for name in CASTS]
    for fmt in formats:
        assert isinstance(fmt, FloatFormat)
        check_overflow(ML_RULES[fmt.specials], fmt)
