"""What a layer costs on an array: cycles, bits, accesses, energy by level, what bounds it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hwsim.costs.dataflows import Move
from hwsim.costs.levels import require_count

BOUNDS = ("array", "sram", "dram")


@dataclass(frozen=True)
class Gemm:
    """``batch`` independent products (M, K) × (K, N).

    A convolution is M = images·H·W, K = C·KH·KW, N = O; its groups are independent products.
    """

    m: int
    k: int
    n: int
    batch: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        for name in ("m", "k", "n", "batch"):
            require_count(name, getattr(self, name), 0)
        if not isinstance(self.name, str):
            raise TypeError(f"name={self.name!r}: a string is needed")

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.m * self.k * self.n * self.batch


@dataclass(frozen=True)
class LevelCost:
    """What one level does for a layer: bits that cross its ports, accesses, energy, time.

    energy_pj : None where the level's prices do not hold at the units' node.  seconds : at its
    bandwidth; 0 where that is unlimited.
    """

    level: str
    read_bits: int
    write_bits: int
    reads: int
    writes: int
    energy_pj: float | None
    seconds: float


@dataclass(frozen=True)
class ArrayCost:
    """A layer on an array.

    tiles : of all its products.  cycles : the array's own, fill and drain included.  places : MACs
    that all units could do while tiles stream.  moves : bits by level, port and tensor, of all
    products.  energy_mac_pj : of the MAC units alone.  peak_gmacs : of the array.
    """

    gemm: Gemm
    unit: str
    node: str
    tiles: int
    cycles: int
    places: int
    moves: tuple[Move, ...]
    levels: tuple[LevelCost, ...]
    energy_mac_pj: float
    peak_gmacs: float
    clock_ghz: float

    @property
    def mapping(self) -> float:
        """Share of units' steps at work while tiles stream: 1 where all lengths divide."""
        return self.gemm.macs / self.places if self.places else 0.0

    @property
    def utilisation(self) -> float:
        """MACs of those that the units could do in all cycles, fill, drain and waiting for
        memories included; at most `mapping`."""
        able = self.seconds * self.peak_gmacs * 1e9
        return self.gemm.macs / able if able else 0.0

    @property
    def times(self) -> dict[str, float]:
        """Seconds that the array and each memory need for their own part."""
        own = {"array": self.cycles / (self.clock_ghz * 1e9)}
        return own | {x.level: x.seconds for x in self.levels if x.level in BOUNDS}

    @property
    def seconds(self) -> float:
        """The longest of them: memories work while the array does."""
        return max(self.times.values())

    @property
    def bound(self) -> str:
        """Which of them it is: array, sram or dram."""
        return max(self.times, key=self.times.__getitem__)

    @property
    def energies_pj(self) -> dict[str, float | None]:
        """Of the MACs, and of each level."""
        levels: dict[str, float | None] = {x.level: x.energy_pj for x in self.levels}
        return {"mac": self.energy_mac_pj} | levels

    @property
    def energy_memory_pj(self) -> float | None:
        """Of all levels; None where one has no price."""
        return total(x.energy_pj for x in self.levels)

    def intensity(self, level: str) -> float:
        """MACs for each byte that crosses a level's ports; infinite where nothing does."""
        bits = sum(x.read_bits + x.write_bits for x in self.levels if x.level == level)
        return 8 * self.gemm.macs / bits if bits else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Flat names and numbers, for JSON and CSV; units are in the names."""
        g = self.gemm
        row: dict[str, Any] = {"name": g.name, "unit": self.unit, "node": self.node}
        row |= {"m": g.m, "k": g.k, "n": g.n, "batch": g.batch, "macs": g.macs}
        row |= {"tiles": self.tiles, "cycles": self.cycles, "mapping": self.mapping}
        row |= {"utilisation": self.utilisation, "seconds": self.seconds, "bound": self.bound}
        for x in self.levels:
            row |= {f"{x.level}_read_bits": x.read_bits, f"{x.level}_write_bits": x.write_bits}
            row |= {f"{x.level}_reads": x.reads, f"{x.level}_writes": x.writes}
            row |= {f"{x.level}_macs_per_byte": self.intensity(x.level)}
        row |= {f"energy_{name}_pj": pj for name, pj in self.energies_pj.items()}
        return row | {"energy_memory_pj": self.energy_memory_pj}


def total(values: Iterable[float | None]) -> float | None:
    """The sum; None as soon as one is unknown."""
    known = list(values)
    return None if None in known else math.fsum(x for x in known if x is not None)


def summed(costs: Iterable[ArrayCost]) -> Mapping[str, Any]:
    """Totals over layers that run one after the other: MACs, cycles, seconds, energies, bits."""
    rows = list(costs)
    sums: dict[str, Any] = {
        "macs": sum(x.gemm.macs for x in rows),
        "tiles": sum(x.tiles for x in rows),
        "cycles": sum(x.cycles for x in rows),
        "seconds": math.fsum(x.seconds for x in rows),
    }
    places, able = sum(x.places for x in rows), math.fsum(x.seconds * x.peak_gmacs for x in rows)
    sums["mapping"] = sums["macs"] / places if places else 0.0
    sums["utilisation"] = sums["macs"] / (able * 1e9) if able else 0.0
    names = [x.level for x in rows[0].levels] if rows else []
    for level in names:
        own = [x for row in rows for x in row.levels if x.level == level]
        for what in ("read_bits", "write_bits", "reads", "writes"):
            sums[f"{level}_{what}"] = sum(getattr(x, what) for x in own)
    for name in ("mac", *names):
        sums[f"energy_{name}_pj"] = total(row.energies_pj[name] for row in rows)
    return sums | {"energy_memory_pj": total(row.energy_memory_pj for row in rows)}
