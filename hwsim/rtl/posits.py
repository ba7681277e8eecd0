"""Posits on wires: decoders, and rounding to codes as whole numbers."""

from __future__ import annotations

from hwsim.formats import PositFormat
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux
from hwsim.rtl.numbers import NO, Number, normalised
from hwsim.rtl.parts import inverted, leading_zeros, negated, shift_left, shift_right
from hwsim.rtl.rounding import Rule, bits_below, goes_up


def decode_posit(path: Datapath, code: Bits, fmt: PositFormat) -> Number:
    """Regime, exponent and fraction of a code; the significand has no leading zeros."""
    n, es, f = fmt.width, fmt.exponent_bits, fmt.precision - 1
    sign, rest = code[n - 1], path.wire(code[: n - 1].any(), "rest")
    body = negated(path, code[: n - 1], sign)
    first = path.wire(body[-1], "first")
    run = leading_zeros(path, Cat(Const(1, 1), inverted(body[:-1], first)))  # one less than it is
    tail = shift_left(path, Cat(Const(0, es), body[: max(0, n - 3)]), run, n - 2)
    fields = tail[len(tail) - es - f :]
    regime = Cat(inverted(run, ~first), ~first).as_signed()  # run − 1, or −run
    least = -(n - 1) << es
    exponent = path.wire(
        Cat(fields[f:], regime).as_signed(), "exponent", range(least, fmt.emax + 1)
    )
    zero = path.wire(~rest & ~sign, "zero")
    return Number(
        path.wire(sign & rest, "sign"),
        exponent,
        path.wire(Cat(fields[:f], rest), "significand", f + 1),
        zero,
        NO,
        path.wire(~rest & sign, "nan"),
        0,
        least,
        fmt.emax,
        0,
        least,
    )


def project_posit(path: Datapath, x: Number, fmt: PositFormat, rule: Rule) -> Bits:
    """The code of x: its string cut off after n − 1 bits, one more where it rounds away from zero;
    minpos below minpos, maxpos beyond maxpos."""
    x = normalised(path, x)
    n, es = fmt.width, fmt.exponent_bits
    low, high = min(x.least, -fmt.emax - 1), max(x.most, fmt.emax + 1)
    exponent = path.wire(x.top, "exponent", range(low, high + 1))
    small = path.wire(exponent < -fmt.emax, "below_minpos")
    large = path.wire(exponent >= fmt.emax, "from_maxpos")
    down = path.wire(exponent[-1], "down")
    regime = exponent[es:-1]
    amount = path.wire(inverted(regime, down), "regime")
    word = Cat(x.significand[:-1], exponent[:es], down, ~down)
    width = n - 1 + bits_below(rule.rounding)
    string = shift_right(path, word, amount, width, ~down)
    below = len(string) - (n - 1)
    code = string[below:]
    up = goes_up(path, string[:below], code[0], x.sign, rule)
    rounded = path.wire(code + up, "rounded", n - 1)
    largest = Const(fmt.largest_code, n - 1)
    ends = Mux(large, largest, Mux(small, Const(1, n - 1), rounded))
    magnitude = path.wire(Cat(*(bit & ~x.zero for bit in ends), 0), "magnitude", n)
    result = negated(path, magnitude, x.sign)
    if isinstance(x.nan, Const) and isinstance(x.infinite, Const):
        return result
    return path.wire(Mux(x.nan | x.infinite, Const(fmt.nan_code, n), result), "code", n)
