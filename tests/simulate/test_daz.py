"""`daz`: subnormal operands are zeros of their sign."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.networks import run
from tests.networks.models import GraphBuilder
from tests.simulate.comparison import bits, check_matmul

NAMES = ("e4m3", "e5m2fnuz", "e2m3", "e1m3none")
REST = ("e4m3+fp16", "int8+fp32:rdn", "e4m3+e4m3:chunk2", "fp64+fp64:rup", "e4m3+exact")


def flushed(x: np.ndarray, name: str) -> np.ndarray:
    """The definition, by plain NumPy."""
    fmt = hwsim.format(name)
    tiny = np.abs(x) < float(fmt.smallest_normal)
    return np.where(tiny, np.copysign(0.0, x) if fmt.has_negative_zero else 0.0, x)


@pytest.mark.parametrize("rest", REST)
@pytest.mark.parametrize("name", NAMES)
def test_every_operand(name: str, rest: str) -> None:
    """All values of a: the reference, and the same unit without daz on flushed operands."""
    fmt = hwsim.format(name)
    values = reference.decode(np.arange(1 << fmt.width), fmt)
    values = values[np.isfinite(values)]
    a = np.stack([values, values[::-1]], axis=1)
    b = np.array([[1.0, 0.5], [-3.0, 0.0625]])
    unit = hwsim.mac(f"{name}x{rest}:daz")
    assert unit.daz
    assert (np.signbit(values) & (flushed(values, name) == 0)).any() or not fmt.has_negative_zero
    check_matmul(a, b, unit)
    check_matmul(a, b, unit, np.array([2.0**-9, -(2.0**-9)]))
    kept = hwsim.mac(f"{name}x{rest}")
    b_flushed = b if unit.b == hwsim.format("int8") else flushed(b, str(unit.b))
    wanted, counts = hwsim.matmul(flushed(a, name), b_flushed, kept, telemetry=True)
    got, counted = hwsim.matmul(a, b, unit, telemetry=True, strict=unit.b != hwsim.format("int8"))
    assert bits(got) == bits(wanted)
    assert counted == counts
    assert counted.zero_operands > hwsim.matmul(a, b, kept, telemetry=True)[1].zero_operands


def test_c_is_no_operand() -> None:
    """A subnormal c stays; a flushed product keeps its sign."""
    tiny = 2.0**-9
    unit = "e4m3xe4m3+e4m3:daz"
    for c, wanted in ((tiny, tiny), (-0.0, -0.0), (0.0, 0.0)):
        for matmul in (hwsim.matmul, reference.matmul):
            got = matmul([[-tiny]], [[1.0]], unit, c=[[c]])
            assert bits(got) == bits(np.array([[wanted]], np.float32))


@pytest.mark.parametrize("spec", ["e4m3xe5m2+fp16:daz", "int8xe4m3+fp16:daz", "e4m3xint8+fp16:daz"])
def test_convolution(spec: str) -> None:
    """Both operands, whichever way the product is laid out."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(2, 4, 5, 5)) / 64, rng.normal(size=(6, 2, 3, 3)) / 64
    x, w = (x * 1000 if "int8x" in spec else x), (w * 1000 if "xint8" in spec else w)
    got, counts = hwsim.conv2d(x, w, spec, groups=2, padding=1, telemetry=True)
    wanted, counted = reference.conv2d(x, w, spec, groups=2, padding=1, telemetry=True)
    assert bits(got) == bits(wanted)
    assert counts == counted
    plain = hwsim.conv2d(x, w, spec.removesuffix(":daz"), groups=2, padding=1)
    assert (got != plain).any()


def network() -> object:
    """A Gemm whose inputs are mostly subnormal in e4m3."""
    graph = GraphBuilder()
    w = graph.weight("w", 6, 5, scale=0.02)
    graph.node("MatMul", ["x", w], "y", "fc")
    return graph.model({"x": ["N", 6]}, {"y": None})


def test_in_networks(tmp_path: Path) -> None:
    """Layers flush too, verified by the reference; the golden vectors name the unit."""
    x = (np.random.default_rng(2).normal(size=(7, 6)) / 64).astype(np.float32)
    unit = "e4m3xe4m3+fp16:daz"
    report = run(network(), {"x": x}, unit, verify=35, dump=tmp_path, scale="none")
    w = GraphBuilder().rng.standard_normal((6, 5)) * 0.02
    wanted, counts = hwsim.matmul(x, w.astype(np.float32), unit, telemetry=True)
    assert report.outputs["y"].tolist() == wanted.tolist()
    assert report.layers[0].verified == 35
    assert report.layers[0].telemetry.zero_operands == counts.zero_operands > 0
    with np.load(tmp_path / "fc.npz", allow_pickle=False) as file:
        assert json.loads(str(file["info"]))["unit"] == unit
        again = hwsim.matmul(
            hwsim.decode(file["a_codes"], "e4m3"), hwsim.decode(file["b_codes"], "e4m3"), unit
        )
        assert again.tolist() == file["results"].tolist()


def test_in_sweeps() -> None:
    """A row of its own, verified."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 6)).astype(np.float32) / 64, rng.integers(0, 5, 30)
    units = ["e4m3xe4m3+fp16", "e4m3xe4m3+fp16:daz"]
    table = hwsim.sweep(network(), {"x": x, "labels": y}, units, verify=5)
    assert sorted(str(row.unit) for row in table.rows) == units


def test_cost() -> None:
    """Masks instead of normalisers: what formats without subnormals cost."""
    kept, daz = hwsim.mac("e4m3xe4m3+fp16"), hwsim.mac("e4m3xe4m3+fp16:daz")
    nosub = hwsim.format("e4m3fn_nosub")
    assert hwsim.cost(daz).energy_pj < hwsim.cost(kept).energy_pj
    assert hwsim.cost(daz).area_um2 == hwsim.cost(replace(kept, a=nosub, b=nosub)).area_um2
