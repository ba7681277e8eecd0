"""What a MAC unit costs in energy and area; imports no simulation, so no price changes a bit."""

from hwsim.costs.anchors import ANCHORS, Anchor, Comparison, compare_anchors
from hwsim.costs.calibrating import calibrated_node
from hwsim.costs.comparing import Benchmark, Prediction, Record, compare_models
from hwsim.costs.memory import (
    LayerCost,
    Traffic,
    dram_energy_pj,
    gemm_traffic,
    layer_cost,
    sram_access_pj,
    sram_energy_pj,
)
from hwsim.costs.model import Cost, Part, cost, operation_cost
from hwsim.costs.models import CostModel, Price, UnpricedError, cost_model
from hwsim.costs.nodes import (
    NODES,
    STILLMAKER_7NM,
    STILLMAKER_45NM,
    Node,
    stillmaker_energy,
)
from hwsim.costs.structure import EXACT_GUARD_BITS, exact_register_bits, register_bits

__all__ = [
    "ANCHORS",
    "EXACT_GUARD_BITS",
    "NODES",
    "STILLMAKER_7NM",
    "STILLMAKER_45NM",
    "Anchor",
    "Benchmark",
    "Comparison",
    "Cost",
    "CostModel",
    "LayerCost",
    "Node",
    "Part",
    "Prediction",
    "Price",
    "Record",
    "Traffic",
    "UnpricedError",
    "calibrated_node",
    "compare_anchors",
    "compare_models",
    "cost",
    "cost_model",
    "dram_energy_pj",
    "exact_register_bits",
    "gemm_traffic",
    "layer_cost",
    "operation_cost",
    "register_bits",
    "sram_access_pj",
    "sram_energy_pj",
    "stillmaker_energy",
]
