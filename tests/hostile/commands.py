"""hwsim.run, hwsim.sweep and the commands with hostile arguments, on a tiny network."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import hwsim
from hwsim.cli import _status
from hwsim.networks import Data, RunReport
from hwsim.sweeps import Sweep
from tests.hostile.arrays import NO_ARRAYS
from tests.hostile.files import X, good_model, good_npz, network
from tests.hostile.oracle import Refused, attempt, deadline, snapshot

UNIT = "e4m3xe4m3+fp16"
ANY: tuple[Any, ...] = (*NO_ARRAYS, 0, -1, 3, 2**70, 0.5, "x", True, [1], {"*": 1})
SCALES: tuple[Any, ...] = ("auto", "absmax", "power2", "none", 1.0, 0.0, -1.0, 1e-320, 1e308, "2")
SCALES += ({"a": 2.0}, {"a": "none", "b": "absmax"}, {"conv": 0.5}, {"*": {"a": 2.0}}, {"c": 1}, {})
SCALES += ({"a": {}}, {"conv": {"x": 1}}, {1: 2}, {"nobody": 1.0})
OPTIONS: dict[str, tuple[Any, ...]] = {
    "scale": SCALES,
    "telemetry": (False, True, "counts", "x"),
    "threads": (1, 2, 0, -1, "1"),
    "verify": (0, 1, 5, -1, 2**70, 1.5),
    "seed": (0, 1, 2**64, -1, 1.5),
    "batch": (1, 2, 100, 0, -1, 2**70, 1.5),
    "bias": ("float32", "acc", "x"),
    "node": ("45nm", "7nm", "x"),
    "calibration": (X, {"x": X}, {"y": X}, X[:0], X[0], np.full_like(X, np.nan), "missing.npz"),
    "dump": (None,),
}
INPUTS: tuple[Any, ...] = (
    *(
        X,
        {"x": X},
        X[:1],
        X[:0],
        X[0],
        X.astype(np.float64),
        X[::-1],
        {"x": X, "labels": [0, 1, 2]},
    ),
    *({"x": X, "labels": [0, 1, 9]}, {"x": X, "labels": ["a", "b", "c"]}, {"x": X, "labels": [0]}),
    *(
        {"x": X, "y": X},
        {},
        np.where(X > 0.9, np.nan, X),
        np.where(X > 0.9, np.inf, X),
        Data({"x": X}),
    ),
    *(Data({}), X.astype(np.int8), X > 0, np.ma.masked_array(X), np.broadcast_to(X[:1], X.shape)),
)
MACS: tuple[Any, ...] = (
    *(UNIT, "int8xint8+int16", "e2m1xe2m1+e2m3", "x", {"*": UNIT}, {"conv": UNIT}, {}),
    *(
        {"conv": UNIT, "*": "int8xint8+int32"},
        {"nobody": UNIT, "*": UNIT},
        {"*": 3},
        {1: UNIT},
        [UNIT],
    ),
    *(hwsim.mac("int8xint8+int32"), "fp32xfp32+fp32:exact", "e8m0xe2m1+bf16", "e5m2xe5m2+e5m2:rup"),
)
NAMES = ("model", "input", "data", "labels", "array", "mac", "unit", "layer", *OPTIONS, "metric")


@st.composite
def run_calls(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of hwsim.run: one or two of them strange."""
    given: dict[str, Any] = {"inputs": X, "mac": UNIT}
    for key in draw(
        st.lists(st.sampled_from(["inputs", "mac", *OPTIONS]), max_size=2, unique=True)
    ):
        known = {"inputs": INPUTS, "mac": MACS, **OPTIONS}[key]
        given[key] = draw(
            st.one_of(st.sampled_from(known), st.sampled_from(known), st.sampled_from(ANY))
        )
    if isinstance(given.get("dump"), str):
        given["dump"] = None  # files are the business of `command_lines`
    return given


def check_run(given: dict[str, Any]) -> None:
    """A report whose drawn outputs the reference confirms, or an error that names the argument."""
    before = snapshot(given["inputs"])
    got = attempt(lambda: hwsim.run(network(), **({"verify": 1, "threads": 1} | given)), NAMES)
    assert snapshot(given["inputs"]) == before
    assert isinstance(got, (Refused, RunReport))


@st.composite
def sweep_calls(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of hwsim.sweep."""
    given: dict[str, Any] = {"model": good_model(), "data": {"x": X}, "macs": [UNIT]}
    known: dict[str, tuple[Any, ...]] = {
        "model": (b"", b"\x00", "missing.onnx", None, 3, Path(), ".", "/dev/null", "a\x00b"),
        "data": INPUTS,
        "macs": ([], UNIT, [UNIT, "int8xint8+int8"], [None], None, ["x"], [UNIT, UNIT], {UNIT: 1}),
        "metric": ("auto", "accuracy", "bits_per_character", "sqnr_db", "x", None),
        "name": (None, "", "a/b", "é", 3),
        "arguments": (None, "x", 3),
        **{key: OPTIONS[key] for key in ("seed", "node", "verify", "threads", "calibration")},
    }
    for key in draw(st.lists(st.sampled_from(sorted(known)), max_size=2, unique=True)):
        given[key] = draw(st.one_of(st.sampled_from(known[key]), st.sampled_from(ANY)))
    return given


def check_sweep(given: dict[str, Any]) -> None:
    """Rows, or an error that names the argument."""
    got = attempt(
        lambda: hwsim.sweep(**({"threads": 1} | given)), (*NAMES, "macs", "name", "arguments")
    )
    if isinstance(got, Refused):
        return
    assert isinstance(got, Sweep)
    assert got.to_csv()
    assert got.to_json()


WORDS = (
    "",
    "x",
    "-1",
    "0",
    "1",
    "2",
    "45nm",
    "999999999999999999999",
    "1.5",
    "nan",
    "é",
    "a\tb",
    "--",
)
WORDS += (
    UNIT,
    "int8xint8+int16",
    "e4m3",
    "FOLDER/model.onnx",
    "FOLDER/data.npz",
    "FOLDER",
    "missing",
)
WORDS += (
    "FOLDER/new",
    "FOLDER/text",
    "/dev/null",
    "FOLDER/no/such",
    "FOLDER/p.png",
    "FOLDER/p.xyz",
)
FLAGS = ("--json", "--layers", "--everything", "--force", "--help", "--version", "--nonsense", "-h")
TAKING = ("--mac", "--data", "--calibration", "--node", "--seed", "--verify", "--dump", "--csv")
TAKING += ("--plot", "--threads", "--out", "--metric", "--model")
PLAIN = {
    "run": ["FOLDER/model.onnx", "--data", "FOLDER/data.npz", "--mac", UNIT],
    "sweep": [
        "--model",
        "FOLDER/model.onnx",
        "--data",
        "FOLDER/data.npz",
        "--mac",
        UNIT,
        "--out",
        "FOLDER/o",
    ],
    "mac": [UNIT],
    "format": ["e4m3"],
    "formats": [],
    "": [],
}


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command that works, and what spoils it."""
    command = draw(st.sampled_from(sorted(PLAIN)))
    line = [command, *PLAIN[command]] if command else []
    for _ in range(draw(st.integers(0, 3))):
        word = st.one_of(st.sampled_from(WORDS), st.text(max_size=8))
        extra = draw(st.sampled_from(["word", "flag", "option", "option", "replace", "drop"]))
        if extra == "word":
            line.append(draw(word))
        elif extra == "flag":
            line.append(draw(st.sampled_from(FLAGS)))
        elif extra == "option":
            line += [draw(st.sampled_from(TAKING)), draw(word)]
        elif line and extra == "replace":
            line[draw(st.integers(0, len(line) - 1))] = draw(word)
        elif line:
            del line[draw(st.integers(0, len(line) - 1))]
    # The default of sweep is eleven seconds of two real networks.
    return line if "sweep" not in line or "--model" in line else [*line, "--model", "missing"]


@cache
def _text_file() -> bytes:
    return b"no model\n"


def check_command(line: list[str]) -> None:
    """One of the documented exit codes, a message on failure, and nothing else on the way."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("model.onnx", good_model()), ("data.npz", good_npz(False))):
            (Path(folder) / name).write_bytes(data)
        (Path(folder) / "text").write_bytes(_text_file())
        arguments = [word.replace("FOLDER", folder) for word in line]
        out, errors = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
            contextlib.chdir(folder),
            deadline(),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            status = _status(arguments)
        assert status in (0, 1, 2), line
        assert status == 0 or errors.getvalue().startswith(("hwsim: ", "Usage")), (
            line,
            errors.getvalue(),
        )
        assert "Traceback" not in errors.getvalue()
        assert not list(Path(folder).rglob("*.part"))
