"""Helpers shared by the training scripts: building, checking and saving the zoo's networks.

The graphs are put together with ``onnx.helper`` rather than traced, so that the node names,
the operators and the bytes of the files are the scripts' own choice.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper
from torch import nn

ZOO = Path(__file__).parents[1] / "hwsim" / "zoo"
OPSET = 17
IR_VERSION = 8
TOLERANCE = 1e-4


class GraphBuilder:
    """Collects the nodes and the initializers of one ONNX graph."""

    def __init__(self) -> None:
        """Start with an empty graph."""
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, values: ArrayLike, dtype: type = np.float32) -> str:
        """Add an initializer and return its name."""
        array = np.array(values, dtype=dtype, order="C")
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(
        self, op: str, name: str, inputs: list[str], *, output: str = "", **attributes: object
    ) -> str:
        """Add a node with one output, named like the node by default, and return the output."""
        output = output or name
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def parameter(self, name: str, tensor: torch.Tensor) -> str:
        """Add a trained tensor as an initializer and return its name."""
        return self.constant(name, tensor.detach().numpy())

    def matmul(self, name: str, layer: nn.Linear, value: str, *, output: str = "") -> str:
        """Add a dense layer without bias as a MatMul, its weight turned to (inputs, outputs)."""
        weight = self.parameter(f"{name}.weight", layer.weight.T)
        return self.node("MatMul", name, [value, weight], output=output)

    def gemm(self, name: str, layer: nn.Linear, value: str, *, output: str = "") -> str:
        """Add a dense layer with bias as a Gemm, its weight as (outputs, inputs)."""
        weight = self.parameter(f"{name}.weight", layer.weight)
        bias = self.parameter(f"{name}.bias", layer.bias)
        return self.node("Gemm", name, [value, weight, bias], output=output, transB=1)

    def split(self, name: str, value: str, parts: list[str], sizes: str) -> None:
        """Split the last axis of ``value`` into outputs called ``parts``."""
        self.nodes.append(helper.make_node("Split", [value, sizes], parts, name=name, axis=-1))

    def model(
        self,
        name: str,
        inputs: onnx.ValueInfoProto,
        outputs: onnx.ValueInfoProto,
        metadata: Mapping[str, str],
    ) -> onnx.ModelProto:
        """Return the checked model, with ``metadata`` as its metadata_props."""
        graph = helper.make_graph(self.nodes, name, [inputs], [outputs], self.initializers)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="hwsim",
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model


def float_value(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    """Describe a float32 input or output."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def int_value(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    """Describe an int64 input or output."""
    return helper.make_tensor_value_info(name, TensorProto.INT64, shape)


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path`` and move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            write(stream)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_network(
    folder: Path,
    name: str,
    model: onnx.ModelProto,
    calibration: Mapping[str, np.ndarray],
    evaluation: Mapping[str, np.ndarray],
) -> None:
    """Write ``name``.onnx with its two splits into ``folder`` and print the sizes."""
    content = model.SerializeToString(deterministic=True)
    write_atomically(folder / f"{name}.onnx", lambda stream: stream.write(content))
    for split, arrays in (("calibration", calibration), ("evaluation", evaluation)):
        write_atomically(
            folder / f"{name}.{split}.npz",
            lambda stream, arrays=arrays: np.savez_compressed(stream, **arrays),
        )
    for path in sorted(folder.glob(f"{name}.*")):
        print(f"{path.name}: {path.stat().st_size} bytes")


def run_shipped(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Run the shipped network on its evaluation split and return logits and labels."""
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
    feed = session.get_inputs()[0].name
    with np.load(folder / f"{name}.evaluation.npz") as arrays:
        return session.run(None, {feed: arrays[feed]})[0], arrays["labels"]


def require_agreement(network: nn.Module, inputs: np.ndarray, shipped: np.ndarray) -> None:
    """Fail unless the shipped network's outputs are the trained one's."""
    with torch.no_grad():
        trained = network(torch.from_numpy(inputs)).numpy()
    error = float(np.abs(shipped - trained).max() / np.abs(trained).max())
    print(f"largest difference between ONNX Runtime and torch: {error:.2e} of the largest output")
    if not error <= TOLERANCE:
        raise SystemExit(f"the exported network is wrong: it differs by more than {TOLERANCE:g}")


def ship(
    folder: Path,
    network: nn.Module,
    model: onnx.ModelProto,
    calibration: np.ndarray,
    evaluation: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Save ``model`` with its splits, check it against ``network``; return logits and labels."""
    name, feed = model.graph.name, model.graph.input[0].name
    inputs, labels = evaluation
    save_network(folder, name, model, {feed: calibration}, {feed: inputs, "labels": labels})
    print(f"trained parameters: {sum(tensor.numel() for tensor in network.parameters())}")
    logits, shipped_labels = run_shipped(folder, name)
    require_agreement(network, inputs, logits)
    return logits, shipped_labels


def bits_per_character(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log2-likelihood of the labels."""
    values = logits.astype(np.float64)
    picked = np.take_along_axis(values, labels[..., None], -1)[..., 0]
    return float((np.log2(np.exp(values).sum(-1)) - picked / math.log(2)).mean())


def start(description: str) -> Path:
    """Make torch repeatable and return the folder of ``--out``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=ZOO, help="folder to write the files to")
    folder: Path = parser.parse_args().out
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return folder
