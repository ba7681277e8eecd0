"""Exact accumulators: float64 with an error bound, digits where it does not decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.simulate import exact
from tests.simulate.comparison import Array, check_matmul

UNITS = (
    *("fp32xfp32+exact", "fp32xfp32+fp32:exact:rtz", "fp32xfp32+fp32:exact:rdn"),
    *("fp32xfp32+fp16:exact:rup", "bf16xbf16+bf16:exact:rna", "fp16xfp32+e4m3:exact:rto"),
    *(
        "fp32xfp32+e6m9_nosub:exact:saturate",
        "fp16xint8+fixed4.20:exact:rdn",
        "e8m23xe5m2+fp32:exact",
    ),
)


def _terms(rng: np.random.Generator, k: int, style: str) -> tuple[Array, Array]:
    """Two vectors whose dot product is hard to round."""
    a = rng.standard_normal(k).astype(np.float32)
    b = rng.standard_normal(k).astype(np.float32)
    half = k // 2
    if style == "cancels":  # to nothing, or to one tiny product
        a[half : 2 * half], b[half : 2 * half] = a[:half], -b[:half]
        if rng.integers(2):
            a[0] = np.float32(2.0 ** -int(rng.integers(20, 120)))
    elif style == "ties":  # a midpoint of the accumulator's grid, and a little more or less
        a[:], b[:] = 0, 1
        a[:2] = 1 + rng.integers(8) / 4, 2.0 ** -int(rng.choice([4, 8, 11, 24]))
        a[2] = rng.integers(-1, 2) * 2.0 ** -int(rng.integers(30, 126))
    elif style == "zeros":
        a[:] = rng.choice(np.float32([0.0, -0.0]), k)
    elif style == "extremes":
        a *= np.float32(2.0) ** rng.integers(-140, 60, k)
        b *= np.float32(2.0) ** rng.integers(-60, 60, k)
    elif style == "specials":
        a[rng.integers(k)] = rng.choice(np.float32([np.inf, -np.inf, np.nan]))
        b[rng.integers(k)] = rng.choice(np.float32([np.inf, 0.0, 1.0]))
    return a, b


STYLES = ("normal", "cancels", "ties", "zeros", "extremes", "specials")


def _operands(seed: int, k: int, count: int = 5) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    pairs = [_terms(rng, k, str(rng.choice(STYLES))) for _ in range(count)]
    return np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs], axis=1)


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), k=st.integers(3, 40), starts=st.booleans())
def test_equals_the_reference_where_rounding_is_hard(
    unit: str, seed: int, k: int, starts: bool
) -> None:
    a, b = _operands(seed, k)
    c = None
    if starts:
        rng = np.random.default_rng(seed + 1)
        c = rng.choice(np.float32([0.0, -0.0, 1.0, 2.0**-20, -3.5]), (5, 5))
        c = np.abs(c) if hwsim.mac(unit).accumulator.lowest >= 0 else c
    check_matmul(a, b, unit, c, levels=(False, "counts"))


@pytest.mark.parametrize("style", STYLES)
def test_both_ways_agree(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    for unit in UNITS:
        pairs = [_terms(rng, 24, style) for _ in range(16)]
        a, b = np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs], axis=1)
        if "int8" in unit or "fixed" in unit:
            a, b = np.nan_to_num(a), np.nan_to_num(b)
        settled = hwsim.matmul(a, b, unit)
        with monkeypatch.context() as patch:
            patch.setattr(exact, "_is_bounded", lambda unit: False)
            digits = hwsim.matmul(a, b, unit)
        assert settled.tobytes() == digits.tobytes(), unit


def test_the_bound_decides_most_sums_and_leaves_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither path may be dead: count what reaches the digits."""
    left: list[int] = []
    run = exact.exact_rows

    def counted(a: Array, b: Array, c: Array, x: Array, wanted: Array, *rest: Any) -> None:
        first, last = rest[0], rest[1]
        left.append(int(wanted.reshape(-1, wanted.shape[2])[first:last].sum()))
        run(a, b, c, x, wanted, *rest)

    monkeypatch.setattr(exact, "exact_rows", counted)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 64, 64)).astype(np.float32)
    hwsim.matmul(a, b, "fp32xfp32+exact")
    assert sum(left) < 16  # of 4096
    left.clear()
    tie = np.float32([[1.0, 2.0**-24]])
    assert hwsim.matmul(tie, np.ones((2, 1)), "fp32xfp32+exact") == 1.0
    assert sum(left) == 1
    left.clear()
    hwsim.matmul(a * 0, b, "fp32xfp32+exact")  # +0 everywhere: nothing to add
    assert sum(left) == 0


def test_batches_and_threads_give_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((3, 17, 40)), rng.standard_normal((3, 40, 23))
    whole = hwsim.matmul(a, b, "fp32xfp32+exact", threads=1)
    assert whole.tobytes() == hwsim.matmul(a, b, "fp32xfp32+exact", threads=3).tobytes()
    single = [hwsim.matmul(a[i], b[i], "fp32xfp32+exact") for i in range(3)]
    assert whole.tobytes() == np.stack(single).tobytes()
    assert whole.tobytes() == hwsim.reference.matmul(a, b, "fp32xfp32+exact").tobytes()
