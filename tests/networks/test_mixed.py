"""Files that give layers units of their own, where they are run and swept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from hwsim.cli import main
from hwsim.errors import SpecError
from hwsim.networks import LayerUnits, ModelError, Network, shipped
from hwsim.networks.scales import match_layers
from hwsim.units import parse_unit

UNITS = {"conv*": "int8xint8+int18", "conv1": "int8xint8+int12", "*": "int8xint8+int20"}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    file = tmp_path / "mixed.toml"
    rows = "".join(f'"{pattern}" = "{unit}"\n' for pattern, unit in UNITS.items())
    file.write_text(f"[layers]\n{rows}")
    return file


def test_the_first_pattern_wins(mixed: Path):
    """conv1 gets what conv* says, which stands before it; the same as a mapping gives."""
    digits = shipped("digits-cnn")
    network = Network.load(digits.model)
    report = hwsim.run(network, digits.evaluation, str(mixed))
    assert [layer.unit for layer in report.layers] == [UNITS["conv*"]] * 3 + [UNITS["*"]] * 2
    other = hwsim.run(network, digits.evaluation, UNITS)
    assert np.array_equal(report.outputs["logits"], other.outputs["logits"])


def test_a_sweep_takes_files_beside_units(mixed: Path):
    """Costs are those of every layer's own unit, the area that of the largest."""
    digits = shipped("digits-cnn")
    result = hwsim.sweep(digits.model, digits.evaluation, [str(mixed), "int8xint8+int20"])
    row, plain = result.rows
    assert row.unit == str(mixed)
    report = hwsim.run(digits.model, digits.evaluation, str(mixed))
    assert row.energy_mac_pj == pytest.approx(report.totals["energy_mac_pj"], rel=1e-12)
    assert row.energy_mac_pj < plain.energy_mac_pj
    assert row.area_um2 == plain.area_um2
    assert result.to_dict()["rows"][0]["unit"] == str(mixed)


def test_the_command_line_takes_files(mixed: Path, tmp_path: Path, capsys):
    """`run` and `sweep`."""
    with pytest.raises(SystemExit, match="0"):
        main(["run", "digits-cnn", "--mac", str(mixed), "--layers"])
    assert "mixed.toml" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["sweep", "--model", "digits-cnn", "--mac", str(mixed), "--out", str(tmp_path / "s")])
    assert "mixed.toml" in capsys.readouterr().out.replace("\n", "")


def test_a_name_that_is_anothers_pattern():
    """`*`, escaped, is `[*]`."""
    units = {"*": parse_unit("int8xint8+int15"), "[*]": parse_unit("int8xint8+int16")}
    found = match_layers(dict(LayerUnits.of_layers("x.toml", units).units), units, "mac")
    assert found == units


@given(
    st.dictionaries(
        st.text(min_size=1, alphabet=st.characters(exclude_categories=("Cs",))),
        st.sampled_from(["int8xint8+int17", "e4m3xe4m3+e6m9:chunk64/fp32"]),
        min_size=1,
        max_size=4,
    )
)
def test_a_file_keeps_any_layer_name(units: dict[str, str]):
    """Control characters, quotes, brackets: written and read, each name stands for itself."""
    written = LayerUnits.of_layers("x.toml", {k: parse_unit(u) for k, u in units.items()})
    with tempfile.TemporaryDirectory() as folder:
        found = LayerUnits.read(written.save(Path(folder) / "x.toml"))
    assert found.units == written.units
    matched = match_layers(dict(found.units), units, "mac")
    assert {name: str(unit) for name, unit in matched.items()} == units


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[layers]\n", "one table"),
        ("", "one table"),
        ('x = 1\n[layers]\n"*" = "int8xint8+int32"', "one table"),
        ('[layers]\n"*" = 3', "a unit in quotes"),
        ("[layers\n", "mixed.toml: "),
        ('[layers]\n"*" = "int8xint8+int20"\n"*" = "int8xint8+int32"', "mixed.toml: "),
        ('[layers]\n"conv1" = "int8xint8+int32"', "no pattern fits layer 'conv2'"),
        ('[layers]\n"cnv*" = "int8xint8+int32"', "no layer fits 'cnv*'"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str):
    """The file, the pattern, and what is wrong with it."""
    file = tmp_path / "mixed.toml"
    file.write_text(text)
    digits = shipped("digits-cnn")
    with pytest.raises(ModelError) as error:
        hwsim.run(digits.model, digits.evaluation, str(file))
    assert message in str(error.value)


def test_a_bad_unit_and_a_missing_file(tmp_path: Path):
    """As everywhere."""
    file = tmp_path / "mixed.toml"
    file.write_text('[layers]\n"*" = "int8xint8"')
    with pytest.raises(SpecError):
        LayerUnits.read(file)
    with pytest.raises(FileNotFoundError):
        LayerUnits.read(tmp_path / "none.toml")
