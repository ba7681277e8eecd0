"""Pictures of cost models: predicted against published, and how parts grow with their bits."""

from __future__ import annotations

from matplotlib.figure import Figure

from hwsim.costs.comparing import Benchmark
from hwsim.costs.synthesis import exponent, netlists

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


def draw_growth() -> Figure:
    """Transistors of adders and multipliers against bits: netlists, and the model."""
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, part in enumerate(("adder", "multiplier")):
        own = [n for n in netlists() if n.part == part and n.a_bits == n.b_bits]
        bits = [n.a_bits for n in own]
        power = exponent([(n.a_bits, n.transistors) for n in own if n.a_bits >= 4])
        label = f"{part}, Yosys: grows as $b^{{{power:.2f}}}$ from 4 bits"
        axes.plot(bits, [n.transistors for n in own], MARKERS[number], ms=5,
                  color=COLOURS[number], label=label)  # fmt: skip
        axes.plot(bits, [n.modelled for n in own], color=COLOURS[number], lw=1,
                  label=f"{part}, the model")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("bits", fontsize=9)
    axes.set_ylabel("transistors", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
