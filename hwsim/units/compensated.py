"""Sums that keep what an addition loses: compensated, and of two words.

Every elementary addition is rounded to the accumulator's format; ``operations`` says how many there
are a product, which stochastic rounding numbers in the order of their lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Kahan:
    """s = c or +0, e = +0; then, for ascending k::

        y = R(a·b − e);  t = R(s + y);  e = R(R(t − s) − y);  s = t

    The result is s, within (2u + O(K·u²))·Σ|a·b| of the sum.  Kahan 1965, Communications of the ACM
    8(1), p. 40; Higham 2002, §4.3, algorithm 4.2.
    """

    group: ClassVar[int] = 1
    operations: ClassVar[int] = 4

    def __str__(self) -> str:
        return "kahan"

    def steps(self, k: int) -> tuple[int, int]:
        """Additions into the sum; none enters another one."""
        return k, 0

    def check(self) -> None:
        """Nothing can be wrong."""


@dataclass(frozen=True)
class DoubleWord:
    """h = c or +0, l = +0, a sum of two words h + l; then, for ascending k::

        p = R(a·b);  r = R(a·b − p)                                       (Fast2Mult)
        s = R(h + p);  g = R(s − p);  q = R(s − g)                       (Knuth's TwoSum)
        e = R(R(h − g) + R(p − q))
        w = R(e + R(l + r));  h = R(s + w);  l = R(w − R(h − s))         (Dekker's Fast2Sum)

    The result is h + l, rounded once.  Joldes, Muller, Popescu 2017, ACM TOMS 44(2), algorithm 5
    (SloppyDWPlusDW) of the product's two words; with ``mul_add`` r is 0, and it is algorithm 4
    (AccurateDWPlusFP).  Knuth, TAOCP 2, §4.2.2; Dekker 1971, Numerische Mathematik 18.
    """

    group: ClassVar[int] = 1
    operations: ClassVar[int] = 13

    def __str__(self) -> str:
        return "double"

    def steps(self, k: int) -> tuple[int, int]:
        """Additions into the upper word."""
        return k, 0

    def check(self) -> None:
        """Nothing can be wrong."""


COMPENSATED = (Kahan, DoubleWord)
