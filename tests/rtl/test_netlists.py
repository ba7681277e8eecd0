"""Every shipped netlist is of a design that gives the reference's bits."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from hwsim.rtl import mac
from hwsim.units import parse_unit
from tests.rtl.judge import design_outputs, dot_cases

TEXT = files("hwsim.costs").joinpath("netlists.csv").read_text(encoding="utf-8")
UNITS = [row[1] for row in csv.reader(TEXT.splitlines()) if row[0] == "mac"]


@pytest.mark.parametrize("spec", UNITS)
def test_dot_products(spec: str) -> None:
    """From +0, clock by clock."""
    unit = parse_unit(spec)
    design = mac(unit)
    cases = list(dot_cases(unit, design.latency, 7))
    assert len(cases) == 7
    assert design_outputs(design, [words for words, _ in cases]) == [code for _, code in cases]
