"""Approximate multipliers of integers on wires: `hwsim.reference.multipliers`, bit by bit.

Each takes two significands as whole numbers, leading zeros and all, and gives one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from hwsim.formats import FloatFormat, Format
from hwsim.reference.multipliers import average_of_dropped, realm_additions
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux, block
from hwsim.rtl.numbers import Number
from hwsim.rtl.parts import leading_zeros, shift_left
from hwsim.rtl.tables import look_up
from hwsim.rtl.totals import summed
from hwsim.units import IntegerMultiplier
from hwsim.units.multipliers import IterativeLog, Mbm, Realm, Truncated


@block
def truncated(path: Datapath, core: Truncated, a: Bits, b: Bits) -> Bits:
    """The partial products of the columns that are kept, and a constant."""
    n, dropped = core.bits, core.dropped
    rows = [Const(average_of_dropped(n, dropped) if core.corrected else 0)]
    for i, bit in enumerate(a):
        kept = max(0, dropped - i)
        if kept < len(b):
            row = Cat(Const(0, i + kept), *(bit & other for other in b[kept:]))
            rows.append(path.wire(row, "row"))
    return path.wire(summed(path, rows), "product", 2 * n + 1)


@block
def iterated(path: Datapath, core: IterativeLog, a: Bits, b: Bits) -> Bits:
    """2^(k1 + k2) + r1·2^k2 + r2·2^k1, and the same of what is left, r1 and r2."""
    n, total = core.bits, Const(0, 1)
    for _ in range(core.corrections + 1):
        (k, r), (m, s) = (_leading(path, x) for x in (a, b))
        both = path.wire(a.any() & b.any(), "both")
        first = shift_left(path, Cat(a, Const(0, n)), m, n - 1)
        second = shift_left(path, Cat(s, Const(0, n)), k, n - 1)
        more = path.wire(first + second, "more", 2 * n)
        total = path.wire(total + Cat(*(bit & both for bit in more)), "sum", 2 * n)
        a, b = r, s
    return total


def _leading(path: Datapath, word: Bits) -> tuple[Bits, Bits]:
    """(k, r) of 2^k + r; of 0 anything and 0."""
    ones = [bit & ~word[i + 1 :].any() for i, bit in enumerate(word[:-1])] + [word[-1]]
    rest = Cat(*(bit & ~one for bit, one in zip(word, ones, strict=True)))
    bits = max(1, (len(word) - 1).bit_length())
    k = path.wire(len(word) - 1 - leading_zeros(path, word), "k", bits)
    return k, path.wire(rest, "rest")


@block
def biased(path: Datapath, core: Mbm | Realm, a: Bits, b: Bits) -> Bits:
    """Mitchell's product, with an addition to its fraction, of which n − 1 bits are kept."""
    n = core.bits
    zeros = [leading_zeros(path, x) for x in (a, b)]
    x, y = (shift_left(path, w, z, n - 1)[:-1] for w, z in zip((a, b), zeros, strict=True))
    total = path.wire(x + y, "logarithm", n)
    carry, fraction = total[-1], total[:-1]
    shift = path.wire(2 * n - 2 - zeros[0] - zeros[1] + carry, "shift", range(2 * n))
    added = path.wire(_addition(path, core, (x, y), carry) + fraction, "fraction", n)
    leaves = path.wire((shift == 2 * n - 1) & added[-1], "leaves")
    value = path.wire(Mux(leaves, fraction, added) + (1 << (n - 1)), "significand", n + 1)
    word = shift_left(path, Cat(value, Const(0, 2 * n - 1)), shift, 2 * n - 1)[n - 1 :]
    both = path.wire(a.any() & b.any(), "both")
    return path.wire(Cat(*(bit & both for bit in word)), "product")


def _addition(path: Datapath, core: Mbm | Realm, fractions: tuple[Bits, Bits], carry: Bits) -> Bits:
    """Of the fractions' segments, halved where they carry."""
    n = core.bits
    rows = realm_additions(core.segments) if isinstance(core, Realm) else ((5,),)
    one, width = 1 << (n - 1), (len(rows) - 1).bit_length()
    entries = [
        int(Fraction(entry, 64) * one / halves)
        for halves in (1, 2)
        for row in rows
        for entry in row
    ]
    x, y = (Cat(Const(0, width), f)[len(f) :] for f in fractions)
    return look_up(path, Cat(y, x, carry), entries, n - 1)


INTEGERS: dict[type[IntegerMultiplier], Callable[..., Bits]] = {
    Truncated: truncated,
    IterativeLog: iterated,
    Mbm: biased,
    Realm: biased,
}


def significands(path: Datapath, core: IntegerMultiplier, x: Number, y: Number) -> Bits:
    """The integer that a multiplier of ``core.bits`` bits gives for two significands."""
    a, b = (path.wire(Cat(n.significand, Const(0, core.bits - n.bits)), "operand") for n in (x, y))
    return INTEGERS[type(core)](path, core, a, b)


def with_significand(
    path: Datapath, exact: Number, word: Bits, factors: tuple[Number, Number], plain: bool
) -> Number:
    """The exact product, with a whole number in place of its significand."""
    x, y = factors
    zero = path.wire(~word.any(), "word_zero")
    sign = x.sign ^ y.sign
    if not isinstance(exact.infinite, Const):
        zero = path.wire(zero & ~exact.infinite, "zero")
    up = len(word) + 1 - x.bits - y.bits  # of the first bit, from the sum of the factors'
    most = x.most + y.most + up
    return replace(
        exact,
        sign=path.wire(sign & ~zero if plain else sign, "word_sign"),
        exponent=path.wire(x.exponent + y.exponent, "word_exponent"),
        significand=word,
        zero=zero,
        origin=x.origin + y.origin + up,
        least=x.least + y.least + up,
        most=most,
        leading=len(word) - 1,
        loose=most,
        quiet=False,
    )


def with_least_zero(path: Datapath, x: Number, fmt: Format) -> Number:
    """x, a zero of which has the exponent of the format's smallest numbers."""
    if not isinstance(fmt, FloatFormat) or x.least >= fmt.emin:
        return x
    return replace(x, exponent=path.wire(x.exponent + x.zero, "exponent"))
