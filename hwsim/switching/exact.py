"""Words of an exact sum's register: two's complement, in units of the products' last place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import FloatFormat
from hwsim.switching.words import multiplied
from hwsim.units import MacUnit, Sequential, StoredProduct

Array = npt.NDArray[Any]


def exact_words(unit: MacUnit, a: Array, b: Array, c: Any, bits: int) -> Array:
    """The register of ``bits`` bits after each of the products of a (tiles, rows, K) and b (tiles,
    K, columns), which c starts; NaN and Inf leave it as it is.  Python's integers."""
    x, y = a[:, :, None, :], b.swapaxes(1, 2)[:, None, :, :]
    quantum = _quantum(unit)
    plain = unit.core is None and unit.product_format is None
    if plain and not isinstance(unit.multiplier, StoredProduct):
        terms = _units(_entering(x, unit, 0), unit.a.quantum_exponent) * _units(
            _entering(y, unit, 1), unit.b.quantum_exponent
        )
    else:
        one = replace(unit, accumulator=FloatFormat(11, 53), order=Sequential())
        terms = _units(multiplied(one, x, y), quantum)
    start = np.zeros(terms.shape[:3], object)
    if c is not None:
        start = start + _units(np.asarray(c, np.float64), quantum)
    totals = np.add.accumulate(terms, axis=-1) if terms.shape[-1] else terms
    return (totals + start[..., None]) & ((1 << bits) - 1)


def _quantum(unit: MacUnit) -> int:
    """Exponent of the products' last place."""
    if isinstance(unit.multiplier, StoredProduct):
        return unit.multiplier.format.quantum_exponent
    if unit.product_format is not None:
        return unit.product_format.quantum_exponent
    return unit.a.quantum_exponent + unit.b.quantum_exponent


def _entering(values: Array, unit: MacUnit, side: int) -> Array:
    """Operands as they enter products: rounded, and without what the unit flushes."""
    from hwsim import simulate  # imports numba

    fmt = unit.b if side else unit.a
    x = simulate.round(values, fmt, overflow="saturate")
    if fmt.carried_as_codes or not (unit.daz or unit.ftz):
        return x
    return np.where(np.abs(x) < float(getattr(fmt, "smallest_normal", 0)), 0, x)


def _units(values: Array, quantum: int) -> Array:
    """Values over 2^quantum, as Python's integers (rounded down); 0 of what is not finite."""
    if values.dtype.kind in "iu":
        return values.astype(object) * (1 << max(0, -quantum)) >> max(0, quantum)
    finite = np.where(np.isfinite(values), values, 0.0).astype(np.float64)
    fraction, exponent = np.frexp(finite)
    whole = np.ldexp(fraction, 53).astype(np.int64)
    found: Array = np.frompyfunc(_shifted, 2, 1)(whole, exponent - 53 - quantum)
    return found


def _shifted(value: int, places: int) -> int:
    value, places = int(value), int(places)
    return value << places if places >= 0 else value >> -places
