"""Exact sums in one wide word of two's complement: groups of products, and whole sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.rtl.hdl import Bits, Const, Datapath, Mux, block
from hwsim.rtl.numbers import Number
from hwsim.rtl.parts import negated
from hwsim.rtl.words import place


@dataclass(frozen=True)
class Total:
    """value · 2^low, or Inf or NaN.

    value : signed.  above, under : whether +Inf, −Inf was added.  minus : whether a zero is −0.
    """

    value: Bits
    low: int
    above: Bits
    under: Bits
    nan: Bits
    minus: Bits


def any_of(path: Datapath, bits: Sequence[Bits], name: str) -> Bits:
    """The OR of flags; a constant where all are."""
    real = [bit for bit in bits if not isinstance(bit, Const)]
    if not real:
        return Const(0, 1)
    total = real[0]
    for bit in real[1:]:
        total = total | bit
    return path.wire(total, name, 1)


def total_of(path: Datapath, terms: Sequence[Number], down: bool = False) -> Total:
    """Σ terms, every one in its place.  down : x − x is −0."""
    low, high = min(x.lowest for x in terms), max(x.most for x in terms)
    words = [place(path, x, low, high)[0] for x in terms]
    minus = [x.sign if down else ~x.zero | ~x.sign for x in terms]
    some = any_of(path, minus, "signs")
    return Total(
        summed(path, words),
        low,
        any_of(path, [x.infinite & ~x.sign for x in terms if x.may_be_infinite], "above"),
        any_of(path, [x.infinite & x.sign for x in terms if x.may_be_infinite], "under"),
        any_of(path, [x.nan for x in terms], "not_numbers"),
        some if down else path.wire(~some, "all_minus"),
    )


@block
def summed(path: Datapath, words: Sequence[Bits]) -> Bits:
    """Σ words, pair by pair."""
    nodes = list(words)
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2], strict=False)
        sums = [path.wire(x + y, "pair") for x, y in pairs]
        nodes = sums + nodes[2 * len(sums) :]
    return nodes[0]


@block
def to_number(path: Datapath, total: Total) -> Number:
    """Sign and magnitude, leading zeros and all."""
    word, bits = total.value, len(total.value)
    negative = word[-1]
    magnitude = negated(path, word, negative)
    zero = path.wire(~word.any(), "none")
    inf = path.wire(total.above | total.under, "total_infinite")
    finite_sign = Mux(zero, total.minus, negative)
    top = total.low + bits - 1
    return Number(
        path.wire(Mux(inf, total.under, finite_sign), "total_sign"),
        Const(0, 1),
        magnitude,
        zero,
        _flag(inf, total.above, total.under),
        path.wire(total.nan | (total.above & total.under), "total_nan"),
        top,
        top,
        top,
        bits - 1,
        top,
        quiet=False,
    )


def _flag(inf: Bits, *parts: Bits) -> Bits:
    return Const(0, 1) if all(isinstance(part, Const) for part in parts) else inf
