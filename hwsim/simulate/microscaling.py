"""Arrays in blocks that share a scale: into them, and out of them.

Quotients are float64's; where one comes out so short that it may be a tie of the format it is
rounded to, multiplying back, which is exact then, tells on which side of it the true one lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.errors import SpecError
from hwsim.formats import BlockFormat, check_rounding, parse_block
from hwsim.reference.blocks import tensor_scale_of, to_blocks
from hwsim.reference.containers import to_values
from hwsim.reference.values import from_float, to_float
from hwsim.simulate.conversions import code_dtype, codes_of, decode, rounded
from hwsim.simulate.grids import significant_bits
from hwsim.simulate.inputs import as_whole

Array = npt.NDArray[Any]
LOWEST = -500  # exponents of elements and scales that quotients of float64 numbers can reach


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

    def decode(self) -> Array:
        """Element · scale · tensor_scale, exact in float64; NaN where the scale is."""
        elements = np.moveaxis(decode(self.codes, self.format.element), self.axis, -1)
        scales = np.moveaxis(decode(self.scales, self.format.scale), self.axis, -1)
        parts = Parts(elements.astype(np.float64), scales.astype(np.float64), self.format.size)
        return np.ascontiguousarray(np.moveaxis(parts.values * self.tensor_scale, -1, self.axis))


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
    turned = _turned(as_whole("x", x), axis)
    check_rounding(rounding, block.element)
    if rounding.startswith("sr"):
        raise SpecError(f"rounding={rounding!r}: elements of {block} are rounded without draws")
    tensor_scale = scale_of_tensor(turned, block)
    parts = into_parts(turned, block, tensor_scale, rounding)
    codes = codes_of(parts.elements, block.element).astype(code_dtype(block.element))
    scales = codes_of(parts.scales, block.scale).astype(code_dtype(block.scale))
    codes, scales = (np.ascontiguousarray(np.moveaxis(a, -1, axis)) for a in (codes, scales))
    return Blocks(block, codes, scales, tensor_scale, axis)


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


def into_parts(x: Array, fmt: BlockFormat, tensor_scale: float, rounding: str = "rne") -> Parts:
    """Elements and scales of blocks along the last axis."""
    wide = x.dtype.itemsize > 8 or (x.dtype.kind in "iu" and x.dtype.itemsize == 8)
    if wide or not _is_quick(fmt, rounding):
        return _by_reference(x, fmt, tensor_scale, rounding)
    length, size = x.shape[-1], fmt.size
    count = -(-length // size)
    padded = np.zeros((*x.shape[:-1], count * size))
    padded[..., :length] = x
    blocks = padded.reshape(*x.shape[:-1], count, size)
    with np.errstate(all="ignore"):
        scales = _scales(np.abs(blocks).max(axis=-1), fmt, tensor_scale)
        lost = np.isnan(scales)
        divisor = (np.where(lost, 1.0, scales) * tensor_scale)[..., None]
        blocks[lost] = 0.0
        ratio = _quotient(blocks, divisor, significant_bits(fmt.element) + 1)
    elements = rounded(ratio, fmt.element, rounding, "saturate").astype(np.float64)
    return Parts(elements.reshape(padded.shape)[..., :length], scales, size)


def _is_quick(fmt: BlockFormat, rounding: str) -> bool:
    """Whether ties times divisors are exact in float64, and nothing in reach underflows."""
    element, scale = fmt.element, fmt.scale
    tensor = 24 * fmt.tensor
    bits = significant_bits(element)
    own = 2 * bits + 1 + significant_bits(scale) + tensor
    low = min(element.quantum_exponent, scale.quantum_exponent) > LOWEST
    return own <= 53 and low and scale.emax < -LOWEST and rounding in ("rne", "rna", "rtz")


def _scales(top: Array, fmt: BlockFormat, tensor_scale: float) -> Array:
    """The scales of blocks whose largest magnitudes are ``top``."""
    lost, none = ~np.isfinite(top), top == 0.0
    top = np.where(lost | none, 1.0, top)
    least, most = float(fmt.scale.smallest), float(fmt.scale.largest)
    if fmt.rule == "floor":
        exponents = np.frexp(_quotient(top, np.float64(tensor_scale), 1))[1] - 1
        ideal = np.ldexp(1.0, exponents - fmt.element_emax)
    else:
        divisor = np.float64(tensor_scale) * float(fmt.element.largest)
        ideal = _quotient(top, divisor, significant_bits(fmt.scale) + 1)
    ideal = np.where(none, least, np.clip(ideal, least, most))
    scales = rounded(ideal, fmt.scale, "rne", "saturate").astype(np.float64)
    return np.where(lost, np.nan, scales)


def _quotient(x: Array, y: Array | np.float64, bits: int) -> Array:
    """x / y, y > 0, as far as rounding it to fewer than ``bits`` bits shows: what has no more than
    that and is not exact moves to the neighbour on the true one's side."""
    q: Array = x / y
    if (np.frexp(y)[0] == 0.5).all():
        return q  # a power of two
    significand = np.ldexp(np.frexp(q)[0], bits)
    short = (significand == np.rint(significand)) & np.isfinite(q)
    back = q * y
    q = np.where(short & (back < x), np.nextafter(q, np.inf), q)
    return np.where(short & (back > x), np.nextafter(q, -np.inf), q)


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
