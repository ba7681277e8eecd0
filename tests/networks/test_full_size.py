"""Well-known graphs from the onnx package, with seeded weights, at a reduced image size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwsim.networks import ModelError, Network, RunReport, fill_weights
from tests.networks.models import GraphBuilder

GRAPHS = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SIDE = 64


@pytest.fixture(scope="module")
def squeezenet() -> Network:
    """SqueezeNet on small images: it ends in a global pooling, which takes any size."""
    model = onnx.load(GRAPHS / "light_squeezenet.onnx")
    image = next(value for value in model.graph.input if value.name == "data_0")
    for axis in (2, 3):
        image.type.tensor_type.shape.dim[axis].dim_value = SIDE
    return Network.load(fill_weights(model, seed=1))


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {"data_0": rng.standard_normal((2, 3, SIDE, SIDE)).astype(np.float32)}


def test_exact_accumulators_agree_with_onnx_runtime(
    squeezenet: Network, images: dict[str, np.ndarray]
) -> None:
    report = squeezenet.run(images, "fp32xfp32+exact", verify=1)
    (wanted,) = squeezenet.baseline(images).values()
    (got,) = report.outputs.values()
    assert got.shape == wanted.shape == (2, 1000, 1, 1)
    assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()
    assert report.totals["verified"] == 26


@pytest.mark.parametrize("unit", ["e4m3xe4m3+fp16", "int8xint8+int16:saturate"])
def test_every_layer_equals_the_reference(
    squeezenet: Network, images: dict[str, np.ndarray], unit: str
) -> None:
    report = squeezenet.run(images, unit, verify=2)
    assert report.totals["verified"] == 52


def test_batches_and_threads_change_nothing(
    squeezenet: Network, images: dict[str, np.ndarray]
) -> None:
    def run(threads: int, batch: int) -> RunReport:
        return squeezenet.run(images, "e4m3xe4m3+fp16", threads=threads, batch=batch)

    one, other = run(1, 1), run(3, 2)
    assert all(one.outputs[k].tobytes() == other.outputs[k].tobytes() for k in one.outputs)
    assert one.telemetry == other.telemetry


def test_weights_have_the_stated_spread() -> None:
    """He's variance; statistics that normalise what arrives; the same again from one seed."""
    graph = GraphBuilder()
    graph.weight("w", 64, 16, 3, 3, scale=0.0)
    for name in ("gain", "offset", "mean", "variance"):
        graph.weight(name, 64, scale=0.0)
    graph.weight("half", values=np.float32(0.5))
    graph.node("Conv", ["x", "w"], "c")
    graph.node("BatchNormalization", ["c", "gain", "offset", "mean", "variance"], "n")
    graph.node("Mul", ["n", "half"], "y")
    model = graph.model({"x": [1, 16, 24, 24]}, {"y": None})
    filled = fill_weights(model, seed=3)
    assert filled == fill_weights(model, seed=3)
    values = {t.name: numpy_helper.to_array(t) for t in filled.graph.initializer}
    assert values["w"].std() == pytest.approx(np.sqrt(2 / (16 * 9)), rel=0.02)
    assert 0.9 < values["gain"].mean() < 1.1
    assert 0 < abs(values["offset"]).max() < 0.5
    assert values["variance"] == pytest.approx(2.0, rel=0.5)
    assert not np.array_equal(values["w"], numpy_helper.to_array(model.graph.initializer[0]))
    assert abs(values["mean"]).max() < 1
    assert values["half"] == 0.5


def test_open_shapes_are_refused(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", graph.weight("w", 3, 2)], "y")
    with pytest.raises(ModelError, match=r"'x'.*fixed shape"):
        fill_weights(graph.model({"x": ["n", "k"]}, {"y": ["n", 2]}))
