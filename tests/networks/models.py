"""Builds small ONNX models with seeded weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class GraphBuilder:
    """Collects nodes and weights; ``model`` puts them together."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)

    def weight(self, name: str, *shape: int, values: Any = None, scale: float = 0.5) -> str:
        array = self.rng.standard_normal(shape) * scale if values is None else np.asarray(values)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(
        self, op: str, inputs: list[str], output: str, name: str = "", **attributes: Any
    ) -> str:
        domain = attributes.pop("domain", None)
        self.nodes.append(
            helper.make_node(op, inputs, output.split(), name, domain=domain, **attributes)
        )
        return output

    def model(
        self,
        inputs: dict[str, list[Any]],
        outputs: dict[str, list[Any] | None],
        opset: int = 17,
        ir_version: int = 8,
        functions: Any = (),
        domains: Any = (),
        element: int = TensorProto.FLOAT,
    ) -> onnx.ModelProto:
        def value(name: str, shape: list[Any] | None) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, element, shape)

        graph = helper.make_graph(
            self.nodes,
            "test",
            [value(n, s) for n, s in inputs.items()],
            [value(n, s) for n, s in outputs.items()],
            self.weights,
        )
        opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=ir_version, functions=list(functions)
        )
