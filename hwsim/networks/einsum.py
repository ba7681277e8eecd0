"""Einsum of two operands as one batched matrix product.

k runs over the labels that the output lacks, in the order in which the equation names them
first, the last fastest; a label that only one operand has is a product with the same value of the
other.  Labels of the output are columns if only the second operand has them, rows if only the
first has, and else number the products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.networks.runtime import Array

ELLIPSIS = "..."
Term = tuple[str, ...]


@dataclass(frozen=True)
class Equation:
    """The labels of both operands and of the output; `ELLIPSIS` stands for any number of axes."""

    left: Term
    right: Term
    output: Term

    @classmethod
    def parse(cls, text: str) -> Equation:
        """From ``ij,jk->ik``; ValueError where it is no equation of two operands.

        >>> Equation.parse("bij, bjk")  # the output defaults to the labels that occur once
        Equation(left=('b', 'i', 'j'), right=('b', 'j', 'k'), output=('i', 'k'))
        """
        inputs, arrow, given = text.replace(" ", "").partition("->")
        terms = [_term(part, text) for part in inputs.split(",")]
        if len(terms) != 2:
            raise ValueError(f"equation {text!r} has {len(terms)} operands")
        left, right = terms
        output = _term(given, text) if arrow else _implicit(left + right)
        known = {*left, *right}
        if len(set(output)) != len(output) or not set(output) <= known:
            raise ValueError(f"equation {text!r}: the output repeats or invents a label")
        if ELLIPSIS in known and ELLIPSIS not in output:
            raise ValueError(f"equation {text!r}: the output lacks the ellipsis")
        return cls(left, right, output)


@dataclass(frozen=True)
class Contraction:
    """a (batch …, M, K) and b (batch …, K, N), whose product has the axes ``split`` (M and N as
    their labels), of which ``order`` makes the output; lanes of a and b come first, if any."""

    a: Array
    b: Array
    split: tuple[int, ...]
    order: tuple[int, ...]


def contract(equation: Equation, a: Array, b: Array, lanes: tuple[int, int]) -> Contraction:
    """The product for operands with so many axes of lanes (0 or 1) each; ValueError where they
    do not fit the equation."""
    rank_a, rank_b = a.ndim - lanes[0], b.ndim - lanes[1]
    left, right = _expanded(equation.left, rank_a), _expanded(equation.right, rank_b)
    dots = max(sum(label.isdigit() for label in term) for term in (left, right))
    outputs = len(equation.output)
    output = _expanded(
        equation.output, outputs - 1 + dots if ELLIPSIS in equation.output else outputs
    )
    a, left = _diagonal(a, left, lanes[0])
    b, right = _diagonal(b, right, lanes[1])
    sizes = _sizes(((left, a.shape[lanes[0] :]), (right, b.shape[lanes[1] :])))
    rows = [label for label in output if label not in right]
    columns = [label for label in output if label not in left]
    batch = [label for label in output if label in left and label in right]
    k = [label for label in dict.fromkeys(left + right) if label not in output]
    split = (*batch, *rows, *columns)
    return Contraction(
        _matrix(a, left, lanes[0], (batch, rows, k), sizes),
        _matrix(b, right, lanes[1], (batch, k, columns), sizes),
        tuple(sizes[label] for label in split),
        tuple(split.index(label) for label in output),
    )


def _term(text: str, equation: str) -> Term:
    head, dots, tail = text.partition(ELLIPSIS)
    labels = (*head, *((ELLIPSIS,) if dots else ()), *tail)
    if any(label != ELLIPSIS and not (label.isascii() and label.isalpha()) for label in labels):
        raise ValueError(f"equation {equation!r}: {text!r} is no list of letters")
    return labels


def _implicit(labels: Term) -> Term:
    """The output of an equation without an arrow."""
    once = sorted(label for label in set(labels) if labels.count(label) == 1 and label != ELLIPSIS)
    return (*((ELLIPSIS,) if ELLIPSIS in labels else ()), *once)


def _expanded(term: Term, rank: int) -> Term:
    """The term with a label for every axis; an ellipsis counts its axes from the right: …, 1, 0."""
    if ELLIPSIS not in term:
        if len(term) != rank:
            raise ValueError(f"labels {''.join(term)!r} for {rank} axes")
        return term
    at, count = term.index(ELLIPSIS), rank - len(term) + 1
    if count < 0:
        raise ValueError(f"labels {''.join(term)!r} for {rank} axes")
    return (*term[:at], *map(str, reversed(range(count))), *term[at + 1 :])


def _diagonal(x: Array, term: Term, lanes: int) -> tuple[Array, Term]:
    """A label that occurs twice in one term takes the diagonal: a view."""
    labels = tuple(dict.fromkeys(term))
    if len(labels) == len(term):
        return x, term
    number = {label: i + 1 for i, label in enumerate(labels)}
    lead = [0] * lanes
    view = np.einsum(x, [*lead, *(number[t] for t in term)], [*lead, *number.values()])
    return view, labels


def _sizes(operands: Sequence[tuple[Term, tuple[int, ...]]]) -> dict[str, int]:
    """The size of every label; 1 broadcasts."""
    sizes: dict[str, int] = {}
    for term, shape in operands:
        for label, size in zip(term, shape, strict=True):
            known = sizes.get(label, 1)
            if size != known and 1 not in (size, known):
                raise ValueError(f"label {label!r} has sizes {known} and {size}")
            sizes[label] = size if known == 1 else known
    return sizes


def _matrix(
    x: Array,
    term: Term,
    lanes: int,
    target: tuple[list[str], list[str], list[str]],
    sizes: dict[str, int],
) -> Array:
    """(lanes, batch …, rows, columns) with the labels of ``target``; batch axes may be 1."""
    batch, *matrix = target
    labels = [label for part in target for label in part]
    order = [lanes + term.index(label) for label in labels if label in term]
    x = x.transpose(*range(lanes), *order)
    own = iter(x.shape[lanes:])
    lead = x.shape[:lanes]
    shape = [next(own) if label in term else 1 for label in labels]
    x = x.reshape((*lead, *shape))
    full = [*shape[: len(batch)], *(sizes[label] for part in matrix for label in part)]
    x = np.broadcast_to(x, (*lead, *full))
    merged = [math.prod(sizes[label] for label in part) for part in matrix]
    return x.reshape((*lead, *full[: len(batch)], *merged))
