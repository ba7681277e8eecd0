"""The model's transistor counts beside those of synthesised netlists (`scripts/synthesis.py`)."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations

from hwsim.costs import primitives

MODELS: dict[str, Callable[[int, int], int]] = {
    "adder": lambda a, b: primitives.adder(a),
    "multiplier": primitives.multiplier,
    "comparator": lambda a, b: primitives.comparator(a),
    "incrementer": lambda a, b: primitives.incrementer(a),
    "or": lambda a, b: primitives.gate_tree(a),
    "shifter": lambda a, b: primitives.shifter(a, a - 1),
    "sticky shifter": lambda a, b: primitives.shifter(a, a - 1, sticky=True),
    "leading zeros": lambda a, b: primitives.leading_zero_counter(a),
    "negation": lambda a, b: primitives.complementer(a),
    "placement": lambda a, b: primitives.shifter(b, b - 1, sticky=True),
    "table": lambda a, b: ((1 << a) - 1) * primitives.mux(b),
}
CLEAR = 1.15  # two netlists whose sizes differ by more than this have an order


@dataclass(frozen=True)
class Netlist:
    """A part as Yosys mapped it: ``transistors`` of NAND, NOR and NOT; ``modelled`` by hwsim."""

    part: str
    a_bits: int
    b_bits: int
    transistors: int
    modelled: int

    @property
    def error(self) -> float:
        """modelled / transistors − 1."""
        return self.modelled / self.transistors - 1


@cache
def netlists() -> tuple[Netlist, ...]:
    """Every netlist that is shipped.

    >>> [(n.transistors, n.modelled) for n in netlists() if n.part == "adder" and n.a_bits == 8]
    [(352, 312)]
    """
    text = files("hwsim.costs").joinpath("synthesis.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    found = []
    for row in rows:
        a, b = int(row["a_bits"]), int(row["b_bits"])
        modelled = MODELS[row["part"]](a, b)
        found.append(Netlist(row["part"], a, b, int(row["transistors"]), modelled))
    return tuple(found)


def misranked(parts: Iterable[Netlist], clear: float = CLEAR) -> list[tuple[Netlist, Netlist]]:
    """Pairs whose netlists differ by more than ``clear`` times, in the wrong order by the model."""
    wrong = []
    for one, other in combinations(parts, 2):
        small, large = sorted((one, other), key=lambda n: n.transistors)
        clearly = large.transistors > clear * small.transistors
        if clearly and large.modelled <= small.modelled:
            wrong.append((small, large))
    return wrong


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The x of the least-squares fit size = c·bits^x, on logarithms.

    >>> round(exponent([(4, 160), (8, 640), (16, 2560)]), 6)
    2.0
    """
    xs, ys = ([math.log(value) for value in side] for side in zip(*points, strict=True))
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - mean_x) ** 2 for x in xs)
