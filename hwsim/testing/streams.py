"""The law of random bits: which draw an output takes, of which seed's stream."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from hwsim import reference
from hwsim.formats import stochastic_of
from hwsim.testing import conversion, products
from hwsim.testing.conversion import Conversion
from hwsim.testing.draws import values
from hwsim.testing.products import Case, Product
from hwsim.testing.verdicts import Finding, Law

SEEDS = (0, 1, (1 << 32) + 7, (1 << 64) - 1)
OUTPUTS = 1100  # more than ten bits number them
NAME, STATEMENT = "streams", "sr: each seed's draws, by the outputs' numbers, are the reference's"
WHY = "nothing is drawn, or a function without seed="


def takes_seed(function: Callable[..., Any]) -> bool:
    """Whether a function under test has an argument ``seed``."""
    try:
        return "seed" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some that are not written in Python
        return False


def _applies(subject: Product | Conversion) -> str:
    drawn = isinstance(subject, Conversion) and stochastic_of(subject.rounding)
    drawn = drawn or (isinstance(subject, Product) and stochastic_of(subject.unit.rounding))
    return "" if drawn and takes_seed(subject.function) else WHY


def _of_products(subject: Product) -> Finding:
    """Many outputs of two terms by each seed; and of hwsim's own products those of a batch."""
    unit, generator = subject.unit, np.random.default_rng(subject.seed)
    found = Finding(0)
    for seed in SEEDS:
        rows = OUTPUTS // 20 if seed == SEEDS[0] else 3
        a = values(unit.a, (rows, 2), "middle", generator)
        b = values(unit.b, (2, 20), "middle", generator)

        def judge(case: Case, seed: int = seed) -> Any:
            operands = case.a, case.b, unit
            return (
                lambda: subject(case.a, case.b, case.c, seed=seed),
                lambda: reference.matmul(*operands, c=case.c, seed=seed),
            )

        what = f"by seed {seed} the reference gives"
        found += products.compared(subject, iter([Case(a, b, None)]), judge, what)
    return found + _of_batches(subject) if subject.function is products.ours else found


def _of_batches(subject: Product) -> Finding:
    unit, generator = subject.unit, np.random.default_rng(subject.seed)
    a = values(unit.a, (2, 3, 5), "middle", generator)
    b = values(unit.b, (5, 4), "middle", generator)
    got, wanted = (
        products.attempt(call, (2, 3, 4))
        for call in (lambda: subject(a, b), lambda: reference.matmul(a, b, unit))
    )
    wrong = np.argwhere(~products.equal(got, wanted)).tolist()
    where = f"{subject}: of a batch of two, output {wrong[0]} differs" if wrong else ""
    return Finding(2 * 3 * 4, where)


def _of_conversions(subject: Conversion) -> Finding:
    """All points, and numbers around one, more than a thousand, by each seed."""
    generator = np.random.default_rng(0)
    found, how = Finding(0), (subject.fmt, subject.rounding, subject.overflow)
    for seed in SEEDS:
        x = np.concatenate([subject.inside, generator.uniform(0.5, 2, OUTPUTS)])
        wanted = np.asarray(reference.round(x, *how, seed=seed), np.float64)
        what = f"by seed {seed} the reference gives"
        found += conversion.compared(subject, x, subject(x, seed), wanted, what)
    return found


UNIT_STREAMS = Law(NAME, STATEMENT, _of_products, _applies)
CONVERSION_STREAMS = Law(NAME, STATEMENT, _of_conversions, _applies)
