"""Cost models: their prices by hand, their limits by name, and the comparison."""

from __future__ import annotations

import contextlib
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.cli import main
from hwsim.costs import ANCHORS, UnpricedError, compare_models, cost, cost_model, operation_cost
from hwsim.costs.comparing import rank_correlation
from hwsim.costs.drawing import draw_comparison
from hwsim.costs.models import NAMES, Own
from hwsim.errors import HwsimError
from hwsim.formats import parse_format
from hwsim.units import as_unit, catalogue


def energy(model: Any, unit: str) -> float:
    return float(model.unit(as_unit(unit)).energy_pj)


def test_plain_prices_by_hand() -> None:
    """int8 of Horowitz: 0.03 / 8 per bit, 0.2 / 64 per pair of bits; floats by significands."""
    model = cost_model("plain")
    assert energy(model, "int8xint8+int32") == 0.2 + 0.03 * 32 / 8
    assert energy(model, "int4xint8+int16") == pytest.approx(0.1 + 0.06)
    assert energy(model, "bf16xbf16+fp32") == pytest.approx(64 * 0.2 / 64 + 24 * 0.03 / 8)
    chunked = energy(model, "e5m2xe5m2+e6m9:chunk64/fp32")
    assert chunked == pytest.approx((9 * 0.2 / 8 + 10 * 0.03 + 24 * 0.03 / 64) / 8)


def test_qkeras_polynomials() -> None:
    """The anchors' coefficients: int8 add .025, int8 mult .2, int32 mult 3.1; floats looked up."""
    model = cost_model("qkeras")
    int8, int32 = parse_format("int8"), parse_format("int32")
    assert model.operation("add", int8, int8).energy_pj == 0.025
    assert model.operation("mul", int8, int8).energy_pj == pytest.approx(0.2, rel=1e-9)
    assert model.operation("mul", int32, int32).energy_pj == pytest.approx(3.1, rel=1e-3)
    assert energy(model, "fp16xfp16+fp32") == 1.1 + 0.9
    with pytest.raises(UnpricedError, match="no price of mul bf16"):
        model.unit(as_unit("bf16xbf16+fp32"))


def test_horowitz_is_the_table_and_no_more() -> None:
    """Energies and areas of its nine rows."""
    model = cost_model("horowitz")
    price = model.unit(as_unit("int8xint8+int32"))
    assert price.energy_pj == pytest.approx(0.3)
    assert price.area_um2 == 282 + 137
    with pytest.raises(UnpricedError, match="int4; it has"):
        model.unit(as_unit("int4xint4+int32"))


def test_structural_is_hwsims_own() -> None:
    """At every node."""
    for node in ("45nm", "7nm"):
        model = cost_model("structural", node)
        found = model.unit(as_unit("e4m3xe4m3+fp16"))
        assert (found.energy_pj, found.area_um2) == (
            cost("e4m3xe4m3+fp16", node).energy_pj,
            cost("e4m3xe4m3+fp16", node).area_um2,
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_unit_of_the_catalogue_has_a_price_or_a_reason(name: str) -> None:
    """And hwsim's own model has a price for all."""
    model = cost_model(name)
    for row in catalogue.UNITS:
        unit = as_unit(row.unit)
        if name == "structural":
            assert model.unit(unit).energy_pj > 0
            continue
        with contextlib.suppress(UnpricedError):
            assert model.unit(unit).energy_pj > 0


def test_left_out_points_by_hand() -> None:
    """The structural constant from the eight other points, as a geometric mean."""
    found = compare_models([cost_model("structural")])
    own = [anchor for anchor in ANCHORS if anchor.node == "45nm"]
    for prediction in found.predictions:
        shares = [
            other.energy_pj / operation_cost(other.operation, other.format).transistors
            for other in own
            if other is not prediction.anchor
        ]
        mean = math.prod(shares) ** (1 / len(shares))
        anchor = prediction.anchor
        counted = operation_cost(anchor.operation, anchor.format).transistors
        assert prediction.held_out_pj == pytest.approx(mean * counted)
        assert prediction.error == pytest.approx(prediction.energy_pj / anchor.energy_pj - 1)


def test_what_a_model_was_not_given_it_does_not_know() -> None:
    """A table has no price for a row that is left out; polynomials of others are not refitted."""
    found = {r.model: r for r in compare_models([cost_model(name) for name in NAMES]).records}
    assert (found["horowitz"].priced, found["horowitz"].held_out_priced) == (9, 0)
    assert found["horowitz"].worst == 0
    assert (found["qkeras"].priced, found["qkeras"].held_out_priced) == (9, 0)
    assert found["qkeras"].worst == pytest.approx(1 / 6)
    assert found["structural"].held_out_priced == 9
    # Anchors: squared significands are 51 to 67 % low on every floating-point multiply.
    rows = [p for p in compare_models([cost_model("plain")]).predictions if "fp" in p.anchor.format]
    low = [p.error for p in rows if p.anchor.operation == "mul"]
    assert all(-0.67 < error < -0.50 for error in low)


def test_energy_does_not_grow_backwards() -> None:
    """In any width, a multiplier over its adder, bf16 under fp16 and e5m2 under e4m3 products."""
    for name in ("structural", "plain", "qkeras"):
        model = cost_model(name)
        for kind in ("add", "mul"):
            prices = [
                model.operation(kind, *[parse_format(f"int{b}")] * 2).energy_pj
                for b in range(2, 33)
            ]
            assert prices == sorted(set(prices)), (name, kind)
        fmt = parse_format("int8")
        assert (
            model.operation("mul", fmt, fmt).energy_pj > model.operation("add", fmt, fmt).energy_pj
        )
    for name in ("structural", "plain"):
        model = cost_model(name)
        for small, large in (("bf16", "fp16"), ("e5m2", "e4m3")):
            less, more = (model.operation("mul", *[parse_format(f)] * 2) for f in (small, large))
            assert less.energy_pj < more.energy_pj, (name, small)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=9))
def test_rank_correlation(pairs: list[tuple[int, int]]) -> None:
    """By the definition: 1 − 6Σd²/(n(n² − 1)) without ties; any order of points; −1 … 1."""
    found = rank_correlation(pairs)
    if found is None:
        assert any(len({p[i] for p in pairs}) == 1 for i in (0, 1))
        return
    assert -1 - 1e-12 <= found <= 1 + 1e-12
    shuffled = list(pairs)
    random.Random(1).shuffle(shuffled)
    assert rank_correlation(shuffled) == pytest.approx(found)
    n, sides = len(pairs), list(zip(*pairs, strict=True))
    if all(len(set(side)) == n for side in sides):
        ranks = [[sorted(side).index(x) for x in side] for side in sides]
        distance = sum((x - y) ** 2 for x, y in zip(*ranks, strict=True))
        assert found == pytest.approx(1 - 6 * distance / (n * (n * n - 1)))


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    """Operations, whole units, areas; names of formats in any spelling."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "my library"\nnode = "28nm"\n[add]\nfp16 = 0.12\nint32 = {pj = 0.05, um2 = 70}\n'
        '[mul]\ne4m3 = 0.05\nint8 = {pj = 0.1, um2 = 150}\n[mac]\n"hopper.e4m3" = 0.3\n'
    )
    model = cost_model(file)
    assert (model.name, model.node) == ("my library", "28nm")
    assert energy(model, "e4m3xe4m3+fp16") == pytest.approx(0.17)
    assert energy(model, "hopper.e4m3") == 0.3
    assert model.unit(as_unit("int8xint8+int32")).area_um2 == 220
    assert model.unit(as_unit("e4m3xe4m3+fp16")).area_um2 is None
    with pytest.raises(UnpricedError, match="my library: no price of add fp32; it has fp16, int32"):
        model.unit(as_unit("e4m3xe4m3+fp32"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[add]\nint8 = -1", "add.int8: pj=-1"),
        ("[add]\nint8 = 'x'", "add.int8: pj='x'"),
        ("[add]\nint8 = {um2 = 3}", "add.int8: pJ, or"),
        ("[sub]\nint8 = 1", "'sub': allowed are"),
        ("name = 3", "'name': allowed are"),
        ("add = 3", "'add' must be a table"),
        ("[add\n", "mine.toml: "),
        ("[mul]\nint8x = 1", "int8x"),
        ("[mac]\nint8 = 1", "int8"),
    ],
)
def test_bad_tables_are_explained(tmp_path: Path, text: str, message: str) -> None:
    """The file, the row, and what is wrong with it."""
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(HwsimError) as error:
        cost_model(file)
    assert message in str(error.value)


def test_a_function_of_ones_own() -> None:
    """Of units; checked, and unfit for single operations."""
    own = Own("mine", lambda unit: (0.01 * unit.a.width, 2.0 * unit.b.width))
    price = own.unit(as_unit("int8xint4+int32"))
    assert (price.energy_pj, price.area_um2) == (0.08, 8.0)
    assert compare_models([own]).records[0].points == 0
    with pytest.raises(UnpricedError, match="single operations"):
        own.operation("add", parse_format("int8"), parse_format("int8"))
    with pytest.raises(ValueError, match="energy=-1"):
        Own("bad", lambda unit: -1).unit(as_unit("int8xint8+int32"))


def test_bad_names() -> None:
    """Models and nodes."""
    with pytest.raises(ValueError, match="structural, plain, qkeras, horowitz"):
        cost_model("oracle")
    with pytest.raises(ValueError, match="45nm alone"):
        cost_model("qkeras", "7nm")
    with pytest.raises(ValueError, match="node='3nm'"):
        cost_model("structural", "3nm")


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Units side by side, the comparison, its picture, JSON."""
    with pytest.raises(SystemExit, match="0"):
        main(["cost", "int8xint8+int32", "bf16xbf16+fp32"])
    printed = capsys.readouterr().out
    assert "no price of mul bf16" in printed
    assert "0.4116" in printed
    with pytest.raises(SystemExit, match="0"):
        main(["cost", "compare", "--plot", str(tmp_path / "models.png"), "--json"])
    found = json.loads(capsys.readouterr().out)
    names = ["structural", "structural, 7nm", "plain", "qkeras", "horowitz", "jouppi"]
    assert [row["model"] for row in found["models"]] == names
    assert (tmp_path / "models.png").stat().st_size > 10_000
    with pytest.raises(SystemExit, match="2"):
        main(["cost", "int8xint8+int32", "--plot", str(tmp_path / "x.png")])
    assert "only `hwsim cost compare` and `hwsim cost netlists` draw" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["cost", "compare", "--model", "gates"])
    assert "no published point is of 28nm gates" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["cost", "int8xint8+int32", "--model", "oracle"])
    assert "allowed are structural" in capsys.readouterr().err


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/costs.md, line by line."""
    with pytest.raises(SystemExit, match="0"):
        main(["cost", "compare"])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    page = Path(__file__).parents[2] / "docs" / "costs.md"
    assert "\n".join(lines) in page.read_text(encoding="utf-8")


def test_the_picture_has_every_point() -> None:
    """Both panels, a series for each model."""
    found = compare_models([cost_model(name) for name in NAMES])
    left, right = draw_comparison(found).axes
    assert [len(line.get_xdata()) for line in left.lines[:4]] == [9, 9, 9, 9]
    assert [len(line.get_xdata()) for line in right.lines[:4]] == [9, 9, 0, 0]
