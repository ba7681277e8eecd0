"""Laws of orders of accumulation, each said in terms of another order."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from hwsim.formats import FixedFormat, FloatFormat, stochastic_of
from hwsim.testing.products import Array, Case, Judge, Product, compared
from hwsim.testing.unit_laws import within
from hwsim.testing.verdicts import Finding, Law
from hwsim.units import (
    COMPENSATED,
    Bins,
    Chunked,
    DotAdd,
    Exact,
    ExactProduct,
    Kahan,
    Lanes,
    Order,
    Tree,
    codebook_side,
)


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


def _kept(subject: Product) -> Finding:
    """Of K terms, (2u + 10·K·u²)·Σ|terms| of Kahan's sum (Higham 2002, (4.8)); of two words their
    own error, 10·K·u² of it (Joldes et al. 2017, algorithm 5), and one rounding."""
    fmt, first = subject.unit.accumulator, 2 if isinstance(subject.unit.order, Kahan) else 1
    assert isinstance(fmt, FloatFormat)
    u = Fraction(1, 2**fmt.precision)
    return within(subject, fmt, lambda steps: first * u + 10 * steps * u * u)


def _is_told(subject: Product) -> bool:
    """Whether another order has the same roundings: draws go by their numbers in this one."""
    return not stochastic_of(subject.unit.rounding)


def _has(
    kind: type | tuple[type, ...], why: str, also: Callable[[Product], bool] = bool
) -> Callable[[Product], str]:
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
    return isinstance(order, DotAdd) and order.partial is None and _is_told(subject)


def _plain_floats(subject: Product) -> bool:
    """Whether sums to nearest err by what they round: nothing overflows, little underflows."""
    u, fmt = subject.unit, subject.unit.accumulator
    if not isinstance(fmt, FloatFormat) or u.rounding not in ("rne", "rna"):
        return False
    wide = fmt.largest >= 2**15 and fmt.has_subnormals and fmt.precision >= 8
    exact = isinstance(u.multiplier, ExactProduct) and u.core is None and not (u.daz or u.ftz)
    known = all(isinstance(f, FloatFormat | FixedFormat) and f.largest >= 16 for f in (u.a, u.b))
    return wide and exact and known


def _ascending(subject: Product) -> bool:
    order = subject.unit.order
    zeros = subject.unit.a.has_zero and subject.unit.b.has_zero
    return isinstance(order, Lanes) and not order.tree and zeros and _is_told(subject)


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
        _has(DotAdd, "no exact groups, or random bits", _not_rounded),
    ),
    Law(
        "kept",
        "|f − Σ| ≤ (2u + 10·K·u²)·Σ|terms| + K·η, of two words with u in the place of 2u",
        _kept,
        _has(COMPENSATED, "no compensated sum to nearest of wide floats", _plain_floats),
    ),
    Law(
        "wider trees",
        "trees of twice the width, half empty, give the same",
        _wider_trees,
        _has(
            Tree,
            "no tree, or random bits",
            lambda s: s.unit.order.group <= 1 << 15 and _is_told(s),
        ),
    ),
    Law(
        "sorted terms",
        "bins do not depend on the order of terms with different values of the codebook",
        _sorted_terms,
        _has(Bins, "no bins", _is_told),
    ),
    Law(
        "lanes are chunks",
        "lanes without c are chunks of the terms, lane by lane; but for the sign of zero",
        _lanes_are_chunks,
        _has(Lanes, "no ascending lanes, or random bits", _ascending),
    ),
)
