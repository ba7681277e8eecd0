"""Golden vectors: what went into every layer's unit and what came out, as npz files.

One file per layer, ``<layer>.npz``; runs of several mini-batches write ``<layer>.0000.npz`` and
so on.  `README` below says what is in them and is written beside them.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.networks.engine import Engine
from hwsim.networks.errors import ModelError
from hwsim.networks.files import write_atomically
from hwsim.networks.layers import Layer
from hwsim.networks.products import Product, scaled
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit

README = """\
Golden vectors written by hwsim: one npz file per layer (and mini-batch).  Read them with
numpy.load(file, allow_pickle=False).

a_codes, b_codes  operands as unsigned codes of the unit's formats a and b (integers and fixed
                  point in two's complement), after scaling and rounding.
                  matmul: a (..., M, K), b (..., K, N); conv2d: a (images, channels, height,
                  width) without its padding, b (filters, channels / groups, height, width).
                  Other operators as what they are computed as: a transposed convolution with its
                  zeros between pixels and its kernel turned, a 3-D one with an image for every
                  depth of the result and the depths of its kernel among the channels, an Einsum
                  with its labels in the order batch, M, K or K, N.
a_scale, b_scale  operand value = tensor / scale, then rounded (rne, saturating).
a_zero_point,     only where an operand has one or comes as codes from the model: value = code of
b_zero_point      the unit's format = rint(tensor / scale) + zero point.  One for each sample, row,
                  column or filter has its axes.  The zero point's code pads a: a_codes then hold
                  the padding, and padding below is 0.
c                 initial value of every accumulator: biases, and the zero points' correction.
results           values that the unit gave, in the layout of its operands.
result_codes      the same as codes of the unit's output format.
sums, multiplier, only of a unit that requantizes: its accumulators, and what they are requantized
shift, low, high, with; results = clamp(R(sums * multiplier * 2^(shift - B)) + result_zero_point).
result_zero_point
seeds             uint64, one for each sample, where the unit rounds stochastically: of splitmix64's
                  stream that its outputs, numbered in C order, draw from.
bias              float32 addend after the unit, if the layer has one.
output            the layer's output tensor: results * (a_scale * b_scale) in float64, rounded to
                  float32, times alpha, plus beta * bias (one more leading axis: samples), and in
                  the operator's own order of axes; a Relu after it is not in it.  A layer on codes
                  gives integers: see hwsim's documentation of integers.
info              JSON: unit, layer, op, kind (matmul or conv2d), stride, padding
                  ((top, bottom), (left, right)), dilation, groups, alpha, beta, m, k, n, batch.
                  conv2d reduces over (channel, height, width) in C order; a padding pixel is a
                  zero operand that keeps its place.
"""


def write_readme(folder: Path) -> None:
    """Make ``folder`` and explain its files there."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "README.txt", README.encode())


def file_stems(layers: list[str]) -> dict[str, str]:
    """A file name without its suffix for every layer; clashing ones are numbered."""
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in layers:
        base = re.sub(r"[^\w.#-]+", "_", name).strip("._") or "layer"
        stem, copy = base, 1
        while stem.lower() in taken:
            copy += 1
            stem = f"{base}-{copy}"
        taken.add(stem.lower())
        stems[name] = stem
    return stems


def dump_layer(
    file: Path,
    layer: Layer,
    product: Product,
    unit: MacUnit,
    engine: Engine,
    arrays: dict[str, Any],
) -> None:
    """Write one file; ``arrays`` holds a_scale, b_scale, results, output and perhaps bias."""
    if unit.is_blocked:
        raise ModelError(f"golden vectors: {unit} takes blocks, whose codes no file holds yet")
    results: Array = arrays["results"]
    if product.carried:
        from hwsim.simulate.conversions import value_dtype  # imports numba: it has run by now

        results = results.astype(value_dtype(unit.output_format), copy=False)
    codes: dict[str, Any] = {
        "a_codes": engine.encode(scaled(product.a, product.scales[0]), unit.a),
        "b_codes": engine.encode(scaled(product.b, product.scales[1]), unit.b),
        "result_codes": engine.encode(results, unit.output_format),
        "c": np.zeros((), results.dtype) if product.c is None else product.c,
        "info": np.array(json.dumps(_info(layer, product, unit))),
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **codes, **arrays | {"results": results})
    write_atomically(file, stream.getvalue())


def _info(layer: Layer, product: Product, unit: MacUnit) -> dict[str, Any]:
    info: dict[str, Any] = {
        "unit": str(unit),
        "layer": layer.name,
        "op": layer.op,
        "kind": "conv2d" if product.conv else "matmul",
        "alpha": layer.gemm.alpha if layer.gemm else 1.0,
        "beta": layer.gemm.beta if layer.gemm else 1.0,
        "m": product.m,
        "k": product.k,
        "n": product.n,
        "batch": product.batch,
    }
    if product.conv:
        info |= {
            "stride": product.conv.stride,
            "padding": product.conv.padding,
            "dilation": product.conv.dilation,
            "groups": product.conv.groups,
        }
    return info
