"""`speed` and `hwsim bench`: rates beside GEMM, of units that give the reference's bits."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import hwsim
from hwsim.cli.timing import bench_command
from hwsim.errors import HwsimError
from hwsim.testing import speed


def test_rates_and_their_ratio() -> None:
    found = speed("int8xint8+int32", size=32, seconds=0.05)
    assert found.unit == "int8xint8+int32"
    assert (found.size, found.compared) == (32, 8)
    assert found.gmacs > 0
    assert found.ratio > 0
    assert set(found.to_dict()) == {"unit", "size", "gmacs", "gemm_gmacs", "ratio", "compared"}


def test_a_wrong_bit_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwsim import simulate

    right = simulate.matmul
    monkeypatch.setattr(simulate, "matmul", lambda *a, **k: right(*a, **k) + np.float32(1))
    with pytest.raises(HwsimError, match=r"e4m3xe4m3\+fp16 \[\d+, \d+\]: .*, the reference"):
        speed("e4m3xe4m3+fp16", size=4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 2.0}, "size=2.0"),
        ({"size": True}, "size=True"),
        ({"seconds": 0}, "seconds=0"),
        ({"seconds": float("nan")}, "seconds=nan"),
    ],
)
def test_bad_arguments(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speed("int8xint8+int32", **given)


def test_the_command() -> None:
    """A table, and JSON; a table of one's own among the units."""
    units = ["e4m3xe4m3+fp16", str(hwsim.mac("int4xint4:mitchell+int16"))]
    options = ["--size", "16", "--seconds", "0.01"]
    shown = CliRunner().invoke(bench_command, [*units, *options])
    assert shown.exit_code == 0, shown.output
    assert all(unit in shown.output for unit in units)
    found = json.loads(CliRunner().invoke(bench_command, [*units, *options, "--json"]).stdout)
    assert [one["unit"] for one in found] == units
