"""Formats that are tables: few values, each with a code, and no grid between them.

A kind of table gives `TableFormat.entries`; all that the rest of hwsim asks of a format follows
from them.  No table has Inf, NaN or −0.  Numbers beyond either end become the value there.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

MOST_BITS = 16  # of a code: 65 536 entries


class TableFormat:
    """A format given by its values, at most 2^16 of them.

    ``domain``: how nearness is measured.  In ``linear`` ones x goes to the value that |x − v| says;
    in ``log`` ones to that which |log|x| − log|v|| says, among values of x's sign.
    """

    has_inf = has_nan = has_negative_zero = carried_as_codes = False
    has_subnormals = True  # nothing is flushed
    default_overflow = "saturate"
    domain: str = "linear"
    # Whether values are what they stand for; else the floats nearest to that.
    has_exact_values: bool = True

    @property
    def width(self) -> int:
        """Width of a code, bits."""
        raise NotImplementedError

    @cached_property
    def entries(self) -> tuple[tuple[Fraction, int], ...]:
        """(value, code) of every code, by ascending value; values are float64 numbers."""
        raise NotImplementedError

    @cached_property
    def values_by_code(self) -> dict[int, Fraction]:
        """The value of every code that has one."""
        return {code: value for value, code in self.entries}

    @cached_property
    def mirrored(self) -> bool:
        """Whether −v is a value wherever v is."""
        values = [value for value, _ in self.entries]
        return values == [-value for value in reversed(values)]

    @cached_property
    def largest(self) -> Fraction:
        """Largest value."""
        return self.entries[-1][0]

    @cached_property
    def lowest(self) -> Fraction:
        """Lowest value."""
        return self.entries[0][0]

    @property
    def signed(self) -> bool:
        """Whether there are negative values."""
        return self.lowest < 0

    @cached_property
    def smallest(self) -> Fraction:
        """Smallest magnitude but 0."""
        return min(abs(value) for value, _ in self.entries if value)

    @property
    def smallest_normal(self) -> Fraction:
        """Same as `smallest`: no value is less precise than another."""
        return self.smallest

    @cached_property
    def has_zero(self) -> bool:
        """Whether 0 is a value."""
        return any(not value for value, _ in self.entries)

    @cached_property
    def quantum_exponent(self) -> int:
        """Every value is a multiple of 2^this."""
        return min(_lowest_bit(value) for value, _ in self.entries if value)

    @cached_property
    def significant_bits(self) -> int:
        """Most bits of a significand, trailing zeros not counted."""
        numbers = (abs(value) for value, _ in self.entries if value)
        return max((x / Fraction(2) ** _lowest_bit(x)).numerator.bit_length() for x in numbers)


def _lowest_bit(x: Fraction) -> int:
    """log2 of the largest power of two that divides a dyadic number but 0."""
    top = abs(x.numerator)
    return (top & -top).bit_length() - x.denominator.bit_length()
