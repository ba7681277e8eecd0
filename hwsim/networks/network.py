"""A network that is prepared once and run on many MAC units."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.formats.stochastic import SEEDS
from hwsim.networks import checks, engine
from hwsim.networks.calibration import Calibration, calibrate, digest, first_samples
from hwsim.networks.calls import Cutting, cut, join, mixes_samples
from hwsim.networks.codes_out import check_requantization
from hwsim.networks.codes_run import CodesRun, choose_entry, is_exact
from hwsim.networks.data import Data, DataLike, load_npz, read_data
from hwsim.networks.dump import file_stems, write_readme
from hwsim.networks.engine import TelemetryMode
from hwsim.networks.errors import ModelError
from hwsim.networks.execution import (
    LayerRun,
    Progress,
    Settings,
    Values,
    Watch,
    default_batch,
    even_spans,
    run_batch,
)
from hwsim.networks.graph import Graph, build_graph
from hwsim.networks.mixed import LayerUnits, as_units
from hwsim.networks.partition import Plan, partition
from hwsim.networks.report import LayerReport, RunReport
from hwsim.networks.runtime import LATEST_IR, Array, Session, in_ieee_arithmetic, with_outputs
from hwsim.networks.scales import ScaleLike, match_layers, operand_rules
from hwsim.networks.source import ModelLike, Source, read_model
from hwsim.networks.unseen import NativeProductWarning, message, native_products
from hwsim.networks.zoo import recognise
from hwsim.reference.draws import word
from hwsim.units import MacUnit, as_unit

if TYPE_CHECKING:
    from hwsim.costs import Gemm

MacLike = str | MacUnit | LayerUnits | Mapping[str, str | MacUnit]
TELEMETRY = (False, True, "counts")
BIAS = ("float32", "acc")
MOST_VERIFIED = 1_000_000
DYNAMIC = "DynamicQuantizeLinear"


@dataclass(frozen=True)
class Job:
    """What to compute on any units: the data's ``calls`` of the model and how they are cut into
    mini-batches, the ranges and the rule of the scales, the seed of random bits."""

    calls: list[dict[str, Array]]
    spans: list[range]
    calibration: Calibration
    settings: Settings
    seed: int
    scale: ScaleLike | None


@dataclass(frozen=True)
class _Cached:
    """A value and the digest of the data that it belongs to."""

    key: str
    value: Any


class Network:
    """A model with its partition, ONNX Runtime sessions, calibration and float32 baseline.

    >>> from hwsim.networks import shipped
    >>> network = Network.load(shipped("digits-cnn").model)
    >>> [layer for layer in network.layers]
    ['conv1', 'conv2', 'conv3', 'fc1', 'fc2']
    """

    def __init__(self, source: Source) -> None:
        """Partition ``source``; use `Network.load`."""
        self._name, self._sha256, self._model = source.name, source.sha256, source.model
        self.graph: Graph = build_graph(source.model)
        self.plan: Plan = partition(self.graph)
        original = source.original
        original.ir_version = min(original.ir_version, LATEST_IR)
        self._float32 = _float32(source)
        self._mixes: bool | None = None
        self._calibration: Calibration | None = None
        self._calibrated: _Cached | None = None
        self._baseline: _Cached | None = None
        self.shipped = recognise(source.sha256)
        self.native_products = native_products(self.graph)
        if self.native_products:
            text = message(source.name, self.native_products)
            warnings.warn(text, NativeProductWarning, stacklevel=3)

    @classmethod
    def load(cls, model: ModelLike) -> Network:
        """Read and partition a model: a path, bytes or an onnx.ModelProto, which is not changed.

        Raises ModelError (unreadable, invalid), and UnsupportedOperator for a node that
        multiplies and accumulates but that no unit can run.  Warns (NativeProductWarning) of
        sums of products that are spelt as Mul and ReduceSum: they run natively, and
        ``native_products`` names them.
        """
        try:
            return cls(read_model(model))
        except UnicodeDecodeError as error:  # protobuf decodes names when they are read
            raise ModelError(f"model: a name in it is no UTF-8: {error}") from error

    @property
    def name(self) -> str:
        """The model's name: its file's, without the suffix."""
        return self._name

    @property
    def sha256(self) -> str:
        """Digest of the model's file or bytes; empty for a ModelProto."""
        return self._sha256

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the simulated layers, in the model's order."""
        return tuple(layer.name for layer in self.plan.layers)

    def check_layers(self) -> None:
        """ModelError for a model none of whose nodes a unit runs."""
        if not self.layers:
            raise ModelError(f"model {self.name}: no layer of it runs on a unit")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs that data must give."""
        return tuple(value.name for value in self.graph.inputs)

    def data(self, data: DataLike) -> Data:
        """Read and check data (mapping, npz path, or one array for a model with one input)."""
        return read_data(data, self.graph.inputs)

    # --- float32 ------------------------------------------------------------------------------
    @in_ieee_arithmetic
    def baseline(self, inputs: DataLike) -> dict[str, Array]:
        """The float32 model's outputs by ONNX Runtime, sample by sample; kept for one data set."""
        data = self.data(inputs)
        key = digest(data)
        if self._baseline is None or self._baseline.key != key:
            answers = [self._float32.run(feeds) for feeds in self._cut(data).feeds(data)]
            outputs = {name: join([a[name] for a in answers]) for name in self.graph.outputs}
            self._baseline = _Cached(key, outputs)
        return dict(self._baseline.value)

    def calibrate(self, data: DataLike) -> Calibration:
        """Fix the data that scales of all later runs come from."""
        self._calibration = self.measure(data)
        return self._calibration

    @in_ieee_arithmetic
    def measure(self, data: DataLike) -> Calibration:
        """Run the float32 model on ``data`` for the range of every operand."""
        checked = self.data(data)
        return self._measure(checked, f"{checked.samples} samples of {checked.source}")

    def _default_calibration(self, data: Data) -> Calibration:
        """The shipped split of a shipped model, else the first ≤ 256 samples of the inputs."""
        if self.shipped is not None:
            file = self.shipped.calibration
            split = load_npz(file, self.graph.inputs)
            what = f"the shipped calibration split ({split.samples} samples of {file.name})"
        else:
            split = first_samples(data)
            what = split.source
        key = digest(split)
        if self._calibrated is None or self._calibrated.key != key:
            self._calibrated = _Cached(key, self._measure(split, what))
        calibration: Calibration = self._calibrated.value
        return calibration

    def _measure(self, data: Data, what: str) -> Calibration:
        return calibrate(self._exposed(), self.plan.layers, self._cut(data).feeds(data), what)

    def _exposed(self) -> Session:
        """The float32 model that gives every layer's operands; not kept, it holds every weight once
        more."""
        given = set(self.inputs)
        layers = self.plan.layers
        names = {n for layer in layers for n in layer.reads if n not in layer.weights} - given
        return Session(with_outputs(self._model, sorted(names)), self.name)

    @in_ieee_arithmetic
    def shapes(self, inputs: DataLike | None = None, samples: int = 1) -> tuple[Gemm, ...]:
        """M, K, N and batch of every layer's product, for ``samples`` calls of the model (samples,
        where it takes one at a time).

        ``inputs``: data of which one call is taken; by default zeros in the declared shapes, and
        DataError where these are open.

        >>> from hwsim.networks import shipped
        >>> Network.load(shipped("digits-cnn").model).shapes(samples=3)[0]
        Gemm(m=192, k=9, n=12, batch=1, name='conv1')
        """
        from hwsim.networks.shapes import check_samples, shapes_of, zeros

        check_samples(samples)
        data = zeros(self.graph.inputs) if inputs is None else self.data(inputs)
        feeds = self._cut(data).feeds(data)[0]
        return shapes_of(self.plan.layers, feeds | self._exposed().run(feeds), samples)

    def _cut(self, data: Data) -> Cutting:
        """How the data is cut into calls of the model."""
        cutting = cut(data, self.graph.inputs)
        if cutting.count > 1 and cutting.free:
            if self._mixes is None:  # a dynamic scale is that of everything in one call
                dynamic = any(node.op_type == DYNAMIC for _, node in self.graph.nodes)
                self._mixes = dynamic or mixes_samples(self._float32, cutting, data)
            if self._mixes:
                return Cutting(1, {})
        return cutting

    # --- simulated ----------------------------------------------------------------------------
    @in_ieee_arithmetic
    def run(
        self,
        inputs: DataLike,
        mac: MacLike,
        *,
        calibration: Calibration | None = None,
        scale: ScaleLike | None = None,
        telemetry: TelemetryMode = "counts",
        threads: int | None = None,
        verify: int = 0,
        seed: int = 0,
        dump: str | PathLike[str] | None = None,
        batch: int | None = None,
        bias: str = "float32",
        node: str = "45nm",
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> RunReport:
        """Run the network with its products on ``mac``; parameters as in `hwsim.run`, but
        ``calibration`` is what `measure` gave (default: what `calibrate` fixed), and ``watch``
        is called with every layer's product and results."""
        _check_numbers(verify=verify)
        _check_choice("telemetry", telemetry, TELEMETRY)
        job = self.job(inputs, calibration, batch=batch, bias=bias, seed=seed, scale=scale)
        folder = None if dump is None else _folder(dump)
        if folder:
            write_readme(folder)
        settings = replace(
            job.settings, telemetry=telemetry, threads=threads, dump=folder, watch=watch
        )
        job = replace(job, settings=settings)
        runs = self.layer_runs(self.units(mac), job)
        for run in runs.values():
            run.positions = checks.draw(seed, run.layer.name, verify)
        outputs = self._run_spans(job, runs, progress)
        layers = tuple(_layer_report(runs[name], node) for name in self.layers)
        source = job.calibration.source
        return RunReport(outputs, layers, source, node, self.name, self.native_products)

    def job(
        self,
        inputs: DataLike,
        calibration: Calibration | None = None,
        *,
        batch: int | None = None,
        bias: str = "float32",
        seed: int = 0,
        scale: ScaleLike | None = None,
    ) -> Job:
        """What to compute on any units: data cut into calls, ranges for the scales."""
        _check_numbers(batch=batch, seed=seed)
        _check_choice("bias", bias, BIAS)
        data = self.data(inputs)
        calibration = calibration or self._calibration or self._default_calibration(data)
        calls = self._cut(data).feeds(data)
        spans = even_spans(len(calls), batch or default_batch(calibration.call_bytes))
        settings = Settings(
            engine.default_engine, False, None, len(calls), batches=len(spans), bias=bias
        )
        return Job(calls, spans, calibration, settings, seed, scale)

    def units(self, mac: MacLike) -> dict[str, MacUnit]:
        """The unit of every layer; ModelError for a pattern that fits none, or a layer left out."""
        if not isinstance(mac, Mapping):
            mac = as_units(mac)
            if not isinstance(mac, LayerUnits):
                return dict.fromkeys(self.layers, mac)
            mac = dict(mac.units)
        units = match_layers({p: as_unit(m) for p, m in mac.items()}, self.layers, "mac")
        left = [name for name in self.layers if name not in units]
        if left:
            raise ModelError(f"mac: no pattern fits layer {left[0]!r}; add '*' as the last one")
        return units

    def layer_runs(self, units: dict[str, MacUnit], job: Job) -> dict[str, LayerRun]:
        """Every layer on its unit, ready to compute."""
        rules = operand_rules(job.scale, self.layers)
        stems = file_stems(list(self.layers))
        runs: dict[str, LayerRun] = {}
        for layer in self.plan.layers:
            unit, ranges = units[layer.name], job.calibration.ranges[layer.name]
            entries = {
                key: choose_entry(layer, key, unit, ranges[key], rules[layer.name][key])
                for key in ("a", "b")
            }
            check_requantization(layer, unit, is_exact(entries))
            scales = {key: entry.scale for key, entry in entries.items()}
            points = {key: entry.zero_point for key, entry in entries.items()}
            about = (layer, unit, scales, list[int](), stems[layer.name])
            if layer.quantized or any(points.values()) or unit.requantization:
                runs[layer.name] = CodesRun(*about, zero_points=points, entries=entries)
            else:
                runs[layer.name] = LayerRun(*about, zero_points=points)
        for number, run in enumerate(runs.values()):
            run.seed = word(job.seed, number)
        return runs

    def _run_spans(
        self, job: Job, runs: dict[str, LayerRun], progress: Progress | None
    ) -> dict[str, Array]:
        """The outputs of all mini-batches, joined."""
        answers, done = [], 0
        for number, span in enumerate(job.spans):

            def step(run: LayerRun, values: Values) -> list[Array]:
                nonlocal done
                result = run.compute(values, span, number, job.settings)  # noqa: B023 - used now
                done += 1
                if progress:
                    progress(run.layer.name, done, len(runs) * len(job.spans))
                return result

            feeds = [job.calls[i] for i in span]
            answers.append(run_batch(self.graph, self.plan, runs, feeds, step))
        return self.joined(answers)

    def joined(self, answers: list[Values]) -> dict[str, Array]:
        """The model's outputs of all mini-batches."""
        constant = self.graph.constants
        lists = {n: [v for answer in answers for v in answer[n]] for n in self.graph.outputs}
        return {n: join(v[:1] if n in constant else v) for n, v in lists.items()}


def _float32(source: Source) -> Session:
    """The model as it was given; written out where ONNX Runtime has no kernel for an operator."""
    try:
        return Session(source.original, f"model {source.name}")
    except ModelError:
        return Session(source.model, f"model {source.name}")


def _layer_report(run: LayerRun, node: str) -> LayerReport:
    from hwsim import costs

    scales, zero_points = run.shown()
    cost = costs.layer_cost(run.unit, run.m, run.k, run.n, run.batch, node)
    return LayerReport(
        run.layer.name,
        run.layer.op,
        str(run.unit),
        run.m,
        run.k,
        run.n,
        run.batch,
        run.macs,
        run.telemetry,
        scales,
        cost.energy_mac_pj,
        cost.energy_memory_pj,
        cost.area_um2,
        run.seconds,
        run.verified,
        zero_points,
    )


def _folder(dump: str | PathLike[str]) -> Path:
    try:
        return Path(fspath(dump))
    except TypeError as error:
        raise TypeError(f"dump={dump!r}: the path of a folder is needed") from error


def _check_numbers(verify: int = 0, batch: int | None = None, seed: int = 0) -> None:
    """Raise ModelError that names the number that is none, or out of range."""
    for name, value, least, most in (
        ("verify", verify, 0, MOST_VERIFIED),
        ("batch", 1 if batch is None else batch, 1, None),
        ("seed", seed, 0, SEEDS - 1),
    ):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            upper = "" if most is None else f" to {most}"
            raise ModelError(f"{name}={value!r}: an integer from {least}{upper} is needed")


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if not isinstance(value, (bool, str)) or value not in allowed:
        raise ModelError(f"{name}={value!r}: allowed are {', '.join(map(repr, allowed))}")
