"""Fused sums of scaled blocks on the kernels: equal to the reference, values and counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.simulate import block_units, packed, products
from hwsim.simulate.products import cheap
from hwsim.units import MacUnit

Array = npt.NDArray[Any]
PRESETS = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "nvfp4")
BLOCKS = (
    *("mxfp8_e4m3", "mxfp8_e5m2", "mxfp4", "nvfp4", "block12/e5m2_unsigned/e3m2"),
    *("block8_floor/e4m3_unsigned/e2m3", "block4/e8m0/e5m10"),
)


@contextmanager
def by_the_reference() -> Iterator[None]:
    """No kernel is proved, inside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_units, "aligned", lambda *_: None)
        patch.setattr(packed, "aligned_parts", lambda *_: None)
        yield


def same(x: Array, y: Array) -> bool:
    """All bits, but NaN's."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return bool(((x.view(np.int64) == y.view(np.int64)) | (np.isnan(x) & np.isnan(y))).all())


def compare(a: Any, b: Any, unit: MacUnit, c: Array | None) -> None:
    """Values at every level of counting, and the counts."""
    with by_the_reference():
        wanted, counted = hwsim.matmul(a, b, unit, c=c, telemetry=True)
    assert same(hwsim.matmul(a, b, unit, c=c), wanted)
    for level, expected in (("counts", cheap(counted)), (True, counted)):
        got, found = hwsim.matmul(a, b, unit, c=c, telemetry=level)
        assert same(got, wanted)
        assert found == expected


@st.composite
def scaled_units(draw: st.DrawFn) -> str:
    """Presets, and blocks of any kind, in groups or not."""
    if draw(st.booleans()):
        return "blackwell." + draw(st.sampled_from(PRESETS))
    a, b = draw(st.sampled_from(BLOCKS)), draw(st.sampled_from((*BLOCKS, "e4m3", "fp16")))
    a, b = (b, a) if draw(st.booleans()) else (a, b)
    order = f"fused{draw(st.sampled_from([1, 3, 8, 12, 32]))}"
    if draw(st.integers(0, 9)):
        order += f"f{draw(st.sampled_from([0, 3, 13, 25, 26, 35]))}"
        order += draw(st.sampled_from(["", "n"])) + draw(st.sampled_from(["", "z-133", "z3"]))
    order += draw(st.sampled_from(["", "g4", "g4", "g2", "p7"])) if "f" in order[5:] else ""
    acc = draw(st.sampled_from(["fp32", "fp32", "fp16", "e6m9"]))
    return f"{a}x{b}+{acc}:{draw(st.sampled_from(['rtz', 'rne']))}:{order}"


@st.composite
def numbers(draw: st.DrawFn, shape: tuple[int, int]) -> Array:
    """Around 1, far apart, few ones that cancel, huge or tiny; zeros, and what is not finite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.standard_normal(shape)
    kind = draw(st.sampled_from(["normal", "spread", "huge", "tiny", "few"]))
    if kind == "few":
        x = rng.choice([0.0, -0.0, 1, -1, 0.5, 1.5, -3], shape)
    else:
        places = {"normal": (0, 1), "spread": (-12, 12), "huge": (99, 128), "tiny": (-140, -99)}
        x *= 2.0 ** rng.integers(*places[kind], shape)
    x = np.where(rng.random(shape) < draw(st.sampled_from([0, 0.3])), 0.0, x)
    if not draw(st.integers(0, 5)):
        x = np.where(rng.random(shape) < 0.05, rng.choice([np.nan, np.inf, -np.inf], shape), x)
    return x


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_kernels_equal_the_reference(data: st.DataObject) -> None:
    try:
        unit = hwsim.mac(data.draw(scaled_units()))
    except hwsim.SpecError:
        return
    m, k, n = (data.draw(st.sampled_from(x)) for x in ([1, 3], [0, 1, 7, 17, 33, 70], [1, 4]))
    a, b = (
        np.asarray(x if block else hwsim.round(np.nan_to_num(x), fmt, overflow="saturate"))
        for x, block, fmt in (
            (data.draw(numbers((m, k))), unit.a_block, unit.a),
            (data.draw(numbers((k, n))), unit.b_block, unit.b),
        )
    )
    c = np.nan_to_num(data.draw(numbers((m, n)))) if data.draw(st.booleans()) else None
    compare(a, b, unit, c)


def any_codes(rng: Any, shape: tuple[int, int], unit: MacUnit, axis: int) -> hwsim.Blocks:
    """Of elements and of scales: zeros, subnormal ones, NaN and Inf among them."""
    fmt = unit.a_block if axis == -1 else unit.b_block
    assert fmt is not None
    wanted = list(shape)
    wanted[axis] = -(-wanted[axis] // fmt.size)
    codes = rng.integers(0, 1 << fmt.element.width, shape)
    scales = rng.integers(0, 1 << fmt.scale.width, wanted)
    for x, part, p in ((codes, fmt.element, 0.02), (scales, fmt.scale, 0.05)):
        lost = ~np.isfinite(hwsim.decode(x, part))
        x[lost & (rng.random(x.shape) > p)] = 1
        x[rng.random(x.shape) < 0.1] = 0
    return hwsim.Blocks(fmt, codes, scales, axis=axis)


PACKED = (
    "blackwell.mxfp8_e5m2",
    "blackwell.nvfp4",
    "nvfp4xnvfp4+fp32:rtz:fused16f25z-133",
    "block12/e5m2_unsigned/e3m2xmxfp8_e4m3+fp32:fused8f13g4",
)


@pytest.mark.parametrize("spec", PACKED)
def test_codes_of_any_kind(spec: str) -> None:
    unit, rng = hwsim.mac(spec), np.random.default_rng(4)
    for m, k, n in ((2, 70, 3), (3, 17, 2), (4, 64, 1)):
        a, b = any_codes(rng, (m, k), unit, -1), any_codes(rng, (k, n), unit, -2)
        kept = [x.decode() for x in (a, b)]
        compare(a, b, unit, rng.choice([0.0, -0.0, 3.0, 2.0**-20], (m, n)))
        assert all(same(x.decode(), y) for x, y in zip((a, b), kept, strict=True))


@pytest.mark.parametrize("spec", PRESETS)
def test_presets_take_kernels(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On ordinary data, of more than a panel, whatever is counted, on either side."""
    rng, unit = np.random.default_rng(5), f"blackwell.{spec}"
    a, b = rng.standard_normal((70, 96)), rng.standard_normal((96, 130))
    wanted = hwsim.reference.matmul(a[:2], b[:, 63:66], unit)
    monkeypatch.setattr(products, "by_reference", lambda *_: pytest.fail("the reference"))
    whole = hwsim.matmul(a, b, unit, threads=1)
    assert same(whole[:2, 63:66], wanted)
    np.testing.assert_array_equal(hwsim.matmul(a, b, unit, threads=3), whole)
    np.testing.assert_array_equal(hwsim.matmul(a, b, unit, telemetry=True)[0], whole)
    np.testing.assert_array_equal(hwsim.matmul(b.T, a.T, unit), whole.T)
    np.testing.assert_array_equal(hwsim.matmul(a, b[:, :3], unit), whole[:, :3])


@pytest.mark.parametrize("shapes", [((0, 3, 32), (32, 4)), ((2, 0, 32), (32, 4)), ((3, 0), (0, 4))])
def test_nothing_to_multiply(shapes: Any) -> None:
    a, b = map(np.ones, shapes)
    for unit in ("blackwell.nvfp4", "blackwell.mxfp8_e4m3"):
        wanted, counted = hwsim.reference.matmul(a, b, unit, telemetry=True)
        got, found = hwsim.matmul(a, b, unit, telemetry=True)
        assert got.shape == wanted.shape
        assert same(got, wanted)
        assert found == counted


@pytest.mark.parametrize("fraction", [24, 25])
def test_terms_as_large_as_can_be(fraction: int) -> None:
    """Significands of elements and of scales near 2: eight terms just fit int32, or do not."""
    fmt = "block16/e5m2_unsigned/e2m3"
    unit = hwsim.mac(f"{fmt}x{fmt}+fp32:rtz:fused8f{fraction}z-133")
    assert unit.a_block is not None
    element, scale = (
        hwsim.encode(x, f).item()
        for x, f in ((1.875, unit.a_block.element), (1.75, unit.a_block.scale))
    )
    codes, scales = np.full((1, 48), element), np.full((1, 3), scale)
    codes[:, 32:], scales[:, 2] = 1, 1  # a tiny block: no bit may be left out of account
    a = hwsim.Blocks(unit.a_block, codes, scales)
    b = hwsim.Blocks(unit.a_block, codes.T, scales.T, axis=-2)
    compare(a, b, unit, None)
    assert hwsim.matmul(a, b, unit).item() == 32 * (1.875 * 1.75) ** 2


def test_a_sum_to_nearest_overflows() -> None:
    """It is a term of the next block, rounded up there, though results are cut."""
    unit = hwsim.mac("mxfp4xe4m3+fp32:rtz:inf_always:fused32f1ng16")
    start = np.array([[2.99e38, -1.0]])
    compare(np.ones((1, 17)), np.ones((17, 2)), unit, start)
    assert hwsim.matmul(np.ones((1, 17)), np.ones((17, 2)), unit, c=start)[0, 0] == np.inf


def test_a_zero_scale_has_its_format_s_least_exponent() -> None:
    """A group of it is a zero of 2^(−6 − 3), as 1 has a scale near 1/6: it cuts what lies 35 places
    below."""
    unit = hwsim.mac("blackwell.nvfp4")
    assert unit.a_block is not None
    codes, scales = np.full((1, 16), 2), np.zeros((1, 1), np.uint8)
    a = hwsim.Blocks(unit.a_block, codes, scales)
    for start, kept in ((2.0**-44, 2.0**-44), (2.0**-45, 0.0)):
        assert hwsim.matmul(a, np.ones((16, 1)), unit, c=[[start]]).item() == kept
        compare(a, np.ones((16, 1)), unit, np.array([[start]]))
