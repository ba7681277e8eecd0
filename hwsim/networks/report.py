"""What a run gives: outputs, and what each layer did and cost."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.networks.files import as_csv
from hwsim.units import Telemetry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hwsim.networks.runtime import Array


@dataclass(frozen=True)
class LayerReport:
    """One layer of a run.

    unit : description of the MAC unit.  m, k, n : dimensions of each matrix product, all samples
    included; batch : number of products (groups of a convolution, heads × samples of attention).
    macs : m·k·n·batch.  telemetry : counts, or None if not asked for.
    scales, zero_points : of the operands ``a`` and ``b``; tuples for channels, and absent where
    they are only known at run time.
    energy_mac_pj : arithmetic alone; energy_memory_pj : operand traffic in the cost model's
    memory, kept apart, None at nodes without a memory model; area_um2 : of one unit, None where
    the node has no areas.  seconds : simulation time.
    verified : outputs recomputed by the reference and found equal.
    """

    name: str
    op: str
    unit: str
    m: int
    k: int
    n: int
    batch: int
    macs: int
    telemetry: Telemetry | None
    scales: Mapping[str, float | tuple[float, ...]]
    energy_mac_pj: float
    energy_memory_pj: float | None
    area_um2: float | None
    seconds: float
    verified: int
    zero_points: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Flat names and numbers: scale_a, scale_b, zero_point_a, zero_point_b; telemetry by its
        fields."""
        hidden = ("telemetry", "scales", "zero_points")
        flat = {key: value for key, value in vars(self).items() if key not in hidden}
        flat |= {f"scale_{key}": value for key, value in self.scales.items()}
        flat |= {f"zero_point_{key}": value for key, value in self.zero_points.items()}
        return flat | (self.telemetry.to_dict() if self.telemetry else {})


@dataclass(frozen=True)
class RunReport:
    """A network's outputs on a MAC unit, and the layers that made them.

    outputs : arrays by the names of the model's outputs.  layers : in the model's order.
    calibration_source : the data that the scales come from, in words.  node : of the costs.
    native_products : names of Muls whose products are summed natively, on no unit.
    """

    outputs: dict[str, Array] = field(repr=False)
    layers: tuple[LayerReport, ...]
    calibration_source: str
    node: str = "45nm"
    model: str = "model"
    native_products: tuple[str, ...] = ()

    @property
    def telemetry(self) -> Telemetry | None:
        """The sum over all layers; None if not asked for."""
        counts = [layer.telemetry for layer in self.layers if layer.telemetry is not None]
        return sum(counts[1:], start=counts[0]) if counts else None

    @property
    def totals(self) -> dict[str, Any]:
        """Sums over the layers (area: over the different units), telemetry included."""
        areas = {layer.unit: layer.area_um2 for layer in self.layers}
        names = ("macs", "energy_mac_pj", "energy_memory_pj", "seconds", "verified")
        sums = {name: _sum(getattr(layer, name) for layer in self.layers) for name in names}
        counts = self.telemetry
        return sums | {"area_um2": _sum(areas.values())} | (counts.to_dict() if counts else {})

    def to_dict(self) -> dict[str, Any]:
        """Everything but the outputs' values (their shapes instead), ready for JSON."""
        return {
            "model": self.model,
            "node": self.node,
            "calibration_source": self.calibration_source,
            "native_products": list(self.native_products),
            "outputs": {name: list(array.shape) for name, array in self.outputs.items()},
            "totals": self.totals,
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """One line per layer as CSV; also written to ``path``, whole or not at all."""
        return as_csv([layer.to_dict() for layer in self.layers], path)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Bars per layer: swamped additions, overflows, energy; also saved to ``path``."""
        from hwsim.networks.drawing import draw_report  # imports matplotlib

        return draw_report(self, None if path is None else Path(fspath(path)))

    def _repr_html_(self) -> str:
        names = ("name", "op", "unit", "m", "k", "n", "batch", "macs")
        counts = ("swamped_full", "overflow_outputs")
        head = "".join(f"<th>{name}</th>" for name in (*names, *counts, "energy_mac_nj"))
        body = ""
        for row in (layer.to_dict() for layer in self.layers):
            cells = [row.get(name, "") for name in (*names, *counts)]
            cells.append(f"{row['energy_mac_pj'] / 1000:.4g}")
            body += f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in cells)}</tr>"
        note = f"{self.model}: scales from {self.calibration_source}; energy at {self.node}"
        if self.native_products:
            note += f"; on no unit: the products of {', '.join(self.native_products)}"
        return (
            f"<table><caption>{html.escape(note)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum; None as soon as one is unknown."""
    total: float = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
