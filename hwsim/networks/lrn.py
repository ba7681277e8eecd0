"""Local response normalization, spelt out for ONNX Runtime.

Its LRN raises every element to a power, one after the other, which takes as long as the layers
around it; pools, roots and products are vectors there, and ten times as fast.

    y = x / (bias + alpha · mean of x² over the window of channels)^0.75

(ONNX operator LRN: zeros beyond the first and the last channel; the divisor is the window's size.)
Roots and products round a few times where a power rounds once: some five units of the last place
of float32 (ONNX Runtime's running sum of squares loses more).  Other exponents stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hwsim.networks.operators import label

EXPONENT = 0.75  # that of every published network: √d · √√d


def spelt_out(nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes, with those in the place of LRN nodes that compute the same."""
    return [part for node in nodes for part in _parts(node)]


def _parts(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Only operators whose form no opset has changed."""
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if label(node) != "LRN" or given.get("beta", EXPONENT) != EXPONENT:
        return [node]
    x, (y,), size = node.input[0], node.output, given["size"]
    name = f"{y}/lrn/{{}}".format
    constants = {
        "alpha": np.float32(given.get("alpha", 1e-4)),
        "bias": np.float32(given.get("bias", 1.0)),
        "second": np.array([1]),
        "same": np.array([0]),
        "rest": np.array([-1]),
    }

    def make(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        names = [name(given) if given in known else given for given in inputs]
        known.add(output)
        made = y if output == y else name(output)
        return helper.make_node(op, names, [made], name=name(output), **attributes)

    known = set(constants)
    before, after = (size - 1) // 2, size // 2
    window = {"kernel_shape": [size, 1, 1], "pads": [before, 0, 0, after, 0, 0]}
    return [
        *(_constant(name(key), value) for key, value in constants.items()),
        make("Shape", [x], "shape"),
        make("Gather", ["shape", "second"], "channels"),
        make("Shape", ["shape"], "rank"),
        make("Sub", ["rank", "second"], "last"),
        make("Gather", ["shape", "last"], "width"),
        make("Concat", ["same", "second", "channels", "rest", "width"], "volume", axis=0),
        make("Mul", [x, x], "squares"),
        make("Reshape", ["squares", "volume"], "planes"),
        make("AveragePool", ["planes"], "pooled", count_include_pad=1, **window),
        make("Reshape", ["pooled", "shape"], "mean"),
        make("Mul", ["mean", "alpha"], "part"),
        make("Add", ["part", "bias"], "base"),
        make("Sqrt", ["base"], "root"),
        make("Sqrt", ["root"], "fourth"),
        make("Mul", ["root", "fourth"], "power"),
        make("Div", [x, "power"], y),
    ]


def _constant(name: str, value: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
