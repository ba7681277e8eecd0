"""Every simulated operator equals plain loops over the reference's dot product, all bits.

The unit rounds every addition to three significant bits, so that a wrong order of k shows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import hwsim
from hwsim.networks import Network
from tests.networks.models import GraphBuilder

UNIT = "e5m2xe5m2+e5m2"


def values(seed: int, *shape: int) -> Any:
    """Values of e5m2 whose sums round in it."""
    drawn = np.random.default_rng(seed).normal(size=shape) * 3
    return np.asarray(hwsim.round(drawn, "e5m2"), np.float32)


def dot(a: Sequence[Any], b: Sequence[Any], c: Any = None) -> Any:
    return hwsim.reference.dot(list(a), list(b), UNIT, c=c)


def run(model: onnx.ModelProto, feeds: dict[str, Any], bias: str = "float32") -> dict[str, Any]:
    network = Network.load(model)
    assert network.layers
    report = network.run(feeds, UNIT, scale="none", verify=4, bias=bias)
    assert all(layer.verified >= 4 for layer in report.layers)
    return dict(report.outputs)


# --- convolutions ---------------------------------------------------------------------------------
CONVS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 7), (2, 3, 3), {}),
    ((2, 4, 7), (4, 2, 2), {"group": 2, "strides": [2], "dilations": [3], "pads": [2, 1]}),
    ((2, 4, 5, 6), (6, 2, 3, 2), {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]}),
    ((2, 3, 6, 5), (3, 1, 2, 2), {"group": 3, "dilations": [2, 1]}),
    ((2, 2, 4, 3, 5), (2, 2, 2, 3, 2), {}),
    (
        (1, 4, 5, 4, 4),
        (2, 2, 3, 2, 2),
        {"group": 2, "strides": [2, 1, 3], "dilations": [1, 2, 1], "pads": [1, 0, 2, 2, 1, 0]},
    ),
]


def taps(attributes: dict[str, Any], axes: int) -> tuple[Any, Any, Any, int]:
    ones = [1] * axes
    pads = attributes.get("pads", [0] * 2 * axes)
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    return strides, dilations, pads, attributes.get("group", 1)


def convolution(x: Any, w: Any, attributes: dict[str, Any], starts: Any = None) -> Any:
    """k over (channel of the group, kernel axes); padding is zero.  ``starts``: one per filter."""
    axes = x.ndim - 2
    strides, dilations, pads, groups = taps(attributes, axes)
    size = [
        (x.shape[2 + i] + pads[i] + pads[axes + i] - dilations[i] * (w.shape[2 + i] - 1) - 1)
        // strides[i]
        + 1
        for i in range(axes)
    ]
    out = np.empty((len(x), len(w), *size), np.float32)
    for n, o, *at in np.ndindex(*out.shape):
        first, row = o // (len(w) // groups) * w.shape[1], []
        for c, *tap in np.ndindex(*w.shape[1:]):
            where = [at[i] * strides[i] + tap[i] * dilations[i] - pads[i] for i in range(axes)]
            inside = all(0 <= p < s for p, s in zip(where, x.shape[2:], strict=True))
            row.append(x[(n, first + c, *where)] if inside else 0.0)
        out[(n, o, *at)] = dot(row, w[o].ravel(), None if starts is None else starts[o])
    return out


@pytest.mark.parametrize(("image", "kernel", "attributes"), CONVS, ids=str)
def test_conv(graph: GraphBuilder, image: Any, kernel: Any, attributes: dict[str, Any]) -> None:
    x, w, b = values(1, *image), values(2, *kernel), values(3, kernel[0])
    graph.node(
        "Conv", ["x", graph.weight("w", values=w), graph.weight("b", values=b)], "y", **attributes
    )
    model = graph.model({"x": ["N", *image[1:]]}, {"y": None})
    want = convolution(x, w, attributes) + b.reshape(-1, *[1] * (len(image) - 2))
    assert run(model, {"x": x})["y"].tobytes() == want.tobytes()
    inside = run(model, {"x": x}, bias="acc")["y"]
    assert inside.tobytes() == convolution(x, w, attributes, b).tobytes()


TRANSPOSED: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 4), (3, 2, 3), {"strides": [2], "pads": [1, 0], "output_padding": [1]}),
    ((2, 2, 3, 4), (2, 3, 3, 2), {}),
    (
        (1, 4, 3, 3),
        (4, 2, 2, 3),
        {"group": 2, "strides": [2, 3], "dilations": [2, 1], "pads": [1, 2, 0, 1]},
    ),
    ((1, 2, 2, 2), (2, 1, 2, 2), {"group": 2, "strides": [1, 1], "pads": [1, 1, 1, 1]}),
    ((1, 2, 2, 3, 2), (2, 2, 2, 2, 3), {"strides": [1, 2, 2], "output_padding": [0, 1, 0]}),
]


def transposed(x: Any, w: Any, attributes: dict[str, Any], starts: Any = None) -> Any:
    """k over (channel of the group, turned kernel axes); what no pixel reaches is zero."""
    axes = x.ndim - 2
    strides, dilations, pads, groups = taps(attributes, axes)
    extra = attributes.get("output_padding", [0] * axes)
    size = [
        (x.shape[2 + i] - 1) * strides[i]
        + dilations[i] * (w.shape[2 + i] - 1)
        + 1
        + extra[i]
        - pads[i]
        - pads[axes + i]
        for i in range(axes)
    ]
    part, filters = len(w) // groups, w.shape[1]
    out = np.empty((len(x), filters * groups, *size), np.float32)
    for n, o, *at in np.ndindex(*out.shape):
        row, column = [], []
        for c, *turned in np.ndindex(part, *w.shape[2:]):
            tap = [w.shape[2 + i] - 1 - turned[i] for i in range(axes)]
            where = [(at[i] + pads[i] - tap[i] * dilations[i]) / strides[i] for i in range(axes)]
            channel = o // filters * part + c
            inside = all(p in range(s) for p, s in zip(where, x.shape[2:], strict=True))
            row.append(x[(n, channel, *map(int, where))] if inside else 0.0)
            column.append(w[(channel, o % filters, *tap)])
        out[(n, o, *at)] = dot(row, column, None if starts is None else starts[o])
    return out


@pytest.mark.parametrize(("image", "kernel", "attributes"), TRANSPOSED, ids=str)
def test_conv_transpose(
    graph: GraphBuilder, image: Any, kernel: Any, attributes: dict[str, Any]
) -> None:
    x, w = values(1, *image), values(2, *kernel)
    b = values(3, kernel[1] * attributes.get("group", 1))
    inputs = ["x", graph.weight("w", values=w), graph.weight("b", values=b)]
    graph.node("ConvTranspose", inputs, "y", **attributes)
    model = graph.model({"x": ["N", *image[1:]]}, {"y": None})
    want = transposed(x, w, attributes) + b.reshape(-1, *[1] * (len(image) - 2))
    assert run(model, {"x": x})["y"].tobytes() == want.tobytes()
    inside = run(model, {"x": x}, bias="acc")["y"]
    assert inside.tobytes() == transposed(x, w, attributes, b).tobytes()
    if len(image) == 4:
        options = {
            key: tuple(attributes[name])
            for key, name in (("stride", "strides"), ("dilation", "dilations"))
            if name in attributes
        }
        top, left, bottom, right = attributes.get("pads", [0] * 4)
        direct = hwsim.conv_transpose2d(
            x,
            w,
            UNIT,
            padding=((top, bottom), (left, right)),
            groups=attributes.get("group", 1),
            **options,
        )
        assert direct.tobytes() == transposed(x, w, attributes).tobytes()


# --- matrix products ------------------------------------------------------------------------------
EQUATIONS = [
    "ij,jk->ik",
    "ij,jk->ki",
    "bij,bjk->bik",
    "bhqd,bhkd->bhqk",
    "ijk,klj->il",  # two labels in the sum, in the order of the first operand
    "ij,kj",
    "ba,cb",
    "ij,ij->",
    "ij,ij->ij",
    "i,j->ij",
    "i,j->ji",
    "ij,k->k",  # labels that one operand lacks are summed too
    "iij,jk->ik",  # a diagonal
    "ijj,k->ik",
    "...ij,jk->...ik",
    "...ij,...jk->...ki",
    "i...,i...->...",
    " a b , b c -> c a ",
]


def einsum(equation: str, a: Any, b: Any) -> Any:
    """Loops over every label's values."""
    inputs, _, given = equation.replace(" ", "").partition("->")
    left, right = inputs.split(",")
    output = given if "->" in equation else implicit(left + right)
    sizes = {label: a.shape[i] for i, label in enumerate(left)}
    sizes |= {label: b.shape[i] for i, label in enumerate(right)}
    k = [label for label in dict.fromkeys(left + right) if label not in output]
    out = np.empty([sizes[label] for label in output], np.float32)
    for at in np.ndindex(*out.shape):
        lists: tuple[list[Any], list[Any]] = ([], [])
        for inner in np.ndindex(*(sizes[label] for label in k)):
            index = dict(zip((*output, *k), (*at, *inner), strict=True))
            lists[0].append(a[tuple(index[label] for label in left)])
            lists[1].append(b[tuple(index[label] for label in right)])
        out[at] = dot(*lists)
    return out


def implicit(labels: str) -> str:
    return "".join(sorted(label for label in set(labels) if labels.count(label) == 1))


@pytest.mark.parametrize("weights", ["none", "right", "left"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(graph: GraphBuilder, equation: str, weights: str) -> None:
    plain = equation.replace("...", "XY")  # two axes wherever there is an ellipsis
    sides = plain.replace(" ", "").partition("->")[0].split(",")
    size = {"b": 2, "h": 3, "j": 4, "X": 2}
    a, b = (values(i, *(size.get(label, 3) for label in side)) for i, side in enumerate(sides))
    feeds = {"a": a, "b": b}
    constant = {"right": "b", "left": "a"}.get(weights)
    if constant:
        graph.weight(constant, values=feeds.pop(constant))
    graph.node("Einsum", ["a", "b"], "y", equation=equation)
    model = graph.model({name: list(x.shape) for name, x in feeds.items()}, {"y": None})
    assert run(model, feeds)["y"].tobytes() == einsum(plain, a, b).tobytes()


def test_einsum_broadcasts_axes_of_one(graph: GraphBuilder) -> None:
    a, b = values(1, 1, 3, 2, 4), values(2, 2, 1, 4, 3)
    graph.node("Einsum", ["a", "b"], "y", equation="...ij,...jk->...ik")
    model = graph.model({"a": [1, 3, 2, 4], "b": [2, 1, 4, 3]}, {"y": None})
    want = np.empty((2, 3, 2, 3), np.float32)
    for p, q, i, k in np.ndindex(*want.shape):
        want[p, q, i, k] = dot(a[0, q, i], b[p, 0, :, k])
    assert run(model, {"a": a, "b": b})["y"].tobytes() == want.tobytes()


@pytest.mark.parametrize("samples", [1, 5])
def test_einsum_of_samples(graph: GraphBuilder, samples: int) -> None:
    """A batch axis that is not the first of the equation's output."""
    graph.node(
        "Einsum", ["x", graph.weight("w", values=values(2, 4, 3))], "m", equation="nij,jk->kni"
    )
    graph.node("Einsum", ["x", "m"], "y", equation="nij,kni->nkj")
    x = values(1, samples, 2, 4)
    got = run(graph.model({"x": ["N", 2, 4]}, {"y": None}), {"x": x})["y"]
    w = numpy_helper.to_array(graph.weights[0])
    for n in range(samples):
        m = np.array([[dot(x[n, i], w[:, k]) for i in range(2)] for k in range(3)])
        want = np.array([[dot(x[n, :, j], m[k]) for j in range(4)] for k in range(3)])
        assert got[n].tobytes() == want.astype(np.float32).tobytes()


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.3, -0.7)])
@pytest.mark.parametrize("trans", list(itertools.product((0, 1), (0, 1))))
def test_gemm(graph: GraphBuilder, alpha: float, beta: float, trans: tuple[int, int]) -> None:
    a, b, c = values(1, 3, 5), values(2, 5, 4), values(3, 4)
    graph.weight("b", values=b.T if trans[1] else b)
    inputs = ["a", "b", graph.weight("c", values=c)]
    graph.node("Gemm", inputs, "y", alpha=alpha, beta=beta, transA=trans[0], transB=trans[1])
    given = a.T if trans[0] else a
    got = run(graph.model({"a": list(given.shape)}, {"y": None}), {"a": given})["y"]
    product = np.array([[dot(a[i], b[:, j]) for j in range(4)] for i in range(3)], np.float32)
    if alpha != 1.0:
        product = product * np.float32(alpha)
    want = product + (c if beta == 1.0 else c * np.float32(beta))
    assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize(
    ("left", "right"),
    [((5,), (5,)), ((2, 3, 5), (5, 4)), ((2, 1, 3, 5), (3, 5, 2)), ((5,), (2, 5, 3))],
)
def test_matmul(graph: GraphBuilder, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = values(1, *left), values(2, *right)
    graph.node("MatMul", ["a", "b"], "y")
    got = run(graph.model({"a": list(left), "b": list(right)}, {"y": None}), {"a": a, "b": b})["y"]
    rows = a if len(left) > 1 else a[None]
    columns = b if len(right) > 1 else b[:, None]
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    rows = np.broadcast_to(rows, (*batch, *rows.shape[-2:]))
    columns = np.broadcast_to(columns, (*batch, *columns.shape[-2:]))
    want = np.empty((*batch, rows.shape[-2], columns.shape[-1]), np.float32)
    for *at, i, j in np.ndindex(*want.shape):
        want[(*at, i, j)] = dot(rows[(*at, i)], columns[tuple(at)][:, j])
    assert math.prod(got.shape) == math.prod(want.shape)
    assert got.tobytes() == want.tobytes()
