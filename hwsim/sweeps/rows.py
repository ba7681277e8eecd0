"""One row of a sweep: a network, a unit, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hwsim import costs
from hwsim.networks import LayerError, LayerReport, Score, is_within
from hwsim.units import MacUnit, Telemetry, parse_unit

# The stable columns of results.csv.
COLUMNS = (
    "task",
    "unit",
    "metric",
    "value",
    "stderr",
    "nll",
    "sqnr_db",
    "macs",
    "swamped_full",
    "swamped_partial",
    "overflow",
    "energy_mac_pj",
    "energy_memory_pj",
    "area_um2",
    "seconds",
)
YARDSTICK = "fp32xfp32+fp32"  # what energies are compared with


@dataclass(frozen=True)
class Row:
    """A unit on a task.

    metric, value, stderr : accuracy (share), bits_per_character or sqnr_db, and the standard
    error of value.  nll : nats per label.  sqnr_db : of the logits against float32.
    macs : multiplications; swamped_full, swamped_partial : additions that lost all or part of
    their addend.  overflow : roundings that overflowed (products, sums, outputs).
    energy_mac_pj : arithmetic of the whole run, never a chip's energy; energy_memory_pj :
    operand traffic in the cost model's memory; area_um2 : of one unit, the largest if layers have
    several.  seconds : simulation.
    baseline, baseline_stderr : of the float32 model.  within : value lies within its error bar.
    collapsed : more than half of the way to guessing.  reason : what broke, and where.
    additions, outputs, overflow_outputs : what the counts are shares of.
    energy_ratio : energy_mac_pj over that of `YARDSTICK`.
    """

    task: str
    unit: str
    metric: str
    value: float
    stderr: float | None
    nll: float | None
    sqnr_db: float | None
    macs: int
    swamped_full: int
    swamped_partial: int
    overflow: int
    energy_mac_pj: float
    energy_memory_pj: float | None
    area_um2: float | None
    seconds: float
    baseline: float = math.nan
    baseline_stderr: float | None = None
    within: bool = True
    collapsed: bool = False
    reason: str = ""
    additions: int = 0
    outputs: int = 0
    overflow_outputs: int = 0
    energy_ratio: float = math.nan
    verified: int = 0

    @property
    def shortfall(self) -> float:
        """How much worse than float32, in the metric's own unit; of SQNR, its negative."""
        if math.isnan(self.value):
            return math.inf
        if self.metric == "sqnr_db":
            return -self.value
        worse = self.baseline - self.value
        return worse if self.metric == "accuracy" else -worse

    def columns(self) -> dict[str, Any]:
        """The stable columns."""
        return {name: getattr(self, name) for name in COLUMNS}

    def to_dict(self) -> dict[str, Any]:
        """Every field."""
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """What a row is about: a unit on a task, judged against the float32 model's score.

    unit : its name, or that of a file of units; units : of every layer.
    ``exact``: the score of the same operands with an exact accumulator, for units that lose: it
    tells what the operands lose from what the accumulator does.
    """

    task: str
    unit: str
    units: Mapping[str, MacUnit]
    baseline: Score
    classes: int
    node: str
    exact: Score | None = None


def make_row(about: Subject, score: Score, layers: Sequence[LayerReport]) -> Row:
    """Sum a run's layers up and judge it."""
    counts = [layer.telemetry for layer in layers if layer.telemetry is not None]
    total = sum(counts, start=Telemetry())
    within = is_within(score, about.baseline)
    prices = [_price(about.units[layer.name], layer, about.node) for layer in layers]
    memory = [price.energy_memory_pj for price in prices]
    energy = math.fsum(price.energy_mac_pj for price in prices)
    yardstick = (_price(YARDSTICK, layer, about.node).energy_mac_pj for layer in layers)
    return Row(
        task=about.task,
        unit=about.unit,
        metric=score.metric,
        value=score.value,
        stderr=score.stderr,
        nll=score.nll,
        sqnr_db=score.sqnr_db,
        macs=sum(layer.macs for layer in layers),
        swamped_full=total.swamped_full + total.outer.swamped_full,
        swamped_partial=total.swamped_partial + total.outer.swamped_partial,
        overflow=total.overflow_steps
        + total.outer.overflow_steps
        + total.overflow_products
        + total.overflow_converted
        + total.overflow_initial,
        energy_mac_pj=energy,
        energy_memory_pj=None if None in memory else math.fsum(filter(None, memory)),
        area_um2=_largest(price.area_um2 for price in prices),
        seconds=math.fsum(layer.seconds for layer in layers),
        baseline=about.baseline.value,
        baseline_stderr=about.baseline.stderr,
        within=within,
        collapsed=has_collapsed(score, about.baseline, about.classes),
        reason="" if within else _reason(about, score, layers),
        additions=total.additions + total.outer.additions,
        outputs=total.outputs,
        overflow_outputs=sum(count.struck for count in counts),
        energy_ratio=energy / math.fsum(yardstick),
        verified=sum(layer.verified for layer in layers),
    )


def failed_row(about: Subject, error: LayerError, shapes: Sequence[LayerReport]) -> Row:
    """The row of a unit that cannot finish; ``shapes``: the layers, as another unit ran them."""
    reason = f"Inf or NaN in layer {error.layer}"
    nothing = Score(about.baseline.metric, math.nan, math.nan, math.nan, math.nan)
    return replace(make_row(about, nothing, shapes), seconds=0.0, reason=reason)


def has_collapsed(score: Score, baseline: Score, classes: int) -> bool:
    """Whether a value lies nearer to guessing than to float32; NaN has collapsed."""
    if score.metric == "sqnr_db":
        return not score.value > 0.0
    if score.metric == "accuracy":
        return not score.value > (baseline.value + 1.0 / classes) / 2
    return not score.value < (baseline.value + math.log2(classes)) / 2


def _reason(about: Subject, score: Score, layers: Sequence[LayerReport]) -> str:
    """What broke, and where; the operands, when an exact accumulator would not have helped."""
    if about.exact is not None and not _is_worse(score, about.exact, about.baseline.stderr or 0.0):
        return "coarse operands"
    return blame(layers)


def _is_worse(score: Score, other: Score, bar: float) -> bool:
    """Whether a value is worse than another by more than an error bar; NaN is."""
    if score.metric == "bits_per_character":
        return not score.value <= other.value + bar
    return not score.value >= other.value - bar


def blame(layers: Iterable[LayerReport]) -> str:
    """What the accumulators lost most by, and in which layer: overflow, swamping or rounding."""
    worst, reason = 0.0, "rounding of the sums"
    for layer in layers:
        counts = layer.telemetry
        if counts is None or not counts.outputs:
            continue
        unit = parse_unit(layer.unit)
        wraps = "wrap" in {unit.overflow_of(fmt) for fmt in unit.rounded_formats().values()}
        # A wrapped output is off by the whole range, a saturated one by what is beyond it.
        struck = counts.struck / counts.outputs * (100 if wraps else 1)
        added = counts.additions + counts.outer.additions - counts.zero_operands
        swamped = (counts.swamped_full + counts.outer.swamped_full) / max(1, added)
        for share, what in ((struck, "overflow"), (swamped, "swamping")):
            if share > worst:
                worst, reason = share, f"{what} in layer {layer.name}"
    return reason


def _largest(areas: Iterable[float | None]) -> float | None:
    """The largest area; None as soon as one is unknown."""
    known = list(areas)
    return None if None in known else max(filter(None, known), default=None)


def _price(unit: str | MacUnit, layer: LayerReport, node: str) -> costs.LayerCost:
    return costs.layer_cost(unit, layer.m, layer.k, layer.n, layer.batch, node)
