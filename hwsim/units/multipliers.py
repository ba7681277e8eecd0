"""Multipliers of unsigned integers, exact and approximate, as values.

Each is named by a word: ``exact``, ``mitchell``, ``mbm``, ``realm8``, ``ilm1``, ``drum6``,
``trunc4``, ``trunc4c``, ``shift2``, ``log8``; tables of products are in `hwsim.units.tables`.
`hwsim.reference.multipliers` says what they give.  In a MAC unit (`MacUnit.core`) they multiply
significands or magnitudes; the sign is the exact product's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from hwsim.errors import SpecError
from hwsim.formats import FloatFormat, Format, LogFormat, PositFormat, TableFormat

MOST_BITS = 53
ALLOWED = (
    "exact, mitchell, mbm, realmN (N segments), ilmN (N corrections), drumN (N bits kept), truncN "
    "or truncNc (N columns dropped), shiftN (N guard bits), logN (N bits of a table's fractions)"
)
KNOWN = (
    "exact",
    "mitchell",
    "mbm",
    "realm8",
    "ilm1",
    "drum6",
    "trunc4",
    "trunc4c",
    "shift2",
    "log8",
)


@dataclass(frozen=True)
class IntegerMultiplier:
    """A multiplier of two unsigned integers of ``bits`` bits."""

    bits: int = 8
    NAME: ClassVar[str] = ""
    SOURCE: ClassVar[str] = ""
    MEETS: ClassVar[str] = "significands"

    def __post_init__(self) -> None:
        _require("bits", self.bits, 1, MOST_BITS)

    def __str__(self) -> str:
        return self.NAME

    @property
    def mirrored(self) -> IntegerMultiplier:
        """The one that gives the same for exchanged operands: itself where it is symmetric."""
        return self

    @property
    def places(self) -> int:
        """Fraction bits that its products have and those of integers do not."""
        return 0

    def check(self, a: Format, b: Format) -> None:
        """SpecError where operands of these formats are none for it."""
        for name, fmt in (("a", a), ("b", b)):
            if isinstance(fmt, TableFormat | PositFormat):
                message = f"operand format {fmt}: {self} multiplies significands of floats, "
                raise SpecError(message + "integers and fixed point", part=name)


@dataclass(frozen=True)
class ExactMultiplier(IntegerMultiplier):
    """a·b."""

    NAME: ClassVar[str] = "exact"

    def check(self, a: Format, b: Format) -> None:
        """Any operands: it is what units have without a core."""


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


@dataclass(frozen=True)
class Shift(IntegerMultiplier):
    """An operand of ``bits`` bits is moved by the exponent of the other, a power of two; ``guard``
    places stay below its last one, and what falls lower is dropped: of two's complement words
    downwards (an arithmetic shift), of floats' significands in magnitude.

    As an integer multiplier it moves a to the right by b places: floor(a·2^(guard − b)).
    """

    guard: int = 2
    NAME: ClassVar[str] = "shift"
    MEETS: ClassVar[str] = "words"
    SOURCE: ClassVar[str] = "Miyashita, Lee, Murmann 2016, arXiv 1603.01025; Elhoushi et al. 2021"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("guard", self.guard, 0, MOST_BITS)

    def __str__(self) -> str:
        return f"{self.NAME}{self.guard}"

    @property
    def places(self) -> int:
        """Bits of a product under the last place of the operand that is moved."""
        return self.guard

    def check(self, a: Format, b: Format) -> None:
        """One operand has powers of two alone, and the other is no table."""
        powers = [has_powers_alone(fmt) for fmt in (a, b)]
        if sum(powers) != 1 or isinstance((a, b)[powers[0]], TableFormat | PositFormat):
            message = f"{self}: of {a} and {b} exactly one must be powers of two (pow2_4, binary, "
            message += "e8m0), and the other a float, an integer or fixed point"
            raise SpecError(message, part="core")


@dataclass(frozen=True)
class Logarithmic(IntegerMultiplier):
    """Logarithms of ``bits`` fraction bits are added; the fraction f of the sum becomes a table's
    2^(f·2^-bits), to nearest with ``table_bits`` fraction bits, and its integer shifts that.

    As an integer multiplier it takes fractions alone, and gives multiples of 2^-table_bits.
    """

    table_bits: int = 8
    NAME: ClassVar[str] = "log"
    MEETS: ClassVar[str] = "fractions"
    SOURCE: ClassVar[str] = "Zhao et al. 2021, LNS-Madam, arXiv 2106.13914"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("table_bits", self.table_bits, 0, MOST_BITS - 1)

    def __str__(self) -> str:
        return f"{self.NAME}{self.table_bits}"

    @property
    def places(self) -> int:
        """Fraction bits of a product."""
        return self.table_bits

    def check(self, a: Format, b: Format) -> None:
        """Both are logarithms, one of them at least with a fraction."""
        for name, fmt in (("a", a), ("b", b)):
            if not isinstance(fmt, LogFormat):
                message = f"operand format {fmt}: {self} adds logarithms, as of log4.3 and lns8"
                raise SpecError(message, part=name)
        if a.has_exact_values and b.has_exact_values:
            message = f"{self}: products of {a} and {b} are powers of two, exact without a table"
            raise SpecError(message, part="core")


def has_powers_alone(fmt: Format) -> bool:
    """Whether every value of a table, or float, but 0 is a power of two or its negative."""
    if isinstance(fmt, TableFormat):
        return fmt.has_exact_values and fmt.significant_bits == 1
    return isinstance(fmt, FloatFormat) and fmt.precision == 1


def core_bits(a: Format, b: Format) -> int:
    """Bits of the integers that a multiplier of significands meets: of floats the precision, of
    integers and fixed point the width, of logarithms the fraction, of other tables none."""
    return max(1, *map(_significand_bits, (a, b)))


def _significand_bits(fmt: Format) -> int:
    if isinstance(fmt, FloatFormat):
        return fmt.precision
    if isinstance(fmt, TableFormat):
        return fmt.fraction_bits if isinstance(fmt, LogFormat) else 0
    return fmt.width


_PLAIN: dict[str, type[IntegerMultiplier]] = {
    kind.NAME: kind for kind in (ExactMultiplier, Mitchell, Mbm)
}
_NUMBERED: dict[str, Callable[[int, int], IntegerMultiplier]] = {
    kind.NAME: kind for kind in (IterativeLog, Drum, Realm, Shift, Logarithmic)
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
