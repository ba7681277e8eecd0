"""Networks on arrays: their layers' sizes, the report, the pictures, and the command."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import hwsim
from hwsim.cli import main
from hwsim.costs import Node, array_cost, dram, sram
from hwsim.networks import DataError, LayerUnits, Network, shipped
from hwsim.networks.array_drawing import draw_arrays

INT8 = "int8xint8+int32"
FP16 = "e4m3xe4m3+fp16"


@pytest.fixture(scope="module")
def digits() -> Network:
    return Network.load(shipped("digits-cnn").model)


def model(text: str) -> onnx.ModelProto:
    opset = [onnx.helper.make_opsetid("", 19)]  # ONNX Runtime may lag behind onnx
    made = onnx.helper.make_model(onnx.parser.parse_graph(text), opset_imports=opset)
    made.ir_version = 10
    return made


@pytest.mark.parametrize("name", ["digits-cnn", "char-lm"])
@pytest.mark.parametrize("samples", [1, 5])
def test_sizes_are_those_of_a_run(name, samples):
    about = shipped(name)
    network = Network.load(about.model)
    inputs = {k: v[:samples] for k, v in network.data(about.evaluation).inputs.items()}
    run = network.run(inputs, "fp32xfp32+fp32", telemetry=False)
    wanted = [(x.name, x.m, x.k, x.n, x.batch) for x in run.layers]
    for found in (network.shapes(samples=samples), network.shapes(about.evaluation, samples)):
        assert [(x.name, x.m, x.k, x.n, x.batch) for x in found] == wanted


OPERATORS = {
    "g (float[N,4,6] x) => (float[N,4,4] y) { y = MatMul (x, w) }": ("w", (6, 4)),
    "g (float[N,8,6,6] x) => (float[N,4,6,6] y) { y = Conv <group=2, pads=[1,1,1,1]> (x, w) }":
        ("w", (4, 4, 3, 3)),
    "g (float[N,8,5,5] x) => (float[N,4,9,9] y) { y = ConvTranspose <strides=[2,2], "
    "pads=[1,1,1,1]> (x, w) }": ("w", (8, 4, 3, 3)),
    "g (float[N,3,4,6] x) => (float[N,3,4,4] y) { t = Transpose <perm=[0,1,3,2]> (x) "
    "y = MatMul (x, t) }": None,
}  # fmt: skip


@pytest.mark.parametrize("text", OPERATORS, ids=lambda text: text.split("y = ")[-1].split(" ")[0])
def test_sizes_of_operators(text):
    built = model(text)
    if OPERATORS[text]:
        name, shape = OPERATORS[text]
        weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        built.graph.initializer.append(onnx.numpy_helper.from_array(weights, name))
    network = Network.load(built)
    shape = [d.dim_value or 3 for d in built.graph.input[0].type.tensor_type.shape.dim]
    data = np.ones(shape, np.float32)
    run = network.run(data, "fp32xfp32+fp32", telemetry=False)
    wanted = [(x.m, x.k, x.n, x.batch) for x in run.layers]
    assert [(x.m, x.k, x.n, x.batch) for x in network.shapes(samples=3)] == wanted


INTEGERS = {
    "g (uint8[N,6] x) => (int32[N,4] y) { y = MatMulInteger (x, w) }": (6, 4),
    "g (uint8[N,2,5,5] x) => (int32[N,3,3,3] y) { y = ConvInteger (x, w) }": (3, 2, 3, 3),
    "g (float[N,6] x) => (float[N,4] y) { s = Constant <value = float {0.5}> () "
    "z = Constant <value = uint8 {3}> () c = Constant <value = int8 {0}> () "
    "q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z) "
    "v = DequantizeLinear (w, s, c) y = MatMul (d, v) }": (6, 4),
}


@pytest.mark.parametrize("text", INTEGERS, ids=["MatMulInteger", "ConvInteger", "QDQ"])
def test_sizes_of_codes(text):
    built = model(text)
    weights = np.random.default_rng(0).integers(-9, 9, INTEGERS[text]).astype(np.int8)
    built.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    network = Network.load(built)
    kind = built.graph.input[0].type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    data = np.ones([d.dim_value or 3 for d in kind.shape.dim], dtype)
    run = network.run(data, "uint8xint8+int32", telemetry=False)
    wanted = [(x.m, x.k, x.n, x.batch) for x in run.layers]
    assert wanted
    assert [(x.m, x.k, x.n, x.batch) for x in network.shapes(samples=3)] == wanted


def test_a_full_size_network():
    """ResNet-50: 4.09 GMACs an image (He et al. 2016: 3.8 with strides in other places)."""
    graphs = Path(onnx.__file__).parent / "backend/test/data/light"
    report = hwsim.array(Network.load(graphs / "light_resnet50.onnx"), INT8)
    assert len(report.layers) == 54
    assert report.totals["macs"] == 4_089_184_256


def test_open_lengths_need_data():
    built = model("g (float[N,T,6] x, float[6,4] w) => (float[N,T,4] y) { y = MatMul (x, w) }")
    network = Network.load(built)
    with pytest.raises(DataError, match="model input 'x' has no fixed shape: data is needed"):
        network.shapes()
    data = {"x": np.ones((1, 5, 6), np.float32), "w": np.ones((6, 4), np.float32)}
    assert network.shapes(data)[0].macs == 5 * 6 * 4
    with pytest.raises(ValueError, match="samples=0"):
        network.shapes(data, 0)


def test_a_report_is_its_layers(digits):
    machine = hwsim.Array(8, 8, "weight")
    report = hwsim.array(digits, INT8, machine, samples=2)
    assert report.layers == tuple(array_cost(g, INT8, machine) for g in digits.shapes(samples=2))
    assert report.totals["macs"] == sum(x.gemm.macs for x in report.layers)
    facts = json.loads(json.dumps(report.to_dict()))
    assert facts["array"]["rows"] == 8
    assert facts["array"]["sram"]["read_pj_per_access"] == 20
    assert facts["array"]["peak_gmacs"] == 64
    for row, layer in zip(facts["layers"], report.layers, strict=True):
        levels = [row[f"energy_{x}_pj"] for x in ("registers", "sram", "dram")]
        assert row["energy_memory_pj"] == pytest.approx(sum(levels))
        assert row["cycles"] == layer.cycles
        assert (
            sum(x["read_bits"] for x in row["moves"] if x["level"] == "dram")
            == (row["dram_read_bits"])
        )
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [row["name"] for row in rows] == list(digits.layers)
    assert float(rows[0]["energy_dram_pj"]) == report.layers[0].energies_pj["dram"]


def test_layers_with_units_of_their_own(digits, tmp_path):
    units = LayerUnits("mixed", (("conv*", hwsim.mac(INT8)), ("*", hwsim.mac(FP16))))
    report = hwsim.array(digits, units)
    assert [x.unit for x in report.layers] == [INT8] * 3 + [FP16] * 2
    assert report.unit == "mixed"
    with pytest.raises(ValueError, match="export: 2 units: an array of one kind is needed"):
        report.export(tmp_path)
    with pytest.raises(ValueError, match="mac=mixed: products have no layers' names"):
        hwsim.array("8x8x8", units)


def test_products(tmp_path):
    gemm = hwsim.Gemm(64, 128, 32, name="64x128x32")
    one = hwsim.array("64x128x32", INT8)
    assert one == hwsim.array(gemm, INT8) == hwsim.array([gemm], INT8, hwsim.Array())
    assert hwsim.array(gemm, INT8, samples=3).layers[0].gemm == replace(gemm, batch=3)
    file = tmp_path / "small.toml"
    file.write_text("rows = 4", encoding="utf-8")
    assert hwsim.array(gemm, INT8, file).array.rows == 4
    with pytest.raises(TypeError, match="machine=3"):
        hwsim.array(gemm, INT8, 3)
    with pytest.raises(TypeError, match="a Gemm and an Array are needed"):
        array_cost((64, 128, 32), INT8, hwsim.Array())


def test_an_own_node(tmp_path):
    mine = Node("28nm-mine", 28, 50.0, None, 0.8, "my library", "none", "int8 only")
    memories = {
        "sram": replace(sram(), node="28nm-mine"),
        "dram": replace(dram(), node="28nm-mine"),
    }
    report = hwsim.array("64x128x32", INT8, hwsim.Array(**memories), node=mine)
    facts = json.loads(json.dumps(report.to_dict()))
    assert facts["node"] == facts["layers"][0]["node"] == "28nm-mine"
    assert facts["totals"]["energy_memory_pj"] > 0
    report.plot(tmp_path / "mine.svg")
    report.export(tmp_path / "out")
    assert '"28nm-mine"' in (tmp_path / "out" / "architecture.yaml").read_text()


@pytest.mark.parametrize("dram", [True, False])
@pytest.mark.parametrize("node", ["45nm", "7nm"])
def test_pictures(digits, tmp_path, dram, node):
    machine = hwsim.Array() if dram else hwsim.Array(dram=None)
    reports = [hwsim.array(digits, unit, machine, node=node) for unit in (INT8, FP16)]
    figure = draw_arrays(reports, tmp_path / "array.png")
    assert (tmp_path / "array.png").stat().st_size > 1000
    energies = figure.axes[:2]
    assert energies[0].get_xlim() == energies[1].get_xlim()
    drawn = sum(1 for x in reports[0].layers[0].energies_pj.values() if x is not None)
    assert len(energies[0].containers) == drawn
    speeds = {"sram": 64, "dram": 25.6} if dram else {"sram": 64}
    assert len(figure.axes) == 2 + len(speeds)
    for axes, speed in zip(figure.axes[2:], speeds.values(), strict=True):
        points = [line for line in axes.lines if line.get_marker() != "None"]
        assert len(points) == 2 * len(reports[0].layers)
        assert len(axes.lines) == len(points) + 1
        for line in points:
            (x,), (y,) = line.get_data()
            assert y <= min(256, x * speed) * (1 + 1e-12)  # under the roof


# --- the command ------------------------------------------------------------------------------
def ran(capsys, *arguments):
    with pytest.raises(SystemExit) as done:
        main(["array", *arguments])
    return done.value.code, capsys.readouterr()


def test_command(capsys, tmp_path):
    paths = [str(tmp_path / name) for name in ("a.csv", "a.png", "out")]
    options = ["--csv", paths[0], "--plot", paths[1], "--export", paths[2], "--dataflow", "weight"]
    code, text = ran(capsys, "digits-cnn", INT8, *options)
    assert code == 0, text.err
    assert "digits-cnn on 16 × 16 units, weight stationary, 32 KB SRAM" in text.out
    assert "not a chip's energy" in text.out
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 6
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "out" / "problems" / "000-conv1.yaml").exists()


def test_command_as_json(capsys, tmp_path):
    file = tmp_path / "m.toml"
    file.write_text("rows = 4\nclock_ghz = 2", encoding="utf-8")
    options = ["--machine", str(file), "--columns", "2", "--sram-kb", "8", "--no-dram"]
    code, text = ran(capsys, "40x50x60", INT8, FP16, *options, "--json")
    assert code == 0, text.err
    found = json.loads(text.out)
    assert [x["unit"] for x in found] == [INT8, FP16]
    array = found[0]["array"]
    assert (array["rows"], array["columns"], array["clock_ghz"]) == (4, 2, 2)
    assert array["sram"]["capacity_kb"] == 8
    assert "dram" not in array
    wanted = hwsim.array("40x50x60", FP16, hwsim.Array(4, 2, "output", dram=None, clock_ghz=2))
    assert found[1]["totals"]["cycles"] == wanted.totals["cycles"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["8x8", INT8], "model '8x8': no such file; a path to an ONNX model, digits-cnn, char-lm"),
        (["8x8x8", "int8"], "int8"),
        (["8x8x8", INT8, "--rows", "0"], "rows=0"),
        (["8x8x8", INT8, "--sram-kb", "4"], "published points span 8 to 1024 KB"),
        (["8x8x8", INT8, "--stream", "8"], "K is what streams"),
        (["8x8x8", INT8, "--samples", "0"], "samples=0"),
        (["8x8x8", INT8, "--machine", "none.toml"], "none.toml"),
        (["8x8x8", INT8, "--plot", "x.gif"], "--plot"),
        (["8x8x8", INT8, FP16, "--export", "out"], "--export: files of one unit"),
        (["digits-cnn", INT8, "--data", "none.npz"], "none.npz"),
        (
            ["8x8x8", "int8xnf4+int16:bins16/fp32", "--dataflow", "weight"],
            "sums of bins16/fp32 do not move",
        ),
    ],
)
def test_command_says_what_is_wrong(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, text = ran(capsys, *arguments)
    assert code == 2
    assert message in text.err
    assert not list(tmp_path.iterdir())
