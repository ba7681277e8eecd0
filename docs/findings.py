"""Five findings about narrow accumulators, measured; `docs/findings_drawn.py` draws them.

python docs/findings.py      prints the tables of docs/findings.md

The language model's cliff is here, sums of numbers are in `docs/findings_sums.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import findings_sums as sums  # beside this script
import numpy as np

from hwsim import theory
from hwsim.networks import Network, RunReport, Score, evaluate, shipped

WIDTHS = tuple(range(14, 21))
RULES = ("", ":saturate")
CLIFF = "int8xint8+int17"


@cache
def model() -> tuple[Network, Any, Any]:
    """The language model, its held-out windows and their labels."""
    lm = shipped("char-lm")
    with np.load(lm.evaluation, allow_pickle=False) as data:
        return Network.load(lm.model), lm.evaluation, data["labels"]


def run(mac: str | Mapping[str, str]) -> tuple[Score, RunReport]:
    """Bits per character on a unit, and what happened inside."""
    network, data, labels = model()
    report = network.run(data, mac, telemetry=True)
    return evaluate(report.outputs, labels, None), report


@cache
def cliff() -> dict[str, tuple[Score, RunReport]]:
    """All widths, wrapping and saturating."""
    units = [f"int8xint8+int{bits}{rule}" for bits in WIDTHS for rule in RULES]
    return {unit: run(unit) for unit in units}


@cache
def alone() -> dict[str, Score]:
    """One layer that leaves the range of 17 bits with 17 bits, the others with 32."""
    layers = cliff()[CLIFF][1].layers
    names = [layer.name for layer in layers if layer.telemetry and layer.telemetry.out_of_range]
    return {name: run({name: CLIFF, "*": "int8xint8+int32"})[0] for name in names}


def cliff_table() -> str:
    """Width, bits per character and share of outputs outside the range, wrapping and saturating."""
    rows = []
    for bits in WIDTHS:
        cells = [str(bits)]
        for rule in RULES:
            score, report = cliff()[f"int8xint8+int{bits}{rule}"]
            seen = report.telemetry
            cells += [f"{score.value:.2f} ± {score.stderr:.2f}", outside(seen)]
        rows.append(cells)
    heads = ("bits", "wraps: bits/char", "outside", "saturates: bits/char", "outside")
    return sums.table(heads, rows)


def layer_table() -> str:
    """The layers that leave the range of 17 bits."""
    wide = cliff()[f"int8xint8+int{WIDTHS[-1]}"][1].layers
    most = {layer.name: layer.telemetry.largest for layer in wide if layer.telemetry}
    rows = []
    for layer in cliff()[CLIFF][1].layers:
        if layer.name in alone():
            bits, largest = f"{alone()[layer.name].value:.2f}", f"{most[layer.name]:,.0f}"
            safe = theory.a2q_bits(layer.k, weight_bits=8, input_bits=8)
            left = outside(layer.telemetry)
            rows.append((f"`{layer.name}`", layer.k, left, bits, largest, safe))
    heads = ("layer", "K", "outside", "alone: bits/char", "largest sum", "theory: bits")
    return sums.table(heads, rows)


def outside(seen: Any) -> str:
    """Share of outputs whose exact sum lies outside the accumulator's range."""
    return f"{100 * seen.out_of_range / seen.outputs:.2g} %"


TABLES: dict[str, Callable[[], str]] = {
    "cliff": cliff_table,
    "layers": layer_table,
    "wang": sums.wang_table,
    "chunks": sums.chunk_table,
    "tensor": sums.tensor_table,
    "promotion": sums.promotion_table,
    "harmonic": sums.harmonic_table,
}


def main() -> None:
    """Print the tables."""
    print("\n".join(make() for make in TABLES.values()), end="")


if __name__ == "__main__":
    main()
