"""Integer requantization on Python integers, as `hwsim.units.Requantization` defines it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hwsim.formats import FixedFormat
from hwsim.reference.containers import Array, value_dtype
from hwsim.reference.rounding import rounds_away
from hwsim.units import MacUnit, Requantization, Rescaling, parse_unit


class Factor(NamedTuple):
    """What one output is requantized with: plain integers."""

    multiplier: int
    shift: int
    zero_point: int
    low: int
    high: int


def requantize(acc: ArrayLike, mac: str | MacUnit, rescaling: Rescaling) -> Array:
    """Integer sums as the unit's requantization gives them, element by element.

    >>> unit = "int8xint8+int32:out=int8:requant31/half-up/rna"
    >>> requantize([1000, -1000, 99999], unit, Rescaling(1 << 30, -3)).tolist()
    [63, -63, 127]
    """
    values, _ = requantized(np.asarray(acc), mac, rescaling)
    return values


def requantized(acc: Array, mac: str | MacUnit, rescaling: Rescaling) -> tuple[Array, int]:
    """`requantize`, and how many values the clamp changed."""
    unit = parse_unit(mac) if isinstance(mac, str) else mac
    how, fmt = unit.requantization, unit.output_format
    assert how is not None
    assert isinstance(fmt, FixedFormat)
    factors = _factors(rescaling, fmt, acc.shape)
    results = [
        requantize_value(int(x), factor, how, unit)
        for x, factor in zip(acc.ravel().tolist(), factors, strict=True)
    ]
    values = np.array([y for y, _ in results], value_dtype(fmt)).reshape(acc.shape)
    return values, sum(clamped for _, clamped in results)


def requantize_value(
    acc: int, factor: Factor, how: Requantization, unit: MacUnit
) -> tuple[int, bool]:
    """clamp(R(acc·m·2^(e − B)) + z), and whether the clamp changed it."""
    m, e = factor.multiplier, factor.shift
    if how.high_rounding is None:
        y = scaled(acc * m, e - how.multiplier_bits, how.rounding)
    else:
        wide = unit.outer_format
        x = min(max(acc << max(e, 0), int(wide.lowest)), int(wide.largest))
        high = scaled(x * m, -how.multiplier_bits, how.high_rounding)
        y = scaled(high, min(e, 0), how.rounding)
    y += factor.zero_point
    clamped = min(max(y, factor.low), factor.high)
    return clamped, clamped != y


def scaled(number: int, exponent: int, rounding: str) -> int:
    """number · 2^exponent, rounded to an integer."""
    if exponent >= 0:
        return number << exponent
    if rounding == "half-up":  # floor(x + 1/2)
        return (number + (1 << (-exponent - 1))) >> -exponent
    steps, rest = divmod(abs(number), 1 << -exponent)
    half = 1 << (-exponent - 1)
    if rest and rounds_away(rounding, (rest > half) - (rest < half), steps % 2 == 1, number < 0):
        steps += 1
    return -steps if number < 0 else steps


def _factors(rescaling: Rescaling, fmt: FixedFormat, shape: tuple[int, ...]) -> list[Factor]:
    """The factors of all outputs, in C order."""
    low = fmt.lowest_code if rescaling.low is None else rescaling.low
    high = fmt.largest_code if rescaling.high is None else rescaling.high
    fields: tuple[Any, ...] = (
        rescaling.multiplier,
        rescaling.shift,
        rescaling.zero_point,
        low,
        high,
    )
    columns = [np.broadcast_to(np.asarray(field), shape).ravel().tolist() for field in fields]
    return [Factor(*map(int, row)) for row in zip(*columns, strict=True)]
