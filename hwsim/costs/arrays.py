"""An array of MAC units with its memories, and what products cost on it.

Energy of the MACs and of each level stand apart; where a memory is not calibrated at the units'
node its energy is None and no guess.  docs/arrays.md has every formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hwsim.costs.dataflows import DATAFLOWS, Flow, Move, cycles, flow_of
from hwsim.costs.layers import ArrayCost, Gemm, LevelCost
from hwsim.costs.levels import Memory, dram, registers, require_count, sram
from hwsim.costs.model import Cost, cost
from hwsim.costs.nodes import Node
from hwsim.costs.residency import dram_moves, fills
from hwsim.costs.words import products_a_step
from hwsim.units import MacUnit, as_unit


@dataclass(frozen=True)
class Array:
    """``rows`` × ``columns`` MAC units, a buffer and, behind it, a DRAM.

    dataflow : what stays in the units: ``output`` (rows are M, columns N), ``weight`` (rows are K,
    columns N; b stays) or ``input`` (rows are K, columns M; a stays).
    sram : the buffer that feeds the array.  dram : None where all tensors lie in the SRAM.
    registers : the operands' in each unit; None for flip-flops of the node.
    overlap : whether a second set of registers lets tiles follow one another without a gap.
    stream : rows of M (weight stationary) or columns of N (input stationary) that a tile streams at
    most; longer products are cut into several, so that their running sums fit.  None never cuts.

    Raises ValueError for what no array is.

    >>> Array(8, 8, "weight").rows
    8
    """

    rows: int = 16
    columns: int = 16
    dataflow: str = "output"
    sram: Memory = field(default_factory=sram)
    dram: Memory | None = field(default_factory=dram)
    registers: Memory | None = None
    clock_ghz: float = 1.0
    overlap: bool = False
    stream: int | None = None
    name: str = "array"

    def __post_init__(self) -> None:
        require_count("rows", self.rows, 1)
        require_count("columns", self.columns, 1)
        if self.dataflow not in DATAFLOWS:
            raise ValueError(f"dataflow={self.dataflow!r}: allowed are {', '.join(DATAFLOWS)}")
        for name, kind in (("sram", Memory), ("dram", Memory | None), ("registers", Memory | None)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name}={getattr(self, name)!r}: a hwsim.costs.Memory is needed")
        number = isinstance(self.clock_ghz, int | float) and not isinstance(self.clock_ghz, bool)
        if not number or not 0 < self.clock_ghz < math.inf:
            raise ValueError(f"clock_ghz={self.clock_ghz!r}: a number above 0 is needed")
        if not isinstance(self.name, str):
            raise TypeError(f"name={self.name!r}: a string is needed")
        if not isinstance(self.overlap, bool):
            raise ValueError(f"overlap={self.overlap!r}: True or False is needed")
        if self.stream is not None:
            require_count("stream", self.stream, 1)
            if self.dataflow == "output":
                raise ValueError("stream: K is what streams where outputs stay: it is never cut")

    def __str__(self) -> str:
        shape = f"{self.rows} × {self.columns} units, {self.dataflow} stationary"
        held = "" if self.sram.capacity_kb is None else f", {self.sram.capacity_kb:g} KB SRAM"
        return f"{shape}{held}, {self.clock_ghz:g} GHz"

    def levels(self, node: str | Node) -> dict[str, Memory]:
        """The memories by level, nearest first."""
        found = {"registers": self.registers or registers(node), "sram": self.sram}
        return found | ({} if self.dram is None else {"dram": self.dram})

    def parts(self, m: int, k: int, n: int) -> list[tuple[tuple[int, int, int], int]]:
        """The products that (M, K) × (K, N) is cut into, and how many there are of each.

        >>> Array(dataflow="weight", stream=100).parts(250, 8, 8)
        [((100, 8, 8), 2), ((50, 8, 8), 1)]
        """
        length = n if self.dataflow == "input" else m
        whole, rest = divmod(length, self.stream or max(1, length))
        sizes = [(self.stream or length, whole), (rest, 1)]
        cut = [(size, count) for size, count in sizes if size and count] or [(length, 1)]
        return [((m, k, z) if self.dataflow == "input" else (z, k, n), c) for z, c in cut]

    def peak_gmacs(self, unit: str | MacUnit) -> float:
        """10⁹ MACs a second with every unit at work."""
        return self.rows * self.columns * products_a_step(as_unit(unit)) * self.clock_ghz


def array_cost(
    gemm: Gemm, mac: str | MacUnit, array: Array, node: str | Node = "45nm"
) -> ArrayCost:
    """A layer's cycles, traffic and energy on ``array``, whose units are ``mac``.

    Raises SpecError for a unit, ValueError for a node that is not known and for an order of
    accumulation that the dataflow cannot run.

    >>> found = array_cost(Gemm(16, 64, 16), "int8xint8+int32", Array(16, 16))
    >>> found.cycles, found.mapping, found.bound
    (110, 1.0, 'dram')
    """
    if not isinstance(gemm, Gemm) or not isinstance(array, Array):
        raise TypeError(f"gemm={gemm!r}, array={array!r}: a Gemm and an Array are needed")
    unit = as_unit(mac)
    price = cost(unit, node)
    parts = [
        (flow_of(unit, shape, array.rows, array.columns, array.dataflow), gemm.batch * count)
        for shape, count in array.parts(gemm.m, gemm.k, gemm.n)
    ]
    ports = [(_ports(flow, array), count) for flow, count in parts]
    levels = (_level(*both, ports, price.node) for both in array.levels(node).items())
    return ArrayCost(
        gemm,
        price.unit,
        price.node,
        sum(count * flow.tiles for flow, count in parts),
        cycles(parts, array.overlap),
        sum(count * flow.places() for flow, count in parts),
        _moves(ports),
        tuple(levels),
        gemm.batch * gemm.m * gemm.n * output_energy_pj(price, unit, gemm.k),
        array.peak_gmacs(unit),
        array.clock_ghz,
    )


Ports = list[list[Move]]


def _ports(flow: Flow, array: Array) -> Ports:
    """What crosses each port for one product."""
    outside = [] if array.dram is None else dram_moves(flow, array.sram.capacity_bits)
    return [list(flow.register_moves()), list(flow.array_moves()), list(fills(outside)), outside]


def _moves(ports: list[tuple[Ports, int]]) -> tuple[Move, ...]:
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for moves, count in ports:
        for x in (x for own in moves for x in own if x.read_bits or x.write_bits):
            reads, writes = sums.get((x.level, x.port, x.tensor), (0, 0))
            both = (reads + count * x.read_bits, writes + count * x.write_bits)
            sums[x.level, x.port, x.tensor] = both
    return tuple(Move(*where, *both) for where, both in sums.items())


def _level(level: str, memory: Memory, ports: list[tuple[Ports, int]], node: str) -> LevelCost:
    """Words are packed for each product and port; the last access of each is made whole."""
    read_bits = write_bits = reads = writes = 0
    for moves, count in ports:
        for own in moves:
            out = sum(x.read_bits for x in own if x.level == level)
            into = sum(x.write_bits for x in own if x.level == level)
            counts = memory.accesses(out, into)
            read_bits, write_bits = read_bits + count * out, write_bits + count * into
            reads, writes = reads + count * counts[0], writes + count * counts[1]
    pj = reads * memory.read_pj_per_access + writes * memory.write_pj_per_access
    speed = memory.gb_per_s
    seconds = 0.0 if speed is None else (read_bits + write_bits) / (8e9 * speed)
    known = pj if memory.node == node else None
    return LevelCost(level, read_bits, write_bits, reads, writes, known, seconds)


def output_energy_pj(price: Cost, unit: MacUnit, k: int) -> float:
    """Energy of one output: K MACs, its chunks (the last one counts whole), its conversion."""
    mac_pj = sum(part.use_energy_pj for part in price.parts if part.per == "mac")
    chunks = -(-k // unit.order.group)
    return k * mac_pj + chunks * price.chunk_energy_pj + price.output_energy_pj
