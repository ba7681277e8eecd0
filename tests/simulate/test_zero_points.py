"""Zero points: the correction in c gives the product of code − zero point, for every shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim.simulate import conv2d_zero_point_correction, zero_point_correction

UNIT = "uint8xint8+int32"


@pytest.mark.parametrize("a_shape", [(5, 9), (3, 5, 9), (2, 1, 5, 9)], ids=str)
@pytest.mark.parametrize("a_zero", [0, 200, "rows"], ids=str)
@pytest.mark.parametrize("b_zero", [0, -5, "columns"], ids=str)
def test_matmul(a_shape: tuple[int, ...], a_zero: Any, b_zero: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, a_shape), rng.integers(-128, 128, (3, 9, 4))
    za = rng.integers(0, 256, (5, 1)) if a_zero == "rows" else a_zero
    zb = rng.integers(-128, 128, (3, 1, 4)) if b_zero == "columns" else b_zero
    c = zero_point_correction(a, b, za, zb)
    got = hwsim.matmul(a, b, UNIT, c=c, strict=True)
    np.testing.assert_array_equal(got, (a - za) @ (b - zb))


@pytest.mark.parametrize("x_zero", [0, 77, "images"], ids=str)
@pytest.mark.parametrize("w_zero", [0, 3, "filters"], ids=str)
@pytest.mark.parametrize(
    "options", [{}, {"stride": (2, 1), "dilation": (1, 2)}, {"groups": 2, "stride": 3}], ids=str
)
def test_conv2d(x_zero: Any, w_zero: Any, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    groups = options.get("groups", 1)
    x, w = rng.integers(0, 256, (2, 4, 8, 9)), rng.integers(-128, 128, (6, 4 // groups, 3, 2))
    zx = rng.integers(0, 256, (2, 1, 1, 1)) if x_zero == "images" else x_zero
    zw = rng.integers(-128, 128, (6, 1, 1)) if w_zero == "filters" else w_zero
    c = conv2d_zero_point_correction(x, w, zx, zw, **options)
    got = hwsim.conv2d(x, w, UNIT, c=c, strict=True, **options)
    wide = "int10xint9+int32"
    kernel = w - (zw[..., None] if w_zero == "filters" else zw)
    np.testing.assert_array_equal(got, hwsim.conv2d(x - zx, kernel, wide, strict=True, **options))


def test_errors() -> None:
    with pytest.raises(TypeError, match="a: integer codes"):
        zero_point_correction([[0.5]], [[1]])
    with pytest.raises(ValueError, match=r"b .*: 2 dimensions"):
        zero_point_correction([[1]], [1])
    with pytest.raises(ValueError, match="M, K"):
        zero_point_correction([[1, 2]], [[1]])
    with pytest.raises(ValueError, match="64 bits"):
        zero_point_correction([[2**40]], [[2**40]], 2**40)
    with pytest.raises(ValueError, match="does not fit the"):
        conv2d_zero_point_correction(np.ones((1, 1, 1, 1), int), np.ones((1, 1, 2, 2), int), 1)
