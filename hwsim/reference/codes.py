"""Codes: the bits that stand for a value.

Source: IEEE 754-2019 §3.4; OCP OFP8 1.0 §5; OCP MX 1.0 §5.3; Agrawal et al. 2019 (DLFloat);
IEEE P3109 interim report 4.0 §4.7;
`hwsim.formats.FloatFormat` says in which of these a format's codes are read.
"""

from __future__ import annotations

from hwsim.formats import FixedFormat, FloatFormat, Format, PositFormat, TableFormat
from hwsim.reference.posits import decode_posit, encode_posit
from hwsim.reference.tables import decode_table, encode_table
from hwsim.reference.values import (
    NAN,
    Kind,
    Value,
    finite,
    from_int,
    infinity,
    to_int,
    zero,
)


def decode(code: int, fmt: Format) -> Value:
    """The value of a code; ValueError when the format has no such code."""
    if not 0 <= code < 1 << fmt.width:
        raise ValueError(f"code {code}: {fmt} has codes from 0 to {(1 << fmt.width) - 1}")
    if isinstance(fmt, FixedFormat):
        return _decode_fixed(code, fmt)
    if isinstance(fmt, TableFormat):
        return decode_table(code, fmt)
    if isinstance(fmt, PositFormat):
        return decode_posit(code, fmt)
    if fmt.has_nan and code == fmt.nan_code:
        return NAN
    negative, magnitude = code >= fmt.sign_code > 0, code & ~fmt.sign_code
    if magnitude > fmt.largest_code:
        return infinity(negative) if fmt.has_inf and magnitude == fmt.inf_code else NAN
    return _decode_magnitude(negative, magnitude, fmt)


def _decode_magnitude(negative: bool, code: int, fmt: FloatFormat) -> Value:
    """The value of a finite code, given apart from its sign."""
    field, fraction = code >> fmt.fraction_bits, code & ((1 << fmt.fraction_bits) - 1)
    hidden = 1 << fmt.fraction_bits
    if field == 0 and fmt.zero_field == "zero":
        return zero(negative and fmt.has_negative_zero)  # fnuz has no −0, so it is +0
    if field == 0 and fmt.zero_field == "subnormal":
        return finite(negative, fraction, fmt.quantum_exponent)
    if code == 0 and fmt.has_zero:
        return zero(negative)
    return finite(negative, hidden + fraction, field - fmt.exponent_bias - fmt.fraction_bits)


def _decode_fixed(code: int, fmt: FixedFormat) -> Value:
    """The value of two's complement bits."""
    number = code - (1 << fmt.width) if code > fmt.largest_code else code
    if number < fmt.lowest_code:
        raise ValueError(f"code {code}: the symmetric format {fmt} leaves it out")
    return from_int(number, fmt.quantum_exponent)


def encode(x: Value, fmt: Format) -> int:
    """The canonical code of x; ValueError when x is no value of the format."""
    if isinstance(fmt, TableFormat):
        return encode_table(x, fmt)
    if isinstance(fmt, PositFormat):
        return encode_posit(x, fmt)
    try:
        code = _encode_fixed(x, fmt) if isinstance(fmt, FixedFormat) else _encode_float(x, fmt)
        if decode(code, fmt) == x:
            return code
    except ValueError:
        pass
    raise ValueError(f"{x} is no value of the format {fmt}")


def _encode_fixed(x: Value, fmt: FixedFormat) -> int:
    return to_int(x, fmt.quantum_exponent) & ((1 << fmt.width) - 1)


def _encode_float(x: Value, fmt: FloatFormat) -> int:
    """The code that x has if it has one; any code, or ValueError, if it has none."""
    if x.kind is Kind.NAN:
        return fmt.nan_code
    sign = fmt.sign_code if x.negative else 0
    if x.kind is Kind.INFINITE:
        return sign | fmt.inf_code
    if x.is_zero:
        return sign
    if x.leading_exponent < fmt.emin:  # subnormal: field 0, no hidden bit
        return sign | abs(to_int(x, fmt.quantum_exponent))
    exponent = x.leading_exponent
    significand = abs(to_int(x, exponent - fmt.fraction_bits))  # with the hidden bit
    field = exponent + fmt.exponent_bias
    return sign | ((field << fmt.fraction_bits) + significand - (1 << fmt.fraction_bits))
