"""Transistor counts: closed forms, synthesised netlists, and shape (symmetric, monotone)."""

from __future__ import annotations

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
    (t.comparator, (8,), 150, 0.30),
    (t.comparator, (32,), 752, 0.15),
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
    (t.multiplier, (1, 8), 48, 0.01),
    (t.multiplier, (2, 8), 322, 0.20),
    (t.multiplier, (4, 8), 1048, 0.15),
    (t.multiplier, (4, 16), 2042, 0.15),
    (t.multiplier, (8, 16), 5590, 0.15),
]
ROUNDINGS = ("rne", "rna", "rtz", "rup", "rdn", "rto")
widths = st.integers(1, 64)


@pytest.mark.parametrize(
    ("count", "arguments", "transistors", "allowed"),
    SYNTHESISED,
    ids=[f"{f.__name__}{a}" for f, a, _, _ in SYNTHESISED],
)
def test_close_to_synthesis(count, arguments, transistors, allowed):
    assert count(*arguments) == pytest.approx(transistors, rel=allowed)


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16, 24, 32, 53, 64])
def test_closed_forms(bits):
    assert t.adder(bits) == 42 * bits - 24
    assert t.multiplier(bits, bits) == 48 * bits**2 - 66 * bits


def test_multiplying_bits_is_an_and():
    assert t.multiplier(1, 1) == t.AND


@given(widths, widths)
def test_multiplier_is_symmetric_and_monotone(a, b):
    assert t.multiplier(a, b) == t.multiplier(b, a)
    assert 0 < t.multiplier(a, b) < t.multiplier(a + 1, b)


@given(st.integers(2, 64))
def test_multiplier_dwarfs_adder(bits):
    assert t.multiplier(bits + 1, bits + 1) > t.adder(bits + 1)


@given(widths, widths, st.booleans())
def test_shifter_is_monotone(bits, reach, sticky):
    assert t.shifter(bits, reach, sticky) < t.shifter(bits + 1, reach, sticky)
    assert t.shifter(bits, reach, sticky) <= t.shifter(bits, reach + 1, sticky)
    assert t.shifter(bits, reach) < t.shifter(bits, reach, sticky=True)


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
    assert 0 <= count(bits) < count(bits + 1)


@given(widths, widths)
def test_narrow_adder_lies_between(bits, addend):
    assert t.constant_adder(bits) <= t.narrow_adder(bits, addend) <= t.adder(bits)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_nothing_dropped_nothing_rounded(rounding):
    assert t.rounder(8, 0, rounding) == 0


def test_rounding_modes_are_ordered():
    price = {mode: t.rounder(16, 8, mode) for mode in ROUNDINGS}
    assert 0 == price["rtz"] < price["rto"] < price["rna"] < price["rne"]
    assert price["rup"] == price["rdn"] == price["rne"]


def test_unknown_rounding_is_named():
    with pytest.raises(ValueError, match="'rnx'"):
        t.rounder(8, 4, "rnx")


@pytest.mark.parametrize("bits", [0, -1, True, 2.0])
def test_widths_are_positive_integers(bits):
    with pytest.raises(ValueError, match="bits="):
        t.adder(bits)
