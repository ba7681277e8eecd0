"""Sums of logarithms on kernels: the reference's bits and counts."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.reference import logsums
from hwsim.simulate.logsums import tables
from tests.simulate.comparison import check_matmul

OPERANDS = ("log4.3", "lns8", "log2.3b8", "log3.0b3", "pow2_4", "log3.2b12_unsigned")
OPERANDS += ("log1.4b5_nozero", "log5.6b700", "log0.4")
SUMS = ("log6.6", "log6.6b2000", "log4.3b60", "log3.2b10", "pow2_6b16", "log0.3b2", "log1.2")
SUMS += ("log7.8b16000", "log10.0b500", "log10.0b1000", "log5.10b16000")
ENDS = ("", "", ":out=fp16", ":saturate", ":out=int8:saturate")


@pytest.mark.parametrize(
    ("bits", "places"), [(0, 0), (0, 18), (1, 2), (3, 6), (6, 6), (6, 11), (10, 18)]
)
def test_tables_are_the_references(bits: int, places: int) -> None:
    """All entries but of wide tables, of which every 37th."""
    sums, differences = tables(bits, places).reshape(2, -1)
    step = 1 if sums.size < 2000 else 37
    for k in range(1, sums.size, step):
        assert sums[k] == logsums.plus(k, bits, places)
        assert differences[k] == logsums.minus(k, bits, places)
    assert sums[0] == 1 << places
    assert sums[-1] == differences[-1] == 0


@st.composite
def specs(draw: st.DrawFn) -> str:
    a, b, acc = (draw(st.sampled_from(some)) for some in (OPERANDS, OPERANDS, SUMS))
    places = draw(st.sampled_from(["", "0", "1", "3", "8", "12", "18", "20"]))
    rounding = draw(st.sampled_from(hwsim.formats.ROUNDINGS))
    return f"{a}x{b}+{acc}:{rounding}:lns{places}{draw(st.sampled_from(ENDS))}"


def values(fmt: str, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Any values, or some around zero, which meet again and again."""
    found = np.array([float(value) for value, _ in hwsim.format(fmt).entries])
    if rng.integers(2):
        middle, reach = found.size // 2, int(rng.integers(1, 9))
        found = found[max(0, middle - reach) : middle + reach + 1]
    return rng.choice(found, shape)


@settings(max_examples=12, deadline=None)
@given(spec=specs(), seed=st.integers(0, 2**32 - 1), k=st.integers(0, 12), starts=st.booleans())
def test_equals_the_reference(spec: str, seed: int, k: int, starts: bool) -> None:
    rng = np.random.default_rng(seed)
    unit = hwsim.mac(spec)
    m, n = rng.integers(1, 6, 2)
    a, b = values(str(unit.a), (m, k), rng), values(str(unit.b), (k, n), rng)
    c = values(str(unit.accumulator), (m, n), rng) if starts else None
    check_matmul(a, b, unit, c)


@pytest.mark.parametrize(
    ("rounding", "places"), [("rne", ""), ("rup", "0"), ("rto", "4"), ("rdn", "")]
)
def test_every_triple_of_narrow_logarithms(rounding: str, places: str) -> None:
    x = [float(value) for value, _ in hwsim.format("log2.1b2").entries]
    triples = np.array(list(product(x, repeat=3)))
    unit = f"log2.1b2xlog2.1b2+log2.2b5:{rounding}:lns{places}"
    check_matmul(triples, np.ones((3, 1)), unit)


def test_convolutions_and_blocks_of_outputs() -> None:
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal((2, 2, 6, 6)), rng.standard_normal((3, 2, 3, 3))
    unit = "log4.3b40xlog4.3b40+log5.5b512:lns7"
    got = hwsim.conv2d(x, w, unit, padding=1)
    assert got.tobytes() == hwsim.reference.conv2d(x, w, unit, padding=1).tobytes()
    a, b = rng.standard_normal((70, 5)), rng.standard_normal((5, 300))
    part = hwsim.matmul(a[40:], b[:, 280:], unit)
    assert hwsim.matmul(a, b, unit, threads=2)[40:, 280:].tobytes() == part.tobytes()
