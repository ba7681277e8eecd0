"""Operands that are codes and scales already."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from hwsim.errors import SpecError

UNITS = [
    "mxfp4xmxfp4+fp32",
    "mxfp8_e4m3xmxfp8_e4m3+fp16:chunk16/fp32",
    "mxint8xe4m3+fp32:lanes4",
    "blackwell.mxfp4",
]


def encoded(x: np.ndarray, fmt: object, axis: int) -> object:
    return hwsim.encode(x, fmt, axis=axis) if str(fmt)[:2] in ("mx", "nv") else x


@pytest.mark.parametrize("spec", UNITS)
def test_equals_the_product_of_values(spec):
    """Scales that `encode` found are those that the unit finds; c and counts too."""
    unit, generator = hwsim.mac(spec), np.random.default_rng(4)
    a, b = generator.normal(size=(3, 70)), generator.normal(size=(70, 2))
    c = np.full((3, 2), 0.5)
    x, y = encoded(a, unit.operands[0], -1), encoded(b, unit.operands[1], 0)
    for telemetry in (False, True):
        packed = hwsim.matmul(x, y, unit, c=c, telemetry=telemetry)
        plain = hwsim.matmul(a, b, unit, c=c, telemetry=telemetry)
        if telemetry:
            assert packed[1] == plain[1]
            packed, plain = packed[0], plain[0]
        assert np.array_equal(packed, plain, equal_nan=True)


def test_scales_are_kept():
    """Elements of 1 with the scale 4, which a unit would find as other elements and scales."""
    codes, scales = np.full((1, 32), 2, np.uint8), np.full((1, 1), 129, np.uint8)
    x = hwsim.Blocks(hwsim.format("mxfp4"), codes, scales)
    assert x.decode().max() == 4.0
    result = hwsim.matmul(x, np.ones((32, 1)), "mxfp4xe4m3+fp16:chunk32/fp32")
    assert result.item() == 128.0


def test_tensors_keep_their_scale():
    x = hwsim.encode([[1.0, 3.0]], "nvfp4")
    result = hwsim.matmul(x, [[1.0], [1.0]], "nvfp4xfp16+fp32")
    assert result.item() * x.tensor_scale == x.decode().sum()


def test_refusals():
    x = hwsim.encode(np.ones((32, 32)), "mxfp4")
    with pytest.raises(ValueError, match="a: blocks of mxfp4"):
        hwsim.matmul(x, np.ones((32, 1)), "mxfp8_e4m3xmxfp4+fp32")
    with pytest.raises(ValueError, match="b: blocks along axis -1"):
        hwsim.matmul(x, x, "mxfp4xmxfp4+fp32")
    with pytest.raises(ValueError, match="as many products"):
        hwsim.matmul(x, np.ones((3, 1)), "mxfp4xe4m3+fp32")
    with pytest.raises(SpecError, match="packed"):
        hwsim.matmul(x, np.ones((32, 1)), "mxfp4xe4m3+fp16:sr:chunk16")


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        (("mxfp4", [[1] * 32], [[129, 1]]), r"scales: shape \(1, 2\)"),
        (("mxfp4", np.zeros((2, 32), np.uint8), [[129]]), r"scales: shape \(1, 1\)"),
        (("mxfp4", [[1] * 33], [[129]]), r"scales: shape \(1, 1\)"),
        (("mxfp4", [[1.0]], [[1]]), "codes are integers"),
        (("mxfp4", 1, 1), "axis=-1"),
    ],
)
def test_parts_that_do_not_belong_together(parts, what):
    with pytest.raises((ValueError, TypeError), match=what):
        hwsim.Blocks(*parts)


def test_lists_are_taken_and_batches_must_fit():
    packed = hwsim.Blocks("mxfp4", [[2] * 32], [[127]])
    assert hwsim.matmul(packed, np.ones((32, 1)), "mxfp4xe4m3+fp32").tolist() == [[32.0]]
    with pytest.raises(ValueError, match=r"b: shape \(32,\)"):
        hwsim.matmul(packed, np.ones(32), "mxfp4xe4m3+fp32")
    batch = hwsim.encode(np.ones((2, 1, 32)), "mxfp4")
    with pytest.raises(ValueError, match="batches"):
        hwsim.matmul(batch, np.ones((3, 32, 1)), "mxfp4xe4m3+fp32")
