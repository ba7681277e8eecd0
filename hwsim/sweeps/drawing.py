"""The picture of a sweep: quality against energy, one panel per task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from hwsim.sweeps.rows import Row
from hwsim.sweeps.summary import Standing

if TYPE_CHECKING:
    from hwsim.sweeps.result import Sweep

# Okabe and Ito 2008: eight colours that everybody can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999")
LABELS = {
    "accuracy": "accuracy, %",
    "bits_per_character": "bits per character (lower is better)",
    "sqnr_db": "SQNR of the outputs, dB",
}


def draw(result: Sweep) -> Figure:
    """A figure with one panel per task and a numbered legend of the units."""
    ranked = result.standings
    tasks = list(dict.fromkeys(row.task for row in result.rows))
    figure = Figure(figsize=(4.6 * len(tasks) + 3.2, 5.0), layout="constrained")
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    numbers = {s.unit: i for i, s in enumerate(ranked, 1)}
    colours = _colours(ranked)
    for axes, task in zip(panels, tasks, strict=True):
        rows = {s.unit: row for s in ranked for row in s.rows if row.task == task}
        _panel(axes, task, rows, numbers, colours)
    _legend(figure, ranked, numbers, colours)
    return figure


def _colours(ranked: tuple[Standing, ...]) -> dict[str, str]:
    """One colour for every pair of operand formats."""
    operands = [s.unit.partition("+")[0] for s in ranked]
    order = {name: i for i, name in enumerate(dict.fromkeys(operands))}
    return {
        s.unit: COLOURS[order[name] % len(COLOURS)]
        for s, name in zip(ranked, operands, strict=True)
    }


def _panel(
    axes: Any, task: str, rows: dict[str, Row], numbers: dict[str, int], colours: dict[str, str]
) -> None:
    first = next(iter(rows.values()))
    scale = 100 if first.metric == "accuracy" else 1
    bar = (first.baseline_stderr or 0.0) * scale
    base = first.baseline * scale
    if math.isfinite(base):
        top = min(base + bar, 100.0) if first.metric == "accuracy" else base + bar
        axes.axhspan(base - bar, top, color="0.88", zorder=0)
        axes.axhline(base, color="0.6", lw=0.8, zorder=1)
        axes.annotate(
            "float32", (0, base), xycoords=("axes fraction", "data"), xytext=(3, 2),
            textcoords="offset points", ha="left", va="bottom", fontsize=8, color="0.4",
        )  # fmt: skip
    shown = [(unit, row) for unit, row in rows.items() if math.isfinite(row.value)]
    front = _front([row for _, row in shown])
    axes.step(
        [r.energy_ratio for r in front], [r.value * scale for r in front],
        where="post", color="0.5", lw=1, ls="--", zorder=1,
    )  # fmt: skip
    for unit, row in shown:
        point = (row.energy_ratio, row.value * scale)
        face = "white" if row.collapsed else colours[unit]
        axes.plot(*point, "o", ms=7, mfc=face, mec=colours[unit], zorder=3)
    _number_points(axes, shown, numbers, scale)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(_some_minor))
    axes.set(title=task, xlabel="MAC energy / fp32's", ylabel=LABELS[first.metric])
    axes.tick_params(axis="x", which="both", length=4)
    axes.grid(True, which="major", color="0.93")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _number_points(
    axes: Any, shown: list[tuple[str, Row]], numbers: dict[str, int], scale: float
) -> None:
    """Number the points; those that would cover each other fan out above and below."""
    values = [row.value * scale for _, row in shown]
    height = (max(values) - min(values)) or 1.0
    placed: list[tuple[float, float, int]] = []
    for unit, row in sorted(shown, key=lambda item: item[1].energy_ratio):
        x, y = math.log10(row.energy_ratio), row.value * scale
        near = [p for p in placed if abs(p[0] - x) < 0.09 and abs(p[1] - y) < 0.06 * height]
        level = next(i for i in range(99) if i not in {p[2] for p in near})
        placed.append((x, y, level))
        step = (level // 2 + 1) * (1 if level % 2 == 0 else -1)
        axes.annotate(
            str(numbers[unit]), (row.energy_ratio, y), xytext=(0, 10 * step - 3),
            textcoords="offset points", ha="center", fontsize=8,
        )  # fmt: skip


def _front(rows: list[Row]) -> list[Row]:
    """Rows that no cheaper row equals, by rising energy."""
    lower_is_better = bool(rows) and rows[0].metric == "bits_per_character"
    best, front = math.inf, []
    for row in sorted(rows, key=lambda r: (r.energy_ratio, r.value)):
        value = row.value if lower_is_better else -row.value
        if value < best:
            best = value
            front.append(row)
    return front


def _legend(
    figure: Figure, ranked: tuple[Standing, ...], numbers: dict[str, int], colours: dict[str, str]
) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], ls="", marker="o", ms=6, mec=colours[s.unit],
            mfc="white" if s.collapsed else colours[s.unit],
            label=f"{numbers[s.unit]}  {s.unit}" + ("  (collapsed)" if s.collapsed else ""),
        )
        for s in ranked
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside right upper", fontsize=8, frameon=False,
        title="units, cheapest first", title_fontsize=9, alignment="left",
    )  # fmt: skip


def _some_minor(x: float, _: int | None) -> str:
    """Labels at 2 and 5 of each decade."""
    return f"{x:g}" if str(f"{x:e}")[0] in "25" else ""
