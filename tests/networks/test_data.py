"""Data files and arrays: what fits passes unchanged, what does not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsim.networks import Data, DataError, ModelError, Network, load_npz, shipped
from tests.networks.models import GraphBuilder


@pytest.fixture
def network(graph: GraphBuilder) -> Network:
    graph.node("Add", ["x", "x2"], "s")
    graph.node("Gemm", ["s", graph.weight("w", 3, 2)], "y")
    return Network.load(graph.model({"x": ["N", 3], "x2": ["N", 3]}, {"y": ["N", 2]}))


def arrays(count: int = 4) -> dict[str, Any]:
    x = np.random.default_rng(0).standard_normal((count, 3))
    return {"x": x.astype(np.float32), "x2": x, "labels": np.arange(count)}


def test_npz_mapping_and_data_are_the_same(network: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays())
    from_file, from_mapping = network.data(tmp_path / "d.npz"), network.data(arrays())
    for data in (from_file, from_mapping, network.data(from_file)):
        assert data.samples == 4
        assert data.labels is not None
        assert data.labels.tolist() == [0, 1, 2, 3]
        assert {a.dtype for a in data.inputs.values()} == {np.dtype(np.float32)}
        np.testing.assert_array_equal(data.inputs["x"], arrays()["x"])
    assert from_file.source.endswith("d.npz")


def broken(**changes: Any) -> dict[str, Any]:
    changed = arrays() | changes
    return {name: value for name, value in changed.items() if value is not None}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (broken(x2=None), r"arrays x, labels; expected x \(N, 3\) float, x2 \(N, 3\) float"),
        (broken(extra=np.zeros(4)), "arrays x, x2, labels, extra; expected"),
        (broken(x=np.zeros((4, 5), np.float32)), r"x has shape \(4, 5\), expected x \(N, 3\)"),
        (broken(x=np.zeros(4, np.float32)), r"x has shape \(4,\)"),
        (broken(x=np.zeros((4, 3), complex)), "x has dtype complex128, expected float32"),
        (broken(x=np.full((4, 3), "a")), "x has dtype <U1"),
        (broken(labels=np.zeros(4)), "labels of dtype float64; integers"),
        (broken(labels=np.zeros(5, int)), r"labels of shape \(5,\)"),
        (np.zeros((4, 3)), "one bare array for 2 inputs.* x, x2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_name_what_is_expected(network: Network, data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        network.data(data)


def test_integers_widen_but_floats_never_narrow() -> None:
    tokens = Network.load(shipped("char-lm").model)
    assert tokens.data(np.zeros((2, 64), np.uint8)).inputs["tokens"].dtype == np.int64
    with pytest.raises(DataError, match="tokens has dtype float32, expected int64"):
        tokens.data(np.zeros((2, 64), np.float32))


def test_broken_files_are_named(network: Network, tmp_path: Path) -> None:
    inputs = network.graph.inputs
    with pytest.raises(DataError, match=r"none\.npz: No such file"):
        load_npz(tmp_path / "none.npz", inputs)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match=r"text\.npz cannot be read"):
        load_npz(tmp_path / "text.npz", inputs)
    np.save(tmp_path / "bare.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"bare\.npy: one bare array"):
        load_npz(tmp_path / "bare.npy", inputs)
    np.savez(tmp_path / "pickled.npz", x=np.array([{}], object), x2=np.zeros(1))
    with pytest.raises(DataError, match=r"pickled\.npz cannot be read"):
        load_npz(tmp_path / "pickled.npz", inputs)


def test_samples_that_do_not_divide(graph: GraphBuilder) -> None:
    graph.node("Gemm", ["x", graph.weight("w", 3, 2)], "y")
    network = Network.load(graph.model({"x": [4, 3]}, {"y": [4, 2]}))
    assert network.baseline(np.ones((8, 3)))["y"].shape == (8, 2)
    with pytest.raises(DataError, match=r"shape \(6, 3\), expected x \(4, 3\)"):
        network.baseline(np.ones((6, 3)))


@pytest.mark.parametrize("name", ["digits-cnn", "char-lm"])
def test_shipped_data_fits(name: str) -> None:
    files = shipped(name)
    network = Network.load(files.model)
    calibration, evaluation = network.data(files.calibration), network.data(files.evaluation)
    assert isinstance(calibration, Data)
    assert calibration.samples >= 64
    assert evaluation.labels is not None
    assert network.shipped == files


def test_an_input_that_must_be_given(graph: GraphBuilder) -> None:
    """ONNX's checker lets an omitted operand of Max pass, and ONNX Runtime crashes on it."""
    graph.node("Max", ["x", ""], "y")
    with pytest.raises(ModelError, match="input 1 of Max is left out"):
        Network.load(graph.model({"x": ["N", 3]}, {"y": ["N", 3]}))
