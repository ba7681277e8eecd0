"""Operand traffic of a matrix product, kept apart from the price of its arithmetic.

Assumed machine: an output-stationary array of 16 × 16 units (``tile``).  One tile of outputs
stays in the accumulators while K runs; each operand word is read from an on-chip SRAM once per
tile that needs it, shared along its row or column for free, and each output is written once.
Energies: SRAM by Horowitz (ISSCC 2014, 45 nm, 0.9 V), per access of 64 bits; DRAM per bit.  No
other node has a calibrated memory here, so there memory energies are None.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from hwsim.costs.model import Cost, cost
from hwsim.costs.nodes import Node
from hwsim.units import MacUnit, parse_unit

SRAM_WORD_BITS = 64
SRAM_NODE = "45nm"
SRAM_PJ_PER_ACCESS_AT_8KB = 10.0  # Horowitz 2014; 8 KB 10 pJ, 32 KB 20 pJ, 1 MB 100 pJ
DRAM_PJ_PER_BIT = 20.0  # lower end of Horowitz's 1300–2600 pJ per 64 bits


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
    m: int, k: int, n: int, a_bits: int, b_bits: int, out_bits: int, tile: int = 16
) -> Traffic:
    """Traffic of (M, K) × (K, N) on an array of ``tile`` × ``tile`` units.

    a: M·K words of ``a_bits``, each read ⌈N/tile⌉ times; b: K·N words, each read ⌈M/tile⌉
    times; out: M·N words written once.  Raises ValueError for what is no count.

    >>> gemm_traffic(16, 8, 16, 8, 8, 32).sram_bits
    10240
    """
    for name, value in (("m", m), ("k", k), ("n", n)):
        _require_count(name, value, 0)
    for name, value in (("a_bits", a_bits), ("b_bits", b_bits), ("out_bits", out_bits)):
        _require_count(name, value, 1)
    _require_count("tile", tile, 1)
    a, b, out = m * k * a_bits, k * n * b_bits, m * n * out_bits
    return Traffic(a * -(-n // tile), b * -(-m // tile), out, a + b + out)


def _require_count(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r}: an integer of at least {least} is needed")


def sram_access_pj(capacity_kb: float) -> float:
    """Energy of one 64-bit access at 45 nm: 10·√(C / 8 KB) pJ, for 8 KB to 1 MB."""
    if not 8 <= capacity_kb <= 1024:
        raise ValueError(f"capacity_kb={capacity_kb!r}: published points span 8 to 1024 KB")
    return SRAM_PJ_PER_ACCESS_AT_8KB * sqrt(capacity_kb / 8)


def sram_energy_pj(bits: int, capacity_kb: float = 32) -> float:
    """Energy of moving ``bits`` in packed 64-bit accesses, 45 nm; the last one is paid whole."""
    return -(-bits // SRAM_WORD_BITS) * sram_access_pj(capacity_kb)


def dram_energy_pj(bits: int) -> float:
    """Energy of moving ``bits`` once over a DRAM interface, 20 pJ/bit."""
    return bits * DRAM_PJ_PER_BIT


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
    ``dram`` adds one trip of every tensor over the DRAM interface.  Raises ValueError for
    counts that are none.

    >>> layer_cost("int8xint8+int32", 16, 64, 16).macs
    16384
    """
    unit = parse_unit(mac) if isinstance(mac, str) else mac
    _require_count("batch", batch, 0)
    price = cost(unit, node)
    traffic = gemm_traffic(m, k, n, unit.a.width, unit.b.width, unit.output_format.width)
    memory = None
    if price.node == SRAM_NODE:
        memory = sram_energy_pj(traffic.sram_bits)
        memory += dram_energy_pj(traffic.tensor_bits) if dram else 0.0
    return LayerCost(
        price.unit,
        price.node,
        batch * m * k * n,
        batch * m * n,
        batch * m * n * _output_pj(price, unit, k),
        None if memory is None else batch * memory,
        price.area_um2,
        batch * traffic.sram_bits,
    )


def _output_pj(price: Cost, unit: MacUnit, k: int) -> float:
    """Energy of one output: K MACs, its chunks (the last one counts whole), its conversion."""
    mac_pj = sum(part.use_energy_pj for part in price.parts if part.per == "mac")
    chunks = -(-k // unit.order.group)
    return k * mac_pj + chunks * price.chunk_energy_pj + price.output_energy_pj
