"""The kernels of blocks, laid out: scales of an array, then its elements or their values."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.microscaling import (
    ScaleRule,
    elements_kernel,
    scales,
    tops_of_lanes,
    tops_of_lines,
)

from hwsim.formats import BlockFormat
from hwsim.simulate.conversions import rounded
from hwsim.simulate.elementwise import FLOATS, read_only
from hwsim.simulate.facts import MASKS, WHOLE
from hwsim.simulate.grids import fits_float64_grid, grid64, rounding_mode

Array = npt.NDArray[Any]
LOWEST = -500  # exponents of elements and scales that quotients of float64 numbers can reach
ANYHOW = ("rne", "rna", "rtz")  # roundings that take what underflows float64 for zero, too
How = tuple[BlockFormat, float, str]  # the format, the tensor's scale, the rounding


class Ends(NamedTuple):
    """The smallest and the largest scale of blocks that hold anything else than zeros."""

    low: float
    high: float


def as_floats(x: Array) -> Array:
    """``x`` in a carrier of the kernels, values unchanged; what has none stays."""
    if x.dtype.kind == "f" and x.itemsize == 2:
        return x.astype(np.float32)
    return x.astype(np.float64) if x.dtype.kind in "iu" and x.itemsize < 8 else x


def is_quick(x: Array, fmt: BlockFormat, rounding: str) -> bool:
    """Whether the kernels' quotients, rounded to odd, round as the true ones do, so that nothing
    that decides underflows."""
    element, scale = fmt.element, fmt.scale
    low = min(element.quantum_exponent, scale.quantum_exponent) > LOWEST
    inside = low and max(scale.emax, -LOWEST // 2) < -LOWEST and not fits_float64_grid(element)
    p1 = scale.precision == 1
    grid = p1 or not fits_float64_grid(scale)
    known = rounding in ANYHOW or x.dtype == np.float32
    return x.dtype in FLOATS and inside and grid and known


def scales_of(x: Array, fmt: BlockFormat, tensor_scale: float, axis: int) -> tuple[Array, Ends]:
    """Scales (float64) of blocks along ``axis``, −1 or −2; `is_quick`."""
    tops = _tops(x, fmt.size, axis)
    element, scale = fmt.element, fmt.scale
    floored = fmt.rule == "floor"
    plain = floored or scale.precision > 1
    rule = ScaleRule(
        floored=floored,
        divisor=tensor_scale * (1.0 if floored else float(element.largest)),
        emax_bits=fmt.element_emax << 52,
        least=float(scale.smallest),
        most=float(scale.largest),
        grid=grid64(scale if scale.precision > 1 else element, "rne", "saturate"),
    )
    found = np.empty(tops.shape)
    ends = Ends(*scales(read_only(tops.reshape(-1)), found.reshape(-1), rule, plain))
    if not plain:  # ties between powers of two go to the even code
        lost = np.isnan(found)
        found = rounded(np.where(lost, 1.0, found), scale, "rne", "saturate").astype(np.float64)
        found[lost] = np.nan
        ends = Ends(rule.least, rule.most)
    return found, ends


def _tops(x: Array, size: int, axis: int) -> Array:
    """The largest magnitudes of blocks, in x's dtype."""
    whole, lines = WHOLE[x.itemsize], axis == -1
    count = -(-x.shape[axis] // size)
    shape = (*x.shape[:-1], count) if lines else (*x.shape[:-2], count, x.shape[-1])
    tops = np.empty(shape, whole)
    bits = _flat(np.ascontiguousarray(x), axis).view(whole)
    kernel = tops_of_lines if lines else tops_of_lanes
    kernel(read_only(bits), MASKS[x.itemsize], size, _flat(tops, axis))
    return tops.view(x.dtype)


def elements_of(
    x: Array, scales: Array, how: How, axis: int, out: Array | None = None, values: bool = False
) -> Array:
    """Elements of blocks along ``axis``, whose scales are known, in float64 or in ``out``; times
    their scales, the tensor's too, where ``values`` are wanted: exact where out holds them."""
    fmt, tensor_scale, rounding = how
    divides = fmt.scale.precision > 1 or math.frexp(tensor_scale)[0] != 0.5
    kernel = elements_kernel(rounding_mode(rounding), divides, axis == -1)
    x = np.ascontiguousarray(x)
    out = np.empty(x.shape) if out is None else out
    divisors = scales * tensor_scale if tensor_scale != 1.0 else scales
    factors = divisors if values else np.ones(scales.shape)
    grid = grid64(fmt.element, rounding, "saturate_all")
    arrays = (_flat(a, axis) for a in (divisors, factors))
    kernel(read_only(_flat(x, axis)), *arrays, fmt.size, _flat(out, axis), grid)
    return out


def _flat(x: Array, axis: int) -> Array:
    """(items, length), or (items, length, lanes) of blocks along the last axis but one."""
    count = -axis
    return x.reshape(math.prod(x.shape[:-count]), *x.shape[-count:])
