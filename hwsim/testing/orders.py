"""Laws of orders of accumulation, each said in terms of another order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwsim.formats import stochastic_of
from hwsim.testing.products import Array, Case, Judge, Product, compared
from hwsim.testing.verdicts import Finding, Law
from hwsim.units import Bins, Chunked, DotAdd, Exact, Lanes, Order, Tree, codebook_side


def _backwards(subject: Product) -> Finding:
    def judge(case: Case) -> tuple[Callable[[], Array], Callable[[], Array]]:
        return (
            lambda: subject(case.a, case.b, case.c),
            lambda: subject(case.a[:, ::-1], case.b[::-1], case.c),
        )

    return compared(subject, subject.draws(), judge, "the last term first gives")


def _in_turn(subject: Product, order: Order) -> Judge:
    """The same, group by group in another order, each from what the last one gave."""
    group = subject.unit.order.group

    def judge(case: Case) -> tuple[Callable[[], Array], Callable[[], Array]]:
        def groups() -> Array:
            total = case.c
            for k in range(0, max(1, case.a.shape[1]), group):
                part = slice(k, k + group)
                total = subject(case.a[:, part], case.b[part], total, order=order)
            assert total is not None
            return total

        return lambda: subject(case.a, case.b, case.c), groups

    return judge


def _exact_groups(subject: Product) -> Finding:
    judge = _in_turn(subject, Exact())
    return compared(subject, subject.draws(), judge, "exact sums of the groups, in turn, give")


def _wider_trees(subject: Product) -> Finding:
    judge = _in_turn(subject, Tree(2 * subject.unit.order.group))
    return compared(subject, subject.draws(), judge, "half-empty trees give")


def _lanes_are_chunks(subject: Product) -> Finding:
    order = subject.unit.order
    assert isinstance(order, Lanes)

    def judge(case: Case) -> tuple[Callable[[], Array], Callable[[], Array]]:
        def chunks() -> Array:
            k = case.a.shape[1]
            length = max(1, -(-k // order.count))
            rest = length * order.count - k
            lanes = np.arange(k + rest).reshape(length, order.count).T.ravel()
            a, b = np.pad(case.a, ((0, 0), (0, rest))), np.pad(case.b, ((0, rest), (0, 0)))
            return subject(a[:, lanes], b[lanes], order=Chunked(length)) + 0

        return lambda: subject(case.a, case.b) + 0, chunks

    return compared(subject, subject.draws(), judge, "the lanes as chunks give")


def _sorted_terms(subject: Product) -> Finding:
    side = codebook_side(subject.unit) or 0

    def judge(case: Case) -> tuple[Callable[[], Array], Callable[[], Array]]:
        def by_value() -> Array:
            out = subject(case.a, case.b, case.c).copy()
            for i in range(out.shape[side]):
                order = np.argsort(case.b[:, i] if side else case.a[i], kind="stable")
                part = (slice(None), slice(i, i + 1)) if side else slice(i, i + 1)
                a, b = (case.a, case.b[:, i : i + 1]) if side else (case.a[i : i + 1], case.b)
                start = None if case.c is None else case.c[part]
                out[part] = subject(a[:, order], b[order], start)
            return out

        return lambda: subject(case.a, case.b, case.c), by_value

    return compared(subject, subject.draws(), judge, "the terms by the codebook's value give")


def _has(kind: type, why: str, also: Callable[[Product], bool] = bool) -> Callable[[Product], str]:
    """Why a law of an order does not apply."""

    def applies(subject: Product) -> str:
        unit = subject.unit
        formats = (unit.a, unit.b, unit.outer_format, unit.output_format)
        plain = unit.output is None and unit.requantization is None
        plain = plain and not any(fmt.carried_as_codes for fmt in formats)
        return "" if plain and isinstance(unit.order, kind) and also(subject) else why

    return applies


def _not_rounded(subject: Product) -> bool:
    order = subject.unit.order
    return isinstance(order, DotAdd) and order.partial is None


def _ascending(subject: Product) -> bool:
    order = subject.unit.order
    zeros = subject.unit.a.has_zero and subject.unit.b.has_zero
    return isinstance(order, Lanes) and not order.tree and zeros


ORDER_LAWS = (
    Law(
        "no order",
        "an exact accumulator gives the same for the terms backwards",
        _backwards,
        _has(Exact, "not exact"),
    ),
    Law(
        "exact groups",
        "one rounding of c and each group, which an exact accumulator gives in turn",
        _exact_groups,
        _has(DotAdd, "no exact groups", _not_rounded),
    ),
    Law(
        "wider trees",
        "trees of twice the width, half empty, give the same",
        _wider_trees,
        _has(Tree, "no tree", lambda s: s.unit.order.group <= 1 << 15),
    ),
    Law(
        "sorted terms",
        "bins do not depend on the order of terms with different values of the codebook",
        _sorted_terms,
        _has(Bins, "no bins", lambda s: not stochastic_of(s.unit.rounding)),
    ),
    Law(
        "lanes are chunks",
        "lanes without c are chunks of the terms, lane by lane; but for the sign of zero",
        _lanes_are_chunks,
        _has(Lanes, "no ascending lanes", _ascending),
    ),
)
