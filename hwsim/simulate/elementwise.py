"""Arrays rounded, encoded and decoded by one pass of a vector kernel, where one is proved."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.elementwise import DIRECTED, NATURAL, convert_kernel
from hwsim_kernels.lanes import CODED, NARROW, SCALED

from hwsim.formats import FloatFormat, Format, GridFormat, PositFormat, TableFormat
from hwsim.simulate.grids import conversion_numbers, fits_float64_grid, narrow_lanes
from hwsim.simulate.posits import convert_posits
from hwsim.simulate.tables import convert_floats

Array = npt.NDArray[Any]
FLOATS = frozenset(map(np.dtype, ("f4", "f8")))
TABLE_BITS = 16  # widest codes that are looked up


def is_direct(x: Array, fmt: Format, overflow: str) -> bool:
    """Whether `convert` takes ``x`` into ``fmt``: floats, into a grid that float64 can reach."""
    if isinstance(fmt, TableFormat | PositFormat):
        return x.dtype in FLOATS
    return x.dtype in FLOATS and overflow != "wrap" and not fits_float64_grid(fmt)


def convert(
    x: Array,
    out: Array,
    fmt: Format,
    rounding: str,
    overflow: str,
    *,
    coded: bool = False,
    scale: float = 1.0,
) -> int:
    """out ← R(x / scale), values or codes; the number of NaN in x.

    ``x`` and ``out``: contiguous, of one size, `is_direct`; out is float32 or float64 and wide
    enough, or unsigned for codes of float formats, posits and tables.
    """
    if isinstance(fmt, TableFormat):
        return convert_floats(x, out.reshape(-1), fmt, rounding, scale)
    if isinstance(fmt, PositFormat):
        return convert_posits(x.reshape(-1), out.reshape(-1), fmt, rounding, coded, scale)
    plain = scale == 1.0
    kernel, numbers, one = _kernel(fmt, rounding, overflow, coded, plain, x.itemsize)
    divisor = one if plain else numbers.dtype.type(scale)
    return int(kernel(read_only(x.ravel()), out.ravel(), numbers, divisor))


@cache
def _kernel(
    fmt: GridFormat, rounding: str, overflow: str, coded: bool, plain: bool, itemsize: int
) -> tuple[Any, Array, Any]:
    """What converts floats of ``itemsize`` bytes, its numbers, and 1 in their dtype; ``plain``: of
    scale 1."""
    flags = CODED * coded + SCALED * (not plain) + DIRECTED * (rounding != "rne")
    narrow = narrow_lanes(fmt) if itemsize == 4 and plain else 0
    if narrow & NATURAL:
        narrow = narrow if rounding == "rne" else 0  # its exponents leave no room for C
    numbers = conversion_numbers(fmt, rounding, overflow, bool(narrow & NARROW))
    return convert_kernel(flags | narrow), numbers, numbers.dtype.type(1.0)


def read_only(x: Array) -> Array:
    """A view that nobody writes: to Numba one type, whether the caller's array is one or not."""
    view = x.view()
    view.setflags(write=False)
    return view


def target(x: Array, out: Array | None, dtype: np.dtype[Any]) -> Array:
    """``out`` where a kernel may write into it while it reads x, else a new array."""
    if out is not None and out.dtype == dtype and out.shape == x.shape:
        apart = not np.may_share_memory(x, out)
        same = x.dtype == dtype and x.ctypes.data == out.ctypes.data
        if out.flags.c_contiguous and out.flags.writeable and (apart or same):
            return out
    return np.empty(x.shape, dtype)


def has_table(fmt: Format) -> bool:
    """Whether every code of ``fmt`` is looked up."""
    return isinstance(fmt, FloatFormat | PositFormat) and fmt.width <= TABLE_BITS


def has_codes(fmt: Format) -> bool:
    """Whether the kernel writes the codes of ``fmt``."""
    if isinstance(fmt, FloatFormat):
        return fmt.precision > 1
    return isinstance(fmt, TableFormat | PositFormat)
