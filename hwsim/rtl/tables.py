"""Trees of multiplexers over constants: codebooks, and tables of products."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hwsim.formats import TableFormat
from hwsim.rtl.hdl import Bits, Const, Datapath, Mux, block
from hwsim.rtl.numbers import NO, Number


@block
def look_up(path: Datapath, code: Bits, words: Sequence[int], width: int) -> Bits:
    """words[code], of ``width`` bits, by a tree of multiplexers; equal halves are one."""
    nodes: list[Bits | int] = list(words)
    for bit in code:
        nodes = [
            low
            if _same(low, high)
            else path.wire(Mux(bit, _word(high, width), _word(low, width)), "entry")
            for low, high in zip(nodes[::2], nodes[1::2], strict=True)
        ]
    return _word(nodes[0], width)


def _same(low: Bits | int, high: Bits | int) -> bool:
    return isinstance(low, int) and isinstance(high, int) and low == high


def _word(node: Bits | int, width: int) -> Bits:
    return Const(node, width) if isinstance(node, int) else node


def decode_table(path: Datapath, code: Bits, fmt: TableFormat) -> Number:
    """The entry of a code: sign, exponent, significand without leading zeros."""
    entries = {c: _fields(value, fmt.significant_bits) for value, c in fmt.entries}
    tops = [top for _, top, _ in entries.values() if top is not None]
    least, most = min(tops), max(tops)
    bits, exponent_bits = fmt.significant_bits, (most - least).bit_length()
    words = [0] * (1 << fmt.width)
    for c, (negative, top, significand) in entries.items():
        exponent = 0 if top is None else top - least
        words[c] = (negative << exponent_bits | exponent) << bits | significand
    word = look_up(path, code, words, 1 + exponent_bits + bits)
    significand = path.wire(word[:bits], "significand")
    sign = word[-1] if fmt.signed else NO
    zero = path.wire(~significand[-1], "zero") if fmt.has_zero else NO
    exponent = path.wire(word[bits:-1], "exponent") if exponent_bits else Const(0, 1)
    return Number(sign, exponent, significand, zero, NO, NO, least, least, most, 0, least)


def _fields(value: Fraction, bits: int) -> tuple[bool, int | None, int]:
    """Sign, weight of the first bit (None: zero), and significand."""
    if not value:
        return False, None, 0
    magnitude = abs(value)
    top = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude < Fraction(2) ** top:
        top -= 1
    return value < 0, top, int(magnitude / Fraction(2) ** (top - bits + 1))
