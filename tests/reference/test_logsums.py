"""Sums of logarithms: the tables' entries, and sums written out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.reference.logsums import minus, plus

UNIT = "log4.3xlog4.3+log6.6:lns"


@pytest.mark.parametrize(
    ("bits", "sums", "differences"),
    [(1, 5, 5), (2, 14, 14), (3, 36, 36), (4, 89, 88), (5, 209, 209), (6, 482, 482)],
)
def test_nonzero_entries(bits: int, sums: int, differences: int) -> None:
    """Published sizes of addition tables."""
    assert sum(plus(k, bits, bits) != 0 for k in range(1000)) == sums
    assert sum(minus(k, bits, bits) != 0 for k in range(1, 1000)) == differences


@pytest.mark.parametrize("bits", [0, 1, 2, 5])
@pytest.mark.parametrize("places", [0, 1, 4, 9])
def test_entries_are_nearest(bits: int, places: int) -> None:
    """2^(entry ± half a place) lie on both sides: exactly, by powers of 2^(places + 1 + bits)."""
    for k in range(1, (places + 4) << bits):
        for table, sign in ((plus, 1), (minus, -1)):
            entry = table(k, bits, places)
            at = math.log2(1 + sign * 2.0 ** (-k / 2**bits)) * 2**places
            assert abs(entry - at) < 0.5 + 1e-9
            if bits == 0:  # 1 ± 2^-k is rational: its power is compared with a power of two
                x = (1 + sign * Fraction(1, 2**k)) ** (2 ** (places + 1))
                assert Fraction(2) ** (2 * entry - 1) <= x <= Fraction(2) ** (2 * entry + 1)


def test_by_hand() -> None:
    """8 fields an octave in, 64 in the sum: 2·2 + 1 is log2 4 + s(−2), s(−128/64) = 21/64."""
    got = reference.dot([2, 1], [2, 1], UNIT)
    assert got == np.float32(2.0 ** (2 + round(64 * math.log2(1.25)) / 64))
    assert reference.dot([2, -4], [2, 1], UNIT) == 0
    assert not np.signbit(reference.dot([2, -4], [2, 1], UNIT))
    assert reference.dot([4, -2], [1, 1], UNIT) == 2  # d(−1) is −1 exactly
    assert reference.dot([1, 1], [1, 1], UNIT) == 2  # s(0) is 1 exactly
    assert reference.dot([0, -2, 0], [1, 1, 5], UNIT, 0.0) == -2


@pytest.mark.parametrize(
    ("rounding", "plain", "negative"),
    [("rne", 2, -2), ("rna", 4, -4), ("rtz", 2, -2), ("rup", 4, -2), ("rdn", 2, -4)],
)
def test_products_are_rounded_to_fields(rounding: str, plain: float, negative: float) -> None:
    """2^1.5 lies between the fields of 2 and 4, 2 and 3: halfway, and the even one is 2."""
    unit = f"log3.1xlog3.1+pow2_5:{rounding}:lns"
    x = reference.round([2**0.5, 2.0], "log3.1").tolist()
    assert reference.dot(x[:1], x[1:], unit) == plain
    assert reference.dot([-x[0]], x[1:], unit) == negative


@pytest.mark.parametrize(
    ("rounding", "plain", "negative"),
    [("rne", 0, 0), ("rna", 0, 0), ("rtz", 0, 0), ("rup", 1, 0), ("rdn", 0, -1), ("rto", 1, -1)],
)
def test_under_the_smallest_value(rounding: str, plain: float, negative: float) -> None:
    """A quarter is no field of pow2_4: between 0 and 1 it goes where the rounding says."""
    unit = f"pow2_4b4xpow2_4b4+pow2_4:{rounding}:lns"
    assert reference.dot([0.5], [0.5], unit) == plain
    assert reference.dot([-0.5], [0.5], unit) == negative


def test_overflow_saturates_and_counts() -> None:
    got, counts = reference.dot([64, 64, 1], [64, 2, 1], "pow2_5xpow2_5+pow2_4:lns", telemetry=True)
    assert got == 64
    assert (counts.overflow_products, counts.overflow_outputs) == (2, 1)
    assert counts.overflow_steps == 1  # 64 + 64
    assert counts.swamped_full == 1  # 64 + 1


def test_swamping_is_that_of_fields() -> None:
    """Ones stick where s(z) rounds to 0: at 2^f entries' octaves and some more."""
    for places, sticks in ((0, 2.0), (3, 8.0)):
        unit = f"pow2_5xpow2_5+log5.{places}:lns"
        got, counts = reference.dot(np.ones(200), np.ones(200), unit, telemetry=True)
        assert got >= sticks
        assert counts.swamped_full > 100


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("log4.3xlog4.3+fp32:lns", "a logarithmic format is needed"),
        ("log4.3xint8+log6.6:lns", "b int8: a logarithmic format is needed"),
        ("log4.3xlog4.3+log6.6:lns21", "0 to 20"),
        ("log4.3xlog4.3+log6.6:lns:mul_add", "logarithms are added"),
        ("log4.3xlog4.3+log6.6:lns:sr8", "no draw"),
        ("log4.3xlog4.3:log8+log6.6:lns", "logarithms are added"),
        ("log4.3xlog4.3+log6.6_unsigned:lns", "need a sign, a zero"),
        ("log4.3xlog4.3+log6.6_linear:lns", "the log domain"),
        ("log4.3xlog4.3+log6.6", "sums of logarithms have the order lns"),
        ("log4.3xlog4.3+log6.6:lns:wrap", "wrap"),
    ],
)
def test_refusals(spec: str, why: str) -> None:
    with pytest.raises(hwsim.SpecError, match=why):
        hwsim.mac(spec)


def test_spelling() -> None:
    assert str(hwsim.mac("log4.3xlog4.3+log6.6:lns6")) == UNIT
    assert hwsim.mac(UNIT).order == hwsim.LogSum()
    assert str(hwsim.mac("log4.3xlog4.3+log6.6:lns8:rtz")) == "log4.3xlog4.3+log6.6:rtz:lns8"
