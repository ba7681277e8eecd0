"""A new unit of a known kind compiles nothing: formats, lengths, overflow and seeds are numbers."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest
from hwsim_kernels.paths import COUNTS, NONE
from numba.core import event

import hwsim
from hwsim.simulate import blocks
from hwsim.simulate.sums import way_of
from hwsim.units import MacUnit

LENGTHS = {
    "chunk": ("chunk1", "chunk7/fp16", "chunk16", "chunk64/e8m12", "chunk5/fp32"),
    "lanes": ("lanes2", "lanes5", "lanes16", "lanes4-tree", "lanes8-tree"),
    "tree": ("tree2", "tree3", "tree5", "tree7", "tree16"),
}
FORMATS = [f"e{e}m{m}" for e in (6, 7, 8) for m in range(3, 18, 2)]
OPERANDS = ("e5m2xe5m2", "e4m3xe4m3", "e3m4xe3m4", "e4m3xe5m2")


class Passes(event.Listener):  # type: ignore[misc]
    """Counts what the compiler does, for kernels and for functions that they call."""

    count = 0

    def on_start(self, event: Any) -> None:
        self.count += 1

    def on_end(self, event: Any) -> None:
        pass


def others(kind: str, rounding: str) -> list[MacUnit]:
    """Every format with lengths, operands and overflow rules by turns."""
    turns = zip(
        *(cycle(OPERANDS), cycle(LENGTHS[kind]), cycle(("", ":saturate", ":saturate"))),
        strict=False,
    )
    parts = zip(FORMATS * 2, turns, strict=False)
    rule = f":{rounding}" if rounding else ""
    found = [f"{x}+{fmt}{rule}{end}:{order}" for fmt, (x, order, end) in parts]
    return [hwsim.mac(spec) for spec in found]


def prepare(kind: str, rounding: str, level: int) -> None:
    """What the first unit of a kind compiles, where no cache has any of it."""
    way = way_of(rounding or "rne")
    if kind == "chunk":
        blocks.prepare(level)
        blocks.prepare_way(level, way, False)
    else:
        blocks.prepare_order(kind == "tree", level, way)
    blocks.prepare_joins(level, way, False)


KINDS = [("chunk", r) for r in ("", "rtz", "rup", "rdn", "rna", "sr8")]
KINDS += [("lanes", ""), ("tree", "")]


@pytest.mark.parametrize(("kind", "rounding"), KINDS, ids=["-".join(x) for x in KINDS])
def test_other_units_of_a_kind_compile_nothing(kind: str, rounding: str) -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(6, 40)), rng.normal(size=(40, 5))
    prepare(kind, rounding, NONE)
    units = others(kind, rounding)
    hwsim.matmul(a, b, units[0])
    passes = Passes()
    with event.install_listener("numba:run_pass", passes):
        for unit in units:
            hwsim.matmul(a, b, unit)
            hwsim.matmul(a * 2.0**9, b * 2.0**-3, unit)
    assert len(set(units)) >= 40
    assert passes.count == 0


def test_chunks_that_are_counted_compile_nothing() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(6, 40)), rng.normal(size=(40, 5))
    prepare("chunk", "", COUNTS)
    passes = Passes()
    for number, unit in enumerate(others("chunk", "")):
        with event.install_listener("numba:run_pass", passes):
            hwsim.matmul(a, b, unit, telemetry="counts")
        passes.count *= number > 0
    assert passes.count == 0


def test_the_compiler_is_heard() -> None:
    """A function that nothing caches."""
    from hwsim_kernels._jit import called, helper

    passes = Passes()
    with event.install_listener("numba:run_pass", passes):
        assert helper(lambda x: x + 1)(1) == 2
        kernels = passes.count
        address = called(lambda frame: frame, "int64(int64)")
    assert kernels > 0
    assert address != 0
