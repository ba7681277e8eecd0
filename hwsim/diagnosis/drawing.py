"""Pictures of a diagnosis: layers against units, and how every layer's sums grow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hwsim.formats import FixedFormat, Format
from hwsim.networks.drawing import short
from hwsim.units import parse_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsim.diagnosis.report import Diagnosis, LayerDiagnosis, UnitDiagnosis

# Okabe and Ito 2008.
SUMS, EXACT, SWAMPED, PARTLY, OVERFLOW = "#0072B2", "#999999", "#D55E00", "#F5C98F", "#CC79A7"
PRODUCTS = "#E69F00"
LOUD, SILENT = 0.0, 60.0  # dB: the ends of the colours


def draw_heat(found: Diagnosis) -> Figure:
    """Four panels of layers against units: what vanished, what overflowed, lost mass, SQNR."""
    names = [layer.name for layer in found.units[0].layers]
    count, units = len(names), len(found.units)
    panel = max(1.9, 0.5 * units)
    figure = Figure(
        figsize=(2.6 + 4 * panel, 1.6 + 0.27 * count + 0.17 * units), layout="constrained"
    )
    panels = figure.subplots(1, 4, sharey=True)
    share = {"cmap": "Oranges", "vmin": -4.0, "vmax": 0.0}
    noise = {"cmap": "Oranges_r", "vmin": LOUD, "vmax": SILENT}
    measures: tuple[tuple[str, Callable[[LayerDiagnosis], Any], dict[str, Any]], ...] = (
        ("additions swamped", lambda x: x.swamped, share),
        ("outputs overflowed", lambda x: x.overflowed, share),
        ("mass lost", lambda x: x.counts.lost_mass, share),
        ("layer's SQNR, dB", lambda x: x.sqnr_db, noise),
    )
    for axes, (title, measure, colours) in zip(panels, measures, strict=True):
        grid = [[measure(unit.layers[i]) for unit in found.units] for i in range(count)]
        _heat(axes, title, grid, colours)
        axes.set_xticks(range(units), [str(i + 1) for i in range(units)])
    panels[0].set_yticks(range(count), [short(name) for name in names])
    legend = "\n".join(f"{i}  {short(unit.unit, 90)}" for i, unit in enumerate(found.units, 1))
    figure.supxlabel(legend, fontsize=8)
    figure.suptitle(f"{found.model}: what each layer's accumulator loses", fontsize=11)
    return figure


def _heat(axes: Axes, title: str, grid: list[list[Any]], colours: dict[str, Any]) -> None:
    """Colours by the logarithm of shares, or by decibels; the numbers stand in the cells."""
    decibels = "dB" in title
    values = np.array([[_shade(x, decibels) for x in row] for row in grid], float)
    axes.imshow(np.ma.masked_invalid(values), aspect="auto", **colours)
    for i, row in enumerate(grid):
        for j, value in enumerate(row):
            shade = _depth(values[i, j], colours) if math.isfinite(values[i, j]) else 0.0
            dark = (1.0 - shade if decibels else shade) > 0.55
            text = _decibels(value) if decibels else _percent(value)
            axes.text(
                j, i, text, ha="center", va="center", fontsize=7,
                color="white" if dark else "black",
            )  # fmt: skip
    axes.set_title(title if decibels else f"{title}, %", fontsize=9)
    axes.tick_params(labelsize=8, length=0)
    axes.spines[:].set_visible(False)


def _depth(value: float, colours: dict[str, Any]) -> float:
    """Where a value lies among the colours: 0 to 1."""
    low, high = float(colours["vmin"]), float(colours["vmax"])
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _shade(value: float | None, decibels: bool) -> float:
    if value is None:
        return math.nan
    if decibels:
        return min(max(value, LOUD), SILENT)
    return math.log10(value) if value > 0 else math.nan


def _percent(share: float) -> str:
    if not share:
        return "0"
    if share < 1e-4:
        return "<.01"
    return f"{100 * share:.2g}" if share < 0.995 else "100"


def _decibels(value: float | None) -> str:
    if value is None:
        return "-"
    return {math.inf: "exact", -math.inf: "Inf"}.get(value, f"{value:.0f}")


def draw_growth(found: UnitDiagnosis) -> Figure:
    """A row per layer: sums against k, what vanished along k, exponents of products and sums."""
    layers = [layer for layer in found.layers if layer.growth]
    height = 1.1 + 1.6 * max(1, len(layers))
    figure = Figure(figsize=(11, height), dpi=100)
    # Set by hand: a constrained layout of so many panels takes seconds.
    figure.subplots_adjust(0.08, 0.5 / height, 0.99, 1 - 0.6 / height, 0.2, 0.28)
    panels = figure.subplots(max(1, len(layers)), 3, squeeze=False)
    for row, layer in zip(panels, layers, strict=False):
        _sums(row[0], layer)
        _shares(row[1], layer)
        _exponents(row[2], layer)
        for axes in row:
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=7)
    if layers:
        for axes, title in zip(
            panels[0],
            ("|sum| of the first k products", "additions that lost", "exponents (2^e ≤ |x|)"),
            strict=True,
        ):
            axes.set_title(title, fontsize=9)
            axes.legend(fontsize=6.5, frameon=False)
        for axes in panels[-1][:2]:
            axes.set_xlabel("k", fontsize=8)
    figure.suptitle(found.unit, fontsize=11, y=1 - 0.12 / height)
    return figure


def _sums(axes: Axes, layer: LayerDiagnosis) -> None:
    """Median, 99 % and largest |sum|, on the unit and without error; the format's end."""
    k = [point.k for point in layer.growth]
    for place, (label, style) in enumerate((("median", "-"), ("99 %", "--"), ("largest", ":"))):
        axes.plot(
            k, [p.exact[place] for p in layer.growth], color=EXACT, lw=3, ls=style, alpha=0.6,
            label="exact" if place == 0 else None,
        )  # fmt: skip
        axes.plot(k, [p.sums[place] for p in layer.growth], style, color=SUMS, lw=1.3, label=label)
    axes.set_xscale("log", base=2)
    top = max((p.exact[2] for p in layer.growth), default=0.0)
    if top > 0:
        axes.set_yscale("symlog", linthresh=max(top * 1e-3, 1e-300))
        axes.set_ylim(bottom=0)
        end = float(parse_unit(layer.report.unit).outer_format.largest)
        if end < 30 * top:
            axes.axhline(end, color=OVERFLOW, lw=1, label="largest value")
    axes.set_ylabel(short(layer.name, 24), fontsize=8)


def _shares(axes: Axes, layer: LayerDiagnosis) -> None:
    """Shares of the additions between two points, as steps over k."""
    edges = [0.7, *(point.k for point in layer.growth)]
    full = [100 * point.swamped for point in layer.growth]
    both = [100 * (point.swamped + point.partly) for point in layer.growth]
    over = [100 * point.overflowed for point in layer.growth]
    axes.stairs(both, edges, fill=True, color=PARTLY, label="some bits")
    axes.stairs(full, edges, fill=True, color=SWAMPED, label="all: swamped")
    if any(over):
        axes.stairs(over, edges, color=OVERFLOW, lw=1.5, label="overflowed")
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, max(1.0, *both, *over) * 1.08)
    axes.set_ylabel("%", fontsize=7)


def _exponents(axes: Axes, layer: LayerDiagnosis) -> None:
    """Histograms, as shares; grey is beyond what the accumulator's format has."""
    for counts, colour, label in (
        (layer.products, PRODUCTS, "products"),
        (layer.sums, SUMS, "final sums"),
    ):
        total = max(1, sum(counts.values()))
        heights = [100 * n / total for n in counts.values()]
        axes.bar(list(counts), heights, 0.9, color=colour, alpha=0.65, label=label)
    seen = [*layer.products, *layer.sums]
    if seen:
        low, high = _range(parse_unit(layer.report.unit).accumulator)
        left, right = min(seen) - 1.5, max(seen) + 1.5
        for start, end in ((left, min(low - 0.5, right)), (max(high + 0.5, left), right)):
            if end > start:
                axes.axvspan(start, end, color="0.9", zorder=0)
        axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("%", fontsize=7)


def _range(fmt: Format) -> tuple[int, int]:
    """Exponents of a format's smallest (normal) and largest values."""
    smallest = (
        2.0**fmt.quantum_exponent
        if isinstance(fmt, FixedFormat)
        else float(getattr(fmt, "smallest_normal", fmt.largest))
    )
    return math.frexp(smallest)[1] - 1, math.frexp(float(fmt.largest))[1] - 1
