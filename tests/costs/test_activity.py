"""Energy by plain counts, part by part, by hand."""

from __future__ import annotations

import dataclasses

import pytest

from hwsim.costs import cost
from hwsim.costs.activity import CLOCK_SHARE, DataEnergy, Switching, data_energy, role_of

# Per MAC: a 1 of 4, b 2 of 4, array 300 of 1000, product 3 of 8; 3 in 4 products move.  Per step
# (a MAC of 100, or one of 25 groups) 5 of 10 bits of sums, half of the registers move.
RANDOM = Switching(
    macs=100, steps=100, chunks=10, outputs=4, a=400, b=400, array=1e5, product=800, moved=100,
    added=1000, sums=1000, sums_moved=100, outer=90, outer_moved=10, results=40,
)  # fmt: skip
DATA = Switching(
    macs=100, steps=100, chunks=10, outputs=4, a=100, b=200, array=3e4, product=300, moved=75,
    added=500, sums=600, sums_moved=50, outer=30, outer_moved=2, results=10,
)  # fmt: skip
CLOCK = CLOCK_SHARE


def factors(unit: str, gating: str = "none", random: Switching = RANDOM, data: Switching = DATA):
    """Part by part: times the energy on random operands."""
    found = data_energy(cost(unit), (100, 10, 4), data, random, gating)
    return {p.name: p.data_pj / p.random_pj for p in found.parts}


def test_parts_of_an_integer_unit():
    """Array, adder, register."""
    found = factors("int8xint8+int32")
    assert found["significand multiplier"] == pytest.approx(0.3)
    assert found["adder"] == pytest.approx((3 + 5) / (8 + 10))
    assert found["accumulator register"] == pytest.approx(CLOCK + (1 - CLOCK) * 0.6)
    gated = factors("int8xint8+int32", "clock")
    assert gated["accumulator register"] == pytest.approx(CLOCK * 0.5 + (1 - CLOCK) * 0.6)
    assert gated["adder"] == found["adder"]


def test_parts_of_a_float_unit_in_chunks():
    """Decoders by operands, exponents by products, the outer sum by both sums."""
    found = factors("e5m2xe5m2+e6m9:chunk10")
    assert found["operand decode"] == pytest.approx(3 / 8)
    assert found["exponent adder"] == pytest.approx(3 / 8)
    assert found["product register"] == pytest.approx(CLOCK + (1 - CLOCK) * 3 / 8)
    assert found["alignment shifter"] == pytest.approx(8 / 18)
    assert found["outer wide adder"] == pytest.approx((6 + 3) / (10 + 9))
    assert found["outer accumulator register"] == pytest.approx(CLOCK + (1 - CLOCK) / 3)
    gated = factors("e5m2xe5m2+e6m9:chunk10", "both")
    assert gated["product register"] == pytest.approx(CLOCK * 0.75 + (1 - CLOCK) * 3 / 8)
    assert gated["outer accumulator register"] == pytest.approx(CLOCK * 0.2 + (1 - CLOCK) / 3)


def test_a_group_has_all_its_products_before_its_adder():
    """Four products a step."""
    few = {"steps": 25.0, "added": 250.0}
    random, data = dataclasses.replace(RANDOM, **few), dataclasses.replace(DATA, **few)
    found = factors("int8xint8+int32:dot4", random=random, data=data)
    assert found["exact adder"] == pytest.approx((4 * 3 + 10) / (4 * 8 + 10))


def test_multipliers_without_an_array_and_random_parts():
    """By operands and product; a generator by nothing; results by finished sums."""
    none = {"array": 0.0}
    random, data = dataclasses.replace(RANDOM, **none), dataclasses.replace(DATA, **none)
    found = factors("int8xint8:drum4+int16:saturate", random=random, data=data)
    assert found["significand multiplier"] == pytest.approx((1 + 2 + 3) / (4 + 4 + 8))
    assert factors("e5m2xe5m2+e6m9:sr8")["random generator"] == 1
    assert factors("fp32xfp32+fp32:exact")["total rounding"] == pytest.approx(0.25)


def test_totals():
    """Σ over parts; random is the stated price; sums of energies add parts by name."""
    price = cost("e5m2xe5m2+e6m9:chunk10")
    found = data_energy(price, (100, 10, 4), DATA, RANDOM)
    assert found.random_pj == pytest.approx(100 * price.energy_pj)
    assert found.data_pj == pytest.approx(sum(p.data_pj for p in found.parts))
    twice = found + found
    assert twice.data_pj == 2 * found.data_pj
    assert twice.ratio == found.ratio
    assert [p.name for p in twice.parts] == [p.name for p in found.parts]
    assert data_energy(price, (100, 10, 4), RANDOM, RANDOM).ratio == pytest.approx(1)
    assert DataEnergy().ratio == 1


def test_roles_and_gatings_are_named():
    """Every part has a role; other gatings are refused."""
    roles = {p.name: role_of(p) for p in cost("e4m3xe4m3+fp16:mul_add").parts}
    assert roles["product normalisation"] == "product"
    assert roles["rounding"] == "addition"
    with pytest.raises(ValueError, match="gating='half'"):
        factors("int8xint8+int32", "half")
