"""Every pair of codes of every pair of 8-bit formats, with and without c and a rounded product."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim import MacUnit, reference
from hwsim.formats import ROUNDINGS, Format
from hwsim.reference import codes
from hwsim.reference.values import ZERO, Value, add
from hwsim.simulate import describe
from tests.exhaustive.exact import (
    Codes,
    all_codes,
    bits,
    outcomes,
    products,
    unpack,
)
from tests.exhaustive.spaces import ACCUMULATORS, PAIRS, Part, rules, units

Array = npt.NDArray[Any]
Pairs = Sequence[tuple[str, str]]
Region = tuple[Array, Array]
STARTS = 61  # values of c that products meet in turn
THINNED = 16  # every so many codes where the reference itself is what computes


def jobs() -> Iterator[tuple[str, str]]:
    """Accumulator and rounding: a job goes through all pairs of formats with them."""
    for accumulator in ACCUMULATORS:
        for rounding in ROUNDINGS:
            yield accumulator, rounding


@dataclass(frozen=True)
class Universe:
    """The distinct exact products of all pairs together.

    places : for each pair, where its own distinct products stand among all.
    """

    exact: tuple[Value, ...]
    places: dict[tuple[str, str], Array]


@lru_cache(maxsize=1)
def universe(pairs: Pairs) -> Universe:
    """Collect the products of ``pairs``."""
    keys = {pair: products(*pair).keys for pair in pairs}
    union = np.unique(np.concatenate(list(keys.values())))
    places = {pair: np.searchsorted(union, own) for pair, own in keys.items()}
    return Universe(tuple(map(unpack, union.tolist())), places)


@dataclass(frozen=True)
class Answers:
    """The reference's results for the exact products p of a `Universe`, under one overflow rule.

    plain : bits of R(+0 + p).  refused : where that is a ValueError instead.  started : bits of
    R(c + p), c going round `Starts` from product to product.  rounded : of R(c + R(p)) likewise,
    for the accumulator's default rule (the other rules meet rounded products in `chains`).
    """

    plain: Array
    refused: Array
    started: Array
    rounded: Array | None

    def of(self, places: Array) -> Answers:
        """Those of some of the products."""
        rounded = None if self.rounded is None else self.rounded[places]
        return Answers(self.plain[places], self.refused[places], self.started[places], rounded)


@dataclass(frozen=True)
class Starts:
    """Initial values c, drawn from the accumulator's codes: as NumPy takes them, and exactly."""

    numbers: Array
    exact: tuple[Value, ...]

    def turn(self, places: Array) -> Array:
        """Which c a product meets, from its place in the `Universe`."""
        return places % len(self.exact)


def run(accumulator: str, rounding: str, pairs: Pairs = PAIRS) -> Part:
    """Compare all pairs on an accumulator and a rounding; AssertionError at a wrong bit."""
    world = universe(pairs)
    starts = draw_starts(accumulator, rounding)
    answers = reference_answers(world.exact, accumulator, rounding, starts)
    digest, cases = hashlib.sha256(), 0
    for rule, answer in answers.items():
        digest.update(rule.encode())
        for array in (answer.plain, answer.refused, answer.started, answer.rounded):
            digest.update(b"" if array is None else array.tobytes())
    for pair, places in world.places.items():
        digest.update(products(*pair).where.tobytes())
        c = starts.numbers[starts.turn(places)]
        for unit in units(*pair, accumulator, rounding):
            answer = answers[unit.overflow_of(unit.accumulator)].of(places)
            cases += check_unit(unit, pair, answer, c)
            digest.update(str(unit).encode())
    return Part(cases, digest.hexdigest())


def draw_starts(accumulator: str, rounding: str) -> Starts:
    """Seeded finite values; other ones for every rounding."""
    fmt = hwsim.format(accumulator)
    generator = np.random.default_rng(list(f"{accumulator}:{rounding}".encode()))
    drawn = generator.integers(0, 1 << fmt.width, 4 * STARTS, np.uint64)
    values = reference.decode(drawn, fmt)
    kept = np.flatnonzero(np.isfinite(values))[:STARTS]
    exact = tuple(codes.decode(int(code), fmt) for code in drawn[kept])
    return Starts(values[kept], exact)


def reference_answers(
    exact: Sequence[Value], accumulator: str, rounding: str, starts: Starts
) -> dict[str, Answers]:
    """`Answers` for every rule of the accumulator."""
    fmt, legal = hwsim.format(accumulator), rules(hwsim.format(accumulator))
    turns = starts.turn(np.arange(len(exact))).tolist()
    start = [starts.exact[turn] for turn in turns]
    plain = outcomes([add(ZERO, p, rounding) for p in exact], fmt, rounding, legal)
    started = outcomes(
        [add(c, p, rounding) for c, p in zip(start, exact, strict=True)], fmt, rounding, legal
    )
    twice = _rounded_twice(start, exact, plain[fmt.default_overflow].results, fmt, rounding)
    return {
        rule: Answers(
            plain[rule].bits(fmt),
            plain[rule].refused,
            started[rule].bits(fmt),
            twice if rule == fmt.default_overflow else None,
        )
        for rule in legal
    }


def _rounded_twice(
    start: Sequence[Value],
    exact: Sequence[Value],
    plain: Sequence[Value],
    fmt: Format,
    rounding: str,
) -> Array:
    """Bits of R(c + R(p)).  R(p) is ``plain``, R(+0 + p), but for the zeros."""
    rule = [fmt.default_overflow]
    zeros = list(dict.fromkeys(p for p in exact if p.is_zero))
    kept = dict(zip(zeros, outcomes(zeros, fmt, rounding, rule)[rule[0]].results, strict=True))
    factors = [kept.get(p, r) if p.is_zero else r for p, r in zip(exact, plain, strict=True)]
    sums = [add(c, p, rounding) for c, p in zip(start, factors, strict=True)]
    return outcomes(sums, fmt, rounding, rule)[rule[0]].bits(fmt)


def check_unit(unit: MacUnit, pair: tuple[str, str], answer: Answers, c: Array) -> int:
    """All pairs of codes on one unit; the number of results compared.

    answer, c : for each of the pair's distinct products.
    """
    a, b = map(all_codes, pair)
    where = products(*pair).where
    step = THINNED if describe(unit)[0].startswith("computed by the exact reference") else 1
    cases = 0
    for rows, columns in _regions(a, b, answer.refused[where]):
        x, y = a.numbers[rows[::step], None], b.numbers[None, columns[::step]]
        at = where[np.ix_(rows[::step], columns[::step])]
        got = hwsim.matmul(x, y, unit, threads=1)
        cases += same(unit, got, answer.plain[at], (x, y))
    rows, columns = a.finite[::step], b.finite[::step]
    x, y = a.numbers[rows, None], b.numbers[None, columns]
    at = where[np.ix_(rows, columns)]
    got = hwsim.matmul(x, y, unit, c=c[at], threads=1)
    cases += same(unit, got, answer.started[at], (x, y, c[at]))
    if answer.rounded is not None:
        twice = hwsim.mac(f"{unit}:mul_add")
        got = hwsim.matmul(x, y, twice, c=c[at], threads=1)
        cases += same(twice, got, answer.rounded[at], (x, y, c[at]))
    return cases + _refusal(unit, a, b, answer.refused[where])


def _regions(a: Codes, b: Codes, refused: Array) -> Iterator[Region]:
    """Codes of a × codes of b whose products the accumulator can hold.

    All of them; or the finite ones and, where Inf is held or saturates, those without NaN and 0.
    """
    if not refused.any():
        yield np.arange(len(a.code)), np.arange(len(b.code))
        return
    yield a.finite, b.finite
    rows, columns = a.infinite_too, b.infinite_too
    if not refused[np.ix_(rows, columns)].any():
        yield rows, columns


def _refusal(unit: MacUnit, a: Codes, b: Codes, refused: Array) -> int:
    """A product that the reference refuses is a ValueError here too."""
    if not refused.any():
        return 0
    i, j = np.argwhere(refused)[0]
    with pytest.raises(ValueError, match=r"NaN|Inf"):
        hwsim.matmul(a.numbers[None, i, None], b.numbers[None, j, None], unit, threads=1)
    return 1


def same(unit: MacUnit, got: Array, wanted: Array, operands: tuple[Array, ...]) -> int:
    """How many results there are; AssertionError with the first that differs.

    wanted : bits.  operands : a, b and perhaps c, each broadcasting to the results.
    """
    found = bits(got)
    if found.dtype == wanted.dtype and np.array_equal(found, wanted):
        return found.size
    assert found.dtype == wanted.dtype, (str(unit), found.dtype, wanted.dtype)
    at = tuple(int(i) for i in np.argwhere(found != wanted)[0])
    shown = [np.broadcast_to(x, got.shape)[at] for x in operands]
    raise AssertionError((str(unit), *shown, got[at], wanted.view(got.dtype)[at]))
