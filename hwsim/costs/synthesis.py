"""The model's transistor counts and depths beside those of synthesised netlists.

`scripts/synthesis.py` makes the netlists: integer parts (synthesis.csv) and whole floating-point
units (netlists.csv), mapped by Yosys to NAND, NOR and NOT.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

from hwsim.costs import primitives
from hwsim.costs.model import cost, operation_cost

MODELS: dict[str, Callable[[int, int], primitives.Logic]] = {
    "adder": lambda a, b: primitives.adder(a),
    "multiplier": primitives.multiplier,
    "comparator": lambda a, b: primitives.comparator(a),
    "incrementer": lambda a, b: primitives.incrementer(a),
    "or": lambda a, b: primitives.gate_tree(a),
    "negation": lambda a, b: primitives.complementer(a),
    "leading zeros": lambda a, b: primitives.leading_zero_counter(a),
    "shifter": lambda a, b: primitives.shifter(a, (1 << b) - 1),
    "sticky shifter": lambda a, b: primitives.shifter(a, (1 << b) - 1, sticky=True),
    "placement": primitives.placer,
    "table": lambda a, b: primitives.table(1 << a, b),
}
CLEAR = 1.15  # two netlists whose sizes differ by more than this have an order


@dataclass(frozen=True)
class Netlist:
    """A circuit as Yosys mapped it, and as the model has it.

    kind : of a part its name, as ``adder``; of a unit ``add``, ``mul`` or ``mac``.  name : widths,
    a format, or a unit.  bits : of a part's operands a and b; None of a unit.  transistors,
    depth : of the netlist, flip-flops with 24 T each; modelled, modelled_depth : hwsim's.
    """

    kind: str
    name: str
    bits: tuple[int, int] | None
    transistors: int
    depth: int
    modelled: int
    modelled_depth: int

    @property
    def error(self) -> float:
        """modelled / transistors − 1."""
        return self.modelled / self.transistors - 1

    @property
    def depth_error(self) -> float:
        """modelled_depth / depth − 1."""
        return self.modelled_depth / self.depth - 1

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"error": self.error, "depth_error": self.depth_error}


@dataclass(frozen=True)
class Judgement:
    """The model over several netlists: |error| of transistors and of depth, and order.

    clear : pairs whose netlists differ by more than `CLEAR`; misranked : those among them that the
    model has in the wrong order.
    """

    netlists: int
    median: float
    worst: float
    median_depth: float
    worst_depth: float
    clear: int
    misranked: int


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("hwsim.costs").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


@cache
def part_netlists() -> tuple[Netlist, ...]:
    """Every integer part that is shipped.

    >>> found = [n for n in part_netlists() if n.kind == "adder" and n.bits == (8, 8)]
    >>> [(n.transistors, n.modelled, n.depth, n.modelled_depth) for n in found]
    [(352, 317, 17, 17)]
    """
    found = []
    for row in _rows("synthesis.csv"):
        a, b = bits = int(row["a_bits"]), int(row["b_bits"])
        model = MODELS[row["part"]](a, b)
        sizes = (int(row["transistors"]), int(row["depth"]), model.transistors, model.depth)
        found.append(Netlist(row["part"], f"{a} × {b}", bits, *sizes))
    return tuple(found)


@cache
def unit_netlists() -> tuple[Netlist, ...]:
    """Every floating-point operation and unit that is shipped.

    >>> sorted({netlist.kind for netlist in unit_netlists()})
    ['add', 'mac', 'mul']
    """
    found = []
    for row in _rows("netlists.csv"):
        kind, name = row["kind"], row["name"]
        model = cost(name) if kind == "mac" else operation_cost(kind, name)
        sizes = (int(row["transistors"]), int(row["depth"]), model.transistors, model.depth)
        found.append(Netlist(kind, name, None, *sizes))
    return tuple(found)


def square_parts(least: int = 3) -> list[Netlist]:
    """Adders, and multipliers of two equal widths, of at least so many bits."""
    kinds = ("adder", "multiplier")
    found = [n for n in part_netlists() if n.kind in kinds and n.bits is not None]
    return [n for n in found if n.bits and n.bits[0] == n.bits[1] >= least]


def judge(netlists: Sequence[Netlist]) -> Judgement:
    """Errors and order of the model over some netlists."""
    errors = [abs(n.error) for n in netlists]
    depths = [abs(n.depth_error) for n in netlists]
    return Judgement(
        len(netlists),
        statistics.median(errors),
        max(errors),
        statistics.median(depths),
        max(depths),
        sum(1 for _ in _clear_pairs(netlists)),
        len(misranked(netlists)),
    )


def _clear_pairs(netlists: Iterable[Netlist]) -> Iterator[tuple[Netlist, Netlist]]:
    for one, other in combinations(netlists, 2):
        small, large = sorted((one, other), key=lambda n: n.transistors)
        if large.transistors > CLEAR * small.transistors:
            yield small, large


def misranked(netlists: Iterable[Netlist]) -> list[tuple[Netlist, Netlist]]:
    """Pairs that differ by more than `CLEAR` times, and that the model has in the wrong order."""
    return [pair for pair in _clear_pairs(netlists) if pair[1].modelled <= pair[0].modelled]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The x of the least-squares fit size = c·bits^x, on logarithms.

    >>> round(exponent([(4, 160), (8, 640), (16, 2560)]), 6)
    2.0
    """
    xs, ys = ([math.log(value) for value in side] for side in zip(*points, strict=True))
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - mean_x) ** 2 for x in xs)
