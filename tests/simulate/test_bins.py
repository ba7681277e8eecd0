"""Bins: bits and counts of the reference, and of the sums that they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.errors import SpecError
from hwsim.testing import check, values
from hwsim.units import steps_of
from tests.simulate.comparison import check_matmul

UNITS = (
    *("int8xnf4+fp32:bins16", "int8xnf4+int16:bins16/fp32", "int8xternary+int8:bins3"),
    *("e4m3xnf4+fp16:rtz:bins16", "pow2_4xe4m3+e4m3:rdn:bins15", "e5m2xnf4+e5m2:bins16"),
    *("ternaryxint8+int6:saturate:bins3/int32", "nf4xternary+fp16:rup:bins3:out=bf16"),
    *("codebook_n3_n2_0.5_1_7xe5m2+e4m3:rna:bins5/bf16", "e5m2xbinary+e6m9:rto:daz:bins2"),
    *(
        "binaryxbinary+int4:bins2/int16",
        "fixed2.3xpow2_3+fixed3.3:bins7",
        "e4m3xnf4+fp16:sr4:bins16",
    ),
)


@pytest.mark.parametrize("name", UNITS)
def test_bins(name: str) -> None:
    """Operands of every size, NaN and Inf too; c or none; K = 0 and 1."""
    unit = hwsim.mac(name)
    generator = np.random.default_rng(len(name))
    styles = itertools.cycle(("middle", "huge", "tiny", "codes", "finite", "cancelling"))
    for k, with_c in ((0, True), (0, False), (1, False), (2, True), (7, True), (23, False)):
        style = next(styles)
        a, b = values(unit.a, (3, k), style, generator), values(unit.b, (k, 4), style, generator)
        c = values(unit.outer_format, (3, 4), "middle", generator) if with_c else None
        check_matmul(a, b, unit, c, threads=1)


def test_every_sum_of_two() -> None:
    """Pairs of every fourth e4m3 code in one bin, in another format than the products'."""
    x = reference.decode(np.arange(256), "e4m3")
    x = x[np.isfinite(x)][::4]
    pairs = np.stack(np.meshgrid(x, x), -1).reshape(-1, 2)
    check_matmul(pairs, np.full((2, 1), 0.5), "e4m3xcodebook_n1_0.5+e3m4:bins2/fp16")


def test_integers_are_what_products_give() -> None:
    """Look up then multiply, and bins, where nothing overflows (Han et al. 2016)."""
    generator = np.random.default_rng(4)
    a = generator.integers(-128, 128, (5, 300))
    b = generator.choice([-7, -1, 0, 3, 90], (300, 6))
    book = "codebook_n7_n1_0_3_90"
    wanted = a @ b
    assert np.array_equal(hwsim.matmul(a, b, f"int8x{book}+int32"), wanted)
    assert np.array_equal(hwsim.matmul(a, b, f"int8x{book}+int17:bins5/int32"), wanted)
    assert np.array_equal(hwsim.matmul(b.T, a.T, f"{book}xint8+int32:bins5"), wanted.T)


def test_an_infinite_bin() -> None:
    """Times a zero it is NaN; the same where the bin overflows."""
    assert np.isnan(hwsim.matmul([[np.inf, 1.0]], [[0.0], [1.0]], "e5m2xternary+fp16:bins3"))
    assert np.isnan(hwsim.matmul([[57344.0] * 2], [[0.0]] * 2, "e5m2xternary+e5m2:bins3"))


def test_steps_and_names() -> None:
    """K inner and B outer roundings; the outer format is dropped where it is the accumulator's."""
    steps = steps_of(hwsim.mac("int8xnf4+fp32:sr:bins16"), 5)
    assert (steps.products, steps.inner, steps.outer) == (0, 5, 16)
    assert str(hwsim.mac("int8xnf4+fp32:bins16/fp32")) == "int8xnf4+fp32:bins16"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("int8xint8+int32:bins16", "neither is a table of 16 values"),
        ("int8xnf4+fp32:bins15", "neither is a table of 15 values"),
        ("int8xnf4+fp32:bins16:mul_add", "exact products, not mul_add"),
        ("int8xnf4+fp32:bins1", "bins: count 1: an integer from 2"),
        ("int8xnf4+fp32:bins16/nf4", "a float, a posit, an integer or fixed point is needed"),
    ],
)
def test_refused(name: str, message: str) -> None:
    """Units that no hardware could be."""
    with pytest.raises(SpecError, match=message):
        hwsim.mac(name)


def test_laws_and_cost() -> None:
    """Every law that applies; more bins cost more, and the multiplier works once for each."""
    report = check("int8xternary+int8:bins3/int16", cases=100)
    assert all(v.ok for v in report.verdicts if not v.skipped)
    assert any(v.law == "sorted terms" and not v.skipped for v in report.verdicts)
    three, sixteen = (hwsim.cost(f"int8x{f}") for f in ("ternary+int16:bins3", "nf4+int16:bins16"))
    assert 0 < three.area_um2 < sixteen.area_um2
