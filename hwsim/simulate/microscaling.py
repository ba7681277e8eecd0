"""Arrays in blocks that share a scale: into them, and out of them.

The kernels (`hwsim.simulate.block_passes`) compute in float64; what that does not hold, and
directed roundings of it, go through the exact reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.errors import SpecError
from hwsim.formats import BlockFormat, check_rounding, parse_block
from hwsim.reference.blocks import tensor_scale_of, to_blocks
from hwsim.reference.containers import to_values
from hwsim.reference.values import from_float, to_float
from hwsim.simulate.block_passes import as_floats, elements_of, is_quick, scales_of
from hwsim.simulate.conversions import codes_on_grid, decode
from hwsim.simulate.grids import within_float32
from hwsim.simulate.inputs import as_whole

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Blocks:
    """An array in a block format.

    codes : of the elements, in the array's shape.  scales : codes of the scales, one for each block
    along ``axis``.  tensor_scale : a float32 number, 1 where the format has none.

    >>> blocks = to_format([0.5, 3.1, -6.2], "mxfp4")
    >>> blocks.codes.tolist(), blocks.scales.tolist(), blocks.decode().tolist()
    ([1, 5, 15], [127], [0.5, 3.0, -6.0])
    """

    format: BlockFormat
    codes: Array
    scales: Array
    tensor_scale: float = 1.0
    axis: int = -1

    def __post_init__(self) -> None:
        """Raise ValueError or TypeError for parts that do not belong together."""
        fmt = parse_block(self.format) if isinstance(self.format, str) else self.format
        codes, scales = (_codes(x, getattr(self, x)) for x in ("codes", "scales"))
        for name, value in (("format", fmt), ("codes", codes), ("scales", scales)):
            object.__setattr__(self, name, value)
        if not codes.ndim or not -codes.ndim <= self.axis < codes.ndim:
            raise ValueError(f"axis={self.axis!r}: codes have the shape {codes.shape}")
        wanted = list(codes.shape)
        wanted[self.axis] = -(-wanted[self.axis] // fmt.size)
        if scales.shape != tuple(wanted):
            raise ValueError(
                f"scales: shape {scales.shape}; {tuple(wanted)} is needed, one a block"
            )

    def decode(self) -> Array:
        """Element · scale · tensor_scale, exact in float64; NaN where the scale is."""
        elements = np.moveaxis(decode(self.codes, self.format.element), self.axis, -1)
        scales = np.moveaxis(decode(self.scales, self.format.scale), self.axis, -1)
        parts = Parts(elements.astype(np.float64), scales.astype(np.float64), self.format.size)
        return np.ascontiguousarray(np.moveaxis(parts.values * self.tensor_scale, -1, self.axis))


def _codes(name: str, x: Any) -> Array:
    found = np.asarray(x)
    if found.dtype.kind not in "iu":
        raise TypeError(f"{name}: {found.dtype}; codes are integers")
    return found


class Parts(NamedTuple):
    """Elements (…, K) and their blocks' scales (…, ⌈K/size⌉) along the last axis, in float64."""

    elements: Array
    scales: Array
    size: int

    @property
    def each(self) -> Array:
        """The scale of every element."""
        length = self.elements.shape[-1]
        return np.repeat(self.scales, self.size, axis=-1)[..., :length]

    @property
    def values(self) -> Array:
        """Element times scale, exact; NaN where the scale is."""
        return self.elements * self.each


def to_format(
    x: npt.ArrayLike, fmt: BlockFormat | str, axis: int = -1, rounding: str = "rne"
) -> Blocks:
    """``x``, a real array of one dimension or more, in blocks along ``axis``.

    rounding : of the elements, any but sr.  TypeError, ValueError (axis), SpecError (rounding).
    """
    block = parse_block(fmt) if isinstance(fmt, str) else fmt
    turned = _turned(_checked(x, block, rounding), axis)
    tensor_scale = scale_of_tensor(turned, block)
    narrow = np.float32 if within_float32(block.element) else np.float64
    parts = into_parts(turned, block, tensor_scale, rounding, narrow)
    codes = codes_on_grid(parts.elements, block.element, "saturate")
    scales = codes_on_grid(parts.scales, block.scale, "saturate")
    codes, scales = (np.ascontiguousarray(np.moveaxis(a, -1, axis)) for a in (codes, scales))
    return Blocks(block, codes, scales, tensor_scale, axis)


def round_to(x: npt.ArrayLike, block: BlockFormat, axis: int, rounding: str) -> Array:
    """The values of ``x`` in blocks along ``axis``, as `to_format` and `decode` give them."""
    array = _checked(x, block, rounding)
    turned = _turned(array, axis)
    if not is_quick(array, block, rounding) or not array.size:
        return to_format(x, block, axis, rounding).decode()
    tensor_scale = scale_of_tensor(turned, block)
    after = array.shape[axis % array.ndim + 1 :]
    lanes = math.prod(after)
    lines = (*array.shape[: axis % array.ndim], array.shape[axis])
    x = array.reshape(lines if lanes == 1 else (*lines, lanes))
    scales, _ = scales_of(x, block, tensor_scale, -1 if lanes == 1 else -2)
    how = (block, tensor_scale, rounding)
    return elements_of(x, scales, how, -1 if lanes == 1 else -2, values=True).reshape(array.shape)


def _checked(x: npt.ArrayLike, block: BlockFormat, rounding: str) -> Array:
    """``x`` in a carrier, after checking the rounding."""
    array = as_floats(as_whole("x", x))
    check_rounding(rounding, block.element)
    if rounding.startswith("sr"):
        raise SpecError(f"rounding={rounding!r}: elements of {block} are rounded without draws")
    return array


def _turned(x: Array, axis: int) -> Array:
    """``x`` with the axis of the blocks last."""
    whole = isinstance(axis, (int, np.integer)) and not isinstance(axis, bool)
    if not whole or not x.ndim or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis={axis!r}: blocks of x {x.shape} need one of its axes")
    return np.moveaxis(x, axis, -1)


def scale_of_tensor(x: Array, fmt: BlockFormat) -> float:
    """What divides a tensor before its blocks are made; 1 where the format has no such number."""
    if not fmt.tensor or not x.size:
        return 1.0
    finite = np.abs(x[np.isfinite(x)]) if x.dtype.kind == "f" else x
    ends = [finite.min(), finite.max()] if finite.size else []
    return to_float(tensor_scale_of(to_values(np.array(ends, x.dtype), "x"), fmt))


def into_parts(
    x: Array,
    fmt: BlockFormat,
    tensor_scale: float,
    rounding: str = "rne",
    dtype: npt.DTypeLike = np.float64,
) -> Parts:
    """Elements, in ``dtype`` or float64, and scales of blocks along the last axis."""
    x = as_floats(x)
    if not is_quick(x, fmt, rounding):
        return _by_reference(x, fmt, tensor_scale, rounding)
    scales, _ = scales_of(x, fmt, tensor_scale, -1)
    out = np.empty(x.shape, dtype)
    elements = elements_of(x, scales, (fmt, tensor_scale, rounding), -1, out)
    return Parts(elements, scales, fmt.size)


def _by_reference(x: Array, fmt: BlockFormat, tensor_scale: float, rounding: str) -> Parts:
    """The same, block by block in exact arithmetic."""
    length, lines = x.shape[-1], x.shape[:-1]
    values, scale = to_values(x, "x"), from_float(tensor_scale)
    elements, scales = [], []
    for first in range(0, len(values), length or 1):
        for block in to_blocks(values[first : first + length], fmt, scale, rounding):
            elements += [to_float(p) for p in block.elements]
            scales.append(to_float(block.scale))
    count = -(-length // fmt.size)
    return Parts(
        np.array(elements, float).reshape(x.shape),
        np.array(scales, float).reshape(*lines, count),
        fmt.size,
    )
