"""Words of fixed point: numbers in their place, rounded and kept in range in two's complement."""

from __future__ import annotations

from hwsim.formats import FixedFormat, stochastic_of
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux, block, signed
from hwsim.rtl.numbers import NO, Number
from hwsim.rtl.parts import negated, shift_right
from hwsim.rtl.rounding import Rule, bits_below, goes_up


@block
def place(path: Datapath, x: Number, low: int, high: int) -> tuple[Bits, Bits]:
    """x as a signed multiple of 2^low, and whether it lies beyond ±2^(high + 1).

    Where x has bits below 2^low, the word's last bit stands for them all.  ``low`` is that bit's
    weight.
    """
    cut = x.lowest < low
    first = low + 1 if cut else low  # the weight of the last bit that is a bit of x
    high += min(1, x.leading)  # a first bit of 0 may stand there
    if x.leading > 1:
        high = max(high, x.loose)
    top = max(min(high, x.most), first)
    room = range(top - max(x.most, top), top - min(x.least, top) + 1)
    amount = path.wire(-x.exponent + (top - x.origin), "place", room)
    beyond = path.wire((amount < 0) & ~x.zero, "beyond") if x.most > top else NO
    shift = amount[: max(1, (room.stop - 1).bit_length())]
    magnitude = shift_right(path, x.significand, shift, top - first + 1)
    magnitude = magnitude if cut else magnitude[1:]
    signed = negated(path, Cat(magnitude, Const(0, 1)), x.sign)
    return path.wire(signed, "placed").as_signed(), beyond


def add_fixed(path: Datapath, x: Number, code: Bits, fmt: FixedFormat, rule: Rule) -> Bits:
    """The code of (a number of ``fmt``) + x, rounded once."""
    below = _below(x, fmt, rule)
    high = x.most if rule.overflow == "wrap" else fmt.quantum_exponent + fmt.width - 1
    placed, beyond = place(path, x, fmt.quantum_exponent - below, high)
    value = code.as_signed() if fmt.signed else code
    total = path.wire((value << below) + placed, "total")
    return _into_range(path, total, below, (fmt, rule), (beyond | x.infinite, x.sign))


def project_fixed(path: Datapath, x: Number, fmt: FixedFormat, rule: Rule) -> Bits:
    """The code of x, rounded once."""
    below = _below(x, fmt, rule)
    high = x.most if rule.overflow == "wrap" else fmt.quantum_exponent + fmt.width - 1
    placed, beyond = place(path, x, fmt.quantum_exponent - below, high)
    return _into_range(path, placed, below, (fmt, rule), (beyond | x.infinite, x.sign))


def _below(x: Number, fmt: FixedFormat, rule: Rule) -> int:
    """Bits under the last place: all that x has, or what decides a rounding."""
    return max(0, min(fmt.quantum_exponent - x.lowest, bits_below(rule.rounding)))


@block
def _into_range(
    path: Datapath,
    total: Bits,
    below: int,
    into: tuple[FixedFormat, Rule],
    huge: tuple[Bits, Bits],
) -> Bits:
    """Round off ``below`` bits and apply the overflow rule; huge : whether the result lies far
    beyond the range, and on which side."""
    fmt, rule = into
    if len(total) <= below:  # every number is less than a step
        total = path.wire(total, "small", signed(below + 1))
    whole = total[below:].as_signed()
    up = _up(path, total[:below], whole, total[-1], rule)
    value = whole + up
    value = path.wire(value, "whole", signed(max(len(value), fmt.width + 1)))
    if rule.overflow == "wrap":
        return value[: fmt.width]
    low, high = fmt.lowest_code, fmt.largest_code
    under, over = path.wire(value < low, "under"), path.wire(value > high, "over")
    under = path.wire(Mux(huge[0], huge[1], under), "to_lowest")
    over = path.wire(Mux(huge[0], ~huge[1], over), "to_largest")
    mask = (1 << fmt.width) - 1
    ends = Mux(over, Const(high, fmt.width), value[: fmt.width])
    return path.wire(Mux(under, Const(low & mask, fmt.width), ends), "code", fmt.width)


def _up(path: Datapath, rest: Bits, whole: Bits, negative: Bits, rule: Rule) -> Bits:
    """Whether a word rounded down goes up instead."""
    if len(rest) == 0:
        return NO
    some = path.wire(rest.any(), "inexact")
    match rule.rounding:
        case "rtz":
            return some & negative
        case "rup":
            return some
        case "rdn":
            return NO
        case "rna":
            return rest[-1] & (rest[:-1].any() | ~negative)
    if stochastic_of(rule.rounding):
        away = goes_up(path, negated(path, rest, negative), whole[0], negative, rule)
        return Mux(negative, some & ~away, away)
    return goes_up(path, rest, whole[0], negative, rule)
