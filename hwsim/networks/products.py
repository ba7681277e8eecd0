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

from hwsim.formats import FixedFormat, Format
from hwsim.networks.einsum import Equation, contract
from hwsim.networks.errors import LayerError
from hwsim.networks.layers import ConvAttributes, GemmAttributes, Layer
from hwsim.networks.runtime import Array
from hwsim.networks.windows import Geometry, as_plane, output_size
from hwsim.units import MacUnit


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
class Layout:
    """How a layer's shape comes from a sample's result: reshaped to ``split``, then transposed."""

    split: tuple[int, ...]
    order: tuple[int, ...]

    def apply(self, y: Array) -> Array:
        """The laned ``y`` in the layer's shape."""
        split: Array = y.reshape(y.shape[0], *self.split)
        return split.transpose(0, *(1 + axis for axis in self.order))


@dataclass(frozen=True)
class Product:
    """One call of the unit: ``matmul(a, b)``, or ``conv2d(a, b, …)`` where ``conv`` is given.

    m, k, n : dimensions of each matrix product; batch : how many there are (or groups).
    lanes : samples.  shape : of one sample's result.  stacked : whether samples add to m; else
    they add to batch.  c : initial value of the sums, broadcasting to the unit's result.
    scales : what a and b are divided by (in float64) before they are rounded; None for an operand
    that was.
    layout : what makes the layer's shape of ``shape``, if they differ.
    carried : whether results may come in floats that hold them, where the unit gives integers.
    seeds : of the samples' random bits, where the unit draws any.
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
    scales: tuple[float | None, float | None] = (1.0, 1.0)
    layout: Layout | None = None
    carried: bool = False
    seeds: tuple[int, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those with padding included."""
        return self.m * self.k * self.n * self.batch


def scaled(x: Array, scale: float | None) -> Array:
    """x / scale in float64: an operand before its format."""
    if scale in (None, 1.0):
        return x
    with np.errstate(all="ignore"):
        return np.divide(x, np.float64(scale), dtype=np.float64)


def lower(layer: Layer, a: Operand, b: Operand, lanes: int) -> Product:
    """The product that computes ``layer`` on its operands; LayerError where shapes clash."""
    if not a.laned and not b.laned:  # counted per sample, like every other layer
        a = Operand(np.broadcast_to(a.array, (lanes, *a.array.shape)), True)
    try:
        if layer.conv:
            return _conv(layer.conv, a, b, lanes)
        if layer.gemm:
            return _gemm(layer.gemm, a, b, lanes)
        if layer.einsum:
            return _einsum(layer.einsum, a, b, lanes)
        return _matmul(a, b, lanes)
    except ValueError as error:
        reason = f"operands of shapes {a.shape} and {b.shape} do not fit: {error}"
        raise LayerError(layer.name, layer.op, reason) from error


def finish(
    layer: Layer,
    product: Product,
    result: Array,
    scale: float | Array,
    bias: Operand | None,
    threads: int | None = None,
    reuse: bool = False,
) -> Array:
    """The layer's output, laned: rescaled, rounded once to float32, and only then biased; in the
    memory of ``result`` where ``reuse`` allows it.

    ``result`` is what the unit gave, ``scale`` the float64 product of both operands' scales (an
    array that broadcasts to it, or a number).
    Models in double keep float64 after the unit; float16 ones are rounded at the very end.
    """
    if _by_images(layer, product, result, scale, bias):
        from hwsim.simulate.finish import rescaled  # imports numba: only where something runs

        addend = None if bias is None else bias.array.astype(np.float32)
        y = rescaled(result, float(scale), addend, threads, reuse)
        return np.ascontiguousarray(arranged(product, restored(product, y)))
    carrier = np.dtype(np.float64 if layer.dtype == np.float64 else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.ndim(scale) == 0 and scale == 1.0:
            y = result.astype(carrier)
        else:
            y = np.empty(result.shape, carrier)  # rounded as it is written, without a float64 copy
            np.multiply(result, scale, out=y, dtype=np.float64, casting="same_kind")
        y = restored(product, y)
        if layer.gemm and layer.gemm.alpha != 1.0:
            y *= carrier.type(layer.gemm.alpha)
        if bias is not None:
            y += _bias(layer, product, bias, carrier)
        return np.ascontiguousarray(arranged(product, y), dtype=layer.dtype)


def _by_images(
    layer: Layer, product: Product, result: Array, scale: float | Array, bias: Operand | None
) -> bool:
    """Whether a kernel finishes the layer: a float32 convolution with the filters' own biases."""
    plain = layer.conv is not None and product.stacked and layer.dtype == np.float32
    # A scale of 1 rounds integers once, from themselves, and not by way of float64.
    one = np.ndim(scale) == 0 and (scale != 1.0 or result.dtype.kind == "f")
    return plain and one and (bias is None or not bias.laned)


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
    if isinstance(fmt, FixedFormat) and fmt.carried_as_codes:
        rounded = np.ldexp(rounded.astype(np.float64), -fmt.fraction_bits)
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


def arranged(product: Product, y: Array) -> Array:
    """The laned ``y`` in the layer's shape."""
    return product.layout.apply(y) if product.layout else y


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
    axes = len(x.shape) - 2
    if axes not in (1, 2, 3) or len(w.shape) != len(x.shape):
        raise ValueError("convolutions of one to three axes are simulated")
    plane = as_plane(attributes, x.array, w.array, axes)
    planes, geometry, groups = plane.planes, plane.geometry, attributes.group
    x, w = Operand(plane.x, x.laned), Operand(plane.w, w.laned)
    (samples, c, height, width), (o, c_group, kh, kw) = x.shape, w.shape
    if c != c_group * groups or o % groups:
        raise ValueError(f"{c} channels, {o} filters of {c_group} channels, group={groups}")
    size = output_size(geometry, (height, width), (kh, kw))
    shape = (samples, o, *size)
    layout = None
    if axes == 1:
        layout = Layout((samples, o, size[1]), (0, 1, 2))
    if axes == 3:
        layout = Layout((samples // planes, planes, o, *size), (0, 2, 1, 3, 4))
    pixels = samples * size[0] * size[1]
    k, n = c_group * kh * kw, o // groups
    if not w.laned:
        images = x.array.reshape(lanes * samples, c, height, width)
        m = lanes * pixels
        return Product(
            images, w.array, geometry, m, k, n, groups, lanes, shape, True, layout=layout
        )
    images = np.broadcast_to(x.array if x.laned else x.array[None], (lanes, *x.shape))
    images = images.swapaxes(0, 1).reshape(samples, lanes * c, height, width)
    filters = w.array.reshape(lanes * o, c_group, kh, kw)
    wide, batch = replace(geometry, groups=groups * lanes), groups * lanes
    return Product(images, filters, wide, pixels, k, n, batch, lanes, shape, False, layout=layout)


def _einsum(equation: Equation, a: Operand, b: Operand, lanes: int) -> Product:
    product = contract(equation, a.array, b.array, (int(a.laned), int(b.laned)))
    left, right = Operand(product.a, a.laned), Operand(product.b, b.laned)
    layout = Layout(product.split, product.order)
    return replace(_matmul(left, right, lanes), layout=layout)
