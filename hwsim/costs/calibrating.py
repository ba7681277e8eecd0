"""A node of a user's own, from energies that were measured on it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hwsim.costs.model import Cost, cost, operation_cost
from hwsim.costs.nodes import Node
from hwsim.errors import HwsimError
from hwsim.units import parse_unit

OPERATIONS = ("add", "mul")
ONE = Node("one", 0, 1.0, 1.0, None, "", "", "")  # aJ and µm² for each transistor


def calibrated_node(
    points: Mapping[str, float],
    *,
    name: str = "own",
    areas: Mapping[str, float] | None = None,
    voltage_v: float | None = None,
    source: str = "measured by the user",
) -> Node:
    """A node whose constants are the geometric means of what was measured over what is counted.

    Parameters: ``points``, pJ by operation (``"mul int8"``, ``"add fp16"``) or unit
    (``"int8xint8+int32"``: per MAC); ``areas``, µm² likewise; areas are None where they are left
    out.  What remains of each point's error: `compare_models`, with them as `Anchor`.  Raises
    HwsimError for a point that has no count, or whose value is no positive number.

    >>> node = calibrated_node({"mul int8": 0.2})
    >>> round(node.energy_aj_per_transistor, 1), node.area_um2_per_transistor
    (78.6, None)
    """
    if not points:
        raise HwsimError("points is empty: one measured energy at least is needed")
    energy = _mean_ratio(points, "energy_pj")
    text = ", ".join(f"{what} {pj:g} pJ" for what, pj in points.items())
    return Node(
        name,
        0,
        energy,
        _mean_ratio(areas, "area_um2") if areas else None,
        voltage_v,
        f"{source}: {text}",
        source if areas else "not calibrated",
        "near the points that it was fitted on",
    )


def _mean_ratio(points: Mapping[str, float], field: str) -> float:
    """Geometric mean of each point over its price at one aJ, or one µm², for each transistor."""
    logs = [
        math.log(_positive(what, value) / getattr(_priced(what), field))
        for what, value in points.items()
    ]
    return math.exp(sum(logs) / len(logs))


def _priced(what: str) -> Cost:
    first, *rest = what.split()
    if first in OPERATIONS and len(rest) == 1:
        return operation_cost(first, rest[0], node=ONE)
    if rest:
        raise HwsimError(f"point {what!r}: 'add FORMAT', 'mul FORMAT' or a unit is needed")
    return cost(parse_unit(what), ONE)


def _positive(what: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise HwsimError(f"point {what!r}: {value!r}: a positive number is needed")
    return value
