"""Parts of datapaths: leading zeros, shifters, conditional negation.

Shifters take their largest step first: what leaves the word then leaves early, and its OR is not
waited for.  A word in a window of twice its width or more spreads less by small steps first.
"""

from __future__ import annotations

from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux


def stages_of(largest: int) -> int:
    """Stages of a shifter by 0 … largest."""
    return largest.bit_length()


def leading_zeros(path: Datapath, word: Bits) -> Bits:
    """Leading zeros of a word that is not 0, by halves: in each, whether it is 0 and how many it
    has."""
    size = 1 << (len(word) - 1).bit_length()
    padding = size - len(word)
    padded = Cat(Const((1 << padding) - 1, padding), word)
    return _zeros(path, padded)[1]


def _zeros(path: Datapath, word: Bits) -> tuple[Bits, Bits]:
    if len(word) == 1:
        return ~word, Const(0, 0)
    half = len(word) // 2
    low_zero, low = _zeros(path, word[:half])
    high_zero, high = _zeros(path, word[half:])
    zero = path.wire(low_zero & high_zero, "none")
    high_zero = path.wire(high_zero, "upper")
    return zero, path.wire(Cat(Mux(high_zero, low, high), high_zero), "zeros")


def shift_left(path: Datapath, word: Bits, amount: Bits, largest: int) -> Bits:
    """word · 2^amount, amount ≤ largest, without what leaves it."""
    bits = len(word)
    for k in reversed(range(min(stages_of(largest), len(amount)))):
        step = min(1 << k, bits)
        moved = Cat(Const(0, step), word[: bits - step])
        word = path.wire(Mux(amount[k], moved, word), "left")
    return word


def shift_right(
    path: Datapath, word: Bits, amount: Bits, width: int, fill: Bits | None = None
) -> Bits:
    """word's first bits on a word of ``width`` bits, moved right by ``amount``, which is not
    negative; and one more bit that is set where a set bit has left it (sticky).  ``fill`` moves in
    from the left, zeros where it is None."""
    fill = Const(0, 1) if fill is None else fill
    narrow = 2 * len(word) <= width
    below = max(0, len(word) - width)  # what never fits
    sticky = word[:below].any() if below else Const(0, 1)
    word = word[below:]
    word = path.wire(Cat(Const(0, width - len(word)), word), "right", width)
    stages = stages_of(width)
    beyond = amount[stages:].any() if len(amount) > stages else Const(0, 1)
    if len(amount) > stages:
        beyond = path.wire(beyond, "beyond")
    for k in sorted(range(min(stages, len(amount))), reverse=not narrow):
        select = amount[k] | beyond if len(amount) > stages else amount[k]
        step = min(1 << k, width)
        sticky = path.wire(sticky | (select & word[:step].any()), "sticky")
        moved = Cat(word[step:], fill.replicate(step))
        word = path.wire(Mux(select, moved, word), "right")
    return Cat(sticky, word)


def negated(path: Datapath, word: Bits, select: Bits) -> Bits:
    """−word where select (two's complement of its width), else word."""
    return path.wire(Mux(select, (-word)[: len(word)], word), "negated", len(word))


def inverted(word: Bits, select: Bits) -> Bits:
    """word, every bit of it turned where select."""
    return Cat(*(bit ^ select for bit in word))
