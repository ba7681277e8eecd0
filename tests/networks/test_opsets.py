"""The same model in every opset that ONNX Runtime knows gives the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import version_converter

from hwsim.networks import Network
from tests.networks.models import GraphBuilder

UNIT = "e5m2xe5m2+e5m2"
NEWEST = onnx.defs.onnx_opset_version()
OLDEST = 9


def model() -> onnx.ModelProto:
    """Convolutions of every kind, normalisation, pooling, a bottleneck, attention-like products
    and a classifier, in opset 9."""
    graph = GraphBuilder(seed=5)
    for name in ("scale", "shift", "mean"):
        graph.weight(name, 4)
    graph.weight("var", values=np.array([0.5, 1.5, 1.0, 2.0]))
    graph.node("Conv", ["x", graph.weight("w1", 4, 1, 3, 3)], "c1", "plain", pads=[1, 1, 1, 1])
    graph.node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], "bn")
    graph.node("Relu", ["bn"], "r")
    group = {"group": 2, "dilations": [2, 2], "pads": [2, 2, 2, 2], "strides": [2, 2]}
    graph.node("Conv", ["r", graph.weight("w2", 4, 2, 3, 3)], "c2", "grouped", **group)
    graph.node("LeakyRelu", ["c2"], "l", alpha=0.1)
    graph.weight("b3", 4)
    up = {"strides": [2, 2], "output_padding": [1, 1], "pads": [1, 1, 1, 1]}
    graph.node("ConvTranspose", ["l", graph.weight("w3", 4, 4, 3, 3), "b3"], "c3", "up", **up)
    graph.node("Add", ["c3", "r"], "sum")
    graph.node("MaxPool", ["sum"], "pool", kernel_shape=[2, 2], strides=[2, 2])
    graph.node("Reshape", ["pool", graph.weight("shape", values=np.array([0, 0, -1]))], "tokens")
    graph.node("Conv", ["tokens", graph.weight("w4", 4, 4, 3)], "c4", "one", pads=[1, 1])
    graph.node("Transpose", ["c4"], "turned", perm=[0, 2, 1])
    graph.node("MatMul", ["turned", "c4"], "scores", "scores")
    graph.node("Softmax", ["scores"], "p", axis=2)
    graph.node("MatMul", ["p", "turned"], "mix", "mix")
    graph.node("ReduceMean", ["mix"], "features", axes=[1], keepdims=0)
    graph.node("Gemm", ["features", graph.weight("w5", 6, 4), graph.weight("b5", 6)], "y", transB=1)
    return graph.model({"x": ["N", 1, 8, 8]}, {"y": ["N", 6]}, OLDEST, 4)


def outputs(proto: onnx.ModelProto) -> Any:
    x = np.random.default_rng(1).standard_normal((3, 1, 8, 8)).astype(np.float32)
    return Network.load(proto).run({"x": x}, UNIT).outputs["y"]


@pytest.mark.parametrize("opset", range(OLDEST, NEWEST + 1))
def test_every_opset(opset: int) -> None:
    converted = version_converter.convert_version(model(), opset)
    assert converted.opset_import[0].version == opset
    assert outputs(converted).tobytes() == outputs(model()).tobytes()
