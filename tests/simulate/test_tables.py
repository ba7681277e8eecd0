"""Tables by kernels: every result equals the reference's, conversions and products."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hwsim_kernels import _jit, trees
from hwsim_kernels.tables import Bits
from hwsim_kernels.vectors import GATHERS

import hwsim
from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import ROUNDINGS, CodebookFormat, TableFormat, as_format
from hwsim.simulate.tables import kernel_of
from hwsim.testing import check
from hwsim.testing.points import hard_numbers

Array = npt.NDArray[Any]
SEED = 4
HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
HALVES = HALVES[~np.isnan(HALVES)]


def _book(count: int) -> str:
    draws = np.random.default_rng(SEED).normal(size=count).astype(np.float32)
    return str(CodebookFormat(np.unique(draws).tolist()))


NAMES = (
    *("binary", "ternary", "nf4", "lns8", "pow2_4", "pow2_4_linear", "pow2_8b64", "log4.1"),
    *("log3.2b9_unsigned", "log2.3b40_linear", "log3.4", "pow2_11b500", "log5.2b70_nozero_linear"),
    *("pow2_3_unsigned_nozero", "codebook_n3_n2_1_7_9", "codebook_n1e60_n1en60_1en50_1"),
    *("codebook_1e300_1.0000000000000002e300_1.0000000000000004e300", "codebook_2_3"),
    *(_book(40), _book(100), _book(256), "log6.1b9_linear", "pow2_7b40"),
)
KERNELS = {"by_chain", "by_chain in octaves", "by_buckets", "by_search"}
KERNELS |= {"by_tree", "by_tree of places"} if GATHERS else set()


def same(got: Array, wanted: Array) -> bool:
    """All bits, and the dtype."""
    signs = np.array_equal(np.signbit(got), np.signbit(wanted)) if got.dtype.kind == "f" else True
    return got.dtype == wanted.dtype and signs and bool(np.array_equal(got, wanted))


def points(fmt: TableFormat, dtype: str) -> Array:
    """Values, thresholds and midpoints with what lies next to them, in a dtype; and random bits."""
    whole = np.dtype(f"u{np.dtype(dtype).itemsize}")
    generator = np.random.default_rng(SEED)
    random = generator.integers(0, np.iinfo(whole).max, 200, whole, True).view(dtype)
    hard = hard_numbers(fmt)[:: max(1, hard_numbers(fmt).size // 500)]
    with np.errstate(all="ignore"):
        x = hard.astype(dtype)
        ends = [np.nextafter(x, np.dtype(dtype).type(s)) for s in (-np.inf, np.inf)]
    found: Array = np.concatenate([x, *ends, random])
    return found[~np.isnan(found)]


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("name", NAMES)
def test_conversions(name: str, mode: str) -> None:
    """Hard float32 and float64 numbers, values and codes."""
    fmt = as_format(name)
    assert isinstance(fmt, TableFormat)
    for dtype in ("f4", "f8"):
        x = points(fmt, dtype)
        assert x.size > 250
        assert same(hwsim.round(x, fmt, mode), reference.round(x, fmt, mode))
        assert same(hwsim.encode(x, fmt, mode), reference.encode(x, fmt, mode))


@pytest.mark.parametrize("name", ["binary", "ternary", "nf4", "lns8", "pow2_4", "log4.1"])
def test_every_half(name: str) -> None:
    """All float16 numbers."""
    for mode in ("rne", "rtz"):
        assert same(hwsim.round(HALVES, name, mode), reference.round(HALVES, name, mode))


def _kind(name: str, numbers: tuple[Any, ...]) -> str:
    """What else a kernel was compiled for."""
    if name not in ("by_chain", "by_tree"):
        return ""
    _, entries, fields = numbers
    if name == "by_tree":
        placed = np.array_equal(np.unique(entries), np.arange(np.unique(entries).size))
        return " of places" * placed
    return " in octaves" if fields.size > len(Bits._fields) else ""


def test_all_kernels_are_compared() -> None:
    """Each serves some of these formats."""
    found = set()
    for name in NAMES:
        fmt = as_format(name)
        assert isinstance(fmt, TableFormat)
        for mode in ROUNDINGS:
            for source in map(np.dtype, ("f4", "f8")):
                job: Any = kernel_of(fmt, mode, source, np.dtype("u2"))
                kernel, numbers = job.args
                found.add(kernel.__name__ + _kind(kernel.__name__, numbers))
    assert found == KERNELS


@pytest.mark.skipif(not GATHERS, reason="trees need 512-bit vectors")
@pytest.mark.parametrize("count", [100, 256])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
def test_trees_of_words(monkeypatch: pytest.MonkeyPatch, count: int, size: int) -> None:
    """Where no instruction permutes bytes the same comes of words."""
    monkeypatch.setattr(trees, "BYTES", False)
    monkeypatch.setattr(trees, "kernel", _jit.helper)  # which nothing caches
    fmt = as_format(_book(count))
    assert isinstance(fmt, TableFormat)
    job: Any = kernel_of(fmt, "rne", np.dtype("f4"), np.dtype("f4"))
    steps, entries, fields = job.args[1]
    x, out = points(fmt, "f4")[:size], np.empty(size, np.float32)
    bits = x.view(np.int32)
    slow = _words_alone(len(steps))
    assert slow(bits, out.view(np.int32), steps, entries, fields) == 0
    assert same(out, reference.round(x, fmt, "rne"))


@cache
def _words_alone(size: int) -> Any:
    return trees.tree_kernel.__wrapped__(size, 0)


@pytest.mark.parametrize("name", NAMES)
def test_decoding(name: str) -> None:
    """Every code, in the shapes and dtypes that integers come in; holes are refused."""
    fmt = as_format(name)
    assert isinstance(fmt, TableFormat)
    codes = np.array([code for _, code in fmt.entries])
    assert same(hwsim.decode(codes, fmt), reference.decode(codes, fmt))
    narrow = codes.astype(np.uint16)[::-1]
    assert same(hwsim.decode(narrow, fmt), reference.decode(narrow, fmt))
    for code in list(set(range(1 << fmt.width)) - set(codes.tolist()))[:3]:
        with pytest.raises(ValueError, match=f"{code} is no code"):
            hwsim.decode([codes[0], code], fmt)
    with pytest.raises(ValueError, match="has codes"):
        hwsim.decode([1 << fmt.width], fmt)


def test_arrays() -> None:
    """Strides, byte orders, integers beyond float64, longdouble, out= and dtype=."""
    x = np.random.default_rng(SEED).normal(size=(7, 6)) * 4
    for view in (x[::2, ::-1], x.T, x.astype(">f4"), np.array(2.5), x[:0]):
        assert same(hwsim.round(view, "pow2_4"), reference.round(view, "pow2_4"))
        assert same(hwsim.encode(view, "nf4"), reference.encode(view, "nf4"))
    # float64 rounds the first to the threshold between 2^60 and 2^61 of the linear domain.
    wide = np.array([3 * 2**59 - 1, 3 * 2**59, 3 * 2**59 + 1, -(2**63)], np.int64)
    for mode in ROUNDINGS:
        assert same(
            hwsim.round(wide, "pow2_8_linear", mode), reference.round(wide, "pow2_8_linear", mode)
        )
    long = np.array([1.5, -0.3], np.longdouble) + np.longdouble(2) ** -60
    assert same(hwsim.round(long, "pow2_4_linear"), reference.round(long, "pow2_4_linear"))
    out = np.empty((7, 6), np.float32)
    assert hwsim.round(x, "nf4", out=out) is out
    assert same(out, reference.round(x, "nf4"))
    assert hwsim.round(x, "binary", dtype="f8").dtype == np.float64
    with pytest.raises(ValueError, match="cannot hold"):
        hwsim.round(x, "nf4", dtype=np.float16)
    noisy = np.where(x > 3, np.nan, x)
    for nan in ("zero", "max"):
        for name in ("binary", "pow2_4"):
            assert same(hwsim.round(noisy, name, nan=nan), reference.round(noisy, name, nan=nan))
    with pytest.raises(ValueError, match="NaN"):
        hwsim.encode(noisy, "binary")


UNITS = (
    *("binaryxint8+int16", "pow2_4xint8+int32", "binaryxbinary+int8:saturate"),
    *("ternaryxint8+int16:rtz", "pow2_5xpow2_5+fp16", "nf4xfp16+fp32", "nf4xnf4+bf16:chunk4"),
    *("int8xpow2_4b3+int16", "nf4xint8+e6m9:chunk8", "binaryxint8+exact", "binaryxe5m2+e6m9:rdn"),
    *("pow2_4xe4m3+fp16:rtz", "codebook_n3_n1_1_3xint4+int8", "nf4xint8+fixed8.8"),
    *("pow2_4xint8+int32:exact", "nf4xfp16+fp32:mul_add", "int8xnf4+bf16:rna:chunk4/fp32"),
    *("e4m3xpow2_6b12+fp16:rup", "codebook_fp16_n1_n0.5_0_0.1_1xfp16+exact"),
    *("uint8xternary+uint8", "binaryxuint4+fp32:rto", "pow2_8b64xpow2_8b64+fp32", "nf4xe5m2+fp64"),
)


@pytest.mark.parametrize("spec", UNITS)
def test_units(spec: str) -> None:
    """Results and every count, with zeros of both signs among the operands."""
    unit = hwsim.mac(spec)
    assert hwsim.mac(str(unit)) == unit
    generator = np.random.default_rng(SEED)
    for size in (0.5, 20.0):
        a, b = (generator.normal(size=s) * size for s in ((5, 19), (19, 7)))
        a[:, 2], b[3], b[5] = -0.0, 0.0, -0.0
        wanted, counts = reference.matmul(a, b, unit, telemetry=True)
        assert same(hwsim.matmul(a, b, unit), wanted)
        got, counted = hwsim.matmul(a, b, unit, telemetry=True)
        assert same(got, wanted)
        assert counted == counts


def test_images() -> None:
    """Padding is +0 rounded into the format: +1 where that is binary."""
    generator = np.random.default_rng(SEED)
    x, w = generator.normal(size=(1, 2, 5, 5)), generator.normal(size=(3, 2, 3, 3))
    for spec in ("binaryxint8+int16", "pow2_4xbinary+fp16", "int8xnf4+fp32"):
        wanted = reference.conv2d(x, w, spec, padding=1)
        assert same(hwsim.conv2d(x, w, spec, padding=1), wanted)
    ones = hwsim.conv2d(
        -np.ones((1, 1, 1, 1)), np.ones((1, 1, 3, 3)), "binaryxint8+int16", padding=1
    )
    assert ones.item() == 8 - 1


@pytest.mark.parametrize(
    ("spec", "part"),
    {
        "lns8xint8+fp32": "operand format lns8",
        "int8xlog2.1+fp32:mul_add": "operand format log2.1",
        "int8xint8+pow2_4": "accumulator format pow2_4",
        "int8xint8+fp32:out=nf4": "output format nf4",
        "int8xint8+fp32:chunk8/nf4": "format nf4",
        "int8xint8+fp32:mul_add/binary": "format binary",
    }.items(),
)
def test_refused(spec: str, part: str) -> None:
    """Irrational operands of exact multipliers, and sums in tables."""
    with pytest.raises(SpecError, match=part):
        hwsim.mac(spec)


@pytest.mark.parametrize(
    "spec", ["binary", "ternary", "pow2_4_linear", "nf4", "log2.2b3", "log2.1_nozero"]
)
def test_laws(spec: str) -> None:
    """Every law that applies."""
    report = check(spec)
    assert report.ok, str(report)


@pytest.mark.parametrize("spec", ["binaryxint8+int16", "pow2_4xe4m3+fp16", "nf4xint8+fp32"])
def test_laws_of_units(spec: str) -> None:
    """Every law that applies, all pairs of codes."""
    report = check(spec, cases=100)
    assert report.ok, str(report)


def test_in_place() -> None:
    """out= may be x itself, for every kernel."""
    for name in ("nf4", "log3.4", _book(256), "log2.5"):
        x = np.random.default_rng(SEED).normal(size=3001).astype(np.float32)
        wanted = reference.round(x, name)
        assert hwsim.round(x, name, out=x) is x
        assert same(x, wanted)


@pytest.mark.parametrize("spec", ["binaryxint8+int16", "pow2_3_nozeroxfp16+fp32"])
def test_stuffed_images(spec: str) -> None:
    """The zeros between pixels are rounded into the format too."""
    generator = np.random.default_rng(SEED)
    x, w = generator.normal(size=(1, 2, 3, 3)), generator.normal(size=(2, 3, 2, 2))
    got = hwsim.conv_transpose2d(x, w, spec, stride=2)
    assert same(got, reference.conv_transpose2d(x, w, spec, stride=2))
