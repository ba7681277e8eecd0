"""Numbers to codes: one rounding, then the range.  Alone in knowing the overflow rules of floats.

A float's exponent field and fraction are one integer, of which a rounding is one increment; it
carries from the fraction into the field, and from subnormal to normal numbers.
"""

from __future__ import annotations

from hwsim.formats import FixedFormat, FloatFormat, PositFormat, SumFormat
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux, block
from hwsim.rtl.numbers import NO, Number, choose, normalised
from hwsim.rtl.parts import leading_zeros, shift_left, shift_right
from hwsim.rtl.posits import project_posit
from hwsim.rtl.rounding import Rule, bits_below, goes_up
from hwsim.rtl.words import project_fixed


@block
def project(path: Datapath, x: Number, fmt: SumFormat, rule: Rule) -> Bits:
    """The code of x, rounded to ``fmt``."""
    if isinstance(fmt, FixedFormat):
        return project_fixed(path, x, fmt, rule)
    if isinstance(fmt, PositFormat):
        return project_posit(path, x, fmt, rule)
    if not isinstance(fmt, FloatFormat):
        raise TypeError(f"format {fmt}: no rounder; floats, integers and fixed point have one")
    field, significand, field_range = _on_the_grid(path, x, fmt, rule.rounding)
    p, f = fmt.precision, fmt.fraction_bits
    padding = Const(0, max(0, p - len(significand)))
    word = Cat(padding, significand)
    rest, fraction = word[: len(word) - p], word[len(word) - p : len(word) - 1]
    signed = field_range.start < 0
    last = fraction[0] if f else field[0]
    up = goes_up(path, rest, last, x.sign, rule)
    shape = range(field_range.start << f, ((field_range.stop) << f) + 1)
    packed = Cat(fraction, field)
    rounded = path.wire((packed.as_signed() if signed else packed) + up, "rounded", shape)
    return _ranged(path, x, rounded, shape, (fmt, rule))


def _on_the_grid(
    path: Datapath, x: Number, fmt: FloatFormat, rounding: str
) -> tuple[Bits, Bits, range]:
    """Exponent field, significand from the field's hidden bit on, and the field's range.

    With subnormals the shift to the left stops at the smallest exponent; a number that begins
    below it is normalised, then shifted right.  Without, exponents go on below.
    """
    if not fmt.has_subnormals:
        return _unbounded(path, normalised(path, x), fmt)
    if x.least < fmt.emin:
        return _down(path, normalised(path, x), fmt, rounding)
    above = path.wire(x.exponent + (x.origin - fmt.emin), "above", range(x.most - fmt.emin + 1))
    fields = range(x.most - fmt.emin + 2)
    if x.leading == 0:
        return path.wire(above + 1, "field", fields), x.significand, fields
    if x.loose <= fmt.emin:  # leading zeros are those of subnormal numbers
        return (
            path.wire(Mux(x.significand[-1], above + 1, 0), "field", fields),
            x.significand,
            fields,
        )
    zeros = leading_zeros(path, x.significand[x.bits - x.leading - 1 :])
    left = path.wire(above - zeros, "left_over")
    stops = path.wire(left < 0, "stops")
    shift = path.wire(Mux(stops, above, zeros), "amount", len(zeros))
    significand = shift_left(path, x.significand, shift, x.leading)
    field = path.wire(Mux(stops, 0, left + 1), "field", fields)
    return field, significand, fields


def _down(path: Datapath, x: Number, fmt: FloatFormat, rounding: str) -> tuple[Bits, Bits, range]:
    """A normalised number, right onto the subnormal grid."""
    low = x.least - fmt.emin
    over = path.wire(x.exponent + (x.origin - fmt.emin), "over", range(low, x.most - fmt.emin + 2))
    small = path.wire(over < 0, "small")
    amount = path.wire(-over, "under")
    amount = Cat(*(bit & small for bit in amount[: max(1, (-low).bit_length())]))
    width = max(x.bits, fmt.precision + bits_below(rounding))
    significand = shift_right(path, x.significand, amount, width)
    fields = range(max(x.most - fmt.emin, 0) + 2)
    return path.wire(Mux(small, 0, over + 1), "field", fields), significand, fields


def _unbounded(path: Datapath, x: Number, fmt: FloatFormat) -> tuple[Bits, Bits, range]:
    least, most = x.least + fmt.exponent_bias, x.most + fmt.exponent_bias
    fields = range(min(least, 0), max(most, 0) + 1)
    return (
        path.wire(x.exponent + (x.origin + fmt.exponent_bias), "field", fields),
        x.significand,
        fields,
    )


def _ranged(
    path: Datapath, x: Number, rounded: Bits, shape: range, into: tuple[FloatFormat, Rule]
) -> Bits:
    """Zeros, overflow, Inf and NaN."""
    fmt, rule = into
    w = fmt.width - fmt.signed
    code, gone = rounded[:w], x.zero
    smallest = _smallest_code(fmt, rule)
    if smallest > 0:
        gone = path.wire(gone | (rounded < smallest), "gone")
    code = Cat(*(bit & ~gone for bit in code), Const(0, w - len(code)))
    sign = x.sign
    if not fmt.has_negative_zero:
        sign = path.wire(sign & code.any(), "sign_out")
    result = Cat(code, sign)
    if shape.stop - 1 > fmt.largest_code:
        over = path.wire((rounded > fmt.largest_code) & ~x.zero, "over")
        result = path.wire(Mux(over, _beyond(path, x.sign, fmt, rule), result), "in_range")
    if not isinstance(x.infinite, Const):
        result = Mux(x.infinite, _of_infinity(x.sign, fmt, rule), result)
    if fmt.has_nan and not isinstance(x.nan, Const):
        result = Mux(x.nan, Const(fmt.nan_code, fmt.width), result)
    return path.wire(result, "code", fmt.width)


def _smallest_code(fmt: FloatFormat, rule: Rule) -> int:
    """Codes of magnitude under this are zeros."""
    if fmt.zero_field == "zero" or (rule.ftz and fmt.zero_field == "subnormal"):
        return 1 << fmt.fraction_bits
    return int(fmt.zero_field == "normal")


def extreme(sign: Bits, fmt: FloatFormat) -> Bits:
    """Largest or lowest finite value."""
    return Cat(Const(fmt.largest_code, fmt.width - fmt.signed), sign)


def _infinity(sign: Bits, fmt: FloatFormat) -> Bits:
    return Cat(Const(fmt.inf_code, fmt.width - fmt.signed), sign)


def _beyond(path: Datapath, sign: Bits, fmt: FloatFormat, rule: Rule) -> Bits:
    """What an overflow becomes."""
    if rule.overflow in ("saturate", "saturate_all"):
        return extreme(sign, fmt)
    if rule.overflow == "nan":
        return Const(fmt.nan_code, fmt.width)
    inward = {"rtz": Const(1, 1), "rup": sign, "rdn": ~sign}
    if rule.overflow == "sat_none":
        inward["rto"] = Const(fmt.largest_code % 2, 1)
        if not fmt.has_inf:
            return extreme(sign, fmt)
    elif rule.overflow == "inf_always":
        inward = {}
    else:
        inward["rto"] = Const(1, 1)
    return choose(inward.get(rule.rounding, NO), extreme(sign, fmt), _infinity(sign, fmt))


def _of_infinity(sign: Bits, fmt: FloatFormat, rule: Rule) -> Bits:
    """What ±Inf becomes."""
    if rule.overflow == "saturate_all":
        return extreme(sign, fmt)
    if fmt.has_inf:
        return _infinity(sign, fmt)
    if rule.overflow in ("saturate", "sat_none"):
        return extreme(sign, fmt)
    return Const(fmt.nan_code, fmt.width) if fmt.has_nan else extreme(sign, fmt)
