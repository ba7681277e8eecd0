"""Diagnoses and width searches of the shipped networks: what diagnosis.md and widths.md show.

python docs/diagnosing.py      prints the tables of both pages; `docs/draw.py` draws the pictures
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from functools import cache

import hwsim
from hwsim.accumulators import AccumulatorWidths
from hwsim.cli import main
from hwsim.diagnosis import Diagnosis
from hwsim.networks import shipped

DIAGNOSED = ("int8xint8+int17", "int8xint8+int17:saturate", "e4m3xe4m3+e4m3", "e5m2xe5m2+e6m9")
COMMANDS = (
    ("diagnose", "char-lm", "--mac", "e4m3xe4m3+e4m3"),
    ("accumulator", "digits-cnn", "--family", "int8xint8+int*", "--family", "e4m3xe4m3+e6m*:rtz"),
)


@cache
def diagnosis() -> Diagnosis:
    """The language model on four units."""
    model = shipped("char-lm")
    return hwsim.diagnose(hwsim.Network.load(model.model), model.evaluation, DIAGNOSED)


@cache
def growth() -> Diagnosis:
    """The digits on sums of four significant bits."""
    model = shipped("digits-cnn")
    return hwsim.diagnose(hwsim.Network.load(model.model), model.evaluation, ["e4m3xe4m3+e4m3"])


@cache
def widths() -> AccumulatorWidths:
    """The language model's accumulators, in three families."""
    model = shipped("char-lm")
    families = ("int8xint8+int*", "int8xint8+int*:saturate", "e4m3xe4m3+e6m*")
    return hwsim.accumulator_widths(model.model, model.evaluation, families)


def printed(*arguments: str) -> str:
    """What a command prints, without the line of the files that it writes."""
    text = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(text):
        with contextlib.suppress(SystemExit):
            main([*arguments, "--out", f"{folder}/out"])
        kept = text.getvalue().replace(f"{folder}/out", f"hwsim-{arguments[0]}")
    lines = [line.rstrip() for line in kept.splitlines() if not line.startswith("Wrote ")]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for command in COMMANDS:
        print(printed(*command))
