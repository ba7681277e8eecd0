"""Whole runs on hwsim's own units: shipped networks, verification, dumps, reports."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim import reference, simulate
from hwsim.errors import SpecError
from hwsim.networks import (
    LayerError,
    ModelError,
    Network,
    VerificationError,
    engine,
    evaluate,
    run,
    shipped,
)
from hwsim.networks.execution import Calls, even_spans, run_segment
from hwsim.units import parse_unit
from tests.networks.models import GraphBuilder
from tests.networks.stub import ExactEngine

UNITS = [
    "int8xint8+int32",
    "int8xint4+int16",
    "e4m3xe4m3+fp16:rtz:chunk32/fp32",
    "e5m2xe5m2+e6m9:chunk64",
    "bf16xbf16+bf16:mul_add",
    "fixed2.5xint4+fixed9.6:out=fp16",
    "fp32xfp32+exact",
]


@pytest.fixture(scope="module")
def digits() -> Network:
    return Network.load(shipped("digits-cnn").model)


@pytest.fixture(scope="module")
def images(digits: Network) -> Any:
    return digits.data(shipped("digits-cnn").evaluation).inputs["image"]


@pytest.mark.parametrize(("name", "samples"), [("digits-cnn", 540), ("char-lm", 8)])
def test_exact_unit_equals_onnxruntime(name: str, samples: int) -> None:
    network = Network.load(shipped(name).model)
    data = network.data(shipped(name).evaluation)
    inputs = {key: array[:samples] for key, array in data.inputs.items()}
    baseline = network.baseline(inputs)["logits"]
    report = network.run(inputs, "fp32xfp32+exact", verify=3)
    error = np.abs(report.outputs["logits"] - baseline).max()
    assert 0 < error <= 1e-5 * np.abs(baseline).max()
    assert [layer.verified for layer in report.layers] == [3] * len(network.layers)
    assert report.calibration_source.startswith("the shipped calibration split")
    assert data.labels is not None
    assert evaluate(report.outputs, data.labels[:samples], {"logits": baseline}).sqnr_db > 100


@pytest.mark.parametrize("unit", UNITS)
def test_verified_and_independent_of_the_batch(digits: Network, images: Any, unit: str) -> None:
    whole = digits.run(images[:12], unit, verify=5)
    parts = digits.run(images[:12], unit, verify=5, batch=5)
    assert whole.outputs["logits"].tobytes() == parts.outputs["logits"].tobytes()
    for a, b in zip(whole.layers, parts.layers, strict=True):
        assert (a.m, a.k, a.n, a.batch, a.verified) == (b.m, b.k, b.n, b.batch, 5)
        assert a.telemetry == b.telemetry
        assert a.energy_mac_pj == b.energy_mac_pj


def test_attention_is_verified_on_both_operands() -> None:
    network = Network.load(shipped("char-lm").model)
    tokens = np.random.default_rng(0).integers(0, 100, (3, 64))
    report = network.run(tokens, {"*.scores": "int4xint8+int16", "*": "fp16xfp16+fp16"}, verify=4)
    kinds = {layer.name: layer.unit for layer in report.layers}
    assert kinds["block1.scores"] == "int4xint8+int16"
    assert kinds["block1.mix"] == "fp16xfp16+fp16"
    assert report.totals["verified"] == 4 * 13


def test_verification_finds_one_wrong_unit(digits: Network, images: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "default_engine", ExactEngine(wrong=True))
    with pytest.raises(VerificationError, match=r"'conv1' on fp32.*output \[.*bits 0x") as info:
        digits.run(images[:2], "fp32xfp32+exact", verify=1)
    assert info.value.layer == "conv1"
    digits.run(images[:2], "fp32xfp32+exact")  # unnoticed without verify


def test_verify_draws_by_seed_and_leaves_numpys_generator_alone(
    graph: GraphBuilder, monkeypatch: Any
) -> None:
    graph.node("Gemm", ["x", graph.weight("w", 3, 50)], "y")
    network = Network.load(graph.model({"x": ["N", 3]}, {"y": ["N", 50]}))
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    seen: list[bytes] = []

    class Spy(ExactEngine):
        def dot(self, a: Any, b: Any, unit: Any, c: Any = None) -> Any:
            seen.append(a.tobytes() + b.tobytes())
            return super().dot(a, b, unit, c)

    monkeypatch.setattr(engine, "default_engine", Spy())
    drawn = []
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the state that must not move
    for seed, batch in ((1, None), (1, 7), (2, None)):
        seen.clear()
        network.run(x, "fp32xfp32+exact", verify=9, seed=seed, batch=batch)
        drawn.append(list(seen))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert len(set(drawn[0])) == 9
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def tuples(value: Any) -> Any:
    """JSON's lists as the pairs they were."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("batch", [None, 2])
def test_golden_vectors_replay(
    digits: Network, images: Any, tmp_path: Path, batch: int | None
) -> None:
    """From a dump alone: codes → reference → result codes, and the output as README.txt says."""
    unit = parse_unit("e4m3xint8+fp16:chunk16")
    report = digits.run(images[:3], unit, dump=tmp_path, batch=batch)
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 5 * (1 if batch is None else 2)
    assert "a_codes" in (tmp_path / "README.txt").read_text()
    assert not list(tmp_path.glob("*.part"))
    for file in files:
        with np.load(file, allow_pickle=False) as vectors:
            info = json.loads(str(vectors["info"]))
            assert parse_unit(info["unit"]) == unit
            a = simulate.decode(vectors["a_codes"], unit.a)
            b = simulate.decode(vectors["b_codes"], unit.b)
            if info["kind"] == "matmul":
                got = reference.matmul(a[:2], b[:, :4], unit)
                np.testing.assert_array_equal(got, vectors["results"][:2, :4])
                assert vectors["results"].shape == (info["m"], info["n"])
            else:
                keys = ("stride", "padding", "dilation", "groups")
                options = {key: tuples(info[key]) for key in keys}
                whole = simulate.conv2d(a, b, unit, **options)
                np.testing.assert_array_equal(whole, vectors["results"])
            codes = simulate.encode(vectors["results"], unit.output_format)
            np.testing.assert_array_equal(codes, vectors["result_codes"])
            scale = vectors["a_scale"] * vectors["b_scale"]
            output = vectors["results"].astype(np.float64) * scale
            bias = vectors["bias"]
            bias = bias[:, None, None] if info["kind"] == "conv2d" else bias
            output = output.astype(np.float32) + bias
            assert output.tobytes() == vectors["output"].tobytes()
    if batch is None:
        with np.load(tmp_path / "fc2.npz") as vectors:
            np.testing.assert_array_equal(vectors["output"][:, 0], report.outputs["logits"])


def test_mac_mapping(digits: Network, images: Any) -> None:
    report = digits.run(
        images[:2], {"conv*": "int8xint8+int32", "fc1": "bf16xbf16+fp32", "*": "fp16xfp16+fp32"}
    )
    assert [layer.unit.split("x")[0] for layer in report.layers] == ["int8"] * 3 + ["bf16", "fp16"]
    with pytest.raises(ModelError, match=r"no layer fits 'dense'; layers are conv1, .*fc2"):
        digits.run(images[:2], {"dense": "int8xint8+int32", "*": "int8xint8+int32"})
    with pytest.raises(ModelError, match=r"no pattern fits layer 'fc1'; add '\*'"):
        digits.run(images[:2], {"conv*": "int8xint8+int32"})
    with pytest.raises(SpecError):
        digits.run(images[:2], "int8xint9z")


@pytest.mark.parametrize("wrong", [{"verify": -1}, {"batch": 0}, {"telemetry": "all"}], ids=str)
def test_bad_options(digits: Network, images: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=f"{next(iter(wrong))}="):
        digits.run(images[:1], "int8xint8+int32", **wrong)


def test_nan_into_integers_names_the_layer(digits: Network, images: Any) -> None:
    spoiled = images[:2].copy()
    spoiled[1, 0, 3, 3] = np.nan
    with pytest.raises(LayerError, match=r"layer 'conv1' on int8xint8\+int32: .*NaN"):
        digits.run(spoiled, "int8xint8+int32")


def test_report(digits: Network, images: Any, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    unit = "int8xint8+int12:saturate"
    report = run(
        digits, images[:4], unit, telemetry=True, batch=2, progress=lambda *s: steps.append(s)
    )
    assert steps[0] == ("conv1", 1, 10)
    assert steps[-1] == ("fc2", 10, 10)
    conv2 = report.layers[1]
    assert (conv2.m, conv2.k, conv2.n, conv2.batch) == (4 * 64, 108, 24, 1)
    assert conv2.macs == 4 * 64 * 108 * 24 == conv2.telemetry.products
    assert report.telemetry.overflow_outputs == report.totals["overflow_outputs"] > 0
    assert report.totals["energy_mac_pj"] == sum(r.energy_mac_pj for r in report.layers) > 0
    rows = list(csv.DictReader(io.StringIO(report.to_csv(tmp_path / "layers.csv"))))
    assert (tmp_path / "layers.csv").read_text() == report.to_csv()
    assert [row["name"] for row in rows] == list(digits.layers)
    assert float(rows[1]["scale_a"]) == conv2.scales["a"]
    assert int(rows[1]["overflow_outputs"]) == conv2.telemetry.overflow_outputs
    again = json.loads(json.dumps(report.to_dict()))
    assert again["totals"]["macs"] == report.totals["macs"]
    assert "<td>conv2</td>" in report._repr_html_()
    for suffix in ("png", "svg"):
        file = tmp_path / f"run.{suffix}"
        figure = report.plot(file)
        assert file.stat().st_size > 5000
    assert len(figure.axes) == 3
    assert len(figure.axes[1].patches) == 5


def test_telemetry_off_and_other_node(digits: Network, images: Any, tmp_path: Path) -> None:
    report = digits.run(images[:1], "int8xint8+int32", telemetry=False, node="7nm")
    assert report.telemetry is None
    assert "swamped_full" not in report.to_csv()
    assert report.totals["energy_mac_pj"] > 0
    report.plot(tmp_path / "p.png")
    assert report.node == "7nm"


def test_inputs_are_not_changed_and_read_only_ones_do(digits: Network, images: Any) -> None:
    frozen = images[:2].copy()
    frozen.flags.writeable = False
    before = frozen.tobytes()
    digits.run({"image": frozen}, "int4xint4+int12")
    assert frozen.tobytes() == before


@pytest.mark.parametrize("sizes", [(3, 3, 3), (3, 4, 3), (3, 3, 0)])
def test_results_of_a_segment_lie_in_one_array_if_they_fit(sizes: tuple[int, ...]) -> None:
    class Segment:
        inputs, outputs = ("x",), ("y",)

        def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
            return {"y": np.arange(float(feeds["x"]))}

    values: dict[str, list[Any]] = {"x": list(sizes)}
    values |= run_segment(Segment(), values, 3)
    assert isinstance(values["y"], Calls) == (len(set(sizes)) == 1)
    assert [value.tolist() for value in values["y"]] == [list(range(n)) for n in sizes]


@pytest.mark.parametrize(("calls", "most"), [(24, 23), (1, 5), (10, 3), (6, 6), (0, 4)])
def test_mini_batches_are_even(calls: int, most: int) -> None:
    spans = even_spans(calls, most)
    assert [i for span in spans for i in span] == list(range(calls))
    sizes = {len(span) for span in spans} or {0}
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("unit", ["mxfp8_e4m3xmxfp8_e4m3+fp32", "nvfp4xnvfp4+fp16:chunk16/fp32"])
def test_blocks_run_and_verify(digits: Network, images: Any, unit: str) -> None:
    report = digits.run(images[:12], unit, verify=5)
    assert [layer.verified for layer in report.layers] == [5] * len(report.layers)
    assert {scale for layer in report.layers for scale in layer.scales.values()} == {1.0}
