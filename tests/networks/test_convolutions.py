"""Convolutions of every kind give ONNX Runtime's outputs: what each attribute of ONNX means.

The unit is the float64 stand-in; the order of the sums is tested in test_definitions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwsim.networks import Calibration, LayerError, Network
from tests.networks.models import GraphBuilder
from tests.networks.test_equivalence import UNIT, agree, images, runtime

pytestmark = pytest.mark.usefixtures("exact")

TRANSPOSED: list[dict[str, Any]] = [
    {},
    {"strides": [2, 3], "pads": [1, 0, 2, 1]},
    {"strides": [3, 2], "output_padding": [2, 1], "pads": [0, 1, 1, 0]},
    {"dilations": [2, 3], "strides": [2, 1]},
    {"group": 2, "strides": [2, 2], "dilations": [1, 2], "pads": [1, 2, 0, 1]},
    {"group": 4, "pads": [2, 1, 2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 1]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [3, 2], "dilations": [2, 2], "output_padding": [1, 1]},
    {"auto_pad": "VALID", "strides": [1, 2], "output_padding": [0, 1]},
    {"output_shape": [11, 9], "strides": [2, 2]},
    {"output_shape": [10, 8], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"output_shape": [10, 8], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"output_shape": [12, 11], "strides": [2, 2]},  # larger than the full result
    {"output_shape": [12, 11], "strides": [2, 2], "output_padding": [1, 1]},
]


@pytest.mark.parametrize("attributes", TRANSPOSED, ids=str)
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
def test_conv_transpose_2d(graph: GraphBuilder, attributes: dict[str, Any], bias: bool) -> None:
    filters, group = 2, attributes.get("group", 1)
    graph.weight("w", 4, filters, 3, 2)
    inputs = ["x", "w", graph.weight("b", filters * group)] if bias else ["x", "w"]
    graph.node("ConvTranspose", inputs, "y", **attributes)
    model = graph.model({"x": ["N", 4, 5, 5]}, {"y": None})
    report = agree(model, {"x": images(3, 4, 5, 5)}, 1)
    y = report.outputs["y"]
    assert report.layers[0].macs == y.size * 4 // group * 6  # the zeros count


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [3], "output_padding": [1], "dilations": [2]},
        {"auto_pad": "SAME_LOWER", "strides": [2]},
        {"group": 2, "pads": [1, 0], "strides": [2]},
        {"output_shape": [14], "strides": [2]},
    ],
    ids=str,
)
def test_conv_transpose_1d(graph: GraphBuilder, attributes: dict[str, Any]) -> None:
    graph.weight("w", 4, 3, 4)
    graph.node("ConvTranspose", ["x", "w"], "y", **attributes)
    agree(graph.model({"x": ["N", 4, 6]}, {"y": None}), {"x": images(3, 4, 6)}, 1)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 1, 2], "pads": [1, 0, 1, 0, 2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2, 2]},
        {"group": 2, "output_padding": [0, 1, 0], "strides": [1, 2, 1], "dilations": [2, 1, 1]},
    ],
    ids=str,
)
def test_conv_transpose_3d(graph: GraphBuilder, attributes: dict[str, Any]) -> None:
    graph.weight("w", 2, 3, 2, 3, 2)
    graph.weight("b", 3 * attributes.get("group", 1))
    graph.node("ConvTranspose", ["x", "w", "b"], "y", **attributes)
    agree(graph.model({"x": ["N", 2, 3, 4, 3]}, {"y": None}), {"x": images(3, 2, 3, 4, 3)}, 1)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 0, 2, 0, 1, 1]},
        {"strides": [2, 1, 3], "dilations": [2, 1, 1]},
        {"group": 2, "pads": [1, 1, 1, 1, 1, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2, 1]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 3, 2]},
    ],
    ids=str,
)
@pytest.mark.parametrize("samples", ["N", 2])
def test_conv_3d(graph: GraphBuilder, attributes: dict[str, Any], samples: Any) -> None:
    graph.weight("w", 4, 4 // attributes.get("group", 1), 2, 3, 2)
    graph.node("Conv", ["x", "w", graph.weight("b", 4)], "y", "deep", **attributes)
    model = graph.model({"x": [samples, 4, 5, 6, 5]}, {"y": None})
    agree(model, {"x": images(2, 4, 5, 6, 5)}, 1)


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("axes", [1, 3])
def test_computed_weights(graph: GraphBuilder, op: str, axes: int) -> None:
    """Every sample has a kernel of its own."""
    shape, kernel = (1, 4, *[5, 4, 3][:axes]), [4, 2, *[2, 3, 2][:axes]]
    size = int(np.prod(kernel))
    graph.node("Reshape", ["k", graph.weight("shape", values=np.array(kernel))], "w")
    graph.node(op, ["x", "w"], "y", group=2)
    model = graph.model({"x": list(shape), "k": [1, size]}, {"y": None})
    feeds = {"x": images(3, *shape[1:]), "k": images(3, size, seed=2)}
    got = Network.load(model).run(feeds, UNIT).outputs["y"]
    apart = [runtime(model, {n: a[i : i + 1] for n, a in feeds.items()})["y"] for i in range(3)]
    np.testing.assert_allclose(got, np.concatenate(apart), atol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"pads": [3, 3]}, "pads 3 and 3 leave nothing of 4 pixels"),
        ({"output_shape": [5]}, "5 pixels wanted of 4"),
        ({"auto_pad": "SAME_UPPER", "strides": [3]}, "9 pixels wanted of 8"),
    ],
    ids=str,
)
def test_no_such_result(graph: GraphBuilder, attributes: dict[str, Any], message: str) -> None:
    """Sizes that only the data decides are checked when the layer runs."""
    graph.node("ConvTranspose", ["x", graph.weight("w", 2, 2, 2)], "y", "odd", **attributes)
    network = Network.load(graph.model({"x": ["N", 2, "L"]}, {"y": None}))
    calibration = Calibration("nothing", {"odd": dict.fromkeys("ab", (-1.0, 1.0))}, 1)
    with pytest.raises(LayerError, match=rf"'odd'.*{message}"):
        network.run({"x": images(1, 2, 3)}, UNIT, calibration=calibration)
