"""Multipliers of unsigned integers, exact and approximate, as values.

Each is named by a word: ``exact``, ``mitchell``, ``mbm``, ``realm8``, ``ilm1``, ``drum6``,
``trunc4``, ``trunc4c``; tables of products are in `hwsim.units.tables`.
`hwsim.reference.multipliers` says what they give.  In a MAC unit (`MacUnit.core`) they multiply
significands or magnitudes; the sign is the exact product's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from hwsim.errors import SpecError

MOST_BITS = 53
ALLOWED = (
    "exact, mitchell, mbm, realmN (N segments), ilmN (N corrections), drumN (N bits kept), truncN "
    "or truncNc (N columns dropped)"
)
KNOWN = ("exact", "mitchell", "mbm", "realm8", "ilm1", "drum6", "trunc4", "trunc4c")


@dataclass(frozen=True)
class IntegerMultiplier:
    """A multiplier of two unsigned integers of ``bits`` bits."""

    bits: int = 8
    NAME: ClassVar[str] = ""
    SOURCE: ClassVar[str] = ""

    def __post_init__(self) -> None:
        _require("bits", self.bits, 1, MOST_BITS)

    def __str__(self) -> str:
        return self.NAME

    @property
    def mirrored(self) -> IntegerMultiplier:
        """The one that gives the same for exchanged operands: itself where it is symmetric."""
        return self


@dataclass(frozen=True)
class ExactMultiplier(IntegerMultiplier):
    """a·b."""

    NAME: ClassVar[str] = "exact"


@dataclass(frozen=True)
class Mitchell(IntegerMultiplier):
    """Logarithms added: log2(2^k + r) ≈ k + r/2^k, and the same approximation back."""

    NAME: ClassVar[str] = "mitchell"
    SOURCE: ClassVar[str] = "Mitchell 1962, IRE Transactions on Electronic Computers EC-11(4)"


@dataclass(frozen=True)
class Mbm(Mitchell):
    """Mitchell's product with 5/64 of 2^(k1 + k2) added, near the average of what it lacks (1/12
    where x1 + x2 < 1 and where not, x = r/2^k): minimally biased.

    Bits under the last of ``bits`` − 1 fraction bits are cut, and a product that would leave
    2·bits bits stays without the addition.
    """

    NAME: ClassVar[str] = "mbm"
    SOURCE: ClassVar[str] = "Saadat, Bokhari, Parameswaran 2018, IEEE TCAD 37(11)"


@dataclass(frozen=True)
class Realm(Mitchell):
    """The same with ``segments``² additions: those of the segments of x1 and x2 that make the mean
    relative error there 0, rounded to multiples of 2^-6 (`realm_additions`)."""

    segments: int = 8
    NAME: ClassVar[str] = "realm"
    SOURCE: ClassVar[str] = "Saadat, Javaid, Ignjatovic, Parameswaran 2020, DATE"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segments not in (2, 4, 8, 16):
            raise SpecError(f"multiplier: segments={self.segments!r}: 2, 4, 8 or 16 are needed")

    def __str__(self) -> str:
        return f"{self.NAME}{self.segments}"


@dataclass(frozen=True)
class IterativeLog(IntegerMultiplier):
    """The first-order product of (2^k1 + r1)(2^k2 + r2) without r1·r2, and ``corrections`` times
    the same of what is left."""

    corrections: int = 1
    NAME: ClassVar[str] = "ilm"
    SOURCE: ClassVar[str] = "Babić, Avramović, Bulić 2011, Microprocessors and Microsystems 35(1)"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("corrections", self.corrections, 0, self.bits)

    def __str__(self) -> str:
        return f"{self.NAME}{self.corrections}"


@dataclass(frozen=True)
class Drum(IntegerMultiplier):
    """``kept`` bits of each operand from its leading one; where bits are cut, the lowest kept one
    is set, so that errors have both signs."""

    kept: int = 6
    NAME: ClassVar[str] = "drum"
    SOURCE: ClassVar[str] = "Hashemi, Bahar, Reda 2015, ICCAD"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("kept", self.kept, 2, self.bits)

    def __str__(self) -> str:
        return f"{self.NAME}{self.kept}"


@dataclass(frozen=True)
class Truncated(IntegerMultiplier):
    """The partial products aᵢ·bⱼ of the columns i + j < ``dropped`` are never formed.

    corrected : a constant is added, the multiple of 2^dropped next to what the dropped columns
    hold on average (a quarter of their partial products are 1), halves up.
    """

    dropped: int = 4
    corrected: bool = False
    NAME: ClassVar[str] = "trunc"
    SOURCE: ClassVar[str] = "Schulte, Swartzlander 1993, VLSI Signal Processing VI"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("dropped", self.dropped, 0, 2 * self.bits - 1)

    def __str__(self) -> str:
        return f"{self.NAME}{self.dropped}{'c' * self.corrected}"


_PLAIN: dict[str, type[IntegerMultiplier]] = {
    kind.NAME: kind for kind in (ExactMultiplier, Mitchell, Mbm)
}
_NUMBERED: dict[str, Callable[[int, int], IntegerMultiplier]] = {
    kind.NAME: kind for kind in (IterativeLog, Drum, Realm)
}
_NAMES = re.compile(r"([a-z]+?)([0-9]{1,3})?(c?)")


def parse_multiplier(text: str, bits: int = 8) -> IntegerMultiplier:
    """The multiplier of a name; SpecError where there is none.

    >>> str(parse_multiplier("drum6")), parse_multiplier("trunc4c").corrected
    ('drum6', True)
    """
    found = _NAMES.fullmatch(text) if isinstance(text, str) else None
    kind, number, corrected = found.groups() if found else ("", None, "")
    if number is None and not corrected and kind in _PLAIN:
        return _PLAIN[kind](bits)
    if number is not None and not corrected and kind in _NUMBERED:
        return _NUMBERED[kind](bits, int(number))
    if number is not None and kind == Truncated.NAME:
        return Truncated(bits, int(number), bool(corrected))
    raise SpecError(f"multiplier {text!r}: allowed are {ALLOWED}", known=KNOWN)


def _require(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(f"multiplier: {name}={value!r}: an integer from {low} to {high} is needed")
