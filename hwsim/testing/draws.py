"""Seeded operands that hurt: values of a format near zero, one, the largest or its root."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.formats import FixedFormat, FloatFormat, Format, TableFormat

Array = npt.NDArray[Any]
STYLES = ("codes", "finite", "tiny", "middle", "huge", "root", "cancelling")


def values(
    fmt: Format, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    """Values of ``fmt``: any ``codes``, ``finite`` ones; of exponents near the smallest value
    (``tiny``), one (``middle``), the largest (``huge``), or such that products are small
    (``root``); ``zeros``; or 1 to 4 (``cancelling``)."""
    if isinstance(fmt, FloatFormat):
        return _floats(fmt, shape, style, generator)
    if isinstance(fmt, TableFormat):
        return _entries(fmt, shape, style, generator)
    return _fixed(fmt, shape, style, generator)


def _entries(
    fmt: TableFormat, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    """Entries: of small or large magnitude, or any."""
    sizes = sorted((float(value) for value, _ in fmt.entries), key=abs)
    few = max(2, len(sizes) // 4)
    chosen = {"tiny": sizes[:few], "zeros": sizes[:1], "huge": sizes[-few:]}.get(style, sizes)
    return generator.choice(np.array(chosen), shape)


def _fixed(
    fmt: FixedFormat, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    low, high = fmt.lowest_code, fmt.largest_code
    if style in ("tiny", "middle", "cancelling"):
        low, high = max(low, -3), min(high, 3)
    elif style == "root":
        root = int(high**0.5)
        low, high = max(low, -root), root
    elif style in ("huge", "zeros"):
        low = max(low, high - 5) if style == "huge" else 0
        high = high if style == "huge" else 0
    numbers = generator.integers(low, high, shape, np.int64 if fmt.signed else np.uint64, True)
    if fmt.fraction_bits == 0 or fmt.width > 53:
        return numbers  # wide fixed point: codes
    return np.ldexp(numbers.astype(np.float64), -fmt.fraction_bits)


def _floats(
    fmt: FloatFormat, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    if style in ("codes", "finite"):
        top = (1 << fmt.width) - 1
        codes = generator.integers(0, top, shape, np.uint64, endpoint=True)
        found = reference.decode(codes, fmt)
        if style == "finite" or not fmt.has_nan:
            found = np.where(np.isfinite(found), found, found.dtype.type(1))
        return found
    if style == "zeros":
        return generator.choice([0.0, -0.0], shape)
    ends = {
        "tiny": (fmt.quantum_exponent, fmt.quantum_exponent + fmt.precision + 2),
        "middle": (-3, 3),
        "huge": (fmt.emax - 3, fmt.emax),
        "root": (fmt.quantum_exponent // 2 - 3, fmt.quantum_exponent // 2 + 3),
        "cancelling": (0, 1),
    }[style]
    exponents = generator.integers(*ends, shape, endpoint=True)
    fractions = generator.integers(0, 1 << fmt.fraction_bits, shape) / 2.0**fmt.fraction_bits
    signs = generator.choice([-1.0, 1.0, 1.0], shape) if fmt.signed else 1.0
    zeros = generator.random(shape) < generator.choice([0.0, 0.2])
    with np.errstate(under="ignore"):
        found = np.ldexp((1 + fractions) * signs, exponents)
    if fmt.has_zero:
        found = np.where(zeros, np.copysign(0.0, found), found)
    drawn: Array = reference.round(found, fmt, overflow="saturate")  # the grid may be coarser there
    return drawn
