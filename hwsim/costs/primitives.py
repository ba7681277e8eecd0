"""Transistor counts (T) and logic depths of the parts that arithmetic units are made of.

Every function returns the `Logic` of static CMOS with NAND, NOR and NOT cells only, so one energy
and one area per transistor price them all (`hwsim.costs.nodes`).  Sources: gate counts, closed
forms of adders and multipliers, and depths from mapping with Yosys (``abc -g cmos2``, ``ltp``),
which trades speed for area: carries ripple.
Shifter, counter, comparator and complementer are composed as their docstrings say and lie within
30 % of Yosys 0.23 netlists of the same function (tests/costs/test_primitives.py holds the counts).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise

from hwsim.formats.stochastic import TAPS, Stochastic, stochastic_of

LINK = 4  # levels by which one chain of carries lengthens the one that it feeds


@dataclass(frozen=True)
class Logic:
    """Gates between two registers.

    transistors : of all of them.  depth : levels of NAND, NOR and NOT on the longest path.
    bitwise : no bit of the result needs a higher bit of the operands, so that the carries of two
        such parts in a row run side by side.

    >>> Logic(10, 4) + Logic(1, 2), Logic(10, 4) | Logic(1, 2)
    (Logic(transistors=11, depth=6, bitwise=False), Logic(transistors=11, depth=4, bitwise=False))
    """

    transistors: int = 0
    depth: int = 0
    bitwise: bool = False

    def __add__(self, after: Logic) -> Logic:
        """``after`` works on what this one gives."""
        if not self.depth or not after.depth:
            longer = self if self.depth else after
            return Logic(self.transistors + after.transistors, longer.depth, longer.bitwise)
        depth = self.depth + after.depth
        if self.bitwise and after.bitwise:
            depth = min(depth, max(self.depth, after.depth) + LINK)
        bitwise = self.bitwise and after.bitwise
        return Logic(self.transistors + after.transistors, depth, bitwise)

    def __or__(self, beside: Logic) -> Logic:
        """Both work at the same time."""
        bitwise = all(logic.bitwise for logic in (self, beside) if logic.depth)
        depth = max(self.depth, beside.depth)
        return Logic(self.transistors + beside.transistors, depth, bitwise)

    def __mul__(self, copies: int) -> Logic:
        """``copies`` of it, all at work at the same time."""
        return Logic(self.transistors * copies, self.depth if copies else 0, self.bitwise)

    __rmul__ = __mul__

    def in_a_row(self, count: int) -> Logic:
        """The path through ``count`` of it, each fed by the one before; transistors of one."""
        path = self
        for _ in range(count - 1):
            path = path + self
        return Logic(self.transistors, path.depth, path.bitwise)


NOTHING = Logic()
FULL_ADDER = 42
HALF_ADDER = 18
AND = Logic(6, 2, True)
XOR = Logic(12, 3, True)
FLIP_FLOP = 24
NAND = 4  # and NOR
MUX2 = Logic(12, 3, True)  # three NANDs; the select line's inverter is shared by the whole word


def _require_width(name: str, bits: int, least: int = 1) -> None:
    if isinstance(bits, bool) or not isinstance(bits, int) or bits < least:
        raise ValueError(f"{name}={bits!r}: an integer of at least {least} is needed")


def bits_for(count: int) -> int:
    """Bits that tell ``count`` cases apart: ⌈log2(count)⌉; 0 for one case."""
    _require_width("count", count)
    return (count - 1).bit_length()


_FAST: ContextVar[bool] = ContextVar("parts made for speed", default=False)


@contextmanager
def for_speed() -> Iterator[None]:
    """What is counted inside has prefix carries and Booth's multipliers in place of chains and
    arrays."""
    token = _FAST.set(True)
    try:
        yield
    finally:
        _FAST.reset(token)


def prefix_adder(bits: int) -> Logic:
    """Adder with carries by Sklansky's parallel prefix: 30b − 12 + 14⌊b/2⌋⌈log2(b)⌉ T,
    2⌈log2(b)⌉ + 6 levels.

    A half adder a bit, ⌊b/2⌋⌈log2(b)⌉ nodes of an AND and an AND-OR, an XOR for each sum (Sklansky
    1960; counted, not synthesised: mapping for area turns prefixes back into chains).

    >>> prefix_adder(32).transistors, prefix_adder(32).depth
    (2068, 16)
    """
    _require_width("bits", bits)
    nodes = bits // 2 * bits_for(bits)
    total = HALF_ADDER * bits + XOR.transistors * (bits - 1) + 14 * nodes
    return Logic(total, 2 * bits_for(bits) + 6)


def booth_multiplier(a_bits: int, b_bits: int) -> Logic:
    """Booth's radix-4 multiplier, rows added by a tree of carry-save adders and a prefix adder.

    With r = ⌈min(a, b)/2⌉ rows: 46 T for each bit of a row (its selector, and a share of encoder
    and sign), and 42 for each of the r − 1 rows of full adders.  With a chain for the last addition
    that is within 9 % of Yosys' ``-booth`` at 8 to 32 bits, signed and unsigned (2730 and 2832 T at
    8, 46 824 and 48 588 at 32): no fewer than the array's.

    >>> booth_multiplier(8, 8).transistors > multiplier(8, 8).transistors
    True
    """
    short, long = sorted((a_bits, b_bits))
    if short <= 2:
        return multiplier(a_bits, b_bits)
    rows = -(-short // 2)
    total = 46 * rows * (long + 1) + FULL_ADDER * (rows - 1) * (long + 2)
    final = prefix_adder(a_bits + b_bits)
    more = final.transistors - adder_chain(a_bits + b_bits).transistors
    tree = math.ceil(math.log(rows / 2, 1.5)) if rows > 2 else 0
    return Logic(total + more, 8 + 6 * tree + final.depth)


def adder(bits: int) -> Logic:
    """Adder or subtractor: a chain, or for speed a prefix adder."""
    return prefix_adder(bits) if _FAST.get() else adder_chain(bits)


def adder_chain(bits: int) -> Logic:
    """Adder or subtractor of two ``bits``-bit words: 43b − 27 T, 2b + 1 levels up to 64 bits;
    60 T and a third of a level for each bit more, where synthesis breaks the chain up.

    A chain of full adders is 42b − 24.  Yosys begins from a parallel-prefix adder and leaves some
    of its gates: from 352 T at 8 bits to 1536 at 32.  This line, of one T per bit more, lies within
    15 % of both and, unlike the chain, orders wide adders and narrow multipliers as netlists do.

    >>> adder_chain(8)
    Logic(transistors=317, depth=17, bitwise=True)
    """
    _require_width("bits", bits)
    chain = min(bits, 64)
    total = max(HALF_ADDER, (FULL_ADDER + 1) * chain - 27) + 60 * (bits - chain)
    return Logic(total, 2 * chain + (bits - chain) // 3 + 1, True)


def merged(sums: Logic, bits: int) -> Logic:
    """An adder that a multiplier feeds: 36 T more for every bit of the product.

    By Yosys 0.23 an array of Baugh and Wooley's and an accumulator take 306 T more together than
    apart at 4 and 16 bits, 606 at 8 and 24, 686 at 8 and 32, 1460 at 16 and 40.
    """
    return Logic(sums.transistors + 36 * bits, sums.depth, sums.bitwise)


def _rippling(transistors: int, bits: int) -> Logic:
    """A chain of half adders, a level a bit; beyond 64 bits synthesis breaks it up.  For speed a
    prefix of ANDs."""
    if _FAST.get():
        more = AND.transistors * (bits // 2 * bits_for(bits))
        return Logic(transistors + more, 2 * bits_for(bits) + 3)
    return Logic(transistors, min(bits, 64) + max(0, bits - 64) // 3 + 2, True)


def magnitude_adder(bits: int) -> Logic:
    """Add or subtract two magnitudes, result a sign and a magnitude: one operand is inverted, the
    sum's complement is made beside it and chosen once its sign is known."""
    return XOR * bits + adder(bits) + (complementer(bits) | MUX2 * bits)


def incrementer(bits: int) -> Logic:
    """Add one bit to a word: a row of half adders, 18b T, b + 2 levels."""
    _require_width("bits", bits)
    return _rippling(HALF_ADDER * bits, bits)


def narrow_adder(bits: int, addend_bits: int) -> Logic:
    """Add a word of ``addend_bits`` to one of ``bits``: full adders below, half adders above."""
    _require_width("bits", bits)
    low = min(bits, addend_bits)
    return adder(low) + incrementer(bits - low) if bits > low else adder(low)


def constant_adder(bits: int) -> Logic:
    """Add a constant: the adder cells fold to one gate each for sum and carry, 15b − 10 T."""
    _require_width("bits", bits)
    return _rippling(max(HALF_ADDER, 15 * bits - 10), bits)


def constant_comparator(bits: int) -> Logic:
    """Compare with a constant: one gate a bit."""
    return gate_tree(bits)


def complementer(bits: int) -> Logic:
    """Conditional two's complement: per bit above the lowest an XOR, and an OR and an AND that
    carry "negate, and a one was seen below": 26(b − 1) T, b + 2 levels."""
    _require_width("bits", bits)
    return _rippling(26 * (bits - 1), bits) if bits > 1 else NOTHING


def comparator(bits: int) -> Logic:
    """a < b: 28(b − 1) T and a gate, that meet in a tree of 2⌈log2(b)⌉ + 4 levels."""
    _require_width("bits", bits)
    return Logic(28 * (bits - 1) + AND.transistors, 2 * bits_for(bits) + 4)


def multiplier(a_bits: int, b_bits: int) -> Logic:
    """Array multiplier of ``a_bits`` × ``b_bits``, product exact; for speed Booth's.

    ab ANDs, then ab − max(a, b) adder cells of which min(a, b) are half adders; so
    48b² − 66b for a = b, and 2(a + b) + 4 levels.  With a one-bit operand only the ANDs remain.
    Signed (Baugh-Wooley) and unsigned arrays have the same cells but for a few inverters, not
    counted.

    >>> [multiplier(a, b).transistors for a, b in ((8, 8), (4, 8), (8, 4), (1, 8))]
    [2544, 1104, 1104, 48]
    """
    _require_width("a_bits", a_bits)
    _require_width("b_bits", b_bits)
    ands = AND * (a_bits * b_bits)
    short, long = sorted((a_bits, b_bits))
    if short == 1:
        return ands
    if short > 2 and _FAST.get():
        return booth_multiplier(a_bits, b_bits)
    full = a_bits * b_bits - long - short
    cells = FULL_ADDER * full + HALF_ADDER * short
    return Logic(ands.transistors + cells, 2 * (a_bits + b_bits) + 4, True)


def late_multiplier(a_bits: int, b_bits: int) -> Logic:
    """The same behind normalisers: 12ab − 24(a + b) T more.

    Bits that come late lie on the longest path, where mapping repeats gates.  By Yosys 0.23 what
    normalisers and array take together, less what they take apart, is 690 T at 8 × 8 bits, 1486 at
    11 × 11, 8876 at 24 × 24 if they are mapped as a whole, and little if block by block: a value
    between.
    """
    array = multiplier(a_bits, b_bits)
    more = max(0, 12 * a_bits * b_bits - 24 * (a_bits + b_bits))
    return Logic(array.transistors + more, array.depth, True)


def gate_tree(inputs: int) -> Logic:
    """AND or OR of ``inputs`` bits: inputs − 1 gates, NAND and NOR in turn, 4 T each; nothing for
    one input or none."""
    gates = max(0, inputs - 1)
    return Logic(NAND * gates, 2 * -(-bits_for(max(1, inputs)) // 2))


def mux(bits: int) -> Logic:
    """Choose one of two words, 12b T, 3 levels."""
    _require_width("bits", bits, 0)
    return MUX2 * bits


def selection(entries: int, bits: int) -> Logic:
    """One of ``entries`` words of ``bits`` by a tree of multiplexers."""
    tree = mux(bits) * (entries - 1)
    return Logic(tree.transistors, 2 * bits_for(entries) + 1 if entries > 1 else 0)


def table(entries: int, bits: int) -> Logic:
    """One of ``entries`` constants of ``bits``: 1.6 T per entry and bit, 2(log2(entries) − 1)
    levels.

    Of the multiplexers of a tree over constants most gates fold.  Tables of random bits, 16 to 1024
    entries of 1 to 16 bits, take 1.2 to 3.1 T per entry and bit by Yosys; smooth ones take less.
    """
    if entries < 2:
        return NOTHING
    return Logic(8 * entries * bits // 5, max(1, 2 * bits_for(entries) - 2))


def smooth_table(values: Sequence[int]) -> Logic:
    """One of ``values`` by its number: 2.7 T for every bit in which one differs from the next, and
    1.3 T for each of them.

    Of a function that hardly changes little is left of a table: tables of log2(1 ± 2^z) and of 2^x,
    16 to 512 entries of 4 to 12 bits, lie within 25 % of Yosys' netlists, random bits too.
    """
    if len(values) < 2:
        return NOTHING
    flips = sum((one ^ other).bit_count() for one, other in pairwise(values))
    return Logic((27 * flips + 13 * len(values)) // 10, max(1, 2 * bits_for(len(values)) - 2))


def shifter(bits: int, largest_shift: int, sticky: bool = False) -> Logic:
    """Barrel shifter of a ``bits``-bit word by 0 … ``largest_shift``, zeros shifted in.

    ⌈log2(largest_shift + 1)⌉ stages of b two-way multiplexers: O(b log b), and two levels each.
    In stage k the 2^k bits that receive a zero are ANDs (6 T saved each); ``sticky`` ORs the 2^k
    bits that leave it and gates them by the stage's select line.
    """
    _require_width("bits", bits)
    _require_width("largest_shift", largest_shift, 0)
    stages = bits_for(largest_shift + 1)
    edge = sum(min(1 << k, bits) for k in range(stages))
    gate = AND.transistors
    total = MUX2.transistors * bits * stages - (MUX2.transistors - gate) * edge
    if sticky:
        total += gate * edge + 2 * gate * stages
    return Logic(total, 2 * stages + 1 + 2 * sticky if stages else 0)


def placer(bits: int, window: int) -> Logic:
    """Put a word of ``bits`` anywhere into a wider window of zeros.

    The stages of a shifter, but only where the word's bits meet is there a multiplexer:
    12(b − 1)⌈log2(w)⌉ T, and two ANDs for each place of the window; or a shifter of the window,
    where that is smaller.
    """
    _require_width("bits", bits)
    _require_width("window", window, bits)
    stages = bits_for(window)
    total = MUX2.transistors * (bits - 1) * stages + 2 * AND.transistors * window
    wide = shifter(window, window - 1).transistors
    return Logic(min(total, wide), 2 * stages + 1 if stages else 0)


def leading_zero_counter(bits: int) -> Logic:
    """Leading zeros of a word: per bit a prefix OR and an encoder gate, 12(b − 1) T; about b / 2
    levels, at most 4⌈log2(b)⌉ − 4, since counts of halves meet in a tree."""
    _require_width("bits", bits)
    return Logic(
        2 * AND.transistors * (bits - 1),
        min(bits // 2 + 2, max(2, 4 * bits_for(bits) - 4)) if bits > 1 else 0,
    )


def normaliser(bits: int, most: int | None = None) -> Logic:
    """Shift leading zeros out, and count them: (12(b − 1) − 6)⌈log2(b)⌉ T; fewer stages where no
    word has more than ``most`` of them.

    Stage by stage, the largest shift first: a tree ORs the upper bits, a row of multiplexers moves
    the word; nothing for one bit.  The highest bit of the result is known.
    """
    _require_width("bits", bits)
    stages = bits_for(bits if most is None else min(bits, most + 1))
    total = (MUX2.transistors * (bits - 1) - AND.transistors) * stages
    return Logic(total, max(2, min(bits // 2, 12) + 3 * stages - 3) if stages else 0)


def register(bits: int) -> Logic:
    """Flip-flops, 24b T; the clock tree is not counted."""
    _require_width("bits", bits)
    return Logic(FLIP_FLOP * bits)


def rounder(kept_bits: int, dropped_bits: int, rounding: str) -> Logic:
    """Rounding of a word to its upper ``kept_bits``; nothing when nothing is dropped.

    rtz truncates; rto ORs the dropped bits into the last one; rna looks at the guard bit alone;
    rne needs guard, sticky and the last bit; rup and rdn need guard, sticky and the sign.  All
    but the first two then increment.  sr adds N random bits to the upper N dropped ones, and the
    carry to what is kept (b adds one bit more, c first rounds to those N).
    """
    _require_width("kept_bits", kept_bits)
    if dropped_bits <= 0 or rounding == "rtz":
        return NOTHING
    if how := stochastic_of(rounding):
        return _drawn_rounder(kept_bits, dropped_bits, how)
    sticky = gate_tree(dropped_bits)
    if rounding == "rto":
        return sticky + AND
    if rounding == "rna":
        return incrementer(kept_bits)
    if rounding in ("rne", "rup", "rdn"):
        return sticky + 2 * AND + incrementer(kept_bits)
    raise ValueError(
        f"rounding={rounding!r}: no price; allowed are rne, rna, rtz, rup, rdn, rto, srN"
    )


def _drawn_rounder(kept_bits: int, dropped_bits: int, how: Stochastic) -> Logic:
    below = min(how.bits, dropped_bits)
    total = adder(min(below + (how.variant == "b"), dropped_bits)) + incrementer(kept_bits)
    if how.variant == "c" and dropped_bits > below:
        total = gate_tree(dropped_bits - below) + 2 * AND + incrementer(below) + total
    return total


def random_generator(how: Stochastic) -> Logic:
    """A shift register and the XORs of its taps, clocked once a rounding (Galois form).

    The counter of splitmix64 is the simulation's: in its place a register of 32 bits is counted,
    the widest of `TAPS`.
    """
    width = how.lfsr or max(TAPS)
    return register(width) | XOR * len(TAPS[width])
