"""The pictures of the docs, drawn from real runs: ``python docs/draw.py`` writes docs/pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import hwsim
from hwsim.cli.sweeping import UNITS
from hwsim.costs import compare_models
from hwsim.costs.drawing import draw_comparison, draw_growth, draw_netlists
from hwsim.costs.models import benchmarked
from hwsim.costs.toggling import STREAMS, netlist_toggles
from hwsim.networks import shipped
from hwsim.testing import exact_products, multiplier_errors, product_table
from hwsim.testing.drawing import draw_errors

PICTURES = Path(__file__).parent / "pictures"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00")  # Okabe and Ito 2008
FORMATS = ("e5m2", "e4m3", "bf16", "e6m9", "fp16")
CHUNKS = ("", ":chunk8", ":chunk64", ":chunk256", ":chunk64/fp32")
LENGTHS = tuple(sorted({round(2 ** (i / 4)) for i in range(17 * 4 + 1)}))  # to 131072


def sums_of_ones(unit: str, lengths: tuple[int, ...] = LENGTHS) -> np.ndarray[Any, Any]:
    """What a unit makes of 1 + 1 + … + 1, for every length.

    All lengths are the rows of one product: row n has n ones, and then zeros, which add nothing.
    """
    ones = np.arange(max(lengths)) < np.array(lengths)[:, None]
    result = hwsim.matmul(ones, np.ones((max(lengths), 1)), unit)
    return np.asarray(result)[:, 0]


def plateaus() -> dict[str, np.ndarray[Any, Any]]:
    """Sums of ones in accumulators of ever more precision."""
    return {name: sums_of_ones(f"e2m1xe2m1+{name}") for name in FORMATS}


def chunked() -> dict[str, np.ndarray[Any, Any]]:
    """Sums of ones in a 1-6-9 accumulator, in chunks."""
    return {f"e6m9{chunk}": sums_of_ones(f"e2m1xe2m1+e6m9{chunk}") for chunk in CHUNKS}


def draw_swamping() -> Figure:
    """Two panels: plateaus by format, and what chunks do about them."""
    figure = Figure(figsize=(9.2, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, plateaus(), "one by one: stuck at 2^precision")
    _panel(right, chunked(), "in chunks: stuck at length · 2^precision")
    left.set_ylabel("what the accumulator holds")
    return figure


def _panel(axes: Any, curves: dict[str, np.ndarray[Any, Any]], title: str) -> None:
    axes.plot(LENGTHS, LENGTHS, color="0.75", lw=5, label="exact", zorder=0)
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=True):
        axes.plot(LENGTHS, curve, color=colour, lw=1.6, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set(title=title, xlabel="ones added")
    axes.grid(True, color="0.93")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def draw_sweep() -> Figure:
    """The picture of `hwsim sweep`."""
    results = [
        hwsim.sweep(zoo.model, zoo.evaluation, UNITS, name=zoo.name)
        for zoo in map(shipped, ("digits-cnn", "char-lm"))
    ]
    return (results[0] + results[1]).plot()


def draw_models() -> Figure:
    """The picture of `hwsim cost compare`."""
    return draw_comparison(compare_models(benchmarked()))


def draw_activity() -> Figure:
    """The picture of `hwsim activity`."""
    model = shipped("char-lm")
    return hwsim.network_activity(model.model, model.evaluation, "int8xint8+int32").plot()


def draw_toggles() -> Figure:
    """The model of switching against netlists."""
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot((0, 1.02), (0, 1.02), color="0.6", lw=1, zorder=0)
    axes.fill_between((0, 1.02), (-0.1, 0.92), (0.1, 1.12), color="0.94", zorder=-1)
    for stream, colour in zip(STREAMS, (*COLOURS, "#56B4E9"), strict=True):
        own = [t for t in netlist_toggles() if t.stream == stream]
        x, y = [t.ratio for t in own], [t.modelled for t in own]
        axes.plot(x, y, "o", color=colour, ms=6, alpha=0.8, label=stream)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_xlabel("netlist: switched, × the uniform stream's")
    axes.set_ylabel("model, likewise  (grey: within 0.1)")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    """Draw everything.  The SVGs carry no date and no random ids: same runs, same bytes."""
    import arraying  # beside this script
    import diagnosing
    import findings_drawn
    import generations

    mpl.rcParams["svg.hashsalt"] = "hwsim"
    PICTURES.mkdir(exist_ok=True)
    for name, draw in (
        ("swamping", draw_swamping),
        ("sweep", draw_sweep),
        ("generations", generations.draw),
        ("models", draw_models),
        ("parts", draw_growth),
        ("netlists", draw_netlists),
        ("array", arraying.draw_network),
        ("capacity", arraying.draw_capacity),
        ("activity", draw_activity),
        ("toggles", draw_toggles),
        *findings_drawn.PICTURES.items(),
    ):
        draw().savefig(PICTURES / f"{name}.svg", metadata={"Date": None})
    table = product_table("mitchell")
    figure = draw_errors(table, multiplier_errors("mitchell"), exact_products("mitchell"))
    figure.savefig(PICTURES / "mitchell.png", dpi=100, metadata={"Software": None})
    for name, figure in (
        ("heat", diagnosing.diagnosis().plot()),
        ("growth", diagnosing.growth().units[0].plot()),
        ("widths", diagnosing.widths().plot()),
    ):
        figure.savefig(PICTURES / f"{name}.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
