"""Integer requantization: how hardware turns an integer sum into a narrower code.

    y = clamp(R(acc · m · 2^(e − B)) + z)

B, the roundings and the output format are hardware and stand in the description
(`Requantization`); the multiplier m, the shift e and the zero point z belong to a layer or a
channel and are data (`Rescaling`).

Sources: Jacob et al. 2018, arXiv 1712.05877, §2.2; gemmlowp, fixedpoint/fixedpoint.h
(SaturatingRoundingDoublingHighMul, RoundingDivideByPOT); TensorFlow Lite,
MultiplyByQuantizedMultiplier with and without TFLITE_SINGLE_ROUNDING.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hwsim.errors import SpecError
from hwsim.formats import ROUNDINGS

HALF_UP = "half-up"
REQUANT_ROUNDINGS = (*ROUNDINGS, HALF_UP)
LARGEST_MULTIPLIER_BITS = 53


@dataclass(frozen=True)
class Requantization:
    """A multiplier of ``multiplier_bits`` bits (B, without a sign), a shifter and a clamp.

    rounding : rne, rna, rtz, rup, rdn, rto, or half-up (to the nearest, ties towards +Inf).
    high_rounding : None rounds once, R(acc·m·2^(e−B)).  A mode rounds twice, as gemmlowp does:
        first h = R_high(x·m·2^−B) with x = acc·2^max(e, 0) saturated into the accumulator's
        format, then R(h·2^min(e, 0)).

    gemmlowp is ``Requantization(31, "rna", "half-up")``, TensorFlow Lite's single rounding
    ``Requantization(31, "half-up")``.  Raises SpecError for values out of these ranges.

    >>> str(Requantization(31, "rna", "half-up")), str(Requantization(15))
    ('requant31/half-up/rna', 'requant15')
    """

    multiplier_bits: int = 31
    rounding: str = "rne"
    high_rounding: str | None = None

    def __post_init__(self) -> None:
        bits = self.multiplier_bits
        if isinstance(bits, bool) or not isinstance(bits, int):
            raise SpecError(f"multiplier_bits={bits!r}: an integer is needed")
        if not 1 <= bits <= LARGEST_MULTIPLIER_BITS:
            raise SpecError(f"multiplier_bits={bits}: allowed are 1 … {LARGEST_MULTIPLIER_BITS}")
        for name in ("rounding", "high_rounding"):
            mode = getattr(self, name)
            if mode not in REQUANT_ROUNDINGS and (name == "rounding" or mode is not None):
                allowed = ", ".join(REQUANT_ROUNDINGS)
                raise SpecError(f"{name}={mode!r}: allowed are {allowed}")

    def __str__(self) -> str:
        name = f"requant{self.multiplier_bits}"
        if self.high_rounding is not None:
            return f"{name}/{self.high_rounding}/{self.rounding}"
        return name if self.rounding == "rne" else f"{name}/{self.rounding}"


@dataclass(frozen=True, eq=False)
class Rescaling:
    """What a requantizer multiplies by: integers, or arrays of them that broadcast to the result.

    multiplier : 0 ≤ m < 2^B.  shift : e, positive to the left; the factor is m·2^(e − B).
    zero_point : z, a value of the output format, added after the last rounding.
    low, high : the clamp; by default, and at most, the output format's range.
    """

    multiplier: Any
    shift: Any
    zero_point: Any = 0
    low: Any = None
    high: Any = None
