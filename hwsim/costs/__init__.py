"""What a MAC unit costs in energy and area; imports no simulation, so no price changes a bit."""

from hwsim.costs.anchors import ANCHORS, Anchor, Comparison, compare_anchors
from hwsim.costs.arrays import Array, array_cost
from hwsim.costs.calibrating import calibrated_node
from hwsim.costs.comparing import Benchmark, Prediction, Record, compare_models
from hwsim.costs.dataflows import DATAFLOWS, Move
from hwsim.costs.layers import ArrayCost, Gemm, LevelCost
from hwsim.costs.levels import (
    Memory,
    dram,
    dram_energy_pj,
    registers,
    sram,
    sram_access_pj,
    sram_energy_pj,
)
from hwsim.costs.machines import read_array
from hwsim.costs.memory import LayerCost, Traffic, gemm_traffic, layer_cost
from hwsim.costs.model import Cost, Part, cost, operation_cost
from hwsim.costs.models import CostModel, Price, UnpricedError, cost_model
from hwsim.costs.nodes import (
    NODES,
    STILLMAKER_7NM,
    STILLMAKER_45NM,
    Node,
    stillmaker_energy,
)
from hwsim.costs.widths import EXACT_GUARD_BITS, exact_register_bits, register_bits

__all__ = [
    "ANCHORS",
    "DATAFLOWS",
    "EXACT_GUARD_BITS",
    "NODES",
    "STILLMAKER_7NM",
    "STILLMAKER_45NM",
    "Anchor",
    "Array",
    "ArrayCost",
    "Benchmark",
    "Comparison",
    "Cost",
    "CostModel",
    "Gemm",
    "LayerCost",
    "LevelCost",
    "Memory",
    "Move",
    "Node",
    "Part",
    "Prediction",
    "Price",
    "Record",
    "Traffic",
    "UnpricedError",
    "array_cost",
    "calibrated_node",
    "compare_anchors",
    "compare_models",
    "cost",
    "cost_model",
    "dram",
    "dram_energy_pj",
    "exact_register_bits",
    "gemm_traffic",
    "layer_cost",
    "operation_cost",
    "read_array",
    "register_bits",
    "registers",
    "sram",
    "sram_access_pj",
    "sram_energy_pj",
    "stillmaker_energy",
]
