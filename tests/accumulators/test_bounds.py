"""Widths that never overflow, against the operands that come nearest to it."""

from __future__ import annotations

from fractions import Fraction
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


def facts(k: int, norm: Any = None, c: int = 0) -> Facts:
    known = None if norm is None else Fraction(norm)
    return Facts(SimpleNamespace(), k, Fraction(c), known)  # type: ignore[arg-type]


def overflows(unit: Any, a: Any, b: Any, c: Any = None) -> int:
    _, counts = hwsim.matmul(a, b, unit, c=c, telemetry="counts")
    return int(counts.overflow_outputs)


@given(
    st.sampled_from(["int4xint4", "int3xuint5", "uint4xuint4", "int8_symxint2", "fixed2.2xint4"]),
    st.integers(1, 70),
    st.sampled_from(["int*", "int*:saturate", "fixed*.3:saturate", "uint*:saturate"]),
    st.integers(-9, 9),
)
@settings(max_examples=60, deadline=None)
def test_the_worst_case_is_tight_for_integers(operands: str, k: int, sums: str, c: int):
    """The formats' extremes, all alike, overflow one bit less and no bit more."""
    family = Family(f"{operands}+{sums}")
    c = max(c, 0) if sums.startswith("u") else c
    width = worst_case(family, facts(k, c=abs(c)))
    unit = family.unit(family.widths[0])
    ends = [(a, b) for a in map(float, _ends(unit.a)) for b in map(float, _ends(unit.b))]
    if width is None:  # sums below 0 in an unsigned register
        assert sums.startswith("u")
        return
    hits = {}
    for at in (width, width - 1):
        if at in family.widths:
            at_c = [c, -c] if not sums.startswith("u") else [c]
            hits[at] = sum(
                overflows(family.unit(at), np.full((1, k), a), np.full((k, 1), b), c=float(x))
                for a, b in ends
                for x in at_c
            )
    assert hits[width] == 0
    if width - 1 in hits and "fixed" not in operands + sums:  # a rounding's step is allowed for
        assert hits[width - 1] > 0


def _ends(fmt: Any) -> tuple[Any, Any]:
    return fmt.lowest, fmt.largest


def test_the_worst_case_is_what_the_theory_says():
    """int8 over 4608 products: 28 bits."""
    family = Family("int8xint8+int*")
    assert worst_case(family, facts(4608)) == 28 == worst_case_bits("int8", "int8", 4608)


@given(st.integers(1, 40), st.integers(0, 2**32), st.sampled_from(["int8", "uint4"]))
@settings(max_examples=40, deadline=None)
def test_weights_are_judged_by_a2q(k: int, seed: int, inputs: str):
    """The rule of the paper; and the inputs of the weights' signs do not overflow."""
    w = np.random.default_rng(seed).integers(-7, 8, (k, 3))
    family = Family(f"{inputs}xint4+int*:saturate")
    fmt = family.unit(32).a
    width = for_weights(family, facts(k, np.abs(w).sum(axis=0).max()))
    expected = a2q_bits_of_weights(w, fmt.width, fmt.lowest < 0).max()
    assert width == max(expected, 1)
    for column in w.T:
        for sign in (1, -1):
            worst = np.where(column * sign > 0, float(fmt.largest), float(fmt.lowest))
            assert not overflows(family.unit(width), worst[None, :], column[:, None].astype(float))


@given(
    st.integers(1, 50),
    st.sampled_from(["", ":rtz", ":rup", ":chunk8", ":rdn:chunk3", ":sr4", ":lanes4"]),
    st.sampled_from(["e3m", "e4m", "e5m"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_floats_that_are_called_wide_enough_never_overflow(
    k: int, options: str, kind: str, tiny: bool
):
    """The largest operands of all, and the ones that only roundings make large."""
    family = Family(f"e2m1xe2m1+{kind}*{options}")
    width = worst_case(family, facts(k))
    if width is None:
        assert 36 * k * 1.0001 > float(family.unit(family.widths[-1]).accumulator.largest) / 2
        return
    top = 0.5 if tiny else 6.0
    for sign in (1.0, -1.0):
        a, b = np.full((1, k), top), np.full((k, 1), sign * top)
        assert not overflows(family.unit(width), a, b)


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
        assert for_weights(Family(text), facts(16, 5)) is None, text


@pytest.mark.parametrize("c", [0, 1000])
def test_initial_values_count(c: int):
    """A zero point's correction is part of the sum."""
    family = Family("int4xint4+int*")
    assert worst_case(family, facts(1, c=c)) == (8 if c == 0 else 12)
