"""Single operations of one format: every pair of small codes, hard ones of others."""

from __future__ import annotations

import csv
import random
from importlib.resources import files
from itertools import product as pairs_of

import pytest

from hwsim.formats import FloatFormat, parse_format
from hwsim.reference.codes import decode, encode
from hwsim.reference.rounding import round_value
from hwsim.reference.values import add, multiply
from hwsim.rtl import operation
from tests.rtl.judge import design_outputs, hard_code, outputs

EXACT = {"add": add, "mul": multiply}
SMALL = (
    *("e2m1", "e2m1_nosub", "e3m1", "e2m2fnuz", "e4m0fn", "e3m1_normal0", "e2m2merged"),
    *("e3m0b11fn", "e1m2b3none", "e2m1bn5", "e3m2none_unsigned", "e2m2_unsigned", "binary5p2ue"),
)
TEXT = files("hwsim.costs").joinpath("netlists.csv").read_text(encoding="utf-8")
NETLISTS = [tuple(row[:2]) for row in csv.reader(TEXT.splitlines()) if row[0] in EXACT]


def expected(name: str, a: int, b: int, fmt: FloatFormat) -> int:
    exact = EXACT[name](decode(a, fmt), decode(b, fmt))
    return encode(round_value(exact, fmt, "rne", fmt.default_overflow).value, fmt)


@pytest.mark.parametrize("name", ["add", "mul"])
@pytest.mark.parametrize("spec", SMALL)
def test_every_pair(name: str, spec: str) -> None:
    fmt = parse_format(spec)
    cases = list(pairs_of(range(1 << fmt.width), repeat=2))
    design = operation(name, fmt, pipelined=False)
    found = outputs(design.path, design.inputs, design.outputs[0], cases)
    assert found == [expected(name, a, b, fmt) for a, b in cases]


@pytest.mark.parametrize(("name", "spec"), [*NETLISTS, ("add", "fp64"), ("mul", "fp64")])
def test_hard_codes(name: str, spec: str) -> None:
    """Of every format that has a netlist, and of the widest."""
    fmt, rng = parse_format(spec), random.Random(3)
    cases = [(hard_code(rng, fmt), hard_code(rng, fmt)) for _ in range(60)]
    cases += [
        (a, (a ^ fmt.sign_code) + rng.choice([0, 1, -1]) & 2**fmt.width - 1) for a, _ in cases
    ]
    design = operation(name, fmt, pipelined=False)
    found = outputs(design.path, design.inputs, design.outputs[0], cases)
    assert found == [expected(name, a, b, fmt) for a, b in cases]


@pytest.mark.parametrize("name", ["add", "mul"])
def test_a_rank_is_a_clock(name: str) -> None:
    fmt = parse_format("e4m3")
    design = operation(name, fmt)
    dots = [[(0x38, 0x38), (a, 0x3C)] for a in range(0, 256, 5)]
    found = design_outputs(design, dots)
    assert found == [expected(name, dot[1][0], 0x3C, fmt) for dot in dots]


def test_other_operations_are_refused() -> None:
    with pytest.raises(ValueError, match="operation='div': allowed are add, mul"):
        operation("div", parse_format("e4m3"))
    with pytest.raises(TypeError, match="format int8: operations of floats have a datapath"):
        operation("add", "int8")
    with pytest.raises(TypeError, match="format e8m0: no datapath without a zero"):
        operation("mul", "e8m0")
