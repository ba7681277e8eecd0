"""Where a network's accumulators lose: per layer, over k, and in which outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from hwsim.diagnosis.growth import Point, exponents, grown
from hwsim.diagnosis.observing import Dot, Observer, Sight, entered, patient_unit
from hwsim.diagnosis.report import Diagnosis, LayerDiagnosis, UnitDiagnosis
from hwsim.errors import HwsimError
from hwsim.networks import LayerReport, LayerUnits, Network, evaluate
from hwsim.networks.data import DataLike
from hwsim.networks.engine import default_engine
from hwsim.networks.mixed import as_units
from hwsim.networks.scales import ScaleLike
from hwsim.networks.source import ModelLike
from hwsim.units import MacUnit

__all__ = ["Diagnosis", "Dot", "LayerDiagnosis", "Point", "UnitDiagnosis", "diagnose"]

MOST = 100_000
Progress = Callable[[str, int, int], None]


def diagnose(
    model: ModelLike | Network,
    data: DataLike,
    macs: Sequence[str | MacUnit | LayerUnits],
    *,
    samples: int = 256,
    worst: int = 5,
    metric: str = "auto",
    calibration: DataLike | None = None,
    scale: ScaleLike | None = None,
    node: str = "45nm",
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Run a network on units, with all telemetry, and look into its sums.

    Every output's error is taken against the same operands' sum in float64.  Of ``samples``
    outputs of each layer, drawn by ``seed``, the sums of the first 1, 2, 4 … products are
    computed too, on the unit, bit for bit: where swamping starts, how sums grow, which exponents
    occur.  (Under stochastic rounding these draw bits of their own.)

    Parameters
    ----------
    model, data, calibration, scale, node, seed, threads : as in `hwsim.run`.
    macs : units, descriptions, or files of layers' units.
    samples : outputs of each layer that are followed over k.  worst : outputs of the largest
        errors that are kept.
    metric : as in `hwsim.sweep`.
    progress : called with (unit and layer, done, total).

    Returns a `Diagnosis`: to_dict(), to_csv(), plot() (heat map), units[i].plot() (growth).

    Raises as `hwsim.run` does; ValueError for ``samples``, ``worst`` and an empty list.

    >>> from hwsim.networks import shipped
    >>> digits = shipped("digits-cnn")
    >>> found = diagnose(digits.model, digits.evaluation, ["e4m3xe4m3+e5m2"], samples=64)
    >>> [(layer.name, layer.swamps_from) for layer in found.units[0].layers][:2]
    [('conv1', 2), ('conv2', 2)]
    """
    units = _units(macs)
    for name, value in (("samples", samples), ("worst", worst)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 0 <= value <= MOST:
            raise ValueError(f"{name}={value!r}: an integer from 0 to {MOST} is needed")
    network = model if isinstance(model, Network) else Network.load(model)
    network.check_layers()
    inputs = network.data(data)
    measured = None if calibration is None else network.measure(calibration)
    job = network.job(inputs, measured, seed=seed, scale=scale)
    baseline = network.baseline(inputs)
    found = []
    for number, unit in enumerate(units):
        _check_values(network, unit)
        observer = Observer(samples, worst, seed, len(job.calls), default_engine, threads)
        report = network.run(
            inputs,
            unit,
            calibration=job.calibration,
            scale=scale,
            telemetry=True,
            threads=threads,
            seed=seed,
            node=node,
            watch=observer,
            progress=_labelled(progress, str(unit), number, len(units)),
        )
        layers = tuple(
            _layer(layer, observer.sights[layer.name], threads) for layer in report.layers
        )
        score = evaluate(report.outputs, inputs.labels, baseline, metric)
        found.append(UnitDiagnosis(str(unit), score, layers))
    ideal = evaluate(baseline, inputs.labels, baseline, metric)
    return Diagnosis(network.name, inputs.samples, ideal, tuple(found))


def _layer(report: LayerReport, sight: Sight, threads: int | None) -> LayerDiagnosis:
    unit = sight.run.sums_on
    count = len(sight.samples)
    a, b = (np.array([getattr(dot, side) for dot in sight.samples]) for side in "ab")
    c = None
    if count and sight.samples[0].c is not None:
        c = np.array([dot.c for dot in sight.samples])
    growth: tuple[Point, ...] = ()
    products = np.zeros(0)
    if count and a.shape[1]:
        engine = default_engine
        growth = grown(unit, a, b, c, engine, threads)
        with np.errstate(all="ignore"):
            products = np.multiply(*entered(unit, a, b))
    return LayerDiagnosis(
        report,
        _sqnr(sight),
        count,
        growth,
        exponents(products),
        exponents(np.array([dot.value for dot in sight.samples])),
        int((products == 0).sum()),
        tuple(sight.worst),
        sight.largest,
    )


def _sqnr(sight: Sight) -> float | None:
    if patient_unit(sight.run.sums_on) is None:
        return None
    if sight.largest == math.inf:
        return -math.inf
    if sight.noise == 0.0:
        return math.inf
    return 10 * math.log10(sight.signal / sight.noise) if sight.signal else -math.inf


def _units(macs: Sequence[str | MacUnit | LayerUnits]) -> list[MacUnit | LayerUnits]:
    if isinstance(macs, str | MacUnit | LayerUnits):
        macs = [macs]
    found = list(dict.fromkeys(as_units(mac) for mac in macs))
    if not found:
        raise ValueError("macs=[]: at least one unit is needed")
    return found


def _check_values(network: Network, mac: MacUnit | LayerUnits) -> None:
    """HwsimError for units whose operands or sums float64 does not hold."""
    for layer, unit in network.units(mac).items():
        for fmt in (unit.a, unit.b, unit.output_format):
            if fmt.carried_as_codes:
                raise HwsimError(
                    f"layer {layer!r} on {unit}: {fmt} has values that float64 does not hold; "
                    "diagnose formats of up to 53 bits"
                )


def _labelled(progress: Progress | None, unit: str, number: int, count: int) -> Progress | None:
    """Progress over all units."""
    if progress is None:
        return None

    def step(layer: str, done: int, total: int) -> None:
        progress(f"{unit} {layer}", number * total + done, count * total)

    return step
