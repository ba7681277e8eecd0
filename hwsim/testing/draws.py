"""Seeded operands that hurt: values of a format near zero, one, the largest or its root."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.formats import (
    FixedFormat,
    FloatFormat,
    Format,
    PositFormat,
    TableFormat,
    stochastic_of,
)
from hwsim.testing.points import hard_codes, patterns
from hwsim.units import MacUnit

Array = npt.NDArray[Any]
STYLES = ("codes", "finite", "tiny", "middle", "huge", "root", "cancelling", "hard")


def values(
    fmt: Format, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    """Values of ``fmt``: any ``codes``, ``finite`` ones; of exponents near the smallest value
    (``tiny``), one (``middle``), the largest (``huge``), or such that products are small
    (``root``); 1 to 4 (``cancelling``); ``hard`` significands, of ones, one bit and runs; or
    ``zeros``."""
    if isinstance(fmt, FloatFormat):
        return _floats(fmt, shape, style, generator)
    if isinstance(fmt, TableFormat):
        return _entries(fmt, shape, style, generator)
    if isinstance(fmt, PositFormat):
        return _posits(fmt, shape, style, generator)
    return _fixed(fmt, shape, style, generator)


def apart(
    unit: MacUnit, m: int, n: int, generator: np.random.Generator
) -> tuple[Array, Array, Array]:
    """a (m, 1), b (1, n) and c (m, n): significands of one or two bits, and products that stand as
    far above or below c as the first bits that a sum loses, or farther.  There are ties, and ties
    but for one bit that a carrier loses.
    """
    fmt, how = unit.accumulator, stochastic_of(unit.rounding)
    kept = fmt.precision if isinstance(fmt, FloatFormat) else 4
    kept += how.bits if how else 0
    a, b = (
        np.ldexp(1.0, _exponents(f, shape, generator)) * _significands(f, shape, generator)
        for f, shape in ((unit.a, (m, 1)), (unit.b, (1, n)))
    )
    far = generator.integers(0, 60, (m, n))
    near = kept + generator.integers(0, 2, (m, n))
    distance = np.where(generator.random((m, n)) < 0.8, near, far)
    distance *= generator.choice([-1, 1], (m, n))
    c = np.ldexp(_significands(unit.outer_format, (m, n), generator), np.frexp(a * b)[1] + distance)
    given = zip((a, b, c), (unit.a, unit.b, unit.outer_format), strict=True)
    a, b, c = (reference.round(x, f, overflow="saturate", nan="zero") for x, f in given)
    return a, b, c


def _exponents(fmt: Format, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Around one, or the middle of the range."""
    top = int(np.frexp(float(fmt.largest))[1])
    low = int(np.frexp(float(fmt.smallest))[1])
    middle = (min(top, max(low, 0)), (top + low) // 2)[generator.integers(2)]
    exponents: Array = middle + generator.integers(-3, 4, shape)
    return exponents


def _significands(fmt: Format, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """1 and 1 ± one of the last places, with signs."""
    bits = fmt.precision if isinstance(fmt, FloatFormat) else 4
    last = np.ldexp(1.0, -(bits - 1 - generator.integers(0, 2, shape)))
    signs = generator.choice([-1.0, 1.0], shape) if fmt.lowest < 0 else 1.0
    found: Array = (1 + generator.integers(-1, 2, shape) * last) * signs
    return found


def _entries(
    fmt: TableFormat, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    """Entries: of small or large magnitude, or any."""
    sizes = sorted((float(value) for value, _ in fmt.entries), key=abs)
    few = max(2, len(sizes) // 4)
    chosen = {"tiny": sizes[:few], "zeros": sizes[:1], "huge": sizes[-few:]}.get(style, sizes)
    return generator.choice(np.array(chosen), shape)


def _posits(
    fmt: PositFormat, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    """NaR among ``codes`` alone."""
    if style in ("codes", "finite"):
        codes = generator.integers(0, (1 << fmt.width) - 1, shape, np.uint64, endpoint=True)
        found = reference.decode(codes, fmt)
        return found if style == "codes" else np.where(np.isnan(found), 0, found)
    if style == "hard":
        return reference.decode(generator.choice(np.array(hard_codes(fmt), np.uint64), shape), fmt)
    ends = {
        "tiny": (-fmt.emax, 3 - fmt.emax),
        "huge": (fmt.emax - 3, fmt.emax),
        "root": (-fmt.emax // 2 - 3, 3 - fmt.emax // 2),
        "cancelling": (0, 1),
    }.get(style, (-3, 3))
    exponents = generator.integers(*ends, shape, endpoint=True)
    found = np.ldexp(1 + generator.random(shape), exponents) * generator.choice([-1, 1, 1], shape)
    zeros = generator.random(shape) < generator.choice([0.0, 0.2])
    return reference.round(np.where(zeros | (style == "zeros"), 0.0, found), fmt)


def _fixed(
    fmt: FixedFormat, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    low, high = fmt.lowest_code, fmt.largest_code
    if style == "hard":
        codes = _patterns_of(fmt.width - int(fmt.signed), shape, generator)
        if fmt.signed:
            codes = codes.astype(np.int64) * generator.choice([-1, 1, 1], shape)
        return _numbers(fmt, codes)
    if style in ("tiny", "middle", "cancelling"):
        low, high = max(low, -3), min(high, 3)
    elif style == "root":
        root = int(high**0.5)
        low, high = max(low, -root), root
    elif style in ("huge", "zeros"):
        low = max(low, high - 5) if style == "huge" else 0
        high = high if style == "huge" else 0
    numbers = generator.integers(low, high, shape, np.int64 if fmt.signed else np.uint64, True)
    return _numbers(fmt, numbers)


def _numbers(fmt: FixedFormat, codes: Array) -> Array:
    """The values of codes; the codes of wide fixed point."""
    if fmt.fraction_bits == 0 or fmt.width > 53:
        return codes
    return np.ldexp(codes.astype(np.float64), -fmt.fraction_bits)


def _patterns_of(bits: int, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Significands of TestFloat's patterns, uint64."""
    return generator.choice(np.array(sorted(patterns(bits)), np.uint64), shape)


def _floats(
    fmt: FloatFormat, shape: tuple[int, ...], style: str, generator: np.random.Generator
) -> Array:
    if style in ("codes", "finite"):
        top = (1 << fmt.width) - 1
        codes = generator.integers(0, top, shape, np.uint64, endpoint=True)
        found = reference.decode(codes, fmt)
        if style == "finite" or not fmt.has_nan:
            one = reference.round(np.ones(1), fmt, overflow="saturate")  # or the value next to it
            found = np.where(np.isfinite(found), found, one.astype(found.dtype))
        return found
    if style == "zeros":
        smallest = 0.0 if fmt.has_zero else float(fmt.smallest)
        return generator.choice([smallest, -0.0 if fmt.has_negative_zero else smallest], shape)
    if style == "hard":
        return _hard_floats(fmt, shape, generator)
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


def _hard_floats(fmt: FloatFormat, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Finite ones: exponent fields at both ends and near one, fractions of TestFloat's patterns."""
    top, middle = (1 << fmt.exponent_bits) - 1, fmt.exponent_bias
    fields = [f for f in (0, 1, 2, middle - 1, middle, middle + 1, top - 1, top) if 0 <= f <= top]
    codes = generator.choice(np.array(fields, np.uint64), shape) << np.uint64(fmt.fraction_bits)
    codes |= _patterns_of(fmt.fraction_bits, shape, generator)
    codes = np.minimum(codes, np.uint64(fmt.largest_code))
    codes |= generator.choice(np.array([0, 0, fmt.sign_code], np.uint64), shape)
    return reference.decode(codes, fmt)
