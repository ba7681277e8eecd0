"""Integer requantization of whole arrays, and the integers that stand for a real factor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.requantization import MODES, Requantizer
from hwsim_kernels.requantization import requantize as requantize_kernel

from hwsim.errors import SpecError
from hwsim.formats import FixedFormat
from hwsim.reference.requantization import requantized as by_reference
from hwsim.simulate.conversions import value_dtype
from hwsim.simulate.inputs import as_real
from hwsim.units import MacUnit, Requantization, Rescaling, Telemetry, as_unit

Array = npt.NDArray[Any]
KERNEL_BITS = 62  # of acc·m
LARGEST_SHIFT = 1100  # the exponents of float64, with room


def requantize(acc: npt.ArrayLike, mac: str | MacUnit, rescaling: Rescaling) -> Array:
    """clamp(R(acc·m·2^(e − B)) + z): integer sums as codes of the unit's output format.

    Parameters
    ----------
    acc : integer array, values of the unit's (outer) accumulator.
    mac : unit with a requantization, or its description: bits, roundings and formats are its.
    rescaling : m, e, z and the clamp; each an integer or an array that broadcasts to ``acc``.

    Returns integers in the output format's dtype.  Raises SpecError (a unit without
    requantization), TypeError and ValueError (not integers, out of range, shapes).
    Source: `hwsim.units.requantization`.

    >>> unit = "int8xint8+int32:out=int8:requant31/half-up/rna"
    >>> requantize([1000, -1000, 99999], unit, rescaling(1 / 16, unit))
    array([ 63, -63, 127])
    """
    unit = as_unit(mac)
    sums = as_real("acc", acc)
    if sums.dtype.kind not in "iu":
        raise TypeError(f"acc: an integer array is needed, not {sums.dtype}")
    fmt = unit.outer_format
    if sums.size and not (fmt.lowest <= int(sums.min()) and int(sums.max()) <= fmt.largest):
        raise ValueError(f"acc: some sums are no values of the accumulator's format {fmt}")
    return requantized(sums, unit, rescaling)[0]


def rescaling(
    scale: npt.ArrayLike,
    mac: str | MacUnit | Requantization,
    zero_point: npt.ArrayLike = 0,
    low: npt.ArrayLike | None = None,
    high: npt.ArrayLike | None = None,
) -> Rescaling:
    """The integers m in [2^(B−1), 2^B) and e whose m·2^(e − B) is nearest to a real ``scale``.

    scale : finite numbers ≥ 0 (0 gives m = 0); arrays for channels.  mac : the unit, or its
    requantization.  zero_point, low, high : as in `Rescaling`.  Ties go away from zero, as in
    TensorFlow Lite's QuantizeMultiplier.  ValueError and TypeError for other scales.

    >>> found = rescaling([0.75, 0.1], "int8xint8+int32:out=int8:requant31")
    >>> [hex(m) for m in found.multiplier], found.shift.tolist()
    (['0x60000000', '0x66666666'], [0, -3])
    """
    how = mac if isinstance(mac, Requantization) else _requantization(as_unit(mac))
    factors = as_real("scale", scale).astype(np.float64)
    if not (np.isfinite(factors) & (factors >= 0)).all():
        raise ValueError(f"scale={scale!r}: finite numbers >= 0 are needed")
    fraction, exponent = np.frexp(factors)
    steps = np.ldexp(fraction, how.multiplier_bits)  # exact: B ≤ 53
    whole = np.floor(steps)
    multiplier = (whole + (steps - whole >= 0.5)).astype(np.int64)
    full = multiplier == 1 << how.multiplier_bits
    multiplier = np.where(full, multiplier >> 1, multiplier)
    return Rescaling(multiplier, exponent + full, zero_point, low, high)


def requantized(acc: Array, unit: MacUnit, given: Rescaling) -> tuple[Array, int]:
    """`requantize` on checked sums, and how many values the clamp changed."""
    how, fmt, wide = _requantization(unit), unit.output_format, unit.outer_format
    assert isinstance(fmt, FixedFormat)
    assert isinstance(wide, FixedFormat)
    checked = _checked(given, how, fmt, acc.shape)
    if wide.width - int(wide.signed) + how.multiplier_bits > KERNEL_BITS or fmt.width > 62:
        return by_reference(acc, unit, checked)
    fields = (checked.multiplier, checked.shift, checked.zero_point, checked.low, checked.high)
    arrays = [np.ascontiguousarray(x, np.int64).reshape(-1) for x in (acc, *fields)]
    out = np.empty(acc.size, np.int64)
    modes = MODES.index(how.rounding), -1
    if how.high_rounding is not None:
        modes = modes[0], MODES.index(how.high_rounding)
    fields_of = Requantizer(how.multiplier_bits, *modes, wide.lowest_code, wide.largest_code)
    clamped = int(requantize_kernel(*arrays, out, fields_of))
    return out.reshape(acc.shape).astype(value_dtype(fmt), copy=False), clamped


def requantize_counted(
    acc: Array, counts: Telemetry, unit: MacUnit, given: Rescaling | None
) -> tuple[Array, Telemetry]:
    """The sums of ``unit.summing`` as the unit gives them; clamped ones count as converted."""
    if given is None:
        return acc, counts
    values, clamped = requantized(acc, unit, given)
    return values, replace(counts, overflow_converted=clamped)


def check_rescaling(unit: MacUnit, given: Rescaling | None) -> None:
    """ValueError where a unit requantizes and nothing says by what, or the other way round."""
    if unit.requantization is None and given is not None:
        raise ValueError(f"rescaling: {unit} has no requantization, such as ':out=int8:requant31'")
    if unit.requantization is not None and not isinstance(given, Rescaling):
        raise ValueError(f"rescaling: {unit} requantizes; pass a hwsim.Rescaling")


def _requantization(unit: MacUnit) -> Requantization:
    if unit.requantization is None:
        raise SpecError(f"{unit} has no requantization, such as ':out=int8:requant31'")
    return unit.requantization


def _checked(
    given: Rescaling, how: Requantization, fmt: FixedFormat, shape: tuple[int, ...]
) -> Rescaling:
    """All five arrays, broadcast to the result; ValueError names the one that is out of range."""
    lowest, largest = fmt.lowest_code, fmt.largest_code
    bounds = {
        "multiplier": (given.multiplier, 0, (1 << how.multiplier_bits) - 1),
        "shift": (given.shift, -LARGEST_SHIFT, LARGEST_SHIFT),
        "zero_point": (given.zero_point, lowest, largest),
        "low": (lowest if given.low is None else given.low, lowest, largest),
        "high": (largest if given.high is None else given.high, lowest, largest),
    }
    fields = {name: _field(name, *bound, shape) for name, bound in bounds.items()}
    if (fields["low"] > fields["high"]).any():
        raise ValueError("low: some are above high")
    return Rescaling(**fields)


def _field(name: str, value: Any, low: int, high: int, shape: tuple[int, ...]) -> Array:
    array = as_real(name, value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: integers are needed, not {array.dtype}")
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        raise ValueError(f"{name}={value!r}: integers from {low} to {high} are needed")
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        message = f"{name} {array.shape} does not broadcast to the result {shape}"
        raise ValueError(message) from None
