"""Tables of products of codes, as a multiplier of unsigned integers that the kernels have.

An operand becomes the place of its value among its format's; that is the significand of a float
without sign whose exponent never varies, and the products are those of a `TableMultiplier`.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.formats import FixedFormat, FloatFormat, Format, GridFormat, TableFormat
from hwsim.units import ExactProduct, MacUnit, StoredProduct, TableMultiplier, multiplier

Array = npt.NDArray[Any]
MOST = 1 << 31  # of an entry, in units of the finest


def by_codes(unit: MacUnit, a: Array, b: Array) -> tuple[MacUnit, Array, Array] | None:
    """A unit that multiplies places by a table, and the places of operands; None for NaN, Inf, and
    entries that span 2^31."""
    assert isinstance(unit.multiplier, StoredProduct)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    found = _table(unit.a, unit.b, unit.multiplier.format)
    if found is None:
        return None
    core, exponent = found
    places = _places(core.bits, 0), _places(core.bits, exponent)
    plain = replace(unit, a=places[0], b=places[1], multiplier=ExactProduct(), core=core, daz=False)
    left, right = (np.searchsorted(_values(f), x) for f, x in ((unit.a, a), (unit.b, b)))
    return plain, left.astype(np.float64), np.ldexp(right.astype(np.float64), exponent)


def _places(bits: int, exponent: int) -> FloatFormat:
    """Floats n·2^exponent, 0 ≤ n < 2^bits, and more that are not used."""
    return FloatFormat(2, bits, 2 - bits - exponent, "none", False)


@lru_cache(maxsize=64)
def _values(fmt: Format) -> Array:
    """Finite values, ascending; those of grids and tables of 8 bits are exact in float64."""
    if isinstance(fmt, TableFormat):
        return np.array([float(value) for value, _ in fmt.entries])
    codes = np.arange(1 << fmt.width)
    if isinstance(fmt, FixedFormat) and fmt.symmetric:
        codes = codes[codes != 1 << (fmt.width - 1)]
    found = reference.decode(codes, fmt).astype(np.float64)
    return np.unique(found[np.isfinite(found)] + 0.0)


@lru_cache(maxsize=64)
def _table(a: Format, b: Format, fmt: GridFormat) -> tuple[TableMultiplier, int] | None:
    """Products by places, and the exponent of their unit."""
    x, y = _values(a), _values(b)
    exact = [[Fraction(u) * Fraction(v) for v in y.tolist()] for u in x.tolist()]
    flat = [p for row in exact for p in row]
    rounded = [Fraction(float(p)) for p in _rounded(flat, fmt)]
    exponent = min((_finest(p) for p in rounded if p), default=0)
    numbers = [int(p / Fraction(2) ** exponent) for p in rounded]
    if max(map(abs, numbers)) >= MOST:
        return None
    bits = max(2, (max(x.size, y.size) - 1).bit_length())
    table = np.zeros((1 << bits, 1 << bits), np.int64)
    table[: x.size, : y.size] = np.array(numbers).reshape(x.size, y.size)
    return multiplier(table), exponent


def _rounded(products: list[Fraction], fmt: GridFormat) -> list[float]:
    """Entries, rne and saturating."""
    from hwsim.reference.rounding import round_value
    from hwsim.reference.values import from_ratio, to_float

    return [to_float(round_value(from_ratio(p), fmt, "rne", "saturate").value) for p in products]


def _finest(x: Fraction) -> int:
    top = abs(x.numerator)
    return (top & -top).bit_length() - x.denominator.bit_length()
