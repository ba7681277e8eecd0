"""Cost models behind one interface: hwsim's own, published ones, and a user's.

A model prices single operations (``add``, ``mul``) and MAC units.  What it cannot price it says
by name (`UnpricedError`); nothing is extrapolated silently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol

from hwsim.costs.anchors import ANCHORS, HOROWITZ, JOUPPI_QUOTED, Anchor
from hwsim.costs.model import cost, operation_cost
from hwsim.costs.nodes import GATES_28NM, NODES, Node, node_named
from hwsim.errors import HwsimError
from hwsim.formats import FixedFormat, FloatFormat, Format, parse_format
from hwsim.tomls import read_toml
from hwsim.units import Chunked, ExactProduct, MacUnit, Sequential, as_unit


class UnpricedError(HwsimError):
    """A model has no price for something; the message says for what, and why."""


@dataclass(frozen=True)
class Price:
    """Energy in pJ per operation, or per MAC; area in µm², None where the model has none."""

    energy_pj: float
    area_um2: float | None = None


class CostModel(Protocol):
    """What `hwsim cost` and the comparison ask of a model."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def node(self) -> str:
        """Technology that its prices hold for."""

    @property
    def source(self) -> str:
        """Where its numbers come from, and where they hold."""

    def operation(self, operation: str, a: Format, b: Format) -> Price:
        """One ``add`` or ``mul``; UnpricedError where it has none."""
        ...

    def unit(self, unit: MacUnit) -> Price:
        """One MAC; UnpricedError where it has none."""
        ...

    def refitted(self, anchors: Iterable[Anchor]) -> CostModel | None:
        """The same model with its constants fitted on these points alone; None where there is
        nothing to fit, or too little to fit it on."""
        ...


@dataclass(frozen=True)
class Structural:
    """hwsim's own: transistors counted by structure, one constant for each node."""

    constants: Node
    name: str = "structural"
    goal: str = "area"

    @property
    def node(self) -> str:
        return self.constants.name

    @property
    def source(self) -> str:
        return f"{self.constants.source}; {self.constants.valid}"

    def operation(self, operation: str, a: Format, b: Format) -> Price:
        try:
            found = operation_cost(operation, a, b, self.constants, self.goal)
        except ValueError as error:
            raise UnpricedError(f"{self.name}: {error}") from error
        return Price(found.energy_pj, found.area_um2)

    def unit(self, unit: MacUnit) -> Price:
        found = cost(unit, self.constants, self.goal)
        return Price(found.energy_pj, found.area_um2)

    def refitted(self, anchors: Iterable[Anchor]) -> Structural | None:
        """The energy per transistor as the geometric mean of the points' own."""
        shares = [
            anchor.energy_pj
            / operation_cost(anchor.operation, anchor.format, goal=self.goal).transistors
            for anchor in anchors
            if anchor.node == self.node
        ]
        if not shares:
            return None
        mean = math.exp(sum(map(math.log, shares)) / len(shares)) * 1e6  # pJ to aJ
        return replace(self, constants=replace(self.constants, energy_aj_per_transistor=mean))


@dataclass(frozen=True)
class _ByOperation:
    """A MAC is one multiplication and one addition in the accumulator's format (in chunks, a
    second addition once per chunk): what table-driven tools do."""

    def operation(self, operation: str, a: Format, b: Format) -> Price:
        raise NotImplementedError

    def unit(self, unit: MacUnit) -> Price:
        """Of exact products, summed one by one or in chunks."""
        plain = isinstance(unit.order, Sequential | Chunked) and not unit.is_blocked
        if not plain or unit.core is not None or not isinstance(unit.multiplier, ExactProduct):
            raise UnpricedError(
                f"{getattr(self, 'name')}: {unit}: only exact products, summed one by one or in "  # noqa: B009
                "chunks, are priced from operations"
            )
        prices = [self.operation("mul", unit.a, unit.b), self._sum(unit.accumulator)]
        energies, areas = [p.energy_pj for p in prices], [p.area_um2 for p in prices]
        if isinstance(unit.order, Chunked):
            outer = self._sum(unit.outer_format)
            energies.append(outer.energy_pj / unit.order.length)
            areas.append(outer.area_um2)
        known = [area for area in areas if area is not None]
        return Price(sum(energies), sum(known) if len(known) == len(areas) else None)

    def _sum(self, fmt: Format) -> Price:
        return self.operation("add", fmt, fmt)


def _bits(fmt: Format, who: str) -> int:
    """Bits of an integer, or of a float's significand."""
    if isinstance(fmt, FloatFormat):
        return fmt.precision
    if isinstance(fmt, FixedFormat):
        return fmt.width
    raise UnpricedError(f"{who}: {fmt}: only integers, fixed point and floats are priced")


@dataclass(frozen=True)
class Plain(_ByOperation):
    """Adders O(b), multipliers O(b²), b the bits of an integer or of a float's significand: what
    is taught, and too little for floats, whose shifters and rounders it leaves out.

    add_pj, mul_pj : per bit, and per pair of bits.
    """

    add_pj: float
    mul_pj: float
    node: str = "45nm"
    name: str = "plain"
    source: str = f"add c·b, mul c·b²; constants from int8 of {HOROWITZ}"

    def operation(self, operation: str, a: Format, b: Format) -> Price:
        first, second = _bits(a, self.name), _bits(b, self.name)
        if operation == "add":
            return Price(self.add_pj * max(first, second))
        return Price(self.mul_pj * first * second)

    def refitted(self, anchors: Iterable[Anchor]) -> Plain | None:
        """Both constants as geometric means over the points, if there are points of both."""
        logs: dict[str, list[float]] = {"add": [], "mul": []}
        for anchor in anchors:
            bits = _bits(parse_format(anchor.format), self.name)
            size = bits if anchor.operation == "add" else bits * bits
            if anchor.node == self.node:
                logs[anchor.operation].append(math.log(anchor.energy_pj / size))
        if not all(logs.values()):
            return None
        add, mul = (math.exp(sum(x) / len(x)) for x in logs.values())
        return replace(self, add_pj=add, mul_pj=mul)


@dataclass(frozen=True)
class Polynomial(_ByOperation):
    """QKeras's: integers by polynomials fitted on Horowitz's table, floats from the table.  A
    product of two widths is priced by the larger, as there."""

    node: str = "45nm"
    name: str = "qkeras"
    source: str = "QKeras, qenergy: mul .002994791667 b² + .001041666667 b, add .003125 b pJ"

    def operation(self, operation: str, a: Format, b: Format) -> Price:
        if isinstance(a, FixedFormat) and isinstance(b, FixedFormat):
            bits = max(a.width, b.width)
            if operation == "add":
                return Price(0.003125 * bits)
            return Price(0.002994791667 * bits**2 + 0.001041666667 * bits)
        return replace(_looked_up(HOROWITZ_TABLE, self.name, operation, a, b), area_um2=None)

    def refitted(self, anchors: Iterable[Anchor]) -> None:
        """Its constants are others' fits."""


@dataclass(frozen=True)
class Table(_ByOperation):
    """Prices by name: operations (``("add", "int8")``), and units by their own."""

    name: str
    node: str
    source: str
    operations: Mapping[tuple[str, str], Price]
    units: Mapping[str, Price] = field(default_factory=dict)

    def operation(self, operation: str, a: Format, b: Format) -> Price:
        return _looked_up(self.operations, self.name, operation, a, b)

    def unit(self, unit: MacUnit) -> Price:
        found = self.units.get(str(unit))
        return super().unit(unit) if found is None else found

    def refitted(self, anchors: Iterable[Anchor]) -> Table:
        """Without the points that are not given: a table knows nothing of what it lacks."""
        kept = {(anchor.operation, anchor.format) for anchor in anchors}
        known = {(x.operation, x.format) for x in ANCHORS if x.node == self.node}
        rows = {k: price for k, price in self.operations.items() if k in kept or k not in known}
        return replace(self, operations=rows)


def _looked_up(
    rows: Mapping[tuple[str, str], Price], who: str, operation: str, a: Format, b: Format
) -> Price:
    found = rows.get((operation, str(a))) if a == b else None
    if found is None:
        known = ", ".join(sorted({fmt for kind, fmt in rows if kind == operation}))
        operands = str(a) if a == b else f"{a}x{b}"
        raise UnpricedError(f"{who}: no price of {operation} {operands}; it has {known or 'none'}")
    return found


def _published(node: str) -> dict[tuple[str, str], Price]:
    return {
        (anchor.operation, anchor.format): Price(anchor.energy_pj, anchor.area_um2)
        for anchor in ANCHORS
        if anchor.node == node
    }


HOROWITZ_TABLE, JOUPPI_TABLE = _published("45nm"), _published("7nm")


@dataclass(frozen=True)
class Own:
    """A user's function of a MAC unit: it returns pJ, or pJ and µm², or raises `UnpricedError`."""

    name: str
    function: Callable[[MacUnit], float | tuple[float, float | None]]
    node: str = "own"
    source: str = "a function of the user's"

    def operation(self, operation: str, a: Format, b: Format) -> Price:
        raise UnpricedError(f"{self.name}: a function of units has no prices of single operations")

    def unit(self, unit: MacUnit) -> Price:
        found = self.function(unit)
        energy, area = found if isinstance(found, tuple) else (found, None)
        return Price(_number("energy", energy), None if area is None else _number("area", area))

    def refitted(self, anchors: Iterable[Anchor]) -> None:
        """A function has no constants that are known."""


NAMES = ("structural", "plain", "qkeras", "horowitz", "jouppi", "gates")
NODES_OF = {"jouppi": "7nm", "gates": GATES_28NM.name}  # others: 45 nm


def cost_model(name: str | PathLike[str] | CostModel, node: str | Node | None = None) -> CostModel:
    """A model by name: ``structural``, ``plain``, ``qkeras``, ``horowitz``, ``jouppi``, ``gates``,
    or a .toml file.

    Only ``structural`` has several nodes; left out, ``node`` is the model's own.  Raises
    ValueError for other names, and for a node that the model does not have; HwsimError for a bad
    file.

    >>> from hwsim.units import as_unit
    >>> cost_model("plain").unit(as_unit("int8xint8+int32")).energy_pj
    0.32
    """
    if not isinstance(name, str | PathLike):
        return name
    text = fspath(name)
    if text.lower().endswith(".toml"):
        return read_table(text)
    if text == "structural":
        return Structural(node_named("45nm" if node is None else node))
    if text not in NAMES:
        raise ValueError(f"model={text!r}: allowed are {', '.join(NAMES)}, or a .toml file")
    own = NODES_OF.get(text, "45nm")
    if node not in (None, own):
        raise ValueError(f"node={node!r}: the model {text} has prices for {own} alone")
    return BUILT_IN[text]


BUILT_IN: dict[str, CostModel] = {
    "plain": Plain(0.03 / 8, 0.2 / 64),
    "qkeras": Polynomial(),
    "horowitz": Table("horowitz", "45nm", HOROWITZ, HOROWITZ_TABLE),
    "jouppi": Table("jouppi", "7nm", JOUPPI_QUOTED, JOUPPI_TABLE),
    "gates": Structural(GATES_28NM, "gates"),
}


def benchmarked() -> list[CostModel]:
    """What `hwsim cost compare` compares: every model, and the structural one at each node."""
    others: list[CostModel] = [
        Structural(node, f"structural, {name}") for name, node in NODES.items() if name != "45nm"
    ]
    models = [cost_model(name) for name in NAMES if name != "gates"]  # no point is of its node
    return [models[0], *others, *models[1:]]


def read_table(path: str | PathLike[str]) -> Table:
    """A table from a TOML file: ``name``, ``node``, ``source``, and tables ``add``, ``mul`` (by
    format) and ``mac`` (by unit) of pJ or of ``{pj = …, um2 = …}``.  HwsimError says what is wrong.
    """
    file = fspath(path)
    found = read_toml(file, "model")
    texts = {"name": Path(file).stem, "node": "own", "source": file}
    texts |= {key: value for key, value in found.items() if key in texts}
    unknown = set(found) - {*texts, "add", "mul", "mac"}
    if unknown or not all(isinstance(value, str) for value in texts.values()):
        wrong = sorted(unknown) or sorted(k for k, v in texts.items() if not isinstance(v, str))
        raise HwsimError(
            f"{file}: {wrong[0]!r}: allowed are name, node, source in quotes, and the tables add, "
            "mul, mac"
        )
    operations = {
        (kind, str(parse_format(fmt))): _priced(file, f"{kind}.{fmt}", value)
        for kind in ("add", "mul")
        for fmt, value in _rows(file, found, kind).items()
    }
    units = {
        str(as_unit(unit)): _priced(file, f"mac.{unit}", value)
        for unit, value in _rows(file, found, "mac").items()
    }
    return Table(texts["name"], texts["node"], texts["source"], operations, units)


def _rows(file: str, found: dict[str, Any], kind: str) -> dict[str, Any]:
    rows = found.get(kind, {})
    if not isinstance(rows, dict):
        raise HwsimError(f"{file}: {kind!r} must be a table")
    return rows


def _priced(file: str, where: str, value: Any) -> Price:
    both = value if isinstance(value, dict) else {"pj": value}
    if "pj" not in both or set(both) - {"pj", "um2"}:
        raise HwsimError(f"{file}: {where}: pJ, or {{pj = …, um2 = …}}, is needed")
    try:
        area = both.get("um2")
        return Price(_number("pj", both["pj"]), None if area is None else _number("um2", area))
    except ValueError as error:
        raise HwsimError(f"{file}: {where}: {error}") from error


def _number(name: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise ValueError(f"{name}={value!r}: a number from 0 is needed")
    return float(value)
