"""Approximate multipliers: every pair of small operands, beside the reference."""

from __future__ import annotations

from itertools import product as pairs_of

import pytest

from hwsim.reference.codes import decode, encode
from hwsim.reference.units import dot
from hwsim.units import parse_unit
from tests.rtl.judge import step_outputs

CORES = (
    *("mitchell", "drum2", "mbm", "realm2", "realm16", "ilm0", "ilm1", "ilm2"),
    *("trunc0c", "trunc2", "trunc3c", "trunc5c"),
)
PAIRS = (
    *("int4xint4", "uint4xuint3", "e2m2xe2m2", "e2m1_nosubxe3m3", "int4xe2m2", "e3m2b9fnuzxint3"),
    *("e2m3_normal0xfixed1.2", "int5xint5"),
)
NARROW = ("uint1xuint1", "e3m0fnxe3m0fn", "uint1xe3m0fn")  # of one bit


# Every core with two of the operands, and every operands with three of the cores.
CHOSEN = [
    (pair, core)
    for i, core in enumerate(CORES)
    for pair in (PAIRS[2 * i % 8], PAIRS[(2 * i + 3) % 8])
]


@pytest.mark.parametrize(("operands", "core"), CHOSEN)
def test_every_pair(operands: str, core: str) -> None:
    check(f"{operands}:{core}+fp32")


@pytest.mark.parametrize("core", ["mitchell", "mbm", "realm4", "ilm1", "trunc0", "trunc1c"])
@pytest.mark.parametrize("operands", NARROW)
def test_one_bit(operands: str, core: str) -> None:
    check(f"{operands}:{core}+bf16")


def check(spec: str) -> None:
    """Products of every a and b, added to −0, so that their zeros' signs are seen."""
    unit = parse_unit(spec)
    acc = 1 << (unit.accumulator.width - 1)
    cases = list(pairs_of(range(1 << unit.a.width), range(1 << unit.b.width)))
    expected = []
    for codes in cases:
        x, y = decode(codes[0], unit.a), decode(codes[1], unit.b)
        result = dot([x], [y], unit, decode(acc, unit.accumulator), observe=False).value
        expected.append(encode(result, unit.accumulator))
    assert len(cases) >= 4
    assert step_outputs(unit, [(*codes, acc, 0, 0) for codes in cases]) == expected
