"""The picture of a search: for every layer, how wide its accumulator must be by each measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hwsim.networks.drawing import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hwsim.accumulators.report import AccumulatorWidths, FamilyWidths

# Okabe and Ito 2008.
MEASURES = (
    ("worst_case", "no operands overflow", "s", "#999999"),
    ("weights", "these weights never overflow (A2Q)", "D", "#E69F00"),
    ("data", "this data does not overflow", "o", "#0072B2"),
    ("theory", "theory: variance retention", "^", "#CC79A7"),
    ("alone", "within the tolerance, alone", "|", "#000000"),
)
BAR, MOST_COLUMNS = "#9bd3c2", 3


def draw(found: AccumulatorWidths) -> Figure:
    """A panel per family; bars are the recommended widths."""
    columns = min(MOST_COLUMNS, len(found.families))
    rows = -(-len(found.families) // columns)
    layers = len(found.families[0].layers)
    size = (3.2 + 3.3 * columns, 1.3 + rows * (1.0 + 0.27 * layers))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, family in zip(panels.flat, found.families, strict=False):
        _panel(axes, family)
    panels[0][0].invert_yaxis()
    for axes in list(panels.flat)[len(found.families) :]:
        axes.remove()
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(3, columns + 1),
        fontsize=8,
        frameon=False,
    )
    figure.suptitle(f"{found.model}: how wide each accumulator must be", fontsize=11)
    return figure


def _panel(axes: Axes, family: FamilyWidths) -> None:
    places = range(len(family.layers))
    widths = [layer.width for layer in family.layers]
    axes.barh(places, widths, 0.62, color=BAR, label="recommended, all layers together")
    for name, label, marker, colour in MEASURES:
        found = [getattr(layer, name) for layer in family.layers]
        known = [(width, place) for place, width in enumerate(found) if width is not None]
        size = 90 if marker == "|" else 22
        axes.scatter(
            [w for w, _ in known], [p for _, p in known], size, color=colour, marker=marker,
            label=label, zorder=3,
        )  # fmt: skip
    saved = 100 * (1 - family.energy_pj / family.widest_energy_pj) if family.widest_energy_pj else 0
    axes.set_title(f"{family.family}\n{saved:.0f} % of the widest one's energy saved", fontsize=9)
    axes.set_yticks(list(places), [short(layer.layer) for layer in family.layers])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(left=0)
    what = {"m*": "fraction bits", "int*": "bits"}
    label = next((name for mark, name in what.items() if mark in family.family), "starred number")
    axes.set_xlabel(label, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
