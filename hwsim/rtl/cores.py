"""What multiplies in place of an exact array: `hwsim.reference.multipliers`, on significands."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from hwsim.formats import FixedFormat, FloatFormat, LogFormat
from hwsim.rtl.approximate import significands, with_least_zero, with_significand
from hwsim.rtl.arithmetic import multiply
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath
from hwsim.rtl.numbers import NO, Number, normalised
from hwsim.rtl.parts import negated, shift_right
from hwsim.rtl.tables import look_up
from hwsim.units import IntegerMultiplier, MacUnit
from hwsim.units.multipliers import (
    Drum,
    IterativeLog,
    Logarithmic,
    Mbm,
    Mitchell,
    Realm,
    Shift,
    Truncated,
    has_powers_alone,
)

Operands = tuple[tuple[Bits, str], tuple[Bits, str]]  # codes, and how subnormals are read


def product_by(core: IntegerMultiplier, path: Datapath, unit: MacUnit, codes: Operands) -> Number:
    """The product of two operands' significands, with the exact product's sign and specials.

    Raises TypeError for a multiplier without a datapath: kin of one that has it are others.
    """
    if type(core) not in _product.registry:
        raise TypeError(f"multiplier {core}: no datapath")
    return _product(core, path, unit, codes)


@singledispatch
def _product(core: IntegerMultiplier, path: Datapath, unit: MacUnit, codes: Operands) -> Number:
    raise TypeError(f"multiplier {core}: no datapath")


def _decoded(path: Datapath, unit: MacUnit, codes: Operands) -> tuple[Number, Number]:
    (a, flush), (b, _) = codes
    return decode(path, a, unit.a, flush), decode(path, b, unit.b, flush)


def has_plain_zeros(unit: MacUnit) -> bool:
    """Whether products that are zero are +0: those of integers, fixed point and tables."""
    return not (isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat))


@_product.register(Truncated)
@_product.register(IterativeLog)
@_product.register(Mbm)
@_product.register(Realm)
def _of_integers(core: IntegerMultiplier, path: Datapath, unit: MacUnit, codes: Operands) -> Number:
    """Significands as whole numbers, subnormals as they are."""
    x, y = _decoded(path, unit, codes)
    x, y = with_least_zero(path, x, unit.a), with_least_zero(path, y, unit.b)
    plain, word = has_plain_zeros(unit), significands(path, core, x, y)
    return with_significand(path, multiply(path, x, y, plain), word, (x, y), plain)


@_product.register
def _mitchell(core: Mitchell, path: Datapath, unit: MacUnit, codes: Operands) -> Number:
    """Fractions are added, and carry into the exponent: normalised significands are logarithms."""
    x, y = (normalised(path, n) for n in _decoded(path, unit, codes))
    exact, f = multiply(path, x, y, has_plain_zeros(unit)), max(x.bits, y.bits) - 1
    one, other = (Cat(Const(0, f + 1 - n.bits), n.significand[:-1]) for n in (x, y))
    total = path.wire(one + other, "logarithm", f + 1)
    exponent = path.wire(x.exponent + y.exponent + total[-1], "product_exponent")
    fraction = Cat(*(bit & ~exact.zero for bit in total[:-1]))
    significand = path.wire(Cat(fraction, ~exact.zero), "product", f + 1)
    least = x.least + y.least
    return replace(
        exact,
        exponent=exponent,
        significand=significand,
        origin=x.origin + y.origin,
        least=least,
        most=x.most + y.most + 1,
        leading=0,
        loose=least,
    )


@_product.register
def _drum(core: Drum, path: Datapath, unit: MacUnit, codes: Operands) -> Number:
    """The leading bits of both, the lowest of which is 1 where others follow."""
    x, y = (_leading(path, n, core.kept) for n in _decoded(path, unit, codes))
    return multiply(path, x, y, has_plain_zeros(unit))


def _leading(path: Datapath, x: Number, kept: int) -> Number:
    if x.bits <= kept:
        return normalised(path, x)
    longer = path.wire(x.significand[kept:].any(), "longer")
    x = normalised(path, x)
    first = x.significand[x.bits - kept :]
    return replace(x, significand=path.wire(Cat(first[0] | longer, first[1:]), "kept"))


@_product.register
def _shift(core: Shift, path: Datapath, unit: MacUnit, codes: Operands) -> Number:
    """The word, with guard bits below, moved right from where the largest power puts it; what
    leaves it is lost, of two's complement towards −Inf."""
    left = has_powers_alone(unit.a)
    (a, flush), (b, _) = codes
    power = decode(path, a if left else b, unit.a if left else unit.b, flush)
    code, fmt = (b, unit.b) if left else (a, unit.a)
    up = max(0, power.most)
    amount = path.wire(-power.exponent + (up - power.origin), "down", range(up - power.least + 1))
    word = decode(path, code, fmt, flush)
    signed = isinstance(fmt, FixedFormat) and fmt.signed
    sign = word.sign
    raw = code[: fmt.width] if signed else word.significand
    width = len(raw) + core.guard + up
    fill = raw[-1] if signed else None
    moved = shift_right(path, Cat(Const(0, core.guard + up), raw), amount, width, fill)[1:]
    magnitude = negated(path, moved, raw[-1]) if signed else moved
    magnitude = path.wire(Cat(*(bit & ~power.zero for bit in magnitude)), "moved", width)
    negative = path.wire(sign ^ power.sign, "product_sign")
    zero = path.wire(~magnitude.any(), "product_zero")
    top = word.most + up
    return replace(
        word,
        sign=path.wire(negative & ~zero, "plain_sign"),
        significand=magnitude,
        zero=zero & ~word.infinite & ~word.nan if not isinstance(word.nan, Const) else zero,
        nan=_nan(path, word, power),
        origin=word.origin + up,
        least=word.least + up,
        most=top,
        leading=width - 1,
        loose=top,
        quiet=False,
    )


def _nan(path: Datapath, word: Number, power: Number) -> Bits:
    """Of the word, or Inf times zero."""
    if isinstance(word.nan, Const):
        return word.nan
    return path.wire(word.nan | (word.infinite & power.zero), "product_nan")


@_product.register
def _logarithmic(core: Logarithmic, path: Datapath, unit: MacUnit, codes: Operands) -> Number:
    """Logarithms are added, and a table gives the power of the sum's fraction."""
    from hwsim.reference.multipliers import antilogarithm

    (a, _), (b, _) = codes
    logs, signs, zeros, biases = [], [], [], 0
    for code, fmt in ((a, unit.a), (b, unit.b)):
        assert isinstance(fmt, LogFormat)
        biases += fmt.exponent_bias << (core.bits - fmt.fraction_bits)
        field = code[: fmt.field_bits]
        logs.append(Cat(Const(0, core.bits - fmt.fraction_bits), field))
        signs.append(code[fmt.field_bits] if fmt.signed else NO)
        zeros.append(~field.any() if fmt.has_zero else NO)
    whole, part = -biases >> core.bits, -biases & ((1 << core.bits) - 1)
    total = path.wire(logs[0] + logs[1] + part, "logarithm")
    entries = [antilogarithm(i, core.bits, core.table_bits) for i in range(1 << core.bits)]
    bits = max(entries).bit_length()
    more = bits - core.table_bits - 1  # 1 where an entry of few bits rounds up to 2
    entry = look_up(path, total[: core.bits], entries, bits)
    zero = path.wire(zeros[0] | zeros[1], "product_zero")
    exponent = path.wire(total[core.bits :], "product_exponent")
    significand = path.wire(Cat(*(bit & ~zero for bit in entry)), "product")
    sign = path.wire((signs[0] ^ signs[1]) & ~zero, "product_sign")
    least = whole + more
    most = least + (1 << len(exponent)) - 1
    loose = most if more else least
    return Number(
        sign, exponent, significand, zero, NO, NO, least, least, most, more, loose, quiet=False
    )
