"""Lower a layer to one call of the MAC unit, and bring the unit's results back.

Samples stay apart: a model is defined by what it does to one sample (one call of the model), so
results cannot depend on how samples are batched.  A laned array holds one value per sample along
a new first axis, the lanes; a constant has no lanes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwsim.formats import Format
from hwsim.networks.errors import LayerError
from hwsim.networks.layers import ConvAttributes, GemmAttributes, Layer
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit

Pair = tuple[int, int]


@dataclass(frozen=True)
class Operand:
    """An array; ``laned`` if its first axis counts samples."""

    array: Array
    laned: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample's value."""
        shape: tuple[int, ...] = self.array.shape
        return shape[1:] if self.laned else shape

    def reshape(self, *shape: int) -> Operand:
        """The same with another shape per sample."""
        lanes = self.array.shape[:1] if self.laned else ()
        return Operand(self.array.reshape(lanes + shape), self.laned)

    def aligned(self, rank: int) -> Array:
        """The array with unit axes after the lanes, so that samples have ``rank`` axes."""
        return self.reshape(*(1,) * (rank - len(self.shape)), *self.shape).array

    def transposed(self) -> Operand:
        """The last two axes swapped."""
        return Operand(self.array.swapaxes(-1, -2), self.laned)


@dataclass(frozen=True)
class Geometry:
    """A 2-D convolution as `hwsim.conv2d` takes it: (height, width), padding (before, after)."""

    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair
    groups: int


@dataclass(frozen=True)
class Product:
    """One call of the unit: ``matmul(a, b)``, or ``conv2d(a, b, …)`` where ``conv`` is given.

    m, k, n : dimensions of each matrix product; batch : how many there are (or groups).
    lanes : samples.  shape : of one sample's result.  stacked : whether samples add to m; else
    they add to batch.  c : initial value of the sums, broadcasting to the unit's result.
    """

    a: Array
    b: Array
    conv: Geometry | None
    m: int
    k: int
    n: int
    batch: int
    lanes: int
    shape: tuple[int, ...]
    stacked: bool
    c: Array | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those with padding included."""
        return self.m * self.k * self.n * self.batch


def lower(layer: Layer, a: Operand, b: Operand, lanes: int) -> Product:
    """The product that computes ``layer`` on its operands; LayerError where shapes clash."""
    if not a.laned and not b.laned:  # counted per sample, like every other layer
        a = Operand(np.broadcast_to(a.array, (lanes, *a.array.shape)), True)
    try:
        if layer.conv:
            return _conv(layer.conv, a, b, lanes)
        if layer.gemm:
            return _gemm(layer.gemm, a, b, lanes)
        return _matmul(a, b, lanes)
    except ValueError as error:
        reason = f"operands of shapes {a.shape} and {b.shape} do not fit: {error}"
        raise LayerError(layer.name, layer.op, reason) from error


def finish(
    layer: Layer, product: Product, result: Array, scale: float | Array, bias: Operand | None
) -> Array:
    """The layer's output, laned: rescaled, rounded once to float32, and only then biased.

    ``result`` is what the unit gave, ``scale`` the float64 product of both operands' scales (an
    array that broadcasts to it, or a number).
    Models in double keep float64 after the unit; float16 ones are rounded at the very end.
    """
    carrier = np.dtype(np.float64 if layer.dtype == np.float64 else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.ndim(scale) == 0 and scale == 1.0:
            y = result.astype(carrier)
        else:
            y = np.multiply(result, scale, dtype=np.float64).astype(carrier)
        y = restored(product, y)
        if layer.gemm and layer.gemm.alpha != 1.0:
            y *= carrier.type(layer.gemm.alpha)
        if bias is not None:
            y = y + _bias(layer, product, bias, carrier)
        return np.ascontiguousarray(y, dtype=layer.dtype)


def with_bias_inside(
    layer: Layer, product: Product, bias: Operand, scale: float | Array, unit: MacUnit
) -> Product:
    """The product with its bias in the sums' initial value, in units of the operands' scales.

    Raises LayerError where the accumulator's format cannot hold it exactly.
    """
    alpha = layer.gemm.alpha if layer.gemm else 1.0
    if alpha == 0.0:
        raise LayerError(layer.name, str(unit), "its bias cannot enter the sum: use bias='float32'")
    with np.errstate(all="ignore"):
        c = in_sums(layer, product, bias, np.dtype(np.float64)) / (np.float64(alpha) * scale)
    if not holds(unit.outer_format, c):
        reason = (
            f"its bias over the operands' scales is no value of {unit.outer_format}: use "
            "bias='float32', a wider accumulator, or scale='none'"
        )
        raise LayerError(layer.name, str(unit), reason)
    return replace(product, c=c if product.c is None else c + product.c)


def in_sums(layer: Layer, product: Product, bias: Operand, dtype: np.dtype[Any]) -> Array:
    """The addend, laid out to broadcast over the unit's result."""
    if layer.conv:
        return _in_images(product, bias.array.astype(dtype), bias.laned)
    c = _bias(layer, product, bias, dtype)
    if c.ndim == 1:
        return c
    c = np.broadcast_to(c, (product.lanes, *product.shape))
    return c.reshape(-1, product.n) if product.stacked else c


def _in_images(product: Product, bias: Array, laned: bool) -> Array:
    """A bias per filter in the unit's (images, channels, height, width)."""
    filters = bias.shape[-1]
    if product.stacked and not laned:
        return bias.reshape(1, filters, 1, 1)
    if product.stacked:
        images = np.repeat(bias, product.a.shape[0] // product.lanes, axis=0)
        return images.reshape(-1, filters, 1, 1)
    return np.broadcast_to(bias, (product.lanes, filters)).reshape(1, -1, 1, 1)


def holds(fmt: Format, values: Array) -> bool:
    """Whether every value is one of ``fmt``'s."""
    from hwsim import simulate  # imports numba: only where something is simulated

    try:
        rounded = simulate.round(values, fmt, overflow="saturate")
    except ValueError:  # NaN
        return False
    return bool(np.array_equal(rounded, values, equal_nan=True))


def _bias(layer: Layer, product: Product, bias: Operand, carrier: np.dtype[Any]) -> Array:
    """The addend, laid out to broadcast over the laned output."""
    if layer.conv:
        spatial = (1,) * (len(product.shape) - 2)
        return bias.reshape(1, *bias.shape, *spatial).array.astype(carrier)
    array = bias.aligned(len(product.shape)).astype(carrier)
    if layer.gemm and layer.gemm.beta != 1.0:
        array = array * carrier.type(layer.gemm.beta)
    return array


def restored(product: Product, y: Array) -> Array:
    """(lanes, …) from the shape in which the unit computed."""
    if product.conv is None:
        return y.reshape(product.lanes, *product.shape)
    samples = product.shape[0]
    if y.shape[0] == samples * product.lanes:  # lanes were folded into the batch
        return y.reshape(product.lanes, *product.shape)
    return y.reshape(samples, product.lanes, *product.shape[1:]).swapaxes(0, 1)  # … the groups


def _gemm(attributes: GemmAttributes, a: Operand, b: Operand, lanes: int) -> Product:
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ValueError("Gemm takes matrices")
    a = a.transposed() if attributes.transpose_a else a
    return _matmul(a, b.transposed() if attributes.transpose_b else b, lanes)


def _matmul(a: Operand, b: Operand, lanes: int) -> Product:
    """numpy.matmul's rules: 1-D operands become a row or a column that vanishes again."""
    if not a.shape or not b.shape:
        raise ValueError("MatMul takes no scalars")
    row, column = len(a.shape) == 1, len(b.shape) == 1
    a = a.reshape(1, *a.shape) if row else a
    b = b.reshape(*b.shape, 1) if column else b
    (m, k), (k_b, n) = a.shape[-2:], b.shape[-2:]
    if k != k_b:
        raise ValueError(f"K is {k} on the left and {k_b} on the right")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = batch + (() if row else (m,)) + (() if column else (n,))
    if not b.laned and len(b.shape) == 2:  # one weight matrix: all rows in one product
        rows = a.array.reshape(-1, k) if k else a.array.reshape(lanes * m * math.prod(batch), 0)
        return Product(rows, b.array, None, len(rows), k, n, 1, lanes, shape, True)
    rank = max(len(a.shape), len(b.shape))
    left, right = a.aligned(rank), b.aligned(rank)
    return Product(left, right, None, m, k, n, lanes * math.prod(batch), lanes, shape, False)


def _conv(attributes: ConvAttributes, x: Operand, w: Operand, lanes: int) -> Product:
    flat = len(x.shape) == 3  # 1-D: lift to a height of one
    if len(x.shape) not in (3, 4) or len(w.shape) != len(x.shape):
        raise ValueError("only 1-D and 2-D convolutions are simulated")
    x, w = (_lifted(x), _lifted(w)) if flat else (x, w)
    (samples, c, height, width), (o, c_group, kh, kw) = x.shape, w.shape
    groups = attributes.group
    if c != c_group * groups or o % groups:
        raise ValueError(f"{c} channels, {o} filters of {c_group} channels, group={groups}")
    geometry = _geometry(attributes, (height, width), (kh, kw), flat)
    size = _output_size(geometry, (height, width), (kh, kw))
    shape = (samples, o, *(size[1:] if flat else size))
    pixels = samples * size[0] * size[1]
    k, n = c_group * kh * kw, o // groups
    if not w.laned:
        images = x.array.reshape(lanes * samples, c, height, width)
        return Product(images, w.array, geometry, lanes * pixels, k, n, groups, lanes, shape, True)
    images = np.broadcast_to(x.array if x.laned else x.array[None], (lanes, *x.shape))
    images = images.swapaxes(0, 1).reshape(samples, lanes * c, height, width)
    filters = w.array.reshape(lanes * o, c_group, kh, kw)
    wide = Geometry(geometry.stride, geometry.padding, geometry.dilation, groups * lanes)
    return Product(images, filters, wide, pixels, k, n, groups * lanes, lanes, shape, False)


def _lifted(operand: Operand) -> Operand:
    return operand.reshape(*operand.shape[:2], 1, operand.shape[2])


def _geometry(attributes: ConvAttributes, image: Pair, kernel: Pair, flat: bool) -> Geometry:
    axes = 1 if flat else 2
    strides = attributes.strides or (1,) * axes
    dilations = attributes.dilations or (1,) * axes
    sizes = image[1:] if flat else image
    spans = [(k - 1) * d + 1 for k, d in zip(kernel[2 - axes :], dilations, strict=True)]
    pads = _padding(attributes, sizes, spans, strides)
    if flat:
        return Geometry((1, strides[0]), ((0, 0), pads[0]), (1, dilations[0]), attributes.group)
    return Geometry(
        (strides[0], strides[1]), (pads[0], pads[1]), (dilations[0], dilations[1]), attributes.group
    )


def _padding(
    attributes: ConvAttributes, sizes: tuple[int, ...], spans: list[int], strides: tuple[int, ...]
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
        halves = [(total // 2, total - total // 2) for total in totals]
        return halves if attributes.auto_pad == "SAME_UPPER" else [(b, a) for a, b in halves]
    pads = attributes.pads or (0,) * (2 * axes)
    return [(pads[axis], pads[axis + axes]) for axis in range(axes)]


def _output_size(geometry: Geometry, image: Pair, kernel: Pair) -> Pair:
    sizes = []
    for axis in range(2):
        span = (kernel[axis] - 1) * geometry.dilation[axis] + 1
        padded = image[axis] + sum(geometry.padding[axis])
        if padded < span:
            raise ValueError(f"a kernel spanning {span} on {padded} padded pixels")
        sizes.append((padded - span) // geometry.stride[axis] + 1)
    return sizes[0], sizes[1]
