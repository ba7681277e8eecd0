"""Published prices of single operations, and how far the model is from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hwsim.costs.model import operation_cost

HOROWITZ = "Horowitz, ISSCC 2014"
JOUPPI = "Jouppi et al., ISCA 2021, table 2"
JOUPPI_QUOTED = JOUPPI + ", as quoted by others"


@dataclass(frozen=True)
class Anchor:
    """A published energy (pJ) and area (µm², None where not published) of one operation.

    fitted : whether the node's energy constant was calibrated on this very point.
    """

    operation: str
    format: str
    node: str
    energy_pj: float
    area_um2: float | None
    source: str
    fitted: bool = False


ANCHORS = (
    Anchor("add", "int8", "45nm", 0.03, 36, HOROWITZ),
    Anchor("add", "int16", "45nm", 0.05, None, HOROWITZ),
    Anchor("add", "int32", "45nm", 0.1, 137, HOROWITZ),
    Anchor("mul", "int8", "45nm", 0.2, 282, HOROWITZ, fitted=True),
    Anchor("mul", "int32", "45nm", 3.1, 3495, HOROWITZ),
    Anchor("add", "fp16", "45nm", 0.4, 1360, HOROWITZ),
    Anchor("add", "fp32", "45nm", 0.9, 4184, HOROWITZ),
    Anchor("mul", "fp16", "45nm", 1.1, 1640, HOROWITZ),
    Anchor("mul", "fp32", "45nm", 3.7, 7700, HOROWITZ),
    Anchor("mul", "int8", "7nm", 0.07, None, JOUPPI, fitted=True),
    Anchor("mul", "fp32", "7nm", 1.31, None, JOUPPI),
    Anchor("add", "int32", "7nm", 0.03, None, JOUPPI_QUOTED),
    Anchor("mul", "fp16", "7nm", 0.34, None, JOUPPI_QUOTED),
)


@dataclass(frozen=True)
class Comparison:
    """An anchor beside the model's prediction; errors are predicted / published − 1."""

    anchor: Anchor
    predicted_energy_pj: float
    predicted_area_um2: float | None

    @property
    def energy_error(self) -> float:
        """Relative error of the energy, signed."""
        return self.predicted_energy_pj / self.anchor.energy_pj - 1

    @property
    def area_error(self) -> float | None:
        """Relative error of the area, signed; None where either side has none."""
        if self.predicted_area_um2 is None or self.anchor.area_um2 is None:
            return None
        return self.predicted_area_um2 / self.anchor.area_um2 - 1

    def __str__(self) -> str:
        a = self.anchor
        area = f"{'':23}"
        if a.area_um2 is not None and self.area_error is not None:
            area = f"{self.predicted_area_um2:7.0f} {a.area_um2:7.0f} {self.area_error:+7.1%}"
        fitted = "  (fitted)" if a.fitted else ""
        return (
            f"{a.node:5} {a.operation} {a.format:6} {self.predicted_energy_pj:7.4f} "
            f"{a.energy_pj:7.4f} {self.energy_error:+7.1%}  {area}  {a.source}{fitted}"
        )


def compare_anchors(anchors: Iterable[Anchor] = ANCHORS) -> list[Comparison]:
    """The model's prediction beside every anchor; print the rows to read them.

    >>> len(compare_anchors()) == len(ANCHORS)
    True
    """
    rows = []
    for anchor in anchors:
        price = operation_cost(anchor.operation, anchor.format, node=anchor.node)
        rows.append(Comparison(anchor, price.energy_pj, price.area_um2))
    return rows
