"""Transistor counts: closed forms, synthesised netlists, and shape (symmetric, monotone)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.costs import primitives as t

# Yosys 0.23: synth -flatten; abc -g cmos2; stat -tech cmos, of behavioural Verilog (a + b,
# a * b unsigned, x << s, x >> s with the OR of what left, ...).  (function, arguments, T, allowed)
SYNTHESISED = [
    (t.adder, (8,), 352, 0.15),
    (t.adder, (16,), 720, 0.15),
    (t.adder, (32,), 1516, 0.15),
    (t.incrementer, (8,), 130, 0.15),
    (t.incrementer, (32,), 538, 0.15),
    (t.complementer, (8,), 174, 0.15),
    (t.complementer, (32,), 808, 0.15),
    (t.comparator, (8,), 214, 0.15),
    (t.comparator, (32,), 880, 0.15),
    (t.mux, (8,), 98, 0.15),
    (t.mux, (32,), 386, 0.15),
    (t.leading_zero_counter, (4,), 34, 0.15),
    (t.leading_zero_counter, (11,), 100, 0.25),
    (t.leading_zero_counter, (24,), 268, 0.15),
    (t.leading_zero_counter, (48,), 562, 0.15),
    (t.shifter, (11, 10), 426, 0.15),
    (t.shifter, (24, 23), 1288, 0.15),
    (t.shifter, (53, 52), 3648, 0.15),
    (t.shifter, (13, 15, True), 818, 0.25),
    (t.shifter, (26, 31, True), 2122, 0.25),
    (t.shifter, (48, 63, True), 3784, 0.15),
    (t.multiplier, (3, 3), 230, 0.15),
    (t.multiplier, (4, 4), 522, 0.15),
    (t.multiplier, (8, 8), 2778, 0.15),
    (t.multiplier, (11, 11), 5458, 0.15),
    (t.multiplier, (16, 16), 12040, 0.15),
    (t.table, (16, 8), 262, 0.25),  # random bits
    (t.table, (64, 8), 838, 0.15),
    (t.table, (256, 8), 2954, 0.15),
    (t.table, (1024, 4), 5438, 0.25),
    (t.multiplier, (1, 8), 48, 0.01),
    (t.multiplier, (2, 8), 322, 0.20),
    (t.multiplier, (4, 8), 1048, 0.15),
    (t.multiplier, (4, 16), 2042, 0.15),
    (t.multiplier, (8, 16), 5590, 0.15),
]
SMOOTH = [  # function of k, entries, T by Yosys
    (lambda k: round(2 ** (k / 16) * 2**8) - 2**8, 16, 208),
    (lambda k: round(2 ** (k / 64) * 2**12) - 2**12, 64, 956),
    (lambda k: round(2 ** (k / 256) * 2**8) - 2**8, 256, 1656),
    (lambda k: round(math.log2(1 + 2 ** (-k / 64)) * 64), 512, 964),
    (lambda k: round(math.log2(1 + 2 ** (-k / 8)) * 8), 64, 126),
]
ROUNDINGS = ("rne", "rna", "rtz", "rup", "rdn", "rto")
widths = st.integers(1, 64)


@pytest.mark.parametrize(
    ("count", "arguments", "transistors", "allowed"),
    SYNTHESISED,
    ids=[f"{f.__name__}{a}" for f, a, _, _ in SYNTHESISED],
)
def test_close_to_synthesis(count, arguments, transistors, allowed):
    assert count(*arguments).transistors == pytest.approx(transistors, rel=allowed)


@pytest.mark.parametrize(("function", "entries", "transistors"), SMOOTH)
def test_smooth_tables(function, entries, transistors):
    found = t.smooth_table([function(k) for k in range(entries)]).transistors
    assert found == pytest.approx(transistors, rel=0.25)


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16, 24, 32, 53, 64])
def test_closed_forms(bits):
    """The adder's lies within 3 % of a chain of full adders, 42b - 24."""
    assert t.adder(bits).transistors == 43 * bits - 27 == pytest.approx(42 * bits - 24, rel=0.03)
    assert t.multiplier(bits, bits).transistors == 48 * bits**2 - 66 * bits


# Yosys 0.70 (yowasp): synth -flatten -booth -noabc, then 0.23's abc -g cmos2: signed, unsigned.
BOOTH = {8: (2730, 2832), 11: (5762, 5714), 16: (11412, 12522), 24: (26320, 27734)}
BOOTH[32] = (46824, 48588)


@pytest.mark.parametrize("bits", BOOTH)
def test_booth(bits):
    """With a chain for the last addition, as Yosys has it; and so is the array's closed form."""
    last = t.prefix_adder(2 * bits).transistors - t.adder_chain(2 * bits).transistors
    for transistors in BOOTH[bits]:
        found = t.booth_multiplier(bits, bits).transistors - last
        assert found == pytest.approx(transistors, rel=0.09)
        assert t.multiplier(bits, bits).transistors == pytest.approx(transistors, rel=0.15)


@given(widths, widths)
def test_parts_for_speed(a, b):
    """Shallower from some width on, larger, monotone; and only inside."""
    before = t.adder(a), t.multiplier(a, b), t.incrementer(a)
    with t.for_speed():
        assert t.adder(a) == t.prefix_adder(a)
        assert t.adder(a).transistors < t.adder(a + 1).transistors
        assert t.multiplier(a, b).transistors < t.multiplier(a + 1, b + 1).transistors
        assert t.multiplier(a, b) == t.multiplier(b, a)
        if a >= 16:
            assert t.adder(a).depth < before[0].depth / 2
            assert t.incrementer(a).depth < before[2].depth
        if min(a, b) >= 8:
            assert t.multiplier(a, b).depth < before[1].depth + 8
    assert (t.adder(a), t.multiplier(a, b), t.incrementer(a)) == before


logic = st.builds(t.Logic, st.integers(0, 99), st.integers(0, 99), st.booleans())


@given(logic, logic, logic)
def test_logic_adds_transistors_whatever_the_path(a, b, c):
    """In a row no shorter than side by side; nothing changes nothing."""
    assert (a + b).transistors == (a | b).transistors == a.transistors + b.transistors
    assert max(a.depth, b.depth) == (a | b).depth <= (a + b).depth <= a.depth + b.depth
    assert (a + t.NOTHING).depth == (t.NOTHING + a).depth == a.depth
    assert ((a | b) | c).depth == (a | (b | c)).depth
    assert 3 * a == a * 3
    assert (3 * a).transistors == (a | a | a).transistors
    assert a.in_a_row(3).depth == (a + a + a).depth
    assert a.in_a_row(3).transistors == a.transistors


def test_carries_run_side_by_side():
    """Yosys: a + b + c of 8, 16 and 32 bits has 19, 35 and 67 levels, one adder 17, 33 and 65."""
    for bits, levels in ((8, 19), (16, 35), (32, 67)):
        two = t.adder(bits) + t.adder(bits)
        assert levels <= two.depth == t.adder(bits).depth + t.LINK == levels + 2
    assert (t.adder(8) + t.comparator(8)).depth == t.adder(8).depth + t.comparator(8).depth


def test_multiplying_bits_is_an_and():
    assert t.multiplier(1, 1) == t.AND
    assert t.adder(1).transistors == t.HALF_ADDER


@given(widths, widths)
def test_multiplier_is_symmetric_and_monotone(a, b):
    assert t.multiplier(a, b) == t.multiplier(b, a)
    here, wider = t.multiplier(a, b), t.multiplier(a + 1, b)
    assert 0 < here.transistors < wider.transistors
    assert 0 < here.depth <= wider.depth


@given(st.integers(2, 64))
def test_multiplier_dwarfs_adder(bits):
    one, other = t.multiplier(bits + 1, bits + 1), t.adder(bits + 1)
    assert one.transistors > other.transistors
    assert one.depth > other.depth


@given(widths, widths, st.booleans())
def test_shifter_is_monotone(bits, reach, sticky):
    def size(*arguments):
        return t.shifter(*arguments).transistors

    assert size(bits, reach, sticky) < size(bits + 1, reach, sticky)
    assert size(bits, reach, sticky) <= size(bits, reach + 1, sticky)
    assert size(bits, reach) < size(bits, reach, True)
    assert t.shifter(bits, reach).depth <= t.shifter(bits, reach + 1).depth
    assert t.shifter(bits, reach).depth < t.shifter(bits, reach, sticky=True).depth


@pytest.mark.parametrize(
    "count",
    [
        t.adder,
        t.incrementer,
        t.complementer,
        t.comparator,
        t.mux,
        t.register,
        t.leading_zero_counter,
    ],
    ids=lambda f: f.__name__,
)
@given(bits=widths)
def test_words_are_monotone(count, bits):
    here, wider = count(bits), count(bits + 1)
    assert 0 <= here.transistors < wider.transistors
    assert 0 <= here.depth <= wider.depth


@given(widths, widths)
def test_narrow_adder_lies_between(bits, addend):
    narrow = t.narrow_adder(bits, addend).transistors
    assert t.constant_adder(bits).transistors <= narrow <= t.adder(bits).transistors


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_nothing_dropped_nothing_rounded(rounding):
    assert t.rounder(8, 0, rounding) == t.NOTHING


def test_rounding_modes_are_ordered():
    price = {mode: t.rounder(16, 8, mode).transistors for mode in ROUNDINGS}
    assert 0 == price["rtz"] < price["rto"] < price["rna"] < price["rne"]
    assert price["rup"] == price["rdn"] == price["rne"]


def test_unknown_rounding_is_named():
    with pytest.raises(ValueError, match="'rnx'"):
        t.rounder(8, 4, "rnx")


@pytest.mark.parametrize("bits", [0, -1, True, 2.0])
def test_widths_are_positive_integers(bits):
    with pytest.raises(ValueError, match="bits="):
        t.adder(bits)
