"""Kahan's sum and sums of two words: the papers' facts, and their algorithms in NumPy's floats."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim import reference
from hwsim.reference.units import dot
from hwsim.reference.values import from_float
from hwsim.units import steps_of

Array = npt.NDArray[np.float32]
U = {"bf16": 2.0**-8, "fp16": 2.0**-11, "fp32": 2.0**-24}


def by_numpy(x: Array, c: np.float32) -> tuple[np.float32, np.float32, np.float32]:
    """Kahan's sum, and both words of the other, as float32's own additions give them."""
    s, e = c, np.float32(0)
    h, low = c, np.float32(0)
    for p in x:
        y = p - e
        t = s + y
        e, s = (t - s) - y, t
        u = h + p
        of_p = u - h
        error = (h - (u - of_p)) + (p - of_p)
        v = low + error
        h = u + v
        low = v - (h - u)
    return s, h, low


@pytest.mark.parametrize("seed", range(12))
def test_are_what_the_papers_have_in_float32(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(37) * 2.0 ** rng.integers(-30, 30, 37)).astype(np.float32)
    c = np.float32(rng.standard_normal())
    s, h, low = by_numpy(x, c)
    ones, start = np.ones(37), c
    for spec, wanted in (("kahan", s), ("double", h)):
        got = reference.dot(x, ones, f"fp32xfp32+fp32:{spec}", start)
        assert got.tobytes() == wanted.tobytes()
    both = reference.dot(x, ones, "fp32xfp32+fp32:double:out=fp64", start)
    assert both == np.float64(h) + np.float64(low)


def test_ones_are_not_swallowed() -> None:
    """Sequential sums of ones stick at 2^p; these go on until u² does."""
    ones = np.ones(1000)
    assert reference.dot(ones, ones, "bf16xbf16+bf16") == 256
    for order in ("kahan", "double"):
        assert reference.dot(ones, ones, f"bf16xbf16+bf16:{order}") == 1000
    assert reference.dot(ones[:257], ones[:257], "bf16xbf16+bf16:double:out=fp32") == 257
    assert reference.dot(ones[:257], ones[:257], "bf16xbf16+bf16:kahan:out=fp32") == 256
    sticks = reference.dot(np.ones(600), np.ones(600), "e5m2xe5m2+e5m2:kahan")
    assert 8 < sticks <= 64  # 2^p is 8: e grows to p bits of its own


@pytest.mark.parametrize("fmt", ["bf16", "fp16"])
def test_the_harmonic_series(fmt: str) -> None:
    """Σ RN(1/k): a sequential sum stops at 5.0625 (7.0859375), which is a fact of the anchors."""
    k = np.arange(1, 1025)
    terms = reference.round(1.0 / k, fmt)
    total = sum(map(Fraction, terms.tolist()))
    stops = reference.dot(terms, np.ones(k.size), f"{fmt}x{fmt}+{fmt}")
    assert stops == {"bf16": 5.0625, "fp16": 7.0859375}[fmt]
    for order in ("kahan", "double"):
        got = reference.dot(terms, np.ones(k.size), f"{fmt}x{fmt}+{fmt}:{order}")
        assert abs(Fraction(got.item()) - total) <= U[fmt] * 2 * total
    precise = reference.dot(terms, np.ones(k.size), f"{fmt}x{fmt}+{fmt}:double:out=fp64")
    assert abs(Fraction(precise.item()) - total) <= 2 * k.size * U[fmt] ** 2 * total


@pytest.mark.parametrize("fmt", ["bf16", "fp16", "fp32"])
@pytest.mark.parametrize("rounded", ["", ":mul_add"])
def test_error_bounds(fmt: str, rounded: str) -> None:
    """|error| ≤ (2u + 10·K·u²)·Σ|terms| (Higham 2002, (4.8)), and of two words 4·K·u² of it (Joldes
    et al. 2017) and one rounding; of the terms that enter, unrounded or rounded."""
    rng = np.random.default_rng(7)
    u, count = U[fmt], 24
    for _ in range(20):
        a = reference.round(rng.standard_normal(count) * 2.0 ** rng.integers(-3, 4, count), fmt)
        b = reference.round(rng.standard_normal(count), fmt)
        terms = [Fraction(x) * Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
        if rounded:
            terms = [Fraction(reference.round([float(t)], fmt).item()) for t in terms]
        total, mass = sum(terms), sum(map(abs, terms))
        unit = f"{fmt}x{fmt}+{fmt}:{{}}{rounded}:out=fp64"
        kahan = Fraction(reference.dot(a, b, unit.format("kahan")).item())
        assert abs(kahan - total) <= (2 * u + 10 * count * u * u) * mass
        words = Fraction(reference.dot(a, b, unit.format("double")).item())
        assert abs(words - total) <= (4 * count * u * u + 2.0**-53) * mass


def test_products_enter_unrounded() -> None:
    """(1 + 2^-7)² has 15 bits: its error reaches the lower word, and e."""
    x = 1 + 2.0**-7
    unit = "bf16xbf16+bf16:{}:out=fp32"
    assert reference.dot([x], [x], unit.format("double")) == x * x
    assert reference.dot([x], [x], unit.format("double:mul_add")) == 1.015625
    assert reference.dot([x] * 4, [x] * 4, unit.format("double")) == 4 * x * x


@pytest.mark.parametrize("order", ["kahan", "double"])
def test_ends(order: str) -> None:
    unit = f"fp16xfp16+fp16:{order}"
    for c in (0.0, -0.0, 1.5, -np.inf, np.nan):
        got = reference.dot([], [], unit, c)
        assert np.array_equal(got, np.float32(c), equal_nan=True)
        assert np.signbit(got) == np.signbit(np.float32(c)) or np.isnan(c)
    assert np.isinf(reference.dot([60000.0], [2.0], unit)) == (order == "kahan")
    assert np.isnan(reference.dot([60000.0, 1.0], [2.0, 1.0], unit))  # Inf − Inf, as the paper has
    assert reference.dot([60000.0, 1.0], [2.0, 1.0], f"{unit}:saturate") == 65504
    with pytest.raises(ValueError, match="e2m1"):
        reference.dot([np.nan], [1.0], f"fp16xfp16+e2m1:{order}")


def test_step_numbers() -> None:
    """Four and thirteen roundings a product; what two words become is the output's."""
    unit = hwsim.mac("bf16xbf16+bf16:sr8:kahan:mul_add:out=fp16")
    assert steps_of(unit, 5) == (5, 20, 0, 1)
    unit = hwsim.mac("bf16xbf16+bf16:sr8:double")
    assert steps_of(unit, 5) == (0, 65, 0, 1)
    assert steps_of(unit, 0) == (0, 0, 0, 0)


@pytest.mark.parametrize("order", ["kahan", "double"])
@pytest.mark.parametrize("ends", ["", ":mul_add", ":out=fp16"])
def test_every_number_of_a_rounding_is_used_once(order: str, ends: str) -> None:
    unit = hwsim.mac(f"bf16xbf16+bf16:sr8:{order}{ends}")
    for k in (0, 1, 3):
        used: list[int] = []

        def draw(number: int, used: list[int] = used) -> int:
            used.append(number)
            return 0

        dot([from_float(1.25)] * k, [from_float(3.0)] * k, unit, observe=False, draw=draw)
        assert used == list(range(steps_of(unit, k).total))


@pytest.mark.parametrize("spec", ["int8xint8+int32:kahan", "fp16xfp16+fixed8.8:double"])
def test_only_floats_lose_what_could_be_given_back(spec: str) -> None:
    with pytest.raises(hwsim.SpecError, match="only floats round what they add"):
        hwsim.mac(spec)
