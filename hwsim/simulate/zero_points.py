"""Zero points: raw codes go through the array, and an exact integer in c corrects the sum.

    Σ (a − za)(b − zb) = Σ a·b + c,   c = −za·Σ b − zb·Σ a + K·za·zb

Source: Jacob et al. 2018, arXiv 1712.05877, §2.3, equation 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.simulate.convolution import Pair, Window
from hwsim.simulate.inputs import as_real

Array = npt.NDArray[Any]
LIMIT = 2.0**62


def zero_point_correction(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    a_zero: npt.ArrayLike = 0,
    b_zero: npt.ArrayLike = 0,
) -> Array:
    """The c of `hwsim.matmul` that turns products of codes into those of code − zero point.

    a, b : integer codes (…, M, K) and (…, K, N).  a_zero, b_zero : integers that broadcast to
    the result, such as (M, 1) for rows of a and (N,) for columns of b.  Returns int64 that
    broadcasts to the result.  TypeError and ValueError for other arrays.

    >>> a, b = np.array([[200, 3]]), np.array([[5], [-7]])
    >>> c = zero_point_correction(a, b, 128)
    >>> (a @ b + c).item() == ((a - 128) @ b).item()
    True
    """
    left, right = _codes("a", a, 2), _codes("b", b, 2)
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"a {left.shape} and b {right.shape}: (…, M, K) and (…, K, N) are needed")
    za, zb = _codes("a_zero", a_zero), _codes("b_zero", b_zero)
    k = left.shape[-1]
    _check_size(left, right, za, zb, k)
    rows = left.sum(axis=-1, keepdims=True) if zb.any() else np.int64(0)
    columns = right.sum(axis=-2, keepdims=True) if za.any() else np.int64(0)
    return np.asarray(-za * columns - zb * rows + k * za * zb)


def conv2d_zero_point_correction(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    x_zero: npt.ArrayLike = 0,
    w_zero: npt.ArrayLike = 0,
    *,
    stride: Pair = 1,
    dilation: Pair = 1,
    groups: int = 1,
) -> Array:
    """The same for `hwsim.conv2d`.

    x : codes (N, C, H, W), already padded with the zero point's code.  w : (O, C/groups, KH, KW).
    x_zero, w_zero : integers that broadcast to the result (N, O, OH, OW), such as (O, 1, 1) for
    filters.

    >>> x, w = np.full((1, 1, 2, 2), 9), np.array([[[[1, 2]]]])
    >>> conv2d_zero_point_correction(x, w, 9).tolist()
    [[[-27]]]
    """
    image, kernel = _codes("x", x, 4), _codes("w", w, 4)
    window = Window.check(stride, 0, dilation, groups)
    window.output_size(image.shape[2:], kernel.shape[2:])
    zx, zw = _codes("x_zero", x_zero), _codes("w_zero", w_zero)
    k = kernel[0].size if len(kernel) else 0
    _check_size(image, kernel, zx, zw, k)
    filters = kernel.sum(axis=(1, 2, 3))[:, None, None] if zx.any() else np.int64(0)
    patches = _window_sums(image, kernel, window) if zw.any() else np.int64(0)
    return np.asarray(-zx * filters - zw * patches + k * zx * zw)


def _window_sums(x: Array, w: Array, window: Window) -> Array:
    """(N, O, OH, OW): the sum of the codes that each output meets."""
    n, channels, height, width = x.shape
    grouped = x.reshape(n, window.groups, channels // window.groups, height, width).sum(axis=2)
    span = tuple(d * (k - 1) + 1 for d, k in zip(window.dilation, w.shape[2:], strict=True))
    views = np.lib.stride_tricks.sliding_window_view(grouped, span, axis=(2, 3))
    (sh, sw), (dh, dw) = window.stride, window.dilation
    sums = views[:, :, ::sh, ::sw, ::dh, ::dw].sum(axis=(4, 5))
    return np.repeat(sums, len(w) // window.groups, axis=1)


def _codes(name: str, x: npt.ArrayLike, rank: int = 0) -> Array:
    array = as_real(name, x)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: integer codes are needed, not {array.dtype}")
    if array.ndim < rank:
        raise ValueError(f"{name} {array.shape}: {rank} dimensions are needed")
    return array.astype(np.int64)


def _check_size(a: Array, b: Array, za: Array, zb: Array, k: int) -> None:
    """Every term must stay within int64."""
    a_most, b_most, za_most, zb_most = (
        float(np.abs(x.astype(np.float64)).max(initial=0.0)) for x in (a, b, za, zb)
    )
    if k * (za_most * b_most + zb_most * a_most + za_most * zb_most) >= LIMIT:
        raise ValueError("zero points: the correction does not fit 64 bits")
