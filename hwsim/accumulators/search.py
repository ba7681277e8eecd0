"""The narrowest accumulators that a network tolerates, found by running it on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hwsim.accumulators.bounds import Facts, for_weights, observe, worst_case
from hwsim.accumulators.families import Family
from hwsim.networks import LayerError, Network, Score, evaluate
from hwsim.networks.data import Data
from hwsim.networks.network import Job
from hwsim.networks.replay import Replay
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit

Say = Callable[[str], None]
LOUDEST = 60.0  # dB: less noise than this counts as none
DECIBELS = 1.0  # of SQNR that may be lost by default


@dataclass(frozen=True)
class Task:
    """What outputs are judged by: labels or the float32 outputs, and how much may be lost.

    tolerance : in the metric's own unit, against the family's widest unit; None is a standard
    error of the float32 model's value, or 1 dB.
    """

    data: Data
    baseline: dict[str, Array]
    metric: str = "auto"
    tolerance: float | None = None

    def score(self, outputs: dict[str, Array]) -> Score:
        """The metric of a run."""
        return evaluate(outputs, self.data.labels, self.baseline, self.metric)

    @property
    def allowed(self) -> float:
        """The tolerance as a number."""
        if self.tolerance is not None:
            return self.tolerance
        score = self.score(self.baseline)
        return DECIBELS if score.stderr is None else score.stderr

    def loss(self, score: Score, best: Score) -> float:
        """How much worse a score is than another; not below anything for NaN."""
        if score.metric == "bits_per_character":
            return score.value - best.value
        if score.metric == "accuracy":
            return best.value - score.value
        return min(best.value, LOUDEST) - min(score.value, LOUDEST)


@dataclass
class Search:
    """One family on one network: every probe runs the layers that it changes, bit for bit.

    base : the run on the family's widest unit.  probes : runs, computed : products of layers in
    them (a run of everything takes one for each layer).
    """

    family: Family
    task: Task
    base: Replay
    facts: dict[str, Facts]
    score: Score
    allowed: float
    _near: Replay
    probes: int = 0
    computed: int = 0
    _held: Replay | None = None
    _losses: dict[tuple[MacUnit, ...], float] = field(default_factory=dict)

    @classmethod
    def start(cls, network: Network, job: Job, family: Family, task: Task) -> Search:
        """Run the widest unit."""
        facts: dict[str, Facts] = {}
        unit = family.unit(family.searched[-1])
        watch = lambda run, product, results, span: observe(facts, run, product)  # noqa: E731
        base = Replay.start(network, job, unit, telemetry="counts", watch=watch)
        score = task.score(base.outputs)
        return cls(family, task, base, facts, score, task.allowed, base)

    # --- one layer ----------------------------------------------------------------------------
    def worst_case(self, layer: str) -> int | None:
        """Least width that no operands overflow."""
        return worst_case(self.family, self.facts[layer])

    def for_weights(self, layer: str) -> int | None:
        """Least width that no data overflows with these weights."""
        return for_weights(self.family, self.facts[layer])

    def without_overflow(self, layer: str) -> int | None:
        """Least width that this data does not overflow; None where the widest does."""
        counts = self.facts[layer].run.telemetry
        if counts is None or counts.struck:
            return None

        def passes(width: int) -> bool:
            try:
                counted = self.base.counts(layer, self.family.unit(width))
            except LayerError:
                return False
            self.computed += 1
            return not counted.struck

        return narrowest(passes, self.family.searched)

    def alone(self, layer: str) -> int:
        """Least width within the tolerance while all other layers have the widest unit."""
        return narrowest(lambda width: self.holds({layer: width}), self.family.searched)

    # --- all layers ---------------------------------------------------------------------------
    def uniform(self) -> int:
        """Least width within the tolerance if all layers have the same."""
        layers = self.base.units
        return narrowest(lambda w: self.holds(dict.fromkeys(layers, w)), self.family.searched)

    def together(self, uniform: int, alone: dict[str, int], say: Say) -> dict[str, int]:
        """Widths that hold together, from the uniform one down: no layer that is wider than alone
        could be a step narrower.  Layers of many products, which save most, come first."""
        widths = dict.fromkeys(self.base.units, uniform)
        self._go_to(widths)
        order = sorted(widths, key=lambda layer: -self.facts[layer].run.macs)
        for layer in order:
            say(layer)
            least = min(alone[layer], uniform)
            steps = [w for w in self.family.searched if least <= w <= uniform]
            width = narrowest(lambda w: self.holds({**widths, layer: w}), steps)  # noqa: B023
            if width < uniform:
                widths[layer] = width
                self._go_to(widths)
        while narrower := self._narrowed(widths, alone):
            widths = narrower
        return widths

    def _narrowed(self, widths: dict[str, int], alone: dict[str, int]) -> dict[str, int] | None:
        for layer in widths:
            step = self._step(widths, layer, -1)
            if step is not None and step[layer] >= alone[layer] and self.holds(step):
                return step
        return None

    def _step(self, widths: dict[str, int], layer: str, by: int) -> dict[str, int] | None:
        """The widths with a layer's moved to the next that makes a unit."""
        searched = self.family.searched
        place = searched.index(widths[layer]) + by
        return widths | {layer: searched[place]} if 0 <= place < len(searched) else None

    # --- probes -------------------------------------------------------------------------------
    def holds(self, widths: dict[str, int]) -> bool:
        """Whether the network is within the tolerance on these widths, the others widest."""
        lost = self.loss(widths)  # shares of samples are no binary fractions
        return lost <= self.allowed or math.isclose(lost, self.allowed, rel_tol=1e-9)

    def loss(self, widths: dict[str, int]) -> float:
        """What the network loses against the widest unit; infinite where it cannot run."""
        units = self.units(widths)
        if units not in self._losses:
            self.probes += 1
            self._losses[units] = self._measured(units)
        return self._losses[units]

    def units(self, widths: dict[str, int]) -> tuple[MacUnit, ...]:
        """The unit of every layer."""
        top = self.family.searched[-1]
        return tuple(self.family.unit(widths.get(layer, top)) for layer in self.base.units)

    def _measured(self, units: tuple[MacUnit, ...]) -> float:
        try:
            run = self._near.changed(dict(zip(self.base.units, units, strict=True)))
        except LayerError:  # NaN or Inf that a format cannot hold
            return math.inf
        self.computed += run.computed
        lost = self.task.loss(self.task.score(run.outputs), self.score)
        if lost <= self.allowed:
            self._held = run
        return math.inf if math.isnan(lost) else lost

    def _go_to(self, widths: dict[str, int]) -> None:
        """Let later probes start from a run on these widths, which they are closer to: mostly the
        last one that held."""
        if math.isfinite(self.loss(widths)):
            units = dict(zip(self.base.units, self.units(widths), strict=True))
            if self._held is None or self._held.units != units:
                self._held = self._near.changed(units)
                self.computed += self._held.computed
            self._near = self._held


def narrowest(passes: Callable[[int], bool], widths: Sequence[int]) -> int:
    """A width that passes while the next narrower one does not (or there is none), by halving;
    the widest is taken to pass."""
    low, high = -1, len(widths) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(widths[middle]) else (middle, high)
    return widths[high]
