"""Arrays: by hand, against a machine simulated cycle by cycle, against SCALE-Sim; their laws."""

from __future__ import annotations

import csv
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hwsim.costs import DATAFLOWS, Array, Gemm, Memory, array_cost, cost, dram, layer_cost, sram
from hwsim.costs.dataflows import Flow, cycles, flow_of
from hwsim.costs.layers import summed
from hwsim.costs.residency import choices, dram_moves
from hwsim.costs.words import Word, products_a_step, running_bits, steps_of, word_of
from hwsim.units import as_unit, catalogue
from tests.costs.systolic import Machine, cheapest

INT8 = "int8xint8+int32"
UNITS = [entry.unit for entry in catalogue.UNITS]
small, sides, widths = st.integers(0, 8), st.integers(1, 4), st.integers(1, 3)
kinds = st.sampled_from(DATAFLOWS)


def bits_of(found, level, port, tensor):
    moves = [x for x in found.moves if (x.level, x.port, x.tensor) == (level, port, tensor)]
    return (moves[0].read_bits, moves[0].write_bits) if moves else (0, 0)


# --- by hand ----------------------------------------------------------------------------------
def test_output_stationary_by_hand():
    """(20, 10) × (10, 9) on 8 × 4: 3 × 3 tiles; int8 operands, int32 sums and results."""
    found = array_cost(Gemm(20, 10, 9), INT8, Array(8, 4, "output"))
    assert found.tiles == 9
    assert found.cycles == 9 * (2 * 8 + 4 + 10 - 2) == 252
    assert found.mapping == 1800 / (9 * 8 * 4 * 10) == 0.625
    assert bits_of(found, "sram", "array", "a") == (200 * 8 * 3, 0)
    assert bits_of(found, "sram", "array", "b") == (90 * 8 * 3, 0)
    assert bits_of(found, "sram", "array", "out") == (0, 180 * 32)
    assert bits_of(found, "sram", "array", "sums") == (0, 0)
    assert bits_of(found, "registers", "unit", "a") == (1800 * 8, 1800 * 8)
    assert bits_of(found, "registers", "unit", "b") == (1800 * 8, 1800 * 8)
    # All of it fits into 32 KB: each tensor crosses the DRAM's interface once.
    assert bits_of(found, "dram", "sram", "a") == (1600, 0)
    assert bits_of(found, "dram", "sram", "b") == (720, 0)
    assert bits_of(found, "dram", "sram", "out") == (0, 5760)
    assert bits_of(found, "sram", "dram", "a") == (0, 1600)
    assert bits_of(found, "sram", "dram", "out") == (5760, 0)
    # ⌈12720/64⌉ accesses of the array, ⌈8080/64⌉ of the DRAM's side, 20 pJ each.
    assert found.energies_pj["sram"] == (199 + 127) * 20
    assert found.energies_pj["dram"] == 127 * 1300
    assert found.energies_pj["registers"] == pytest.approx(28800 * 24 * 78.6e-6)
    assert found.energy_mac_pj == pytest.approx(1800 * cost(INT8).energy_pj)
    # 252 ns of the array, 12720 + 8080 bits at 64 GB/s, 8080 bits at 25.6 GB/s.
    assert found.times["array"] == pytest.approx(252e-9)
    assert found.times["sram"] == pytest.approx((12720 + 8080) / 8 / 64e9)
    assert found.times["dram"] == pytest.approx(8080 / 8 / 25.6e9)
    assert found.bound == "array"
    assert found.utilisation == pytest.approx(1800 / (252 * 32))


def test_weight_stationary_by_hand():
    """The same: 2 tiles of K, 3 of N; partial sums leave once and come back once."""
    found = array_cost(Gemm(20, 10, 9), INT8, Array(8, 4, "weight"))
    assert found.tiles == 6
    assert found.cycles == 6 * (2 * 8 + 4 + 20 - 2) == 228
    assert found.mapping == 1800 / (6 * 8 * 4 * 20)
    assert bits_of(found, "sram", "array", "a") == (200 * 8 * 3, 0)
    assert bits_of(found, "sram", "array", "b") == (90 * 8, 0)
    assert bits_of(found, "sram", "array", "sums") == (180 * 32, 180 * 32)
    assert bits_of(found, "registers", "unit", "b") == (1800 * 8, 90 * 8)


def test_input_stationary_by_hand():
    """2 tiles of K, 5 of M."""
    found = array_cost(Gemm(20, 10, 9), INT8, Array(8, 4, "input"))
    assert found.tiles == 10
    assert found.cycles == 10 * (2 * 8 + 4 + 9 - 2) == 270
    assert bits_of(found, "sram", "array", "a") == (200 * 8, 0)
    assert bits_of(found, "sram", "array", "b") == (90 * 8 * 5, 0)
    assert bits_of(found, "sram", "array", "sums") == (180 * 32, 180 * 32)


def test_capacity_by_hand():
    """a is 64 × 512 int8 (4 strips of 8 KB), b 512 × 64 (4 of 8 KB), results 64 × 64 int32."""
    gemm, size, out = Gemm(64, 512, 64), 64 * 512 * 8, 64 * 64 * 32
    for kb, again in ((7, 4 + 4), (8, 4 + 1), (16, 4 + 1), (24, 2 + 1), (39, 2 + 1), (40, 1 + 1)):
        memory = Memory("sram", 64, 10.0, 10.0, kb)
        found = array_cost(gemm, INT8, Array(16, 16, sram=memory))
        moved = sum(x.read_bits + x.write_bits for x in found.levels if x.level == "dram")
        assert moved == again * size + out, kb


def test_running_sums_by_hand():
    """Everything that a unit must find again: sums, lanes, both words, an unfinished chunk."""
    cases = {
        INT8: 32,
        "e5m2xe5m2+e6m9:chunk64/fp32": 16 + 32,  # 16 products in: the chunk is not over
        "e5m2xe5m2+e6m9:chunk8/fp32": 32,
        "e5m2xe5m2+e6m9:lanes8": 8 * 16,
        "bf16xbf16+bf16:kahan": 2 * 16,
        "e5m2xe5m2+e6m9:tree16": 16,
        "e5m2xe5m2+exact": 81,
        "uint8xint8+int32:dot4": 32,
        "e4m3xe4m3+fp32:fused32f13z-133p128/e8m13": 32,  # ended
        "log4.3xlog4.3+log6.6:lns": 13,
    }
    for name, bits in cases.items():
        unit = as_unit(name)
        assert running_bits(unit, 16 * products_a_step(unit)) == bits, name
    promoted = as_unit("e4m3xe4m3+fp32:fused32f13z-133p128/e8m13")
    assert running_bits(promoted, 3 * 32) == 32 + 22  # fp32, and e8m13


def test_scales_of_blocks_by_hand():
    """mxfp8: 8 bits and one scale of 8 for each 32; (32, 80) × (80, 16) on 16 × 16."""
    unit = "mxfp8_e4m3xmxfp8_e4m3+fp32:chunk32"
    found = array_cost(Gemm(32, 80, 16), unit, Array(16, 16))
    line = 80 * 8 + 3 * 8  # three blocks, the last one short
    assert bits_of(found, "sram", "array", "a") == (32 * line, 0)
    assert bits_of(found, "sram", "array", "b") == (2 * 16 * line, 0)
    assert bits_of(found, "dram", "sram", "a") == (32 * line, 0)
    held = array_cost(Gemm(32, 80, 16), unit, Array(16, 16, "weight"))
    tiles = 80 * 8 + 5 * 8  # five tiles of 16, each with the scale of its block
    assert bits_of(held, "sram", "array", "b") == (16 * tiles, 0)
    assert layer_cost(unit, 32, 80, 16).traffic_bits == (32 + 32) * line + 32 * 16 * 32


def test_units_that_take_groups():
    """Four products a step: K = 10 is three steps, and the array does four times the work."""
    found = array_cost(Gemm(16, 10, 16), "uint8xint8+int32:dot4", Array(16, 16))
    assert found.cycles == 2 * 16 + 16 + 3 - 2
    assert found.mapping == 10 / 12
    assert found.peak_gmacs == 16 * 16 * 4
    unit = as_unit("e4m3xe4m3+fp16:fused32f13z-133p48")
    assert steps_of(unit, 100) == 2 + 2 + 1  # promoted after 48 products: blocks of 32, 16, 32 …


# --- against a machine, cycle by cycle --------------------------------------------------------
@given(kinds, sides, sides, widths, small, st.integers(1, 8), small, st.sampled_from([0, 2, 3, 5]))
@example("output", 4, 3, 1, 8, 8, 8, 0)
@example("weight", 2, 2, 2, 5, 7, 3, 3)
@example("input", 1, 1, 1, 1, 1, 1, 0)
def test_every_access_of_a_simulated_array(kind, rows, columns, width, m, k, n, block):
    draw = random.Random(f"{m} {k} {n}")
    a = [[draw.randint(-9, 9) for _ in range(k)] for _ in range(m)]
    b = [[draw.randint(-9, 9) for _ in range(n)] for _ in range(k)]
    scale = 8 if block else 0
    machine = Machine(rows, columns, width, 8, 4, 32, 16, block, scale)
    product = [[sum(a[i][x] * b[x][j] for x in range(k)) for j in range(n)] for i in range(m)]
    assert machine.multiply(a, b, kind) == product

    words = (Word(8, block, scale), Word(4, block, scale))
    flow = Flow(kind, rows, columns, m, k, n, *words, 32, 16, width, -(-k // width))
    assert cycles([(flow, 1)], overlap=False) == machine.cycles
    counts = machine.counts
    for move in flow.array_moves():
        assert move.read_bits == counts[f"{move.tensor}_read"], move
        assert move.write_bits == counts[f"{move.tensor}_write"], move
    for move in flow.register_moves():
        assert move.read_bits == counts[f"{move.tensor}_register_read"], move
        assert move.write_bits == counts[f"{move.tensor}_register_write"], move


@given(kinds, sides, sides, *[st.integers(1, 7)] * 3, st.integers(0, 2000))
@example("weight", 1, 1, 4, 4, 4, 300)
@example("output", 2, 1, 7, 7, 7, 400)
@example("weight", 1, 2, 3, 2, 3, 216)  # a strip that is brought needs room beside the sums
def test_dram_traffic_is_the_least_of_all_replayed(kind, rows, columns, m, k, n, capacity):
    flow = Flow(kind, rows, columns, m, k, n, Word(8), Word(4), 32, 16, 1, k)

    def cut(length, step):
        return [min(step, length - i) for i in range(0, length, step)]

    if kind == "output":
        strips = [x * k * 8 for x in cut(m, rows)], [x * k * 4 for x in cut(n, columns)]
        sizes, held = None, m * n * 16
    elif kind == "weight":
        strips = [x * m * 8 for x in cut(k, rows)], [x * m * 32 for x in cut(n, columns)]
        sizes, held = (32, 16), k * n * 4
    else:
        strips = [x * n * 4 for x in cut(k, rows)], [x * n * 32 for x in cut(m, columns)]
        sizes, held = (32, 16), m * k * 8
    least = cheapest((len(strips[0]), len(strips[1])), strips, sizes, capacity)
    assert sum(x.read_bits + x.write_bits for x in dram_moves(flow, capacity)) == held + least


@given(st.integers(1, 60), st.integers(1, 30), st.integers(2, 33))
def test_a_span_of_blocks_holds_every_place(k, length, block):
    """The capacity of a strip suffices wherever it begins."""
    word = Word(8, block, 8)
    for start in range(0, k, length):
        span = range(start, min(k, start + length))
        exact = len(span) * 8 + len({i // block for i in span}) * 8
        assert exact <= word.span_bits(length, k) <= word.vector_bits(k)


@given(st.integers(0, 60), st.integers(1, 30), st.integers(2, 33))
def test_scales_are_read_in_every_tile(k, depth, block):
    tiles = [range(i, min(k, i + depth)) for i in range(0, k, depth)]
    scales = sum(len({i // block for i in tile}) for tile in tiles)
    assert Word(4, block, 16).vector_bits(k, depth) == 4 * k + 16 * scales


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=4), sides)
def test_overlapped_tiles_wait_for_the_stream_and_the_loader(parts, rows):
    """One loader, one more set of registers: a tile starts when both are done."""
    flows = [
        (Flow("weight", rows, 3, m, 1, 1, Word(8), Word(8), 32, 32, 1, 1), n) for n, m in parts
    ]
    loaded, free, end = rows, 0, 0  # the loader's first tile; the stream; the last result
    for flow, count in flows:
        for _ in range(count):
            start = max(loaded, free)
            loaded, free = start + rows, start + flow.m
            end = start + flow.m + rows + flow.columns - 2
    assert cycles(flows, overlap=True) == end <= cycles(flows, overlap=False)


# --- against SCALE-Sim ------------------------------------------------------------------------
def scalesim():
    with (Path(__file__).parent / "scalesim.csv").open() as file:
        return [{k: v if k == "dataflow" else int(v) for k, v in x.items()}
                for x in csv.DictReader(file)]  # fmt: skip


@pytest.mark.parametrize("kind", DATAFLOWS)
def test_what_scale_sim_counts(kind):
    """scalesim 3.0.0 (PyPI), its demand matrices: equal words everywhere, equal cycles where an
    operand stays.  Where outputs stay, the tool counts no drain, which its paper's formula does:
    `rows` cycles of each tile."""
    own = [row for row in scalesim() if row["dataflow"] == kind]
    assert len(own) == 32
    for row in own:
        size = (row["rows"], row["columns"], row["m"], row["k"], row["n"])
        flow = Flow(kind, *size, Word(1), Word(1), 1, 1, 1, row["k"])
        drained = flow.tiles * flow.rows if kind == "output" else 0
        assert cycles([(flow, 1)], overlap=False) - drained == row["cycles"], row
        moved = {move.tensor: move for move in flow.array_moves()}
        assert moved["a"].read_bits == row["a"], row
        assert moved["b"].read_bits == row["b"], row
        assert moved["out"].write_bits + moved["sums"].write_bits == row["out"], row


# --- laws -------------------------------------------------------------------------------------
ANY = st.builds(Gemm, st.integers(0, 70), st.integers(0, 70), st.integers(0, 70), st.integers(0, 3))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", DATAFLOWS)
def test_every_unit_of_the_catalogue(unit, kind):
    """Each has its numbers, or says by name that the dataflow cannot run it."""
    if "bins" in unit and kind != "output":
        with pytest.raises(ValueError, match=r"sums of bins16/fp32 do not move: dataflow='output'"):
            array_cost(Gemm(33, 70, 18), unit, Array(16, 16, kind))
        return
    found = array_cost(Gemm(33, 70, 18, 2), unit, Array(16, 16, kind))
    assert found.gemm.macs == 2 * 33 * 70 * 18
    assert 0 < found.utilisation <= found.mapping <= 1
    assert found.energy_mac_pj == pytest.approx(layer_cost(unit, 33, 70, 18, 2).energy_mac_pj)
    assert found.energy_memory_pj == pytest.approx(sum(x.energy_pj for x in found.levels))


@given(ANY, kinds, sides, sides, st.sampled_from([INT8, "mxfp8_e4m3xmxfp8_e4m3+fp32"]))
def test_bounds(gemm, kind, rows, columns, unit):
    """Every tensor moves once at least; utilisation is 1 at most; dataflows agree on MACs."""
    found = array_cost(gemm, unit, Array(rows, columns, kind))
    a, b = (word_of(x).vector_bits(gemm.k) for x in as_unit(unit).operands)
    if gemm.macs:
        for level, port in (("sram", "array"), ("dram", "sram")):
            assert bits_of(found, level, port, "a")[0] >= gemm.batch * gemm.m * a
            assert bits_of(found, level, port, "b")[0] >= gemm.batch * gemm.n * b
    assert bits_of(found, "dram", "sram", "out")[1] == gemm.batch * gemm.m * gemm.n * 32
    assert found.cycles >= found.gemm.macs / (rows * columns * products_a_step(as_unit(unit)))
    assert 0 <= found.utilisation <= found.mapping <= 1
    other = array_cost(gemm, unit, Array(5, 3, "output"))
    assert found.energy_mac_pj == other.energy_mac_pj


@given(kinds, *[st.integers(1, 4)] * 5)
def test_mapping_is_one_where_lengths_divide(kind, rows, columns, x, y, stream):
    row, column = rows * x, columns * y
    sizes = {"output": (row, stream, column), "weight": (stream, row, column)}
    m, k, n = sizes.get(kind, (column, row, stream))
    assert array_cost(Gemm(m, k, n), INT8, Array(rows, columns, kind)).mapping == 1
    longer = {"output": (row + 1, stream, column), "weight": (stream, row + 1, column)}
    m, k, n = longer.get(kind, (column, row + 1, stream))
    found = array_cost(Gemm(m, k, n), INT8, Array(rows, columns, kind))
    assert found.mapping < 1 or rows == 1


@given(ANY, kinds, st.integers(1, 60), st.integers(1, 60))
def test_dram_traffic_falls_with_capacity(gemm, kind, one, other):
    """At one price of SRAM, so does the energy of DRAM."""
    small, large = sorted((one, other))
    found = [
        array_cost(gemm, INT8, Array(4, 4, kind, Memory("sram", 64, 1.0, 1.0, kb / 32)))
        for kb in (small, large)
    ]
    energies = [x.energies_pj["dram"] for x in found]
    assert energies[0] >= energies[1]
    assert found[0].cycles == found[1].cycles


@given(st.lists(ANY, min_size=1, max_size=3), kinds)
def test_layers_add_up(gemms, kind):
    rows = [array_cost(gemm, INT8, Array(4, 4, kind)) for gemm in gemms]
    sums = summed(rows)
    assert sums["macs"] == sum(gemm.macs for gemm in gemms)
    assert sums["cycles"] == sum(row.cycles for row in rows)
    for name in ("mac", "registers", "sram", "dram"):
        wanted = math.fsum(row.energies_pj[name] for row in rows)
        assert sums[f"energy_{name}_pj"] == wanted
    levels = math.fsum(sums[f"energy_{name}_pj"] for name in ("registers", "sram", "dram"))
    assert sums["energy_memory_pj"] == pytest.approx(levels)


@given(ANY, kinds, st.booleans())
def test_a_batch_is_so_many_products(gemm, kind, overlap):
    array = Array(4, 4, kind, overlap=overlap)
    one, many = (array_cost(replace(gemm, batch=x), INT8, array) for x in (1, 3))
    assert many.tiles == 3 * one.tiles
    assert many.cycles == 3 * one.cycles or overlap
    for x, y in zip(one.levels, many.levels, strict=True):
        assert (3 * x.read_bits, 3 * x.writes) == (y.read_bits, y.writes)
        assert y.energy_pj == pytest.approx(3 * x.energy_pj)


@given(ANY, st.sampled_from(["weight", "input"]), st.integers(1, 80))
def test_a_cut_stream_is_several_products(gemm, kind, stream):
    whole = Array(4, 4, kind)
    m, n = gemm.m, gemm.n
    length = m if kind == "weight" else n
    pieces = [min(stream, length - i) for i in range(0, length, stream)] or [0]
    gemms = [replace(gemm, m=z) if kind == "weight" else replace(gemm, n=z) for z in pieces]
    parts = summed(array_cost(piece, INT8, whole) for piece in gemms)
    found = array_cost(gemm, INT8, replace(whole, stream=stream))
    assert found.gemm == gemm
    assert (found.tiles, found.cycles) == (parts["tiles"], parts["cycles"])
    for level in found.levels:
        assert level.read_bits == parts[f"{level.level}_read_bits"]
        assert level.writes == parts[f"{level.level}_writes"]
    assert found.energy_mac_pj == pytest.approx(parts["energy_mac_pj"])


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.integers(0, 3))
def test_layer_cost_is_the_plainest_array(m, k, n, batch):
    """All tensors in 32 KB of SRAM, 16 × 16, output stationary: the same bits and energies."""
    for unit in (INT8, "e5m2xe5m2+e6m9:chunk64/fp32", "mxfp4xmxfp4+fp16:chunk32"):
        layer = layer_cost(unit, m, k, n, batch)
        found = array_cost(Gemm(m, k, n, batch), unit, Array(16, 16, "output", sram(32), None))
        moved = next(level for level in found.levels if level.level == "sram")
        assert [level.level for level in found.levels] == ["registers", "sram"]
        assert moved.read_bits + moved.write_bits == layer.traffic_bits
        assert moved.energy_pj == layer.energy_memory_pj
        assert found.energy_mac_pj == layer.energy_mac_pj


def test_memories_are_not_scaled_between_nodes():
    found = array_cost(Gemm(16, 16, 16), INT8, Array(), node="7nm")
    assert found.energies_pj["sram"] is found.energies_pj["dram"] is None
    assert found.energies_pj["registers"] > 0
    assert found.energy_memory_pj is None
    assert summed([found])["energy_memory_pj"] is None
    own = replace(sram(), node="7nm"), replace(dram(), node="7nm")
    assert array_cost(Gemm(16, 16, 16), INT8, Array(16, 16, "output", *own), "7nm").energy_memory_pj


@pytest.mark.parametrize(
    ("slow", "bound"), [({"sram": 0.01}, "sram"), ({"dram": 0.01}, "dram"), ({}, "array")]
)
def test_the_slowest_part_bounds(slow, bound):
    speeds = {"sram": None, "dram": None} | slow
    memories = {"sram": sram(gb_per_s=speeds["sram"]), "dram": dram(gb_per_s=speeds["dram"])}
    found = array_cost(Gemm(64, 64, 64), INT8, Array(**memories))
    assert found.bound == bound
    assert found.seconds == max(found.times.values())
    level = next((x for x in found.levels if x.level == bound), None)
    if level is not None:
        assert found.seconds == (level.read_bits + level.write_bits) / 8 / 0.01e9
        reached = found.gemm.macs / found.seconds
        assert reached == pytest.approx(found.intensity(bound) * 0.01e9)  # on the roof


def test_a_published_array():
    """TPU v1, Jouppi et al. 2017, ISCA: 65 536 MACs at 700 MHz are 92 TOPS; with 34 GB/s the
    roofline bends at about 1350 MACs a byte of weights."""
    array = Array(256, 256, "weight", dram=dram(gb_per_s=34), clock_ghz=0.7)
    peak = array.peak_gmacs(INT8)
    assert round(2 * peak / 1000) == 92
    assert peak / 34 == pytest.approx(1350, rel=0.01)


def test_nothing_costs_nothing():
    found = array_cost(Gemm(0, 5, 5), INT8, Array())
    assert (found.cycles, found.energy_mac_pj, found.energy_memory_pj) == (0, 0, 0)
    assert (found.utilisation, found.mapping, found.seconds) == (0, 0, 0)
    zero = array_cost(Gemm(3, 0, 5), INT8, Array())  # zeros are written all the same
    assert zero.cycles == 0
    assert bits_of(zero, "dram", "sram", "out") == (0, 15 * 32)
    assert list(choices(flow_of(as_unit(INT8), (3, 2, 5), 4, 4, "output"), 0.0))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rows": 0}, ValueError, "rows=0"),
        ({"columns": 2.0}, ValueError, "columns=2.0"),
        ({"dataflow": "row"}, ValueError, "dataflow='row': allowed are output, weight, input"),
        ({"clock_ghz": 0}, ValueError, "clock_ghz=0"),
        ({"clock_ghz": True}, ValueError, "clock_ghz=True"),
        ({"overlap": 1}, ValueError, "overlap=1"),
        ({"stream": 8}, ValueError, "stream: K is what streams"),
        ({"stream": 0, "dataflow": "weight"}, ValueError, "stream=0"),
        ({"sram": None}, TypeError, "sram=None"),
        ({"dram": 5}, TypeError, "dram=5"),
    ],
)
def test_what_is_no_array(changes, error, message):
    with pytest.raises(error, match=message):
        Array(**changes)


def test_what_is_no_product():
    with pytest.raises(ValueError, match="k=-1"):
        Gemm(1, -1, 1)
    unit = "e4m3xe4m3+fp16:fused32f13z-133p48"
    with pytest.raises(ValueError, match=r"sums of 48 products end within a block of 32"):
        array_cost(Gemm(4, 4, 4), unit, Array(dataflow="weight"))
