"""Stochastic rounding: counts over all draws, the generators, and the numbers of the draws."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from hwsim import reference
from hwsim.formats import Stochastic, check_seed, parse_format, stochastic_of
from hwsim.formats.stochastic import TAPS
from hwsim.reference import codes
from hwsim.reference.draws import Draws, clocked, word
from hwsim.reference.rounding import finite_range, quantum_exponent, round_value
from hwsim.reference.values import Value, add, from_ratio, less, multiply
from hwsim.units import parse_unit, steps_of

FORMATS = ("e2m1", "e3m2", "e4m1ieee", "e3m1fnuz", "int4", "fixed2.2", "e5m0fnuz")


def to_fraction(x: Value) -> Fraction:
    """A finite value, exactly."""
    sign = -1 if x.negative else 1
    return sign * x.significand * Fraction(2) ** x.exponent


def rounds_away_of(variant: str, nu: Fraction, n: int) -> int:
    """How many of the 2^N draws go away from zero: P3109's own formulas."""
    if variant == "a":
        return int(nu * 2**n)
    if variant == "b":
        return (int(nu * 2 ** (n + 1)) + 1) // 2
    return round(nu * 2**n)  # of a Fraction: to nearest, ties to even


def finite_values(name: str) -> list[Value]:
    fmt = parse_format(name)
    values = [codes.decode(code, fmt) for code in range(1 << fmt.width)]
    return [v for v in values if v.is_finite]


def check_counts(x: Value, name: str, variant: str, n: int) -> bool:
    """Results over all draws lie on the two neighbours, as often as the formula says; whether x
    lies between any."""
    fmt = parse_format(name)
    exact = to_fraction(x)
    rounding = str(Stochastic(n, variant))
    quantum = Fraction(2) ** quantum_exponent(x, fmt)
    steps = abs(exact) / quantum
    low, nu = int(steps) * quantum, steps - int(steps)
    results = [round_value(x, fmt, rounding, "saturate", r) for r in range(1 << n)]
    for value, overflowed in results:
        limit = finite_range(fmt)
        assert not less(limit.largest, value)
        assert not less(value, limit.lowest)
        assert overflowed or abs(to_fraction(value)) in (low, low + quantum)
    if any(overflowed for _, overflowed in results) or not nu:
        assert nu or all(to_fraction(v) == exact for v, over in results if not over)
        return False
    away = sum(abs(to_fraction(value)) == low + quantum for value, _ in results)
    assert away == rounds_away_of(variant, nu, n), (exact, name, rounding)
    assert [abs(to_fraction(v)) for v, _ in results] == sorted(
        abs(to_fraction(v)) for v, _ in results
    )
    return True


@pytest.mark.parametrize("variant", "abc")
@pytest.mark.parametrize("name", FORMATS)
def test_counts_over_all_draws(name: str, variant: str) -> None:
    """Products and sums of every pair of e3m2's codes, for N = 1 … 5."""
    sources = finite_values("e3m2")
    points = {to_fraction(f(x, y)) for x, y in product(sources, sources) for f in (multiply, _sum)}
    kept = [from_ratio(p) for p in sorted(points)]
    between = sum(check_counts(x, name, variant, n) for x in kept for n in (1, 2, 3, 5))
    assert between > 100


def _sum(x: Value, y: Value) -> Value:
    return add(x, y, "sr8")


@pytest.mark.parametrize("variant", "abc")
def test_exact_values_stay(variant: str) -> None:
    """Every code of a small format, whatever the draw; −0, NaN and Inf with them."""
    fmt = parse_format("e4m3ieee")
    for code in range(1 << fmt.width):
        value = codes.decode(code, fmt)
        for r in (0, 1, 127, 255):
            found = round_value(value, fmt, f"sr8{variant}", "inf", r)
            assert codes.encode(found.value, fmt) == codes.encode(value, fmt)


def test_overflow_is_judged_after_the_draw() -> None:
    """Of 250 with largest 240 and step 16 the draws from 2^8·(1 − 10/16) on overflow."""
    fmt = parse_format("e4m3ieee")
    found = [round_value(from_ratio(Fraction(250)), fmt, "sr8", "inf", r) for r in range(256)]
    assert [overflowed for _, overflowed in found] == [False] * 96 + [True] * 160


@pytest.mark.parametrize("width", TAPS)
def test_registers_have_the_greatest_period(width: int) -> None:
    """The step's matrix has order 2^W − 1: it is 1 to that power, and to none of its quotients by
    a prime."""
    how = Stochastic(1, lfsr=width)
    columns = [clocked(1 << i, how) for i in range(width)]
    period = (1 << width) - 1
    identity = [1 << i for i in range(width)]
    assert _power(columns, period) == identity
    for prime in _primes(period):
        assert _power(columns, period // prime) != identity


def _power(columns: list[int], exponent: int) -> list[int]:
    result = [1 << i for i in range(len(columns))]
    while exponent:
        if exponent & 1:
            result = [_times(columns, x) for x in result]
        columns = [_times(columns, x) for x in columns]
        exponent >>= 1
    return result


def _times(columns: list[int], x: int) -> int:
    total = 0
    for i, column in enumerate(columns):
        total ^= column if x >> i & 1 else 0
    return total


def _primes(n: int) -> set[int]:
    found, p = set(), 2
    while p * p <= n:
        while n % p == 0:
            found.add(p)
            n //= p
        p += 1
    return found | ({n} if n > 1 else set())


def test_numbers_of_draws() -> None:
    """Word i = output·S + step, products first, then inner, outer and output roundings."""
    unit = parse_unit("e4m3xe4m3+e5m2:sr8:chunk2/e6m9:mul_add/e5m2:out=e4m3")
    steps = steps_of(unit, 5)
    assert steps == (5, 5, 3, 1)
    assert (steps.first_inner, steps.first_outer, steps.first_output, steps.total) == (
        5,
        10,
        13,
        14,
    )
    draw = Draws("sr8", 7).of(3, 14)
    assert [draw(s) for s in range(14)] == [word(7, 3 * 14 + s) & 255 for s in range(14)]
    register = Draws("sr4-lfsr9", 7).of(3, 14)
    state = 1 + word(7, 3) % 511
    for step in range(14):
        assert register(step) == state & 15
        state = clocked(state, Stochastic(4, lfsr=9))


def test_an_output_alone() -> None:
    """`dot` with an output's number gives what it is among others."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=(3, 9)), generator.normal(size=(9, 4))
    for unit in ("e4m3xe4m3+e4m3:sr4c:out=e3m2", "e4m3xe4m3+e5m2:sr8b-lfsr11:mul_add:chunk4"):
        whole = reference.matmul(a, b, unit, seed=3)
        for i, j in np.ndindex(3, 4):
            alone = reference.dot(a[i], b[:, j], unit, seed=3, output=4 * i + j)
            assert alone == whole[i, j]


def test_seeds() -> None:
    """0 … 2^64 − 1; NumPy's integers too."""
    assert check_seed(np.uint64(2**64 - 1)) == 2**64 - 1
    for wrong, error in (
        (-1, ValueError),
        (2**64, ValueError),
        (1.0, TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error, match="seed"):
            check_seed(wrong)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("sr", Stochastic()),
        ("sr8a", Stochastic(8)),
        ("srb", Stochastic(8, "b")),
        ("sr13c-lfsr16", Stochastic(13, "c", 16)),
    ],
)
def test_names(name: str, how: Stochastic) -> None:
    assert stochastic_of(name) == how == stochastic_of(str(how))
