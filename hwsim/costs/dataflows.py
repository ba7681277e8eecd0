"""What an array of units does with one product: tiles, cycles, and the bits that move.

A dataflow names what stays in the units: outputs, weights (b) or inputs (a).  Two of M, K, N are
cut into tiles of the array's rows and columns, the third streams through it, whole, for each tile.
docs/arrays.md has every formula and its reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hwsim.costs.words import Word, products_a_step, running_bits, steps_of, word_of
from hwsim.units import Fused, MacUnit

DATAFLOWS = ("output", "weight", "input")


@dataclass(frozen=True)
class Move:
    """Bits of one tensor (a, b, sums: running ones, or out) that cross one port of one level.

    level : registers, sram or dram.  port : what is on its other side: the unit, the array (of the
    SRAM), dram (of the SRAM, which it fills and empties), or sram (of the DRAM).
    """

    level: str
    port: str
    tensor: str
    read_bits: int
    write_bits: int


@dataclass(frozen=True)
class Flow:
    """One product (M, K) × (K, N) on ``rows`` × ``columns`` units.

    a, b : words of the operands.  running, out : bits of a running sum between tiles of k, and of a
    result.  width : products that a unit takes in a step.  steps : of K products in one unit.
    """

    dataflow: str
    rows: int
    columns: int
    m: int
    k: int
    n: int
    a: Word
    b: Word
    running: int
    out: int
    width: int
    steps: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is multiplied; results of K = 0 are written all the same."""
        return 0 in (self.m, self.k, self.n)

    @property
    def depth(self) -> int:
        """Products of one output that one tile adds up."""
        return self.k if self.dataflow == "output" else self.rows * self.width

    @property
    def row_tiles(self) -> int:
        """Tiles along the rows: of M (output stationary) or of K."""
        if self.dataflow == "output":
            return -(-self.m // self.rows)
        return -(-self.steps // self.rows)

    @property
    def column_tiles(self) -> int:
        """Tiles along the columns: of N, or of M where inputs are stationary."""
        return -(-(self.m if self.dataflow == "input" else self.n) // self.columns)

    @property
    def tiles(self) -> int:
        """Times that the array is loaded, run and drained."""
        return 0 if self.is_empty else self.row_tiles * self.column_tiles

    @property
    def stream(self) -> int:
        """Steps for which a tile streams: those of K, M or N."""
        return {"output": self.steps, "weight": self.m, "input": self.n}[self.dataflow]

    @property
    def once(self) -> int:
        """Cycles of one tile: rows + columns − 2 until the farthest unit starts, the stream, and
        rows to load (or, output stationary, to drain) what stays.

        2R + C + T − 2: Samajdar et al. 2020, ISPASS (SCALE-Sim), equations 1 and 4.
        """
        return 2 * self.rows + self.columns + self.stream - 2

    def places(self) -> int:
        """Products that all units could do while the tiles stream."""
        return self.tiles * self.rows * self.columns * self.stream * self.width

    # --- bits ---------------------------------------------------------------------------------
    def tensor_bits(self) -> dict[str, int]:
        """Sizes of a, b and out."""
        a, b = self.m * self.a.vector_bits(self.k), self.n * self.b.vector_bits(self.k)
        return {"a": a, "b": b, "out": self.m * self.n * self.out}

    def _operands(self) -> tuple[int, int]:
        """Bits of a and b as tiles of k read them; none where nothing is multiplied."""
        if self.is_empty:
            return 0, 0
        a = self.m * self.a.vector_bits(self.k, self.depth)
        return a, self.n * self.b.vector_bits(self.k, self.depth)

    def array_moves(self) -> Iterator[Move]:
        """Between the SRAM and the array: a word is read once for each tile that needs it, and
        shared along its row or column; running sums leave after each tile of k and come back."""
        (a, b), spills = self._operands(), 0
        if self.dataflow == "output":
            a, b = a * self.column_tiles, b * self.row_tiles
        else:
            spills = max(0, self.row_tiles - 1) * self.m * self.n * self.running
            a *= self.column_tiles if self.dataflow == "weight" else 1
            b *= self.column_tiles if self.dataflow == "input" else 1
        yield Move("sram", "array", "a", a, 0)
        yield Move("sram", "array", "b", b, 0)
        yield Move("sram", "array", "sums", spills, spills)
        yield Move("sram", "array", "out", 0, self.m * self.n * self.out)

    def register_moves(self) -> Iterator[Move]:
        """In the units: every product reads both operands; what streams is written at each unit
        that it passes, what stays once.  Sums are in the unit's own register and price."""
        a, b = self._operands()
        held = {"weight": "b", "input": "a"}.get(self.dataflow)
        yield Move("registers", "unit", "a", a * self.n, a if held == "a" else a * self.n)
        yield Move("registers", "unit", "b", b * self.m, b if held == "b" else b * self.m)


def cycles(parts: Sequence[tuple[Flow, int]], overlap: bool) -> int:
    """Cycles of so many products of each kind, one after the other.

    ``overlap``: a second set of registers lets the next tile follow as soon as the stream, and the
    loading beside it, are over; only the last tile is waited for.
    """
    busy = [(flow, count * flow.tiles) for flow, count in parts if count * flow.tiles]
    if not busy:
        return 0
    if not overlap:
        return sum(tiles * flow.once for flow, tiles in busy)
    steady = sum(tiles * max(flow.stream, flow.rows) for flow, tiles in busy)
    last = busy[-1][0]
    return steady - max(last.stream, last.rows) + last.once


def flow_of(unit: MacUnit, shape: tuple[int, int, int], rows: int, columns: int, kind: str) -> Flow:
    """How a unit's words move; ValueError for an order that the dataflow cannot run."""
    m, k, n = shape
    a, b = map(word_of, unit.operands)
    width, running = products_a_step(unit), 0
    if kind != "output":
        running = running_bits(unit, rows * width)
        promote = unit.order.promote if isinstance(unit.order, Fused) else None
        if promote is not None and promote % width:
            raise ValueError(
                f"{unit}: sums of {promote} products end within a block of {width}: "
                "dataflow='output' is needed"
            )
    steps = steps_of(unit, k)
    return Flow(kind, rows, columns, m, k, n, a, b, running, unit.output_format.width, width, steps)
