"""Posits: a sign, a regime of any length, up to es exponent bits, and the fraction that is left.

Sources: Gustafson & Yonemoto 2017, Supercomputing Frontiers and Innovations 4(2) (any n and es);
Posit Working Group, Standard for Posit Arithmetic (2022) (es = 2, rounding, quire).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from hwsim.errors import SpecError
from hwsim.formats.checks import power_of_two, require_int

STANDARD_EXPONENT_BITS = 2
MOST_BITS = 64  # of a code
MOST_EXPONENT_BITS = 10
MOST_EXPONENT = 1022  # of a value: minpos is then a normal float64, too


@dataclass(frozen=True)
class PositFormat:
    """Posits of n = ``width`` bits and es = ``exponent_bits``; codes are two's complement.

    A positive code is, from its sign bit 0 down, a run of equal bits and the bit that ends it
    (k + 1 ones and a zero: k ≥ 0; −k zeros and a one: k < 0), es bits of e, and fraction bits f;
    what does not fit is cut off at the end, and counts as zeros.  Its value is
    2^(k·2^es + e)·(1 + f).

    Parameters
    ----------
    width : n, 2 … 64 bits.
    exponent_bits : es, 0 … 10; 2 in the standard of 2022.

    Raises SpecError where float64 does not hold every value: beyond 53 bits of a significand, or
    exponents of ±1022.  There is one zero, one NaN (NaR, the code 10…0), and no Inf.

    >>> fmt = PositFormat(8)
    >>> str(fmt), fmt.largest, fmt.precision, hex(fmt.nan_code)
    ('posit8_2', Fraction(16777216, 1), 4, '0x80')
    """

    width: int
    exponent_bits: int = STANDARD_EXPONENT_BITS

    def __post_init__(self) -> None:
        require_int("width", self.width, 2, MOST_BITS)
        require_int("exponent_bits", self.exponent_bits, 0, MOST_EXPONENT_BITS)
        if self.precision > 53:
            raise SpecError(
                f"format {self}: its significands near 1 have {self.precision} bits, float64's "
                "have 53, so no carrier holds them"
            )
        if self.emax > MOST_EXPONENT:
            raise SpecError(
                f"format {self}: its values from 2^-{self.emax} to 2^{self.emax} lie beyond float64"
                f" (exponents to ±{MOST_EXPONENT} are allowed), so no carrier holds them"
            )

    signed = has_zero = has_nan = has_exact_values = True
    has_inf = has_negative_zero = carried_as_codes = False
    has_subnormals = True  # nothing is flushed
    default_overflow = "saturate"  # the only one: no result but NaN is NaR

    # --- codes --------------------------------------------------------------------------------
    @property
    def nan_code(self) -> int:
        """NaR, the code of the sign bit alone."""
        return 1 << (self.width - 1)

    @property
    def largest_code(self) -> int:
        """Code of maxpos."""
        return self.nan_code - 1

    def magnitude(self, code: int) -> Fraction:
        """Value of a code from 0 to ``largest_code``."""
        return _value(code, self.width - 1, self.exponent_bits)

    def threshold(self, code: int) -> Fraction:
        """Where rounding to nearest goes on from a code but 0 to the next: the value of the code
        with a one behind it, of n + 1 bits."""
        return _value(2 * code + 1, self.width, self.exponent_bits)

    # --- range --------------------------------------------------------------------------------
    @property
    def precision(self) -> int:
        """Most bits of a significand, with the hidden one: those of values near 1."""
        return max(self.width - 3 - self.exponent_bits, 0) + 1

    @cached_property
    def emax(self) -> int:
        """Exponent of maxpos; that of minpos is its negative."""
        return (self.width - 2) << self.exponent_bits

    @cached_property
    def quantum_exponent(self) -> int:
        """Every value is a multiple of 2^this, minpos: a binade's bits get fewer by one at a time,
        its exponent falls by one or more."""
        return -self.emax

    @cached_property
    def largest(self) -> Fraction:
        """maxpos."""
        return power_of_two(self.emax)

    @cached_property
    def lowest(self) -> Fraction:
        """−maxpos."""
        return -self.largest

    @cached_property
    def smallest(self) -> Fraction:
        """minpos."""
        return power_of_two(-self.emax)

    @property
    def smallest_normal(self) -> Fraction:
        """Same as `smallest`: precision tapers, and nothing is subnormal."""
        return self.smallest

    @property
    def quire_bits(self) -> int:
        """Width of the quire: a sign, 31 bits of carries, and as many before and behind the point
        as the square of maxpos and of minpos need; with es = 2, the standard's 16·n."""
        return 32 + 4 * self.emax

    def __str__(self) -> str:
        return f"posit{self.width}_{self.exponent_bits}"


def _value(code: int, places: int, exponent_bits: int) -> Fraction:
    """What a code of ``places`` bits, without its sign, stands for."""
    if code == 0:
        return Fraction(0)
    first = code >> (places - 1)
    run = places - ((code ^ ((1 << places) - 1) if first else code).bit_length())
    regime = run - 1 if first else -run
    left = max(places - run - 1, 0)  # bits behind the one that ends the run
    tail = (code & ((1 << left) - 1)) << exponent_bits  # what was cut off counts as zeros
    e, f = tail >> left, tail & ((1 << left) - 1)
    return ((1 << left) + f) * power_of_two((regime << exponent_bits) + e - left)
