"""The `hwsim` command, as a user types it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwsim.sweeps import COLUMNS, FILES

ROOT = Path(__file__).resolve().parents[2]
UNITS = ["int8xint8+int32", "int8xint8+int14", "fp32xfp32+fp32"]


def hwsim(*arguments: str, cwd: Path | None = None, **environment: str):
    """Run the command in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    return subprocess.run(
        [sys.executable, "-m", "hwsim", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory):
    """One sweep over three units, with golden vectors and verification."""
    folder = tmp_path_factory.mktemp("sweep")
    macs = [part for unit in UNITS for part in ("--mac", unit)]
    done = hwsim(
        "sweep", "--model", "digits-cnn", *macs, "--verify", "2", "--dump", "vectors", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_help_teaches_and_imports_nothing_heavy():
    done = hwsim("--help")
    assert done.returncode == 0
    assert "hwsim sweep" in done.stdout
    code = (
        "import sys; from hwsim.cli import cli; "
        "print([m for m in ('numpy','numba','onnx','onnxruntime','matplotlib','rich') "
        "if m in sys.modules])"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        "sweep",
        "run",
        "mac",
        "format",
        "formats",
        "check",
        "multiplier",
        "theory",
        "diagnose",
        "accumulator",
        "bench",
    ],
)
def test_every_command_has_help(command: str):
    done = hwsim(command, "--help")
    assert done.returncode == 0
    assert "Usage: hwsim " + command in done.stdout


def test_sweep_prints_table_and_sentences(swept):
    _, done = swept
    lines = done.stdout.splitlines()
    assert all(len(line) <= 100 for line in lines if not line.startswith("Next: "))
    assert lines[0].startswith("digits-cnn (540 samples)")
    assert any(line.startswith("x int8xint8+int14") for line in lines)
    assert any("collapsed: overflow in layer" in line for line in lines)
    assert any(
        line.startswith("Cheapest within fp32's error bar: int8xint8+int32") for line in lines
    )
    assert "Next: hwsim run digits-cnn --mac int8xint8+int14 --layers" in lines
    assert any(line.startswith("Verified: 30 outputs") for line in lines)  # 3 units, 5 layers, 2
    assert "\x1b" not in done.stdout
    assert done.stderr == ""  # progress only on a terminal


def test_sweep_writes_stable_files(swept):
    folder, _ = swept
    out = folder / "hwsim-sweep"
    assert sorted(p.name for p in out.iterdir()) == sorted(FILES)
    rows = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["unit"] for row in rows] == UNITS
    about = json.loads((out / "results.json").read_text())
    keys = {
        "schema",
        "command",
        "hwsim",
        "kernel_hash",
        "libraries",
        "cpu",
        "seed",
        "tasks",
        "rows",
    }
    assert keys <= set(about)
    assert len(about["tasks"]["digits-cnn"]["model_sha256"]) == 64
    assert (out / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (out / "pareto.svg").read_text()


def test_an_earlier_result_is_kept_unless_forced(swept):
    folder, _ = swept
    before = (folder / "hwsim-sweep" / "results.csv").read_bytes()
    arguments = ("sweep", "--model", "digits-cnn", "--mac", "int8xint8+int32")
    done = hwsim(*arguments, cwd=folder)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert (folder / "hwsim-sweep" / "results.csv").read_bytes() == before
    copy = folder / "copy"
    assert hwsim(*arguments, "--out", str(copy), cwd=folder).returncode == 0
    assert hwsim(*arguments, "--out", str(copy), "--force", cwd=folder).returncode == 0


def test_golden_vectors_replay(swept):
    """A dumped layer, computed again from its codes alone, gives its results."""
    import hwsim as h

    folder, _ = swept
    files = sorted((folder / "vectors" / "digits-cnn" / "int8xint8+int14").glob("fc1*.npz"))
    assert files
    with np.load(files[0], allow_pickle=False) as layer:
        unit = h.mac(json.loads(str(layer["info"]))["unit"])
        a = h.decode(layer["a_codes"], unit.a)
        b = h.decode(layer["b_codes"], unit.b)
        again = h.matmul(a, b, unit)
        assert np.array_equal(again, layer["results"])


def test_user_model_and_data(tmp_path: Path):
    from hwsim.networks import shipped

    digits = shipped("digits-cnn")
    (tmp_path / "m.onnx").write_bytes(digits.model.read_bytes())
    with np.load(digits.evaluation) as data:
        np.savez(tmp_path / "d.npz", image=data["image"][:32])
    done = hwsim(
        "sweep", "--model", "m.onnx", "--data", "d.npz", "--mac", "int8xint8+int32", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "SQNR dB" in done.stdout  # no labels
    assert "Next: hwsim run m.onnx --data d.npz --mac int8xint8+int32 --layers" in done.stdout
    options = ("--data", "d.npz", "--mac", "int8xint8+int16", "--layers", "--csv", "l.csv")
    layers = hwsim("run", "m.onnx", *options, cwd=tmp_path)
    assert layers.returncode == 0, layers.stderr
    assert "conv3" in layers.stdout
    assert (tmp_path / "l.csv").read_text().count("\n") == 6


def test_run_as_json():
    done = hwsim("run", "digits-cnn", "--mac", "e4m3xe4m3+fp16", "--json", "--everything")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["layers"]) == 5
    assert report["score"]["metric"] == "accuracy"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mac", "e5m2xe5m2+e6m9:saturat"), "did you mean 'saturate'?"),
        (("format", "e5m22x"), "unknown format 'e5m22x'"),
        (("sweep", "--model", "nowhere.onnx"), "no such file"),
        (("sweep", "--data", "d.npz"), "--data needs --model"),
        (("run", "digits-cnn", "--mac", "int8+int8"), "'x' expected"),
        (("run", "digits-cnn"), "Missing option '--mac'"),
        (("run", "digits-cnn", "--mac", "int8xint8+int32", "--node", "3nm"), "3nm"),
        (("nonsense",), "No such command"),
        (("sweep", "--verify", "many"), "not a valid integer"),
    ],
)
def test_errors_are_one_line_and_exit_2(arguments, message, tmp_path: Path):
    done = hwsim(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("hwsim: ")
    assert done.stdout == ""


def test_failed_verification_exits_1(tmp_path: Path):
    """A simulator with a wrong bit is caught by --verify."""
    code = (
        "import numpy as np\n"
        "from hwsim.networks import engine\n"
        "right = engine.HwsimEngine.product\n"
        "def wrong(self, *a, **k):\n"
        "    values, counts = right(self, *a, **k)\n"
        "    return values + np.float32(1), counts\n"
        "engine.HwsimEngine.product = wrong\n"
        "from hwsim.cli import main\n"
        "main(['run', 'digits-cnn', '--mac', 'e4m3xe4m3+fp16', '--verify', '1'])\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 1
    assert "reference" in done.stderr


def test_ctrl_c_exits_130_and_leaves_no_broken_file(tmp_path: Path):
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    # From within, so that it strikes the sweep and not Python's own start.
    program = (
        "import os, signal, threading\n"
        "from hwsim.cli import main\n"
        "strike = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        # A shell starts background jobs with the signal ignored, and children inherit that.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "threading.Timer(2.5, strike).start()\n"
        "main(['sweep'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "interrupted"
    assert not (tmp_path / "hwsim-sweep").exists()


def test_format_lists_every_value_of_e2m1():
    done = hwsim("format", "e2m1")
    for value in ("0.5", "1", "1.5", "2", "3", "4", "6", "-6", "-0"):
        assert value in done.stdout.split()


def test_formats_as_json_is_the_catalogue():
    from hwsim.formats import BLOCKS, CATALOGUE

    done = hwsim("formats", "--json")
    names = [*CATALOGUE, *(entry.name for entry in BLOCKS)]
    assert [entry["format"] for entry in json.loads(done.stdout)] == names


def test_mac_says_everything():
    done = hwsim("mac", "e5m2xe5m2+e6m9:chunk64:rtz")
    assert done.returncode == 0
    for words in ("chunks of 64", "rtz", "e6m9: inf", "exact (fma)", "pJ", "float32: "):
        assert words in done.stdout
    as_json = json.loads(hwsim("mac", "int8xint8+int32", "--json").stdout)
    assert as_json["unit"] == "int8xint8+int32"
    assert as_json["cost"]["node"] == "45nm"


def test_scales_by_rule():
    arguments = ("run", "digits-cnn", "--mac", "int8xint8+int32", "--json")
    usual, affine = (
        json.loads(hwsim(*arguments, *more).stdout)["layers"][1]
        for more in ((), ("--scale", "affine"))
    )
    assert usual["zero_point_a"] == 0
    assert affine["zero_point_a"] == -128
    done = hwsim(*arguments, "--scale", "affin")
    assert done.returncode == 2


def test_check_prints_every_law():
    done = hwsim("check", "e2m1:rne:saturate")
    assert done.returncode == 0, done.stderr
    for law in ("values stay", "monotone", "ties", "the reference"):
        assert re.search(rf"^{law} +\d+ holds", done.stdout, re.M), done.stdout
    assert "in whole: all boundaries between values" in done.stdout


def test_check_of_a_unit_as_json():
    done = hwsim("check", "int4xint4+int8", "--cases", "20", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True)
    laws = {verdict["law"]: verdict["cases"] for verdict in report["verdicts"]}
    assert laws["single products"] == 256
    assert report["cases"] == sum(laws.values())


def test_a_broken_law_is_shown_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """By the program's own way out, which has to ask click for the code."""
    from hwsim import testing
    from hwsim.cli import main

    def broken(spec: str, **options):
        return right(spec, lambda x, fmt, rounding, rule: abs(x), **options)

    right = testing.check
    monkeypatch.setattr(testing, "check", broken)
    with pytest.raises(SystemExit) as done:
        main(["check", "e2m1:rne:saturate"])
    assert done.value.code == 1
    output = capsys.readouterr().out
    assert re.search(r"^values stay +15 BROKEN", output, re.M)
    assert "values stay: e2m1:rne:saturate: R(-1.0) = 1.0; it is a value" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["e4m3:foo"], "'foo' is no rounding and no overflow rule"),
        (["e4m3", "--cases", "0"], "cases=0"),
        (["int8xint8"], "int8xint8"),
    ],
)
def test_check_names_what_is_wrong(arguments: list[str], message: str):
    done = hwsim("check", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_blocks_are_explained():
    assert "block size             32" in hwsim("format", "mxfp4").stdout
    told = hwsim("mac", "mxfp4xmxfp4+fp16:chunk16").stdout
    assert "a mxfp4, b mxfp4" in told
    assert "scale exponents" in told
    assert "mxfp6_e2m3" in hwsim("formats").stdout
