"""Technology nodes: one energy and one area per transistor each, never scaled to one another.

A constant is calibrated on the one point its row names and nothing else; `hwsim.costs.ANCHORS`
holds the points the fit has not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """Constants of one process node.

    feature_nm : 0 where it does not matter.
    energy_aj_per_transistor : average switched energy per operation and transistor, aJ (1e-18 J),
        for random operands, glitches included as far as the calibration point includes them.
    area_um2_per_transistor : placed area per transistor, µm²; None where no published integer
        area was at hand: then areas are None, not guesses.
    voltage_v : supply of the source's measurements, V; None where the source states none.
    ps_per_level : delay of one level of gates (NAND2), ps; None where no published one was at hand.
    source, area_source, valid : where the numbers come from, and where they hold.
    """

    name: str
    feature_nm: int
    energy_aj_per_transistor: float
    area_um2_per_transistor: float | None
    voltage_v: float | None
    source: str
    area_source: str
    valid: str
    ps_per_level: float | None = None

    def __post_init__(self) -> None:
        for name, optional in (
            ("energy_aj_per_transistor", False),
            ("area_um2_per_transistor", True),
            ("voltage_v", True),
            ("ps_per_level", True),
        ):
            value = getattr(self, name)
            if value is None and optional:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                allowed = "a positive number" + (", or None," if optional else "")
                raise ValueError(f"{name}={value!r}: {allowed} is needed")


NODES = {
    "45nm": Node(
        "45nm",
        45,
        78.6,
        0.0997,
        0.9,
        "Horowitz, ISSCC 2014: int8 multiply 0.2 pJ over 2544 T; no other point fitted",
        "Horowitz, ISSCC 2014: geometric mean of µm²/T of int8 add 36, int32 add 137, "
        "int8 multiply 282 and int32 multiply 3495 µm²",
        "energy: integers of 8 to 32 bits and fp16, fp32 within 25 %; area: integers within 50 %, "
        "floating-point areas run 30 to 75 % low (published ones were synthesised for speed)",
    ),
    "7nm": Node(
        "7nm",
        7,
        27.5,
        None,
        None,
        "Jouppi et al., ISCA 2021, table 2: int8 multiply 0.07 pJ over 2544 T",
        "not calibrated: no published integer area at hand",
        "energy: int8 to fp32 multiply, checked on few points; no areas",
    ),
}


# Not calibrated on silicon, so not among NODES: capacitances of single gates, all of which switch.
GATES_28NM = Node(
    "28nm gates",
    28,
    3.40e3 / 42,
    4.79 / 42,
    0.9,
    "ZigZag-IMC, gate constants: a full adder (42 T) 3.40 fJ and 4.79 µm², NAND2 47.8 ps",
    "the same",
    "relative to one another: every transistor has the full adder's share, and switches once; no "
    "glitches, no wires",
    47.8,
)


def node_named(name: str | Node) -> Node:
    """The node called ``name``; ValueError, with what is allowed, for any other."""
    if isinstance(name, Node):
        return name
    if not isinstance(name, str) or name not in NODES:
        raise ValueError(
            f"node={name!r}: allowed are {', '.join(NODES)}; energies are not interpolated "
            "between nodes"
        )
    return NODES[name]


def stillmaker_energy(coefficients: tuple[float, float, float], voltage_v: float) -> float:
    """a·V² + b·V + c of Stillmaker and Baas 2017, a relative energy per operation.

    Offered for users who must compare nodes; no price in hwsim is scaled by it.
    """
    a, b, c = coefficients
    return a * voltage_v**2 + b * voltage_v + c


# Stillmaker and Baas, Integration 58 (2017), with the corrigendum; relative energy, V in volts.
STILLMAKER_45NM = (1.103, -0.362, 0.2767)
STILLMAKER_7NM = (0.1776, -0.09097, 0.02447)
