"""Prices of compensated sums, of two words and of sums of logarithms: what is counted."""

from __future__ import annotations

import pytest

import hwsim
from hwsim.costs import primitives as t
from hwsim.costs.logsums import table_entries
from hwsim.reference.logsums import minus, plus


def parts(unit: str) -> dict[str, hwsim.costs.Part]:
    """The parts of a unit by name."""
    return {part.name: part for part in hwsim.cost(unit).parts}


@pytest.mark.parametrize(
    ("bits", "sums", "differences"),
    [(1, 5, 5), (2, 14, 14), (3, 36, 36), (4, 89, 88), (5, 209, 209), (6, 482, 482)],
)
def test_published_sizes_of_tables(bits: int, sums: int, differences: int) -> None:
    assert table_entries(bits, bits) == (sums, differences)


@pytest.mark.parametrize("bits", [0, 1, 3])
@pytest.mark.parametrize("places", [0, 2, 7])
def test_tables_are_the_references(bits: int, places: int) -> None:
    ks = range((places + 4) << bits)
    sums = sum(plus(k, bits, places) != 0 for k in ks)
    differences = sum(minus(k, bits, places) != 0 for k in ks[1:])
    assert table_entries(bits, places) == (sums, differences)


def test_a_sum_of_logarithms_is_small_integers_and_tables() -> None:
    found = parts("log4.3xlog4.3+log4.3:lns")
    logic = t.smooth_table([plus(k, 3, 3) for k in range(37)])
    logic |= t.smooth_table([-minus(k, 3, 3) for k in range(1, 37)])
    assert found["tables"].transistors == (logic + t.mux(6)).transistors
    assert found["adder"].transistors == t.adder(8).transistors
    assert found["sum of logarithms"].transistors == (t.adder(8) | t.XOR).transistors
    assert found["accumulator register"].transistors == t.register(8).transistors
    assert not {"rounding", "product rounding"} & set(found)
    finer = parts("log4.3xlog4.3+log4.3:lns5")
    assert finer["rounding"].transistors == t.rounder(7, 2, "rne").transistors
    assert finer["tables"].transistors > found["tables"].transistors


def test_leaving_the_log_domain_costs_once_per_output() -> None:
    inside, outside = (parts(f"log4.3xlog4.3+log6.6:lns{out}") for out in ("", ":out=fp16"))
    more = {name: part for name, part in outside.items() if name not in inside}
    assert {part.per for part in more.values()} == {"output"}
    assert more["table of powers"].transistors == t.table(64, 24).transistors


@pytest.mark.parametrize(("order", "adders"), [("kahan", 4), ("double", 12)])
@pytest.mark.parametrize("ends", ["", ":mul_add"])
def test_every_addition_has_an_adder(order: str, adders: int, ends: str) -> None:
    """A wide one for the product, and like ones for values of the accumulator's format."""
    found = parts(f"bf16xbf16+bf16:{order}{ends}")
    plain = parts(f"bf16xbf16+bf16{ends}")
    narrow = parts("bf16xbf16+bf16:mul_add")["wide adder"].transistors
    assert found["product: wide adder"].transistors == plain["wide adder"].transistors
    assert found["wide adder"].transistors == (adders - 1) * narrow
    assert found["accumulator register"].transistors == 2 * t.register(16).transistors
