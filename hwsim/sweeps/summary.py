"""What a sweep says: units ranked over all tasks, the Pareto front, and three sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwsim.sweeps.rows import YARDSTICK, Row


@dataclass(frozen=True)
class Standing:
    """One unit over all tasks of a sweep.

    rows : one per task.  energy_ratio : arithmetic energy over fp32's, all tasks together.
    loss : summed over the tasks (`Row.loss`).  pareto : no other unit is cheaper and as good.
    """

    unit: str
    rows: tuple[Row, ...]
    energy_ratio: float
    loss: float
    pareto: bool = False

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
        loss = math.fsum(row.loss for row in own)
        found.append(Standing(unit, own, pj / yardstick, math.inf if math.isnan(loss) else loss))
    ranked = sorted(found, key=lambda s: s.energy_ratio)
    return tuple(
        Standing(s.unit, s.rows, s.energy_ratio, s.loss, _is_pareto(s, ranked)) for s in ranked
    )


def _is_pareto(one: Standing, all_of_them: Sequence[Standing]) -> bool:
    """No other unit is at least as good in both energy and loss, and better in one."""
    mine = (one.energy_ratio, one.loss)
    others = ((s.energy_ratio, s.loss) for s in all_of_them)
    return not any(e <= mine[0] and q <= mine[1] and (e, q) != mine for e, q in others)


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
        worst = max(lossy, key=lambda s: s.loss)
        return f"Nothing collapsed; {worst.unit} loses most ({worst.note})."
    # Of all that broke, the dearest unit surprises most.
    most = broken[-1]
    row = most.collapsed[0]
    others = f"; so did {len(broken) - 1} cheaper" if len(broken) > 1 else ""
    return (
        f"{most.unit} collapsed on {row.task}, {format_value(row)} after "
        f"{format_number(row.metric, row.baseline)} in float32, by {row.reason}{others}."
    )


def _next(ranked: Sequence[Standing], arguments: Mapping[str, str]) -> str:
    subject = next((s for s in reversed(ranked) if s.collapsed), ranked[0])
    row = (subject.collapsed or subject.rows)[0]
    return f"Next: hwsim run {arguments[row.task]} --mac {subject.unit} --layers"


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
