"""Number formats as values: what a code means, and nothing about how fast it is found.

A format is a frozen dataclass.  Everything that another part of hwsim asks of one (range,
grid, specials, canonical codes) is a property here, in exact integers and ``Fraction``.

Sources: IEEE 754-2019 §3; OCP 8-bit Floating Point Specification (OFP8) 1.0; OCP Microscaling
(MX) 1.0 §5.3; Agrawal et al. 2019 (DLFloat); the fnuz formats as in ONNX and ml_dtypes; IEEE P3109
interim report 4.0 §4.7.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from typing import Literal

from hwsim.errors import SpecError
from hwsim.formats import p3109
from hwsim.formats.checks import power_of_two, require_bool, require_choice, require_int
from hwsim.formats.posits import PositFormat
from hwsim.formats.tables import TableFormat

Specials = Literal["ieee", "fn", "fnuz", "none", "merged", "p3109e", "p3109f"]
ZeroField = Literal["subnormal", "zero", "normal"]

SPECIALS: tuple[Specials, ...] = ("ieee", "fnuz", "fn", "none", "merged", "p3109e", "p3109f")
ZERO_FIELDS: tuple[ZeroField, ...] = ("subnormal", "zero", "normal")
ROUNDINGS = ("rne", "rna", "rtz", "rup", "rdn", "rto")
OVERFLOWS = ("inf", "inf_always", "saturate", "saturate_all", "sat_none", "nan", "wrap")


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating-point format of any exponent width, precision and bias.

    Parameters
    ----------
    exponent_bits : width of the exponent field, bits, 1 … 11 (more where float64 still holds it).
    precision : significand bits with the hidden bit, 1 … 53; the trailing field has one less.
    bias : exponent bias; by default 2^(X−1) − 1, and 2^(X−1) for ``fnuz`` and P3109.
    specials : ``ieee`` (all-ones exponent: Inf and NaN), ``fn`` (NaN at all ones only), ``fnuz``
        (NaN at the code of −0), ``none``, ``merged`` (DLFloat: all ones is NaN-or-Infinity),
        ``p3109e`` and ``p3109f`` (P3109: one NaN, at the code of −0 or, unsigned, the last; the
        code before the next sign's, or before NaN, is Inf in ``p3109e``).
    signed : whether there is a sign bit.
    zero_field : what exponent field 0 holds: ``subnormal`` numbers, only ``zero`` (any fraction
        decodes to ±0), or ``normal`` numbers (all but code 0).
    has_zero : False only for pure scales such as e8m0.

    >>> FloatFormat(4, 4, specials="fn").largest
    Fraction(448, 1)
    """

    exponent_bits: int
    precision: int
    bias: int | None = None
    specials: Specials = "ieee"
    signed: bool = True
    zero_field: ZeroField = "subnormal"
    has_zero: bool = True

    def __post_init__(self) -> None:
        x, p = self.exponent_bits, self.precision
        require_int("exponent_bits", x, 1, 15)
        require_int("precision", p, 1, 53)
        require_choice("specials", self.specials, SPECIALS)
        require_choice("zero_field", self.zero_field, ZERO_FIELDS)
        require_bool("signed", self.signed)
        require_bool("has_zero", self.has_zero)
        if self.specials in p3109.SPECIALS:
            self._check_p3109()
        if self.bias is None:
            object.__setattr__(self, "bias", default_bias(x, self.specials))
        require_int("bias", self.exponent_bias, -2000, 4000)
        if self.width > 64:
            raise SpecError(f"format {self._spelling()}: {self.width} bits wide; at most 64")
        if self.specials == "ieee" and (p == 1 or x == 1):
            raise SpecError(
                f"format {self._spelling()}: ieee specials need at least 2 exponent bits and 1 "
                "fraction bit (no code is left for NaN); use the suffix 'fn' or 'none'"
            )
        if self.specials == "fnuz" and not self.signed:
            raise SpecError("specials 'fnuz' puts NaN at the code of -0, so signed must be True")
        if not self.has_zero and (self.signed or self.zero_field != "normal"):
            raise SpecError("has_zero=False needs signed=False and zero_field='normal'")
        if self.largest_code < 1:
            raise SpecError(f"format {self._spelling()} has no finite value but zero")
        if self.emax > 1023 or self.quantum_exponent < -1074:
            raise SpecError(
                f"format {self._spelling()}: its largest value or smallest subnormal lies beyond "
                "float64 (exponents -1074 … 1023), so no carrier holds it"
            )

    def _check_p3109(self) -> None:
        p3109.check(self.width, self.precision, self.signed)
        plain = self.bias in (None, default_bias(self.exponent_bits, self.specials))
        if not plain or self.zero_field != "subnormal" or not self.has_zero:
            raise SpecError(
                f"specials {self.specials!r}: P3109 fixes the bias, 2^(X - 1), zero and subnormals"
            )

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, f.name) for f in fields(self)))

    def __hash__(self) -> int:
        return self._hash  # formats are keys of every cache

    def __getstate__(self) -> dict[str, object]:
        """The fields alone: hashes of strings differ between processes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    # --- fields -------------------------------------------------------------------------------
    @property
    def exponent_bias(self) -> int:
        """The exponent bias, resolved."""
        assert self.bias is not None
        return self.bias

    @cached_property
    def fraction_bits(self) -> int:
        """Width of the trailing significand field, bits."""
        return self.precision - 1

    @cached_property
    def width(self) -> int:
        """Width of a code, bits."""
        return int(self.signed) + self.exponent_bits + self.fraction_bits

    # --- specials -----------------------------------------------------------------------------
    @property
    def has_inf(self) -> bool:
        """Whether ±Inf have codes."""
        return self.specials in ("ieee", "p3109e")

    @property
    def has_nan(self) -> bool:
        """Whether NaN has a code."""
        return self.specials != "none"

    @property
    def has_negative_zero(self) -> bool:
        """Whether −0 is a value apart from +0."""
        return self.signed and self.has_zero and not self.has_nan_at_minus_zero

    @property
    def has_nan_at_minus_zero(self) -> bool:
        """Whether NaN takes the code of −0."""
        return self.signed and self.specials in ("fnuz", *p3109.SPECIALS)

    @property
    def sign_code(self) -> int:
        """The code's sign bit, as a mask; 0 when unsigned."""
        return 1 << (self.width - 1) if self.signed else 0

    @property
    def inf_code(self) -> int:
        """Code of +Inf (only where has_inf)."""
        if self.specials == "p3109e":
            return self._magnitude_mask - (not self.signed)  # unsigned, NaN is above
        return ((1 << self.exponent_bits) - 1) << self.fraction_bits

    @property
    def nan_code(self) -> int:
        """The canonical NaN's code (only where has_nan)."""
        if self.specials == "ieee":
            return self.inf_code | 1 << (self.fraction_bits - 1)
        return self.sign_code if self.has_nan_at_minus_zero else self._magnitude_mask

    # --- range --------------------------------------------------------------------------------
    @property
    def _magnitude_mask(self) -> int:
        return (1 << (self.exponent_bits + self.fraction_bits)) - 1

    @cached_property
    def largest_code(self) -> int:
        """Code of the largest finite value."""
        if self.has_inf:
            return self.inf_code - 1
        return self._magnitude_mask - (self.has_nan and not self.has_nan_at_minus_zero)

    @cached_property
    def emin(self) -> int:
        """Exponent of the smallest normal binade."""
        return (0 if self.zero_field == "normal" else 1) - self.exponent_bias

    @cached_property
    def emax(self) -> int:
        """Exponent of the largest finite value."""
        field = self.largest_code >> self.fraction_bits
        if field == 0 and self.zero_field == "subnormal":  # e1mY: subnormals alone
            return self.largest_code.bit_length() - 1 + self.quantum_exponent
        return field - self.exponent_bias

    @cached_property
    def quantum_exponent(self) -> int:
        """log2 of the spacing of the smallest binade: every value is a multiple of 2^this."""
        return self.emin - self.fraction_bits

    def magnitude(self, code: int) -> Fraction:
        """Value of a finite code without its sign."""
        fraction = code & ((1 << self.fraction_bits) - 1)
        field = (code & self._magnitude_mask) >> self.fraction_bits
        if field == 0 and self.zero_field == "zero":
            return Fraction(0)
        if field == 0 and self.zero_field == "subnormal":
            return fraction * power_of_two(self.quantum_exponent)
        if field == fraction == 0 and self.has_zero:
            return Fraction(0)
        return (fraction + (1 << self.fraction_bits)) * power_of_two(
            field - self.exponent_bias - self.fraction_bits
        )

    @cached_property
    def largest(self) -> Fraction:
        """Largest finite value."""
        return self.magnitude(self.largest_code)

    @cached_property
    def lowest(self) -> Fraction:
        """Most negative finite value; the smallest value when unsigned."""
        if self.signed:
            return -self.largest
        return Fraction(0) if self.has_zero else self.magnitude(0)

    @cached_property
    def smallest_normal(self) -> Fraction:
        """Smallest positive normal value."""
        if self.zero_field == "normal" and self.has_zero:
            return self.magnitude(1)  # code 0 is taken by zero
        return power_of_two(self.emin)

    @cached_property
    def smallest(self) -> Fraction:
        """Smallest positive value."""
        if self.zero_field == "subnormal" and self.precision > 1:
            return power_of_two(self.quantum_exponent)
        return self.smallest_normal

    @property
    def has_subnormals(self) -> bool:
        """Whether exponent field 0 holds subnormal numbers."""
        return self.zero_field == "subnormal"

    carried_as_codes = False  # see `FixedFormat.carried_as_codes`
    has_exact_values = True  # see `TableFormat.has_exact_values`

    @property
    def default_overflow(self) -> str:
        """The overflow rule used when none is named."""
        if self.has_inf:
            return "inf"
        return "saturate" if self.has_zero else "nan"

    def _spelling(self) -> str:
        """The name by fields, without the catalogue's short names."""
        x, y, s = self.exponent_bits, self.fraction_bits, self.specials
        if s in p3109.SPECIALS:
            return p3109.name(self.width, self.precision, self.signed, s)
        plain = self.exponent_bias == default_bias(x, s)
        name = f"e{x}m{y}" + ("" if plain else f"b{self.exponent_bias}".replace("-", "n"))
        if s != default_specials(x, y):
            name += s
        name += {"subnormal": "", "zero": "_nosub", "normal": "_normal0"}[self.zero_field]
        return name + ("" if self.signed else "_unsigned") + ("" if self.has_zero else "_nozero")

    def __str__(self) -> str:
        return short_names().get(self) or self._spelling()


@dataclass(frozen=True)
class FixedFormat:
    """Two's complement fixed point: code · 2^−fraction_bits.

    Parameters: ``integer_bits`` (without the sign) and ``fraction_bits``, each ≥ 0; ``signed``;
    ``symmetric`` leaves out the most negative code.  Width 1 + I + F (I + F unsigned), 1 … 64.

    >>> str(FixedFormat(3, 4)), float(FixedFormat(3, 4).largest)
    ('fixed3.4', 7.9375)
    """

    integer_bits: int
    fraction_bits: int
    signed: bool = True
    symmetric: bool = False

    def __post_init__(self) -> None:
        require_int("integer_bits", self.integer_bits, 0, 64)
        require_int("fraction_bits", self.fraction_bits, 0, 64)
        require_bool("signed", self.signed)
        require_bool("symmetric", self.symmetric)
        if not 1 <= self.width <= 64:
            raise SpecError(f"format {self._spelling()}: {self.width} bits wide; allowed 1 … 64")
        if self.symmetric and (not self.signed or self.width < 2):
            raise SpecError(f"format {self._spelling()}: symmetric needs a sign and 2 bits")

    @cached_property
    def width(self) -> int:
        """Width of a code, bits."""
        return int(self.signed) + self.integer_bits + self.fraction_bits

    @cached_property
    def largest_code(self) -> int:
        """Largest integer code."""
        return (1 << (self.width - int(self.signed))) - 1

    @cached_property
    def lowest_code(self) -> int:
        """Lowest integer code."""
        return (-self.largest_code - 1 + int(self.symmetric)) if self.signed else 0

    @cached_property
    def quantum_exponent(self) -> int:
        """log2 of the spacing of the values."""
        return -self.fraction_bits

    @cached_property
    def largest(self) -> Fraction:
        """Largest value."""
        return self.largest_code * power_of_two(self.quantum_exponent)

    @cached_property
    def lowest(self) -> Fraction:
        """Lowest value."""
        return self.lowest_code * power_of_two(self.quantum_exponent)

    has_inf = has_nan = has_negative_zero = False
    has_zero = has_subnormals = has_exact_values = True

    @property
    def carried_as_codes(self) -> bool:
        """Whether arrays hold codes, since float64 does not hold the values."""
        return self.width > 53 and self.fraction_bits > 0

    @cached_property
    def smallest(self) -> Fraction:
        """Smallest positive value: one unit in the last place."""
        return power_of_two(self.quantum_exponent)

    @cached_property
    def smallest_normal(self) -> Fraction:
        """Same as `smallest`: fixed point never underflows gradually."""
        return self.smallest

    @property
    def default_overflow(self) -> str:
        """The overflow rule used when none is named."""
        return "saturate"

    def _spelling(self) -> str:
        sign = "" if self.signed else "u"
        return f"{sign}fixed{self.integer_bits}.{self.fraction_bits}" + "_sym" * self.symmetric

    def __str__(self) -> str:
        return self._spelling()


class IntFormat(FixedFormat):
    """Two's complement integers of ``bits`` bits, 1 … 64; ``symmetric`` excludes the lowest code.

    >>> IntFormat(8).lowest_code, IntFormat(8, symmetric=True).lowest_code
    (-128, -127)
    """

    def __init__(self, bits: int, signed: bool = True, symmetric: bool = False) -> None:
        require_int("bits", bits, 1, 64)
        require_bool("signed", signed)
        super().__init__(bits - int(signed), 0, signed, symmetric)

    @property
    def default_overflow(self) -> str:
        """``wrap``; ``saturate`` when symmetric, where a code is missing from the circle."""
        return "saturate" if self.symmetric else "wrap"

    def _spelling(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.width}" + "_sym" * self.symmetric

    def __repr__(self) -> str:
        return f"IntFormat({self.width}, signed={self.signed}, symmetric={self.symmetric})"


GridFormat = FloatFormat | FixedFormat  # whose values lie on a grid
SumFormat = GridFormat | PositFormat  # what sums can be rounded to
Format = SumFormat | TableFormat


def default_bias(exponent_bits: int, specials: Specials) -> int:
    """The bias where none is named."""
    raised = specials in ("fnuz", *p3109.SPECIALS)
    return int(2 ** (exponent_bits - 1)) - (not raised)


def default_specials(exponent_bits: int, fraction_bits: int) -> Specials:
    """Specials of a bare ``eXmY``: OCP's where OCP defines the format, else IEEE's."""
    ocp: dict[tuple[int, int], Specials] = {
        (4, 3): "fn",
        (3, 2): "none",
        (2, 3): "none",
        (2, 1): "none",
    }
    return ocp.get((exponent_bits, fraction_bits), "ieee")


def check_overflow(rule: str, fmt: Format) -> None:
    """Raise SpecError when ``fmt`` cannot obey the overflow ``rule``."""
    require_choice("overflow", rule, OVERFLOWS)
    why = {
        "wrap": "" if isinstance(fmt, FixedFormat) else "only integers and fixed point wrap",
        "inf": "" if fmt.has_inf else "it has no Inf",
        "inf_always": "" if fmt.has_inf else "it has no Inf",
        "sat_none": "" if _has_sat_none(fmt) else "it is a rule of floats with zero, sign or NaN",
        "nan": "" if fmt.has_nan else "it has no NaN",
    }.get(rule, "")
    if rule == "wrap" and isinstance(fmt, FixedFormat) and fmt.symmetric:
        why = "a symmetric format leaves a hole in the circle"
    if isinstance(fmt, PositFormat) and rule != "saturate":
        why = "posits saturate"
    if why:
        raise SpecError(f"overflow {rule!r} is impossible for {fmt}: {why}")


def _has_sat_none(fmt: Format) -> bool:
    return isinstance(fmt, FloatFormat) and fmt.has_zero and (fmt.signed or fmt.has_nan)


def plain_overflow(rule: str, fmt: Format, rounding: str) -> str:
    """The rule that does in ``fmt`` what ``rule`` does; ``sat_none`` itself where no other does.

    >>> plain_overflow("sat_none", FloatFormat(4, 4, specials="p3109f"), "rne")
    'saturate'
    """
    if rule != "sat_none" or not fmt.signed:
        return rule
    if not fmt.has_inf:
        return "saturate"
    assert isinstance(fmt, FloatFormat)
    return "inf_always" if rounding == "rto" and fmt.inf_code % 2 else "inf"


def short_names() -> dict[Format, str]:
    """Formats whose name is not made of their fields."""
    from hwsim.formats.catalogue import SHORT_NAMES  # the catalogue is made of these types

    return SHORT_NAMES
