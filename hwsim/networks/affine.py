"""Operands with zero points: real value = scale · (code − zero point).

An operand enters its format in one of two ways (`Entry`): a tensor of reals is divided by a scale,
rounded, and moved by a zero point; a tensor that the model gives as codes enters as these codes,
with the model's own scale and zero point.  Raw codes go through the array, and the exact integer
`hwsim.zero_point_correction` is the initial value of the sums.

Layers are lowered on code − zero point, where padding and every other zero that a lowering puts
in is 0; the zero points are added afterwards, so that those zeros become the zero point's code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwsim.formats import FixedFormat, Format
from hwsim.networks.errors import LayerError
from hwsim.networks.layers import Layer
from hwsim.networks.products import Operand, Product, holds, lower
from hwsim.networks.quantized import Affine
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit, is_integer

Read = Callable[[str], Operand]


@dataclass(frozen=True)
class Entry:
    """How a tensor becomes codes of its format.

    scale, zero_point : x enters as rint(x / scale) + zero_point, which needs an integer format, or
    as x / scale where the zero point is 0.
    offset : None, or what is added to the model's codes and to their zero point (0; ±2^(n−1) where
    the format differs from theirs in the sign alone).
    """

    scale: float = 1.0
    zero_point: int = 0
    offset: int | None = None


@dataclass(frozen=True)
class Entered:
    """An operand in its format: ``codes`` less the zero point, which has unit axes to broadcast."""

    centred: Operand
    scale: Operand
    zero_point: Operand


def code_offset(fmt: Format, low: int, high: int) -> int | None:
    """What must be added to codes low … high so that ``fmt`` holds them; None if nothing does."""
    if not is_integer(fmt) or not isinstance(fmt, FixedFormat):
        return None
    half = 1 << (fmt.width - 1)
    for offset in (0, -half if low >= 0 else half):
        if fmt.lowest_code <= low + offset and high + offset <= fmt.largest_code:
            return offset
    return None


def codes_range(layer: Layer, key: str) -> tuple[int, int]:
    """The codes that an operand can have: those of its type, or of the constant that it is."""
    assert layer.quantized
    affine, name = (layer.quantized.a, layer.a) if key == "a" else (layer.quantized.b, layer.b)
    values, zero = layer.weights.get(name), layer.weights.get(affine.zero_point)
    if values is None or not values.size or (zero is None and affine.zero_point):
        return affine.low, affine.high
    points = [0] if zero is None else [int(zero.min()), int(zero.max())]
    return min(int(values.min()), *points), max(int(values.max()), *points)


# --- entering -------------------------------------------------------------------------------------
def real_values(layer: Layer, key: str, read: Read) -> Operand:
    """The operand in float32: the tensor itself, or what DequantizeLinear makes of its codes.

    Operands of MatMulInteger and ConvInteger have no scale: they are code − zero point.
    """
    name = layer.a if key == "a" else layer.b
    if layer.quantized is None:
        return read(name)
    codes = entered_codes(layer, key, read, 0)
    return _broadcast(np.multiply, codes.centred, codes.scale, np.dtype(np.float32))


def entered_codes(layer: Layer, key: str, read: Read, offset: int) -> Entered:
    """The model's codes as they are, but for ``offset``."""
    assert layer.quantized
    affine = layer.quantized.a if key == "a" else layer.quantized.b
    codes = read(layer.a if key == "a" else layer.b)
    scale, zero = parameters(layer, key, affine, read, len(codes.shape))
    centred = _broadcast(np.subtract, codes, zero, np.dtype(np.int32))
    if scale.laned and not centred.laned:
        lanes = (len(scale.array), *centred.array.shape)
        centred = Operand(np.broadcast_to(centred.array, lanes), True)
    return Entered(centred, scale, Operand(zero.array + offset, zero.laned))


def entered_reals(values: Operand, entry: Entry, fmt: Format) -> Entered:
    """x / scale; in integer formats rounded, so that with its zero point it is a code."""
    quotient = np.divide(values.array, np.float64(entry.scale), dtype=np.float64)
    if is_integer(fmt):
        if np.isnan(quotient).any():
            raise ValueError(f"an operand holds NaN, which {fmt} cannot hold")
        low, high = int(fmt.lowest) - entry.zero_point, int(fmt.largest) - entry.zero_point
        quotient = np.clip(np.rint(quotient), low, high)
    scalar = Operand(np.array(entry.scale), False)
    return Entered(
        Operand(quotient, values.laned), scalar, Operand(np.array(entry.zero_point), False)
    )


def parameters(
    layer: Layer, key: str, affine: Affine, read: Read, rank: int
) -> tuple[Operand, Operand]:
    """Scale (float32) and zero point (int64), with unit axes along all that they do not vary."""
    scale = read(affine.scale) if affine.scale else Operand(np.ones((), np.float32), False)
    zero = read(affine.zero_point) if affine.zero_point else Operand(np.zeros((), np.int8), False)
    return (
        _along_axes(layer, key, Operand(scale.array.astype(np.float32), scale.laned), rank),
        _along_axes(layer, key, Operand(zero.array.astype(np.int64), zero.laned), rank),
    )


def _along_axes(layer: Layer, key: str, x: Operand, rank: int) -> Operand:
    """A parameter of one value, or one for each row, column or filter, in the operand's rank."""
    size = int(np.prod(x.shape))
    if size == 1:
        return x.reshape(*(1,) * rank)
    axis = _channels(layer, key, rank)
    if axis is not None and len(x.shape) == 1:
        return x.reshape(*(size if i == axis else 1 for i in range(rank)))
    if not layer.conv and len(x.shape) == rank > 1 and x.shape[_inner_axis(layer, key, rank)] == 1:
        return x
    reason = f"a scale or zero point of shape {x.shape} for operand {key}"
    raise LayerError(layer.name, layer.op, reason)


def _channels(layer: Layer, key: str, rank: int) -> int | None:
    """The axis whose elements may have parameters of their own."""
    if layer.conv:
        return 0 if key == "b" else None
    return 2 * rank - 3 - _inner_axis(layer, key, rank) if rank > 1 else None


def _inner_axis(layer: Layer, key: str, rank: int) -> int:
    """The axis of a matrix that is summed over."""
    if rank == 1:
        return 0
    last = key == "a"
    if layer.gemm and (layer.gemm.transpose_a if last else layer.gemm.transpose_b):
        last = not last
    return rank - 1 if last else rank - 2


def _broadcast(how: np.ufunc, x: Operand, y: Operand, dtype: np.dtype[Any]) -> Operand:
    """x ∘ y of operands of equal rank, laned if one of them is."""
    return Operand(how(x.array, y.array, dtype=dtype, casting="unsafe"), x.laned or y.laned)


# --- the product ----------------------------------------------------------------------------------
def prepare(
    layer: Layer, a: Entered, b: Entered, lanes: int, carrier: np.dtype[Any]
) -> tuple[Product, Array]:
    """Lower, put the zero points back, and correct the sums; and what a step of them is worth:
    the product of the scales, in ``carrier`` and then float64, broadcasting to the result."""
    product = lower(layer, a.centred, b.centred, lanes)
    scales = [
        _laid_out(layer, product, (a.scale, a.centred), (b.scale, b.centred), key) for key in "ab"
    ]
    scale = np.multiply(*(s.astype(carrier) for s in scales)).astype(np.float64)
    if not a.zero_point.array.any() and not b.zero_point.array.any():
        return product, scale
    points = (a.zero_point, a.centred), (b.zero_point, b.centred)
    za, zb = (_laid_out(layer, product, *points, key) for key in "ab")
    product = _raw(product, za, zb)
    return replace(product, c=_correction(product, za, zb)), scale


def _laid_out(
    layer: Layer,
    product: Product,
    a: tuple[Operand, Operand],
    b: tuple[Operand, Operand],
    key: str,
) -> Array:
    """A parameter of operand ``key`` so that it broadcasts to the unit's result.

    a, b : (parameter, operand) pairs.
    """
    x = (a if key == "a" else b)[0]
    if x.array.size == 1:
        return x.array.reshape(())
    if layer.conv:
        return _conv_layout(product, x, key)
    pair = [_thin(layer, *a, "a"), _thin(layer, *b, "b")]
    thin = lower(layer, pair[0], pair[1], product.lanes)
    return thin.a if key == "a" else thin.b


def _thin(layer: Layer, x: Operand, operand: Operand, key: str) -> Operand:
    """The parameter in the operand's shape, but with one element along the axis summed over."""
    rank = len(operand.shape)
    shape = list(operand.shape)
    shape[_inner_axis(layer, key, rank)] = 1
    lanes = operand.array.shape[:1] if operand.laned else ()
    return Operand(np.broadcast_to(x.array, (*lanes, *shape)), operand.laned)


def _conv_layout(product: Product, x: Operand, key: str) -> Array:
    """One value per image (a) or filter (b) in the unit's (images, channels, height, width)."""
    if key == "a":
        values = x.array.reshape(-1)
        if product.stacked:
            return np.repeat(values, product.a.shape[0] // product.lanes).reshape(-1, 1, 1, 1)
        return np.repeat(values, product.b.shape[0] // product.lanes).reshape(1, -1, 1, 1)
    filters = product.b.shape[0] // (1 if product.stacked else product.lanes)
    lanes = 1 if product.stacked else product.lanes
    values = np.broadcast_to(x.array.reshape(-1 if x.laned else 1, x.shape[0]), (lanes, filters))
    return values.reshape(1, -1, 1, 1)


def _raw(product: Product, za: Array, zb: Array) -> Product:
    """Codes from codes less their zero points; padding becomes explicit where it has a code."""
    a, b, conv = product.a, product.b, product.conv
    za, zb = za.astype(a.dtype), zb.astype(b.dtype)
    if conv is None:
        return replace(product, a=a + za, b=b + zb)
    if zb.ndim:
        zb = zb.reshape(-1, 1, 1, 1)
    if np.any(conv.padding):
        a = np.pad(a, ((0, 0), (0, 0), *conv.padding))
        conv = replace(conv, padding=((0, 0), (0, 0)))
    if za.ndim and not product.stacked:  # per lane of filters: per lane of channels
        lanes = za.reshape(product.lanes, -1)[:, :1]
        za = np.repeat(lanes, a.shape[1] // product.lanes).reshape(1, -1, 1, 1)
    return replace(product, a=a + za, b=b + zb, conv=conv)


def _correction(product: Product, za: Array, zb: Array) -> Array:
    from hwsim import simulate  # imports numba: only where something is simulated

    a, b = product.a.astype(np.int64), product.b.astype(np.int64)
    if product.conv is None:
        return simulate.zero_point_correction(a, b, za, zb)
    steps: dict[str, Any] = {
        "stride": product.conv.stride,
        "dilation": product.conv.dilation,
        "groups": product.conv.groups,
    }
    return simulate.conv2d_zero_point_correction(a, b, za, zb, **steps)


def wrapped(values: Array, fmt: FixedFormat) -> Array:
    """Integers modulo the circle of ``fmt``."""
    if fmt.width == 64:
        return values.astype(np.int64).view(np.int64 if fmt.signed else np.uint64)
    low, mask = np.int64(fmt.lowest_code), np.int64((1 << fmt.width) - 1)
    return ((values.astype(np.int64) - low) & mask) + low


def wraps_initially(product: Product, unit: MacUnit) -> int:
    """How many results begin outside the accumulator's range, and so wrap before any addition."""
    fmt = unit.outer_format
    if product.c is None or not isinstance(fmt, FixedFormat) or not is_integer(fmt):
        return 0
    outside = (product.c < fmt.lowest_code) | (product.c > fmt.largest_code)
    results = product.macs // product.k if product.k else 0
    return int(outside.sum()) * (results // outside.size) if results else 0


def with_c_in_range(layer: Layer, product: Product, unit: MacUnit) -> Product:
    """The initial value as one of the accumulator's: modulo its circle where sums wrap.

    LayerError where it is none of the format's values.
    """
    if product.c is None:
        return product
    fmt = unit.outer_format
    if is_integer(fmt) and unit.overflow_of(fmt) == "wrap":
        assert isinstance(fmt, FixedFormat)
        return replace(product, c=wrapped(product.c, fmt))
    if not holds(fmt, product.c):
        reason = (
            f"the correction of its zero points (and its bias) is no value of {fmt}: use a wider "
            "accumulator, or scale='absmax', which has no zero points"
        )
        raise LayerError(layer.name, str(unit), reason)
    return product
