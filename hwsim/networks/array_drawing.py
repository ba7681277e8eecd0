"""Pictures of arrays: energy by layer and level, and the roofline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from hwsim.networks.drawing import short
from hwsim.networks.files import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsim.networks.arrays import ArrayReport

# Okabe and Ito 2008, near to far.
COLOURS = {"mac": "#009E73", "registers": "#56B4E9", "sram": "#E69F00", "dram": "#D55E00"}
LABELS = {"mac": "MACs", "registers": "registers", "sram": "SRAM", "dram": "DRAM"}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
POINTS = ("#0072B2", "#CC79A7", "#000000", "#009E73", "#E69F00", "#56B4E9", "#D55E00")


def draw_arrays(reports: Sequence[ArrayReport], path: Path | None = None) -> Figure:
    """Stacked energies, a panel for each report, and all layers under the roofs of each memory."""
    rows = max(len(report.layers) for report in reports)
    levels = ["sram"] if reports[0].array.dram is None else ["sram", "dram"]
    count = len(reports)
    figure = Figure(
        figsize=(3.2 * (count + len(levels)), max(3.8, 1.8 + 0.27 * rows)), layout="constrained"
    )
    panels = figure.subplots(1, count + len(levels))
    for number, report in enumerate(reports):
        _energy(panels[number], report, number == 0)
    most = max(axes.get_xlim()[1] for axes in panels[:count])
    for axes in panels[:count]:
        axes.set_xlim(0, most)
    for axes, level in zip(panels[count:], levels, strict=True):
        _roofline(axes, reports, level)
    figure.suptitle(f"{reports[0].model} on {reports[0].array}", fontsize=11)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(9)
        axes.yaxis.label.set_size(9)
    if path is not None:
        save_figure(figure, path)
    return figure


def _energy(axes: Axes, report: ArrayReport, first: bool) -> None:
    """Stacked bars, one for each layer; a level without a price is not drawn, and said so."""
    places = range(len(report.layers))
    left = [0.0] * len(report.layers)
    unknown = []
    for name in report.layers[0].energies_pj:
        found = [layer.energies_pj[name] for layer in report.layers]
        if None in found:
            unknown.append(LABELS[name])
            continue
        own = [(pj or 0.0) * 1e-6 for pj in found]
        axes.barh(places, own, left=left, color=COLOURS[name], label=LABELS[name])
        left = [x + y for x, y in zip(left, own, strict=True)]
    names = [short(layer.gemm.name or "product", 24) for layer in report.layers]
    axes.set_yticks(list(places), names if first else [""] * len(names))
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("energy, µJ" + (f"; no price: {', '.join(unknown)}" if unknown else ""))
    axes.set_title(short(report.unit, 34), fontsize=9)
    if first:
        axes.legend(fontsize=7, frameon=False)


def _roofline(axes: Axes, reports: Sequence[ArrayReport], level: str) -> None:
    """MACs a second against MACs for a byte of one memory; full points are bound by it."""
    ends = [0.25, 1.0]
    for number, report in enumerate(reports):
        ends += _points(axes, report, level, number)
    span = (min(ends) / 2, max(ends) * 4)
    for peak in sorted({layer.peak_gmacs for report in reports for layer in report.layers}):
        _roof(axes, reports[0], level, peak, span)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(f"MACs for a byte of {LABELS[level]}")
    axes.set_ylabel("10⁹ MACs a second")
    axes.set_title(f"roof of the {LABELS[level]}; full: it bounds", fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="lower right")


def _points(axes: Axes, report: ArrayReport, level: str, number: int) -> list[float]:
    """One report's layers, and where they lie."""
    colour, marker = POINTS[number % 7], MARKERS[number % 7]
    seen: list[float] = []
    for layer in report.layers:
        if not layer.seconds or not layer.gemm.macs or math.isinf(layer.intensity(level)):
            continue
        label = short(report.unit, 30) if not seen else None
        fill = "full" if layer.bound == level else "none"
        reached = layer.gemm.macs / layer.seconds / 1e9
        look: dict[str, Any] = {"ms": 7, "color": colour, "fillstyle": fill, "label": label}
        axes.plot(layer.intensity(level), reached, marker, **look)
        seen.append(layer.intensity(level))
    return seen


def _roof(
    axes: Axes, report: ArrayReport, level: str, peak: float, ends: tuple[float, float]
) -> None:
    """The array's peak, and the slope of the memory's bandwidth, if it has one."""
    memory = report.array.levels(report.node)[level]
    low, high = ends
    if memory.gb_per_s is None:
        axes.plot([low, high], [peak, peak], color="0.6", lw=1, zorder=0)
        return
    ridge = peak / memory.gb_per_s
    low = min(low, ridge / 2)
    xs = [low, ridge, max(high, 2 * ridge)]
    ys = [low * memory.gb_per_s, peak, peak]
    axes.plot(xs, ys, color="0.6", lw=1, zorder=0)
    look: dict[str, Any] = {"fontsize": 7, "color": "0.4"}
    axes.annotate(f"peak {peak:g}", (xs[-1], peak), ha="right", va="bottom", **look)
    axes.annotate(f"{memory.gb_per_s:g} GB/s", (xs[0], ys[0]), va="top", **look)
