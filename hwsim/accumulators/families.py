"""Families of units: a description with a star where the searched number stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

from hwsim.errors import SpecError
from hwsim.formats import FixedFormat
from hwsim.units import Bins, Chunked, MacUnit, parse_unit

STAR = "*"
MOST = 64
WIDEST_FIXED, WIDEST_OTHER = 32, 23  # bits of integers; fraction bits: fp32's


@dataclass(frozen=True)
class Family:
    """Units that differ in one number: ``int8xint8+int*`` by the accumulator's width,
    ``e4m3xe4m3+e6m*:chunk64`` by its fraction bits.

    widest : the largest number that is searched; by default 32 for integers and fixed point, 23
    for others.

    Raises SpecError where no star stands, in an operand, or where no number makes a unit.

    >>> family = Family("int8xint8+int*:saturate")
    >>> str(family.unit(17)), family.searched[-1]
    ('int8xint8+int17:saturate', 32)
    """

    text: str
    widest: int | None = None
    _units: dict[int, MacUnit] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TypeError(f"family={self.text!r}: a description with a * is needed")
        if STAR not in self.text:
            raise SpecError(
                f"family {self.text!r}: a * is needed where the searched number stands, as in "
                "int8xint8+int* or e4m3xe4m3+e6m*:chunk64"
            )
        whole = isinstance(self.widest, int) and not isinstance(self.widest, bool)
        if self.widest is not None and not (whole and 1 <= self.widest <= MOST):
            raise ValueError(f"widest={self.widest!r}: an integer from 1 to {MOST} is needed")
        if not self.widths:
            parse_unit(self.text.replace(STAR, "8"))  # says what is wrong with it
            raise SpecError(f"family {self.text!r}: no number from 1 to {MOST} makes a unit of it")
        units = [self._units[w] for w in self.widths]
        searched = {(unit.accumulator, unit.outer_format) for unit in units}
        if len({_frame(unit) for unit in units}) > 1 or len(searched) < len(units):
            raise SpecError(
                f"family {self.text!r}: the star must stand in the width of a sum's format; "
                "accumulators alone are searched"
            )
        if not self.searched:
            first = self.widths[0]
            raise ValueError(f"widest={self.widest}: {self.text} begins at {first}")

    def __str__(self) -> str:
        return self.text

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """All numbers up to 64 that make a unit."""
        found = []
        for width in range(1, MOST + 1):
            try:
                self._units[width] = parse_unit(self.text.replace(STAR, str(width)))
            except SpecError:
                continue
            found.append(width)
        return tuple(found)

    @cached_property
    def searched(self) -> tuple[int, ...]:
        """The numbers up to `widest`."""
        fixed = isinstance(self._units[self.widths[0]].accumulator, FixedFormat)
        most = self.widest or (WIDEST_FIXED if fixed else WIDEST_OTHER)
        return tuple(width for width in self.widths if width <= most)

    def unit(self, width: int) -> MacUnit:
        """The family's unit of a number among `widths`."""
        return self._units[width]


def _frame(unit: MacUnit) -> str:
    """Everything of a unit but the formats of its sums and its output, which may be the same."""
    names = [f.name for f in fields(unit) if f.name not in ("accumulator", "output")]
    parts = {name: getattr(unit, name) for name in names}
    if isinstance(unit.order, Chunked | Bins):
        parts["order"] = replace(unit.order, outer=None)
    return repr(parts)


def families(texts: Sequence[str | Family], widest: int | None = None) -> tuple[Family, ...]:
    """Families, each once; ValueError for none."""
    if isinstance(texts, str | Family):
        raise TypeError(f"families={str(texts)!r}: a list of families is needed")
    found = [t if isinstance(t, Family) else Family(t, widest) for t in texts]
    if not found:
        raise ValueError("families=[]: at least one family is needed")
    return tuple(dict.fromkeys(found))
