"""The picture of a network's activity: energy on random operands against that by data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from hwsim.networks.drawing import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsim.switching.report import NetworkActivity

RANDOM, DATA = "#BBBBBB", "#0072B2"
RATES = (("a", "#009E73"), ("b", "#E69F00"), ("product", "#CC79A7"), ("sums", "#56B4E9"))


def draw_layers(found: NetworkActivity) -> Figure:
    """Left: both energies of every layer, and their ratio; right: bits that switch."""
    height = 1.9 + 0.42 * max(1, len(found.layers))
    figure = Figure(figsize=(11, height), layout="constrained")
    energy, rates = figure.subplots(1, 2, sharey=True)
    _energies(energy, found)
    _rates(rates, found)
    energy.invert_yaxis()
    for axes in (energy, rates):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(9)
    figure.suptitle(_title(found), fontsize=11)
    return figure


def _title(found: NetworkActivity) -> str:
    if not found.layers:
        return f"{found.model}: nothing is counted"
    first = found.layers[0][1]
    units = {layer.unit for _, layer in found.layers}
    unit = short(first.unit, 60) if len(units) == 1 else f"{len(units)} units"
    return (
        f"{found.model} on {unit}, {first.stationary}-stationary, gating {first.gating}: "
        f"{found.ratio:.2f} × random"
    )


def _energies(axes: Axes, found: NetworkActivity) -> None:
    places = range(len(found.layers))
    random = [layer.energy.random_pj * 1e-6 for _, layer in found.layers]
    data = [layer.energy.data_pj * 1e-6 for _, layer in found.layers]
    axes.barh([p - 0.2 for p in places], random, 0.38, color=RANDOM, label="on random operands")
    axes.barh([p + 0.2 for p in places], data, 0.38, color=DATA, label="by data")
    for place, (_, layer) in enumerate(found.layers):
        text = f" {layer.ratio:.2f} ×"
        axes.text(layer.energy.data_pj * 1e-6, place + 0.2, text, va="center", fontsize=7)
    axes.set_yticks(list(places), [short(name) for name, _ in found.layers])
    axes.set_xlabel("energy of the arithmetic, µJ")
    axes.set_xlim(0, 1.12 * max([*random, *data], default=1.0) or 1.0)
    axes.legend(fontsize=7, frameon=False)


def _rates(axes: Axes, found: NetworkActivity) -> None:
    for place, (name, colour) in enumerate(RATES):
        heights = [100 * layer.rates[name] for _, layer in found.layers]
        at = [p - 0.3 + 0.2 * place for p in range(len(heights))]
        axes.barh(at, heights, 0.18, color=colour, label=name)
    axes.set_xlim(0, 66)
    axes.axvline(50, color="0.6", lw=1, ls=":", zorder=0)
    axes.set_xlabel("bits that switch each time, %  (random words: 50)")
    axes.legend(fontsize=7, frameon=False, loc="lower right")
