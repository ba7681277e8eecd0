"""Operand traffic of a layer on the plainest machine, kept apart from the price of its arithmetic.

Assumed machine: `hwsim.costs.Array` of 16 × 16 units (``tile``), output stationary, all tensors in
an SRAM of 32 KB.  One tile of outputs stays in the accumulators while K runs; each operand word is
read once per tile that needs it, shared along its row or column for free, and each output is
written once.  No other node has a calibrated memory here, so there memory energies are None.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.costs.arrays import output_energy_pj
from hwsim.costs.dataflows import Flow, flow_of
from hwsim.costs.levels import SRAM_NODE, dram_energy_pj, require_count, sram_energy_pj
from hwsim.costs.model import cost
from hwsim.costs.nodes import Node
from hwsim.costs.words import Word
from hwsim.units import MacUnit, parse_unit

TILE = 16


@dataclass(frozen=True)
class Traffic:
    """Bits that one layer moves between its SRAM and the array, and its tensors' own sizes."""

    a_read_bits: int
    b_read_bits: int
    out_write_bits: int
    tensor_bits: int

    @property
    def sram_bits(self) -> int:
        """All bits through the SRAM's ports."""
        return self.a_read_bits + self.b_read_bits + self.out_write_bits


def gemm_traffic(
    m: int, k: int, n: int, a_bits: int, b_bits: int, out_bits: int, tile: int = TILE
) -> Traffic:
    """Traffic of (M, K) × (K, N) on an array of ``tile`` × ``tile`` units, output stationary.

    a: M·K words of ``a_bits``, each read ⌈N/tile⌉ times; b: K·N words, each read ⌈M/tile⌉
    times; out: M·N words written once.  Raises ValueError for what is no count.

    >>> gemm_traffic(16, 8, 16, 8, 8, 32).sram_bits
    10240
    """
    for name, value in (("m", m), ("k", k), ("n", n)):
        require_count(name, value, 0)
    for name, value in (("a_bits", a_bits), ("b_bits", b_bits), ("out_bits", out_bits)):
        require_count(name, value, 1)
    require_count("tile", tile, 1)
    words = (Word(a_bits), Word(b_bits))
    return _traffic(Flow("output", tile, tile, m, k, n, *words, 0, out_bits, 1, k))


def _traffic(flow: Flow) -> Traffic:
    moved = {move.tensor: move for move in flow.array_moves()}
    return Traffic(
        moved["a"].read_bits,
        moved["b"].read_bits,
        moved["out"].write_bits,
        sum(flow.tensor_bits().values()),
    )


@dataclass(frozen=True)
class LayerCost:
    """Price of a layer, or of several added with ``+``, on one unit.

    energy_mac_pj : arithmetic alone (never a chip's energy).  energy_memory_pj : operand
    traffic of the assumed machine (module docstring), None at nodes without a calibrated
    memory.  area_um2 : of one MAC unit.
    """

    unit: str
    node: str
    macs: int
    outputs: int
    energy_mac_pj: float
    energy_memory_pj: float | None
    area_um2: float | None
    traffic_bits: int

    def __str__(self) -> str:
        memory = "not calibrated at this node"
        if self.energy_memory_pj is not None:
            memory = f"{self.energy_memory_pj:.4g} pJ for {self.traffic_bits} bits"
        return (
            f"{self.unit} at {self.node}: {self.macs} MACs {self.energy_mac_pj:.4g} pJ "
            f"(arithmetic alone, not a chip's energy); operand traffic {memory}"
        )

    def __add__(self, other: LayerCost) -> LayerCost:
        if (self.unit, self.node) != (other.unit, other.node):
            raise ValueError(
                f"cannot add costs of {other.unit} at {other.node} to {self.unit} at {self.node}"
            )
        mine, others = self.energy_memory_pj, other.energy_memory_pj
        return LayerCost(
            self.unit,
            self.node,
            self.macs + other.macs,
            self.outputs + other.outputs,
            self.energy_mac_pj + other.energy_mac_pj,
            None if mine is None or others is None else mine + others,
            self.area_um2,
            self.traffic_bits + other.traffic_bits,
        )


def layer_cost(
    mac: str | MacUnit,
    m: int,
    k: int,
    n: int,
    batch: int = 1,
    node: str | Node = "45nm",
    *,
    dram: bool = False,
) -> LayerCost:
    """Price of ``batch`` independent products (M, K) × (K, N) run on ``mac``.

    A convolution is M = images·H·W, K = C·KH·KW, N = O; its groups are independent products.
    ``dram`` adds one trip of every tensor over the DRAM interface (`hwsim.costs.array_cost` has
    what an SRAM of some size makes of that).  Raises ValueError for counts that are none.

    >>> layer_cost("int8xint8+int32", 16, 64, 16).macs
    16384
    """
    unit = parse_unit(mac) if isinstance(mac, str) else mac
    for name, value in (("batch", batch), ("m", m), ("k", k), ("n", n)):
        require_count(name, value, 0)
    price = cost(unit, node)
    traffic = _traffic(flow_of(unit, (m, k, n), TILE, TILE, "output"))
    memory = None
    if price.node == SRAM_NODE:
        memory = sram_energy_pj(traffic.sram_bits)
        memory += dram_energy_pj(traffic.tensor_bits) if dram else 0.0
    return LayerCost(
        price.unit,
        price.node,
        batch * m * k * n,
        batch * m * n,
        batch * m * n * output_energy_pj(price, unit, k),
        None if memory is None else batch * memory,
        price.area_um2,
        batch * traffic.sram_bits,
    )
