"""Blocks of products in two stages: `hwsim.reference.staged`, on wires.

Cuts of two's complement words go down; a number after them is normalised to the accumulator's
smallest exponent at most, so that its rounding needs no shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hwsim.formats import FloatFormat
from hwsim.rtl.aligned import Term, aligned, largest, sum_number
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux, block
from hwsim.rtl.numbers import Number
from hwsim.rtl.parts import leading_zeros, negated, shift_left, shift_right
from hwsim.rtl.totals import summed
from hwsim.units import Staged


def staged_sum(
    path: Datapath, terms: Sequence[Term], running: Number, order: Staged, fmt: FloatFormat
) -> Number:
    """What a block and the running sum add up to, cut for the rounding; a zero is +0."""
    products, own = [term.number for term in terms], Term(running, 0)
    if max(x.most for x in products) > fmt.emax:
        raise TypeError(f"order {order} into {fmt}: products that overflow it have no datapath")
    low = min(*(term.span[0] for term in terms), own.span[0])
    high = max(*(term.span[1] for term in terms), own.span[1])
    exponents = [term.exponent(path, low) for term in terms]
    dot, first = _dot(path, terms, exponents, order)
    mine = path.wire(Mux(running.zero, fmt.emin, running.top), "own", range(low, high + 1))
    top = largest(path, [first, mine])
    down = path.wire(top - first, "down")
    dot_word = floor_shift(path, _padded(dot, order.kept + 1 - order.fraction), down)
    word = negated(path, Cat(running.significand, Const(0, 1)), running.sign)
    if order.reach is not None:
        near = path.wire(mine >= top - order.reach, "near")
        word = Cat(*(bit & near for bit in word))
    sum_word = _padded(word.as_signed(), order.fraction - running.bits + 1)
    behind = path.wire(top - mine, "behind")
    sum_word = _padded(floor_shift(path, sum_word, behind), order.kept + 1 - order.fraction)
    total = path.wire(dot_word + sum_word, "total")
    numbers = [*products, running]
    x = sum_number(path, numbers, total, (top, low, high), -order.kept - 1)
    return cut_down(path, x, order.kept + 1, fmt.emin)


def _dot(
    path: Datapath, terms: Sequence[Term], exponents: Sequence[Bits], order: Staged
) -> tuple[Bits, Bits]:
    """The groups' sums, added, whose last bit is F below the largest exponent; and that."""
    tops, totals = [], []
    for group in range(order.groups):
        mine = exponents[group :: order.groups]
        top = largest(path, mine)
        words = [
            aligned(path, term.number, top - own, (1 - term.head, 2 + order.fraction, False))
            for term, own in zip(terms[group :: order.groups], mine, strict=True)
        ]
        tops.append(top)
        totals.append(summed(path, words))
    top = largest(path, tops)
    if order.groups > 1:
        downs = [path.wire(top - own, "group_down") for own in tops]
        totals = [floor_shift(path, word, by) for word, by in zip(totals, downs, strict=True)]
    return summed(path, totals), top


def _padded(word: Bits, places: int) -> Bits:
    """A signed word with zeros below, or without its lowest bits."""
    return Cat(Const(0, places), word).as_signed() if places >= 0 else word[-places:].as_signed()


@block
def floor_shift(path: Datapath, word: Bits, amount: Bits) -> Bits:
    """A signed word moved right by an amount that is not negative; what leaves it is lost."""
    amount = amount[: len(amount) - 1] if amount.shape().signed else amount
    return shift_right(path, word, amount, len(word), word[-1])[1:].as_signed()


@block
def cut_down(path: Datapath, x: Number, bits: int, emin: int) -> Number:
    """x without leading zeros, but for an exponent of ``emin`` at least; its signed value cut down
    to ``bits`` bits."""
    above = path.wire(x.top - emin, "above", range(x.least - emin, x.most - emin + 1))
    zeros = leading_zeros(path, x.significand)
    stops = path.wire(above < zeros, "stops")
    shift = path.wire(Mux(stops, above, zeros), "amount", len(zeros))
    word = shift_left(path, x.significand, shift, x.bits - 1)
    kept, rest = word[x.bits - bits :], word[: x.bits - bits]
    more = path.wire(rest.any() & x.sign, "more")
    raised = path.wire(kept + more, "raised", bits + 1)
    carry = raised[-1]
    exponent = path.wire(x.top - shift + carry, "exponent", range(emin, x.most + 2))
    return replace(
        x,
        exponent=exponent,
        significand=path.wire(Cat(raised[:-2], raised[-2] | carry), "significand"),
        origin=0,
        least=emin,
        most=x.most + 1,
        leading=bits - 1,
        loose=emin,
    )
