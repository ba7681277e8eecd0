"""Nodes from measured energies."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hwsim.cli import main
from hwsim.costs import NODES, calibrated_node, cost, operation_cost
from hwsim.errors import HwsimError


@pytest.mark.parametrize(
    "what", ["mul int8", "add fp16", "int8xint8+int32", "e4m3xe4m3+fp16:tree4"]
)
def test_one_point_is_met(what: str) -> None:
    """Energy, and area."""
    node = calibrated_node({what: 0.123}, areas={what: 45.0})
    found = operation_cost(*what.split(), node=node) if " " in what else cost(what, node)
    assert found.energy_pj == pytest.approx(0.123)
    assert found.area_um2 == pytest.approx(45.0)
    assert found.node == "own"
    assert what in found.source


def test_several_points_share_the_error() -> None:
    """Twice too much of one and half of the other."""
    exact = operation_cost("mul", "int8").energy_pj, operation_cost("add", "fp32").energy_pj
    node = calibrated_node({"mul int8": 2 * exact[0], "add fp32": exact[1] / 2})
    assert node.energy_aj_per_transistor == pytest.approx(78.6)
    assert node.area_um2_per_transistor is None


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({}, "points is empty"),
        ({"mul int8": 0}, "'mul int8': 0: a positive number"),
        ({"mul int8": True}, "a positive number"),
        ({"mul int8": float("nan")}, "a positive number"),
        ({"div int8 int8": 1.0}, "'add FORMAT', 'mul FORMAT' or a unit"),
    ],
)
def test_bad_points(points: dict[str, float], message: str) -> None:
    """Named, with what is allowed."""
    with pytest.raises(HwsimError, match=message):
        calibrated_node(points)


@pytest.mark.parametrize(
    "field", ["energy_aj_per_transistor", "area_um2_per_transistor", "voltage_v"]
)
@pytest.mark.parametrize("value", [-5, 0, float("nan"), "x", True])
def test_nodes_are_checked(field: str, value: object) -> None:
    """A price is no negative number."""
    with pytest.raises(ValueError, match=f"{field}={value!r}"):
        replace(NODES["45nm"], **{field: value})


def test_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Two points; no node beside them; no text without pJ."""
    points = ["--calibrate", "mul int8=0.05", "--calibrate", "add fp32 = 0.3"]
    with pytest.raises(SystemExit, match="0"):
        main(["cost", "int8xint8+int32", *points, "--json"])
    (row,) = json.loads(capsys.readouterr().out)["prices"]
    node = calibrated_node({"mul int8": 0.05, "add fp32": 0.3})
    assert row["energy_pj"] == cost("int8xint8+int32", node).energy_pj
    for wrong, message in (
        ([*points, "--node", "7nm"], "one of the two"),
        (["--calibrate", "mul int8"], "as in 'mul int8=0.07'"),
        ([*points, "--calibrate", "mul  int8=1"], "stands there twice"),
        ([*points, "--model", "plain"], "only the model structural"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["cost", "int8xint8+int32", *wrong])
        assert message in capsys.readouterr().err
