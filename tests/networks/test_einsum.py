"""Equations of two operands against NumPy's einsum, on whole numbers, and what is no equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.networks import ModelError, Network
from hwsim.networks.einsum import Equation, contract
from hwsim.networks.products import Layout
from tests.networks.models import GraphBuilder

LABELS = "abcdE"


@st.composite
def equations(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    """An equation (labels may repeat, and be broadcast from 1) and its operands' shapes."""
    sizes = {label: draw(st.integers(1, 3)) for label in (*LABELS, "0", "1")}
    dots = draw(st.sampled_from([None, 0, 1, 2]))  # axes of the ellipses; None: there are none
    terms, shapes = [], []
    for _ in range(2):
        term = draw(st.lists(st.sampled_from(LABELS), max_size=3))
        axes = [(label, sizes[label]) for label in term]
        if dots is not None:
            at = draw(st.integers(0, len(term)))
            axes[at:at] = [(".", sizes[str(i)]) for i in range(dots)]
            term.insert(at, "...")
        alone = [len([1 for other, _ in axes if other == label]) == 1 for label, _ in axes]
        shape = [
            1 if once and draw(st.booleans()) and draw(st.booleans()) else size
            for (_, size), once in zip(axes, alone, strict=True)
        ]
        terms.append("".join(term))
        shapes.append(tuple(shape))
    known = sorted(set("".join(terms)) - {"."})
    output = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    if dots is not None:
        output.insert(draw(st.integers(0, len(output))), "...")
    arrow = "->" + "".join(output) if draw(st.booleans()) else ""
    return ",".join(terms) + arrow, shapes


def computed(equation: str, a: Any, b: Any, lanes: tuple[int, int] = (0, 0)) -> Any:
    """The output by one matmul, with an axis of lanes in front."""
    parts = contract(Equation.parse(equation), a, b, lanes)
    product = np.matmul(parts.a, parts.b)
    product = product if any(lanes) else product[None]
    return Layout(parts.split, parts.order).apply(product)


@given(equations(), st.integers(0, 2**32 - 1))
def test_like_numpy(case: tuple[str, list[tuple[int, ...]]], seed: int) -> None:
    equation, shapes = case
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-9, 10, shape) for shape in shapes)
    want = np.einsum(equation, a, b)
    got = computed(equation, a, b)[0]
    assert got.shape == want.shape
    assert (got == want).all()


@pytest.mark.parametrize("equation", ["bij,jk->kbi", "iij,jk->ki", "ij,ij->", "...i,...i->..."])
def test_lanes_are_another_axis(equation: str) -> None:
    rng = np.random.default_rng(0)
    plain = equation.replace("...", "xy")
    left, right = (
        rng.integers(-9, 10, (4, *[3] * len(term))) for term in plain.split("->")[0].split(",")
    )
    want = np.stack([np.einsum(equation, left[n], right[n]) for n in range(4)])
    assert (computed(equation, left, right, (1, 1)) == want).all()
    want = np.stack([np.einsum(equation, left[n], right[0]) for n in range(4)])
    assert (computed(equation, left, right[0], (1, 0)) == want).all()


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("ij", "has 1 operands"),
        ("ij,jk,kl->il", "has 3 operands"),
        ("ij,jk->il", "repeats or invents"),
        ("ij,jk->ii", "repeats or invents"),
        ("ij,j1->i", "no list of letters"),
        ("ij,j..->i", "no list of letters"),
        ("ij,jk->i->k", "no list of letters"),
        ("...ij,jk->ik", "lacks the ellipsis"),
        ("ij,jk->...ik", "repeats or invents"),
    ],
)
def test_no_equation(equation: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Equation.parse(equation)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (4, 5)), "label 'j' has sizes 3 and 4"),
        (((2, 3, 4), (3, 5)), "labels 'ij' for 3 axes"),
    ],
)
def test_operands_that_do_not_fit(shapes: Any, message: str) -> None:
    a, b = (np.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        contract(Equation.parse("ij,jk->ik"), a, b, (0, 0))


def test_the_node_is_named(graph: GraphBuilder) -> None:
    graph.node("Einsum", ["x", "x"], "y", "odd", equation="ij,jk->ii")
    with pytest.raises(ModelError, match=r"'odd'.*repeats or invents|not valid"):
        Network.load(graph.model({"x": [3, 3]}, {"y": None}))
