"""Sums of logarithms that stay logarithms, by two tables (logarithmic number systems)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwsim.errors import SpecError

MOST_PLACES = 20


@dataclass(frozen=True)
class LogSum:
    """Products are sums of the operands' logarithms; a sum of two numbers is the larger logarithm
    and, from tables, s(z) = log2(1 + 2^z), or d(z) = log2(1 − 2^z) where signs differ, of z, minus
    the distance of both.

    places : fraction bits of the tables' entries, 0 … 20; None: those of the accumulator, a
        logarithmic format, into whose field every product and every sum is rounded.

    Swartzlander, Alexopoulos 1975, IEEE Transactions on Computers C-24(12); Zhao et al. 2021,
    arXiv 2106.13914 (LNS-Madam).
    """

    places: int | None = None
    group: ClassVar[int] = 1

    def __str__(self) -> str:
        return "lns" if self.places is None else f"lns{self.places}"

    def steps(self, k: int) -> tuple[int, int]:
        """Additions; none enters another sum."""
        return k, 0

    def check(self) -> None:
        """Raise SpecError for a table that nothing can hold."""
        n = self.places
        whole = isinstance(n, int) and not isinstance(n, bool)
        if n is not None and not (whole and 0 <= n <= MOST_PLACES):
            message = f"lns: places={n!r}: an integer from 0 to {MOST_PLACES}, or None, is needed"
            raise SpecError(message, part="order")
