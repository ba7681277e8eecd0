"""What Timeloop and Accelergy are given: it parses, and every number is ours."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hwsim.costs import DATAFLOWS, Array, Gemm, array_cost, cost, dram, registers, sram
from hwsim.costs.exports import timeloop_files
from hwsim.costs.yaml_text import Tagged, to_yaml

INT8 = "int8xint8+int32"
GEMMS = [Gemm(12, 34, 56, 2, "block0/scores"), Gemm(7, 8, 9), Gemm(0, 1, 1, name="empty")]


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader that keeps Timeloop's tags as a field ``!``."""


def tagged(loader, suffix, node):
    return {"!": suffix} | loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", tagged)


def parsed(text):
    return yaml.load(text, Loader)


@pytest.fixture(params=DATAFLOWS)
def machine(request):
    return Array(8, 4, request.param, sram(64, access_bits=128), clock_ghz=0.5)


def test_the_architecture(machine):
    found = parsed(timeloop_files(machine, INT8, GEMMS)["architecture.yaml"])["architecture"]
    assert found["version"] == 0.4
    nodes = {node.get("name", node["!"]): node for node in found["nodes"]}
    assert list(nodes) == ["system", "dram", "sram", "column", "row", "Parallel", "mac"]
    assert nodes["system"]["attributes"] == {"technology": "45nm", "global_cycle_seconds": 2e-9}
    assert {name: node["!"] for name, node in nodes.items() if name not in ("Parallel",)} == {
        "system": "Container", "dram": "Component", "sram": "Component", "column": "Container",
        "row": "Container", "mac": "Component",
    }  # fmt: skip
    size = nodes["sram"]["attributes"]
    assert size["depth"] * size["width"] == 64 * 8192
    assert (size["width"], size["datawidth"]) == (128, 8)
    assert size["shared_bandwidth"] * 8 / 8 == 64 / 0.5  # bytes, here words, a cycle
    assert nodes["dram"]["attributes"]["shared_bandwidth"] == 25.6 / 0.5
    assert nodes["column"]["spatial"] == {"meshX": 4}
    assert nodes["row"]["spatial"] == {"meshY": 8}
    own = {node["name"]: node for node in nodes["Parallel"]["nodes"]}
    widths = {name: node["attributes"]["width"] for name, node in own.items()}
    assert widths == {"input_register": 8, "weight_register": 8, "accumulator": 32}


def test_dimensions_lie_where_the_dataflow_has_them(machine):
    found = parsed(timeloop_files(machine, INT8, GEMMS)["architecture.yaml"])["architecture"]
    nodes = {node.get("name"): node for node in found["nodes"]}
    free = {}
    for name in ("row", "column"):
        fixed = {x[0] for x in nodes[name]["constraints"]["spatial"]["factors"]}
        (free[name],) = set("BMKN") - fixed
    wanted = {"output": ("M", "N"), "weight": ("K", "N"), "input": ("K", "M")}
    assert (free["row"], free["column"]) == wanted[machine.dataflow]
    stream = nodes["sram"]["constraints"]["temporal"]["permutation"][0]
    assert {stream, *wanted[machine.dataflow]} == set("MKN")


def test_every_energy(machine):
    tables = parsed(timeloop_files(machine, INT8, GEMMS)["ERT.yaml"])["ERT"]["tables"]
    found = {
        table["name"]: {action["name"]: action["energy"] for action in table["actions"]}
        for table in tables
    }
    top, bits = "system_top_level.", registers().energy_pj(0, 8)
    pj = sram(64).read_pj_per_access * 2  # 128 bits are two accesses of 64
    storage = {"leak": 0.0}
    assert found == {
        f"{top}dram[1..1]": {"read": 1300.0, "write": 1300.0, "update": 1300.0} | storage,
        f"{top}sram[1..1]": {"read": pj, "write": pj, "update": pj} | storage,
        f"{top}input_register[1..32]": {"read": 0.0, "write": bits, "update": bits} | storage,
        f"{top}weight_register[1..32]": {"read": 0.0, "write": bits, "update": bits} | storage,
        f"{top}accumulator[1..32]": {"read": 0.0, "write": 0.0, "update": 0.0} | storage,
        f"{top}mac[1..32]": {"compute": cost(INT8).energy_pj, "leak": 0.0},
    }


def test_tables_say_the_same(machine):
    files = timeloop_files(machine, INT8, GEMMS)
    identifier = parsed(files["hwsim.table.yaml"])
    assert set(identifier) == {"name", "technology", "accuracy", "path_to_data_dir"}
    assert identifier["technology"] == "45nm"
    assert identifier["path_to_data_dir"] == "./data"
    tables = {x["name"]: x for x in parsed(files["ERT.yaml"])["ERT"]["tables"]}
    nodes = parsed(files["architecture.yaml"])["architecture"]["nodes"]
    parts = [n for x in nodes for n in x.get("nodes", [x]) if n["!"] == "Component"]
    assert len(parts) == 6
    for part in parts:
        rows = list(csv.DictReader(io.StringIO(files[f"data/{part['subclass']}.csv"])))
        (name,) = [x for x in tables if x.startswith(f"system_top_level.{part['name']}[")]
        energies = {row["action"]: float(row["energy"]) for row in rows}
        assert energies == {x["name"]: x["energy"] for x in tables[name]["actions"]}
        for row in rows:
            for key in {"width", "depth"} & set(row):
                assert row[key] == str(part["attributes"][key])  # as the plug-in compares them
    areas = {float(x["area"]) for x in csv.DictReader(io.StringIO(files["data/hwsim_mac.csv"]))}
    assert areas == {cost(INT8).area_um2}


def test_a_problem_for_each_product(machine):
    files = timeloop_files(machine, INT8, GEMMS)
    names = [name for name in files if name.startswith("problems/")]
    assert names == ["problems/000-block0_scores.yaml", "problems/001.yaml"]
    for name, gemm in zip(names, GEMMS, strict=False):
        problem = parsed(files[name])["problem"]
        assert problem["version"] == 0.4
        assert problem["shape"]["dimensions"] == ["B", "M", "K", "N"]
        assert math.prod(problem["instance"].values()) == gemm.macs
        sizes = {"Inputs": gemm.m * gemm.k, "Weights": gemm.k * gemm.n, "Outputs": gemm.m * gemm.n}
        for space in problem["shape"]["data_spaces"]:
            dims = [d for axis in space["projection"] for term in axis for d in term]
            size = math.prod(problem["instance"][d] for d in dims)
            assert size == gemm.batch * sizes[space["name"]]
            assert space["read_write"] is (space["name"] == "Outputs")


def test_units_of_several_products():
    unit = "uint8xint8+int32:dot4"
    files = timeloop_files(Array(4, 2), unit, GEMMS)
    nodes = parsed(files["architecture.yaml"])["architecture"]["nodes"]
    assert [n["spatial"] for n in nodes if n.get("name") == "product"] == [{"meshX": 4}]
    tables = {x["name"]: x["actions"] for x in parsed(files["ERT.yaml"])["ERT"]["tables"]}
    (compute,) = [
        x["energy"] for x in tables["system_top_level.mac[1..32]"] if x["name"] == "compute"
    ]
    found = array_cost(Gemm(8, 16, 8), unit, Array(4, 2))
    assert compute * found.gemm.macs == pytest.approx(found.energy_mac_pj)


def test_words_that_divide_no_access():
    """Six bits lie in eight."""
    files = timeloop_files(Array(), "e3m2xe3m2+fp16", [])
    nodes = {n.get("name"): n for n in parsed(files["architecture.yaml"])["architecture"]["nodes"]}
    assert nodes["sram"]["attributes"]["datawidth"] == 8
    assert (
        nodes["Parallel" if "Parallel" in nodes else None]["nodes"][0]["attributes"]["width"] == 6
    )


def test_without_dram():
    files = timeloop_files(Array(dram=None), INT8, [])
    assert "dram" not in files["architecture.yaml"]
    assert "data/hwsim_dram.csv" not in files


def test_a_level_without_a_price():
    with pytest.raises(ValueError, match="dram: no price at 7nm, only at 45nm"):
        timeloop_files(Array(), INT8, GEMMS, "7nm")
    own = Array(sram=replace(sram(), node="7nm"), dram=replace(dram(), node="7nm"))
    assert "7nm" in timeloop_files(own, INT8, GEMMS, "7nm")["architecture.yaml"]


scalars = (
    st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=8)
)  # fmt: skip
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.from_regex(r"[a-z_]{1,6}", fullmatch=True), inner, min_size=1, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[A-Za-z]{1,6}", fullmatch=True), trees, min_size=1))
def test_text_is_read_back(value):
    assert parsed(to_yaml(value)) == value


def test_tags_and_numbers():
    text = to_yaml({"x": [Tagged("!A", {"n": 1e-9, "no": "no", "m": {"k": [1, 2.5]}})], "e": []})
    assert parsed(text) == {
        "x": [{"!": "A", "n": 1e-9, "no": "no", "m": {"k": [1, 2.5]}}], "e": []
    }  # fmt: skip
    with pytest.raises(ValueError, match="no number of YAML"):
        to_yaml({"x": math.inf})
