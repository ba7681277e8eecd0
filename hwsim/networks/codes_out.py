"""What a layer on codes gives: its integer sums, its floats, or the codes of its result.

The arithmetic is ONNX Runtime's, in float32: y = rint(float32(sum) · ((s_a·s_b) / s_y)) + zero
point, clamped; a unit with a requantization does it in integers instead.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwsim.networks.affine import Read, code_offset, parameters
from hwsim.networks.errors import LayerError, ModelError
from hwsim.networks.execution import Work
from hwsim.networks.layers import Layer
from hwsim.networks.products import Operand, arranged, finish, restored
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit, Rescaling

FLOAT32 = np.dtype(np.float32)


def real_bias(layer: Layer, read: Read) -> Operand:
    """The bias in float32: integer ones are in steps of s_a·s_b."""
    bias = read(layer.bias)
    if layer.quantized is None or not layer.quantized.bias_codes:
        return bias
    a, _ = parameters(layer, "a", layer.quantized.a, read, len(read(layer.a).shape))
    b, _ = parameters(layer, "b", layer.quantized.b, read, len(read(layer.b).shape))
    steps = (a.array.reshape(-1, 1) if a.laned else a.array.reshape(-1)) * b.array.reshape(-1)
    return Operand(bias.array.astype(np.float32) * steps, a.laned)


def bias_codes(layer: Layer, work: Work, bias: Operand) -> Operand:
    """The bias in steps of s_a·s_b: the model's own codes, or floats rounded (rne) to int32."""
    assert layer.quantized
    if layer.quantized.bias_codes:
        return bias
    steps = np.asarray(work.scale, np.float32).reshape(-1)
    limits = np.iinfo(np.int32)
    codes = np.rint(bias.array / steps).astype(np.float64)
    return Operand(np.clip(codes, limits.min, limits.max).astype(np.int64), bias.laned)


def finish_codes(layer: Layer, work: Work, result: Array, read: Read) -> Array:
    """The layer's output, laned, from the unit's results."""
    quantized, product = layer.quantized, work.product
    assert quantized
    if quantized.sums:
        return _integers(layer, work, result)
    sums = result.astype(np.float32) if work.exact else result
    if quantized.y is None or not work.exact:
        y = finish(replace(layer, dtype=FLOAT32), product, sums, work.scale, work.bias)
        if quantized.y is None:
            return y.astype(layer.dtype, copy=False)
        scale, zero = _result_parameters(layer, read, y.ndim)
        with np.errstate(all="ignore"):
            return _codes(layer, y / scale, zero)
    scale, zero = _result_parameters(layer, read, len(product.shape) + 1)
    with np.errstate(all="ignore"):
        if scale.size == 1:  # of the model, and so one division for all sums
            y = restored(product, sums * (np.float32(work.scale) / scale.reshape(())))
        else:  # a scale for each sample
            steps = np.broadcast_to(np.float32(work.scale), sums.shape)
            y = restored(product, sums) * (restored(product, steps) / scale)
        return np.ascontiguousarray(arranged(product, _codes(layer, y, zero)))


def rescaling_of(layer: Layer, work: Work, unit: MacUnit, read: Read) -> Rescaling:
    """What a requantizing unit multiplies this layer's sums by (see `check_requantization`)."""
    from hwsim import simulate  # imports numba: only where something is simulated

    quantized = layer.quantized
    assert quantized
    scale, zero = _result_parameters(layer, read, len(work.product.shape) + 1)
    offset = _output_offset(layer, unit)
    if scale.size != 1 or zero.size != 1:
        raise LayerError(layer.name, str(unit), "its result's scale depends on the sample")
    factor = work.scale / np.float64(scale.reshape(()))
    return simulate.rescaling(
        factor,
        unit,
        int(zero.reshape(())) + offset,
        quantized.low + offset,
        quantized.high + offset,
    )


def requantized_output(layer: Layer, work: Work, codes: Array, unit: MacUnit) -> Array:
    """The layer's output, laned, from the codes that a requantizing unit gave."""
    y = arranged(work.product, restored(work.product, codes)) - _output_offset(layer, unit)
    return np.ascontiguousarray(y, dtype=layer.dtype)


def check_requantization(layer: Layer, unit: MacUnit, exact: bool) -> None:
    """ModelError where a unit requantizes and the model does not say by what."""
    if unit.requantization is None:
        return
    quantized = layer.quantized
    if quantized is None or quantized.y is None or not exact:
        raise ModelError(
            f"layer {layer.name!r} on {unit}: it requantizes, so the model must give integer "
            "codes, their scales and the result's (QLinearConv, QLinearMatMul, or the QDQ form), "
            "and the unit's operand formats must hold the codes"
        )
    _output_offset(layer, unit)


def _output_offset(layer: Layer, unit: MacUnit) -> int:
    assert layer.quantized
    assert layer.quantized.y
    y, fmt = layer.quantized.y, unit.output_format
    offset = code_offset(fmt, y.low, y.high)
    if offset is None:
        raise ModelError(f"layer {layer.name!r} on {unit}: {fmt} does not hold its result's codes")
    return offset


def _result_parameters(layer: Layer, read: Read, rank: int) -> tuple[Array, Array]:
    """Scale (float32) and zero point of the result, of one value per sample."""
    assert layer.quantized
    y = layer.quantized.y
    assert y
    found = []
    for name, default in ((y.scale, 1), (y.zero_point, 0)):
        x = read(name) if name else Operand(np.array(default), False)
        if np.prod(x.shape) != 1:
            reason = f"a scale or zero point of shape {x.shape} for its result"
            raise LayerError(layer.name, layer.op, reason)
        found.append(x.array.reshape((-1,) + (1,) * (rank - 1)))
    return found[0].astype(np.float32), found[1].astype(np.int64)


def _codes(layer: Layer, y: Array, zero: Array) -> Array:
    """sat(rint(y) + zero); NaN becomes the lowest code, as in ONNX Runtime."""
    assert layer.quantized
    assert layer.quantized.y
    low, high = layer.quantized.low, layer.quantized.high
    steps = np.where(np.isnan(y), -np.inf, np.rint(y)).astype(np.float64)
    return np.ascontiguousarray(np.clip(steps + zero, low, high), dtype=layer.dtype)


def _integers(layer: Layer, work: Work, result: Array) -> Array:
    """int32 sums: modulo 2^32, as ONNX's accumulation; floats rounded (rne), saturated."""
    if work.exact and result.dtype.kind in "iu":
        whole = result.astype(np.int64)
    else:
        y = np.asarray(result * work.scale, np.float64)
        if np.isnan(y).any():
            raise LayerError(layer.name, layer.op, "NaN reached its int32 result")
        whole = np.clip(np.rint(y), -(2.0**31), 2.0**31 - 1).astype(np.int64)
    y = arranged(work.product, restored(work.product, whole))
    return np.ascontiguousarray(y, dtype=layer.dtype)
