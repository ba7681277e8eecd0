"""The model of switching beside gate-level toggle counts (`scripts/toggles.py` makes them).

Streams of operands are made here, so that script and model see the same words.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from hwsim.costs.cells import switched_transistors
from hwsim.costs.primitives import adder, multiplier

STEPS = 8192
HELD = 64  # steps that a held operand lasts, and products of a sum
STREAMS = ("uniform", "relu", "sparse", "held", "narrow", "constant")
SUM_BITS = 32
MULTIPLIERS = ("mul4", "mul8", "mul11", "mul24", "mul8s")
MAC = "mac8s"
Words = tuple[Any, Any]


@dataclass(frozen=True)
class Toggles:
    """A netlist on a stream: transistors of the gates that switched, per step; ``ratio`` of it to
    the uniform stream's, and ``modelled``, what hwsim says of this ratio."""

    design: str
    stream: str
    switched: float
    ratio: float
    modelled: float

    @property
    def error(self) -> float:
        """modelled − ratio, in units of the uniform stream's energy."""
        return self.modelled - self.ratio


def width_of(design: str) -> tuple[int, bool]:
    """Bits of an operand, and whether it is two's complement.

    >>> width_of("mul11"), width_of("mac8s")
    ((11, False), (8, True))
    """
    return int(design[3:].rstrip("s")), design.endswith("s")


def stream_of(design: str, stream: str) -> Words:
    """STEPS words of a and b, unsigned or two's complement integers (int64).

    uniform : all words alike.  relu : a is 0 where a uniform signed word would be negative, else
    its magnitude.  sparse : nine in ten of a are 0.  held : b lasts `HELD` steps.  narrow : both
    normal, of a sixteenth of the range, the magnitude where words are unsigned.  constant : one
    word each.
    """
    bits, signed = width_of(design)
    rng = np.random.default_rng([7, bits, signed, STREAMS.index(stream)])
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    a, b = rng.integers(low, high, (2, STEPS))
    if stream == "relu":
        a = np.where(rng.random(STEPS) < 0.5, 0, np.maximum(np.abs(a), 0) % high)
    if stream == "sparse":
        a = np.where(rng.random(STEPS) < 0.9, 0, a)
    if stream == "held":
        b = np.repeat(b[::HELD], HELD)
    if stream == "narrow":
        drawn = np.rint(rng.normal(0, (1 << bits) / 16, (2, STEPS))).astype(np.int64)
        a, b = np.clip(drawn if signed else np.abs(drawn), low, high - 1)
    if stream == "constant":
        a, b = np.full(STEPS, a[0]), np.full(STEPS, b[0])
    return a, b


def sums_of(a: Any, b: Any) -> Any:
    """The running sums of the MAC after each step, in two's complement: every `HELD` products."""
    blocks = (a * b).reshape(-1, HELD)
    return np.cumsum(blocks, axis=1).reshape(-1) & ((1 << SUM_BITS) - 1)


def modelled(design: str, stream: str) -> float:
    """Transistors that switch per step in the combinational part, by hwsim's model."""
    (bits, signed), (a, b) = width_of(design), stream_of(design, stream)
    array = switched_transistors(
        (a[:-1], b[:-1]), (a[1:], b[1:]), (bits, bits), (signed, signed)
    ) / (STEPS - 1)
    if design != MAC:
        return array
    # The adder's share of the random energy is that of its transistors, its activity its words'.
    random = stream_of(design, "uniform")
    share = (
        adder(SUM_BITS).transistors
        / multiplier(bits, bits).transistors
        * modelled(f"mul{bits}s", "uniform")
    )
    return array + share * _words(a, b) / _words(*random)


def _words(a: Any, b: Any) -> float:
    """Toggles of the words at an adder: products and sums."""
    mask = (1 << SUM_BITS) - 1
    words = ((a * b) & mask, sums_of(a, b))
    return float(sum(np.bitwise_count(x[1:] ^ x[:-1]).sum() for x in words))


@cache
def netlist_toggles() -> tuple[Toggles, ...]:
    """Every count that is shipped.

    >>> [(t.stream, t.ratio) for t in netlist_toggles() if t.design == "mul8"][0]
    ('uniform', 1.0)
    """
    text = files("hwsim.costs").joinpath("toggles.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    counts = {(row["design"], row["stream"]): float(row["switched"]) for row in rows}
    model = {key: modelled(*key) for key in counts}
    return tuple(
        Toggles(
            design,
            stream,
            count,
            count / counts[design, "uniform"],
            model[design, stream] / model[design, "uniform"],
        )
        for (design, stream), count in counts.items()
    )
