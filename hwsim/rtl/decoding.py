"""Codes to numbers: the first block of every datapath."""

from __future__ import annotations

from hwsim.formats import FixedFormat, FloatFormat, Format, PositFormat, TableFormat
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, block
from hwsim.rtl.numbers import NO, Number
from hwsim.rtl.parts import negated
from hwsim.rtl.posits import decode_posit
from hwsim.rtl.tables import decode_table


@block
def decode(path: Datapath, code: Bits, fmt: Format, flush: str = "") -> Number:
    """The number that a code of ``fmt`` stands for.

    flush : ``daz`` reads subnormals as zeros of their sign, ``ftz`` them, and −0, as +0.

    Raises TypeError for a format that has no decoder.
    """
    if isinstance(fmt, FloatFormat):
        return _float(path, code, fmt, flush)
    if isinstance(fmt, FixedFormat):
        return _fixed(path, code, fmt)
    if isinstance(fmt, TableFormat):
        return decode_table(path, code, fmt)
    if isinstance(fmt, PositFormat):
        return decode_posit(path, code, fmt)
    raise TypeError(f"format {fmt}: no decoder")


def _float(path: Datapath, code: Bits, fmt: FloatFormat, flush: str) -> Number:
    f, x, fraction = fmt.fraction_bits, fmt.exponent_bits, code[: fmt.fraction_bits]
    field, magnitude = code[f : f + x], code[: f + x]
    sign = code[f + x] if fmt.signed else NO
    some = path.wire(field.any(), "field_set")
    kind = "zero" if flush and fmt.zero_field == "subnormal" else fmt.zero_field
    if kind == "subnormal":
        hidden, zero = some, path.wire(~magnitude.any(), "zero")
        exponent = Cat(field[0] | ~some, field[1:])
    elif kind == "zero":
        hidden, zero = some, path.wire(~some, "zero")
        fraction = Cat(*(bit & some for bit in fraction))
        exponent = field
    else:
        hidden = path.wire(magnitude.any(), "not_zero") if fmt.has_zero else Const(1, 1)
        zero, exponent = ~hidden, field
    infinite, nan = _specials(path, code, fmt)
    if flush == "ftz" or (kind == "zero" and not fmt.has_negative_zero):
        sign = path.wire(sign & ~zero, "sign")
    bias = fmt.exponent_bias
    return Number(
        sign,
        path.wire(exponent, "exponent"),
        path.wire(Cat(fraction, hidden), "significand", fmt.precision),
        zero,
        infinite,
        nan,
        -bias,
        fmt.emin if kind == "subnormal" else -bias,
        max(fmt.emax, fmt.emin),
        f if kind == "subnormal" else 0,
        fmt.emin if kind == "subnormal" else -bias,
    )


def _specials(path: Datapath, code: Bits, fmt: FloatFormat) -> tuple[Bits, Bits]:
    """Whether a code is Inf, and whether it is NaN."""
    f, x = fmt.fraction_bits, fmt.exponent_bits
    magnitude = code[: f + x]
    if fmt.specials == "ieee":
        ones, rest = path.wire(code[f : f + x].all(), "ones"), path.wire(code[:f].any(), "rest")
        return path.wire(ones & ~rest, "infinite"), path.wire(ones & rest, "nan")
    infinite = path.wire(magnitude == fmt.inf_code, "infinite") if fmt.has_inf else NO
    if not fmt.has_nan:
        return infinite, NO
    canonical = code[: fmt.width] if fmt.has_nan_at_minus_zero else magnitude
    return infinite, path.wire(canonical == fmt.nan_code, "nan")


def _fixed(path: Datapath, code: Bits, fmt: FixedFormat) -> Number:
    """Sign and magnitude: as many bits as the code has."""
    code = code[: fmt.width]
    sign = code[-1] if fmt.signed else NO
    magnitude = negated(path, code, sign) if fmt.signed else code
    zero = path.wire(~code.any(), "zero")
    top = fmt.width - 1 - fmt.fraction_bits
    return Number(sign, Const(0, 1), magnitude, zero, NO, NO, top, top, top, fmt.width - 1, top)
