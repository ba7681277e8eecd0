"""Operands and c on their way into a unit: rounded into their formats, rne, saturating."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.operands import quantize_turned

from hwsim.formats import FixedFormat, FloatFormat, Format, PositFormat, TableFormat
from hwsim.simulate.conversions import rounded, value_dtype
from hwsim.simulate.elementwise import FLOATS, convert
from hwsim.simulate.grids import fits_float64_grid, grid64
from hwsim.simulate.options import Options
from hwsim.simulate.scheduler import run_tiles
from hwsim.units import MacUnit

Array = npt.NDArray[Any]
# A tensor's divisor on its way into a format; None: it holds values of the format already.
Scales = tuple[float | None, float | None]
WHOLE: dict[Format, Any] = {FloatFormat(8, 24): np.float32, FloatFormat(11, 53): np.float64}
PART = 1 << 18  # elements that are worth a thread


@cache
def carrier(fmt: Format) -> np.dtype[Any]:
    """Dtype in which kernels take values of ``fmt``: float32 where every value fits, float64
    to 53 bits, else the integers themselves."""
    if isinstance(fmt, FixedFormat):
        if fmt.width > 53:
            return value_dtype(fmt)
        return np.dtype(np.float32 if fmt.width <= 24 else np.float64)
    return value_dtype(fmt)


class Entry(NamedTuple):
    """How numbers enter a format: their carrier there; the dtype whose every value it has, or
    None; and whether a kernel takes floats into it."""

    carrier: np.dtype[Any]
    whole: np.dtype[Any] | None
    by_kernel: bool


@cache
def _entry(fmt: Format) -> Entry:
    held, whole = carrier(fmt), WHOLE.get(fmt)
    looked_up = isinstance(fmt, TableFormat | PositFormat)
    by_kernel = looked_up or (held.kind == "f" and not fits_float64_grid(fmt))
    return Entry(held, None if whole is None else np.dtype(whole), by_kernel)


def to_operand(
    name: str, x: Array, fmt: Format, options: Options, scale: float | None = 1.0
) -> Array:
    """``x / scale`` (x checked, real; a float64 quotient) rounded into ``fmt``, in its carrier;
    x itself where ``scale`` is None.

    Raises ValueError for NaN where ``fmt`` has none and, when strict, for any value that is not
    in the format already.
    """
    entry = _entry(fmt)
    if scale is None or (scale == 1.0 and entry.whole is not None and x.dtype == entry.whole):
        return x
    if x.dtype.kind == "f" and x.itemsize == 2:
        x = x.astype(np.float32)
    if scale == 1.0 and isinstance(fmt, FixedFormat) and fmt.carried_as_codes:
        values = _codes(name, x, fmt)
    elif entry.by_kernel and x.dtype in FLOATS:
        values = np.empty(x.shape, entry.carrier)
        if _quantize(x, values, fmt, scale, options.threads) and not fmt.has_nan:
            raise ValueError(f"{name}: it holds NaN, which {fmt} cannot hold")
    else:
        try:
            values = rounded(x if scale == 1.0 else _quotient(x, scale), fmt, "rne", "saturate")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if options.strict:
        _refuse_change(name, x, values, fmt)
    return values.astype(entry.carrier, copy=False)


def entering(name: str, x: Array, unit: MacUnit, options: Options, scale: float | None) -> Array:
    """An operand, a or x, or b or w, as `to_operand` has it; of blocks, which are made along k of
    each product, the quotient alone."""
    fmt, block = (unit.a, unit.a_block) if name in ("a", "x") else (unit.b, unit.b_block)
    if block is None:
        return to_operand(name, x, fmt, options, scale)
    return x if scale in (None, 1.0) else _quotient(x, float(scale or 1.0))


def _quotient(x: Array, scale: float) -> Array:
    with np.errstate(all="ignore"):
        return np.divide(x, np.float64(scale), dtype=np.float64)


def _quantize(x: Array, values: Array, fmt: Format, scale: float, threads: int) -> bool:
    """values ← R(x / scale); whether there was a NaN."""
    lost = []
    turned = not x.flags.c_contiguous and x.ndim == 2 and x.flags.f_contiguous
    if turned and not isinstance(fmt, TableFormat | PositFormat):
        grid = grid64(fmt, "rne", "saturate")

        def columns(x: Array, out: Array) -> None:
            lost.append(quantize_turned(x.T, out, scale, grid))

        _in_parts(columns, (x, values), -(-PART // x.shape[0]), threads)
    else:

        def part(x: Array, out: Array) -> None:
            lost.append(convert(x, out, fmt, "rne", "saturate", scale=scale))

        _in_parts(part, (np.ascontiguousarray(x).ravel(), values.ravel()), PART, threads)
    return any(lost)


def _in_parts(
    task: Callable[[Array, Array], None], arrays: tuple[Array, Array], least: int, threads: int
) -> None:
    """Run ``task`` on parts of two arrays, along their last axis, of ``least`` or more."""
    size = arrays[0].shape[-1]
    step = max(least, -(-size // threads))
    if size <= step:
        task(*arrays)
        return
    cuts = [slice(first, first + step) for first in range(0, size, step)]
    run_tiles([partial(task, *(x[..., cut] for x in arrays)) for cut in cuts], threads)


def _codes(name: str, x: Array, fmt: FixedFormat) -> Array:
    """Fixed point wider than 53 bits: integer codes, since no float holds its values."""
    if x.dtype.kind not in "iu":
        raise TypeError(f"{name}: {fmt} is wider than 53 bits; pass its codes as integers")
    bounds = np.iinfo(x.dtype)
    low, high = max(fmt.lowest_code, int(bounds.min)), min(fmt.largest_code, int(bounds.max))
    return np.clip(x, low, high).astype(value_dtype(fmt))


def _refuse_change(name: str, x: Array, values: Array, fmt: Format) -> None:
    with np.errstate(invalid="ignore"):
        changed = (values != x) & ~((values != values) & (x != x))
    if values.dtype.kind in "iu" and x.dtype.kind == "f":
        changed |= _beyond_floats(values, x)
    if bool(np.any(changed)):
        at = tuple(int(i) for i in np.argwhere(changed)[0])
        raise ValueError(f"{name}[{', '.join(map(str, at))}] = {x[at]} is no value of {fmt}")


def _beyond_floats(values: Array, x: Array) -> Array:
    """Where integers equal the floats x only because the comparison rounds them."""
    bounds = np.iinfo(values.dtype)
    inside = (x >= float(bounds.min)) & (x < float(bounds.max // 2 + 1) * 2.0)
    different: Array = ~inside | (np.where(inside, x, 0).astype(values.dtype) != values)
    return different
