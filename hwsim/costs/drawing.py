"""Pictures of cost models: predicted against published, and how parts grow with their bits."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwsim.costs.comparing import Benchmark
from hwsim.costs.synthesis import Netlist, exponent, part_netlists, square_parts, unit_netlists

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
        _within_a_quarter(axes, [p.anchor.energy_pj for p in found.predictions])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("published, pJ", fontsize=9)
    left.set_ylabel("predicted, pJ (grey: within 25 %)", fontsize=9)
    left.legend(fontsize=8, frameon=False)
    return figure


def draw_growth() -> Figure:
    """Transistors of adders and multipliers against bits: netlists, and the model."""
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, part in enumerate(("adder", "multiplier")):
        own = [n for n in square_parts(least=2) if n.kind == part]
        bits = [n.bits[0] for n in own if n.bits]
        power = exponent([(b, n.transistors) for b, n in zip(bits, own, strict=True) if b >= 4])
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


def draw_netlists() -> Figure:
    """The model against every netlist: transistors on the left, levels of gates on the right."""
    figure = Figure(figsize=(10.5, 4.8), layout="constrained")
    axes = figure.subplots(1, 2)
    groups: dict[str, list[Netlist]] = {}
    for netlist in (*part_netlists(), *unit_netlists()):
        groups.setdefault("integer parts" if netlist.bits else netlist.kind, []).append(netlist)
    for place, (size, model), title in (
        (axes[0], ("transistors", "modelled"), "transistors (grey: within 25 %)"),
        (axes[1], ("depth", "modelled_depth"), "levels of gates (grey: within 25 %)"),
    ):
        for number, (name, own) in enumerate(groups.items()):
            x, y = [getattr(n, size) for n in own], [getattr(n, model) for n in own]
            place.plot(x, y, MARKERS[number], ms=5, alpha=0.7, color=COLOURS[number], label=name)
        _within_a_quarter(place, [getattr(n, size) for own in groups.values() for n in own])
        place.set_title(title, fontsize=10)
        place.set_xlabel("Yosys", fontsize=9)
    axes[0].set_ylabel("the model", fontsize=9)
    axes[0].legend(fontsize=8, frameon=False)
    return figure


def _within_a_quarter(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic axes, the diagonal, and a quarter on both sides of it."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.spines[["top", "right"]].set_visible(False)
    if values:
        ends = (min(values) / 2, max(values) * 2)
        low, high = [x / 1.25 for x in ends], [x * 1.25 for x in ends]
        axes.plot(ends, ends, color="0.6", lw=1, zorder=0)
        axes.fill_between(ends, low, high, color="0.93", zorder=-1)
