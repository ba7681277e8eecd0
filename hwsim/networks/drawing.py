"""The picture of a run: what each layer lost and what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from hwsim.networks.files import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsim.networks.report import LayerReport, RunReport

SWAMPED, PARTIAL, OVERFLOW, ENERGY, MEMORY = "#4477aa", "#a6c8e0", "#cc3311", "#228833", "#b8dbb8"


def draw_report(report: RunReport, path: Path | None) -> Figure:
    """Three panels that share the layers' axis; saved to ``path`` in the format of its suffix."""
    height = 1.9 + 0.28 * max(1, len(report.layers))
    figure = Figure(figsize=(11, height), layout="constrained")
    swamping, overflow, energy = figure.subplots(1, 3, sharey=True)
    names = [layer.name for layer in report.layers]
    _swamping(swamping, report.layers, names)
    _overflow(overflow, report.layers, names)
    _energy(energy, report.layers, names)
    swamping.invert_yaxis()
    units = sorted({layer.unit for layer in report.layers})
    shown = units[0] if len(units) == 1 else f"{len(units)} units"
    figure.suptitle(f"{report.model} on {shown}", fontsize=11)
    for axes in (swamping, overflow, energy):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(9)
        axes.set_xlim(left=0)
    if path is not None:
        save_figure(figure, path)
    return figure


def short(name: str, most: int = 32) -> str:
    """A name that leaves room for the picture: long ones lose their middle."""
    if len(name) <= most:
        return name
    kept = (most - 1) // 2
    return f"{name[:kept]}…{name[-kept:]}"


def _swamping(axes: Axes, layers: tuple[LayerReport, ...], names: list[str]) -> None:
    """Share of additions whose addend vanished or lost bits."""
    full = [_share(layer, "swamped_full", "additions") for layer in layers]
    partial = [_share(layer, "swamped_partial", "additions") for layer in layers]
    axes.barh(names, full, color=SWAMPED, label="vanished")
    axes.barh(names, partial, left=full, color=PARTIAL, label="lost bits")
    axes.set_xlabel("additions swamped, %")
    if any(full) or any(partial):
        axes.legend(fontsize=7, frameon=False)
    else:
        _nothing(axes)


def _overflow(axes: Axes, layers: tuple[LayerReport, ...], names: list[str]) -> None:
    """Share of outputs with an overflow anywhere."""
    shares = [_share(layer, "overflow_outputs", "outputs") for layer in layers]
    axes.barh(names, shares, color=OVERFLOW)
    axes.set_xlabel("outputs that overflowed, %")
    if not any(shares):
        _nothing(axes)


def _nothing(axes: Axes) -> None:
    """Say that every bar is zero, or was not counted."""
    axes.set_xticks([0])
    axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="0.5")


def _energy(axes: Axes, layers: tuple[LayerReport, ...], names: list[str]) -> None:
    """Arithmetic and operand traffic side by side: they are not added up."""
    places = range(len(names))
    arithmetic = [layer.energy_mac_pj / 1e6 for layer in layers]
    memory = [(layer.energy_memory_pj or 0.0) / 1e6 for layer in layers]
    axes.barh([p - 0.2 for p in places], arithmetic, 0.4, color=ENERGY, label="MACs")
    if any(memory):
        axes.barh([p + 0.2 for p in places], memory, 0.4, color=MEMORY, label="operand traffic")
    axes.set_xlabel("energy, µJ")
    axes.legend(fontsize=7, frameon=False)


def _share(layer: LayerReport, count: str, of: str) -> float:
    """A telemetry count in percent."""
    counts = layer.telemetry
    total = getattr(counts, of, 0)
    return 100 * float(getattr(counts, count)) / total if total else 0.0
