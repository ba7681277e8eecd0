"""Lanes, trees and dot instructions: the reference against definitions written out here."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import hwsim
from hwsim import reference

LENGTHS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)


def halves(terms: list[float], fmt: str) -> float:
    """A tree's root by recursion: its left half is the largest power of two that is shorter."""
    if len(terms) == 1:
        return terms[0]
    cut = 1 << (len(terms) - 1).bit_length() - 1
    return rounded(halves(terms[:cut], fmt), halves(terms[cut:], fmt), fmt)


def rounded(x: float, y: float, fmt: str) -> float:
    """R(x + y); float64 holds what this file adds."""
    assert Fraction(x) + Fraction(y) == Fraction(x + y)
    return float(reference.round([x + y], fmt)[0])


def terms_of(k: int, seed: int) -> tuple[list[float], list[float]]:
    generator = np.random.default_rng(seed)
    a, b = (np.ldexp(generator.integers(-8, 8, k), generator.integers(-4, 5, k)) for _ in "ab")
    return reference.round(a, "e5m2").tolist(), reference.round(b, "e5m2").tolist()


@pytest.mark.parametrize("k", LENGTHS)
@pytest.mark.parametrize("width", [2, 3, 4, 5, 8, 16, 40])
def test_trees(k: int, width: int):
    a, b = terms_of(k, 100 * k + width)
    products = [x * y for x, y in zip(a, b, strict=True)]
    total = 1.5
    for first in range(0, k, width):
        total = rounded(total, halves(products[first : first + width], "e5m4"), "e5m4")
    assert reference.dot(a, b, f"e5m2xe5m2+e5m4:tree{width}", 1.5) == total


@pytest.mark.parametrize("k", LENGTHS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 16])
def test_lanes(k: int, count: int):
    a, b = terms_of(k, 100 * k + count)
    lanes = [0.0] * count
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        lanes[i % count] = rounded(lanes[i % count], x * y, "e5m4")
    ascending = lanes[0]
    for lane in lanes[1:]:
        ascending = rounded(ascending, lane, "e5m4")
    total = rounded(1.5, ascending, "e5m4")
    assert reference.dot(a, b, f"e5m2xe5m2+e5m4:lanes{count}", 1.5) == total
    if count & (count - 1) == 0:
        while len(lanes) > 1:
            pairs = zip(lanes[: len(lanes) // 2], lanes[len(lanes) // 2 :], strict=True)
            lanes = [rounded(x, y, "e5m4") for x, y in pairs]
        total = rounded(1.5, lanes[0], "e5m4")
        assert reference.dot(a, b, f"e5m2xe5m2+e5m4:lanes{count}-tree", 1.5) == total


@pytest.mark.parametrize("saturates", [False, True], ids=["vpdpbusd", "vpdpbusds"])
def test_dot_instructions(saturates: bool):
    """The instructions' definition on Python integers, near both ends of int32."""
    generator = np.random.default_rng(7)
    cases = 0
    for _ in range(300):
        k = int(generator.integers(0, 14))
        a, b = generator.integers(0, 256, k).tolist(), generator.integers(-128, 128, k).tolist()
        near = int(generator.integers(0, 200_000))
        c = int(generator.choice([0, 2**31 - 1 - near, near - 2**31]))
        acc = c
        for first in range(0, k, 4):
            last = min(k, first + 4)
            acc += sum(a[i] * b[i] for i in range(first, last))
            if saturates:
                acc = min(max(acc, -(2**31)), 2**31 - 1)
            acc = (acc + 2**31) % 2**32 - 2**31
        unit = "vpdpbusds" if saturates else "vpdpbusd"
        assert reference.dot(a, b, unit, c) == acc
        product = hwsim.matmul(np.array([a]).reshape(1, k), np.array(b).reshape(k, 1), unit, c=c)
        assert product.item() == acc
        cases += 1
    assert cases == 300


DOTS = {
    # Exact sums: 2^100 − 2^100 leaves 1; one rounding, so 1 + two halves of a place go up.
    "nothing is lost in a group": ("bf16xbf16+bf16:dot4", [2.0**100, 1, -(2.0**100)], 0.0, 1.0),
    "a rounding per group": ("bf16xbf16+bf16:dot2", [2.0**100, 1, -(2.0**100)], 0.0, 0.0),
    "two halves of a place": ("bf16xbf16+bf16:dot2", [2.0**-8, 2.0**-8], 1.0, 1 + 2.0**-7),
    "one by one they vanish": ("bf16xbf16+bf16", [2.0**-8, 2.0**-8], 1.0, 1.0),
    "a tie that the third term breaks": (
        *("bf16xbf16+bf16:dot3", [2.0**-8, 2.0**-60, 0.0], 1.0, 1 + 2.0**-7),
    ),
    "-0 + -0 from +0": ("bf16xbf16+bf16:dot2", [-0.0, -0.0], 0.0, 0.0),
    "-0 + -0 from -0": ("bf16xbf16+bf16:dot2", [-0.0, -0.0], -0.0, -0.0),
    "K = 0 gives c": ("bf16xbf16+bf16:dot2", [], -0.0, -0.0),
}


@pytest.mark.parametrize(("unit", "terms", "c", "wanted"), DOTS.values(), ids=DOTS)
def test_exact_groups(unit: str, terms: list[float], c: float, wanted: float):
    got = reference.dot(terms, [1.0] * len(terms), unit, c)
    assert got == wanted
    assert np.signbit(got) == np.signbit(wanted)


ZEROS = {
    "a lane without terms is +0": ("lanes4", [-(2.0**-200)], 0.0),
    "one lane keeps the sign that underflow leaves": ("lanes1", [-(2.0**-200)], -0.0),
    "a missing leaf is no +0": ("tree4", [-0.0], -0.0),
    "K = 0 gives c": ("lanes4", [], -0.0),
}


@pytest.mark.parametrize(("order", "terms", "wanted"), ZEROS.values(), ids=ZEROS)
def test_signs_of_zero(order: str, terms: list[float], wanted: float):
    got = reference.dot(terms, [1.0] * len(terms), f"fp64xfp16+fp16:{order}", -0.0)
    assert got == 0
    assert np.signbit(got) == np.signbit(wanted)


STEPS = {
    "lanes4": ((0, 0), (4, 1), (8, 1)),
    "lanes4-tree": ((0, 0), (4, 1), (8, 1)),
    "tree4": ((0, 0), (0, 1), (3, 2)),
    "dot4": ((0, 0), (1, 0), (2, 0)),
}


@pytest.mark.parametrize("order", STEPS)
def test_steps(order: str):
    """Additions, inner and outer, of 0, 1 and 5 products; the order knows them too."""
    for k, wanted in zip((0, 1, 5), STEPS[order], strict=True):
        unit = hwsim.mac(f"e5m2xe5m2+fp16:{order}")
        counts = reference.dot([1.0] * k, [1.0] * k, unit, telemetry=True)[1]
        assert (counts.additions, counts.outer.additions) == wanted == unit.order.steps(k)
