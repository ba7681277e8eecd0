"""Recommended widths, judged by runs of their own."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

import hwsim
from hwsim.accumulators import AccumulatorWidths, accumulator_widths
from hwsim.accumulators.search import Search, Task, narrowest
from hwsim.cli import main
from hwsim.networks import Network, Score, evaluate, shipped
from tests.networks.models import GraphBuilder

FAMILIES = ("int8xint8+int*", "int8xint8+int*:saturate", "e4m3xe4m3+e6m*:chunk16")


@pytest.fixture(scope="module")
def digits() -> tuple[Network, Any, AccumulatorWidths]:
    """The first 150 digits, and what is found for them."""
    model = shipped("digits-cnn")
    network = Network.load(model.model)
    data = network.data(model.evaluation)
    some = {"image": data.inputs["image"][:150], "labels": data.labels[:150]}
    return network, some, accumulator_widths(network, some, FAMILIES)


def value(network: Network, data: Any, units: Any) -> float:
    report = hwsim.run(network, data, units, telemetry=False)
    return evaluate(report.outputs, data["labels"], None).value


@pytest.mark.parametrize("number", range(len(FAMILIES)))
def test_every_width_is_the_least(digits, number: int):
    """Alone: it holds and a step less does not.  Together: no layer above its own can go down."""
    network, data, found = digits
    family = found.families[number]
    unit = lambda width: family.family.replace("*", str(width))  # noqa: E731
    least = value(network, data, unit(family.widest)) - found.tolerance
    assert family.best.value == least + found.tolerance
    for layer in family.layers:
        for width, holds in ((layer.alone, True), (layer.alone - 1, False)):
            if width:
                units = {layer.layer: unit(width), "*": unit(family.widest)}
                assert (value(network, data, units) >= least) == holds, (layer.layer, width)
    together = {layer.layer: str(u) for layer, u in zip(family.layers, family.units.values())}  # noqa: B905
    assert value(network, data, together) == family.score.value >= least
    for layer in family.layers:
        if layer.width > layer.alone:
            narrower = together | {layer.layer: unit(layer.width - 1)}
            assert value(network, data, narrower) < least
    for width, holds in ((family.uniform, True), (family.uniform - 1, False)):
        assert (value(network, data, unit(width)) >= least) == holds


@pytest.mark.parametrize("number", range(2))
def test_this_data_overflows_a_bit_less(digits, number: int):
    """Counted in runs whose other layers are wide."""
    network, data, found = digits
    family = found.families[number]
    unit = lambda width: family.family.replace("*", str(width))  # noqa: E731
    for place, layer in enumerate(family.layers):
        assert layer.data <= layer.weights <= layer.worst_case
        for width, hits in ((layer.data, False), (layer.data - 1, True)):
            units = {layer.layer: unit(width), "*": unit(family.widest)}
            report = hwsim.run(network, data, units)
            assert bool(report.layers[place].telemetry.overflow_outputs) == hits


def test_costs_are_those_of_the_recommended_units(digits):
    """Per layer, together, uniform and widest."""
    network, data, found = digits
    for family in found.families:
        mixed = hwsim.run(network, data, {k: str(u) for k, u in family.units.items()})
        assert family.energy_pj == pytest.approx(mixed.totals["energy_mac_pj"], rel=1e-12)
        alike = hwsim.run(network, data, family.family.replace("*", str(family.uniform)))
        assert family.uniform_energy_pj == pytest.approx(alike.totals["energy_mac_pj"], rel=1e-12)
        assert family.energy_pj <= family.uniform_energy_pj < family.widest_energy_pj
        assert family.area_um2 == max(layer.area_um2 for layer in mixed.layers)


def test_nothing_is_computed_twice(digits):
    """Fewer layers than probes times layers, though no probe is left out."""
    found = digits[2]
    for family in found.families:
        assert family.computed < family.probes * len(family.layers)


@pytest.mark.parametrize("passing", [{3, 4, 5}, {1, 3, 4, 5}, {5}, {1, 2, 3, 4, 5}])
def test_halving_ends_at_a_step(passing: set[int]):
    """Where it holds and the next narrower does not, also where some narrower one does."""
    width = narrowest(lambda w: w in passing, [1, 2, 3, 4, 5])
    assert width in passing
    assert width - 1 not in passing


def test_a_model_without_labels(graph: GraphBuilder, tmp_path: Path, capsys):
    """Judged by SQNR; layers without weights have no A2Q width; files run again."""
    graph.node("MatMul", ["x", graph.weight("w", 6, 8)], "h", "first")
    graph.node("Transpose", ["h"], "t", perm=[0, 2, 1])
    graph.node("MatMul", ["h", "t"], "y", "scores[0]")
    model = graph.model({"x": ["n", 5, 6]}, {"y": ["n", 5, 5]})
    onnx.save(model, tmp_path / "m.onnx")
    x = np.random.default_rng(1).standard_normal((20, 5, 6)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x)
    about = [str(tmp_path / "m.onnx"), "--data", str(tmp_path / "d.npz")]
    out = ["--family", "int8xint8+int*:saturate", "--out", str(tmp_path / "o"), "--json"]
    with pytest.raises(SystemExit, match="0"):
        main(["accumulator", *about, *out])
    found = json.loads(capsys.readouterr().out)
    first, scores = found["families"][0]["layers"]
    assert first["weights"] is not None
    assert scores["weights"] is None
    assert found["families"][0]["score"]["value"] >= found["families"][0]["best"]["value"] - 1
    with pytest.raises(SystemExit, match="0"):
        main(["run", *about, "--mac", str(tmp_path / "o" / "recommended.toml"), "--json"])
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [layer["unit"] for layer in layers] == [first["unit"], scores["unit"]]
    with pytest.raises(SystemExit, match="2"):
        main(["accumulator", *about, *out])
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize("unit", ["int8xuint8+int*", "uint8xuint8+int*:saturate"])
def test_zero_points_are_part_of_the_sums(graph: GraphBuilder, unit: str):
    """A correction that the accumulator cannot hold is an overflow, also of one that wraps: at
    the least width without one every result is the widest unit's, and other data stays below the
    widths of the weights and of the worst case."""
    rng = np.random.default_rng(3)
    w = rng.uniform(-1, -0.9, (64, 6)).astype(np.float32)
    graph.node("MatMul", ["x", graph.weight("w", values=w)], "y", "only")
    network = Network.load(graph.model({"x": ["n", 64]}, {"y": ["n", 6]}))
    x = {"x": rng.uniform(-1, -0.5, (40, 64)).astype(np.float32)}
    (layer,) = accumulator_widths(network, x, [unit]).families[0].layers
    assert layer.data is not None
    assert layer.weights is not None
    assert layer.data <= layer.weights <= layer.worst_case

    def outputs(width: int, data: Any) -> Any:
        name = unit.replace("*", str(width))
        return hwsim.run(network, data, name, calibration=x).outputs["y"]

    assert np.array_equal(outputs(layer.data, x), outputs(32, x))
    calibrated = network.measure(x)
    narrow = unit.replace("*", str(layer.data - 1))
    if "saturate" not in unit:
        report = network.run(x, narrow, calibration=calibrated)
        assert report.layers[0].telemetry is not None
        assert report.layers[0].telemetry.struck
    for low, high in ((-1.5, 1.5), (-1, -1), (0, 0), (-0.5, 1)):
        other = {"x": rng.uniform(low, high, (40, 64)).astype(np.float32)}
        assert np.array_equal(outputs(layer.weights, other), outputs(32, other))


def test_a_layer_of_zeros_has_no_theory(graph: GraphBuilder):
    """As the first step of an LSTM whose state is zero."""
    graph.node("MatMul", ["x", graph.weight("w", 9, 4)], "y", "only")
    model = graph.model({"x": ["n", 9]}, {"y": ["n", 4]})
    found = accumulator_widths(model, {"x": np.zeros((3, 9), np.float32)}, ["e4m3xe4m3+e6m*"])
    assert found.families[0].layers[0].theory is None


def test_a_loss_at_the_tolerance_holds():
    """0.90 − 0.89 is more than 0.01 in binary."""
    task = Task(None, {}, "accuracy", 0.01)  # type: ignore[arg-type]
    best, score = Score("accuracy", 0.90), Score("accuracy", 0.89)
    assert task.loss(score, best) > 0.01
    search = Search(None, task, SimpleNamespace(units={}), {}, best, 0.01, None)  # type: ignore[arg-type]
    search._losses[()] = task.loss(score, best)
    search.units = lambda widths: ()  # type: ignore[method-assign]
    assert search.holds({})


def test_nothing_is_recommended_that_does_not_work(capsys, tmp_path: Path):
    """Ten bits are too few for the digits: the command says so."""
    out = ["--family", "int8xint8+int*", "--widest", "10", "--out", str(tmp_path / "my out")]
    with pytest.raises(SystemExit, match="0"):
        main(["accumulator", "digits-cnn", "--scale", "absmax", *out])
    printed = capsys.readouterr().out
    assert "Even int8xint8+int10 everywhere lies outside float32's error bar" in printed
    assert "Nothing to recommend" in printed
    assert "--scale absmax --mac '" in printed


def test_names_of_layers_are_printed_as_they_are(graph: GraphBuilder, tmp_path: Path, capsys):
    """Brackets are no markup; long names fold and leave the numbers."""
    name = "blk[/conv]/" + "attention/" * 9 + "dense[kernel]"
    graph.node("MatMul", ["x", graph.weight("w", 9, 4)], "y", name)
    onnx.save(graph.model({"x": ["n", 9]}, {"y": ["n", 4]}), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.ones((4, 9), np.float32))
    about = [str(tmp_path / "m.onnx"), "--data", str(tmp_path / "d.npz")]
    for command in (
        ["accumulator", *about, "--family", "int8xint8+int*", "--out", str(tmp_path / "a")],
        ["diagnose", *about, "--mac", "int8xint8+int16", "--out", str(tmp_path / "b")],
        ["run", *about, "--mac", "int8xint8+int16", "--layers"],
    ):
        with pytest.raises(SystemExit, match="0"):
            main(command)
        printed = capsys.readouterr().out
        assert "blk[/conv]" in printed
        assert "K" in printed.split()
        assert "…" not in printed


def test_bad_arguments_are_named(digits):
    """Before anything is computed."""
    network, data, _ = digits
    for tolerance in (-1, float("nan"), "1", True):
        with pytest.raises(ValueError, match="tolerance="):
            accumulator_widths(network, data, ["int8xint8+int*"], tolerance=tolerance)
    with pytest.raises(TypeError, match="families="):
        accumulator_widths(network, data, "int8xint8+int*")


def test_tables_pictures_and_csv(digits, tmp_path: Path):
    """A line for each family and layer; a panel for each family."""
    found = digits[2]
    paths = found.save(tmp_path)
    assert [path.name for path in paths[:4]] == [
        "widths.json", "widths.csv", "widths.png", "recommended.toml"
    ]  # fmt: skip
    assert len(paths) == 4 + len(FAMILIES)
    lines = paths[1].read_text().splitlines()
    assert len(lines) == 1 + 5 * len(FAMILIES)
    assert lines[1].startswith("int8xint8+int*,conv1,9,")
    figure = found.plot()
    assert len(figure.axes) == len(FAMILIES)
