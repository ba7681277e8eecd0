"""Blocks of matrix units: terms aligned to the largest exponent, cut, added, rounded once.

    e     of x the exponent of its field, of a product the sum of its factors'
    E     the largest, by a tree of comparators
    word  every term from 2^(E + 1) on down to F fraction bits of 2^E

Source: Khattak, Mikaitis, arXiv 2512.07004; MMA-Sim, arXiv 2511.10909.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux, block
from hwsim.rtl.numbers import Number
from hwsim.rtl.parts import negated, shift_right
from hwsim.rtl.totals import any_of, summed
from hwsim.units import Fused


@dataclass(frozen=True)
class Term:
    """A number whose exponent, as blocks see it, is ``head`` below its first bit's: 1 for each
    factor but the first.  zeros : whether a zero has another exponent."""

    number: Number
    head: int
    zeros: bool = True

    @property
    def span(self) -> tuple[int, int]:
        """Least and largest exponent."""
        return self.number.least - self.head, self.number.most - self.head

    def exponent(self, path: Datapath, zero: int) -> Bits:
        """As a signed wire; ``zero`` of a zero."""
        x, (least, most) = self.number, self.span
        value = x.exponent + (x.origin - self.head)
        if self.zeros:
            value = Mux(x.zero, zero, value)
        return path.wire(value, "term_exponent", range(min(least, zero), max(most, zero) + 1))


@block
def largest(path: Datapath, exponents: Sequence[Bits]) -> Bits:
    """The largest of signed wires, by a tree of comparators."""
    nodes = list(exponents)
    while len(nodes) > 1:
        pairs = [
            path.wire(Mux(x < y, y, x), "larger")
            for x, y in zip(nodes[::2], nodes[1::2], strict=False)
        ]
        nodes = pairs + nodes[2 * len(pairs) :]
    return nodes[0]


def block_sum(path: Datapath, terms: Sequence[Term], order: Fused) -> Number:
    """The sum of the aligned terms; a zero is +0."""
    assert order.fraction is not None
    low, high = min(t.span[0] for t in terms), max(t.span[1] for t in terms)
    zero = low if order.zero is None else order.zero  # none, where it lies below all others
    low, high = min(low, zero), max(high, zero)
    exponents = [term.exponent(path, zero) for term in terms]
    top = largest(path, exponents)
    head = max(term.head for term in terms)
    width = head + 1 + order.fraction
    words = [
        aligned(path, term.number, top - own, (head - term.head, width, order.nearest))
        for term, own in zip(terms, exponents, strict=True)
    ]
    numbers = [term.number for term in terms]
    return sum_number(path, numbers, summed(path, words), (top, low, high), -order.fraction)


@block
def sum_number(
    path: Datapath, terms: Sequence[Number], total: Bits, top: tuple[Bits, int, int], low: int
) -> Number:
    """A signed sum whose last bit weighs 2^(top + low), top between two bounds, as a number."""
    exponent, least, most = top
    bits = len(total)
    negative, zero = total[-1], path.wire(~total.any(), "sum_zero")
    above, under, nan = specials(path, terms)
    infinite = Const(0, 1)
    if not isinstance(above, Const):
        infinite = path.wire(above | under, "sum_infinite")
        negative = path.wire(Mux(infinite, under, negative), "sum_sign")
    first = low + bits - 1
    return Number(
        negative,
        exponent,
        negated(path, total, total[-1]),
        zero,
        infinite,
        nan,
        first,
        least + first,
        most + first,
        bits - 1,
        most + first,
        quiet=False,
    )


def specials(path: Datapath, terms: Sequence[Number]) -> tuple[Bits, Bits, Bits]:
    """Whether +Inf, −Inf or NaN comes out of a sum."""
    wires = [x for x in terms if x.may_be_infinite]
    above = any_of(path, [x.infinite & ~x.sign for x in wires], "above")
    under = any_of(path, [x.infinite & x.sign for x in wires], "under")
    nan = any_of(path, [x.nan for x in terms], "not_numbers")
    if wires:
        nan = path.wire(nan | (above & under), "sum_nan")
    return above, under, nan


@block
def aligned(path: Datapath, x: Number, amount: Bits, into: tuple[int, int, bool]) -> Bits:
    """x in a signed word, zeros first; moved right and cut, or rounded to nearest.

    into : the number of these zeros, the word's width, and whether it is rounded.
    """
    above, width, nearest = into
    amount = path.wire(amount, "align")
    amount = amount[: len(amount) - 1]  # it is not negative
    word = Cat(x.significand, Const(0, above))
    if nearest:
        long = shift_right(path, word, amount, width + 1)
        rest, kept = long[:2], long[2:]
        up = rest[1] & (rest[0] | kept[0])
        magnitude = path.wire(kept + up, "near", width + 1)
    else:
        magnitude = shift_right(path, word, amount, width)[1:]
    return path.wire(negated(path, Cat(magnitude, Const(0, 1)), x.sign), "term").as_signed()


def plain_zero(x: Number) -> Number:
    """x, of which a zero is +0."""
    return replace(x, sign=x.sign & ~(x.zero & ~x.infinite))
