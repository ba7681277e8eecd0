"""Transistor counts (T) of the parts that arithmetic units are made of.

Every function returns transistors of static CMOS with NAND, NOR and NOT cells only, so one
energy and one area per transistor price them all (`hwsim.costs.nodes`).  Nothing here is fitted
to a floating-point unit.  Sources: gate counts and closed forms of adder and multiplier from
mapping with Yosys (``abc -g cmos2``); shifter, counter, comparator and complementer are
composed as their docstrings say and lie within 30 % of Yosys 0.23 netlists of the same function
(tests/costs/test_primitives.py holds those counts).
"""

from __future__ import annotations

from hwsim.formats.stochastic import TAPS, Stochastic, stochastic_of

FULL_ADDER = 42
HALF_ADDER = 18
AND = 6
XOR = 12
NOT = 2
FLIP_FLOP = 24
MUX2 = 12  # three NANDs; the inverter of the select line is shared by the whole word


def _require_width(name: str, bits: int, least: int = 1) -> None:
    if isinstance(bits, bool) or not isinstance(bits, int) or bits < least:
        raise ValueError(f"{name}={bits!r}: an integer of at least {least} is needed")


def bits_for(count: int) -> int:
    """Bits that tell ``count`` cases apart: ⌈log2(count)⌉; 0 for one case."""
    _require_width("count", count)
    return (count - 1).bit_length()


def adder(bits: int) -> int:
    """Ripple adder or subtractor of two ``bits``-bit words: 42b − 24 T.

    b − 1 full adders and one half adder.

    >>> adder(8)
    312
    """
    _require_width("bits", bits)
    return FULL_ADDER * bits - (FULL_ADDER - HALF_ADDER)


def incrementer(bits: int) -> int:
    """Add one bit to a word: a row of half adders, 18b T."""
    _require_width("bits", bits)
    return HALF_ADDER * bits


def narrow_adder(bits: int, addend_bits: int) -> int:
    """Add a word of ``addend_bits`` to one of ``bits``: full adders below, half adders above."""
    _require_width("bits", bits)
    low = min(bits, addend_bits)
    return adder(low) + HALF_ADDER * (bits - low)


def constant_adder(bits: int) -> int:
    """Add a constant: the adder cells fold to one gate each for sum and carry, 18b T."""
    return incrementer(bits)


def complementer(bits: int) -> int:
    """Conditional two's complement: per bit above the lowest an XOR, and an OR and an AND that
    carry "negate, and a one was seen below": 24(b − 1) T."""
    _require_width("bits", bits)
    return (XOR + 2 * AND) * (bits - 1)


def comparator(bits: int) -> int:
    """a < b: the carry chain of a subtractor, four two-input gates per bit, 24b T."""
    _require_width("bits", bits)
    return 4 * AND * bits


def multiplier(a_bits: int, b_bits: int) -> int:
    """Array multiplier of ``a_bits`` × ``b_bits``, product exact.

    ab ANDs, then ab − max(a, b) adder cells of which min(a, b) are half adders; so
    48b² − 66b for a = b.  With a one-bit operand only the ANDs remain.  Signed (Baugh-Wooley)
    and unsigned arrays have the same cells but for a few inverters, not counted.

    >>> multiplier(8, 8), multiplier(4, 8) == multiplier(8, 4), multiplier(1, 8)
    (2544, True, 48)
    """
    _require_width("a_bits", a_bits)
    _require_width("b_bits", b_bits)
    ands = AND * a_bits * b_bits
    short, long = sorted((a_bits, b_bits))
    if short == 1:
        return ands
    full = a_bits * b_bits - long - short
    return ands + FULL_ADDER * full + HALF_ADDER * short


def gate_tree(inputs: int) -> int:
    """AND or OR of ``inputs`` bits: inputs − 1 gates; 0 for one input or none."""
    return AND * max(0, inputs - 1)


def mux(bits: int) -> int:
    """Choose one of two words, 12b T."""
    _require_width("bits", bits, 0)
    return MUX2 * bits


def shifter(bits: int, largest_shift: int, sticky: bool = False) -> int:
    """Barrel shifter of a ``bits``-bit word by 0 … ``largest_shift``, zeros shifted in.

    ⌈log2(largest_shift + 1)⌉ stages of b two-way multiplexers: O(b log b).  In stage k the 2^k
    bits that receive a zero are ANDs (6 T saved each); ``sticky`` ORs the 2^k bits that leave it
    and gates them by the stage's select line.
    """
    _require_width("bits", bits)
    _require_width("largest_shift", largest_shift, 0)
    stages = bits_for(largest_shift + 1)
    edge = sum(min(1 << k, bits) for k in range(stages))
    total = MUX2 * bits * stages - (MUX2 - AND) * edge
    return total + (AND * edge + 2 * AND * stages if sticky else 0)


def leading_zero_counter(bits: int) -> int:
    """Leading zeros of a word: per bit a prefix OR and an encoder gate, 12(b − 1) T."""
    _require_width("bits", bits)
    return 2 * AND * (bits - 1)


def register(bits: int) -> int:
    """Flip-flops, 24b T; the clock tree is not counted."""
    _require_width("bits", bits)
    return FLIP_FLOP * bits


def rounder(kept_bits: int, dropped_bits: int, rounding: str) -> int:
    """Rounding of a word to its upper ``kept_bits``; nothing when nothing is dropped.

    rtz truncates; rto ORs the dropped bits into the last one; rna looks at the guard bit alone;
    rne needs guard, sticky and the last bit; rup and rdn need guard, sticky and the sign.  All
    but the first two then increment.  sr adds N random bits to the upper N dropped ones, and the
    carry to what is kept (b adds one bit more, c first rounds to those N).
    """
    _require_width("kept_bits", kept_bits)
    if dropped_bits <= 0 or rounding == "rtz":
        return 0
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


def _drawn_rounder(kept_bits: int, dropped_bits: int, how: Stochastic) -> int:
    below = min(how.bits, dropped_bits)
    total = adder(min(below + (how.variant == "b"), dropped_bits)) + incrementer(kept_bits)
    if how.variant == "c" and dropped_bits > below:
        total += gate_tree(dropped_bits - below) + 2 * AND + incrementer(below)
    return total


def random_generator(how: Stochastic) -> int:
    """A shift register and the XORs of its taps, clocked once a rounding (Galois form).

    The counter of splitmix64 is the simulation's: in its place a register of 32 bits is counted,
    the widest of `TAPS`.
    """
    width = how.lfsr or max(TAPS)
    return register(width) + XOR * len(TAPS[width])
