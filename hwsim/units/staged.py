"""Blocks of products that are added up in two stages: first among themselves, then with the sum."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.errors import SpecError
from hwsim.units.checks import require_count

MOST_TERMS = 65_536
MOST_FRACTION = 4096


@dataclass(frozen=True)
class Staged:
    """Blocks of ``terms`` products in ``groups``, product k of a block in group k mod ``groups``;
    then the running sum.

    terms : L, products of a block.
    fraction : F; products are cut toward zero to F fraction bits of their group's largest exponent
        and added.  The groups' sums, and the running sum, go *down* to F fraction bits of the
        largest exponent of all.
    kept : S, of the products' sum, which goes down to S + 1 fraction bits next to the running sum,
        and of their total, which goes down to S fraction bits of its own exponent.
    groups : 1, or 2 for products of even and of odd index.
    reach : a running sum whose exponent lies more than this below the largest is 0; None: never.

    The exponents are those of `Fused`; a zero product has none, a running sum of 0 the smallest.
    A product of 2^(emax + 1) of the accumulator's or more is infinite.  One rounding a block.
    AMD's CDNA3: MMA-Sim, arXiv 2511.10909 (truncation, then rounding: TR-FDPA and GTR-FDPA).
    """

    terms: int
    fraction: int
    kept: int
    groups: int = 1
    reach: int | None = None

    @property
    def group(self) -> int:
        """Products of a block."""
        return self.terms

    def __str__(self) -> str:
        groups = f"g{self.groups}" if self.groups != 1 else ""
        reach = "" if self.reach is None else f"c{self.reach}"
        return f"staged{self.terms}f{self.fraction}s{self.kept}{groups}{reach}"

    def steps(self, k: int) -> tuple[int, int]:
        """Roundings of a sum of k products: inner, outer."""
        return -(-k // self.terms), 0

    def check(self) -> None:
        """Raise SpecError for fields that no hardware has."""
        require_count("staged: terms", self.terms, 1, MOST_TERMS)
        require_count("staged: fraction", self.fraction, 0, MOST_FRACTION)
        require_count("staged: kept", self.kept, 0, MOST_FRACTION)
        require_count("staged: groups", self.groups, 1, MOST_TERMS)
        if self.reach is not None:
            require_count("staged: reach", self.reach, 0, MOST_FRACTION)
        if self.groups > self.terms:
            message = f"staged: groups={self.groups}: not more than the {self.terms} terms"
            raise SpecError(message, part="order")
