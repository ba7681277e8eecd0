"""Multipliers of unsigned integers, exact and approximate, as values.

Each is named by a word: ``exact``, ``mitchell``, ``ilm1``, ``drum6``, ``trunc4``, ``trunc4c``.
`hwsim.reference.multipliers` says what they give.  They are no part of a MAC unit yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from hwsim.errors import SpecError

MOST_BITS = 32


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


_NAMES = re.compile(r"(exact|mitchell)|(ilm|drum)([0-9]{1,3})|trunc([0-9]{1,3})(c?)")


def parse_multiplier(text: str, bits: int = 8) -> IntegerMultiplier:
    """The multiplier of a name; SpecError where there is none.

    >>> str(parse_multiplier("drum6")), parse_multiplier("trunc4c").corrected
    ('drum6', True)
    """
    found = _NAMES.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        allowed = "exact, mitchell, ilmN (N corrections), drumN (N bits kept), truncN or truncNc"
        raise SpecError(f"multiplier {text!r}: allowed are {allowed} (N columns dropped)")
    plain, kind, number, dropped, corrected = found.groups()
    if plain:
        return ExactMultiplier(bits) if plain == "exact" else Mitchell(bits)
    if kind:
        return IterativeLog(bits, int(number)) if kind == "ilm" else Drum(bits, int(number))
    return Truncated(bits, int(dropped), bool(corrected))


def _require(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(f"multiplier: {name}={value!r}: an integer from {low} to {high} is needed")
