"""Widths that never overflow, against the operands that come nearest to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.accumulators.bounds import Facts, by_variance, for_weights, worst_case
from hwsim.accumulators.families import Family
from hwsim.theory import a2q_bits_of_weights, worst_case_bits


def facts(k: int, weights: Any = None, points: Any = (0, 0)) -> Facts:
    return Facts(SimpleNamespace(), k, points, weights)  # type: ignore[arg-type]


def overflows(unit: Any, a: Any, b: Any, c: Any = None) -> int:
    _, counts = hwsim.matmul(a, b, unit, c=c, telemetry="counts")
    return int(counts.overflow_outputs)


@given(
    st.sampled_from(["int4xint4", "int3xuint5", "uint4xuint4", "int8_symxint2", "fixed2.2xint4"]),
    st.integers(1, 70),
    st.sampled_from(["int*", "int*:saturate", "fixed*.3", "uint*:saturate", "int*:chunk5"]),
)
@settings(max_examples=8, deadline=None)
def test_the_worst_case_is_tight(operands: str, k: int, sums: str):
    """The formats' extremes, all alike, overflow one bit less and no bit more."""
    family = Family(f"{operands}+{sums}")
    width = worst_case(family, facts(k))
    ends = [(a, b) for a in _ends(family, "a") for b in _ends(family, "b")]
    if width is None:  # sums below 0 in an unsigned register
        assert sums.startswith("u")
        return
    hits = {}
    for at in (width, width - 1):
        if at in family.widths:
            unit = family.unit(at)
            hits[at] = sum(overflows(unit, np.full((1, k), a), np.full((k, 1), b)) for a, b in ends)
    assert hits[width] == 0
    assert hits.get(width - 1, 1) > 0


def _ends(family: Family, operand: str) -> list[float]:
    fmt = getattr(family.unit(family.widths[0]), operand)
    return [float(fmt.lowest), float(fmt.largest)]


@given(
    st.integers(1, 12),
    st.sampled_from([(3, 0), (0, 2), (5, 1), (15, 7), (-4, 0)]),
    st.integers(0, 2**32),
)
@settings(max_examples=30, deadline=None)
def test_zero_points_start_sums_off(k: int, points: tuple[int, int], seed: int):
    """From the corrections of any operands no partial sum leaves the width, and some data reaches
    it: by all partial sums of operands at the formats' ends, and of drawn ones."""
    operands = "int4xint4" if points[0] < 0 else "uint4xuint4"
    family = Family(f"{operands}+int*:saturate")
    low, high = _ends(family, "a")
    za, zb = points
    rng = np.random.default_rng(seed)
    b = rng.integers(int(low), int(high) + 1, (1, k))
    whole = worst_case(family, facts(k, points=points))
    known = for_weights(family, facts(k, b, points))
    assert known <= whole
    reached = {"any": 0, "these": 0}
    for _ in range(60):
        a = rng.choice([int(low), int(high), za], k)
        for name, w in (("any", rng.choice([int(low), int(high), zb], k)), ("these", b[0])):
            start = -zb * a.sum() - za * w.sum() + k * za * zb
            sums = np.concatenate([[start], start + np.cumsum(a * w)])
            most = max(int(sums.max()), -int(sums.min()) - 1)
            reached[name] = max(reached[name], 1 + most.bit_length())
    assert reached["any"] <= whole
    assert reached["these"] <= known


def test_the_worst_case_is_what_the_theory_says():
    """int8 over 4608 products: 28 bits."""
    family = Family("int8xint8+int*")
    assert worst_case(family, facts(4608)) == 28 == worst_case_bits("int8", "int8", 4608)


@given(st.integers(1, 40), st.integers(0, 2**32), st.sampled_from(["int8", "uint4"]))
@settings(max_examples=20, deadline=None)
def test_weights_are_judged_by_a2q(k: int, seed: int, inputs: str):
    """The rule of the paper; and the inputs of the weights' signs do not overflow."""
    w = np.random.default_rng(seed).integers(-7, 8, (k, 3))
    family = Family(f"{inputs}xint4+int*:saturate")
    fmt = family.unit(32).a
    width = for_weights(family, facts(k, w.T))
    expected = a2q_bits_of_weights(w, fmt.width, fmt.lowest < 0).max()
    assert width == max(expected, 1)
    for column in w.T:
        for sign in (1, -1):
            worst = np.where(column * sign > 0, float(fmt.largest), float(fmt.lowest))
            assert not overflows(family.unit(width), worst[None, :], column[:, None].astype(float))


FLOATS = ["", ":rtz", ":rup", ":chunk8", ":rdn:chunk3", ":rna", ":lanes4", ":tree4"]


@given(
    st.integers(1, 50),
    st.sampled_from(FLOATS),
    st.sampled_from(["e3m", "e4m"]),
    st.integers(0, 2**32),
)
@settings(max_examples=10, deadline=None)
def test_floats_are_judged_by_their_extremes(k: int, options: str, kind: str, seed: int):
    """No data overflows a width that is called enough, with any weights and with these; and the
    next narrower one overflows on the largest operands."""
    family = Family(f"e2m1xe2m1+{kind}*{options}", 8)
    rng = np.random.default_rng(seed)
    values = np.array([-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6])
    weights = rng.choice(values, (2, k))
    for width, rows in (
        (worst_case(family, facts(k)), rng.choice(values, (20, k))),
        (for_weights(family, facts(k, weights)), weights),
    ):
        if width is not None:
            a = np.concatenate([rng.choice(values, (20, k)), np.full((1, k), 6.0)])
            assert not overflows(family.unit(width), a, rows.T)
            a = 6.0 * np.sign(rows)  # the extremes themselves
            assert not overflows(family.unit(width), a, rows.T)
    width = worst_case(family, facts(k))
    if width is None or width > 1:
        narrower = family.unit((width or 9) - 1)
        a, b = np.full((2, k), 6.0), np.full((k, 1), 6.0)
        a[1] = -6.0
        assert overflows(narrower, a, b)


def test_the_least_width_of_floats_is_small_where_none_can_overflow():
    """64 products of e4m3 reach 64·448²; the range of e6 is far above it for any fraction."""
    for options in ("", ":rtz", ":chunk64", ":rna"):
        assert worst_case(Family(f"e4m3xe4m3+e6m*{options}"), facts(64)) == 1
    assert worst_case(Family("e4m3xe4m3+e6m*"), facts(4608)) == 1
    assert worst_case(Family("e4m3xe4m3+e5m*"), facts(64)) is None


@pytest.mark.parametrize(("k", "least"), [(196, 5), (197, 6), (534, 6), (1486, 7), (3919, 8)])
def test_the_theory_is_that_of_the_anchors(k: int, least: int):
    """Longest usable sums of products of 5 fraction bits: 196, 534, 1486, 3919; zeros do not
    count, chunks need no more."""
    family = Family("e5m2xe5m2+e8m*")
    assert by_variance(family, facts(k), 1.0) == least
    assert by_variance(family, facts(2 * k), 0.5) == least
    assert by_variance(Family("e5m2xe5m2+e8m*:chunk64"), facts(k), 1.0) <= least
    assert by_variance(Family("int8xint8+int*"), facts(k), 1.0) is None


def test_nothing_is_said_of_other_units():
    """Approximate products, rounded products, posits, blocks: no rule here covers them."""
    for text in (
        "int8xint8:mitchell+int*",
        "e4m3xe4m3+e6m*:mul_add",
        "posit8_2xposit8_2+posit*_2",
        "mxfp4xmxfp4+e8m*",
    ):
        assert worst_case(Family(text), facts(16)) is None, text
        assert for_weights(Family(text), facts(16, np.ones((3, 16)))) is None, text


def test_outputs_count():
    """A narrow output is a sum's format too: what overflows there is no accumulator's fault."""
    assert worst_case(Family("int8xint8+int*:out=int8"), facts(64)) is None
    assert worst_case(Family("int8xint8+int*:out=int24"), facts(64)) == 22


def test_products_of_zero_have_no_theory():
    """Nothing is swamped where nothing is added."""
    assert by_variance(Family("e4m3xe4m3+e6m*"), facts(9), 0.0) is None
