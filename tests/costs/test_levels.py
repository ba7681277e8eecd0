"""Memories: published points, units, whole accesses, limits by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.costs import Memory, Node, cost, dram, dram_energy_pj, registers, sram
from hwsim.costs.levels import sram_access_pj

HOROWITZ_SRAM = [(8, 10.0), (32, 20.0), (1024, 100.0)]  # KB, pJ for 64 bits
bits = st.integers(0, 10_000)


@pytest.mark.parametrize(("capacity_kb", "pj"), HOROWITZ_SRAM)
def test_sram_is_priced_by_the_access_of_64_bits(capacity_kb: int, pj: float) -> None:
    """QKeras took an energy per bit for one per access: 64 times off."""
    memory = sram(capacity_kb)
    assert memory.access_bits == 64
    assert memory.read_pj_per_access == memory.write_pj_per_access
    assert memory.read_pj_per_access == pytest.approx(pj, rel=0.14)
    assert memory.energy_pj(64, 0) == memory.energy_pj(0, 64) == memory.read_pj_per_access
    assert memory.energy_pj(1, 0) == memory.energy_pj(64, 0) == memory.energy_pj(65, 0) / 2


@pytest.mark.parametrize(("capacity_kb", "pj"), HOROWITZ_SRAM[:2])
def test_two_points_are_exact(capacity_kb: int, pj: float) -> None:
    assert sram(capacity_kb).read_pj_per_access == pj


def test_dram_is_within_its_published_range() -> None:
    assert dram().access_bits == 64
    assert 1300 <= dram().read_pj_per_access <= 2600
    assert dram_energy_pj(64) == dram().energy_pj(64, 0) == 1300
    assert dram(2600).energy_pj(0, 65) == 5200


@pytest.mark.parametrize("node", ["45nm", "7nm"])
def test_a_register_is_the_flip_flop_of_the_units(node: str) -> None:
    memory = registers(node)
    parts = {part.name: part for part in cost("int8xint8+int32", node).parts}
    assert memory.energy_pj(0, 32) == pytest.approx(parts["accumulator register"].use_energy_pj)
    assert memory.energy_pj(1000, 0) == 0
    assert memory.node == node


def test_registers_of_an_own_node() -> None:
    mine = Node("mine", 28, 50.0, None, 0.8, "my library", "none", "int8 only")
    assert registers(mine).energy_pj(0, 1) == pytest.approx(24 * 50e-6)
    assert registers(mine).node == "mine"


def test_every_price_says_what_it_rests_on() -> None:
    for memory in (sram(), dram(), registers()):
        assert memory.node == "45nm"
        assert "Horowitz" in memory.source
        assert memory.valid
    assert sram().voltage_v == registers().voltage_v == 0.9
    assert dram().voltage_v is None


@given(bits, bits, st.integers(1, 200))
def test_accesses(reads: int, writes: int, width: int) -> None:
    memory = Memory("m", width, 3.0, 5.0)
    out, into = memory.accesses(reads, writes)
    assert (out + into - 1) * width < reads + writes <= (out + into) * width or not reads + writes
    assert (into - 1) * width < writes <= into * width or not writes
    assert out >= 0
    assert memory.energy_pj(reads, writes) == 3 * out + 5 * into


@given(st.floats(8, 1024), st.floats(8, 1024))
def test_monotone_in_capacity(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert sram_access_pj(low) <= sram_access_pj(high)


def test_a_wide_access_is_several() -> None:
    assert sram(32, access_bits=256).energy_pj(256, 0) == sram(32).energy_pj(256, 0) == 80
    assert sram(32, access_bits=256).energy_pj(1, 0) == 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capacity_kb": 7.9}, "capacity_kb=7.9: published points span 8 to 1024 KB"),
        ({"capacity_kb": 1025}, "capacity_kb=1025"),
        ({"access_bits": 100}, "access_bits=100: published points are accesses of 64 bits"),
        ({"access_bits": 0}, "access_bits=0: an integer of at least 1"),
        ({"gb_per_s": 0}, "gb_per_s=0: a number above 0"),
        ({"gb_per_s": float("nan")}, "gb_per_s=nan"),
    ],
)
def test_limits_of_sram(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sram(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"access_bits": 1.5}, "access_bits=1.5"),
        ({"access_bits": True}, "access_bits=True"),
        ({"read_pj_per_access": -1}, "read_pj_per_access=-1: a number from 0"),
        ({"write_pj_per_access": "1"}, "write_pj_per_access='1'"),
        ({"capacity_kb": 0}, "capacity_kb=0: a number above 0"),
        ({"voltage_v": float("inf")}, "voltage_v=inf"),
    ],
)
def test_what_is_no_memory(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Memory(
            **(
                {"name": "m", "access_bits": 8, "read_pj_per_access": 1.0}
                | {"write_pj_per_access": 1.0}
                | changes
            )
        )  # type: ignore[arg-type]
