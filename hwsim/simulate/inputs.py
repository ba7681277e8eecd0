"""Arrays at the public boundary: what is accepted, and how results leave."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import BlockFormat, Format
from hwsim.memory import check_memory

Array = npt.NDArray[Any]


def as_real(name: str, x: npt.ArrayLike) -> Array:
    """``x`` as a native array of float or integer dtype, values unchanged.

    Raises TypeError for complex, object, string and masked arrays, and for what is no array.
    """
    array = as_array(name, x)
    target = _native(array.dtype)
    if target is None:
        raise TypeError(f"{name}: a real numeric array is needed, not dtype {array.dtype}")
    if target == array.dtype:
        return array
    check_memory(name, array.shape)
    return array.astype(target)


@lru_cache(maxsize=1 << 8)
def _native(found: np.dtype[Any]) -> np.dtype[Any] | None:
    """The native real dtype that holds every value of another; None where that one is not real."""
    if found.type.__module__ == "ml_dtypes" and np.can_cast(found, np.float64, "safe"):
        return np.dtype(np.float64)
    if found.kind not in "iufb":
        return None
    return np.dtype(np.int64) if found.kind == "b" else found.newbyteorder("=")


def as_whole(name: str, x: npt.ArrayLike) -> Array:
    """`as_real`, for arrays that are copied whole: ValueError where memory cannot hold them."""
    array = as_real(name, x)
    check_memory(name, array.shape)
    return array


def as_codes(name: str, x: npt.ArrayLike) -> Array:
    """``x`` as an array of integer dtype; an empty list will do."""
    array = as_array(name, x)
    if array.dtype.kind == "f" and not array.size:
        return array.astype(np.uint64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: an integer array is needed, not dtype {array.dtype}")
    if not array.dtype.isnative:
        check_memory(name, array.shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def as_array(name: str, x: npt.ArrayLike) -> Array:
    """``x`` as any plain array; TypeError where it is none, or masked."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: masked arrays are not accepted; fill or compress it first")
    try:
        return np.asarray(x)
    except Exception as error:  # whatever a ragged list or an object's __array__ raises
        raise TypeError(f"{name}: {type(x).__name__} is no array: {error}") from error


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
    fmt: Format | BlockFormat,
    default: np.dtype[Any],
    out: Array | None,
    dtype: npt.DTypeLike | None,
) -> Array:
    """``values`` in the dtype asked for, or in ``out``; a lossy dtype is a ValueError."""
    check_out(out)
    target = as_dtype(dtype) if dtype is not None else out.dtype if out is not None else default
    if target != default:
        name = f"out has dtype {target}, which" if dtype is None else f"dtype={target}"
        _check_lossless(values, fmt, target, name)
    if out is None:
        return values.astype(target, copy=False)
    if dtype is not None and out.dtype != target:
        raise ValueError(f"out has dtype {out.dtype}, dtype={target}")
    if out.shape != values.shape:
        raise ValueError(f"out has shape {out.shape}; {values.shape} is needed")
    np.copyto(out, values, casting="unsafe")
    return out


def check_out(out: object) -> None:
    """Refuse an ``out`` that nothing can be written into."""
    if out is None:
        return
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out={type(out).__name__}: a NumPy array is needed")
    if not out.flags.writeable:
        raise ValueError("out is read-only")


def as_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The real dtype that an argument names; TypeError for any other."""
    try:
        target = np.dtype(dtype)
    except Exception as error:  # NumPy raises what its parser meets
        raise TypeError(f"dtype={dtype!r}: {error}") from error
    if target.kind not in "iuf" and target.type.__module__ != "ml_dtypes":
        raise TypeError(f"dtype={target}: a real dtype is needed")
    return target


def _check_lossless(
    values: Array, fmt: Format | BlockFormat, target: np.dtype[Any], name: str
) -> None:
    if target.kind not in "iuf" and target.type.__module__ != "ml_dtypes":
        raise TypeError(f"{name}: a real dtype is needed")
    with np.errstate(all="ignore"):
        back = values.astype(target).astype(values.dtype)
    same = (back == values) | ((back != back) & (values != values))
    if not bool(np.all(same)):
        raise ValueError(f"{name} cannot hold every value of {fmt} in this result")


def nan_reached(fmt: Format) -> ValueError:
    """The error for a NaN that a sum's format cannot hold."""
    return ValueError(
        f"NaN (or an Inf that cannot wrap), from the operands a and b (x and w) or from c, reached "
        f"{fmt}, which cannot hold it"
    )
