"""Telemetry on examples small enough to count by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hwsim.reference import dot, matmul
from hwsim.units import StepCounts, Telemetry


def counts(a: Any, mac: str, b: Any = None, c: Any = None) -> Telemetry:
    """Telemetry of Σ a·b, b = 1 by default."""
    result = dot(a, [1.0] * len(a) if b is None else b, mac, c, telemetry=True)
    assert isinstance(result, tuple)
    return result[1]


# e5m2: 3 bits of precision; spacing 2 in [8, 16), 8192 at the top; smallest subnormal 2^-16
A = [8.0, 1.0, 1.5, -10.0, 2.0**-9, 2.0**-8, 8.0, 57344.0, 57344.0, 1.0]
B = [1.0, 1.0, 1.0, 1.0, 2.0**-9, 2.0**-8, 1.0, 1.0, 1.0, 1.0]
# step:   sum before   p        y        what
#   1     0            8        8        exact
#   2     8            1        8        full swamping (a tie, to even); lost 1
#   3     8            1.5      10       partial; lost 0.5
#   4     10           -10      0        exact
#   5     0            2^-18    0        full, underflow; lost 2^-18
#   6     0            2^-16    2^-16    exact: no underflow
#   7     2^-16        8        8        partial, dominated; lost 2^-16
#   8     8            57344    57344    partial, dominated; lost 8
#   9     57344        57344    Inf      overflow
#  10     Inf          1        Inf      nothing


def test_every_count() -> None:
    """The table above."""
    assert counts(A, "e5m2xe5m2+e5m2", B) == Telemetry(
        additions=10,
        swamped_full=2,
        swamped_partial=3,
        dominated=2,
        overflow_steps=1,
        underflow=1,
        largest=57344.0,
        outputs=1,
        products=10,
        overflow_outputs=1,
        out_of_range=1,
        lost=9.5 + 2.0**-18 + 2.0**-16,
        mass=57344 + 28.5 + 2.0**-18 + 2.0**-16,
    )


def test_every_count_saturating() -> None:
    """Step 9 stays finite: its loss counts, its swamping does not; step 10 is swamped."""
    result = counts(A, "e5m2xe5m2+e5m2:saturate", B)
    assert (result.swamped_full, result.swamped_partial, result.overflow_steps) == (3, 3, 1)
    assert result.lost == 9.5 + 2.0**-18 + 2.0**-16 + 57344 + 1
    assert result.mass == 2 * 57344 + 29.5 + 2.0**-18 + 2.0**-16


def test_chunk_sums_are_counted_apart() -> None:
    """bf16, chunks of 2 onto c = 256: inner 1+1, 1+2^-8 (partial); outer +2 exact, +1 a tie."""
    result = counts([1.0, 1.0, 1.0, 2.0**-8], "bf16xbf16+bf16:chunk2", c=256.0)
    assert result == Telemetry(
        additions=4,
        swamped_full=1,
        largest=2.0,
        outer=StepCounts(additions=2, swamped_partial=1, largest=260.0),
        outputs=1,
        products=4,
        lost=2.0**-8,
        mass=3 + 2.0**-8,
    )


def test_outer_overflow() -> None:
    """An overflow of the outer sum is not an inner step, but is an output's."""
    result = counts([40000.0, 40000.0], "fp16xfp16+fp16:chunk1")
    assert (result.overflow_steps, result.outer.overflow_steps) == (0, 1)
    assert (result.overflow_outputs, result.out_of_range) == (1, 1)
    assert result.outer.largest == 40000.0
    assert result.lost == 0.0


def test_out_of_range_looks_at_the_total() -> None:
    """A wrap in the middle harms nothing if the total fits; a total that does not is counted."""
    inside = counts([127, 127, -127], "int8xint8+int8")
    assert (inside.overflow_steps, inside.overflow_outputs, inside.out_of_range) == (2, 1, 0)
    outside = counts([127, 127], "int8xint8+int8")
    assert (outside.overflow_steps, outside.out_of_range) == (1, 1)
    assert outside.lost == 256.0
    assert outside.largest == 127.0


def test_out_of_range_uses_exact_products() -> None:
    """The product overflows its own format, the total fits the sum's."""
    result = counts([512.0], "e5m2xe5m2+fp32:mul_add/e5m2:saturate", [256.0])
    assert (result.overflow_products, result.overflow_outputs, result.out_of_range) == (1, 1, 0)
    assert (result.overflow_steps, result.lost, result.mass) == (0, 0.0, 57344.0)


def test_out_of_range_is_not_hidden_by_saturated_products() -> None:
    """The exact total is outside fp16; the saturated product, 57344, is inside."""
    result = counts([512.0], "e5m2xe5m2+fp16:mul_add/e5m2:saturate", [256.0])
    assert (result.overflow_products, result.overflow_steps, result.out_of_range) == (1, 0, 1)


def test_addend_is_the_rounded_product() -> None:
    """mul_add: 3·5 is added as 16; nothing is lost in the sum."""
    result = counts([3.0], "e5m2xe5m2+fp16:mul_add/e5m2", [5.0])
    assert (result.mass, result.lost, result.swamped_partial) == (16.0, 0.0, 0)


def test_conversion_overflow() -> None:
    """The output conversion's overflow is counted as such."""
    result = counts([500.0], "fp16xfp16+fp16:out=e4m3")
    assert (result.overflow_converted, result.overflow_outputs, result.overflow_steps) == (1, 1, 0)
    assert result.out_of_range == 0


def test_exact_order_counts_overflows_and_operands_only() -> None:
    """additions, zero operands, the overflow of the one rounding, and the largest result."""
    result = counts([40000.0, 40000.0, 0.0, 2.0**-10], "fp16xfp16+fp16:saturate:exact")
    assert result == Telemetry(
        additions=4,
        overflow_steps=1,
        largest=65504.0,
        outputs=1,
        products=4,
        zero_operands=1,
        overflow_outputs=1,
        out_of_range=1,
    )


@pytest.mark.parametrize("order", ["", ":chunk2", ":exact"])
def test_nothing_to_add(order: str) -> None:
    """K = 0: one output, no step."""
    assert counts([], f"fp16xfp16+fp16{order}", c=5.0) == Telemetry(outputs=1)


def test_zero_operands_after_rounding() -> None:
    """Products with a = 0 or b = 0, −0 and rounded-away operands included, each once."""
    result = counts([0.0, -0.0, 1e-9, 1.0, 2.0], "e4m3xe4m3+fp16", [1.0, 0.0, 1.0, 0.0, 1.0])
    assert (result.zero_operands, result.products) == (4, 5)
    assert result.swamped_full == 0  # p = 0 is no swamping


def test_nonfinite_steps_count_nowhere() -> None:
    """NaN and Inf: additions go on, everything else rests; the total is not out of range."""
    result = counts([1.0, math.inf, 1.0, math.nan, 1.0], "fp16xfp16+fp16")
    assert result == Telemetry(additions=5, outputs=1, products=5, largest=1.0, mass=1.0)


def test_negative_zero_is_zero() -> None:
    """= compares values: −0 + +0 = +0 is neither swamping nor a change."""
    result = counts([0.0, -0.0], "fp16xfp16+fp16", c=-0.0)
    assert (result.swamped_full, result.swamped_partial, result.lost_mass) == (0, 0, 0.0)


def test_dominance_needs_the_addend_itself() -> None:
    """8 + 10 = 18 → 16 in e5m2: partial, but R(10) = 10, not dominated; 1 + 16 → 16 is."""
    assert counts([8.0, 10.0], "e5m2xe5m2+e5m2").dominated == 0
    assert counts([1.0, 16.0], "e5m2xe5m2+e5m2").dominated == 1
    assert counts([16.0], "e5m2xe5m2+e5m2", c=1.0).dominated == 1


def test_underflow_of_fixed_point() -> None:
    """Below one step of fixed point, inexact: an underflow (its smallest normal is the step)."""
    result = counts([0.25, 0.25], "fixed3.4xfixed3.4+fixed3.4", [1 / 16, 0.5])
    assert (result.underflow, result.swamped_full) == (1, 1)


def test_layers_add_up() -> None:
    """A product's telemetry is the sum of its outputs'; lost mass by a correctly rounded sum."""
    generator = np.random.default_rng(7)
    a, b = generator.normal(size=(4, 30)), generator.normal(size=(30, 5))
    mac = "e5m2xe5m2+e4m3:chunk8/fp16"
    result, total = matmul(a, b, mac, telemetry=True)
    parts = [counts(a[m], mac, b[:, n]) for m in range(4) for n in range(5)]
    for name in ("additions", "swamped_full", "swamped_partial", "dominated", "underflow"):
        assert getattr(total, name) == sum(getattr(part, name) for part in parts) > 0
        assert getattr(total.outer, name) == sum(getattr(part.outer, name) for part in parts)
    assert total.lost == math.fsum(part.lost for part in parts)
    assert total.mass == math.fsum(part.mass for part in parts)
    assert total.largest == max(part.largest for part in parts)
    assert (total.outputs, total.products) == (20, 600)
    assert (total.additions, total.outer.additions) == (600, 80)
    assert np.array_equal(result, matmul(a, b, mac))


def test_lost_mass_is_a_float64_recurrence() -> None:
    """Terms are rounded to float64 and added in k order: 1 + 2^-53 twice stays 1."""
    result = counts([1.0, 2.0**-53, 2.0**-53], "fp64xfp64+fp32", c=2.0**40)
    assert result.mass == 1.0
    assert result.lost == 1.0


def test_empty_product() -> None:
    """No outputs: nothing counted."""
    result, total = matmul(np.zeros((0, 3)), np.zeros((3, 2)), "fp16xfp16+fp16", telemetry=True)
    assert result.shape == (0, 2)
    assert total == Telemetry()
