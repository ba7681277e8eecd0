"""Posits by kernels: every result and every count equals the reference's."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hwsim_kernels.lanes import NARROW
from hwsim_kernels.posits import convert_kernel

import hwsim
from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import ROUNDINGS, PositFormat
from hwsim.simulate import describe
from hwsim.testing import hard_numbers, values
from hwsim.testing.points import hard_codes

Array = npt.NDArray[Any]
SEED = 5
SMALL = [PositFormat(n, es) for n in range(2, 9) for es in range(4)]
WIDE = [PositFormat(*f) for f in ((16, 1), (28, 2), (32, 2), (56, 2), (55, 0), (33, 5), (9, 7))]
WIDE += [PositFormat(*f) for f in ((24, 0), (3, 9), (2, 10), (17, 6), (12, 3))]


def same(got: Array, wanted: Array) -> bool:
    """All bits, but those of NaN; and the dtype."""
    if got.dtype != wanted.dtype or got.dtype.kind != "f":
        return got.dtype == wanted.dtype and bool(np.array_equal(got, wanted))
    lost, signs = np.isnan(wanted), np.signbit(got) == np.signbit(wanted)
    return np.array_equal(got, wanted, equal_nan=True) and bool((signs | lost).all())


@cache
def points(fmt: PositFormat, dtype: str) -> Array:
    """Values, thresholds, midpoints, their neighbours; specials; random bits."""
    hard = hard_numbers(fmt)
    hard = hard if fmt in SMALL else hard[:: max(1, hard.size // 400)]
    whole = np.dtype(f"u{np.dtype(dtype).itemsize}")
    generator = np.random.default_rng(SEED)
    random = generator.integers(0, np.iinfo(whole).max, 200, whole, True).view(dtype)
    with np.errstate(all="ignore"):
        x = np.unique(hard.astype(dtype))
        ends = [np.nextafter(x, np.dtype(dtype).type(s)) for s in (-np.inf, np.inf)]
        ends = ends if fmt not in SMALL else []  # hard numbers have neighbours
    specials = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)
    found: Array = np.concatenate([x, *ends, random, specials])
    return found


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("fmt", SMALL + WIDE, ids=str)
def test_conversions(fmt: PositFormat, dtype: str) -> None:
    x = points(fmt, dtype)
    modes = ROUNDINGS if fmt.width in (5, 16) else ("rne",)
    for rounding in modes:
        wanted = reference.round(x, fmt, rounding)
        assert same(hwsim.round(x, fmt, rounding), wanted)
        codes = reference.encode(wanted, fmt)
        assert same(hwsim.encode(x, fmt, rounding), codes)
        assert same(hwsim.decode(codes, fmt), wanted)


@pytest.mark.parametrize("fmt", WIDE, ids=str)
def test_hard_codes(fmt: PositFormat) -> None:
    codes = np.array(hard_codes(fmt), np.uint64)
    found = hwsim.decode(codes, fmt)
    assert same(found, reference.decode(codes, fmt))
    assert (hwsim.encode(found, fmt) == codes).all()


@pytest.mark.parametrize("rounding", ["sr1", "sr8", "sr4b", "sr32c"])
@pytest.mark.parametrize("name", ["posit8_2", "posit16_1", "posit56_2"])
def test_draws(name: str, rounding: str) -> None:
    x = points(PositFormat(*map(int, name[5:].split("_"))), "f8")[::3]
    for seed in (0, 1):
        assert same(hwsim.round(x, name, rounding, seed=seed), _drawn(x, name, rounding, seed))


def _drawn(x: Array, name: str, rounding: str, seed: int) -> Array:
    return np.asarray(reference.round(x, name, rounding, seed=seed))


@pytest.mark.parametrize("rounding", ["rne", "rdn", "sr5"])
@pytest.mark.parametrize("name", ["posit32", "posit56_2"])
def test_other_arrays(name: str, rounding: str) -> None:
    """Integers that float64 does not hold, longdoubles, halves; empty ones; any layout; scales."""
    arrays = [
        np.array([2**62 + 1, 2**53 + 1, -(2**55) - 1, 0]),
        np.array([2**64 - 1, 2**63 + 2**9], np.uint64),
        np.array([1, -3], np.longdouble) / 3,
        np.arange(24, dtype=np.float16).reshape(4, 6)[::2, ::-3],
        np.empty((0, 3)),
    ]
    for x in arrays:
        assert same(hwsim.round(x, name, rounding, seed=2), _drawn(x, name, rounding, 2))
    out = np.empty(3)
    assert hwsim.round([1.1, 2.2, 3.3], name, out=out) is out


# --- units ----------------------------------------------------------------------------------------
UNITS = (
    *("posit8_2xposit8_2+posit8_2", "posit8_2xposit8_2+fp32", "posit8xposit8+posit16:chunk3"),
    *("posit16_1xposit16_1+posit16_1", "posit32xposit32+posit32", "posit16xposit16+posit16:exact"),
    *("posit32xposit32+posit32:exact", "posit16xposit16+posit16:mul_add", "int8xint8+posit16"),
    *("posit32xposit32+posit16:mul_add/posit32", "fp16xposit8_0+posit12_1:rtz"),
    *("posit16xposit16+posit32:chunk3/fp32", "posit8xposit8+fp16:chunk3/posit16"),
    *("posit8_0xposit8_0+posit8_0:rup", "posit6_1xposit6_1+posit6_1:rto", "pow2_4xposit8+posit16"),
    *("posit6_1xposit6_1+posit7_1:rna", "posit8_0xposit8_0+posit16:rdn", "fp32xfp32+posit16"),
    *("posit8xposit8+posit16:lanes3", "posit8xposit8+posit16:tree3", "posit8xposit8+posit8:dot3"),
    *("posit8xposit8+posit16:rev2", "posit8_2xposit8_2+posit8_2:sr4", "posit32xposit32+fp32"),
    *("e4m3xe4m3+fp16:out=posit8", "int8xint8+int32:sr6:out=posit8", "posit8xposit8+int32"),
    *("posit56_2xposit8+posit32", "posit8xposit8+posit56_2", "posit8xposit8+exact"),
    *("posit8xposit8+posit9_2:exact:rup:out=posit8_1", "fixed8.55xint8+fixed8.55:out=posit16"),
)
SHAPES = ((2, 7, 3), (1, 2, 70), (2, 0, 2), (2, 1, 3))


@pytest.mark.parametrize("name", UNITS)
def test_units(name: str) -> None:
    """Sums and every count, K = 0 and 1, uneven chunks, NaR, both ends."""
    unit = hwsim.mac(name)
    assert hwsim.mac(str(unit)) == unit
    generator = np.random.default_rng(SEED)
    styles = ("codes", "middle", "huge", "tiny", "cancelling", "hard")
    for i, style in enumerate(styles):
        m, k, n = SHAPES[i % len(SHAPES)]
        a, b = values(unit.a, (m, k), style, generator), values(unit.b, (k, n), style, generator)
        c = values(unit.outer_format, (m, n), style, generator) if i % 2 else None
        try:
            wanted, counts = reference.matmul(a, b, unit, c=c, telemetry=True, seed=3)
        except ValueError:
            with pytest.raises(ValueError, match="cannot hold"):
                hwsim.matmul(a, b, unit, c=c, seed=3)
            continue
        assert same(hwsim.matmul(a, b, unit, c=c, seed=3), wanted)
        few = hwsim.matmul(a, b, unit, c=c, telemetry="counts", seed=3)[1]
        got, told = hwsim.matmul(a, b, unit, c=c, telemetry=True, seed=3)
        assert same(got, wanted)
        assert told.to_dict() == pytest.approx(counts.to_dict(), rel=0, abs=0, nan_ok=True)
        assert few.swamped_full == counts.swamped_full
        assert few.overflow_steps == counts.overflow_steps


def test_every_pair_and_sum() -> None:
    """All products of posit8, and all sums of posit6 with all products of posit4."""
    every = hwsim.decode(np.arange(256), "posit8")
    unit = "posit8xposit8+posit8"
    pairs = hwsim.matmul(every[:, None], every[None], unit)
    some = slice(None, None, 17)
    assert same(pairs[some], reference.matmul(every[some, None], every[None], unit))
    assert same(pairs, pairs.T.copy())
    left, start = hwsim.decode(np.arange(16), "posit4_1"), hwsim.decode(np.arange(64), "posit6_1")
    unit = "posit4_1xposit4_1+posit6_1"
    for x in left[:9]:
        a, b = np.full((64, 1), x), left[None]
        c = np.repeat(start[:, None], 16, 1)
        assert same(hwsim.matmul(a, b, unit, c=c), reference.matmul(a, b, unit, c=c))


def test_convolution_and_threads() -> None:
    generator = np.random.default_rng(SEED)
    x, w = generator.normal(size=(1, 3, 5, 5)), generator.normal(size=(2, 3, 3, 3))
    unit = "posit8xposit8+posit16:chunk5"
    got = hwsim.conv2d(x, w, unit, padding=1, stride=2)
    assert same(got, reference.conv2d(x, w, unit, padding=1, stride=2))
    a, b = generator.normal(size=(70, 40)), generator.normal(size=(40, 130))
    assert same(hwsim.matmul(a, b, unit, threads=3), hwsim.matmul(a, b, unit, threads=1))


def test_new_posits_compile_nothing() -> None:
    hwsim.round(np.ones(3, np.float32), "posit8_1")
    kernel = convert_kernel(NARROW)
    before = len(kernel.signatures)
    hwsim.round(np.ones(3, np.float32), "posit11_1", "rup")
    assert len(kernel.signatures) == before


def test_proofs() -> None:
    told = {name: describe(hwsim.mac(name))[0] for name in UNITS}
    assert told["posit8_2xposit8_2+posit8_2"].startswith("float32: sums are rounded to odd in 24")
    assert "the sum of two floats" in told["posit32xposit32+posit32"]
    assert told["posit16xposit16+posit16:exact"].startswith("BLAS")
    assert told["posit8_2xposit8_2+posit8_2:sr4"].startswith("the exact reference, slowly")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("posit8xposit8:mitchell+posit16", "multiplies significands of floats"),
        ("pow2_4xposit8:shift2+fp32", "exactly one must be powers of two"),
        ("posit8xposit8+posit16:inf", "posits saturate"),
        ("posit8xposit8+fp32:fused4", "a float format is needed"),
        ("nf4xposit8+fp32:products/posit8", "entries are floats"),
        ("posit8xposit8+posit64", "posit64_2: its significands"),
    ],
)
def test_refused(name: str, why: str) -> None:
    with pytest.raises(SpecError, match=why):
        hwsim.mac(name)


@pytest.mark.parametrize(
    "unit", ["fp16xposit8+posit16", "fp16xposit8+posit8:lanes3", "fp64xfp64+posit16:chunk2"]
)
def test_infinite_operands_give_nar(unit: str) -> None:
    """Nothing counted or all: a sum that was infinite is NaR."""
    for a in ([np.inf, 1.0], [1.0, -np.inf], [np.inf, -np.inf], [np.inf, 0.0]):
        wanted = reference.matmul([a], [[1.0], [1.0]], unit)
        assert np.isnan(wanted).all()
        for telemetry in (False, "counts", True):
            got = hwsim.matmul([a], [[1.0], [1.0]], unit, telemetry=telemetry)
            assert np.isnan(got[0] if telemetry else got).all()


def test_two_words_into_a_posit() -> None:
    generator = np.random.default_rng(0)
    a = generator.standard_normal((3, 9)) * 2.0 ** generator.integers(-9, 9, (3, 9))
    b = generator.standard_normal((9, 3))
    for out in ("posit8", "posit16"):
        unit = f"fp16xfp16+fp32:double:out={out}"
        assert np.array_equal(hwsim.matmul(a, b, unit), reference.matmul(a, b, unit))
