"""A sweep as a table that fits a terminal of 100 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from hwsim.sweeps.rows import Row
from hwsim.sweeps.summary import Standing, format_value

HEADINGS = {
    "accuracy": "accuracy %",
    "bits_per_character": "bits/char",
    "sqnr_db": "SQNR dB",
}


def make_table(ranked: Sequence[Standing]) -> Table:
    """Units by energy: quality per task, SQNR, swamping, overflow, energy, area.

    A star marks the Pareto front, ``x`` a collapse; the reason stands under the unit's name.
    """
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("", width=1)
    # Reasons stand under the names and must not widen their column: they fold instead.
    names = max(len(standing.unit) for standing in ranked)
    table.add_column("unit", width=min(max(names, 36), 40), overflow="fold")
    tasks = [(row.task, row.metric) for row in ranked[0].rows]
    for task, metric in tasks:
        table.add_column(f"{task}\n{HEADINGS[metric]}", justify="right", no_wrap=True)
    noise = () if all(metric == "sqnr_db" for _, metric in tasks) else ("SQNR\ndB",)
    for heading in (*noise, "swamped\n%", "overflow\n%", "energy\n/fp32", "area\nµm²"):
        table.add_column(heading, justify="right", no_wrap=True)
    for standing in ranked:
        table.add_row(*_cells(standing, bool(noise)), style=_style(standing))
        if standing.collapsed:
            table.add_row("", Text(f"  {standing.note}", style="red"))
    return table


def _cells(s: Standing, with_noise: bool) -> list[str | Text]:
    mark = "x" if s.collapsed else "★" if s.pareto else ""
    noise = [row.sqnr_db for row in s.rows if row.sqnr_db is not None]
    area = s.rows[0].area_um2
    return [
        mark,
        s.unit,
        *(_value(row) for row in s.rows),
        *([_decibels(min(noise)) if noise else "-"] if with_noise else []),
        percent(s.swamped),
        percent(s.overflowed),
        f"{s.energy_ratio:.3f}",
        "-" if area is None else f"{area:.0f}",
    ]


def _value(row: Row) -> Text:
    style = "red" if row.collapsed else "yellow" if not row.within else ""
    return Text(format_value(row), style=style)


def _style(s: Standing) -> str:
    return "bold" if s.pareto and not s.collapsed else ""


def _decibels(value: float) -> str:
    return "exact" if value == math.inf else "nan" if math.isnan(value) else f"{value:.1f}"


def percent(share: float) -> str:
    """A share in per cent: enough digits to tell a little from nothing."""
    percent = 100 * share
    if percent == 0:
        return "0"
    return f"{percent:.1f}" if percent >= 0.1 else "<0.1"
