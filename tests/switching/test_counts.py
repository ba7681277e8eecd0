"""Counts against three nested loops over Python's integers, one MAC at a time."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.costs.activity import Switching
from hwsim.switching import STATIONARY, activity
from hwsim.switching.counting import Tiles, count
from hwsim.switching.sampling import sample
from hwsim.units import MacUnit, parse_unit

SHAPES = [(3, 7, 4), (1, 1, 1), (1, 5, 1), (4, 8, 2), (2, 9, 1)]
UNITS = {  # products made at once, registers, products of a chunk
    "int8xint8+int32": (1, 1, 0),
    "uint8xint8+int16:saturate": (1, 1, 0),
    "e4m3xe4m3+fp16": (1, 1, 0),
    "e5m2xe5m2+e6m9:chunk3": (1, 1, 3),
    "e5m2xe5m2+e6m9:chunk3/fp32": (1, 1, 3),
    "e5m2xe5m2+e6m9:saturate:lanes2": (1, 2, 0),
    "fp16xfp16+fp32:fused4": (4, 1, 0),
    "int8xint8+int32:dot4": (4, 1, 0),
    "e4m3xe4m3+fp16:tree2": (2, 1, 0),
    "e4m3xint8+fp32:rtz": (1, 1, 0),
}


def loops(stationary: str, m: int, k: int, n: int) -> list[tuple[int, int, int]]:
    """(m, k, n) of every MAC, in the order in which a processing element does them."""
    if stationary == "weight":
        return [(i, q, j) for j in range(n) for q in range(k) for i in range(m)]
    if stationary == "output":
        return [(i, q, j) for i in range(m) for j in range(n) for q in range(k)]
    return [(i, q, j) for i in range(m) for q in range(k) for j in range(n)]


def code(value: Any, fmt: Any) -> int:
    """Of the reference."""
    return int(reference.encode(np.asarray(value), fmt, overflow="saturate"))


def parts(value: float, fmt: Any) -> tuple[int, int, int]:
    """Sign, exponent and normalised significand."""
    x = Fraction(float(value))
    bits = getattr(fmt, "precision", fmt.width)
    if not x:
        return int(np.signbit(value)), 0, 0
    exponent = 0
    while abs(x) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    return int(x < 0), exponent, int(abs(x) / Fraction(2) ** (exponent - bits + 1))


def product_word(x: Any, y: Any, unit: MacUnit) -> int:
    """As docs/activity.md says."""
    from hwsim.costs.blocks import exponent_bits
    from hwsim.costs.products import product_of

    number = product_of(unit.a, unit.b)
    if not number.floating:
        return int(x) * int(y) & ((1 << number.bits) - 1)
    (s, e, p), (t, f, q) = parts(x, unit.a), parts(y, unit.b)
    if "fused" in str(unit):  # nothing normalises
        e, p, f, q = *_flat(x, unit.a), *_flat(y, unit.b)
    power = (e + f) % (1 << exponent_bits(number)) if p * q else 0
    return p * q | power << number.bits | (s ^ t) << (number.bits + exponent_bits(number))


def _flat(x: float, fmt: Any) -> tuple[int, int]:
    _, exponent, _ = parts(x, fmt)
    exponent = max(exponent, fmt.emin) if x else 0
    return exponent, int(abs(Fraction(float(x))) / Fraction(2) ** (exponent - fmt.precision + 1))


def sum_words(
    unit: MacUnit, a: Any, b: Any, how: tuple[int, int, int]
) -> tuple[dict[int, int], dict[int, int], int]:
    """Of one output: {last k of a step: code}, {last k of a chunk: code}, and the result's code."""
    many, registers, chunk = how
    k, words, outers = len(a), dict[int, int](), dict[int, int]()
    fmt = unit.accumulator
    plain = parse_unit(str(unit).partition(":chunk")[0].partition(":lanes")[0])

    def dot(places: Any, mac: MacUnit, c: Any = None) -> Any:
        chosen = list(places)
        return reference.dot(a[chosen], b[chosen], mac, c)

    state = None
    for q in range(k):
        if chunk:
            words[q] = code(dot(range(q // chunk * chunk, q + 1), plain), fmt)
            if (q + 1) % chunk == 0 or q + 1 == k:
                outers[q] = code(dot(range(q + 1), unit), unit.outer_format)
        elif registers > 1:
            words[q] = code(dot(range(q % registers, q + 1, registers), plain), fmt)
        elif (q + 1) % many == 0 or q + 1 == k:
            state = dot(range(q // many * many, q + 1), unit, state)
            words[q] = code(state, fmt)
    return words, outers, code(dot(range(k), unit), unit.outer_format)


def slow(a: Any, b: Any, unit: MacUnit, stationary: str, skip: bool) -> Counter[str]:
    """What switches on wires and registers that begin with zeros."""
    many, registers, _ = how = UNITS[str(unit)]
    (m, k), n = a.shape, b.shape[1]
    wires: dict[Any, int] = {}
    found: Counter[str] = Counter()

    def put(name: str, place: int, word: int, moved: str = "") -> None:
        bits = (wires.get((name, place), 0) ^ word).bit_count()
        wires[name, place] = word
        found[name] += bits
        found[moved] += bits > 0

    sums = {(i, j): sum_words(unit, a[i], b[:, j], how) for i in range(m) for j in range(n)}
    zero = [[[not a[i, q] or not b[q, j] for j in range(n)] for q in range(k)] for i in range(m)]
    for i, q, j in loops(stationary, m, k, n):
        words, outers, result = sums[i, j]
        found["macs"] += 1
        if not (skip and zero[i][q][j]):
            put("a", q % many, code(a[i, q], unit.a))
            put("b", q % many, code(b[q, j], unit.b))
            put("product", q % many, product_word(a[i, q], b[q, j], unit), "moved")
        if q in words:
            put("sums", q % registers, words[q], "sums_moved")
            found["steps"] += 1
            group = range(q // many * many, q + 1)
            if not (skip and all(zero[i][p][j] for p in group)):
                put("added", q % registers, words[q])
        if q in outers:
            put("outer", 0, outers[q], "outer_moved")
            found["chunks"] += 1
        if q == k - 1:
            put("results", 0, result)
            found["outputs"] += 1
    return found


def drawn(rng: Any, size: tuple[int, int]) -> Any:
    """Numbers near 9, and some that are subnormal in fp16, e5m2 and e4m3."""
    tiny = rng.choice([1.0, 1.0, 1.0, 2.0**-11, 2.0**-18], size)
    return rng.normal(size=size) * 9 * tiny


@pytest.mark.parametrize("stationary", STATIONARY)
@pytest.mark.parametrize("name", UNITS)
def test_counts_are_those_of_three_nested_loops(name: str, stationary: str):
    """Every count, with and without skipped zeros, in small products of all kinds of sizes."""
    unit = parse_unit(name)
    assert str(unit) == name
    rng = np.random.default_rng(len(name))
    for m, k, n in SHAPES:
        a, b = (
            np.asarray(hwsim.round(drawn(rng, size), fmt, overflow="saturate"))
            for size, fmt in (((m, k), unit.a), ((k, n), unit.b))
        )
        a[rng.random((m, k)) < 0.4] = 0
        whole = sample(1, m, k, n, stationary, 1 << 20, 0)
        got = count(unit, Tiles(a[None], b[None], None, stationary, whole))
        for skip, counts in ((False, got.plain), (True, got.gated)):
            expected = slow(a, b, unit, stationary, skip)
            names = [x for x in vars(Switching()) if x != "array"]
            assert {x: getattr(counts, x) for x in names} == {x: expected[x] for x in names}
        assert got.idle == pytest.approx(np.mean((a[:, :, None] == 0) | (b[None] == 0)))
        told = activity(a, b, unit, stationary=stationary)
        assert (told.a_toggles, told.b_toggles) == (got.plain.a, got.plain.b)
        assert told.exact
        assert (told.a_zeros, told.b_zeros) == ((a == 0).sum(), (b == 0).sum())


@pytest.mark.parametrize("name", ["int8xint8+int32", "e4m3xe4m3+fp16", "int8xint8+int32:dot4"])
@pytest.mark.parametrize("stationary", STATIONARY)
def test_a_batch_is_its_products_one_by_one(name: str, stationary: str):
    """Counts and energies add up; an item begins anew."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(3, 5, 12)), rng.normal(size=(3, 12, 6))
    both = activity(a, b, name, stationary=stationary)
    each = [activity(x, y, name, stationary=stationary) for x, y in zip(a, b, strict=True)]
    assert both.a_toggles == sum(x.a_toggles for x in each)
    assert both.b_toggles == sum(x.b_toggles for x in each)
    assert both.switching.sums == sum(x.switching.sums for x in each)
    assert both.energy.data_pj == pytest.approx(sum(x.energy.data_pj for x in each), rel=1e-12)
    assert both.energy.random_pj == pytest.approx(sum(x.energy.random_pj for x in each), rel=1e-12)


@pytest.mark.parametrize("stationary", STATIONARY)
@pytest.mark.parametrize("name", ["int8xint8+int32", "int8xint8+int32:dot4", "e4m3xe4m3+fp16:rev3"])
def test_pieces_leave_no_seams(name: str, stationary: str, monkeypatch):
    """Operands that come a few rows at a time switch as those that come at once."""
    rng = np.random.default_rng(2)
    a, b = rng.integers(-9, 9, (2, 11, 7)), rng.integers(-9, 9, (7, 5))
    whole = activity(a, b, name, stationary=stationary)
    monkeypatch.setattr("hwsim.switching.sources.PIECE", 15)
    parts = activity(a, b, name, stationary=stationary)
    assert parts == whole
    assert whole.a_toggles == whole.switching.a > 0
