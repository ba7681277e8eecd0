"""What a sweep says: units ranked over all tasks, the Pareto front, and three sentences."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import le

from hwsim.sweeps.rows import YARDSTICK, Row


@dataclass(frozen=True)
class Standing:
    """One unit over all tasks of a sweep.

    rows : one per task.  energy_ratio : arithmetic energy over fp32's, all tasks together.
    pareto : no other unit costs as little or less and is as good or better on every task.
    """

    unit: str
    rows: tuple[Row, ...]
    energy_ratio: float
    pareto: bool = False

    @property
    def marks(self) -> tuple[float, ...]:
        """Energy, and what it falls short of float32 by on each task: the less, the better."""
        return (self.energy_ratio, *(row.shortfall for row in self.rows))

    @property
    def bars_lost(self) -> float:
        """The worst shortfall of its tasks, in float32's error bars (SQNR: in dB)."""
        return max(row.shortfall / (row.baseline_stderr or 1.0) for row in self.rows)

    @property
    def within(self) -> bool:
        """Within float32's error bar on every task."""
        return all(row.within for row in self.rows)

    @property
    def collapsed(self) -> tuple[Row, ...]:
        """The rows that are nearer to guessing than to float32."""
        return tuple(row for row in self.rows if row.collapsed)

    @property
    def swamped(self) -> float:
        """Share of additions that lost their whole addend."""
        return _share(sum(r.swamped_full for r in self.rows), sum(r.additions for r in self.rows))

    @property
    def overflowed(self) -> float:
        """Share of outputs with an overflow anywhere in their sum."""
        return _share(sum(r.overflow_outputs for r in self.rows), sum(r.outputs for r in self.rows))

    @property
    def note(self) -> str:
        """Why it collapsed, or where it loses."""
        if self.collapsed:
            return f"collapsed: {self.collapsed[0].reason}"
        return next((row.reason for row in self.rows if not row.within), "")


def standings(rows: Sequence[Row]) -> tuple[Standing, ...]:
    """Units by rising energy; equal ones keep their order."""
    units = dict.fromkeys(row.unit for row in rows)
    found = []
    for unit in units:
        own = tuple(row for row in rows if row.unit == unit)
        pj = math.fsum(row.energy_mac_pj for row in own)
        yardstick = math.fsum(row.energy_mac_pj / row.energy_ratio for row in own)
        found.append(Standing(unit, own, pj / yardstick))
    ranked = sorted(found, key=lambda s: s.energy_ratio)
    return tuple(replace(s, pareto=_is_pareto(s, ranked)) for s in ranked)


def _is_pareto(one: Standing, all_of_them: Sequence[Standing]) -> bool:
    """No other unit is at least as good in every mark, and better in one."""
    return not any(
        other.marks != one.marks and all(map(le, other.marks, one.marks)) for other in all_of_them
    )


def sentences(ranked: Sequence[Standing], arguments: Mapping[str, str]) -> tuple[str, str, str]:
    """The cheapest unit within the error bar; what broke and why; what to type next.

    ``arguments``: how a command line names each task's model and data.
    """
    return _cheapest(ranked), _broken(ranked), _next(ranked, arguments)


def _cheapest(ranked: Sequence[Standing]) -> str:
    good = [s for s in ranked if s.within]
    bar = "30 dB" if ranked[0].rows[0].metric == "sqnr_db" else "fp32's error bar"
    if not good:
        return f"No unit stays within {bar}."
    best = good[0]
    share = f"{best.energy_ratio:.2g} of the MAC energy of {YARDSTICK}"
    return f"Cheapest within {bar}: {best.unit}, at {share}."


def _broken(ranked: Sequence[Standing]) -> str:
    broken = [s for s in ranked if s.collapsed]
    if not broken:
        lossy = [s for s in ranked if not s.within]
        if not lossy:
            return "Nothing broke: every unit stays within the error bar."
        worst = max(lossy, key=lambda s: s.bars_lost)
        return f"Nothing collapsed; {worst.unit} loses most ({worst.note})."
    # Of all that broke, the dearest unit surprises most.
    most = broken[-1]
    row = most.collapsed[0]
    others = f"; so did {len(broken) - 1} cheaper" if len(broken) > 1 else ""
    before = f" after {format_number(row.metric, row.baseline)} in float32"
    value = format_value(row) + (before if row.metric != "sqnr_db" else " dB")
    return f"{most.unit} collapsed on {row.task}, {value}, by {row.reason}{others}."


def _next(ranked: Sequence[Standing], arguments: Mapping[str, str]) -> str:
    subject = next((s for s in reversed(ranked) if s.collapsed), ranked[0])
    row = (subject.collapsed or subject.rows)[0]
    return f"Next: hwsim run {arguments[row.task]} --mac {shlex.quote(subject.unit)} --layers"


def format_value(row: Row) -> str:
    """A row's value with its unit and standard error, as in tables."""
    text = format_number(row.metric, row.value)
    if row.stderr is None or math.isnan(row.stderr):
        return text
    scale, digits = (100, 1) if row.metric == "accuracy" else (1, 2)
    return f"{text} ± {row.stderr * scale:.{digits}f}"


def format_number(metric: str, value: float) -> str:
    """A value of a metric: per cent for accuracy, two decimals for bits, one for decibels."""
    if metric == "accuracy":
        return f"{100 * value:.1f}"
    return f"{value:.2f}" if metric == "bits_per_character" else f"{value:.1f}"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
