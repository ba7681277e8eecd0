"""Quantized models with seeded codes, scales and zero points, and ONNX Runtime's answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

LEVELS = onnxruntime.GraphOptimizationLevel
float32 = np.float32


def runtime(
    model: onnx.ModelProto, feeds: dict[str, Any], level: str = "ORT_DISABLE_ALL"
) -> dict[str, Any]:
    """ONNX Runtime's outputs at an optimisation level."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = getattr(LEVELS, level)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


@dataclass
class Builder:
    """Collects nodes and constants; every tensor is drawn from ``seed``."""

    seed: int = 0
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def codes(self, dtype: Any, *shape: int) -> Any:
        info = np.iinfo(dtype)
        return self.rng.integers(info.min, info.max + 1, shape).astype(dtype)

    def constant(self, name: str, value: Any) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def affine(self, name: str, dtype: Any, *shape: int, zero: Any = None) -> list[str]:
        """Names of a scale and a zero point, new constants of this shape."""
        scale = self.rng.uniform(0.001, 0.05, shape).astype(float32)
        point = self.codes(dtype, *shape) if zero is None else np.full(shape, zero, dtype)
        return [self.constant(f"{name}.scale", scale), self.constant(f"{name}.zero", point)]

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        name = attributes.pop("name", f"{op}.{output}")
        self.nodes.append(helper.make_node(op, inputs, output.split(), name, **attributes))
        return output

    def dequantized(self, codes: str, parameters: list[str], **attributes: Any) -> str:
        return self.node("DequantizeLinear", [codes, *parameters], f"{codes}.real", **attributes)

    def model(self, inputs: dict[str, Any], outputs: dict[str, Any], opset: int = 21) -> Any:
        """inputs : name → (dtype, shape).  outputs : name → dtype."""

        def value(name: str, dtype: Any, shape: Any) -> onnx.ValueInfoProto:
            element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            return helper.make_tensor_value_info(name, element, shape)

        graph = helper.make_graph(
            self.nodes,
            "quantized",
            [value(name, *kind) for name, kind in inputs.items()],
            [value(name, dtype, None) for name, dtype in outputs.items()],
            [numpy_helper.from_array(v, name) for name, v in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)
