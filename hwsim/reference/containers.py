"""NumPy arrays as containers of exact values: what goes in, what comes out, and in which dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim.errors import SpecError
from hwsim.formats import (
    FixedFormat,
    FloatFormat,
    Format,
    TableFormat,
    check_overflow,
    check_rounding,
    check_seed,
)
from hwsim.reference.draws import Draws
from hwsim.reference.rounding import finite_range, round_value
from hwsim.reference.values import ZERO, Kind, Value, from_float, from_int, to_float, to_int
from hwsim.units import is_integer

Array = NDArray[Any]


def to_values(x: ArrayLike, name: str) -> list[Value]:
    """The elements of any real array, exactly, in C order."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; only plain real arrays are taken")
    array = np.asarray(x)
    if array.dtype.type.__module__ == "ml_dtypes" and np.can_cast(array.dtype, np.float64, "safe"):
        array = array.astype(np.float64)
    if array.dtype.kind in "iub":
        return [from_int(int(v)) for v in array.ravel().tolist()]
    if array.dtype.kind == "f":
        return [from_float(v) for v in array.ravel().tolist()]
    raise TypeError(f"{name} of dtype {array.dtype}: only real numbers are taken")


def rounded(
    values: list[Value], fmt: Format, rounding: str, overflow: str | None, nan: str, seed: int = 0
) -> list[Value]:
    """Every value rounded to ``fmt``, NaN replaced first where the format has none."""
    draws = Draws(check_rounding(rounding, fmt), check_seed(seed))
    if nan not in ("error", "zero", "max"):
        raise SpecError(f"nan={nan!r}: allowed are error, zero, max")
    if overflow is None:
        overflow = fmt.default_overflow
    else:
        check_overflow(overflow, fmt)
    if nan != "error" and not fmt.has_nan:
        instead = ZERO if nan == "zero" else finite_range(fmt).largest
        values = [instead if v.kind is Kind.NAN else v for v in values]
    return [
        round_value(v, fmt, rounding, overflow, draws.of(i, 1)(0)).value
        for i, v in enumerate(values)
    ]


def to_array(values: list[Value], fmt: Format, shape: tuple[int, ...]) -> Array:
    """Values as an array of the format's value dtype."""
    dtype = value_dtype(fmt)
    if dtype.kind == "f":
        numbers: list[Any] = [to_float(v) for v in values]
    else:
        numbers = [to_int(v, fmt.quantum_exponent) for v in values]
    return np.array(numbers, dtype).reshape(shape)


def with_nan(array: Array, code: int, fmt: Format) -> Array:
    """Every NaN as the one whose sign and leading fraction bits are those of a code of ``fmt``."""
    assert isinstance(fmt, FloatFormat)
    exponent, fraction = {4: (8, 23), 8: (11, 52)}[array.itemsize]
    sign = (code & fmt.sign_code) > 0
    payload = (code & ((1 << fmt.fraction_bits) - 1)) << (fraction - fmt.fraction_bits)
    word = sign << (exponent + fraction) | ((1 << exponent) - 1) << fraction | payload
    bits = array.view(f"u{array.itemsize}")
    return np.where(np.isnan(array), np.array(word, bits.dtype), bits).view(array.dtype)


def value_dtype(fmt: Format) -> np.dtype[Any]:
    """The dtype that holds every value: float32, else float64; 64-bit integers for integers.

    Fixed point wider than 53 bits is held as its codes, in 64-bit integers.
    """
    if isinstance(fmt, FixedFormat):
        if is_integer(fmt) or fmt.carried_as_codes:
            return np.dtype(np.int64 if fmt.signed else np.uint64)
        return np.dtype(np.float64)
    if isinstance(fmt, TableFormat):
        within = max(fmt.largest, -fmt.lowest) < 2**128 and fmt.quantum_exponent >= -149
        return np.dtype(np.float32 if within and fmt.significant_bits <= 24 else np.float64)
    fits = fmt.precision <= 24 and fmt.emax <= 127 and fmt.quantum_exponent >= -149
    return np.dtype(np.float32 if fits else np.float64)


def object_array(values: list[Value], shape: tuple[int, ...]) -> Array:
    """An array of values (which are tuples, so NumPy must not look inside)."""
    array = np.empty(len(values), object)
    for k, value in enumerate(values):
        array[k] = value
    return array.reshape(shape)
