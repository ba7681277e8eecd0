"""Machines from TOML files, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwsim.costs import Array, Memory, dram, read_array, registers, sram
from hwsim.errors import HwsimError

WHOLE = """
name = "edge"
rows = 32
columns = 8
dataflow = "weight"
clock_ghz = 0.8
overlap = true
stream = 256

[sram]
access_bits = 128
read_pj_per_access = 12.5
write_pj_per_access = 14
capacity_kb = 2048
gb_per_s = 100
node = "28nm"
voltage_v = 0.9
source = "my compiler"
valid = "512 KB to 4 MB"

[dram]
gb_per_s = 51.2

[registers]
access_bits = 8
read_pj_per_access = 0.01
"""


def written(folder, text):
    file = folder / "machine.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_whole_machine(tmp_path):
    found = read_array(written(tmp_path, WHOLE))
    memory = Memory("sram", 128, 12.5, 14, 2048, 100, "28nm", 0.9, "my compiler", "512 KB to 4 MB")
    own = Memory("registers", 8, 0.01, 0.01, source=str(tmp_path / "machine.toml"))
    assert found == Array(32, 8, "weight", memory, dram(gb_per_s=51.2), own, 0.8, True, 256, "edge")


def test_what_is_left_out_is_the_default(tmp_path):
    file = written(tmp_path, "rows = 4\n[sram]\ncapacity_kb = 128\naccess_bits = 256\n[registers]")
    found = read_array(file)
    assert found == Array(4, sram=sram(128, 256), registers=registers(), name="machine")
    assert read_array(written(tmp_path, "dram = false")).dram is None


def test_changes_replace_fields(tmp_path):
    file = written(tmp_path, WHOLE)
    found = read_array(file, rows=2, dram=None)
    assert found == replace(read_array(file), rows=2, dram=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = ", "machine.toml: Invalid value"),
        ("row = 3", "machine.toml: 'row': allowed are name, rows, columns"),
        ("rows = 0", "machine.toml: rows=0: an integer of at least 1"),
        ("rows = '3'", "machine.toml: rows='3'"),
        ("name = 3", "machine.toml: name=3: a name in quotes"),
        ("dataflow = 'row'", "machine.toml: dataflow='row': allowed are output, weight, input"),
        ("sram = 3", "machine.toml: 'sram' must be a table"),
        ("[sram]\nsize = 3", "machine.toml: sram: 'size': allowed are name, access_bits"),
        ("[sram]\ncapacity_kb = 4", "machine.toml: sram: capacity_kb=4: published points span"),
        ("[sram]\naccess_bits = 96", "machine.toml: sram: access_bits=96: published points"),
        ("[sram]\nwrite_pj_per_access = 3", "machine.toml: sram: access_bits is needed"),
        ("[sram]\nnode = '7nm'", "machine.toml: sram without prices: 'node': allowed are"),
        ("[dram]\ncapacity_kb = 4", "machine.toml: dram without prices: 'capacity_kb': allowed"),
        ("[sram]\naccess_bits = 64\nread_pj_per_access = 'x'", "sram: read_pj_per_access='x'"),
        (
            "[sram]\naccess_bits = 64\nread_pj_per_access = 1\nnode = 45",
            "machine.toml: sram: node=45: quotes are needed",
        ),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, text, message):
    with pytest.raises(HwsimError) as caught:
        read_array(written(tmp_path, text))
    assert message in str(caught.value)
