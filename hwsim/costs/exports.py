"""An array as Timeloop and Accelergy read it: architecture, energies, problems.

Syntax of version 0.4: timeloopfe (``timeloopfe/v4/arch.py``, ``problem.py``, ``ert.py``) and the
designs of timeloop-accelergy-exercises; tables: accelergy-table-based-plug-ins.  Energies are per
action in pJ; leakage is not modelled and written as 0.  A memory of Timeloop's has one word width
for all tensors: it is the wider operand's, up to the next divisor of an access.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from hwsim.costs.arrays import Array
from hwsim.costs.layers import Gemm
from hwsim.costs.levels import Memory
from hwsim.costs.model import cost
from hwsim.costs.nodes import Node
from hwsim.costs.words import products_a_step, word_of
from hwsim.costs.yaml_text import Tagged, to_yaml
from hwsim.units import MacUnit, as_unit

VERSION = 0.4
ACCURACY = 75  # of the table, in Accelergy's ranking: anchors lie within 25 %
SPACES = {"Inputs": "BMK", "Weights": "BKN", "Outputs": "BMN"}
# What rows and columns spread, and the order of the loops above them, innermost first.
SPREAD = {"output": ("M", "N"), "weight": ("K", "N"), "input": ("K", "M")}
LOOPS = {"output": "KMNB", "weight": "MKNB", "input": "NKMB"}


def timeloop_files(
    array: Array, mac: str | MacUnit, gemms: Sequence[Gemm], node: str | Node = "45nm"
) -> dict[str, str]:
    """Texts by file name: ``architecture.yaml``, ``ERT.yaml`` and a table-based plug-in's
    (``hwsim.table.yaml`` and its CSVs) for Accelergy; ``problems/…`` one for each product that has
    MACs.

    Raises ValueError where a level has no price at the node.
    """
    unit = as_unit(mac)
    parts = _parts(array, unit, node)
    problems = {
        f"problems/{number:03d}{_file(gemm.name)}.yaml": to_yaml({"problem": _problem(gemm)})
        for number, gemm in enumerate(g for g in gemms if g.macs)
    }
    files = {
        "architecture.yaml": to_yaml({"architecture": _architecture(array, unit, parts)}),
        "ERT.yaml": to_yaml({"ERT": {"version": VERSION, "tables": list(map(_energies, parts))}}),
        "hwsim.table.yaml": to_yaml(_identifier(parts)),
    }
    return files | {f"data/{part['subclass']}.csv": _table(part) for part in parts} | problems


def _parts(array: Array, unit: MacUnit, node: str | Node) -> list[dict[str, Any]]:
    """Every component: its class, attributes, number, and energy by action."""
    price = cost(unit, node)
    words = [word_of(operand).bits for operand in unit.operands]
    common = {"technology": price.node}
    parts = []
    for level, memory in reversed(array.levels(node).items()):
        if memory.node != price.node:
            raise ValueError(f"{level}: no price at {price.node}, only at {memory.node}")
        if level != "registers":
            parts.append(_memory(level, memory, max(words), array.clock_ghz) | common)
    count = array.rows * array.columns * products_a_step(unit)
    own = array.levels(node)["registers"]
    for name, bits in zip(("input", "weight"), words, strict=True):
        actions = {"read": own.energy_pj(bits, 0), "write": own.energy_pj(0, bits)}
        size = {"depth": 1, "width": bits, "datawidth": bits}
        parts.append(_part(f"{name}_register", "storage", size, actions, count) | common)
    bits = unit.accumulator.width  # in the unit, and in its price
    size = {"depth": 1, "width": bits, "datawidth": bits}
    parts.append(_part("accumulator", "storage", size, {"read": 0.0, "write": 0.0}, count) | common)
    mac = _part("mac", "compute", {}, {"compute": price.energy_pj}, count)
    area = None if price.area_um2 is None else price.area_um2 / products_a_step(unit)
    return [*parts, mac | common | {"area": area}]


def _part(
    name: str, kind: str, attributes: dict[str, Any], actions: dict[str, float], count: int
) -> dict[str, Any]:
    if kind != "compute":
        actions = actions | {"update": actions["write"]}
    found = {"name": name, "class": kind, "subclass": f"hwsim_{name}", "count": count, "area": None}
    return found | {"attributes": attributes, "actions": actions | {"leak": 0.0}}


def _memory(level: str, memory: Memory, bits: int, clock_ghz: float) -> dict[str, Any]:
    width = memory.access_bits
    word = next((d for d in range(bits, width) if width % d == 0), max(bits, width))
    size: dict[str, Any] = {"width": max(bits, width), "datawidth": word}
    if memory.capacity_kb is not None:
        size["depth"] = int(memory.capacity_bits // size["width"])
    if memory.gb_per_s is not None:  # words a cycle
        size["shared_bandwidth"] = memory.gb_per_s * 8 / (clock_ghz * word)
    accesses = -(-size["width"] // width)
    reads, writes = memory.read_pj_per_access, memory.write_pj_per_access
    actions = {"read": accesses * reads, "write": accesses * writes}
    kind = "DRAM" if level == "dram" else "storage"
    return _part(level, kind, size, actions, 1)


def _architecture(array: Array, unit: MacUnit, parts: list[dict[str, Any]]) -> dict[str, Any]:
    found = {part["name"]: part for part in parts}
    rows, columns = SPREAD[array.dataflow]
    clock = {"technology": parts[0]["technology"], "global_cycle_seconds": 1e-9 / array.clock_ghz}
    nodes: list[Any] = [Tagged("!Container", {"name": "system", "attributes": clock})]
    nodes += [_component(found["dram"])] if "dram" in found else []
    order = {"temporal": {"permutation": list(LOOPS[array.dataflow])}}
    nodes.append(_component(found["sram"], order))
    nodes.append(_spread("column", "meshX", array.columns, columns))
    nodes.append(_spread("row", "meshY", array.rows, rows))
    if (width := products_a_step(unit)) > 1:
        nodes.append(_spread("product", "meshX", width, "K"))
    once = {"factors": [f"{name}=1" for name in "BMKN"]}
    keeps = {"input_register": "Inputs", "weight_register": "Weights", "accumulator": "Outputs"}
    own = [
        _component(found[name], {"dataspace": {"keep": [space]}, "temporal": once})
        for name, space in keeps.items()
    ]
    nodes += [Tagged("!Parallel", {"nodes": own}), _component(found["mac"])]
    return {"version": VERSION, "nodes": nodes}


def _component(part: dict[str, Any], constraints: dict[str, Any] | None = None) -> Tagged:
    fields = {key: part[key] for key in ("name", "class", "subclass")}
    if part["attributes"]:
        fields["attributes"] = part["attributes"]
    return Tagged("!Component", fields | ({"constraints": constraints} if constraints else {}))


def _spread(name: str, mesh: str, count: int, dimension: str) -> Tagged:
    """Units side by side, each with its own part of one dimension."""
    factors = [f"{other}=1" for other in "BMKN" if other != dimension]
    constraints = {"spatial": {"permutation": list("BMKN"), "factors": factors}}
    return Tagged(
        "!Container", {"name": name, "spatial": {mesh: count}, "constraints": constraints}
    )


def _energies(part: dict[str, Any]) -> dict[str, Any]:
    """A component of the energy reference table, by the name that Timeloop flattens it to."""
    actions = [
        {"name": name, "arguments": {}, "energy": pj} for name, pj in part["actions"].items()
    ]
    return {"name": f"system_top_level.{part['name']}[1..{part['count']}]", "actions": actions}


def _identifier(parts: list[dict[str, Any]]) -> dict[str, Any]:
    about = {"name": "hwsim", "technology": parts[0]["technology"], "accuracy": ACCURACY}
    return about | {"path_to_data_dir": "./data"}


def _table(part: dict[str, Any]) -> str:
    """One class of the table-based plug-in; areas that are not modelled are 0."""
    text = io.StringIO()
    sizes = {
        key: part["attributes"][key] for key in ("width", "depth") if key in part["attributes"]
    }
    rows = [
        {"technology": part["technology"], **sizes, "action": name, "energy": pj}
        | {"area": part["area"] or 0.0}
        for name, pj in part["actions"].items()
    ]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _problem(gemm: Gemm) -> dict[str, Any]:
    """A batch of matrix products: which dimensions each tensor has, and their lengths."""
    spaces: list[dict[str, Any]] = [
        {"name": name, "projection": [[[x]] for x in dims], "read_write": name == "Outputs"}
        for name, dims in SPACES.items()
    ]
    shape = {"name": "gemm", "dimensions": list("BMKN"), "data_spaces": spaces}
    lengths = {"B": gemm.batch, "M": gemm.m, "K": gemm.k, "N": gemm.n}
    return {"version": VERSION, "shape": shape, "instance": lengths}


def _file(name: str) -> str:
    """A name as part of a file's."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:60]
    return f"-{safe}" if safe else ""
