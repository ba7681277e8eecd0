"""Kahan's sums and sums of two words on kernels: the reference's bits and counts."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import hwsim
from hwsim import DoubleWord, Kahan, MacUnit, SpecError
from hwsim.simulate import describe
from tests.simulate.comparison import check_matmul
from tests.simulate.unit_strategies import products, units

ORDERS = ("kahan", "double")


@st.composite
def compensated(draw: st.DrawFn) -> MacUnit:
    """Units of `units` that keep what their additions lose, some of them drawing; of few roundings,
    for each of which kernels are compiled."""
    unit = draw(units())
    rounding = draw(st.sampled_from(["rne", "rne", "rdn", "sr3c", "sr5b-lfsr9"]))
    order = draw(st.sampled_from([Kahan(), DoubleWord()]))
    try:
        return replace(unit, order=order, rounding=rounding)
    except SpecError:
        assume(False)
        raise


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_equals_the_reference(data: st.DataObject) -> None:
    unit = data.draw(compensated())
    case = data.draw(products(unit))
    a, b, c = case.operands(unit)
    check_matmul(a, b, unit, c, threads=case.threads)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("fmt", "rounding"), [("e2m1", "rne"), ("e2m1ieee", "rdn"), ("e2m1_nosub", "rto")]
)
def test_triples_of_four_bits(fmt: str, order: str, rounding: str) -> None:
    codes = np.arange(16, dtype=np.uint8)
    x = hwsim.decode(codes, fmt)
    if fmt != "e2m1":
        x = x[np.isfinite(x)]
    triples = np.array(list(product(x, repeat=3)))[::3]  # each value comes in each place
    check_matmul(triples, np.ones((3, 1)), f"{fmt}x{fmt}+{fmt}:{rounding}:{order}")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("unit", ["fp32xfp32+fp32", "fp64xfp64+fp64", "bf16xbf16+bf16:mul_add"])
@pytest.mark.parametrize("start", [False, True])
def test_long_sums(unit: str, order: str, start: bool) -> None:
    rng = np.random.default_rng(5)
    a = rng.standard_normal((3, 60)) * 2.0 ** rng.integers(-20, 20, (3, 60))
    b = rng.standard_normal((60, 5))
    a[0, 3], b[7, 1] = 0.0, -0.0
    c = rng.choice([0.0, -0.0, 1.5], (3, 5)) if start else None
    check_matmul(a, b, f"{unit}:{order}", c)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("fmt", ["fp32", "fp64"])
def test_the_carriers_own_sums(fmt: str, order: str) -> None:
    """Zeros of both signs, infinities, NaN, overflows on the way, subnormals."""
    ends = {"fp32": (3e38, 1e-45), "fp64": (1.7e308, 5e-324)}[fmt]
    some = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, *ends, -ends[0], -ends[1], 1 + 2.0**-20]
    rng = np.random.default_rng(9)
    a, b, c = rng.choice(some, (40, 3)), rng.choice(some, (3, 30)), rng.choice(some, (40, 30))
    for start in (None, c):
        check_matmul(a, b, f"{fmt}x{fmt}+{fmt}:{order}", start)
        check_matmul(a, b, f"{fmt}x{fmt}+{fmt}:{order}:out=fp16", start)
    ints = rng.integers(-3, 4, (40, 3))
    for start in (None, np.where(rng.integers(0, 2, (40, 30)), -0.0, 0.0)):
        check_matmul(
            ints, b[:, :3], f"int8x{fmt}+{fmt}:{order}", start if start is None else start[:, :3]
        )


def test_two_float32_words_are_nearly_float64() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 64, 64)).astype(np.float32)
    got = hwsim.matmul(a, b, "fp32xfp32+fp32:double:out=fp64")
    exact = hwsim.matmul(a, b, "fp32xfp32+fp64:exact")
    mass = np.abs(a).astype(float) @ np.abs(b).astype(float)
    assert np.all(np.abs(got - exact) <= 4 * 64 * 2.0**-48 * mass)


def test_describe_names_both_proofs() -> None:
    (proof,) = describe(hwsim.mac("bf16xbf16+bf16:kahan"))
    assert "rounded to odd" in proof
    assert "bf16 + bf16 has 8 <= 8 bits" in proof


@pytest.mark.parametrize("order", ORDERS)
def test_convolutions_and_approximate_products(order: str) -> None:
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((1, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3))
    unit = f"e4m3xe4m3+fp16:{order}"
    got = hwsim.conv2d(x, w, unit, padding=1)
    assert got.tobytes() == hwsim.reference.conv2d(x, w, unit, padding=1).tobytes()
    a, b = rng.standard_normal((2, 5, 5))
    check_matmul(a, b, f"e4m3xe4m3:drum3+fp16:{order}")
