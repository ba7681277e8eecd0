"""Operands and c on their way into a unit: rounded into their formats, rne, saturating."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels import float32

from hwsim.formats import FixedFormat, FloatFormat, Format
from hwsim.simulate.conversions import rounded, value_dtype
from hwsim.simulate.grids import grid32
from hwsim.units import has_subnormal_values

Array = npt.NDArray[Any]


def carrier(fmt: Format) -> np.dtype[Any]:
    """Dtype in which kernels take values of ``fmt``: float32 where every value fits, float64
    to 53 bits, else the integers themselves."""
    if isinstance(fmt, FixedFormat):
        if fmt.width > 53:
            return value_dtype(fmt)
        return np.dtype(np.float32 if fmt.width <= 24 else np.float64)
    return value_dtype(fmt)


def to_operand(name: str, x: Array, fmt: Format, strict: bool, daz: bool = False) -> Array:
    """``x`` (checked, real) rounded into ``fmt``, in its carrier; ``daz`` flushes subnormals.

    Raises ValueError for NaN where ``fmt`` has none and, when ``strict``, for any value that is
    not in the format already.
    """
    if isinstance(fmt, FixedFormat) and fmt.carried_as_codes:
        values = _codes(name, x, fmt)
    elif _fits_float32_kernel(x, fmt):
        values = _rounded32(x, fmt)
    else:
        try:
            values = rounded(x, fmt, "rne", "saturate")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if strict:
        _refuse_change(name, x, values, fmt)
    if daz and has_subnormal_values(fmt):
        values = _flushed(values, fmt)
    return values.astype(carrier(fmt), copy=False)


def _flushed(values: Array, fmt: Format) -> Array:
    """Subnormals as zeros of their sign, where ``fmt`` has −0."""
    zeros = np.copysign(0.0, values) if fmt.has_negative_zero else np.zeros(())
    tiny = np.abs(values) < float(fmt.smallest_normal)
    return np.where(tiny, zeros.astype(values.dtype), values)


def _codes(name: str, x: Array, fmt: FixedFormat) -> Array:
    """Fixed point wider than 53 bits: integer codes, since no float holds its values."""
    if x.dtype.kind not in "iu":
        raise TypeError(f"{name}: {fmt} is wider than 53 bits; pass its codes as integers")
    bounds = np.iinfo(x.dtype)
    low, high = max(fmt.lowest_code, int(bounds.min)), min(fmt.largest_code, int(bounds.max))
    return np.clip(x, low, high).astype(value_dtype(fmt))


def _fits_float32_kernel(x: Array, fmt: Format) -> bool:
    return (
        x.dtype == np.float32
        and isinstance(fmt, FloatFormat)
        and fmt.has_nan
        and fmt.signed
        and fmt.has_subnormals
        and 2 <= fmt.precision <= 22
        and fmt.emax + 1 + 24 - fmt.precision <= 127
        and fmt.emin >= -126
    )


def _rounded32(x: Array, fmt: Format) -> Array:
    assert isinstance(fmt, FloatFormat)
    flat = np.ascontiguousarray(x).reshape(-1)
    values = np.empty_like(flat)
    inf = np.inf if fmt.has_inf else float(fmt.largest)
    float32.round_array(flat, values, grid32(fmt, "saturate"), -inf, inf)
    if not fmt.has_negative_zero:
        values += np.float32(0.0)
    return values.reshape(x.shape)


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
