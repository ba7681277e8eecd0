"""Arrays at the public boundary: what is accepted, and how results leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import Format

Array = npt.NDArray[Any]


def as_real(name: str, x: npt.ArrayLike) -> Array:
    """``x`` as a native array of float or integer dtype, values unchanged.

    Raises TypeError for complex, object, string and masked arrays.
    """
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: masked arrays are not accepted; fill or compress it first")
    array = np.asarray(x)
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.int64)
    if kind == "V" or (kind not in "iuf" and array.dtype.type.__module__ == "ml_dtypes"):
        return _from_ml_dtypes(name, array)
    if kind not in "iuf":
        raise TypeError(f"{name}: a real numeric array is needed, not dtype {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _from_ml_dtypes(name: str, array: Array) -> Array:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        message = f"{name}: a real numeric array is needed, not dtype {array.dtype}"
        raise TypeError(message) from None


def carrier_exact(x: Array) -> Array:
    """``x`` as float64, rounded to odd where float64 cannot hold it (wide integers, longdouble).

    Rounding the result to at most 51 bits then gives what rounding x once gives.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # signalling NaN; longdouble's range
        y = x.astype(np.float64)
    if x.dtype.itemsize < 8 or x.dtype == np.float64:
        return y
    return _to_odd(x, y)


def _to_odd(x: Array, y: Array) -> Array:
    bits = y.view(np.int64)
    if x.dtype.kind == "f":
        away, toward = np.abs(x) > np.abs(y), np.abs(x) < np.abs(y)
    else:
        # float64 → integer conversion overflows at the top of the range: compare in halves.
        away, toward = _integer_gap(x, y)
    even = (bits & 1) == 0
    fixed = np.where(away & even, bits + 1, np.where(toward & even, bits - 1, bits))
    return fixed.view(np.float64)


def _integer_gap(x: Array, y: Array) -> tuple[Array, Array]:
    """Where |x| > |y| and |x| < |y|, y = float64(x), exactly."""
    high = np.right_shift(x, 32).astype(np.float64) * 2.0**32
    low = np.bitwise_and(x, x.dtype.type(0xFFFFFFFF)).astype(np.float64)
    gap = (high - y) + low  # x − y, exact: both parts are small multiples of 1
    same = (gap > 0) == (y > 0)
    return (gap != 0) & same, (gap != 0) & ~same


def result_array(
    values: Array,
    fmt: Format,
    default: np.dtype[Any],
    out: Array | None,
    dtype: npt.DTypeLike | None,
) -> Array:
    """``values`` in the dtype asked for, or in ``out``; a lossy dtype is a ValueError."""
    target = np.dtype(dtype) if dtype is not None else out.dtype if out is not None else default
    if target != default:
        _check_lossless(values, fmt, target)
    if out is None:
        return values.astype(target, copy=False)
    if dtype is not None and out.dtype != target:
        raise ValueError(f"out has dtype {out.dtype}, dtype={target}")
    if out.shape != values.shape:
        raise ValueError(f"out has shape {out.shape}; {values.shape} is needed")
    np.copyto(out, values, casting="unsafe")
    return out


def _check_lossless(values: Array, fmt: Format, target: np.dtype[Any]) -> None:
    if target.kind not in "iufV":
        raise TypeError(f"dtype={target}: a real dtype is needed")
    with np.errstate(all="ignore"):
        back = values.astype(target).astype(values.dtype)
    same = (back == values) | ((back != back) & (values != values))
    if not bool(np.all(same)):
        raise ValueError(f"dtype={target} cannot hold every value of {fmt} in this result")
