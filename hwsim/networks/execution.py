"""Run a partitioned model: native segments call by call, each layer's calls together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.errors import HwsimError
from hwsim.formats import stochastic_of
from hwsim.networks import checks
from hwsim.networks.calls import Feeds
from hwsim.networks.dump import dump_layer
from hwsim.networks.engine import Engine, TelemetryMode
from hwsim.networks.errors import LayerError
from hwsim.networks.graph import Graph
from hwsim.networks.layers import Layer
from hwsim.networks.partition import Plan
from hwsim.networks.products import Operand, Product, finish, lower, with_bias_inside
from hwsim.networks.runtime import Array, Session
from hwsim.reference.draws import word
from hwsim.units import MacUnit, Telemetry

Progress = Callable[[str, int, int], None]
Values = dict[str, list[Any]]  # of all calls, by name
LARGE_WEIGHTS = 64 << 20  # bytes: beyond, a second copy is dearer than rounding again
Shown = float | tuple[float, ...]  # a scale or a zero point, or those of all channels


Watch = Callable[["LayerRun", Product, Array, range], None]  # the range: the calls computed


class Calls(list[Any]):
    """The values of all calls; they also lie in one array, along its first axis."""

    def __init__(self, array: Array) -> None:
        super().__init__(array)
        self.array = array


@dataclass(frozen=True)
class Settings:
    """How to run layers: telemetry, threads, checks and dumps; ``total`` calls in all; ``watch``
    sees every product and its results before anything is made of them."""

    engine: Engine
    telemetry: TelemetryMode
    threads: int | None
    total: int
    dump: Path | None = None
    batches: int = 1
    bias: str = "float32"
    watch: Watch | None = None


@dataclass(frozen=True)
class Work:
    """A lowered layer: its product, what a step of the sums is worth (broadcasting to them), the
    bias that is added afterwards, and the operands' parameters for golden vectors."""

    product: Product
    scale: float | Array
    bias: Operand | None
    parameters: dict[str, Any]
    exact: bool = False


@dataclass(frozen=True)
class Done:
    """What the unit gave, the layer's output, and what else golden vectors need."""

    results: Array
    output: Array
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class LayerRun:
    """A layer on a unit during one run, and what has been counted so far."""

    layer: Layer
    unit: MacUnit
    scales: dict[str, float]
    positions: list[int]
    stem: str
    telemetry: Telemetry | None = None
    m: int = 0
    k: int = 0
    n: int = 0
    batch: int = 0
    macs: int = 0
    seconds: float = 0.0
    verified: int = 0
    started: bool = False
    zero_points: dict[str, int] = field(default_factory=dict)
    seed: int = 0  # of the random bits that its unit draws
    _weights: Array | None = None

    def shown(self) -> tuple[dict[str, Shown], dict[str, Shown]]:
        """Scales and zero points of the operands, for reports."""
        return dict(self.scales), dict(self.zero_points)

    def compute(self, values: Values, span: range, number: int, settings: Settings) -> list[Array]:
        """The outputs of the calls in ``span``, mini-batch ``number``; ``values`` holds the
        operands."""
        started = time.perf_counter()
        work = self._with_seeds(self._lowered(values, len(span), settings), span)
        result = self._simulate(work.product, settings)
        self.seconds += time.perf_counter() - started
        self._check(work.product, result, span, settings)
        if settings.watch:
            settings.watch(self, work.product, result, span)
        started = time.perf_counter()
        done = self._completed(work, result, values, settings)  # may reuse the result's memory
        self.seconds += time.perf_counter() - started
        self._check_results(done, result, span, settings)
        if settings.dump:
            suffix = "" if settings.batches == 1 else f".{number:04d}"
            file = settings.dump / f"{self.stem}{suffix}.npz"
            arrays = {"results": done.results, "output": done.output, **work.parameters}
            arrays |= {} if work.bias is None else {"bias": work.bias.array}
            arrays |= done.extra
            if work.product.seeds:
                arrays["seeds"] = np.array(work.product.seeds, np.uint64)
            dump_layer(file, self.layer, work.product, self.unit, settings.engine, arrays)
        if self.layer.rectified:
            from hwsim.simulate.finish import rectify  # imports numba: only where something runs

            rectify(done.output, settings.threads)
        return Calls(done.output)

    def _lowered(self, values: Values, lanes: int, settings: Settings) -> Work:
        """The product of the operands over their scales, and what follows it."""
        a, b = (stack(self.layer, name, values) for name in (self.layer.a, self.layer.b))
        scales = (self.scales["a"], self.scales["b"])
        product = replace(lower(self.layer, a, b, lanes), scales=scales, carried=True)
        bias = stack(self.layer, self.layer.bias, values) if self.layer.bias else None
        scale = self.scales["a"] * self.scales["b"]
        if bias is not None and settings.bias == "acc":
            product = with_bias_inside(self.layer, product, bias, scale, self.unit)
            bias = None
        return Work(product, scale, bias, {f"{k}_scale": np.float64(self.scales[k]) for k in "ab"})

    def _with_seeds(self, work: Work, span: range) -> Work:
        """The work with a seed for each sample, where the unit draws random bits: the words of the
        layer's stream, counted through all mini-batches."""
        if stochastic_of(self.unit.rounding) is None:
            return work
        seeds = tuple(word(self.seed, sample) for sample in span)
        return replace(work, product=replace(work.product, seeds=seeds))

    def _completed(self, work: Work, result: Array, values: Values, settings: Settings) -> Done:
        """The layer's output from the unit's sums."""
        about = (work.product, result, work.scale * self._step(), work.bias)
        return Done(result, finish(self.layer, *about, settings.threads, not settings.dump))

    def _check_results(self, done: Done, sums: Array, span: range, settings: Settings) -> None:
        """Check what becomes of the sums inside the unit; nothing here."""

    @property
    def sums_on(self) -> MacUnit:
        """The unit as far as products are concerned: requantization comes apart."""
        return self.unit if self.unit.requantization is None else self.unit.summing

    def _step(self) -> float:
        """What one unit of a result counts: of codes, their format's spacing."""
        fmt = self.unit.output_format
        return 2.0**fmt.quantum_exponent if fmt.carried_as_codes else 1.0

    def _simulate(self, product: Product, settings: Settings) -> Array:
        try:
            result, telemetry = settings.engine.product(
                self._prepared(product, settings),
                self.sums_on,
                settings.telemetry,
                settings.threads,
            )
        except HwsimError:
            raise
        except ValueError as error:  # NaN or Inf that a format cannot hold
            raise LayerError(self.layer.name, str(self.unit), error) from error
        self._count(product, telemetry)
        return result

    def _check(self, product: Product, result: Array, span: range, settings: Settings) -> None:
        flat = checks.local_positions(
            self.positions, span.start, span.stop, settings.total, result.size
        )
        self.verified += checks.verify(
            self.layer.name, product, result, self.sums_on, flat, settings.engine
        )

    def _prepared(self, product: Product, settings: Settings) -> Product:
        """The product with constant weights rounded once for all mini-batches, unless large."""
        constant = self.layer.b in self.layer.weights and self.unit.b_block is None
        if settings.batches == 1 or not constant or product.b.nbytes > LARGE_WEIGHTS:
            return product
        if self._weights is None:
            self._weights = settings.engine.operand(
                product.b, self.unit.b, product.scales[1] or 1.0, settings.threads
            )
        return replace(product, b=self._weights, scales=(product.scales[0], None))

    def _count(self, product: Product, telemetry: Telemetry | None) -> None:
        """Add a mini-batch: samples lengthen m, or batch where each has its own products."""
        known = (self.k, self.n, self.batch if product.stacked else self.m)
        found = (product.k, product.n, product.batch if product.stacked else product.m)
        if self.started and known != found:
            raise _varying(self.layer)
        self.started = True
        self.k, self.n = product.k, product.n
        self.m = self.m + product.m if product.stacked else product.m
        self.batch = product.batch if product.stacked else self.batch + product.batch
        self.macs += product.macs
        if telemetry is not None:
            self.telemetry = telemetry if self.telemetry is None else self.telemetry + telemetry


def run_batch(
    graph: Graph,
    plan: Plan,
    runs: dict[str, LayerRun],
    calls: Sequence[Feeds],
    step: Callable[[LayerRun, Values], list[Array]],
) -> Values:
    """The model's outputs for ``calls``, a list per output.

    ``step`` computes one layer from the values so far (operands of all calls, in order).
    """
    values = first_values(calls)
    for stage in plan.stages:
        if stage.segment is not None:
            values.update(run_segment(stage.segment, values, len(calls)))
        for layer in stage.layers:
            values[layer.output] = step(runs[layer.name], values)
        for name in stage.dead:
            values.pop(name, None)
    return last_values(graph, values)


def first_values(calls: Sequence[Feeds]) -> Values:
    """The model's inputs, of all calls."""
    return {name: [feeds[name] for feeds in calls] for name in calls[0]}


def last_values(graph: Graph, values: Values) -> Values:
    """The model's outputs among ``values``, or the constants that they are."""
    constants = {name: graph.constant(name) for name in graph.outputs if name in graph.constants}
    return {n: [constants[n]] if n in constants else values[n] for n in graph.outputs}


def run_segment(segment: Session, values: Values, count: int) -> Values:
    """Run a native segment once per call; its results lie in one array where their shape does
    not depend on the call, copied there while they are in cache."""
    lists: Values = {name: [] for name in segment.outputs}
    for i in range(count):
        answer = segment.run({name: values[name][i] for name in segment.inputs})
        for name, value in answer.items():
            lists[name] = _kept(lists[name], i, value, count)
    return lists


def _kept(list_: list[Any], i: int, value: Any, count: int) -> list[Any]:
    """The list with the value of call ``i``."""
    # An array of scalars would give NumPy's scalars, which ONNX Runtime does not take.
    plain = isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "biuf"
    if i == 0 and count > 1 and plain:
        list_ = Calls(np.empty((count, *value.shape), value.dtype))
    if isinstance(list_, Calls):
        if value.shape == list_.array.shape[1:] and value.dtype == list_.array.dtype:
            list_.array[i] = value
            return list_
        list_ = list(list_[:i])
    list_.append(value)
    return list_


def stack(layer: Layer, name: str, values: Values) -> Operand:
    """A constant, or the values of all calls along a new first axis."""
    if name in layer.weights:
        return Operand(layer.weights[name], False)
    if isinstance(given := values[name], Calls):
        return Operand(given.array, True)
    try:
        return Operand(np.stack(given), True)
    except ValueError as error:
        raise _varying(layer) from error


def _varying(layer: Layer) -> LayerError:
    return LayerError(layer.name, layer.op, "its shape depends on the sample; run samples apart")


def default_batch(call_bytes: int, limit: int = 128 << 20) -> int:
    """Calls per mini-batch that keep the largest operand, as it is and as it is rounded, and a
    result and an output of its size, under ``limit`` bytes."""
    return max(1, limit // max(1, 4 * call_bytes))


def even_spans(calls: int, most: int) -> list[range]:
    """As few mini-batches as hold ``calls``, of ``most`` at the most, as even as they can be."""
    count = -(-calls // most)
    return [range(calls * i // count, calls * (i + 1) // count) for i in range(count)]
