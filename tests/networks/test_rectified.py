"""A Relu that alone reads a layer's result is the layer's last step."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.networks import Network
from tests.networks.models import GraphBuilder


@pytest.mark.parametrize("seen", [(), ("c1",), ("c1", "g")])
@pytest.mark.parametrize("unit", ["e4m3xe4m3+fp16", "fp32xfp32+fp32", "int8xint8+int32"])
def test_relu_as_a_layers_last_step(graph: GraphBuilder, seen: tuple[str, ...], unit: str) -> None:
    """A Relu joins its layer unless somebody else reads what it reads; bits are the same."""
    graph.node("Conv", ["x", graph.weight("w1", 4, 3, 3, 3), graph.weight("b1", 4)], "c1")
    graph.node("Relu", ["c1"], "r1")
    graph.node("Conv", ["r1", graph.weight("w2", 4, 4, 1, 1)], "c2")
    graph.node("Relu", ["c2"], "r2")
    graph.node("Flatten", ["r2"], "flat")
    graph.node("Gemm", ["flat", graph.weight("w3", 6, 144), graph.weight("b3", 6)], "g", transB=1)
    graph.node("Relu", ["g"], "y")
    network = Network.load(
        graph.model({"x": ["N", 3, 8, 8]}, {"y": ["N", 6]} | dict.fromkeys(seen))
    )
    joined = {layer.name for layer in network.plan.layers if layer.rectified}
    assert len(joined) == 3 - len(seen)
    x = np.random.default_rng(1).standard_normal((5, 3, 8, 8)).astype(np.float32)
    x[0, 0, 0] = [np.inf, -0.0, *x[0, 0, 0, 2:]] if unit.startswith("fp32") else 0
    got = network.run({"x": x}, unit, verify=5).outputs["y"]
    shown = Network.load(
        graph.model({"x": ["N", 3, 8, 8]}, {"y": ["N", 6], "c1": None, "c2": None, "g": None})
    )
    apart = shown.run({"x": x}, unit).outputs["y"]
    np.testing.assert_array_equal(got, apart)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(apart))
