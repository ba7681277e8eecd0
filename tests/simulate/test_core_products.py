"""Approximate multipliers where no kernel multiplies so: in every order, rounding and with rounded
products, the reference's bits and counts; and the products themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim import reference
from hwsim.reference.multipliers import multiply
from hwsim.simulate import core_products, products
from hwsim.units.multipliers import parse_multiplier
from tests.simulate.comparison import bits, count_differences

Array = npt.NDArray[Any]
NAMES = (
    *("exact", "mitchell", "mbm", "realm2", "realm8", "realm16", "ilm0", "ilm1", "ilm3"),
    *("drum3", "drum5", "trunc0", "trunc4", "trunc4c", "trunc9c"),
)
UNITS = (
    *("int8xint8:mitchell+int32:lanes8", "int8xint8:mbm+int16:saturate:lanes4-tree"),
    *("int8xint8:ilm1+int16:saturate:tree5", "uint8xint8:trunc4c+int32:saturate:dot4"),
    *("e4m3xe4m3:mitchell+fp16:mul_add", "e5m2xe5m2:realm4+e6m9:saturate:sr8"),
    *("e4m3xbf16:trunc4+e6m9:sr5c:tree16:out=e5m2", "bf16xbf16:mbm+bf16:rto"),
    *("int8xe4m3:mitchell+bf16:rdn:lanes3", "fixed3.4xfixed0.7:realm8+fixed5.6:rup"),
    *("int16xint16:mbm+int40", "int32xint32:realm8+int64:chunk3", "int32xint32:mitchell+fp32"),
    *("fp32xfp32:ilm2+fp32:chunk4/fp64", "fp32xe5m2:drum6+fp16:sr4-lfsr9:mul_add/bf16"),
    *("e5m2xe4m3:mitchell+e5m2:exact", "e4m3xe4m3:mitchell+fixed4.3:saturate:sr3b:lanes8"),
    *("fp16xfp16:realm16+fp16:inf_always:daz", "uint8xuint8:trunc9c+uint16:rtz:chunk3:out=uint8"),
)


def operand(fmt: Any, shape: tuple[int, int], generator: np.random.Generator) -> Array:
    """Values of all magnitudes, zeros of both signs among them."""
    x = generator.normal(size=shape) * 2.0 ** generator.integers(-6, 5, shape)
    x = np.rint(x * 2.0 ** min(fmt.width, 24) / 50) if "int" in str(fmt) else x
    x[generator.random(shape) < 0.15] = -0.0
    return x


@pytest.mark.parametrize("unit", UNITS)
def test_units_of_every_order(unit: str) -> None:
    """Bits and counts of lengths that fill orders' parts and that do not."""
    mac, generator = hwsim.mac(unit), np.random.default_rng(len(unit))
    for k in (0, 1, 7, 16):
        a, b = operand(mac.a, (3, k), generator), operand(mac.b, (k, 4), generator)
        c = np.rint(generator.normal(size=(3, 4)) * 3) if k % 2 == 0 else None
        wanted = reference.matmul(a, b, mac, c=c, seed=3, telemetry=True)
        for telemetry in (False, "counts", True):
            got = hwsim.matmul(a, b, mac, c=c, seed=3, telemetry=telemetry)
            assert bits(got[0] if telemetry else got) == bits(wanted[0]), (k, telemetry)
            if telemetry:
                assert not count_differences(got[1], wanted[1], telemetry == "counts"), k


@pytest.mark.parametrize("unit", ["fp16xbf16:drum4+fp32", "bf16xint8:mitchell+bf16:sr8:tree4"])
def test_infinities(unit: str) -> None:
    """Inf and NaN meet every multiplier as they meet an exact one."""
    a = np.array([[np.inf, 1.0], [-np.inf, 2.0], [np.nan, 3.0]])
    b = np.array([[2.0, 0.0, -3.0], [1.0, 1.0, 1.0]])
    wanted = reference.matmul(a, b, unit, telemetry=True)
    got = hwsim.matmul(a, b, unit, telemetry=True)
    assert bits(got[0]) == bits(wanted[0])
    assert not count_differences(got[1], wanted[1], False)


def test_the_reference_serves_none_of_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared above is computed by kernels."""
    monkeypatch.setattr(products, "by_reference", None)
    for unit in UNITS:
        mac, generator = hwsim.mac(unit), np.random.default_rng(5)
        a, b = operand(mac.a, (3, 9), generator), operand(mac.b, (9, 4), generator)
        hwsim.matmul(a, b, mac, telemetry=True)


def test_rows_are_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of a few rows at a time, draws and counts included."""
    generator, unit = np.random.default_rng(8), "e5m2xe5m2:mitchell+e6m9:saturate:sr8:lanes4"
    a, b = generator.normal(size=(2, 7, 20)), generator.normal(size=(20, 9))
    whole = hwsim.matmul(a, b, unit, seed=4, telemetry=True)
    monkeypatch.setattr(core_products, "BLOCK", 400)
    cut = hwsim.matmul(a, b, unit, seed=4, telemetry=True)
    assert bits(cut[0]) == bits(whole[0])
    assert cut[1] == whole[1]


@pytest.mark.parametrize("name", NAMES)
def test_products_of_all_pairs(name: str) -> None:
    """All pairs of 6 bits; of 31 bits those of all lengths, with runs of ones."""
    axis = np.arange(64)
    x, y = np.repeat(axis, 64), np.tile(axis, 64)
    core = parse_multiplier(name, 6)
    got = core_products.products_of(core, x, y).tolist()
    assert got == [multiply(core, *pair) for pair in zip(x.tolist(), y.tolist(), strict=True)]
    generator = np.random.default_rng(0)
    x, y = (generator.integers(0, 1 << 31, 500) >> generator.integers(0, 31, 500) for _ in "xy")
    x[::7], y[::5], x[::11] = (1 << 31) - 1, (1 << 31) - 1, 1 << 31
    core = parse_multiplier(name, 32)
    got = core_products.products_of(core, x, y).tolist()
    assert got == [multiply(core, *pair) for pair in zip(x.tolist(), y.tolist(), strict=True)]
