"""Stochastic rounding: how many random bits, which rule, which generator.

    stochastic = "sr" [ N ] [ "a" | "b" | "c" ] [ "-lfsr" W ]

N random bits, 8 unless said; a, b and c are P3109's StochasticA, B and C, a unless said.  Draws
come from the words of splitmix64 (Steele, Lea, Flood 2014), or from a shift register of W bits
beside each accumulator.  docs/bits.md numbers the draws.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from hwsim.errors import SpecError
from hwsim.formats.tables import TableFormat
from hwsim.formats.types import ROUNDINGS

DEFAULT_BITS = 8
MOST_BITS = 32
VARIANTS = ("a", "b", "c")
SEEDS = 1 << 64

# Taps of shift registers of greatest period, 2^W − 1: x^W + … + 1 is primitive.
# Source: Alfke 1996, "Efficient Shift Registers, LFSR Counters", Xilinx XAPP 052, table 3.
TAPS = {
    **{3: (2,), 4: (3,), 5: (3,), 6: (5,), 7: (6,), 8: (6, 5, 4), 9: (5,), 10: (7,), 11: (9,)},
    **{12: (6, 4, 1), 13: (4, 3, 1), 14: (5, 3, 1), 15: (14,), 16: (15, 13, 4), 17: (14,)},
    **{18: (11,), 19: (6, 2, 1), 20: (17,), 21: (19,), 22: (21,), 23: (18,), 24: (23, 22, 17)},
    **{25: (22,), 26: (6, 2, 1), 27: (5, 2, 1), 28: (25,), 29: (27,), 30: (6, 4, 1), 31: (28,)},
    32: (22, 2, 1),
}


@dataclass(frozen=True)
class Stochastic:
    """Rounding by N random bits R, 0 ≤ R < 2^N, ν the share of a step above the lower magnitude.

    Away from zero goes, of P3109's three,

        a : floor(ν·2^N) + R ≥ 2^N
        b : floor(ν·2^(N+1)) + 2R + 1 ≥ 2^(N+1)
        c : RNITE(ν·2^N) + R ≥ 2^N, RNITE to the nearest integer, ties to even

    bits : N, 1 … 32.  variant : ``a``, ``b`` or ``c``.  lfsr : bits of a shift register, at least
    N, 3 … 32; None for splitmix64.

    Raises SpecError for other values.  Source: IEEE P3109 interim report 4.0 §4.7.

    >>> str(Stochastic(8, "b", 16)), str(Stochastic())
    ('sr8b-lfsr16', 'sr8')
    """

    bits: int = DEFAULT_BITS
    variant: str = "a"
    lfsr: int | None = None

    def __post_init__(self) -> None:
        if not _is_whole(self.bits, 1, MOST_BITS):
            raise SpecError(f"bits={self.bits!r}: sr takes 1 … {MOST_BITS} random bits")
        if self.variant not in VARIANTS:
            raise SpecError(f"variant={self.variant!r}: allowed are {', '.join(VARIANTS)}")
        least = max(self.bits, min(TAPS))
        if self.lfsr is not None and not _is_whole(self.lfsr, least, max(TAPS)):
            allowed = f"for {self.bits} random bits, {least} … {max(TAPS)} are allowed"
            raise SpecError(f"lfsr={self.lfsr!r}: {allowed}")

    @property
    def feedback(self) -> int:
        """What is XORed into the shift register when a 1 leaves it (Galois form); 0 without."""
        if self.lfsr is None:
            return 0
        return sum(1 << (tap - 1) for tap in (self.lfsr, *TAPS[self.lfsr]))

    def __str__(self) -> str:
        variant = "" if self.variant == "a" else self.variant
        return f"sr{self.bits}{variant}" + (f"-lfsr{self.lfsr}" if self.lfsr else "")


_NAME = re.compile(r"sr(0|[1-9][0-9]{0,2})?([abc]?)(?:-lfsr(0|[1-9][0-9]{0,2}))?")


@lru_cache(maxsize=1 << 10)
def stochastic_of(rounding: str) -> Stochastic | None:
    """What the name of a stochastic rounding says; None for other names.

    >>> stochastic_of("sr"), stochastic_of("rne")
    (Stochastic(bits=8, variant='a', lfsr=None), None)
    """
    found = _NAME.fullmatch(rounding)
    if found is None:
        return None
    bits, variant, lfsr = found.groups()
    return Stochastic(
        int(bits) if bits else DEFAULT_BITS, variant or "a", int(lfsr) if lfsr else None
    )


def check_rounding(rounding: object, fmt: object = None) -> str:
    """The rounding's canonical name (``sr`` is ``sr8``); SpecError where there is none, and for
    draws between the entries of ``fmt``, a table."""
    if isinstance(rounding, str):
        if rounding in ROUNDINGS:
            return rounding
        if isinstance(fmt, TableFormat):
            allowed = ", ".join(ROUNDINGS)
            raise SpecError(f"rounding={rounding!r}: {fmt} is a table; allowed are {allowed}")
        if how := stochastic_of(rounding):
            return str(how)
    allowed = f"{', '.join(ROUNDINGS)}, srN (N random bits; a, b or c; -lfsrW)"
    raise SpecError(f"rounding={rounding!r}: allowed are {allowed}")


def check_seed(seed: object) -> int:
    """The seed of a stream, 0 … 2^64 − 1; TypeError or ValueError otherwise."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"seed={seed!r}: an integer is needed")
    value = int(seed.__index__())
    if not 0 <= value < SEEDS:
        raise ValueError(f"seed={value}: allowed are 0 … 2^64 − 1")
    return value


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
