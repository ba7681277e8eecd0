"""round, encode and decode of whole arrays against the reference, ml_dtypes, gfloat and NumPy."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import gfloat
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim import reference
from hwsim.formats import (
    CATALOGUE,
    OVERFLOWS,
    ROUNDINGS,
    FloatFormat,
    Format,
    TableFormat,
    check_overflow,
)
from hwsim.testing import hard_numbers
from tests.formats.disagreements import Case, expected
from tests.formats.test_strangers import (
    CASTS,
    GFLOAT_BUILT,
    GFLOAT_MODES,
    GFLOAT_PUBLISHED,
    ML_RULES,
    gfloat_info,
    wide_format,
)
from tests.formats.test_strangers import same as same_number
from tests.simulate.comparison import bits, outcome, same

Array = npt.NDArray[Any]
NARROW = [name for name, entry in CATALOGUE.items() if entry.format.width <= 16]
FLOATS = [name for name, entry in CATALOGUE.items() if isinstance(entry.format, FloatFormat)]
UNLISTED = ("e5m2_nosub", "e8m7_nosub", "e4m3_normal0", "e3m8", "e5m10fnuz", "e8m23fn", "e6m0fn")
UNLISTED += ("e9m20", "e11m40", "e4m7none", "e5m5merged", "e4m4_unsigned", "e5m30", "e8m5fnuz")
FIXED = ("int1", "int4", "int8", "uint8", "int17", "int32", "uint32", "int53", "int64", "uint64")
FIXED += ("int8_sym", "fixed8.8", "fixed0.7", "ufixed2.6", "fixed20.30", "fixed4.4_sym")


def rules(fmt: Format) -> list[str]:
    """The overflow rules that ``fmt`` can obey."""
    legal = []
    for rule in OVERFLOWS:
        try:
            check_overflow(rule, fmt)
        except hwsim.SpecError:
            continue
        legal.append(rule)
    return legal


# --- codes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NARROW)
def test_every_code(name: str) -> None:
    """decode of all codes, and encode of all their values, equal the reference's."""
    fmt = hwsim.format(name)
    codes = np.arange(1 << fmt.width, dtype=np.uint16)
    if isinstance(fmt, TableFormat):  # some codes stand for nothing
        codes = codes[np.isin(codes, list(fmt.values_by_code))]
    values = reference.decode(codes, name)
    assert bits(hwsim.decode(codes, name)) == bits(values)
    assert bits(hwsim.encode(values, name)) == bits(reference.encode(values, name))


@pytest.mark.parametrize("name", ["fp64", "fp32", "tf32", "int32", "uint32", *UNLISTED, *FIXED])
def test_wide_codes(name: str) -> None:
    """The same for seeded codes of wide and unlisted formats, and for the ends of their range."""
    width = hwsim.format(name).width
    generator = np.random.default_rng(20251)
    top = generator.integers(0, 1 << min(width, 63), 3000, dtype=np.uint64)
    ends = [k for k in (0, 1, 2, 3) if k < 1 << width]
    codes = np.concatenate([top, np.array(ends + [(1 << width) - 1 - k for k in ends], np.uint64)])
    if name.endswith("_sym"):
        codes = codes[codes != 1 << (width - 1)]
    values = reference.decode(codes, name)
    assert bits(hwsim.decode(codes, name)) == bits(values)
    assert bits(hwsim.encode(values, name)) == bits(reference.encode(values, name))


# --- roundings ------------------------------------------------------------------------------------
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", [*FLOATS, *UNLISTED])
def test_hard_cases(name: str, rounding: str) -> None:
    """Boundaries, midpoints and their neighbours, both ends, Inf and NaN, under every rule."""
    fmt = wide_format(name)
    xs = hard_numbers(fmt).tolist()
    xs = xs[:: max(1, len(xs) // 400)] + xs[:20] + xs[-20:]
    x = np.array(xs + [np.nan, -np.nan] * fmt.has_nan)
    assert x.size > 30
    for rule in rules(fmt):
        wanted = reference.round(x, fmt, rounding, rule)
        assert bits(hwsim.round(x, fmt, rounding, rule)) == bits(wanted), rule
        codes = reference.encode(wanted, fmt)
        assert bits(hwsim.encode(x, fmt, rounding, rule)) == bits(codes), rule


def fixed_cases(fmt: Format) -> Array:
    """Finite float64 around the grid, the ends and far outside of a fixed-point format."""
    quantum = fmt.smallest
    ends = [fmt.lowest, fmt.largest, Fraction(0), 2 * fmt.largest, -2 * fmt.largest]
    near = [end + quantum * Fraction(k, 4) for end in ends for k in range(-9, 10)]
    far = [sign * 2.0**k + d for sign in (1, -1) for k in range(30, 66) for d in (0, 1, 3, 0.5)]
    return np.array([float(x) for x in near] + far + [1e300, -1e300, 1e-300, -0.0, 2.0**120 * 3])


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", FIXED)
def test_fixed_point(name: str, rounding: str) -> None:
    """The grid, the range and the circle; Inf too, which no circle takes."""
    fmt = hwsim.format(name)
    x = fixed_cases(fmt)
    for rule in rules(fmt):
        assert bits(hwsim.round(x, fmt, rounding, rule)) == bits(
            reference.round(x, fmt, rounding, rule)
        ), rule
        codes = reference.encode(x, fmt, rounding, rule)
        assert bits(hwsim.encode(x, fmt, rounding, rule)) == bits(codes), rule
        for infinity in ([np.inf], [-np.inf]):
            got = outcome(hwsim.round, infinity, fmt, rounding, rule)
            assert same(got, outcome(reference.round, infinity, fmt, rounding, rule)), rule


# --- what goes in ---------------------------------------------------------------------------------
EDGES = [s * 2**k + d for k in range(64) for s in (1, -1) for d in (-1, 0, 1, 5)]


@pytest.mark.parametrize("name", ["fp64", "fp32", "bf16", "e5m2", "e5m30", *FIXED])
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64", ">i8", "bool"])
def test_integers_in(dtype: str, name: str) -> None:
    """Integers beyond 2^53 are rounded once, from their own value."""
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = np.array([e for e in EDGES if low <= e <= high], dtype)
    for rounding in ("rne", "rup"):
        for rule in rules(hwsim.format(name)):
            wanted = reference.round(x, name, rounding, rule)
            assert bits(hwsim.round(x, name, rounding, rule)) == bits(wanted), (rounding, rule)


@pytest.mark.parametrize("name", ["fp64", "fp32", "bf16", "e4m3", "e11m40", "fixed8.8", "int32"])
def test_long_double(name: str) -> None:
    """Bits beyond float64 decide ties."""
    one, tiny = np.longdouble(1), np.longdouble(2) ** -60
    x = np.array([1.00390625, 1.5, 17.0, 2.5, 3.5, 1.0 + 2.0**-24, 1.0], np.longdouble)
    x = np.concatenate([x, x * (one + tiny), x * (one - tiny), -x * (one + tiny)])
    for rounding in ROUNDINGS:
        wanted = reference.round(x, name, rounding)
        assert bits(hwsim.round(x, name, rounding)) == bits(wanted), rounding


@pytest.mark.parametrize("scalar", ["bfloat16", "float8_e4m3fn", "float4_e2m1fn", "int4", "uint2"])
def test_ml_dtypes_in(scalar: str) -> None:
    """Arrays of ml_dtypes are values like any other."""
    x = np.array([0, 1, 1, 0, 3, 2][: 4 if scalar == "uint2" else 6]).astype(
        getattr(ml_dtypes, scalar)
    )
    assert bits(hwsim.round(x, "e3m2")) == bits(reference.round(x, "e3m2"))
    assert hwsim.round(x, "e3m2").tolist() == x.astype(np.float64).tolist()


@pytest.mark.parametrize("name", ["e4m3", "fp16", "int8", "fixed8.8", "fp64"])
def test_layout_does_not_matter(name: str) -> None:
    """Strides, byte order, read-only memory and no dimensions change nothing."""
    x = np.linspace(-3, 3, 24).reshape(4, 6)
    wanted = reference.round(x, name)
    frozen = x.copy()
    frozen.flags.writeable = False
    for view in (frozen, x.astype(">f8"), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        assert bits(hwsim.round(view, name)) == bits(wanted)
        assert hwsim.encode(view, name).tolist() == reference.encode(x, name).tolist()
    assert bits(hwsim.round(x[::-1, ::-2], name)) == bits(wanted[::-1, ::-2])
    point = hwsim.round(1.25, name)
    assert point.shape == ()
    assert bits(point) == bits(reference.round(1.25, name))
    assert hwsim.round(np.empty((0, 3)), name).shape == (0, 3)


def test_out_and_dtype() -> None:
    """``out`` receives the result, ``dtype`` chooses its type; a lossy one is refused."""
    x = np.array([[0.3, -500.0], [1.7, 2.0]])
    out = np.zeros((2, 4), np.float32)[:, ::2]
    assert hwsim.round(x, "e4m3", out=out) is out
    assert out.tolist() == reference.round(x, "e4m3").tolist()
    codes = np.zeros((2, 2), np.uint8)
    assert hwsim.encode(x, "e4m3", out=codes) is codes
    assert codes.tolist() == reference.encode(x, "e4m3").tolist()
    assert hwsim.decode(codes, "e4m3", dtype=np.float64).dtype == np.float64
    assert hwsim.round(x, "int8", dtype=np.int16).dtype == np.int16
    with pytest.raises(ValueError, match="dtype"):
        hwsim.round([300.0], "int32", dtype=np.int8)
    with pytest.raises(ValueError, match="dtype"):
        hwsim.round([1.0 + 2.0**-20], "fp32", dtype=np.float16)
    with pytest.raises(ValueError, match="out has shape"):
        hwsim.round(x, "e4m3", out=np.zeros(3, np.float32))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
@pytest.mark.parametrize("name", ["int8", "int32", "uint32", "int40", "fixed8.8", "e2m1", "int64"])
def test_nan_without_a_code(name: str, dtype: str) -> None:
    """NaN into a format without NaN: an error, zero, or the largest value, whatever the dtype."""
    x = np.array([np.nan, 1.0], dtype)
    with pytest.raises(ValueError, match="NaN"):
        hwsim.round(x, name)
    for nan in ("zero", "max"):
        assert bits(hwsim.round(x, name, nan=nan)) == bits(reference.round(x, name, nan=nan))
        assert bits(hwsim.encode(x, name, nan=nan)) == bits(reference.encode(x, name, nan=nan))


@pytest.mark.parametrize("name", ["fp64", "fp32", "bf16", "fp16", "e4m3", "e5m2", "dlfloat16"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_nan_is_canonical(name: str, dtype: str) -> None:
    """Sign and payload of a NaN never propagate."""
    x = np.array([np.nan, -np.nan], dtype)
    if dtype == "float32":
        x = np.array([0x7F800001, 0xFFC12345, 0x7FC00000], np.uint32).view(np.float32)
    for rounding in ("rne", "rto"):
        assert bits(hwsim.round(x, name, rounding)) == bits(reference.round(x, name, rounding))
    assert set(hwsim.encode(x, name).tolist()) == {wide_format(name).nan_code}


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.array([1j]), TypeError),
        (np.array([object()]), TypeError),
        (np.array(["1"]), TypeError),
        (np.ma.masked_array([1.0], [True]), TypeError),
    ],
    ids=["complex", "object", "string", "masked"],
)
def test_refused_arrays(x: Any, error: type[Exception]) -> None:
    """Arrays that are not of real numbers."""
    with pytest.raises(error, match="x"):
        hwsim.round(x, "bf16")
    with pytest.raises(error, match="a"):
        hwsim.matmul(x.reshape(1, 1), np.ones((1, 1)), "bf16xbf16+bf16")


def test_refused_codes() -> None:
    """Codes that a format does not have."""
    for codes in ([256], [-1], np.array([2**40], np.uint64)):
        with pytest.raises(ValueError, match="codes"):
            hwsim.decode(codes, "e4m3")
    with pytest.raises(TypeError, match="codes"):
        hwsim.decode([1.0], "e4m3")
    with pytest.raises(ValueError, match="int8_sym"):
        hwsim.decode([128], "int8_sym")


# --- strangers ------------------------------------------------------------------------------------
COUNT = 1_000_000


def random_float32(fmt: FloatFormat) -> Array:
    """A million float32, log-uniform over a little more than the format's range; seeded.

    A tenth of them are any bits at all.  Formats of one bit of precision, which the reference
    rounds, get 50 000.
    """
    generator = np.random.default_rng(20251)
    count = COUNT if fmt.precision > 1 else COUNT // 20
    low, high = max(fmt.quantum_exponent - 3, -149), min(fmt.emax + 2, 127)
    field = generator.integers(low, high, count, endpoint=True)
    with np.errstate(over="ignore", under="ignore"):
        x = np.ldexp(1 + generator.random(count), field).astype(np.float32)
    x *= generator.choice(np.array([-1, 1], np.float32), count)
    x[::10] = generator.integers(0, 1 << 32, count // 10, dtype=np.uint32).view(np.float32)
    return x


def unexplained(
    library: str, fmt: FloatFormat, how: tuple[str, str], x: Array, theirs: Array
) -> list[tuple[float, float]]:
    """(x, what the library returns) where it is neither ours nor what its row predicts."""
    rounding, rule = how
    mine = hwsim.round(x, fmt, rounding, rule, dtype=np.float64)
    theirs = theirs.astype(np.float64)
    equal = (mine == theirs) & (np.signbit(mine) == np.signbit(theirs))
    differ = ~(equal | (np.isnan(mine) & np.isnan(theirs)))
    wrong = []
    for value, got in zip(x[differ].tolist(), theirs[differ].tolist(), strict=True):
        wanted = expected(Case(library, fmt, value, rounding, rule, "float32"))
        if wanted is not None and not same_number(wanted, got):
            wrong.append((value, got))
    return wrong


@pytest.mark.parametrize("name", [n for n in CASTS if n not in ("float64", "float32")])
def test_ml_dtypes_and_numpy(name: str) -> None:
    """A million float32 against astype; the table of disagreements explains every difference."""
    fmt = wide_format(name)
    x = random_float32(fmt)
    size = x.size
    if not fmt.has_nan:
        x = x[~np.isnan(x)]
    library = "numpy" if name == "float16" else "ml_dtypes"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        theirs = x.astype(CASTS[name]).astype(np.float64)
    assert x.size > 0.99 * size >= 0.99 * 50_000
    assert unexplained(library, fmt, ("rne", ML_RULES[fmt.specials]), x, theirs) == []


GFLOAT_NAMES = [n for n in (*GFLOAT_PUBLISHED, *GFLOAT_BUILT) if n not in ("fp64", "fp32")]
GFLOAT_ALL_MODES = ("fp16", "e4m3", "dlfloat16", "e2m1")


@pytest.mark.parametrize(
    ("name", "mode"),
    [(n, m) for n in GFLOAT_NAMES for m in GFLOAT_MODES if m == "rne" or n in GFLOAT_ALL_MODES],
)
def test_gfloat(name: str, mode: str) -> None:
    """A million float32 against gfloat, saturating; the table explains every difference."""
    fmt = wide_format(name)
    x = random_float32(fmt)
    size = x.size
    if not fmt.has_nan:
        x = x[~np.isnan(x)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        theirs = gfloat.round_ndarray(
            gfloat_info(fmt), x.astype(np.float64), GFLOAT_MODES[mode], True
        )
    assert x.size > 0.99 * size >= 0.99 * 50_000
    assert unexplained("gfloat", fmt, (mode, "saturate_all"), x, theirs) == []
