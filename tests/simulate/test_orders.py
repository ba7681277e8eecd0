"""Lanes, trees and dot instructions on fast kernels: bits and counts of the reference."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim import reference
from hwsim.formats import ROUNDINGS
from hwsim.simulate.datapaths import Plan, plan
from hwsim.simulate.facts import Facts
from hwsim.testing import values
from tests.simulate.comparison import bits, check_matmul, count_differences

Array = npt.NDArray[Any]
ORDERS = ("lanes1", "lanes3", "lanes4-tree", "lanes16-tree", "tree2", "tree3", "tree8", "dot3")
# Every carrier, way of knowing sums, rounding and overflow rule that the datapaths have.
SUMS = (
    *("e5m2xe5m2+e6m9:saturate", "e5m2xe5m2+e6m9", "e4m3xe4m3+fp16:rtz", "e4m3xe4m3+fp16:rup"),
    *("e4m3xe4m3+bf16:rdn", "e4m3xe4m3+e5m4:rna", "e3m2xe3m2+e4m3:saturate", "fp16xfp16+fp32"),
    *("bf16xbf16+bf16", "bf16xbf16+fp32", "fp16xfp16+fp32:rup", "e5m2xe5m2+fp16:inf_always"),
    *(
        "int8xint8+int16:saturate",
        "int8xint8+int18",
        "uint8xuint8+uint18:saturate",
        "int8xe4m3+fp16",
    ),
    *("fixed2.5xfixed2.5+fixed6.8", "int8xint8+int32:saturate", "e3m2xe3m2+e6m9_nosub"),
    *("e4m3xe4m3+e5m10fnuz:rdn", "e2m1xe2m1+int9", "e5m2xe5m2+e5m2", "uint8xint8+int8:saturate"),
    # No register tile has these.
    *("e5m2xe5m2+e6m9:mul_add", "fp16xfp16+fp16:rto", "int8xint8+int12:saturate:mul_add/int10"),
)


def planned(a: Array, b: Array, c: Array | None, unit: str, level: int) -> Plan | None:
    """The fast plan for a product, if there is one."""
    mac = hwsim.mac(unit)
    left, right = (reference.round(x, f).astype(float) for x, f in ((a, mac.a), (b, mac.b)))
    start = None if c is None else reference.round(c, mac.outer_format).astype(float)
    return plan(mac, Facts(left[None], right[None], start), level)


# Every unit in a third of the orders, every order with a third of the units.
SOME = [(u, o) for i, u in enumerate(SUMS) for j, o in enumerate(ORDERS) if (i + j) % 3 == 1]


@pytest.mark.parametrize(("unit", "order"), SOME)
def test_fast_orders(unit: str, order: str):
    """Lengths around lanes and widths, operands of every size, c or none."""
    mac = hwsim.mac(f"{unit}:{order}")
    generator = np.random.default_rng(len(unit) * 100 + len(order))
    styles = itertools.cycle(("middle", "huge", "tiny", "middle", "finite", "cancelling", "codes"))
    for k, with_c in ((0, True), (1, False), (2, True), (5, False), (7, True), (17, False)):
        style = next(styles)
        a, b = values(mac.a, (3, k), style, generator), values(mac.b, (k, 5), style, generator)
        c = values(mac.outer_format, (3, 5), "middle", generator) if with_c else None
        check_matmul(a, b, mac, c, threads=1)


FAST = ("e5m2xe5m2+e6m9:saturate", "e4m3xe4m3+fp16:rup", "fp16xfp16+fp32", "e4m3xe4m3+fp16:rna")
FAST += ("int8xint8+int16:saturate", "bf16xbf16+bf16", "e5m2xe5m2+fp16", "int8xint8+int18")


TILED = [order for order in ORDERS if not order.startswith("dot")]
TILES = [(u, o) for i, u in enumerate(FAST) for j, o in enumerate(TILED) if (i + j) % 2]


@pytest.mark.parametrize(("unit", "order"), TILES)
def test_tiles(unit: str, order: str):
    """More rows and columns than a tile has, and than a panel; the fast kernels ran."""
    generator = np.random.default_rng(3)
    mac = f"{unit}:{order}"
    a, b = generator.normal(size=(6, 21)) * 9, generator.normal(size=(21, 70)) * 9
    for c in (None, generator.normal(size=(6, 70))):
        assert planned(a, b, c, mac, 0) is not None
        check_matmul(a, b, mac, c, levels=(False, "counts"), threads=2)
        check_matmul(b.T, a.T, mac, None if c is None else c.T, levels=(False,), threads=1)


def test_dots_run_fast():
    generator = np.random.default_rng(3)
    a, b = generator.integers(0, 256, (6, 23)), generator.integers(-128, 128, (23, 70))
    ends = np.where(generator.random((6, 70)) < 0.5, 2**31 - 1, -(2**31))
    for unit in ("vpdpbusds", "uint8xint8+int20:saturate:dot5", "uint8xint8+fp16:dot4"):
        c = ends if "int" in str(hwsim.mac(unit).accumulator) else None
        assert planned(a, b, c, unit, 1) is not None
        check_matmul(a, b, unit, c, levels=(False, "counts"))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("order", ["tree2", "lanes2", "dot2"])
@pytest.mark.parametrize("accumulator", ["e3m2", "e4m1", "e3m3_nosub", "fixed2.2"])
def test_all_sums_of_two_products(accumulator: str, order: str, rounding: str):
    """All pairs of two e2m1 operands: 65 536 sums of two products, by the reference's rounding."""
    codes = reference.decode(np.arange(16), "e2m1").astype(float)
    pairs = np.array(list(itertools.product(codes, codes)))

    def rounded(x: Array) -> Array:
        some, where = np.unique(x, return_inverse=True)
        return reference.round(some, accumulator, rounding)[where.reshape(x.shape)].astype(float)

    first, second = (np.multiply.outer(pairs[:, i], pairs[:, i]) for i in (0, 1))
    wanted = rounded(first + second)
    if order == "lanes2":
        with np.errstate(invalid="ignore"):  # Inf − Inf
            wanted = rounded(rounded(first) + rounded(second))
    got = hwsim.matmul(pairs, pairs.T, f"e2m1xe2m1+{accumulator}:{rounding}:{order}")
    assert got.size == 65_536
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("order", ["lanes8", "lanes4-tree", "tree5", "dot4"])
def test_convolutions(order: str):
    """k goes over channels and kernel: lanes and trees take it as it comes."""
    generator = np.random.default_rng(9)
    x, w = generator.normal(size=(2, 4, 6, 5)), generator.normal(size=(6, 2, 3, 3))
    unit = f"e4m3xe4m3+fp16:{order}"
    where = {"padding": 1, "groups": 2, "stride": (1, 2)}
    wanted, counts = reference.conv2d(x, w, unit, telemetry=True, **where)
    for level in ("counts", True):
        got, seen = hwsim.conv2d(x, w, unit, telemetry=level, **where)
        assert bits(got) == bits(wanted)
        assert not count_differences(seen, counts, level == "counts")


def test_networks():
    """A shipped network, its first outputs verified against the reference."""
    from hwsim.networks import shipped

    digits = shipped("digits-cnn")
    for unit in ("e5m2xe5m2+e6m9:lanes8-tree", "e5m2xe5m2+e6m9:tree16", "vpdpbusds"):
        report = hwsim.run(digits.model, digits.evaluation, unit, verify=2, threads=1)
        for layer in report.layers:
            inner, outer = layer.telemetry.additions, layer.telemetry.outer.additions
            steps = hwsim.mac(unit).order.steps(layer.k)
            assert (inner, outer) == tuple(layer.telemetry.outputs * n for n in steps)


def test_lanes_are_chunks_of_a_permutation():
    """lanesL of products in order = chunks of K/L of the same products, lane by lane."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=(64, 256)), generator.normal(size=(256, 80))
    lanes = np.arange(256).reshape(64, 4).T.ravel()
    got = hwsim.matmul(a, b, "e5m2xe5m2+e6m9:lanes4")
    parts = hwsim.matmul(a[:, lanes], b[lanes], "e5m2xe5m2+e6m9:chunk64")
    assert bits(got + 0) == bits(parts + 0)


@pytest.mark.parametrize("width", [2, 4, 64])
def test_wide_trees_are_trees_of_trees(width: int):
    """A tree over all products gives the roots of its halves, added."""
    generator = np.random.default_rng(6)
    a, b = generator.normal(size=(33, 2 * width)), generator.normal(size=(2 * width, 70))
    whole = hwsim.matmul(a, b, f"e5m2xe5m2+e6m9:tree{2 * width}")
    left = hwsim.matmul(a[:, :width], b[:width], f"e5m2xe5m2+e6m9:tree{width}")
    both = hwsim.matmul(a[:, width:], b[width:], f"e5m2xe5m2+e6m9:tree{width}", c=left)
    assert bits(whole) == bits(both)


def test_another_width_compiles_nothing():
    from hwsim.simulate.orders import driver

    a, b = np.ones((4, 40)), np.ones((40, 70))
    for first, others in (("tree4", ("tree5", "tree16")), ("lanes4", ("lanes5", "lanes8-tree"))):
        unit = f"e5m2xe5m2+e6m9:{first}"
        chosen = planned(a, b, None, unit, 0)
        assert chosen is not None
        assert chosen.outer is not None
        kernel = driver(hwsim.mac(unit).order, chosen.inner.path)
        hwsim.matmul(a, b, unit)
        before = len(kernel.overloads)
        for other in others:
            hwsim.matmul(a, b, f"e5m2xe5m2+e6m9:{other}")
        assert len(kernel.overloads) == before == 1
