"""MAC units of every kind against the reference: bits, counts and refusals."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim import Chunked, MacUnit, reference
from hwsim.formats import ROUNDINGS
from tests.simulate.comparison import bits, check_matmul, count_differences
from tests.simulate.unit_strategies import products, units

INF, NAN = np.inf, np.nan


@settings(max_examples=120)
@given(units(), st.data())
def test_any_unit(unit: MacUnit, data: st.DataObject) -> None:
    """Bits, every count at every telemetry level, and refusals, are the reference's."""
    product = data.draw(products(unit))
    a, b, c = product.operands(unit)
    check_matmul(a, b, unit, c, threads=product.threads)


# --- the counterexamples of SEMANTICS.md, by name ------------------------------------------------
EXAMPLES: dict[str, tuple[str, Any, Any, Any, float]] = {
    # name: unit, a (K), b (K), c, result
    "bf16 fma is no double rounding in float32": (
        *("bf16xbf16+bf16", [1.0625, 2.0**-30], [1.0625, 1.0], None, 1.125),
    ),
    "bf16 fma with c is no double rounding in float32": (
        *("bf16xbf16+bf16", [1.0625], [1.0625], 2.0**-30, 1.1328125),
    ),
    "fp32 fma is no double rounding in float64": (
        *("fp32xfp32+fp32", [1 + 2.0**-12], [1 + 2.0**-12], 2.0**-60, 1 + 2.0**-11 + 2.0**-23),
    ),
    "bf16 in float32 at 2^112": (
        *("bf16xbf16+bf16", [2.0**112, 2.0**105], [1.0, 1.5], None, 1.015625 * 2.0**112),
    ),
    "bf16 in float32 at the top": (
        *("bf16xbf16+bf16", [2.0**126, 2.0**119], [1.0, 1.0], 2.0**126, 2.0**127),
    ),
    "overflow of the largest bf16 by half a step": (
        *("bf16xbf16+bf16", [2.0**119], [1.0], (2 - 2.0**-7) * 2.0**127, INF),
    ),
    "a clamp at every step": ("e4m3xe4m3+e4m3", [448.0, 448.0, -448.0], [1.0] * 3, None, 0.0),
    "e4m3 stays at 464, the tie": ("e4m3xe4m3+e4m3:nan", [448.0, 16.0], [1.0] * 2, None, 448.0),
    "e4m3 overflows past the tie": ("e4m3xe4m3+e4m3:nan", [448.0, 18.0], [1.0] * 2, None, NAN),
    "rounding inflates a sum of 382 beyond 448": (
        *("e4m3xe4m3+e4m3:nan", [256.0] + [18.0] * 7, [1.0] * 8, None, NAN),
    ),
    "overflow on the last addition": ("fp16xfp16+fp16", [60000.0] * 2, [1.0] * 2, None, INF),
    "overflow on the last addition, inward": (
        *("fp16xfp16+fp16:rtz", [60000.0] * 2, [1.0] * 2, None, 65504.0),
    ),
    "Inf survives saturate": ("e5m2xe5m2+fp16:saturate", [INF], [1.0], None, INF),
    "Inf does not survive saturate_all": ("e5m2xe5m2+fp16:saturate_all", [INF], [1.0], None, 65504),
    "Inf into a format without Inf": ("e5m2xe5m2+e4m3", [-INF], [1.0], None, -448.0),
    "Inf minus Inf": ("e5m2xe5m2+fp32", [INF, INF], [1.0, -1.0], None, NAN),
    "Inf times zero": ("e5m2xe5m2+fp32", [INF], [0.0], None, NAN),
    "NaN stays": ("bf16xbf16+fp32", [NAN, 1.0], [0.0, 1.0], None, NAN),
    "sums start at +0": ("bf16xbf16+fp32", [-0.0], [1.0], None, 0.0),
    "c = -0 stays": ("bf16xbf16+fp32", [-0.0], [1.0], -0.0, -0.0),
    "c = -0 stays in a narrow sum": ("bf16xbf16+e6m9", [-0.0], [1.0], -0.0, -0.0),
    "a zero of integers is +": ("int8xbf16+bf16", [-1], [0.0], -0.0, 0.0),
    "x - x is +0": ("bf16xbf16+e6m9", [1.0, -1.0], [1.0, 1.0], -0.0, 0.0),
    "x - x is -0 in rdn": ("bf16xbf16+e6m9:rdn", [1.0, -1.0], [1.0, 1.0], None, -0.0),
    "+0 + -0 is -0 in rdn": ("bf16xbf16+fp32:rdn", [-0.0], [1.0], None, -0.0),
    "fnuz has no -0": ("e4m3xe4m3+e5m10fnuz:rdn", [1.0, -1.0], [1.0, 1.0], None, 0.0),
    "tiny negatives keep their sign": (*("fp32xfp32+fp16", [-(2.0**-20)], [2.0**-20], None, -0.0),),
    "bf16 products underflow float32": (
        *("bf16xbf16+fp32:rup", [2.0**-100], [2.0**-100], None, 2.0**-149),
    ),
    "exact sums of tiny products": (
        *("bf16xbf16+fp32:exact:rup", [2.0**-130], [2.0**-130], None, 2.0**-149),
    ),
    "exact: x - x is -0 in rdn": ("e4m3xe4m3+fp16:rdn:exact", [1.0, -1.0], [1.0, 1.0], None, -0.0),
    "exact: nothing is lost": (
        *("fp32xfp32+exact", [2.0**100, 1.0, -(2.0**100)], [1.0] * 3, None, 1.0),
    ),
    "exact: huge times zero": ("e9m10xe4m3+fp32:exact", [2.0**200, 1.0], [0.0, 0.0], None, 0.0),
    "K = 0 gives c": ("e4m3xe4m3+fp16:chunk4", [], [], 3.5, 3.5),
    "K = 0 gives +0": ("e4m3xe4m3+fp16:rdn", [], [], None, 0.0),
    "K = 0, exact, converts c": ("e4m3xe4m3+fp16:exact:out=e4m3", [], [], 1.03125, 1.0),
    "the last chunk is shorter": ("e5m2xe5m2+e5m2:chunk8", [1.0] * 9, [1.0] * 9, None, 8.0),
    "an outer format": ("e5m2xe5m2+e5m2:chunk8/fp32", [1.0] * 9, [1.0] * 9, None, 9.0),
    "an outer format narrower than the inner": (
        *("e5m2xe5m2+e5m40:chunk2/fp32", [1.0, 2.0**-16, 1.0], [1.0, 2.0**-14, 2.0**-16], 0.0),
        1 + 2.0**-16,
    ),
    "mul_add rounds twice": ("bf16xbf16+bf16:mul_add", [1.0625], [1.0625], 2.0**-8, 1.125),
    "mul_add into a format that wraps": (
        *("fp16xfp16+fp16:mul_add/int8", [100.0], [2.0], None, -56.0),
    ),
    "mul_add out of a format that wraps not": (
        *("fp16xfp16+int16:mul_add/fp16", [100.0, 300.0], [2.0, 120.0], None, -29336),
    ),
    "mul_add of a huge product, wrapping": (
        *("bf16xbf16+int8:mul_add:rup", [2.0**72], [1.0078125], None, 0),
    ),
    "int8 wraps": ("int8xint8+int8", [100, 100], [1, 1], None, -56),
    "int17 saturates at every step": (
        *("int8xint8+int17:saturate", [127] * 5 + [-128], [127] * 5 + [127], None, 49279),
    ),
    "an outer int saturates uncounted": (
        *("int8xint8+int32:chunk4/int8:saturate", [127] * 8, [127] * 8, None, 127),
    ),
    "fixed point saturates": ("fixed3.4xfixed3.4+fixed3.4", [7.5, 7.5], [1.0, 1.0], None, 7.9375),
    "no subnormals, rup": ("e5m2xe5m2+e5m2_nosub:rup", [2.0**-16], [1.0], None, 0.0),
    "dlfloat16 has no 2^-31": ("dlfloat16xdlfloat16+dlfloat16", [2.0**-16], [2.0**-15], None, 0.0),
    "e8m0 operands saturate": ("e8m0xe4m3+fp32", [2.0**130], [1.0], None, 2.0**127),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    """The stated result, and the reference's counts, at every telemetry level."""
    spec, a, b, c, wanted = EXAMPLES[name]
    left, right = np.array(a, np.float64).reshape(1, -1), np.array(b, np.float64).reshape(-1, 1)
    start = None if c is None else np.array([[c]])
    got = hwsim.matmul(left, right, spec, c=start)
    assert bits(got.astype(np.float64)) == bits(np.array([[wanted]], np.float64)), got
    check_matmul(left, right, spec, start)


HARMONIC = {"bf16": (5.0625, 65), "fp16": (7.0859375, 513)}


@pytest.mark.parametrize("name", HARMONIC)
def test_harmonic_series(name: str) -> None:
    """Σ RN(1/k) sticks at the published sum, first at the published k."""
    wanted, first = HARMONIC[name]
    unit = f"{name}x{name}+{name}"
    x = 1.0 / np.arange(1, first + 40)
    for length, swamped in ((first - 1, 0), (first, 1), (x.size, x.size - first + 1)):
        y, telemetry = hwsim.matmul(
            x[None, :length], np.ones((length, 1)), unit, telemetry="counts"
        )
        assert y.item() == wanted
        assert telemetry.swamped_full == swamped


def test_harmonic_series_fp32() -> None:
    """The same in fp32, whose sum needs two million additions."""
    x = (1.0 / np.arange(1, 2097152 + 5)).astype(np.float32)
    ones = np.ones((x.size, 1), np.float32)
    for length in (x.size, 2097151):
        y = hwsim.matmul(x[None, :length], ones[:length], "fp32xfp32+fp32")
        assert y.item() == np.float32(15.403683)
    before = hwsim.matmul(x[None, :2097150], ones[:2097150], "fp32xfp32+fp32")
    assert before.item() < np.float32(15.403683)


# --- what must not matter -------------------------------------------------------------------------
LARGE = (
    "e5m2xe5m2+e6m9",
    "e5m2xe5m2+e6m9:saturate:chunk64",
    "fp16xfp16+fp32",
    "bf16xbf16+bf16:rup:mul_add",
    "int8xint8+int17:saturate:chunk16",
    "e4m3xe4m3+fp32:exact",
)


@pytest.mark.parametrize("spec", LARGE)
def test_threads_tiles_and_memory(spec: str) -> None:
    """Threads, tiles, batch splits and the memory limit change no bit and no count."""
    unit = hwsim.mac(spec)
    generator = np.random.default_rng(20251)
    scale = 20 if spec.startswith("int") else 1
    a = generator.normal(size=(3, 70, 100)) * scale
    b = generator.normal(size=(3, 100, 600)) * scale
    c = generator.normal(size=(70, 600)) * scale
    y, counted = hwsim.matmul(a, b, unit, c=c, telemetry="counts", threads=1)
    for threads, limit in itertools.product((1, 2, 3), (2**20, 2**23, 2**28)):
        other, again = hwsim.matmul(
            *(a, b, unit), c=c, telemetry="counts", threads=threads, memory_limit=limit
        )
        assert bits(other) == bits(y)
        assert again == counted
        plain = hwsim.matmul(a, b, unit, c=c, threads=threads, memory_limit=limit)
        assert bits(plain) == bits(y)
    for item in range(3):
        assert bits(hwsim.matmul(a[item], b[item], unit, c=c)) == bits(y[item])
    rows, columns = slice(3, 69, 13), slice(1, 600, 97)
    part = reference.matmul(a[1, rows], b[1][:, columns], unit, c=c[rows, columns])
    assert bits(part) == bits(np.ascontiguousarray(y[1, rows, columns]))
    turned = hwsim.matmul(*(b[1].T, a[1].T, replace(unit, a=unit.b, b=unit.a)), c=c.T)
    assert bits(np.ascontiguousarray(turned.T)) == bits(y[1])


def test_batches_broadcast() -> None:
    """Leading dimensions broadcast as NumPy's matmul does, c to the result."""
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(2, 1, 3, 4)), generator.normal(size=(5, 4, 2))
    for c in (None, np.float64(1.5), generator.normal(size=(5, 1, 2))):
        check_matmul(a, b, "e4m3xe4m3+fp16:chunk3", c)
        check_matmul(a[0, 0], b, "e4m3xe4m3+fp16:rtz", c)
    assert hwsim.matmul(a, b, "e4m3xe4m3+fp16").shape == (2, 5, 3, 2)


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3), (2, 3, 0), (0, 0, 0), (0, 0, 2)])
@pytest.mark.parametrize(
    "spec",
    [
        *("e4m3xe4m3+e4m3", "fp16xfp16+fp32", "int8xint8+int16", "int8xint8+int32:chunk2"),
        *("bf16xbf16+bf16:rdn:chunk4/fp32", "e4m3xe4m3+exact", "fp32xfp32+fp64:out=bf16"),
        *("int8xint8+exact", "fp16xfp16+fp16:mul_add", "e8m0xe8m0+e6m0fn"),
    ],
)
@pytest.mark.parametrize("batch", [(), (2,), (0,)])
def test_empty(spec: str, shape: tuple[int, int, int], batch: tuple[int, ...]) -> None:
    """Products without rows, columns, terms or items."""
    m, k, n = shape
    check_matmul(np.ones((*batch, m, k)), np.ones((k, n)), spec)
    check_matmul(np.ones((*batch, m, k)), np.ones((k, n)), spec, np.full((m, n), -1.0))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("k", [1, 7, 8, 9, 17])
def test_chunk_of_everything(k: int, rounding: str) -> None:
    """A chunk that holds all terms is the sequential sum entering c by one more rounding."""
    generator = np.random.default_rng(k)
    a, b = generator.normal(size=(4, k)), generator.normal(size=(k, 5))
    c = generator.normal(size=(4, 5))
    one = hwsim.matmul(a, b, f"e4m3xe4m3+fp16:{rounding}")
    unit = MacUnit(*(hwsim.format("e4m3"),) * 2, hwsim.format("fp16"), rounding, None, Chunked(k))
    assert bits(hwsim.matmul(a, b, unit)) == bits(one)
    wanted = hwsim.matmul(one, np.eye(5), f"fp16xe4m3+fp16:{rounding}:exact", c=c)
    assert bits(hwsim.matmul(a, b, unit, c=c)) == bits(wanted)


# --- telemetry ------------------------------------------------------------------------------------
def test_telemetry_levels() -> None:
    """The cheap level says so, and leaves what it does not count at 0."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=(9, 40)), generator.normal(size=(40, 8))
    for spec in ("e4m3xe4m3+e4m3", "bf16xbf16+bf16:rtz", "fp16xfp16+e6m0fn", "e4m3xe4m3+fp64"):
        _, full = hwsim.matmul(a, b, spec, telemetry=True)
        _, cheap = hwsim.matmul(a, b, spec, telemetry="counts")
        assert full.complete
        assert not cheap.complete
        assert not count_differences(cheap, full, cheap=True)
        assert (cheap.dominated, cheap.underflow, cheap.out_of_range) == (0, 0, 0), spec
        assert (cheap.lost, cheap.mass) == (0.0, 0.0), spec


# --- refusals -------------------------------------------------------------------------------------
def test_strict() -> None:
    """Operands that are no values of their formats are refused by name; NaN is a value."""
    good = np.array([[1.0, NAN]])
    assert np.isnan(hwsim.matmul(good, np.ones((2, 1)), "e4m3xe4m3+fp16", strict=True)).all()
    one = np.ones((1, 1))
    for name, arguments in {
        "a": (np.array([[1.01]]), one, None),
        "b": (one, np.array([[500.0]]), None),
        "c": (one, one, np.array([[1e9]])),
    }.items():
        a, b, c = arguments
        with pytest.raises(ValueError, match=rf"^{name}\[0, 0\]"):
            hwsim.matmul(a, b, "e4m3xe4m3+fp16", c=c, strict=True)
        hwsim.matmul(a, b, "e4m3xe4m3+fp16", c=c)


ONE = np.ones((2, 2))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((ONE, np.ones((3, 2)), "e4m3xe4m3+fp16"), {}, ValueError, r"a \(2, 2\) and b \(3, 2\)"),
        ((np.ones(2), ONE, "e4m3xe4m3+fp16"), {}, ValueError, "a .* two dimensions"),
        ((np.ones((3, 2, 2)), np.ones((2, 2, 2)), "e4m3xe4m3+fp16"), {}, ValueError, "broadcast"),
        ((ONE, ONE, "e4m3xe4m3+fp16"), {"c": np.ones(3)}, ValueError, "c .* broadcast"),
        ((ONE, ONE, "e4m3xe4m3+fp16"), {"threads": 0}, ValueError, "threads=0"),
        ((ONE, ONE, "e4m3xe4m3+fp16"), {"telemetry": "all"}, ValueError, "telemetry='all'"),
        ((ONE, ONE, "e4m3xe4m3+fp16"), {"memory_limit": 1}, ValueError, "memory_limit=1"),
        ((ONE * NAN, ONE, "e3m2xe3m2+fp16"), {}, ValueError, "a: .*NaN.* e3m2"),
        ((ONE, ONE * NAN, "e3m2xint8+fp16"), {}, ValueError, "b: .*NaN.* int8"),
        ((ONE, ONE, "e4m3xe4m3+int8"), {"c": NAN}, ValueError, "c: .*NaN.* int8"),
        ((ONE * NAN, ONE, "e4m3xe4m3+e2m3"), {}, ValueError, "e2m3"),
        ((ONE * INF, ONE, "e5m2xe5m2+int8"), {}, ValueError, "int8"),
        ((ONE * 1j, ONE, "e4m3xe4m3+fp16"), {}, TypeError, "a: .*complex"),
        ((ONE, np.array([["x"]]), "e4m3xe4m3+fp16"), {}, TypeError, "b: "),
        ((ONE, ONE, 3), {}, TypeError, "mac=3"),
        ((ONE, ONE, "e4m3xe4m3+fp61"), {}, hwsim.SpecError, "fp61"),
    ],
)
def test_errors_name_the_argument(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Every refusal names the argument, its value and what is allowed."""
    with pytest.raises(error, match=words):
        hwsim.matmul(*arguments, **options)


@pytest.mark.parametrize("accumulator", ["int32", "int24", "int16:saturate", "int17"])
def test_zero_points(accumulator: str) -> None:
    """Raw affine codes go through the array; the correction, an exact integer, is part of c."""
    rng = np.random.default_rng(8)
    codes, weights = rng.integers(0, 256, (5, 40)), rng.integers(-127, 128, (40, 70))
    zero = 131
    c = np.clip(-zero * weights.sum(axis=0), -(2**15), 2**15 - 1)
    unit = f"uint8xint8+{accumulator}"
    got = hwsim.matmul(codes, weights, unit, c=c, strict=True)
    assert bits(got) == bits(reference.matmul(codes, weights, unit, c=np.broadcast_to(c, (5, 70))))
    if accumulator == "int32":
        exact = codes @ weights + c
        assert np.array_equal(got, exact)


def test_a_correction_beyond_the_accumulator_is_refused() -> None:
    """strict: c is never rounded or clipped silently."""
    with pytest.raises(ValueError, match=r"c\[0, 0\] = 40000 is no value of int16"):
        hwsim.matmul([[1]], [[1]], "uint8xint8+int16", c=[[40000]], strict=True)
