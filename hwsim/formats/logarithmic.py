"""Logarithmic formats: a sign, and the logarithm of the magnitude in fixed point.

Sources: Miyashita, Lee, Murmann 2016, arXiv 1603.01025, §3 (base 2 and √2, rounding of log2|x|,
full scale range); Zhao et al. 2021, arXiv 2106.13914 (LNS-Madam: 8 bits, base factor γ = 8);
Vogel et al. 2018, ICCAD, doi 10.1145/3240765.3240803 (any base 2^(2^-f)).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache, cached_property
from math import isqrt

from hwsim.errors import SpecError
from hwsim.formats.checks import power_of_two, require_bool, require_choice, require_int
from hwsim.formats.tables import MOST_BITS, TableFormat

DOMAINS = ("log", "linear")
MOST_FRACTION_BITS = 10
ROOT_BITS = 128


@dataclass(frozen=True)
class LogFormat(TableFormat):
    """±2^((field − bias) / 2^f), the field of i + f bits: base 2^(2^-f), f fraction bits.

    Parameters
    ----------
    integer_bits, fraction_bits : i ≥ 0 and f, 0 … 10, of the field; a code has at most 16 bits.
    bias : the field whose value is 1; by default that of the smallest value.  Miyashita's full
        scale range FSR is a bias of 2^i − FSR (f = 0).
    signed : whether there is a sign bit, above the field.
    has_zero : whether field 0 stands for 0.  The code of −0 stands for nothing.
    domain : where roundings to nearest measure: ``log`` (the neighbours 2^k and 2^(k+1) part at
        √2·2^k; field 0 counts as the power that it would be) or ``linear`` (at 1.5·2^k).

    With f ≥ 1 most values are irrational; the format's values are the float32 nearest to them, or
    the float64 where float32's normal numbers do not span them.

    >>> fmt = LogFormat(4, 3, has_zero=False)
    >>> str(fmt), fmt.width, round(float(fmt.largest), 3)
    ('lns8', 8, 60096.777)
    >>> [int(value) for value, _ in LogFormat(2).entries]
    [-4, -2, -1, 0, 1, 2, 4]
    """

    integer_bits: int
    fraction_bits: int = 0
    bias: int | None = None
    signed: bool = True
    has_zero: bool = True
    domain: str = "log"

    def __post_init__(self) -> None:
        require_int("integer_bits", self.integer_bits, 0, MOST_BITS)
        require_int("fraction_bits", self.fraction_bits, 0, MOST_FRACTION_BITS)
        require_bool("signed", self.signed)
        require_bool("has_zero", self.has_zero)
        require_choice("domain", self.domain, DOMAINS)
        if self.bias is None:
            object.__setattr__(self, "bias", self.first_field)
        require_int("bias", self.bias, -(2**21), 2**21)
        if self.field_bits < 1 or self.width > MOST_BITS:
            raise SpecError(
                f"format {self._spelling()}: {self.field_bits} exponent bits and {self.width} in "
                f"all; at least 1 and at most {MOST_BITS} are needed"
            )
        low, high = self.exponent(self.first_field), self.exponent(self.last_field)
        if low < -1022 or high >= 1024:
            raise SpecError(
                f"format {self._spelling()}: its values from 2^{float(low)} to 2^{float(high)} lie "
                "beyond float64's normal numbers, so no carrier holds them"
            )

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, f.name) for f in fields(self)))

    def __hash__(self) -> int:
        return self._hash  # formats are keys of every cache

    def __getstate__(self) -> dict[str, object]:
        """The fields alone: hashes of strings differ between processes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    # --- the field ----------------------------------------------------------------------------
    @property
    def field_bits(self) -> int:
        """Width of the field, bits."""
        return self.integer_bits + self.fraction_bits

    @property
    def width(self) -> int:
        """Width of a code, bits."""
        return self.field_bits + int(self.signed)

    @property
    def first_field(self) -> int:
        """Field of the smallest value."""
        return int(self.has_zero)

    @property
    def last_field(self) -> int:
        """Field of the largest value."""
        return (1 << self.field_bits) - 1

    @property
    def exponent_bias(self) -> int:
        """The bias, resolved."""
        assert self.bias is not None
        return self.bias

    def exponent(self, field: int) -> Fraction:
        """log2 of the magnitude that a field stands for."""
        return Fraction(field - self.exponent_bias, 1 << self.fraction_bits)

    # --- values -------------------------------------------------------------------------------
    @property
    def has_exact_values(self) -> bool:  # type: ignore[override]
        """Whether every value is a power of two; the others' are irrational."""
        return self.fraction_bits == 0

    def magnitude(self, field: int) -> Fraction:
        """The value of a field but that of zero: the nearest number to 2^exponent that has
        `value_bits`."""
        steps = field - self.exponent_bias
        whole, part = divmod(steps, 1 << self.fraction_bits)
        root = root_of_two(part, self.fraction_bits)
        drop = ROOT_BITS + 1 - self.value_bits  # a tie would make the power rational
        return ((root + (1 << (drop - 1))) >> drop) * power_of_two(whole - ROOT_BITS + drop)

    @cached_property
    def value_bits(self) -> int:
        """Bits of a value's significand: those of float32, or of float64."""
        low, high = self.exponent(self.first_field), self.exponent(self.last_field)
        return 24 if low >= -126 and high < 128 else 53

    def threshold(self, field: int) -> Fraction:
        """Where rounding in the log domain goes on from a field to the next.

        A number on the same side of every number of up to `ROOT_BITS` bits as the irrational
        2^(exponent(field) + 2^-(f+1)).
        """
        steps = 2 * (field - self.exponent_bias) + 1
        whole, part = divmod(steps, 2 << self.fraction_bits)
        root = root_of_two(part, self.fraction_bits + 1)
        return (2 * root + 1) * power_of_two(whole - ROOT_BITS - 1)

    @cached_property
    def entries(self) -> tuple[tuple[Fraction, int], ...]:
        """(value, code), ascending."""
        found = [(self.magnitude(f), f) for f in range(self.first_field, self.last_field + 1)]
        if self.has_zero:
            found.insert(0, (Fraction(0), 0))
        if self.signed:
            sign = 1 << self.field_bits
            below = [(-value, sign | field) for value, field in found if value]
            found = below[::-1] + found
        return tuple(found)

    # --- the name -----------------------------------------------------------------------------
    def _spelling(self) -> str:
        name = f"log{self.integer_bits}.{self.fraction_bits}"
        if self.fraction_bits == 0:
            name = f"pow2_{self.width}"
        if self.bias != self.first_field:
            name += f"b{self.bias}".replace("-", "n")
        name += ("" if self.signed else "_unsigned") + ("" if self.has_zero else "_nozero")
        return name + ("_linear" if self.domain == "linear" else "")

    def __str__(self) -> str:
        from hwsim.formats.types import short_names  # which are made of formats

        return short_names().get(self) or self._spelling()


@cache
def root_of_two(part: int, depth: int) -> int:
    """floor(2^ROOT_BITS · 2^(part / 2^depth)), for 0 ≤ part < 2^depth.

    A product of square roots 2^(1/2), 2^(1/4), …, each cut off 64 bits further down: each factor
    and each cut errs by under 4 units there, always downwards.
    """
    work = ROOT_BITS + 64
    product = 1 << work
    for place, root in enumerate(_square_roots(depth, work), 1):
        if part >> (depth - place) & 1:
            product = product * root >> work
    assert (product & ((1 << 64) - 1)) + (1 << 20) < 1 << 64, "more bits are needed"
    return product >> 64


@cache
def _square_roots(depth: int, bits: int) -> tuple[int, ...]:
    """2^(1/2), 2^(1/4), … as multiples of 2^-bits, rounded down."""
    roots, last = [], 2 << bits
    for _ in range(depth):
        last = isqrt(last << bits)
        roots.append(last)
    return tuple(roots)
