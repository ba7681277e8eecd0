"""Units of blocks equal the reference, and the reference a definition in Fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.simulate import block_units
from hwsim.simulate.products import cheap

UNITS = [
    "mxfp8_e4m3xmxfp8_e4m3+fp32",
    "mxfp4xmxfp4+fp16",
    "nvfp4xnvfp4+fp32",
    "mxfp8_e4m3xmxfp8_e4m3+fp16:chunk32/fp32",
    "mxfp8_e4m3xmxfp8_e4m3+e6m9:chunk16",
    "mxfp4xe4m3+fp32",
    "e4m3xmxint8+fp32:chunk8",
    "mxfp8_e5m2xmxfp4+fp32:seq",
    "mxfp6_e3m2xmxfp6_e2m3+bf16:tree8",
    "mxint8xmxint8+fp32:lanes4",
    "nvfp4xmxfp4+bf16:rtz:chunk16",
    "mxfp4xmxfp4+exact",
    "mxfp4xmxfp4+fp32:sr8",
    "mxfp4xbinary8p1se+fp32:kahan",
    "block7/e8m0/e2m1xblock7/e8m0/e2m1+fp32",
    "blackwell.mxfp8_e4m3",
    "blackwell.mxfp4",
    "blackwell.nvfp4",
]


@pytest.mark.parametrize("spec", UNITS)
def test_round_trips(spec):
    unit = hwsim.mac(spec)
    assert hwsim.mac(str(unit)) == unit


@pytest.mark.parametrize("k", [0, 1, 70])
@pytest.mark.parametrize("spec", UNITS)
def test_matmul_equals_the_reference(spec, k):
    generator = np.random.default_rng(k)
    a, b = generator.normal(size=(3, k)), np.ldexp(generator.normal(size=(k, 4)), 3)
    if k > 1:
        a[1, 5], b[:, 2] = np.nan, 0.0
    for c in (None, np.full((3, 4), 0.5)):
        fast, slow = (f(a, b, spec, c=c) for f in (hwsim.matmul, reference.matmul))
        assert np.array_equal(fast, slow, equal_nan=True)
        assert np.array_equal(np.signbit(fast), np.signbit(slow))
    counted = [f(a, b, spec, telemetry=True)[1] for f in (hwsim.matmul, reference.matmul)]
    assert counted[0] == counted[1]


@pytest.mark.parametrize("spec", ["mxfp4xmxfp4+fp32", "mxfp8_e4m3xmxint8+bf16:chunk16"])
def test_conv2d_equals_the_reference(spec):
    generator = np.random.default_rng(1)
    x, w = generator.normal(size=(1, 4, 5, 5)), generator.normal(size=(2, 4, 3, 3))
    fast, slow = (f(x, w, spec, padding=1) for f in (hwsim.conv2d, reference.conv2d))
    assert np.array_equal(fast, slow)


def test_default_is_one_rounding_for_each_block():
    generator = np.random.default_rng(2)
    a, b = generator.normal(size=64), generator.normal(size=64)
    x, y = (hwsim.round(v, "mxfp4") for v in (a, b))
    total = 0.0
    for block in (slice(0, 32), slice(32, 64)):
        exact = sum(Fraction(p) * Fraction(q) for p, q in zip(x[block], y[block], strict=True))
        total = float(hwsim.round(float(Fraction(total) + exact), "fp16"))  # exact in float64
    assert hwsim.matmul(a[None], b[:, None], "mxfp4xmxfp4+fp16").item() == total


@pytest.mark.parametrize("name", ["mxfp8_e4m3", "mxfp4"])
def test_blackwell_probe(name):
    """A product far below the largest, within a group, against the exact sum."""
    a = np.zeros((1, 64))
    b = np.zeros((64, 1))
    a[0, :3], b[:3, 0] = (4.0, -4.0, 0.5), (4.0, 4.0, 1.0)
    assert hwsim.matmul(a, b, f"blackwell.{name}").item() == 0.5


# Of a group's sums in float32, in float64, and with data too far apart for either.
GROUPED = ["mxfp4xmxfp4+fp16", "nvfp4xmxfp6_e2m3+fp32:dot16:rdn", "mxfp8_e4m3xe2m1+bf16:rtz"]


@pytest.mark.parametrize("places", [9, 140])
@pytest.mark.parametrize("spec", GROUPED)
def test_groups_within_blocks(spec, places):
    """Scales as far apart as float32 has them, tiny sums, and zeros of both signs; c = −0 too."""
    generator = np.random.default_rng(places)
    a, b = generator.normal(size=(4, 70)), generator.normal(size=(70, 5))
    a = np.ldexp(a, generator.integers(-places, places // 2 + 1, (4, 3)).repeat(32, 1)[:, :70])
    a[1], a[2, :32] = -0.0, 0.0
    for c in (None, np.full((4, 5), -0.0)):
        fast, slow = (
            f(a.astype(np.float32), b, spec, c=c) for f in (hwsim.matmul, reference.matmul)
        )
        assert np.array_equal(fast, slow)
        assert np.array_equal(np.signbit(fast), np.signbit(slow))


def test_sums_of_zeros_keep_their_sign_in_groups():
    zeros, ones = np.full((1, 4), -0.0), np.ones((4, 1))
    result = hwsim.matmul(zeros, ones, "e5m2xe5m2+fp16:dot2", c=[[-0.0]])
    assert np.signbit(result).all()
    assert not np.signbit(hwsim.matmul(zeros, ones, "e5m2xe5m2+fp16:dot2")).any()


def test_nvfp4_cancels_exactly():
    """The anchors' cancellation, −2^23 as eight products of one group: all of −0.875 is left."""
    a, b = np.zeros((1, 64)), np.zeros((64, 1))
    a[0, :8], b[:8, 0] = -1024.0, 1024.0
    a[0, [16, 32, 48]], b[[16, 32, 48], 0] = (-0.5, -0.25, -0.125), 1.0
    for block in (0, 16, 32, 48):  # 6 and 4 times a scale; what is 6 times it meets a zero
        a[0, block + 9], b[block + 10, 0] = -1.5 * a[0, block], 1.5 * b[block, 0]
    assert hwsim.matmul(a, b, "blackwell.nvfp4", c=[[2.0**23]]).item() == -0.875


@pytest.mark.parametrize("k", [1, 17, 33, 36])
@pytest.mark.parametrize("spec", ["mxfp8_e4m3xmxfp8_e4m3+fp16:tree8", "mxint8xmxint8+bf16:tree4"])
def test_a_lone_leaf_goes_up_unrounded(spec, k):
    """In every level of counting: its sum is of the product times both scales."""
    generator = np.random.default_rng(k)
    a, b = generator.normal(size=(3, k)) * 30, generator.normal(size=(k, 4)) * 30
    wanted, counted = reference.matmul(a, b, spec, telemetry=True)
    assert np.array_equal(hwsim.matmul(a, b, spec), wanted, equal_nan=True)
    got, found = hwsim.matmul(a, b, spec, telemetry="counts")
    assert np.array_equal(got, wanted, equal_nan=True)
    assert found == cheap(counted)


@pytest.mark.parametrize("spec", ["mxfp4xmxfp4+e4m3:chunk8", "nvfp4xnvfp4+fp16:tree4"])
def test_an_output_that_overflows_twice_is_one(spec, monkeypatch):
    """Sums that are added row by row: counts are the reference's."""
    monkeypatch.setattr(block_units, "AT_ONCE", 1)
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(2, 5, 64)) * 99, generator.normal(size=(64, 6)) * 99
    wanted, counted = reference.matmul(a, b, spec, telemetry=True)
    got, found = hwsim.matmul(a, b, spec, telemetry="counts")
    assert np.array_equal(got, wanted, equal_nan=True)
    assert found == cheap(counted)
