"""Block formats: names, refusals, and the anchors of OCP MX 1.0."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from hwsim.errors import SpecError
from hwsim.formats import BLOCKS, any_format
from hwsim.reference.blocks import decode_blocks, encode_blocks

NAMES = [entry.name for entry in BLOCKS]
CUSTOM = ["block7/e8m0/e2m1", "block16_amax/e8m0/e3m2", "block5_tensor/e5m2_unsigned/int4"]
RAMP = {  # of i/8, i = 0 … 31: exponent of the scale, sum, largest error
    "mxfp8_e5m2": (-14, 61.0, 0.375),
    "mxfp8_e4m3": (-7, 61.25, 0.375),
    "mxfp6_e3m2": (-3, 61.0, 0.375),
    "mxfp6_e2m3": (-1, 61.75, 0.125),
    "mxfp4": (-1, 58.0, 0.875),
    "mxint8": (1, 62.0, 0.0),
}


@pytest.mark.parametrize("name", NAMES + CUSTOM)
def test_names_round_trip(name):
    assert str(any_format(name)) == name


@pytest.mark.parametrize("name", RAMP)
def test_ramp(name):
    x = np.arange(32) / 8
    blocks = hwsim.encode(x, name)
    values = blocks.decode()
    error = np.abs(values - x).max()
    assert (int(blocks.scales[0]) - 127, values.sum(), error) == RAMP[name]


def numbers(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    x = np.ldexp(generator.normal(size=(5, 70)), generator.integers(-140, 140, (5, 70)))
    x[1] = np.round(generator.normal(size=70) * 8) / 4  # ties
    x[2, 3], x[2, 40], x[2, 69] = np.nan, np.inf, -0.0
    x[3] = 0.0
    x[4] = generator.choice([6.0, 3.5, 2.5, -0.25, 0.75, 448.0, 464.0], 70)
    return x


@pytest.mark.parametrize("rounding", ["rne", "rna", "rtz", "rup"])
@pytest.mark.parametrize("name", NAMES + CUSTOM)
def test_equals_the_reference(name, rounding):
    fmt = any_format(name)
    for axis in (-1, 0):
        x = numbers(axis + 5)
        fast, slow = (
            hwsim.encode(x, fmt, rounding, axis=axis),
            encode_blocks(x, fmt, axis, rounding),
        )
        assert np.array_equal(fast.codes, slow.codes)
        assert np.array_equal(fast.scales, slow.scales)
        assert fast.tensor_scale == slow.tensor_scale
        expected = decode_blocks(slow, fmt, axis)
        assert np.array_equal(fast.decode(), expected, equal_nan=True)
        assert np.array_equal(np.signbit(fast.decode()), np.signbit(expected))
        assert np.isnan(fast.decode()).any()  # the block of NaN


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33])
def test_short_blocks(length):
    blocks = hwsim.encode(np.ones((2, length)), "mxfp4")
    assert blocks.codes.shape == (2, length)
    assert blocks.scales.shape == (2, -(-length // 32))
    assert np.array_equal(blocks.decode(), np.ones((2, length)))


@pytest.mark.parametrize(
    "name",
    ["block0/e8m0/e2m1", "block32/e4m3/e2m1", "block32/e8m0/uint8", "block32/e8m0", "mxfp9"],
)
def test_refused(name):
    with pytest.raises(SpecError):
        hwsim.format(name)


def test_axis_and_draws_are_refused():
    with pytest.raises(ValueError, match="axis=2"):
        hwsim.round(np.ones((2, 2)), "mxfp4", axis=2)
    with pytest.raises(ValueError, match="axis=0"):
        hwsim.round(np.ones((2, 2)), "e4m3", axis=0)
    with pytest.raises(SpecError, match="draws"):
        hwsim.round(np.ones(2), "mxfp4", "sr")
    with pytest.raises(SpecError, match="saturate"):
        hwsim.round(np.ones(2), "mxfp4", overflow="inf")


EVERY = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "block16_amax/e8m0/e3m2"])
def test_every_half_equals_the_reference(name):
    """Each float16 beside one that sets the scale, in lines and in lanes."""
    fmt, x = any_format(name), EVERY[np.isfinite(EVERY)][::149]
    blocks = np.stack([x, np.full_like(x, 1.75), -x[::-1]], axis=1)
    wanted = encode_blocks(blocks, fmt)
    lines, lanes = hwsim.encode(blocks, fmt), hwsim.encode(blocks.T.copy(), fmt, axis=0)
    assert np.array_equal(lines.codes, wanted.codes)
    assert np.array_equal(lines.scales, wanted.scales)
    assert np.array_equal(lanes.codes.T, wanted.codes)
    assert np.array_equal(lanes.scales.T, wanted.scales)


def test_extremes_of_float64():
    x = np.array([[1.7e308, 5e-324, -1.0], [5e-324, -5e-324, 0.0], [-0.0, 1e-300, 1e300]])
    for name in ("mxfp8_e5m2", "nvfp4", "block2_amax/e5m2_unsigned/e4m3"):
        fast, slow = hwsim.encode(x, name), encode_blocks(x, any_format(name))
        assert np.array_equal(fast.codes, slow.codes)
        assert np.array_equal(fast.scales, slow.scales)
        assert fast.tensor_scale == slow.tensor_scale


@pytest.mark.parametrize(
    ("name", "stranger"),
    [
        ("mxfp8_e4m3", "float8_e4m3fn"),
        ("mxfp8_e5m2", "float8_e5m2"),
        ("mxfp6_e3m2", "float6_e3m2fn"),
        ("mxfp6_e2m3", "float6_e2m3fn"),
        ("mxfp4", "float4_e2m1fn"),
    ],
)
def test_elements_are_those_of_ml_dtypes(name, stranger):
    """ml_dtypes casts V / X, kept in range, to the elements, and 2^k to the scales."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    fmt = any_format(name)
    x = np.random.default_rng(8).normal(size=(64, 64)).astype(np.float32)
    blocks = hwsim.encode(x, fmt)
    top = np.abs(x).reshape(64, 2, 32).max(axis=-1)
    scales = np.exp2(np.floor(np.log2(top)) - fmt.element_emax)
    most = float(fmt.element.largest)
    elements = np.clip(x / scales.repeat(32, axis=1), -most, most)
    assert np.array_equal(blocks.codes, elements.astype(getattr(ml_dtypes, stranger)).view("u1"))
    assert np.array_equal(blocks.scales, scales.astype(ml_dtypes.float8_e8m0fnu).view("u1"))


def test_round_is_encode_and_decode():
    x = np.ldexp(np.random.default_rng(9).normal(size=(3, 40, 5)), 4)
    x[1, 7, 2] = np.inf
    for name, axis in (("nvfp4", 1), ("mxint8", 0), ("mxfp6_e3m2", -1)):
        for rounding in ("rne", "rup"):
            wanted = hwsim.encode(x, name, rounding, axis=axis).decode()
            assert np.array_equal(hwsim.round(x, name, rounding, axis=axis), wanted, equal_nan=True)
