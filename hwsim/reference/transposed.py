"""Transposed convolution, by its definition: a convolution of the image with zeros put between."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from hwsim.reference.arrays import conv2d
from hwsim.reference.containers import Array
from hwsim.reference.patches import Padding, Pair, pair_of, sides_of
from hwsim.units import MacUnit, Telemetry


@overload
def conv_transpose2d(
    x: ArrayLike,
    w: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    telemetry: Literal[False] = False,
    seed: int = 0,
) -> Array: ...
@overload
def conv_transpose2d(
    x: ArrayLike,
    w: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    telemetry: Literal[True],
    seed: int = 0,
) -> tuple[Array, Telemetry]: ...
def conv_transpose2d(
    x: ArrayLike,
    w: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    telemetry: bool = False,
    seed: int = 0,
) -> Array | tuple[Array, Telemetry]:
    """`conv2d` of the stuffed x (N, C, H, W) with the turned w (C, O/groups, KH, KW).

    The stuffed image holds x[n, c, h, w] at (h·stride + d·(KH − 1) − top, …) and zeros elsewhere
    (values that fall outside are cropped); its size makes the result (H − 1)·stride + d·(KH − 1) +
    1 + output_padding − top − bottom high, and as wide by the same rule.  The kernel of output
    channel o in group g is w[g·C/groups + c, o, KH − 1 − i, KW − 1 − j], k over (c, i, j).

    >>> conv_transpose2d([[[[1.0, 2.0]]]], [[[[1.0, 3.0]]]], "e4m3xe4m3+e4m3", stride=2).tolist()
    [[[[1.0, 3.0, 2.0, 6.0]]]]
    """
    for name, array in (("x", x), ("w", w)):
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"{name} is a masked array; only plain real arrays are taken")
    image, kernel = np.asarray(x), np.asarray(w)
    _check_shapes(image, kernel, groups)
    (sh, sw), (dh, dw) = pair_of(stride, "stride"), pair_of(dilation, "dilation")
    extra = pair_of(output_padding, "output_padding", least=0)
    (top, bottom), (left, right) = sides_of(padding)
    n, channels, height, width = image.shape
    kh, kw = kernel.shape[2:]
    out_h = (height - 1) * sh + dh * (kh - 1) + 1 + extra[0] - top - bottom
    out_w = (width - 1) * sw + dw * (kw - 1) + 1 + extra[1] - left - right
    if min(out_h, out_w) < 1:
        raise ValueError(f"padding={padding!r}: it leaves a result of {out_h} × {out_w}")
    stuffed = np.zeros((n, channels, out_h + dh * (kh - 1), out_w + dw * (kw - 1)), image.dtype)
    for i, j in np.ndindex(height, width):
        row, column = i * sh + dh * (kh - 1) - top, j * sw + dw * (kw - 1) - left
        if 0 <= row < stuffed.shape[2] and 0 <= column < stuffed.shape[3]:
            stuffed[:, :, row, column] = image[:, :, i, j]
    turned = _turned(kernel, groups)
    how = (mac, c, 1, 0, (dh, dw), groups)
    if telemetry:
        return conv2d(stuffed, turned, *how, telemetry=True, seed=seed)
    return conv2d(stuffed, turned, *how, seed=seed)


def _turned(kernel: Array, groups: int) -> Array:
    """(C, O/groups, KH, KW) as the (O, C/groups, KH, KW) of the convolution, turned by 180°."""
    channels, filters, kh, kw = kernel.shape
    part = channels // groups
    turned = np.empty((groups * filters, part, kh, kw), kernel.dtype)
    for g, c, o, i, j in np.ndindex(groups, part, filters, kh, kw):
        turned[g * filters + o, c, i, j] = kernel[g * part + c, o, kh - 1 - i, kw - 1 - j]
    return turned


def _check_shapes(image: Array, kernel: Array, groups: int) -> None:
    if image.ndim != 4 or kernel.ndim != 4 or 0 in (*image.shape[2:], *kernel.shape[2:]):
        raise ValueError(
            f"x of shape {image.shape}, w of shape {kernel.shape}: (N, C, H, W) and "
            "(C, O/groups, KH, KW), not empty in H, W, KH and KW, are needed"
        )
    if groups < 1 or image.shape[1] != kernel.shape[0] or kernel.shape[0] % groups:
        raise ValueError(
            f"groups={groups}: it must divide the {kernel.shape[0]} channels of w, and x has as "
            f"many ({image.shape[1]})"
        )
