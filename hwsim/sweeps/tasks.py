"""The engine: a list of independent tasks, each a pure function of model, data, unit and seed."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hwsim.errors import HwsimError
from hwsim.networks import Calibration, Data, LayerError, Network, Score, evaluate, is_within
from hwsim.networks.calibration import digest
from hwsim.networks.data import DataLike
from hwsim.networks.mixed import LayerUnits, as_units
from hwsim.networks.runtime import Array
from hwsim.networks.scales import ScaleLike
from hwsim.networks.source import ModelLike
from hwsim.sweeps.metadata import describe_run, sha256_of
from hwsim.sweeps.result import Sweep
from hwsim.sweeps.rows import YARDSTICK, Row, Subject, failed_row, make_row
from hwsim.units import LogSum, MacUnit, parse_unit
from hwsim.units.multipliers import Logarithmic

LOG = logging.getLogger("hwsim")
LONGEST_NAME = 160  # of a folder, and a digest: file systems take 255 bytes
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Task:
    """One unit on one network; every field survives a trip to another process."""

    name: str
    model: str | bytes
    data: str | Mapping[str, Any]
    unit: MacUnit | LayerUnits
    metric: str = "auto"
    seed: int = 0
    node: str = "45nm"
    calibration: str | Mapping[str, Any] | None = None
    verify: int = 0
    dump: str | None = None
    threads: int | None = None
    scale: ScaleLike | None = None


def run_task(task: Task, progress: Progress | None = None) -> Row:
    """Run one task; `progress` is called with (layer, done, total)."""
    network = _network(task.model)
    data = network.data(task.data)
    baseline = network.baseline(data)
    measured = None if task.calibration is None else network.measure(task.calibration)
    perfect = evaluate(baseline, data.labels, baseline, task.metric)
    classes = next(iter(baseline.values())).shape[-1]
    units = network.units(task.unit)
    about = Subject(task.name, str(task.unit), units, perfect, classes, task.node)
    try:
        report = network.run(
            data,
            task.unit,
            calibration=measured,
            scale=task.scale,
            telemetry="counts",
            threads=task.threads,
            verify=task.verify,
            seed=task.seed,
            dump=task.dump,
            node=task.node,
            progress=progress,
        )
    except LayerError as error:  # NaN reached a format without one: that is a result too
        LOG.warning("%s", error)
        shapes = network.run(data, YARDSTICK, telemetry=False, node=task.node).layers
        return failed_row(about, error, shapes)
    score = evaluate(report.outputs, data.labels, baseline, task.metric)
    if not is_within(score, perfect):
        about = replace(about, exact=_exact_score(network, data, baseline, measured, task))
    return make_row(about, score, report.layers)


def _patient(unit: MacUnit) -> MacUnit:
    """A unit that loses nothing but what its operands lose.

    Logarithms have products by a table alone, whose sums get more bits than ever show.
    """
    operands = "x".join(map(str, unit.operands))
    if isinstance(unit.core, Logarithmic) or isinstance(unit.order, LogSum):
        return parse_unit(f"{operands}:{unit.core or 'log30'}+e10m40:out=fp32")
    return replace(parse_unit(f"{operands}+exact"), daz=unit.daz or unit.ftz)


_exact_scores: dict[tuple[str, ...], Score] = {}


def _exact_score(
    network: Network,
    data: Data,
    baseline: dict[str, Array],
    measured: Calibration | None,
    task: Task,
) -> Score:
    """What the operands alone lose: the same network with every sum exact, rounded once."""
    units = {layer: _patient(unit) for layer, unit in network.units(task.unit).items()}
    scales = repr(task.scale) if measured is None else repr((task.scale, measured.ranges))
    key = (
        repr({k: str(u) for k, u in units.items()}),
        network.sha256,
        digest(data),
        task.metric,
        scales,
    )
    if key not in _exact_scores:
        report = network.run(
            data,
            units,
            calibration=measured,
            scale=task.scale,
            telemetry=False,
            threads=task.threads,
            node=task.node,
        )
        _exact_scores[key] = evaluate(report.outputs, data.labels, baseline, task.metric)
    return _exact_scores[key]


@lru_cache(maxsize=4)
def _network(model: str | bytes) -> Network:
    """Partitions and sessions are kept per process: tasks of one network share them."""
    return Network.load(model)


def sweep(
    model: ModelLike,
    data: DataLike,
    macs: Sequence[str | MacUnit | LayerUnits],
    metric: str = "auto",
    seed: int = 0,
    *,
    name: str | None = None,
    node: str = "45nm",
    calibration: DataLike | None = None,
    scale: ScaleLike | None = None,
    verify: int = 0,
    dump: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    arguments: str | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run a network on each of several MAC units: quality, swamping, overflow, energy, area.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto.  data : npz path, or mapping of the model's inputs to
        arrays, with optional integer ``labels`` (then accuracy or bits per character and NLL;
        otherwise SQNR against float32).
    macs : units, their descriptions, or files of units by layers (``….toml``, `LayerUnits`);
        doubles are run once.
    metric : ``auto``, ``accuracy``, ``bits_per_character`` or ``sqnr_db``.
    seed : of sr's random bits, and of the outputs drawn by ``verify``.
    name : of the task in the rows; by default the model's.
    node : technology node of the costs.
    calibration, scale : data for the scales, and their rule, as in `hwsim.run`.
    verify : recompute so many random outputs of every layer by the reference.
    dump : folder for golden vectors, one folder per unit in it.
    threads : per task.  executor : any `concurrent.futures.Executor` (threads, a spawned
        process pool, a cluster's client); by default tasks run here, one after the other.
    arguments : how a command line names the model and data, for the advice at the end.
    progress : called with (unit, done, total).

    Returns a `Sweep`.  Raises as `hwsim.run` does, and ValueError for an empty list of units.

    >>> from hwsim.networks import shipped
    >>> digits = shipped("digits-cnn")
    >>> result = sweep(digits.model, digits.evaluation, ["fp32xfp32+fp32", "int8xint8+int32"])
    >>> [row.unit for row in result.rows]
    ['fp32xfp32+fp32', 'int8xint8+int32']
    """
    units = _units(macs)
    for key, text in (("name", name), ("arguments", arguments)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{key}={text!r}: a string is needed")
    frozen = _freeze(model)
    network = _network(frozen)
    title = name or network.name
    base = Task(
        title,
        frozen,
        _freeze_data(data),
        units[0],
        metric=metric,
        seed=seed,
        node=node,
        calibration=None if calibration is None else _freeze_data(calibration),
        verify=verify,
        threads=threads,
        scale=scale,
    )
    tasks = [replace(base, unit=unit, dump=_folder(dump, title, unit)) for unit in units]
    rows = _run_here(tasks, progress) if executor is None else _submit(tasks, executor, progress)
    source = {
        "model_sha256": sha256_of(frozen),
        "data_sha256": sha256_of(data),
        "samples": network.data(data).samples,
        "arguments": arguments or _arguments(title, model, data),
    }
    return Sweep(tuple(rows), describe_run({title: source}, seed, node))


def _units(macs: Sequence[str | MacUnit | LayerUnits]) -> list[MacUnit | LayerUnits]:
    """The units, each once."""
    if isinstance(macs, (str, MacUnit, LayerUnits)):
        raise TypeError(f"macs={str(macs)!r}: a list of units is needed")
    try:
        given = list(macs)
    except TypeError as error:
        raise TypeError(f"macs={macs!r}: a list of units is needed") from error
    if not given:
        raise ValueError("macs=[]: at least one unit is needed")
    return list(dict.fromkeys(as_units(mac) for mac in given))


def _run_here(tasks: list[Task], progress: Progress | None) -> list[Row]:
    rows = []
    for done, task in enumerate(tasks):
        if progress:
            progress(str(task.unit), done, len(tasks))
        rows.append(run_task(task))
    return rows


def _submit(tasks: list[Task], executor: Executor, progress: Progress | None) -> list[Row]:
    futures: list[Future[Row]] = [executor.submit(run_task, task) for task in tasks]
    rows = []
    for done, (task, future) in enumerate(zip(tasks, futures, strict=True)):
        if progress:
            progress(str(task.unit), done, len(tasks))
        rows.append(future.result())
    return rows


def _freeze(model: ModelLike) -> str | bytes:
    """A model as something hashable that another process can read."""
    if isinstance(model, bytes):
        return model
    if isinstance(model, (str, os.PathLike)):
        return os.path.abspath(model)
    if hasattr(model, "SerializeToString"):
        data: bytes = model.SerializeToString()
        return data
    raise HwsimError(f"model={type(model).__name__}: a path, bytes or an onnx.ModelProto is needed")


def _freeze_data(data: DataLike) -> Any:
    return os.path.abspath(data) if isinstance(data, (str, os.PathLike)) else data


def _folder(
    dump: str | os.PathLike[str] | None, task: str, unit: MacUnit | LayerUnits
) -> str | None:
    """Folder of a unit's vectors; ':' and '/' of its name are no part of a portable path."""
    if dump is None:
        return None
    name = str(unit).replace(":", ",").replace("/", "-")
    if len(name) > LONGEST_NAME:  # codebooks spell out their values
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return os.path.join(dump, task, name)


def _arguments(title: str, model: ModelLike, data: DataLike) -> str:
    model_name = os.fspath(model) if isinstance(model, (str, os.PathLike)) else f"{title}.onnx"
    data_name = os.fspath(data) if isinstance(data, (str, os.PathLike)) else "data.npz"
    return f"{shlex.quote(model_name)} --data {shlex.quote(data_name)}"
