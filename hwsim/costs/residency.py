"""What an SRAM of some capacity keeps, and so what must cross the DRAM's interface again.

Tiles lie in a grid of row tiles × column tiles.  What stays in the array is used in one tile; of
the two tensors that stream, *rows'* (one strip for each row tile) is wanted again by every column
tile, and *columns'* (one strip for each column tile) by every row tile.  The SRAM keeps some strips
of one of them at a time, and, if it holds more than one, the strip of the other that they share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hwsim.costs.dataflows import Flow, Move


@dataclass(frozen=True)
class Passes:
    """How often each streaming tensor crosses the DRAM's interface, and what is kept for it."""

    rows: int
    columns: int
    kept: str


def strips(flow: Flow) -> tuple[Callable[[int], int], Callable[[int], int]]:
    """Bits of the first so many strips of both streaming tensors: rows' and columns'."""
    depth, k = flow.depth, flow.k

    def of_m(count: int) -> int:
        return min(count * flow.rows, flow.m) * flow.a.vector_bits(k)

    def of_n(count: int) -> int:
        return min(count * flow.columns, flow.n) * flow.b.vector_bits(k)

    def of_a(count: int) -> int:
        return flow.m * flow.a.span_bits(count * depth, k)

    def of_b(count: int) -> int:
        return flow.n * flow.b.span_bits(count * depth, k)

    def of_sums(count: int) -> int:
        wide, other = (flow.n, flow.m) if flow.dataflow == "weight" else (flow.m, flow.n)
        return min(count * flow.columns, wide) * other * max(flow.running, flow.out)

    if flow.dataflow == "output":
        return of_m, of_n
    return (of_a if flow.dataflow == "weight" else of_b), of_sums


def choices(flow: Flow, capacity_bits: float) -> Iterator[Passes]:
    """Every way to use the SRAM: keep strips of the rows' tensor, of the columns', or nothing."""
    rows, columns = strips(flow)
    r, c = flow.row_tiles, flow.column_tiles
    for kept, own, other, count, again in (
        ("rows", rows, columns, r, c),
        ("columns", columns, rows, c, r),
    ):
        most = _most(own, other(1), count, again, capacity_bits)
        if most:
            passes = -(-count // most)
            yield Passes(1, passes, kept) if kept == "rows" else Passes(passes, 1, kept)
    yield Passes(c, r, "nothing")


def _most(
    own: Callable[[int], int], shared: int, count: int, again: int, capacity_bits: float
) -> int:
    """Most strips that fit, with the other tensor's that they share; a tensor that is wanted once
    need not be kept."""

    def fits(strips: int) -> bool:
        kept = own(strips) if again > 1 else 0
        return kept + (shared if strips > 1 else 0) <= capacity_bits

    low, high = 0, count  # the first does fit (0: nothing), and so on by halves
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def dram_moves(flow: Flow, capacity_bits: float) -> list[Move]:
    """The fewest bits over the DRAM's interface that an SRAM of this capacity allows."""
    if flow.is_empty:
        return [Move("dram", "sram", "out", 0, flow.tensor_bits()["out"])]
    found = (_moves(flow, passes) for passes in choices(flow, capacity_bits))
    return min(found, key=lambda moves: sum(x.read_bits + x.write_bits for x in moves))


def _moves(flow: Flow, passes: Passes) -> list[Move]:
    sizes, again = flow.tensor_bits(), {"a": 1, "b": 1}
    spills = 0
    if flow.dataflow == "output":
        again = {"a": passes.rows, "b": passes.columns}
    else:
        again["a" if flow.dataflow == "weight" else "b"] = passes.rows
        spills = (passes.columns - 1) * flow.m * flow.n * flow.running
    return [
        Move("dram", "sram", "a", sizes["a"] * again["a"], 0),
        Move("dram", "sram", "b", sizes["b"] * again["b"], 0),
        Move("dram", "sram", "sums", spills, spills),
        Move("dram", "sram", "out", 0, sizes["out"]),
    ]


def fills(moves: list[Move]) -> Iterator[Move]:
    """The other end of what crosses the DRAM's interface: it is written to, or read from, SRAM."""
    for move in moves:
        yield Move("sram", "dram", move.tensor, move.write_bits, move.read_bits)
