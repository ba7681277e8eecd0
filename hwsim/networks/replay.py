"""Runs of one network that differ in the units of few layers.

A value is computed again only where something that it depends on has changed its bits: layers
before the first other unit, branches beside it, and all that follows a layer whose results came
out as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hwsim.networks.engine import TelemetryMode
from hwsim.networks.execution import (
    Calls,
    LayerRun,
    Values,
    Watch,
    first_values,
    last_values,
    run_segment,
)
from hwsim.networks.network import Job, MacLike, Network
from hwsim.networks.runtime import Array, in_ieee_arithmetic
from hwsim.units import MacUnit, Telemetry

ROOM = 2 << 30  # bytes of values that are kept


@dataclass(frozen=True)
class Replay:
    """A run of ``network`` on ``units``, and the values that it made, for runs on other units.

    kept : of each mini-batch, the values of segments and layers, as far as there is room; others
    are computed again when a run passes them.  computed : layers' products that this run took.

    >>> from hwsim.networks import shipped
    >>> digits = shipped("digits-cnn")
    >>> network = Network.load(digits.model)
    >>> base = Replay.start(network, network.job(digits.evaluation), "int8xint8+int32")
    >>> other = base.changed({"fc1": network.units("int8xint8+int16")["fc1"]})
    >>> base.computed, other.computed
    (5, 2)
    """

    network: Network
    job: Job
    units: Mapping[str, MacUnit]
    kept: tuple[Values, ...] = field(repr=False)
    outputs: dict[str, Array] = field(repr=False)
    computed: int

    @classmethod
    def start(
        cls,
        network: Network,
        job: Job,
        mac: MacLike,
        *,
        telemetry: TelemetryMode = False,
        watch: Watch | None = None,
        room: int = ROOM,
    ) -> Replay:
        """Run everything once; ``watch`` sees every product."""
        units = network.units(mac)
        empty = cls(network, job, units, ({},) * len(job.spans), {}, 0)
        settings = replace(job.settings, telemetry=telemetry, watch=watch)
        return empty._run(units, settings_of=lambda _: settings, room=room)[0]

    def changed(self, changes: Mapping[str, MacUnit]) -> Replay:
        """The same run, but with other units for some layers."""
        units = {**self.units, **changes}
        return self._run(units, settings_of=lambda _: self.job.settings)[0]

    def counts(self, layer: str, unit: MacUnit, telemetry: TelemetryMode = "counts") -> Telemetry:
        """Telemetry of one layer on another unit, on the operands that it has in this run;
        ValueError for the unit that it has already."""
        if unit == self.units[layer]:
            raise ValueError(f"unit={unit}: layer {layer!r} runs on it already")
        settings = replace(self.job.settings, telemetry=telemetry)
        units = {**self.units, layer: unit}
        runs = self._run(
            units,
            settings_of=lambda name: settings if name == layer else self.job.settings,
            until=layer,
        )[1]
        found = runs[layer].telemetry
        assert found is not None
        return found

    @in_ieee_arithmetic
    def _run(
        self,
        units: Mapping[str, MacUnit],
        *,
        settings_of: Callable[[str], Any],
        room: int | None = None,
        until: str | None = None,
    ) -> tuple[Replay, dict[str, LayerRun]]:
        """Run on ``units``, which differ from this run's; no further than the layer ``until``."""
        network = self.network
        runs = network.layer_runs(dict(units), self.job)
        kept, answers, computed = [], [], 0
        for number, (span, old) in enumerate(zip(self.job.spans, self.kept, strict=True)):
            walk = _Walk(old, {n for n, u in units.items() if u != self.units[n]}, room)
            walk.values.update(first_values([self.job.calls[i] for i in span]))
            for stage in network.plan.stages:
                if stage.segment is not None:
                    segment = stage.segment
                    work = _work(run_segment, segment, walk.values, len(span))
                    walk.settle(segment.inputs, segment.outputs, work)
                for layer in stage.layers:
                    run, settings = runs[layer.name], settings_of(layer.name)
                    work = _work(_layer_values, run, walk.values, span, number, settings)
                    walk.settle(layer.reads, (layer.output,), work, layer.name)
                walk.drop(stage.dead)
                if any(layer.name == until for layer in stage.layers):
                    break
            else:
                answers.append(last_values(network.graph, walk.values))
            kept.append(walk.kept)
            computed += walk.computed
            room = None if room is None else walk.room
        outputs = {} if until else network.joined(answers)
        return Replay(network, self.job, units, tuple(kept), outputs, computed), runs


@dataclass
class _Walk:
    """One mini-batch on its way through the network.

    old : values of another run.  forced : layers with other units than there.  room : bytes
    still to be kept; None keeps what the other run kept.
    """

    old: Values
    forced: set[str]
    room: int | None
    values: Values = field(default_factory=dict)
    kept: Values = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    computed: int = 0

    def settle(
        self,
        reads: Iterable[str],
        outputs: Iterable[str],
        compute: Callable[[], Values],
        layer: str | None = None,
    ) -> None:
        """Take the outputs from the other run where nothing that they depend on has changed."""
        changed = layer in self.forced or not self.dirty.isdisjoint(reads)
        if not changed and all(name in self.old for name in outputs):
            self._put({name: self.old[name] for name in outputs})
            return
        self.computed += layer is not None
        made = compute()
        for name in made:
            if name in self.old and _same(self.old[name], made[name]):
                made[name] = self.old[name]
            elif changed:
                self.dirty.add(name)
        self._put(made)

    def _put(self, made: Values) -> None:
        self.values |= made
        for name, value in made.items():
            if self._is_kept(name, value):
                self.kept[name] = value

    def _is_kept(self, name: str, value: list[Any]) -> bool:
        if self.room is None:
            return name in self.old
        size = sum(getattr(array, "nbytes", 0) for array in value)
        if size > self.room:
            return False
        self.room -= size
        return True

    def drop(self, names: Iterable[str]) -> None:
        """Values that nothing reads any more go, unless they are kept."""
        for name in names:
            self.values.pop(name, None)


def _work(function: Callable[..., Values], *arguments: Any) -> Callable[[], Values]:
    return lambda: function(*arguments)


def _layer_values(run: LayerRun, values: Values, span: range, number: int, settings: Any) -> Values:
    return {run.layer.output: run.compute(values, span, number, settings)}


def _same(a: list[Any], b: list[Any]) -> bool:
    """Whether all arrays have the same bits; what is no array of numbers counts as other."""
    if isinstance(a, Calls) and isinstance(b, Calls):
        return _same_bits(a.array, b.array)
    return len(a) == len(b) and all(map(_same_bits, a, b))


def _same_bits(a: Any, b: Any) -> bool:
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or a.dtype != b.dtype:
        return False
    if a.shape != b.shape or a.dtype.kind not in "biuf":
        return False
    a, b = (np.ascontiguousarray(x).view(np.uint8) for x in (np.atleast_1d(a), np.atleast_1d(b)))
    return bool(np.array_equal(a, b))
