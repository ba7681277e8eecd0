"""The page and the picture of the comparison, made from its rows alone."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from peer_jobs import SIZE, Job, Verdict
from peer_rounders import CODES


@dataclass(frozen=True)
class Row:
    """One measured call.

    rate : millions of numbers or of multiply-accumulates per second.  hard, normal : verdicts on
    the two sets of inputs.  note : a footnote, if there is one.
    """

    job: Job
    library: str
    call: str
    rate: float
    hard: Verdict
    normal: Verdict
    note: str = ""


@dataclass(frozen=True)
class Speeds:
    """What NumPy did in the same run: copied numbers, and float32 MACs; millions per second."""

    copy: float
    gemm: float


HEADINGS = ("job", "call", "10⁶ / s", "wrong, hard", "wrong, normal", "what is wrong")


def page(rows: list[Row], about: str, speeds: Speeds) -> str:
    """The Markdown page; the docs include what follows the marker."""
    paragraph = (
        f"`make bench-peers` writes this. {about} In the same run NumPy copied "
        f"{number(speeds.copy)} million float32 numbers per second (`np.copyto`) and multiplied "
        f"{SIZE}×{SIZE} float32 matrices at {number(speeds.gemm)} million MACs per second."
    )
    return f"""# Peers

![Rates of the peers, and where they are wrong](../docs/pictures/peers.svg)

<!-- table -->

{textwrap.fill(paragraph, 100)}

{textwrap.fill(standing(rows), 100)}

{table(rows)}

{footnotes(rows)}
"""


def standing(rows: list[Row]) -> str:
    """Where a peer is faster than hwsim: codes held against codes, values against values.

    A call with a wrong result on hard or normal inputs is no contender.
    """
    contests, lost = 0, []
    for job, codes in dict.fromkeys((row.job, row.note == CODES) for row in rows):
        same = [r for r in rows if r.job == job and (r.note == CODES) is codes]
        ours = max((r.rate for r in same if r.library == "hwsim"), default=0.0)
        right = [r for r in same if r.library != "hwsim" and not r.hard.wrong + r.normal.wrong]
        best = max(right, key=lambda r: r.rate, default=None)
        contests += best is not None
        if best is not None and best.rate > ours:
            what = f"{job.title}{' in codes' if codes else ''}"
            lost.append(f"{what} ({best.library}, {best.rate / ours:.1f} times as fast)")
    won = f"{contests - len(lost)} of {contests}" if lost else f"all {contests}"
    return (
        f"Codes against codes and values against values, hwsim is the fastest in {won} contests "
        "with peers whose results are all right."
        + (f" It loses {', '.join(lost)}." if lost else "")
    )


def table(rows: list[Row]) -> str:
    """All rows, by job, the fastest first."""
    notes = _notes(rows)
    lines = [HEADINGS, ("---", "---", "---:", "---:", "---:", "---")]
    for job in dict.fromkeys(row.job for row in rows):
        same = sorted((r for r in rows if r.job == job), key=lambda r: -r.rate)
        title = _heading(same[0])
        for row in same:
            mark = f" ({notes.index(row.note) + 1})" if row.note else ""
            counts = (f"**{v.wrong:,}**" if v.wrong else "0" for v in (row.hard, row.normal))
            call = f"{row.library}: {row.call}{mark}"
            lines.append((title, call, number(row.rate), *counts, kinds(row)))
            title = ""
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _heading(row: Row) -> str:
    """The job, and how many inputs (of a product, outputs) are checked."""
    what = "product on" if row.job.is_product else "rounding to"
    checked = f"{row.hard.total:,} hard, {row.normal.total:,} normal"
    return f"{what}<br>**{row.job.title}**<br>{checked}"


def _notes(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.note for row in rows if row.note))


def footnotes(rows: list[Row]) -> str:
    """The notes that the table's marks refer to."""
    return "\n".join(f"- ({i}) {note}" for i, note in enumerate(_notes(rows), 1))


def number(rate: float) -> str:
    """Three digits are enough.

    >>> number(1234.5), number(23.45), number(2.345)
    ('1,230', '23.4', '2.35')
    """
    if rate >= 100:
        return f"{float(f'{rate:.3g}'):,.0f}"
    return f"{rate:.3g}"


def kinds(row: Row) -> str:
    """Kinds of wrong results over both sets, an example, and zeros of the wrong sign."""
    counted: dict[str, int] = {}
    for kind, count in (*row.hard.kinds, *row.normal.kinds):
        counted[kind] = counted.get(kind, 0) + count
    parts = [", ".join(f"{kind} {count:,}" for kind, count in counted.items())]
    parts.append(row.hard.example or row.normal.example)
    signs = row.hard.signs + row.normal.signs
    if signs:
        parts.append(f"sign of zero {signs:,} (not counted)")
    return "; ".join(part for part in parts if part)


# --- the picture ----------------------------------------------------------------------------------
COLOURS = {  # Okabe and Ito 2008
    "hwsim": "#0072B2",
    "NumPy": "#999999",
    "ml_dtypes": "#009E73",
    "gfloat": "#E69F00",
    "APyTypes": "#CC79A7",
    "pychop": "#56B4E9",
    "fxpmath": "#B8A800",
}
WRONG = "#C1272D"
BESIDE: dict[str, Any] = {
    "textcoords": "offset points",
    "va": "center",
    "fontsize": 7.5,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6},  # over the dashed line
}
SHOWN = ("e4m3", "e4m3ieee", "e5m2", "e6m9", "bf16", "fp16")


def picture(rows: list[Row], speeds: Speeds) -> Figure:
    """Bars of rate, logarithmic: six roundings, three products; wrong results in red."""
    figure = Figure(figsize=(11.5, 9.2), layout="constrained")
    panels = figure.subplots(3, 3, sharex="row")
    products = [job for job in dict.fromkeys(r.job for r in rows) if job.is_product]
    for axes, job in zip(panels.flat, [*_shown(rows), *products], strict=True):
        _axes(axes, job, speeds)
        calls = _calls(rows, job)
        _bars(axes, calls, [r for r in rows if r.job == job])
        names = [f"{library}: {call.replace('`', '')}" for library, call in calls]
        axes.set_yticks(range(len(calls)), names if axes in panels[:, 0] else [])
    for axes, text in zip(panels[1:].flat, ("numbers rounded",) * 3 + ("MACs",) * 3, strict=True):
        axes.set_xlabel(f"million {text} per second", fontsize=8.5)
    figure.suptitle(
        "One thread, one run; logarithmic. Dashed: np.copyto, float32 GEMM. "
        "Red: results on hard inputs that differ from the exact reference.",
        fontsize=10,
    )
    return figure


def _shown(rows: list[Row]) -> list[Job]:
    """One rounding to each format: to nearest, with the format's default overflow."""
    jobs = [j for j in dict.fromkeys(r.job for r in rows) if not j.is_product]
    nearest = {j.spec: j for j in reversed(jobs) if j.rounding == "rne"}
    return [nearest[spec] for spec in SHOWN]


def _calls(rows: list[Row], job: Job) -> list[tuple[str, str]]:
    """Library and call of every line of a panel: the same for all jobs of its kind."""
    same_kind = dict.fromkeys(
        (r.library, r.call) for r in rows if r.job.is_product is job.is_product
    )
    return sorted(same_kind, key=lambda call: list(COLOURS).index(call[0]))


def _axes(axes: Any, job: Job, speeds: Speeds) -> None:
    """An empty panel, with the baseline."""
    axes.set_title(job.title, fontsize=10)
    axes.set_xscale("log")
    axes.set_xlim(0.7, 2e6 if job.is_product else 2e5)
    axes.axvline(speeds.gemm if job.is_product else speeds.copy, color="0.6", lw=1, ls="--")
    axes.tick_params(axis="both", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _bars(axes: Any, calls: list[tuple[str, str]], rows: list[Row]) -> None:
    """A bar for every call that knows the job."""
    found = {(r.library, r.call): r for r in rows}
    for place, key in enumerate(calls):
        row = found.get(key)
        if row is None:
            missing = "–" if rows[0].job.is_product else "no such format"
            axes.text(0.85, place, missing, va="center", fontsize=7.5, color="0.6")
            continue
        wrong, colour = row.hard.wrong, COLOURS[row.library]
        axes.barh(place, row.rate, color=colour, edgecolor=WRONG if wrong else colour, lw=1.4)
        at = (row.rate, place)
        axes.annotate(number(row.rate), at, (4, 0), **BESIDE, color="0.15")
        if wrong:
            text = f"{wrong:,} of {row.hard.total:,} wrong"
            axes.annotate(text, at, (32, 0), **BESIDE, color=WRONG)
    axes.set_ylim(len(calls) - 0.4, -0.6)
