"""Networks on formats whose arrays hold codes: values outside, codes inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.networks import run
from tests.networks.models import GraphBuilder

RNG = np.random.default_rng(4)
X = RNG.normal(size=(6, 5)).astype(np.float32)
W = RNG.normal(size=(5, 4)).astype(np.float32)
B = np.array([0.5, -1.25, 0.0, 2.0], np.float32)
UNITS = ("fixed3.60xfixed3.60+fixed3.60", "fixed3.60xbf16+fixed20.40:rdn", "int8xint60+int60")


def gemm():
    graph = GraphBuilder()
    w, b = graph.weight("w", values=W), graph.weight("b", values=B)
    graph.node("Gemm", ["x", w, b], "y", "fc")
    return graph.model({"x": ["N", 5]}, {"y": None})


def carried(x: np.ndarray, name: object) -> np.ndarray:
    fmt = hwsim.format(str(name))
    return reference.round(x, fmt, overflow="saturate") if fmt.carried_as_codes else x


@pytest.mark.parametrize(
    ("spec", "bias"),
    [*((spec, "float32") for spec in UNITS), *((spec, "acc") for spec in UNITS[:2])],
)
def test_values_outside_codes_inside(spec: str, bias: str, tmp_path: Path) -> None:
    """The reference on codes, brought back to values; verified; golden vectors in codes."""
    unit = hwsim.mac(spec)
    report = run(gemm(), {"x": X}, spec, verify=24, dump=tmp_path, scale="none", bias=bias)
    c = carried(B, unit.outer_format) if bias == "acc" else None
    results = reference.matmul(carried(X, unit.a), carried(W, unit.b), unit, c=c)
    values = (results * 2.0**unit.outer_format.quantum_exponent).astype(np.float32)
    wanted = values if bias == "acc" else values + B
    assert report.outputs["y"].tolist() == wanted.tolist()
    assert report.layers[0].verified == 24
    with np.load(tmp_path / "fc.npz", allow_pickle=False) as file:
        assert file["results"].tolist() == results.tolist()
        for name, fmt in (("a", unit.a), ("b", unit.b), ("result", unit.output_format)):
            assert file[f"{name}_codes"].dtype == reference.encode(0, fmt).dtype
        again = hwsim.decode(file["result_codes"], unit.output_format)
        assert again.tolist() == results.tolist()
