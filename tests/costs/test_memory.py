"""Operand traffic and prices of layers."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.costs import (
    cost,
    dram_energy_pj,
    gemm_traffic,
    layer_cost,
    sram_access_pj,
    sram_energy_pj,
)

sizes = st.integers(0, 200)


@pytest.mark.parametrize(("capacity_kb", "pj"), [(8, 10), (32, 20), (1024, 100)])
def test_sram_anchors_per_access(capacity_kb, pj):
    assert sram_access_pj(capacity_kb) == pytest.approx(pj, rel=0.15)


def test_energy_is_per_64_bit_access():
    """QKeras took an energy per bit for one per access: 64 times low."""
    assert sram_energy_pj(64) == sram_access_pj(32) == 20
    assert sram_energy_pj(640) == 200
    assert sram_energy_pj(65) == 40
    assert sram_energy_pj(0) == 0


def test_dram_within_the_published_range():
    assert 1_300 <= dram_energy_pj(64) <= 2_600


@pytest.mark.parametrize("capacity_kb", [0, 4, 2048])
def test_sram_only_where_published(capacity_kb):
    with pytest.raises(ValueError, match="8 to 1024 KB"):
        sram_access_pj(capacity_kb)


def _enumerated(m, k, n, a_bits, b_bits, out_bits, tile):
    """The same machine, tile by tile."""
    a = b = out = 0
    for i in range(0, m, tile):
        for j in range(0, n, tile):
            rows, cols = min(tile, m - i), min(tile, n - j)
            a += rows * k * a_bits
            b += cols * k * b_bits
            out += rows * cols * out_bits
    return a, b, out


@given(sizes, sizes, sizes, st.integers(1, 40))
def test_traffic_is_that_of_the_tiles(m, k, n, tile):
    t = gemm_traffic(m, k, n, 8, 4, 32, tile)
    assert (t.a_read_bits, t.b_read_bits, t.out_write_bits) == _enumerated(m, k, n, 8, 4, 32, tile)
    assert t.sram_bits == t.a_read_bits + t.b_read_bits + t.out_write_bits
    assert t.tensor_bits == m * k * 8 + k * n * 4 + m * n * 32


@pytest.mark.parametrize(("name", "value"), [("m", -1), ("k", 1.0), ("n", True), ("a_bits", 0)])
def test_counts_are_checked(name, value):
    arguments = dict.fromkeys(("m", "k", "n", "a_bits", "b_bits", "out_bits"), 1) | {name: value}
    with pytest.raises(ValueError, match=f"{name}="):
        gemm_traffic(**arguments)


UNITS = ["int8xint8+int32", "e5m2xe5m2+e6m9:chunk64/fp32", "e4m3xe4m3+exact"]


@pytest.mark.parametrize("unit", UNITS)
@given(m=sizes, k=sizes, n=sizes, batch=st.integers(0, 5))
def test_layers_add_up(unit, m, k, n, batch):
    one, many = layer_cost(unit, m, k, n), layer_cost(unit, m, k, n, batch)
    assert many.macs == batch * one.macs == batch * m * k * n
    assert many.energy_mac_pj == pytest.approx(batch * one.energy_mac_pj)
    both = one + many
    assert both.energy_mac_pj == one.energy_mac_pj + many.energy_mac_pj
    assert both.energy_memory_pj == one.energy_memory_pj + many.energy_memory_pj
    assert both.traffic_bits == one.traffic_bits + many.traffic_bits
    assert both.area_um2 == one.area_um2 == cost(unit).area_um2


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("k", [0, 1, 63, 64, 65, 640])
def test_energy_of_one_output(unit, k):
    price = cost(unit)
    per_mac = sum(p.use_energy_pj for p in price.parts if p.per == "mac")
    chunks = ceil(k / 64) if "chunk" in unit else 0
    expected = k * per_mac + chunks * price.chunk_energy_pj + price.output_energy_pj
    assert layer_cost(unit, 1, k, 1).energy_mac_pj == pytest.approx(expected)


def test_full_chunks_cost_what_cost_says():
    price = cost("e5m2xe5m2+e6m9:chunk64/fp32")
    layer = layer_cost("e5m2xe5m2+e6m9:chunk64/fp32", 3, 640, 5)
    assert layer.energy_mac_pj == pytest.approx(layer.macs * price.energy_pj)


def test_narrow_operands_move_fewer_bits():
    wide, narrow = (layer_cost(u, 64, 64, 64) for u in ("fp16xfp16+fp32", "e5m2xe5m2+fp32"))
    assert narrow.traffic_bits < wide.traffic_bits
    assert narrow.energy_memory_pj < wide.energy_memory_pj


def test_dram_is_extra_and_once_per_tensor():
    here, with_dram = (layer_cost("int8xint8+int32", 32, 64, 48, dram=d) for d in (False, True))
    bits = 32 * 64 * 8 + 64 * 48 * 8 + 32 * 48 * 32
    assert with_dram.energy_memory_pj - here.energy_memory_pj == pytest.approx(1300 / 64 * bits)


def test_memory_is_not_scaled_across_nodes():
    layer = layer_cost("int8xint8+int32", 16, 16, 16, node="7nm")
    assert layer.energy_memory_pj is None
    assert layer.energy_mac_pj > 0
    assert "not calibrated" in str(layer)


def test_layers_of_two_units_do_not_add():
    with pytest.raises(ValueError, match="cannot add"):
        layer_cost("int8xint8+int32", 1, 1, 1) + layer_cost("fp16xfp16+fp32", 1, 1, 1)


def test_mac_energy_is_no_chip_energy():
    assert "not a chip" in str(layer_cost("int8xint8+int32", 4, 4, 4))


def test_batch_is_checked():
    with pytest.raises(ValueError, match="batch=-1"):
        layer_cost("int8xint8+int32", 1, 1, 1, batch=-1)
