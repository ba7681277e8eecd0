"""Whether an integer multiplier is another one: a table, a function, a definition by name."""

from __future__ import annotations

import numpy as np

from hwsim.testing.errors import Array, Subject, product_table
from hwsim.testing.verdicts import Verdict
from hwsim.units.multipliers import IntegerMultiplier
from hwsim.units.tables import TableMultiplier


def matches(
    mine: Subject, other: Subject, bits: int = 8, signed: bool = False, name: str = ""
) -> Verdict:
    """Judge the law that a multiplier gives another one's product of every pair of operands.

    mine, other : what `product_table` takes.  bits, signed : of the operands, where neither side
    is a multiplier that says so itself.  name : what the verdict calls the other one.
    The counterexample is a pair with the least |a| + |b|.

    Raises ValueError where the two have operands of different bits or signs, and what
    `product_table` raises; what a function raises is not caught.

    >>> verdict = matches(lambda a, b: a * b & ~1, "exact", bits=4)      # the last bit cut off
    >>> verdict.ok, verdict.cases, verdict.counterexample
    (False, 256, 'a = 1, b = 1 gives 0, exact 1; 64 pairs differ')
    >>> matches(lambda a, b: (a << 8) * b >> 8, "exact", bits=4).ok
    True
    """
    bits, signed = _operands((mine, other), bits, signed)
    got, wanted = (product_table(side, bits, signed) for side in (mine, other))
    named = isinstance(other, (str, IntegerMultiplier))
    name = name or (str(other) if named else "the other")
    statement = f"all products are those of {name}"
    return Verdict("matches", statement, got.size, _difference(got, wanted, signed, name))


def _operands(sides: tuple[Subject, Subject], bits: int, signed: bool) -> tuple[int, bool]:
    """Bits and signs, as the multipliers among both say, or as given."""
    widths = {side.bits for side in sides if isinstance(side, IntegerMultiplier)}
    signs = {side.signed for side in sides if isinstance(side, TableMultiplier)}
    if len(widths) > 1:
        low, high = sorted(widths)
        raise ValueError(f"multipliers of {low} and {high} bits: operands of one width are needed")
    if len(signs) > 1:
        raise ValueError("tables over signed and over unsigned operands: one kind is needed")
    return (widths or {bits}).pop(), (signs or {signed}).pop()


def _difference(got: Array, wanted: Array, signed: bool, name: str) -> str:
    """The pair nearest to (0, 0) whose products differ; nothing where all are equal."""
    differ = np.argwhere(got != wanted)
    if not len(differ):
        return ""
    low = -(len(got) // 2) if signed else 0
    i, j = differ[np.abs(differ + low).sum(axis=1).argmin()]
    first = f"a = {i + low}, b = {j + low} gives {got[i, j]}, {name} {wanted[i, j]}"
    count = f"{len(differ):,} pairs differ" if len(differ) > 1 else "no other pair differs"
    return f"{first}; {count}"
