"""The picture of a comparison of cost models: predicted against published."""

from __future__ import annotations

from matplotlib.figure import Figure

from hwsim.costs.comparing import Benchmark

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw_comparison(found: Benchmark) -> Figure:
    """Left: predicted against published energy; right: the same for points held out."""
    figure = Figure(figsize=(10.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, title, name in (
        (left, "as shipped", "energy_pj"),
        (right, "each point left out of the fit", "held_out_pj"),
    ):
        for number, record in enumerate(found.records):
            points = [
                (p.anchor.energy_pj, getattr(p, name))
                for p in found.predictions
                if p.model == record.model and getattr(p, name) is not None
            ]
            look = {"color": COLOURS[number % 7], "marker": MARKERS[number % 7]}
            x, y = [p for p, _ in points], [q for _, q in points]
            axes.plot(x, y, ls="", ms=6, alpha=0.75, label=record.model, **look)
        published = [p.anchor.energy_pj for p in found.predictions]
        if published:
            ends = (min(published) / 2, max(published) * 2)
            axes.plot(ends, ends, color="0.6", lw=1, zorder=0)
            axes.fill_between(
                ends, [x / 1.25 for x in ends], [x * 1.25 for x in ends], color="0.93", zorder=-1
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("published, pJ", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylabel("predicted, pJ (grey: within 25 %)", fontsize=9)
    left.legend(fontsize=8, frameon=False)
    return figure
