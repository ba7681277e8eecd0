"""Quantized models with seeded codes, scales and zero points, and ONNX Runtime's answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

LEVELS = onnxruntime.GraphOptimizationLevel
float32 = np.float32
PAIRS = [(np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)]
NAMES = {np.uint8: "uint8", np.int8: "int8"}
pairs = pytest.mark.parametrize(
    ("left", "right"), PAIRS, ids=[f"{NAMES[a]}x{NAMES[b]}" for a, b in PAIRS]
)


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


def convolution(b: Builder, op: str, axes: int, filters: bool, types: Any, **given: Any) -> Any:
    """A model of one QLinearConv (with a bias) or ConvInteger, and its feeds."""
    left, right = types
    groups, channels = given.get("group", 1), (8,) if filters else ()
    b.constant("w", b.codes(right, 8, 4 // groups, *(3, 2, 2)[:axes]))
    x, w, y = b.affine("x", left), b.affine("w", right, *channels), b.affine("y", left)
    b.constants["y.scale"] = np.array(0.2, float32)
    if op == "ConvInteger":
        b.node(op, ["x", "w", x[1], w[1]], "y", name="conv", **given)
    else:
        bias = b.constant("bias", b.rng.integers(-20000, 20000, 8).astype(np.int32))
        b.node(op, ["x", *x, "w", *w, *y, bias], "y", name="conv", **given)
    image = (11, 9, 5)[:axes]
    result = np.int32 if op == "ConvInteger" else left
    model = b.model({"x": (left, ["N", 4, *image])}, {"y": result}, 13)
    return model, {"x": b.codes(left, 5, 4, *image)}


def qdq(b: Builder, op: str, types: Any, *, columns: bool, bias: str, tail: str) -> Any:
    """DequantizeLinear → op → tail; bias: none, codes or floats."""
    left, right = types
    conv = op == "Conv"
    x_shape = (4, 9, 7) if conv else (16,)
    w = b.codes(right, *((6, 4, 3, 3) if conv else (16, 6)))
    b.constant("w", w)
    shape = (6,) if columns else ()
    x = b.affine("x", left)
    wq = b.affine("w", right, *shape, zero=0 if columns else None)
    y = b.affine("y", left, zero=None if "Relu" not in tail else np.iinfo(left).min)
    b.constants["y.scale"] = np.array(0.3, float32)
    inputs = [b.dequantized("x", x), b.dequantized("w", wq, axis=0 if conv else 1)]
    codes = b.rng.integers(-20000, 20000, 6).astype(np.int32)
    step = b.constants["x.scale"] * b.constants["w.scale"]
    if bias == "codes":
        b.constant("bias", codes)
        inputs.append(b.dequantized("bias", [b.constant("bias.scale", step)], axis=0))
    elif bias == "floats":
        inputs.append(b.constant("bias", ((codes + 0.3) * step).astype(float32)))
    b.node(op, inputs, "t", name="layer", **({"pads": [1, 2, 1, 2]} if conv else {}))
    last, kind = "t", float32
    if "Relu" in tail:
        last = b.node("Relu", [last], "r")
    if "Q" in tail:
        last, kind = b.node("QuantizeLinear", [last, *y], "q"), left
    model = b.model({"x": (left, ["N", *x_shape])}, {last: kind})
    return model, {"x": b.codes(left, 11, *x_shape)}
