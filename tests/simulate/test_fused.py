"""Fused blocks on the kernels: equal to the reference, and published digests of whole streams."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
import hwsim.reference
from hwsim.simulate.facts import Facts
from hwsim.simulate.fused import _Job
from hwsim.simulate.fused_proofs import Known
from hwsim.units import MacUnit, parse_unit
from tests.reference.test_fused import DIGESTS, DOTS, K, shaped, splitmix64

Array = npt.NDArray[Any]
OPERANDS = ("fp16", "bf16", "tf32", "fp32", "e4m3", "e5m2", "e3m2", "e2m1", "e4m3fnuz", "e8m3")
SUMS = ("fp32", "fp16", "bf16", "e6m9", "e8m13", "e5m2", "e4m3", "dlfloat16", "e4m3fnuz")
PRESETS = ("volta.fp16", "volta.fp16/fp16", "hopper.fp16", "hopper.e4m3", "blackwell.e2m1")


def known(a: Array, b: Array, c: Array | None, unit: MacUnit) -> Known:
    """What the choice of the kernel knows."""
    items = [None if x is None else x[None] for x in (a, b, c)]
    return Known(unit, Facts(*items), 0)  # type: ignore[arg-type]


@st.composite
def fused_units(draw: st.DrawFn) -> str:
    """Presets, and blocks of any kind."""
    if draw(st.booleans()):
        return draw(st.sampled_from(PRESETS))
    a, b, acc = (draw(st.sampled_from(x)) for x in (OPERANDS, OPERANDS, SUMS))
    order = f"fused{draw(st.sampled_from([1, 2, 3, 4, 8, 12, 32]))}"
    if draw(st.integers(0, 9)):
        order += f"f{draw(st.sampled_from([0, 1, 7, 13, 23, 25, 26, 27, 38]))}"
        order += draw(st.sampled_from(["", "n"]))
        order += draw(st.sampled_from(["", "z-133", "z-20", "z0", "z3", "z150", "z5000"]))
    order += draw(st.sampled_from(["", "", "p3", "p16"]))
    rounding = draw(st.sampled_from(["rne", "rtz", "rna", "rup", "rdn", "rto"]))
    over = draw(st.sampled_from(["", ":saturate"]))
    return f"{a}x{b}+{acc}:{rounding}{over}:{order}"


@st.composite
def operands(draw: st.DrawFn, fmt: Any, shape: tuple[int, int]) -> Array:
    """Values of a format: around 1, around its ends, few ones that cancel, any; some not finite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["normal", "spread", "tiny", "huge", "few"]))
    x = rng.standard_normal(shape)
    if kind == "spread":
        x *= 2.0 ** rng.integers(-12, 12, shape)
    elif kind in ("tiny", "huge"):
        x *= float(fmt.smallest_normal if kind == "tiny" else fmt.largest)
    elif kind == "few":
        x = rng.choice([0.0, 1, -1, 0.5, -0.5, 1.5, -3], shape)
    x = np.where(rng.random(shape) < draw(st.sampled_from([0, 0.3])), 0.0, x)
    if fmt.has_inf and not draw(st.integers(0, 5)):
        x = np.where(rng.random(shape) < 0.1, rng.choice([np.inf, -np.inf], shape), x)
    return np.asarray(hwsim.round(x, fmt, overflow="saturate"))


def same(x: Array, y: Array) -> bool:
    """All bits, but NaN's."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return bool(((x.view(np.int64) == y.view(np.int64)) | (np.isnan(x) & np.isnan(y))).all())


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_kernels_equal_the_reference(data: st.DataObject) -> None:
    """Values at every level of counting, and the counts."""
    try:
        unit = parse_unit(data.draw(fused_units()))
    except hwsim.SpecError:
        return
    m, k, n = (data.draw(st.sampled_from(x)) for x in ([1, 2, 3], [0, 1, 2, 7, 16, 33], [1, 5]))
    a, b = data.draw(operands(unit.a, (m, k))), data.draw(operands(unit.b, (k, n)))
    c = data.draw(operands(unit.outer_format, (m, n))) if data.draw(st.booleans()) else None
    try:
        wanted, counted = hwsim.reference.matmul(a, b, unit, c, telemetry=True)
    except ValueError:
        with pytest.raises(ValueError, match=r"NaN|Inf"):
            hwsim.matmul(a, b, unit, c=c)
        return
    assert same(hwsim.matmul(a, b, unit, c=c), wanted)
    for level in ("counts", True):
        got, found = hwsim.matmul(a, b, unit, c=c, telemetry=level)
        assert same(got, wanted)
        assert found.overflow_outputs == counted.overflow_outputs
        if level is True:
            assert found == counted


def values(words: Any, name: str, mode: str) -> Array:
    """Of random words (tf32: fp32 words)."""
    codes = shaped(words, name, mode)
    fmt = hwsim.format("fp32" if name == "tf32" else name)
    return np.asarray(hwsim.decode(codes.astype(f"u{fmt.width // 8}"), fmt))


def stream(spec: str, mode: str) -> str:
    """The digest of 20 000 dot products by the kernels."""
    unit = parse_unit(spec)
    words = splitmix64(20251, DOTS * (2 * K + 1)).reshape(DOTS, 2 * K + 1)
    acc = str(unit.accumulator)
    a = values(words[:, :K], str(unit.a), mode)[:, None, :]
    b = values(words[:, K : 2 * K], str(unit.b), mode)[:, :, None]
    c = values(words[:, -1], acc, mode)[:, None, None]
    out = np.asarray(hwsim.matmul(a, b, unit, c=c)).ravel()
    dtype, nan = ("<u2", 0x7FFF) if acc == "fp16" else ("<u4", 0x7FFFFFFF)
    codes = np.asarray(
        hwsim.encode(np.nan_to_num(out, nan=0.0, posinf=np.inf, neginf=-np.inf), acc)
    )
    codes = np.where(np.isnan(out), nan, np.where(out == 0, 0, codes)).astype(dtype)
    return hashlib.sha256(codes.tobytes()).hexdigest()[:16]


# Both sides of what int64 holds: bits of the finest operand below 1, of a and b together.
FINEST = (20, *range(34, 49, 2), 60)


@pytest.mark.parametrize("spec", ["cdna1.fp16", "cdna1.bf16", "bf16xfp16+fp32:fused5"])
def test_totals_in_int64(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proved from the operands; or seen to fit as they run; or computed again, with errors."""
    ways: set[str] = set()
    by_integers = _Job._whole

    def watched(job: _Job, *given: Any) -> bool:
        held = by_integers(job, *given)
        proved = job.known.whole_within(job.known.reach)
        ways.add("again" if not held else "proved" if proved else "seen")
        return held

    monkeypatch.setattr(_Job, "_whole", watched)
    unit, rng = hwsim.mac(spec), np.random.default_rng(8)
    for bits in FINEST:
        a, b = rng.integers(1, 4, (2, 161)) * 1.0, rng.choice([-2.0, -1.0, 0.5, 2.0], (161, 9))
        a[1, ::7], b[::9, 5], b[::2, 8] = 2.0 ** -(bits // 2), 2.0 ** -(bits - bits // 2), 2.0
        a, b = np.asarray(hwsim.round(a, unit.a)), np.asarray(hwsim.round(b, unit.b))
        for c in (None, rng.choice([-0.0, 3.0, -4096.0, 2.0**-9], (2, 9))):
            wanted, counted = hwsim.reference.matmul(a, b, unit, c, telemetry=True)
            assert same(hwsim.matmul(a, b, unit, c=c), wanted)
            got, found = hwsim.matmul(a, b, unit, c=c, telemetry="counts")
            assert same(got, wanted)
            assert found.overflow_outputs == counted.overflow_outputs
    assert ways == ({"proved"} if spec == "cdna1.fp16" else {"proved", "seen", "again"})


NVIDIA = [spec for spec in DIGESTS if not spec.startswith("cdna")]


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("spec", NVIDIA)
def test_digest(spec: str, mode: int) -> None:
    """Published digests: any bits that are finite (F), and numbers of like size (N)."""
    assert stream(spec, "FN"[mode]) == DIGESTS[spec][mode]


@pytest.mark.parametrize(
    "spec", ["volta.fp16", "hopper.fp16", "hopper.fp16/fp16", "blackwell.e2m1"]
)
def test_narrow_kernels_are_taken(spec: str) -> None:
    """Ordinary data run in float32 and int32; telemetry of counts, too."""
    unit = parse_unit(spec)
    rng = np.random.default_rng(5)
    a, b = (hwsim.round(rng.standard_normal(s), unit.a) for s in ((70, 96), (96, 130)))
    about = known(a, b, None, unit)
    assert not about.refusal()
    assert about.narrow
    assert same(
        hwsim.matmul(a[:3], b[:, :70], unit), hwsim.reference.matmul(a[:3], b[:, :70], unit)
    )
    whole = hwsim.matmul(a, b, unit, threads=1)
    np.testing.assert_array_equal(hwsim.matmul(a, b, unit, threads=3), whole)
    np.testing.assert_array_equal(hwsim.matmul(a, b, unit, telemetry=True)[0], whole)
    np.testing.assert_array_equal(hwsim.matmul(b.T, a.T, unit), whole.T)


def test_sums_on_every_place() -> None:
    """Totals of int32 next to those of float64: blocks whose terms just fit, and just do not."""
    rng = np.random.default_rng(11)
    for terms, fraction in ((8, 25), (8, 26), (9, 25), (16, 24), (16, 25), (32, 23), (32, 26)):
        unit = parse_unit(f"fp16xfp16+fp32:rtz:inf_always:fused{terms}f{fraction}z-133")
        top = 2.0 - 2.0**-10  # the largest significand: totals as large as can be
        a = rng.choice([top, -top, 1.0], (4, 64)) * np.where(rng.random((4, 64)) < 0.9, 1.0, 0.25)
        a, b = hwsim.round(np.abs(a), "fp16"), hwsim.round(np.full((64, 3), top), "fp16")
        assert known(a, b, None, unit).narrow
        assert same(hwsim.matmul(a, b, unit), hwsim.reference.matmul(a, b, unit))
        assert same(hwsim.matmul(-a, b, unit), hwsim.reference.matmul(-a, b, unit))


def test_float32_holds_operands_and_scales() -> None:
    """Not only products: operands beyond float32, and zeros whose exponent no float32 has."""
    rng = np.random.default_rng(12)
    a, b = rng.integers(1, 8, (2, 8)) * 2.0**-200, rng.integers(1, 8, (8, 3)) * 2.0**190
    assert same(
        hwsim.matmul(a, b, "e9m4xe9m4+fp32:rtz:fused4f20"),
        hwsim.reference.matmul(a, b, "e9m4xe9m4+fp32:rtz:fused4f20"),
    )
    a, b = rng.standard_normal((2, 8)), rng.standard_normal((8, 3))
    a[0, 0], b[1] = 0.0, 0.0
    for zero in (146, 147, 300, 999, 1000, 2000, 5000):
        unit = f"fp16xfp16+fp32:rtz:fused4f20z{zero}"
        assert same(hwsim.matmul(a, b, unit), hwsim.reference.matmul(a, b, unit))


def test_refusals_and_their_reference() -> None:
    """What float64 cannot hold runs on the reference, and says so."""
    a = np.array([[2.0**14, 2.0**-20, 1.0]])
    assert hwsim.matmul(a, a.T, "fp16xfp16+fp32:fused4").item() == 2.0**28
    unit = parse_unit("fp16xfp16+fp32:fused4")
    assert not known(a, a.T, None, unit).refusal()  # a sum and its errors
    about = known(a, a.T, np.array([[2.0**-149, 2.0**127]]), unit)
    assert about.refusal() == f"blocks may need {about.bits} bits"
    assert (
        "exact in float64" in known(a, a.T, None, parse_unit("fp64xfp64+fp32:fused4f20")).refusal()
    )
    assert math.isinf(hwsim.matmul([[np.inf]], [[1.0]], unit).item())
