"""The pictures of docs/findings.md: `docs/draw.py` writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product
from types import MappingProxyType
from typing import Any

import findings  # beside this script
import findings_sums as sums
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from hwsim import theory
from hwsim.networks import evaluate
from hwsim.sweeps.drawing import COLOURS

GREY = "0.75"
LOGS = {"x": 2, "y": 10}


def draw_cliff() -> Figure:
    """Left: bits per character against the accumulator's width; right: outputs outside."""
    figure, (left, right) = panels()
    for rule, name, colour in zip(findings.RULES, ("wraps", "saturates"), COLOURS, strict=False):
        found = [findings.cliff()[f"int8xint8+int{bits}{rule}"] for bits in findings.WIDTHS]
        values = [score.value for score, _ in found]
        errors = [score.stderr for score, _ in found]
        shown = {"color": colour, "ms": 5, "lw": 1.6, "label": name}
        left.errorbar(findings.WIDTHS, values, errors, fmt="o-", capsize=2, **shown)
        seen = [report.telemetry for _, report in found]
        shares = [100 * counts.out_of_range / counts.outputs for counts in seen if counts]
        some = sum(share > 0 for share in shares)
        right.plot(findings.WIDTHS[:some], shares[:some], "o-", **shown)
    _levels(left)
    finish(left, title="bits per character of char-lm", xlabel="bits of the accumulator")
    finish(right, {"y": 10}, title="outputs outside the range, %", xlabel="bits of the accumulator")
    right.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    right.axvspan(17.4, left.get_xlim()[1], color="0.96", zorder=0)
    right.text(18.9, 1, "none", ha="center", va="center", color="0.4")
    right.set_xlim(left.get_xlim())
    left.set_ylim(0)
    left.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def _levels(axes: Any) -> None:
    """Lines at what float32 and what guessing give."""
    network, data, labels = findings.model()
    logits = network.baseline(data)
    native = evaluate(logits, labels, None).value
    classes = next(iter(logits.values())).shape[-1]
    for level, word in ((math.log2(classes), "guessing"), (native, "float32")):
        axes.axhline(level, color=GREY, lw=1, ls="--", zorder=0)
        axes.text(20.2, level - 0.15, word, ha="right", va="top", fontsize=8, color="0.4")


def draw_wang() -> Figure:
    """Left: relative error against the numbers added; right: the sums themselves."""
    figure, (left, right) = panels()
    for option, colour in zip(sums.OPTIONS, COLOURS, strict=False):
        shown = {"color": colour, "ms": 3.5, "lw": 1.6, "label": option[1:] or "nearest"}
        errors = [100 * sums.wang_error(option, n) for n in sums.ADDED]
        left.plot(sums.ADDED, errors, "o-", **shown)
        if option in ("", ":sr16", ":chunk8", ":chunk64"):
            means = [float(np.mean(sums.added(option, n))) for n in sums.ADDED]
            right.plot(sums.ADDED, means, "o-", **shown)
    right.plot(sums.ADDED, sums.ADDED, color="0.85", lw=6, zorder=0)
    right.axhline(4096, color=GREY, lw=1, ls="--", zorder=0)
    right.text(sums.ADDED[0], 4400, "4096", fontsize=8, color="0.4")
    finish(left, LOGS, title="mean |error| of 50 sums in e6m9, %", xlabel="numbers added")
    finish(right, LOGS, title="mean of the sums (grey: exact)", xlabel="numbers added")
    left.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def draw_chunks() -> Figure:
    """Mean error against the length of a chunk, for two K and two kinds of data."""
    figure, both = panels()
    for axes, signs in zip(both, sums.SIGNS, strict=True):
        for terms, style in zip(sums.TERMS, ("-", "--"), strict=True):
            axes.axvline(theory.best_chunk(terms), color=GREY, lw=1, ls=style, zorder=0)
            for fmt, colour in zip(sums.NARROW, COLOURS, strict=False):
                means = {n: mean for n, (mean, _) in sums.chunk_errors(signs, terms, fmt).items()}
                best, _ = sums.best_chunk(signs, terms, fmt)
                axes.plot(list(means), list(means.values()), style, color=colour, lw=1.6)
                axes.plot(best, means[best], "o", color=colour, ms=6)
        lengths = list(sums.chunk_errors(signs, 4096, "e6m9"))
        bound = [sums.first_order(4096, n, "e6m9") for n in lengths]
        axes.plot(lengths, bound, ":", color=COLOURS[1], lw=1.6)
        finish(axes, LOGS, title=f"{signs}: mean |error| / Σ|a·b|", xlabel="length of a chunk")
    lines = [Line2D([], [], color=x, lw=1.6) for x in COLOURS[: len(sums.NARROW)]]
    lines += [Line2D([], [], color="0.4", ls=style) for style in ("-", "--")]
    lines += [Line2D([], [], color=COLOURS[1], ls=":")]
    names = [*sums.NARROW, *(f"K = {terms}" for terms in sums.TERMS), "bound, e6m9, K = 4096"]
    figure.legend(lines, names, frameon=False, fontsize=8, ncols=6, loc="outside lower center")
    return figure


def draw_tensor() -> Figure:
    """Largest error against K; and at K = 4096, against the products between promotions."""
    figure, (left, right) = panels(sharey=True)
    for (unit, colour), (signs, style) in product(
        zip(sums.TENSOR, COLOURS, strict=False), zip(sums.SIGNS, ("-", "--"), strict=True)
    ):
        errors = [sums.tensor_error(unit, signs, depth) or math.nan for depth in sums.DEPTHS]
        left.plot(sums.DEPTHS, errors, style, color=colour, lw=1.6, marker="o", ms=3.5)
    right.axvline(128, color=GREY, lw=1, zorder=0)
    for signs, style in zip(sums.SIGNS, ("-", "--"), strict=True):
        errors = sums.promotion_errors(signs)
        right.plot(sums.PROMOTIONS, errors, style, color=COLOURS[1], lw=1.6, marker="o", ms=3.5)
    lines = [Line2D([], [], color=x, lw=1.6) for x in COLOURS[: len(sums.TENSOR)]]
    lines += [Line2D([], [], color="0.4", ls=style) for style in ("-", "--")]
    left.legend(lines, [*sums.TENSOR, *sums.SIGNS], frameon=False, fontsize=8, ncols=2)
    finish(left, LOGS, title="largest |error| / Σ|a·b| of 4096 outputs", xlabel="K")
    finish(right, LOGS, title="the same at K = 4096", xlabel="products between promotions")
    return figure


def draw_harmonic() -> Figure:
    """Sums of the harmonic series against k, and where each sticks."""
    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    axes = figure.subplots()
    ks = sorted({round(2 ** (i / 8)) for i in range(22 * 8 + 1)})
    exact = [math.log(k) + sums.GAMMA + 1 / (2 * k) for k in ks]
    axes.plot(ks, exact, color="0.85", lw=6, zorder=0, label="exact: ln k + γ")
    for fmt, colour in zip(sums.HARMONIC, COLOURS, strict=False):
        axes.plot(ks, sums.harmonic(fmt, ks), color=colour, lw=1.6, label=fmt)
        total, k = sums.sticks(fmt)
        axes.plot(k, total, "o", color=colour, ms=6)
        at, up = (ks[-1], total + 0.1) if k < 1000 else (k, total + 0.4)
        axes.text(at, up, f"{total:.8g} from k = {k}", ha="right", fontsize=8, color="0.3")
    finish(axes, {"x": 10}, title="1 + 1/2 + 1/3 + …, one by one", xlabel="k")
    axes.legend(frameon=False, fontsize=8)
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "cliff": draw_cliff,
    "wang": draw_wang,
    "chunks": draw_chunks,
    "promotion": draw_tensor,
    "harmonic": draw_harmonic,
}


def panels(sharey: bool = False) -> tuple[Figure, Any]:
    """A figure with two panels."""
    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    return figure, figure.subplots(1, 2, sharey=sharey)


def finish(axes: Any, logs: Mapping[str, int] = MappingProxyType({}), **labels: str) -> None:
    """Logarithms of some axes by their bases, labels, a light grid, no frame."""
    for axis, base in logs.items():
        getattr(axes, f"set_{axis}scale")("log", base=base)
    axes.set(**labels)
    axes.grid(True, color="0.93")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
