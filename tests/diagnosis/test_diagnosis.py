"""Diagnoses against runs, the reference, and closed forms."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import hwsim
from hwsim.cli import main
from hwsim.diagnosis import Diagnosis, diagnose
from hwsim.diagnosis.growth import exponents, grown, lengths, starts
from hwsim.diagnosis.observing import Observer, entered
from hwsim.errors import HwsimError
from hwsim.networks import Network, engine, shipped
from hwsim.units import parse_unit
from tests.networks.models import GraphBuilder

UNITS = ("e4m3xe4m3+e5m3", "int8xint8+int16", "e5m2xe5m2+e6m4:chunk8", "uint8xint8+int18")
BLOCKS = ("mxfp4xmxfp4+fp16", "nvfp4xnvfp4+fp16:chunk16", "e4m3xe4m3+fp16:daz")


@pytest.fixture(scope="module")
def found() -> tuple[Network, Any, Diagnosis]:
    """The first 60 digits on a few units."""
    model = shipped("digits-cnn")
    network = Network.load(model.model)
    data = network.data(model.evaluation)
    some = {"image": data.inputs["image"][:60], "labels": data.labels[:60]}
    return network, some, diagnose(network, some, UNITS, samples=40)


def test_counts_are_those_of_a_run(found):
    """All telemetry, of every layer."""
    network, data, diagnosis = found
    for unit in diagnosis.units:
        report = hwsim.run(network, data, unit.unit, telemetry=True)
        assert [x.counts for x in unit.layers] == [x.telemetry for x in report.layers]


@pytest.mark.parametrize("unit", UNITS + BLOCKS)
def test_the_followed_sums_end_at_the_bits_of_the_run(found, unit: str):
    """The sampled outputs' operands, summed up again, give what the run gave; so they are those
    of the outputs, with their initial values."""
    network, data, _ = found
    observer = Observer(25, 3, 3, 60, engine.default_engine)
    network.run(data, unit, watch=observer, batch=17)
    for sight in observer.sights.values():
        a, b = (np.array([getattr(dot, x) for dot in sight.samples]) for x in "ab")
        start = sight.samples[0].c
        c = None if start is None else np.array([dot.c for dot in sight.samples])
        (last,) = grown(sight.run.sums_on, a, b, c, engine.default_engine)[-1:]
        values = np.abs([dot.value for dot in sight.samples])
        assert len(values) == 25
        for dot in [*sight.samples, *sight.worst]:  # block scales are the run's, the error is true
            x, y = entered(sight.run.sums_on, dot.a, dot.b)
            total = sum(map(Fraction, (x * y).tolist())) + Fraction(float(dot.c or 0))
            assert dot.exact == float(total)
            assert dot.value == float(hwsim.reference.dot(dot.a, dot.b, sight.run.sums_on, dot.c))
        assert last.sums == (np.median(values), np.quantile(values, 0.99), values.max())


def test_histograms_count_everything(found):
    """Products with their zeros, sums without."""
    for unit in found[2].units:
        for layer in unit.layers:
            count = layer.samples
            assert 36 <= count <= 40  # a small layer's outputs are drawn twice at times
            assert layer.growth[-1].counts.outputs == count
            assert sum(layer.sums.values()) <= count
            products = sum(layer.products.values()) + layer.zero_products
            assert products == count * layer.report.k


def test_worst_outputs_are_the_worst(found, tmp_path: Path):
    """Against every output of the layer's golden vectors and its exact sum."""
    network, data, diagnosis = found
    for unit in diagnosis.units[:3]:
        folder = tmp_path / unit.unit.replace(":", ",")
        hwsim.run(network, data, unit.unit, telemetry=False, dump=folder)
        for name in ("fc1", "fc2"):
            layer = next(x for x in unit.layers if x.name == name)
            mac = parse_unit(unit.unit)
            with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
                a = np.asarray(hwsim.decode(file["a_codes"], mac.a), np.float64)
                b = np.asarray(hwsim.decode(file["b_codes"], mac.b), np.float64)
                results = file["results"].astype(np.float64)
            errors = np.abs(results - a @ b)  # products and sums of 8 bits: no rounding
            order = np.sort(errors, axis=None)[::-1]
            assert [dot.error for dot in layer.worst] == order[: len(layer.worst)].tolist()
            for dot in layer.worst:
                i, j = dot.index
                assert (dot.value, dot.error) == (results[i, j], errors[i, j])
                assert (dot.a == a[i]).all()
                assert (dot.b == b[:, j]).all()
            noise, signal = float(np.square(errors).sum()), float(np.square(a @ b).sum())
            assert layer.sqnr_db == pytest.approx(10 * math.log10(signal / noise), rel=1e-9)


@pytest.mark.parametrize(
    ("unit", "sticks"),
    [("e5m2xe5m2+e6m4", 33), ("e5m2xe5m2+e6m4:chunk8", 257), ("e5m2xe5m2+fp32", None)],
)
def test_ones_stick_where_the_closed_form_says(unit: str, sticks: int | None):
    """Sums of ones stop at 2^p, in chunks of c at c·2^p; from there all additions vanish."""
    mac = parse_unit(unit)
    ones = np.ones((3, 1024))
    points = grown(mac, ones, ones, None, engine.default_engine)
    assert [p.k for p in points] == lengths(mac, 1024)
    assert starts(points) == sticks
    for point in points:
        top = min(point.k, math.inf if sticks is None else sticks - 1)
        assert point.sums == (top, top, top)
        assert point.exact == (point.k,) * 3
        assert point.error == (point.k - top) / point.k
        if sticks and point.k > 2 * sticks:
            assert point.swamped == (1.0 if "chunk" not in unit else 1 / 9)


@pytest.mark.parametrize(
    "unit",
    [
        "e4m3xe4m3+e5m3",
        "e4m3xe4m3+e5m3:chunk4/fp16",
        "fp16xfp16+fp16:tree4",
        "int8xint8+int13:saturate",
        "hopper.e4m3",
        "fp16xfp16+fp16:mul_add:rtz",
    ],
)
def test_points_are_dot_products_of_the_reference(unit: str):
    """Every prefix, with initial values."""
    mac = parse_unit(unit)
    rng = np.random.default_rng(7)
    a, b = (np.asarray(hwsim.round(rng.normal(size=(5, 45)) * 4, f)) for f in (mac.a, mac.b))
    c = np.asarray(hwsim.round(rng.normal(size=5) * 4, mac.outer_format, overflow="saturate"))
    for point in grown(mac, a, b, c, engine.default_engine):
        k, outputs = point.k, list(zip(a, b, c, strict=True))
        sums = [float(hwsim.reference.dot(x[:k], y[:k], mac, z)) for x, y, z in outputs]
        assert point.sums[2] == max(map(abs, sums))
        assert point.sums[0] == float(np.median(np.abs(sums)))
        exact = [
            Fraction(float(z)) + sum(Fraction(float(p)) * Fraction(float(q)) for p, q in pairs)
            for pairs, z in ((zip(x[:k], y[:k], strict=True), z) for x, y, z in outputs)
        ]
        assert point.exact[2] == pytest.approx(float(max(map(abs, exact))), rel=1e-12)


def test_shares_between_points_add_up_to_all():
    """Of sequential sums: additions between points, weighted, give the counts of the whole."""
    mac = parse_unit("e4m3xe4m3+e5m3")
    rng = np.random.default_rng(3)
    a, b = (np.asarray(hwsim.round(rng.normal(size=(9, 100)), "e4m3")) for _ in "ab")
    points = grown(mac, a, b, None, engine.default_engine)
    before, total = 0, 0.0
    for point in points:
        total += point.swamped * 9 * (point.k - before)
        before = point.k
    assert total == pytest.approx(points[-1].counts.swamped_full)


def test_exponents():
    """2^e ≤ |x| < 2^(e + 1); no zeros, no specials, subnormals of float64 too."""
    values = np.array([1.0, -1.5, 2.0, 0.0, -0.0, np.inf, np.nan, 2.0**-1074, 0.999])
    assert exponents(values) == {0: 2, 1: 1, -1074: 1, -1: 1}


def test_worst_convolutions_are_the_worst_of_all_batches(found):
    """Grouped, in several mini-batches, with zero points: against every output, by float64."""
    network, data, _ = found
    errors: dict[str, list[float]] = {}

    def watch(run: Any, product: Any, result: Any, span: range) -> None:
        exact = engine.default_engine.product(product, parse_unit("uint8xint8+int32"), False, None)
        gap = np.abs(np.asarray(result, float) - np.asarray(exact[0], float))
        errors.setdefault(run.layer.name, []).extend(gap.ravel().tolist())

    unit = "uint8xint8+int15:saturate"
    network.run(data, unit, watch=watch, batch=23)
    observer = Observer(0, 4, 0, 60, engine.default_engine)
    network.run(data, unit, watch=observer, batch=23)
    for name, all_of_them in errors.items():
        sight = observer.sights[name]
        top = sorted((e for e in all_of_them if e), reverse=True)
        assert [dot.error for dot in sight.worst] == top[:4]
        assert sight.largest == max(all_of_them)
        assert sight.noise == pytest.approx(float(np.square(all_of_them).sum()))


def test_infinity_that_is_right_is_no_error(graph: GraphBuilder):
    """Inf of an Inf leaves the other outputs' SQNR as it was; none kept changes nothing."""
    graph.node("MatMul", ["x", graph.weight("w", 30, 4)], "y", "only")
    model = graph.model({"x": ["n", 30]}, {"y": ["n", 4]})
    x = np.random.default_rng(4).standard_normal((9, 30)).astype(np.float32)
    more = np.concatenate([x, np.full((1, 30), np.inf, np.float32)])
    layers = [
        diagnose(model, {"x": data}, ["bf16xbf16+bf16"], worst=worst).units[0].layers[0]
        for data, worst in ((x, 5), (more, 5), (more, 0))
    ]
    assert layers[0].sqnr_db is not None
    assert 20 < layers[0].sqnr_db < 60
    assert {layer.sqnr_db for layer in layers} == {layers[0].sqnr_db}
    assert {layer.largest_error for layer in layers} == {layers[0].largest_error}


def test_nothing_followed_and_no_layers(graph: GraphBuilder, tmp_path: Path):
    """No samples; and a model without products."""
    network = Network.load(shipped("digits-cnn").model)
    data = {"image": network.data(shipped("digits-cnn").evaluation).inputs["image"][:3]}
    found = diagnose(network, data, ["e4m3xe4m3+fp16"], samples=0)
    assert [layer.growth for layer in found.units[0].layers] == [()] * 5
    found.save(tmp_path / "none")
    graph.node("Sigmoid", ["x"], "y")
    empty = graph.model({"x": ["n", 3]}, {"y": ["n", 3]})
    with pytest.raises(HwsimError, match="no layer"):
        diagnose(empty, {"x": np.ones((2, 3), np.float32)}, ["e4m3xe4m3+fp16"])


def test_nonfinite_results_are_the_worst_of_all(graph: GraphBuilder):
    """An overflow to Inf has an infinite error, and the layer no SQNR."""
    graph.node(
        "MatMul", ["x", graph.weight("w", values=np.full((64, 2), 3.0, np.float32))], "y", "big"
    )
    model = graph.model({"x": ["n", 64]}, {"y": ["n", 2]})
    data = {"x": np.full((4, 64), 400.0, np.float32)}
    layer = diagnose(model, data, ["fp16xfp16+fp16"], scale="none").units[0].layers[0]
    assert layer.worst[0].error == math.inf
    assert layer.sqnr_db == -math.inf
    assert layer.overflowed == 1.0
    assert layer.growth[-1].overflowed > 0


def test_the_command_on_a_users_model(graph: GraphBuilder, tmp_path: Path, capsys):
    """Tables, files, JSON without NaN; an earlier result is kept."""
    graph.node("MatMul", ["x", graph.weight("w", 200, 8)], "y", "only")
    onnx.save(graph.model({"x": ["n", 200]}, {"y": ["n", 8]}), tmp_path / "m.onnx")
    x = np.abs(np.random.default_rng(2).standard_normal((30, 200))).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x)
    about = ["diagnose", str(tmp_path / "m.onnx"), "--data", str(tmp_path / "d.npz")]
    macs = [
        "--mac",
        "e4m3xe4m3+e5m3",
        "--mac",
        "log4.3xlog4.3:log8+fp32",
        "--mac",
        "mxfp4xmxfp4+fp32",
    ]
    out = ["--out", str(tmp_path / "o"), "--samples", "16"]
    with pytest.raises(SystemExit, match="0"):
        main([*about, *macs, *out])
    printed = capsys.readouterr().out
    assert "swamps" in printed
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {"diagnosis.json", "layers.csv", "heat.png"} | {
        f"growth-{i}.png" for i in (1, 2, 3)
    }
    text = (tmp_path / "o" / "diagnosis.json").read_text()
    units = json.loads(text, parse_constant=lambda name: pytest.fail(name))["units"]
    assert [u["layers"][0]["samples"] for u in units] == [
        15
    ] * 3  # 16 draws of 240 outputs, one of them twice
    assert units[1]["layers"][0]["layer_sqnr_db"] is None
    with pytest.raises(SystemExit, match="2"):
        main([*about, *macs, *out])
    assert "--force" in capsys.readouterr().err


def test_bad_arguments_are_named(found):
    """Counts, lists, formats that float64 does not hold."""
    network, data, _ = found
    for name, value in (("samples", -1), ("worst", 2.5), ("samples", True)):
        with pytest.raises(ValueError, match=f"{name}="):
            diagnose(network, data, ["int8xint8+int32"], **{name: value})
    with pytest.raises(ValueError, match="at least one"):
        diagnose(network, data, [])
    with pytest.raises(HwsimError, match="53 bits"):
        diagnose(network, data, ["int8xint8+fixed40.20"])
