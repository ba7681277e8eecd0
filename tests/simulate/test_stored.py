"""Stored products: bits and counts of the reference, every pair of codes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import as_format
from hwsim.simulate.stored import by_codes
from hwsim.testing import check, values
from tests.simulate.comparison import bits, check_matmul

UNITS = (
    *("nf4xnf4+fp16:products/e5m2", "nf4xint8+fp32:products/int8", "nf4xnf4+exact:products/e4m3"),
    *("e4m3xnf4+e5m2:rtz:chunk3:products/e4m3", "ternaryxe5m2+fp16:rdn:products/e5m2"),
    *("nf4xpow2_4+int16:products/fixed3.4", "e5m2xnf4+fp16:daz:products/e4m3:out=e5m2"),
    *("e4m3xcodebook_n3_n2_0.5_1_7+fp16:lanes4:products/fp16", "binaryxnf4+fp16:sr4:products/e3m2"),
)


@pytest.mark.parametrize("name", UNITS)
def test_sums(name: str) -> None:
    """Operands of every size, NaN and Inf where they are; c or none; K = 0 and 1."""
    unit = hwsim.mac(name)
    generator = np.random.default_rng(len(name))
    styles = itertools.cycle(("middle", "huge", "tiny", "codes", "finite", "cancelling"))
    for k, with_c in ((0, True), (1, False), (2, True), (7, True), (23, False)):
        style = next(styles)
        a, b = values(unit.a, (3, k), style, generator), values(unit.b, (k, 4), style, generator)
        c = values(unit.outer_format, (3, 4), "middle", generator) if with_c else None
        check_matmul(a, b, unit, c, threads=1)


@pytest.mark.parametrize("fmt", ["e5m2", "e4m3", "int4", "fp16"])
def test_every_pair(fmt: str) -> None:
    """One product at a time, rounded once, whatever the sums do."""
    unit = hwsim.mac(f"int8xnf4+fp32:rtz:products/{fmt}")
    a, b = np.arange(-128.0, 128.0)[:, None], hwsim.decode(np.arange(16), "nf4")[None]
    exact = a.astype(np.float64) * b.astype(np.float64)
    wanted = reference.round(exact, as_format(fmt), "rne", "saturate")
    assert by_codes(unit, a, b) is not None
    assert np.array_equal(hwsim.matmul(a, b, unit), wanted)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("int8xint8+int32:products/int8", "one of them a table's"),
        ("nf4xfp16+fp32:products/fp16", "codes of up to 8 bits"),
        ("nf4xnf4+fp32:products/nf4", "format nf4: a float"),
        ("nf4xnf4+fp32:products", "'/' expected after products"),
        ("nf4xnf4+fp32:products/e8m0", "with zero is needed"),
    ],
)
def test_refused(name: str, message: str) -> None:
    """Tables that nobody stores."""
    with pytest.raises(SpecError, match=message):
        hwsim.mac(name)


def test_laws_and_cost() -> None:
    """Every law that applies; a table costs by its entries."""
    report = check("nf4xternary+fp16:products/e5m2", cases=100)
    assert all(v.ok for v in report.verdicts if not v.skipped), report
    few, many = (hwsim.cost(f"nf4x{f}+fp16:products/e5m2") for f in ("ternary", "e4m3"))
    assert 0 < few.area_um2 < many.area_um2


@pytest.mark.parametrize(
    "unit", ["nf4xint8_sym+fp16:products/e5m2", "int4_symxnf4+fp32:products/e4m3"]
)
def test_symmetric_integers(unit: str) -> None:
    """They have a code that stands for nothing."""
    generator = np.random.default_rng(6)
    a, b = generator.normal(size=(3, 8)) * 3, generator.normal(size=(8, 4)) * 3
    assert bits(hwsim.matmul(a, b, unit)) == bits(reference.matmul(a, b, unit))


@pytest.mark.parametrize(("fmt", "top"), [("e5m2", np.inf), ("e4m3", 448.0), ("fp16", np.inf)])
def test_infinite_operands(fmt: str, top: float) -> None:
    """Inf stays where entries have it, and is the largest of them elsewhere; times 0 it is NaN."""
    unit = f"e5m2xnf4+fp32:products/{fmt}"
    got = hwsim.matmul([[np.inf], [-np.inf]], [[1.0, -1.0]], unit)
    assert got.tolist() == [[top, -top], [-top, top]]
    assert np.isnan(hwsim.matmul([[np.inf], [np.nan]], [[0.0]], unit)).all()
