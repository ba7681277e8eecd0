"""How narrow the accumulator of each layer of a network may be, and what that saves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from hwsim import costs
from hwsim.accumulators.bounds import by_variance
from hwsim.accumulators.families import Family, families
from hwsim.accumulators.report import AccumulatorWidths, FamilyWidths, LayerWidths
from hwsim.accumulators.search import Search, Task
from hwsim.networks import Network
from hwsim.networks.data import DataLike
from hwsim.networks.network import Job
from hwsim.networks.report import RunReport
from hwsim.networks.scales import ScaleLike
from hwsim.networks.source import ModelLike
from hwsim.units import MacUnit

__all__ = [
    "DEFAULT_FAMILIES",
    "AccumulatorWidths",
    "Family",
    "FamilyWidths",
    "LayerWidths",
    "accumulator_widths",
]

DEFAULT_FAMILIES = (
    "int8xint8+int*",
    "int8xint8+int*:saturate",
    "e4m3xe4m3+e6m*",
    "e4m3xe4m3+e6m*:chunk64",
    "e4m3xe4m3+e6m*:rtz",
)
Progress = Callable[[str, int, int], None]


def accumulator_widths(
    model: ModelLike | Network,
    data: DataLike,
    families: Sequence[str | Family] = DEFAULT_FAMILIES,
    *,
    metric: str = "auto",
    tolerance: float | None = None,
    widest: int | None = None,
    calibration: DataLike | None = None,
    scale: ScaleLike | None = None,
    node: str = "45nm",
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> AccumulatorWidths:
    """Search the narrowest accumulator of every layer; each probe is a bit-accurate run.

    Parameters
    ----------
    model, data : as in `hwsim.run`; with ``labels`` among the data, they judge (else SQNR).
    families : descriptions with a star where the searched number stands: ``int8xint8+int*``
        (wraps), ``int8xint8+int*:saturate``, ``e4m3xe4m3+e6m*:chunk64:rtz``.
    metric : ``auto``, ``accuracy``, ``bits_per_character`` or ``sqnr_db``.
    tolerance : what may be lost against the family's widest unit, in the metric's own unit
        (accuracy: a share); by default the float32 model's standard error, or 1 dB (an SQNR over
        60 dB counts as 60).
    widest : the largest number searched; by default 32 bits of integers, 23 fraction bits.
    calibration, scale, node, seed, threads : as in `hwsim.run`.
    progress : called with (family and layer, done, total).

    Returns
    -------
    AccumulatorWidths: for every family and layer the width that never overflows in the worst case,
    with these weights (A2Q, arXiv 2308.13504), on this data, the one of a theory (floats), the
    least within the tolerance alone, and a recommendation that holds for all layers together;
    energy and area of it.

    Raises
    ------
    As `hwsim.run`; SpecError for a family, ValueError for ``tolerance`` and ``widest``.

    >>> from hwsim.networks import shipped
    >>> digits = shipped("digits-cnn")
    >>> found = accumulator_widths(digits.model, digits.evaluation, ["int8xint8+int*"])
    >>> [(layer.layer, layer.worst_case, layer.data) for layer in found.families[0].layers][:2]
    [('conv1', 19, 17), ('conv2', 22, 17)]
    """
    chosen = _families(families, widest)
    _check_tolerance(tolerance)
    network = model if isinstance(model, Network) else Network.load(model)
    network.check_layers()
    inputs = network.data(data)
    measured = None if calibration is None else network.measure(calibration)
    job = network.job(inputs, measured, seed=seed, scale=scale)
    job = replace(job, settings=replace(job.settings, threads=threads))
    task = Task(inputs, network.baseline(inputs), metric, tolerance)
    steps = 2 * len(network.layers) + 2
    found = []
    for number, family in enumerate(chosen):
        say = _counted(progress, str(family), number * steps, len(chosen) * steps)
        found.append(_search(network, job, family, task, node, say))
    baseline = task.score(task.baseline)
    return AccumulatorWidths(
        network.name, inputs.samples, baseline, task.allowed, node, tuple(found)
    )


_families = families


def _search(
    network: Network, job: Job, family: Family, task: Task, node: str, say: Callable[[str], None]
) -> FamilyWidths:
    started = time.perf_counter()
    say("widest")
    search = Search.start(network, job, family, task)
    alone, data = {}, {}
    for layer in network.layers:
        say(layer)
        data[layer] = search.without_overflow(layer)
        alone[layer] = search.alone(layer)
    say("all alike")
    uniform = search.uniform()
    widths = search.together(uniform, alone, say)
    units = {layer: family.unit(width) for layer, width in widths.items()}
    report = network.run(
        task.data,
        units,
        calibration=job.calibration,
        scale=job.scale,
        seed=job.seed,
        threads=job.settings.threads,
        node=node,
    )
    layers = tuple(
        _layer(search, i, (data[name], alone[name], widths[name]), report, units[name])
        for i, name in enumerate(network.layers)
    )
    return FamilyWidths(
        str(family),
        family.searched[-1],
        search.score,
        uniform,
        _energy(report, family.unit(uniform)),
        task.score(report.outputs),
        layers,
        search.probes,
        search.computed,
        time.perf_counter() - started,
    )


def _layer(
    search: Search,
    number: int,
    widths: tuple[int | None, int, int],
    report: RunReport,
    unit: MacUnit,
) -> LayerWidths:
    layer, counts = report.layers[number], report.layers[number].telemetry
    assert counts is not None
    top = search.family.unit(search.family.searched[-1])
    price = costs.layer_cost(top, layer.m, layer.k, layer.n, layer.batch, report.node)
    data, alone, width = widths
    added = counts.additions + counts.outer.additions
    nonzero = 1 - counts.zero_operands / max(1, counts.products)
    return LayerWidths(
        layer.name,
        layer.k,
        layer.macs,
        search.worst_case(layer.name),
        search.for_weights(layer.name),
        data,
        by_variance(search.family, search.facts[layer.name], nonzero),
        alone,
        width,
        str(unit),
        layer.energy_mac_pj,
        layer.area_um2,
        price.energy_mac_pj,
        price.area_um2,
        (counts.swamped_full + counts.outer.swamped_full) / max(1, added),
        counts.struck / max(1, counts.outputs),
    )


def _energy(report: RunReport, unit: MacUnit) -> float:
    """Of the whole run's MACs on one unit."""
    prices = (
        costs.layer_cost(unit, layer.m, layer.k, layer.n, layer.batch, report.node)
        for layer in report.layers
    )
    return sum(price.energy_mac_pj for price in prices)


def _check_tolerance(tolerance: float | None) -> None:
    number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    if tolerance is not None and (not number or not 0 <= tolerance < float("inf")):
        raise ValueError(f"tolerance={tolerance!r}: a number from 0 is needed")


def _counted(
    progress: Progress | None, family: str, before: int, total: int
) -> Callable[[str], None]:
    """Report progress, a step at each call."""
    done = before

    def say(layer: str) -> None:
        nonlocal done
        if progress:
            progress(f"{family} {layer}", done, total)
        done += 1

    return say
