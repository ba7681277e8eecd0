"""ONNX convolutions of one to three axes, plain or transposed, as plain ones of two.

All functions take arrays whose last axes are (…, channels, spatial axes), whatever comes before.
The order of k never changes: (channels of the group, axes in ONNX's order), the last fastest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.networks.layers import ConvAttributes
from hwsim.networks.runtime import Array

Pair = tuple[int, int]
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """A 2-D convolution as `hwsim.conv2d` takes it: (height, width), padding (before, after)."""

    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair
    groups: int


@dataclass(frozen=True)
class Plane:
    """A convolution of any kind as one of two axes: x (…, N·planes, C, H, W), w (…, O, C/groups,
    KH, KW), where C counts the depths of a 3-D kernel too."""

    x: Array
    w: Array
    geometry: Geometry
    planes: int = 1


@dataclass(frozen=True)
class _Steps:
    """Stride, zeros (before, after) and dilation of every axis."""

    stride: Sizes
    padding: tuple[Pair, ...]
    dilation: Sizes


def as_plane(attributes: ConvAttributes, x: Array, w: Array, axes: int) -> Plane:
    """The 2-D convolution with the same sums; ``axes`` is the number of spatial axes."""
    image, kernel = x.shape[-axes:], w.shape[-axes:]
    if attributes.transposed:
        x, w, steps = _untransposed(attributes, x, w, axes)
    else:
        stride = attributes.strides or (1,) * axes
        dilation = attributes.dilations or (1,) * axes
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        steps = _Steps(stride, tuple(_padding(attributes, image, spans, stride)), dilation)
    planes = 1
    if axes == 1:
        x, w = x[..., None, :], w[..., None, :]
        steps = _Steps((1, *steps.stride), ((0, 0), *steps.padding), (1, *steps.dilation))
    if axes == 3:
        x, planes = _unfolded(x, w.shape[-3], steps)
        w = w.reshape(*w.shape[:-4], w.shape[-4] * w.shape[-3], *w.shape[-2:])
    stride, padding, dilation = steps.stride[-2:], steps.padding[-2:], steps.dilation[-2:]
    geometry = Geometry(
        (stride[0], stride[1]),
        (padding[0], padding[1]),
        (dilation[0], dilation[1]),
        attributes.group,
    )
    return Plane(x, w, geometry, planes)


def output_size(geometry: Geometry, image: Pair, kernel: Pair) -> Pair:
    """Height and width of the result; ValueError where the kernel does not fit."""
    sizes = [
        _positions(
            image[i] + sum(geometry.padding[i]),
            (kernel[i] - 1) * geometry.dilation[i] + 1,
            geometry.stride[i],
        )
        for i in (0, 1)
    ]
    return sizes[0], sizes[1]


def _positions(padded: int, span: int, stride: int) -> int:
    if padded < span:
        raise ValueError(f"a kernel spanning {span} on {padded} padded pixels")
    return (padded - span) // stride + 1


def _padding(
    attributes: ConvAttributes, sizes: Sizes, spans: list[int], strides: Sizes
) -> list[Pair]:
    """Zeros before and after each axis.  SAME: ceil(size / stride) outputs, an odd zero last
    (SAME_UPPER) or first (SAME_LOWER)."""
    axes = len(sizes)
    if attributes.auto_pad == "VALID":
        return [(0, 0)] * axes
    if attributes.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max(0, (-(-size // stride) - 1) * stride + span - size)
            for size, span, stride in zip(sizes, spans, strides, strict=True)
        ]
        return [_halves(total, attributes.auto_pad == "SAME_UPPER") for total in totals]
    pads = attributes.pads or (0,) * (2 * axes)
    return [(pads[axis], pads[axis + axes]) for axis in range(axes)]


def _halves(total: int, odd_last: bool) -> Pair:
    small, large = total // 2, total - total // 2
    return (small, large) if odd_last else (large, small)


def _unfolded(x: Array, depth: int, steps: _Steps) -> tuple[Array, int]:
    """(…, N, C, D, H, W) as (…, N·planes, C·depth, H, W): one plane for each depth of the result,
    with the depths that its kernel meets among the channels; and the number of planes."""
    stride, dilation = steps.stride[0], steps.dilation[0]
    border = [(0, 0)] * (x.ndim - 3) + [steps.padding[0], (0, 0), (0, 0)]
    x = np.pad(x, border)
    span = (depth - 1) * dilation + 1
    planes = _positions(x.shape[-3], span, stride)
    windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=-3)
    windows = windows[..., ::stride, :, :, ::dilation]  # (…, N, C, planes, H, W, depth)
    windows = np.moveaxis(np.moveaxis(windows, -1, -3), -4, -5)  # (…, N, planes, C, depth, H, W)
    *lead, n, _, channels, _, height, width = windows.shape
    return windows.reshape(*lead, n * planes, channels * depth, height, width), planes


# --- transposed -----------------------------------------------------------------------------------
def _untransposed(
    attributes: ConvAttributes, x: Array, w: Array, axes: int
) -> tuple[Array, Array, _Steps]:
    """The stuffed image, the turned kernel and the steps of the plain convolution."""
    from hwsim.simulate.transposed import stuffed, turned  # imports numba

    stride = attributes.strides or (1,) * axes
    dilation = attributes.dilations or (1,) * axes
    reach = [(k - 1) * d for k, d in zip(w.shape[-axes:], dilation, strict=True)]
    first, size = [], []
    for axis in range(axes):
        lost, result = _transposed_size(attributes, axis, axes, x.shape[axis - axes], reach[axis])
        first.append(reach[axis] - lost)
        size.append(result + reach[axis])
    channels = w.shape[-axes - 2]
    if x.shape[-axes - 1] != channels or channels % attributes.group:
        raise ValueError(f"{x.shape[-axes - 1]} channels, group={attributes.group}")
    image = stuffed(x, stride, tuple(first), tuple(size))
    steps = _Steps((1,) * axes, ((0, 0),) * axes, dilation)
    return image, turned(w, attributes.group, axes), steps


def _transposed_size(
    attributes: ConvAttributes, axis: int, axes: int, size: int, reach: int
) -> Pair:
    """What the full result loses at its start along an axis, and the size that is left.

    Where the size is given (``output_shape``, or size·stride under SAME), the loss is divided in
    halves, the odd one first unless SAME_UPPER.  A given size may exceed the full one by less than
    a stride, in zeros at the end; under SAME, ONNX and ONNX Runtime disagree about that.
    """
    stride = attributes.strides[axis] if attributes.strides else 1
    extra = attributes.output_padding[axis] if attributes.output_padding else 0
    full = (size - 1) * stride + reach + 1 + extra
    given = attributes.output_shape[-axes:]  # some exporters write N and C too
    if given or attributes.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        wanted = given[axis] if given else size * stride
        if wanted - full >= (stride if given else 1):
            raise ValueError(f"{wanted} pixels wanted of {full}: give pads and output_padding")
        lost = _halves(max(0, full - wanted), attributes.auto_pad == "SAME_UPPER")[0]
        return lost, wanted
    pads = attributes.pads if attributes.auto_pad == "NOTSET" else ()
    before, after = (pads[axis], pads[axis + axes]) if pads else (0, 0)
    if full <= before + after:
        raise ValueError(f"pads {before} and {after} leave nothing of {full} pixels")
    return before, full - before - after
