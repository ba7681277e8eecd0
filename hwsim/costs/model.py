"""Prices: `cost` of a MAC unit and `operation_cost` of one operation.

Energy is that of the arithmetic unit alone.  It is not the energy of a chip: arithmetic is
commonly under a tenth of a chip's power (Chen et al., Eyeriss), the rest moves data.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from html import escape

from hwsim.costs.blocks import Piece, longest_stage
from hwsim.costs.nodes import Node, node_named
from hwsim.costs.operations import operation_pieces
from hwsim.costs.primitives import for_speed
from hwsim.costs.structure import mac_pieces, macs_per_cycle
from hwsim.formats import Format, parse_format
from hwsim.units import MacUnit, parse_unit

GOALS = ("area", "speed")
MODEL = "transistor count × energy per transistor"


@dataclass(frozen=True)
class Part:
    """One block of a unit.

    transistors : of all its copies.
    per : how often it works: ``mac``, ``chunk`` (once per chunk, or group of products that a tree
        or a dot instruction adds up) or ``output``.
    depth : levels of NAND, NOR and NOT on its longest path; 0 for flip-flops.
    use_energy_pj : energy each time.  energy_pj : energy per MAC: a use's energy, divided by the
        chunk length for ``chunk``, and 0 for ``output``.
    area_um2 : None where the node's area is not calibrated.
    """

    name: str
    transistors: int
    energy_pj: float
    area_um2: float | None
    note: str = ""
    per: str = "mac"
    use_energy_pj: float = 0.0
    depth: int = 0


@dataclass(frozen=True)
class Cost:
    """Energy and area of one arithmetic unit, with everything they rest on.

    energy_pj : pJ per MAC (or per operation): Σ over parts; a full chunk is assumed.
    output_energy_pj : pJ per output, beside the MACs: final rounding and conversion.
    chunk_energy_pj : pJ per chunk, or group, already in ``energy_pj`` as 1/length.
    depth : levels of two-input gates (NAND, NOR, NOT) on the longest path between two registers,
        carries rippling; what the clock's period is proportional to.
    macs_per_cycle : products that enter each cycle.
    delay_ps : of ``depth`` levels, ps; None where the node has no calibrated gate delay.
    area_um2 : µm² of the placed unit; None where the node has no calibrated area.
    voltage_v : None where the node's source states none.
    """

    unit: str
    node: str
    energy_pj: float
    area_um2: float | None
    parts: tuple[Part, ...]
    transistors: int
    output_energy_pj: float
    chunk_energy_pj: float
    voltage_v: float | None
    source: str
    area_source: str
    valid: str
    depth: int
    macs_per_cycle: int
    delay_ps: float | None
    model: str = MODEL

    @property
    def energy_delay(self) -> float:
        """pJ per MAC × levels of gates: lower is better."""
        return self.energy_pj * self.depth

    @property
    def throughput_per_area(self) -> float:
        """MACs per gate level and million transistors: higher is better."""
        return self.macs_per_cycle / self.depth / self.transistors * 1e6

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON; units are in the names."""
        return asdict(self) | {
            "energy_delay_pj_levels": self.energy_delay,
            "macs_per_level_and_million_transistors": self.throughput_per_area,
        }

    def __str__(self) -> str:
        volts = f"{self.voltage_v} V" if self.voltage_v is not None else "voltage not stated"
        lines = [
            f"{self.unit} at {self.node}, {volts}: {self.energy_pj:.4g} pJ per operation, "
            f"{_area(self.area_um2)}, {self.transistors} transistors, {self.depth} gate levels"
        ]
        name = max([len(part.name) for part in self.parts] + [4])
        lines.append(f"  {'part':{name}}  transistors        pJ          µm²  works per")
        for p in self.parts:
            area = "-" if p.area_um2 is None else f"{p.area_um2:.1f}"
            lines.append(
                f"  {p.name:{name}}  {p.transistors:11d}  {p.use_energy_pj:8.4f}  {area:>11}  "
                f"{p.per:6}  {p.note}".rstrip()
            )
        if self.output_energy_pj:
            lines.append(f"  and {self.output_energy_pj:.4g} pJ per output")
        lines.append("  energy of the arithmetic unit alone, not of a chip")
        lines.append(f"  source: {self.source}; area: {self.area_source}")
        return "\n".join([*lines, f"  valid: {self.valid}"])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def cost(mac: str | MacUnit, node: str | Node = "45nm", goal: str = "area") -> Cost:
    """Energy and area of a MAC unit.

    Parameters: ``mac`` as for `hwsim.mac`; ``node`` one of `hwsim.costs.NODES`, or a user's own
    `Node`; ``goal`` what it is made for: ``area`` (chains of carries, array multipliers) or
    ``speed`` (prefix carries, Booth's multipliers).  Raises SpecError for a unit and ValueError for
    a node or a goal that is not known.

    >>> cost("int8xint8+int32").energy_pj < cost("fp16xfp16+fp32").energy_pj
    True
    """
    unit = parse_unit(mac) if isinstance(mac, str) else mac
    if not isinstance(unit, MacUnit):
        raise TypeError(f"mac={mac!r}: a MacUnit or its name is needed")
    with _made_for(goal):
        return _unit_cost(unit, node_named(node), goal)


def _made_for(goal: str) -> AbstractContextManager[None]:
    if goal not in GOALS:
        raise ValueError(f"goal={goal!r}: allowed are {', '.join(GOALS)}")
    return for_speed() if goal == "speed" else nullcontext()


@cache  # by the goal too, which what is counted depends on
def _unit_cost(unit: MacUnit, node: Node, goal: str) -> Cost:
    order = unit.order
    return _priced(str(unit), mac_pieces(unit), node, order.group, macs_per_cycle(order))


def operation_cost(
    operation: str,
    a: str | Format,
    b: str | Format | None = None,
    node: str | Node = "45nm",
    goal: str = "area",
) -> Cost:
    """Energy and area of one ``add`` or ``mul``, as published tables list them.

    ``b`` is ``a`` when left out; only ``mul`` of integers or fixed point takes two formats.
    Floating-point results are rounded to nearest even, integer sums wrap, integer products keep
    all bits.  ``goal`` as for `cost`.  Raises ValueError for anything else.

    >>> operation_cost("mul", "int8").transistors
    2544
    """
    left = _format(a)
    right = left if b is None else _format(b)
    name = f"{operation} {left}" + ("" if right == left else f" {right}")
    with _made_for(goal):
        return _priced(name, operation_pieces(operation, left, right), node_named(node), 1, 1)


def _format(fmt: str | Format) -> Format:
    if isinstance(fmt, str):
        return parse_format(fmt)
    if not isinstance(fmt, Format):
        raise TypeError(f"format={fmt!r}: a format or its name is needed")
    return fmt


def _priced(
    name: str, pieces: list[Piece], node: Node, chunk_length: int, macs_per_cycle: int
) -> Cost:
    parts = tuple(_part(piece, node, chunk_length) for piece in pieces if piece.transistors)
    transistors = sum(part.transistors for part in parts)
    depth = longest_stage(pieces)
    return Cost(
        unit=name,
        node=node.name,
        energy_pj=sum(part.energy_pj for part in parts),
        area_um2=_area_um2(transistors, node),
        parts=parts,
        transistors=transistors,
        output_energy_pj=sum((p.use_energy_pj for p in parts if p.per == "output"), 0.0),
        chunk_energy_pj=sum((p.use_energy_pj for p in parts if p.per == "chunk"), 0.0),
        voltage_v=node.voltage_v,
        source=node.source,
        area_source=node.area_source,
        valid=node.valid,
        depth=depth,
        macs_per_cycle=macs_per_cycle,
        delay_ps=None if node.ps_per_level is None else depth * node.ps_per_level,
    )


def _part(piece: Piece, node: Node, chunk_length: int) -> Part:
    use_pj = piece.transistors * piece.uses * node.energy_aj_per_transistor * 1e-6  # aJ to pJ
    share = {"mac": 1.0, "chunk": 1.0 / chunk_length, "output": 0.0}[piece.per]
    transistors = piece.transistors * piece.copies
    area = _area_um2(transistors, node)
    depth = piece.logic.in_a_row(piece.levels).depth
    return Part(piece.name, transistors, use_pj * share, area, piece.note, piece.per, use_pj, depth)


def _area_um2(transistors: int, node: Node) -> float | None:
    if node.area_um2_per_transistor is None:
        return None
    return transistors * node.area_um2_per_transistor


def _area(area_um2: float | None) -> str:
    return "area not calibrated" if area_um2 is None else f"{area_um2:.4g} µm²"
