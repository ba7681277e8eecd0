"""What multiplies but is not simulated is refused by name, before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import defs, helper

from hwsim.errors import UnsupportedOperator
from hwsim.networks import ModelError, Network
from hwsim.networks.operators import NATIVE, RANDOM, SCHEMA_FUNCTIONS, SIMULATED
from tests.networks.models import GraphBuilder

# every standard operator of onnx 1.23 that sums products of two tensors, or hides a body that may
MULTIPLIES = {
    *("AffineGrid", "Attention", "CausalConvWithState", "Conv", "ConvInteger", "ConvTranspose"),
    *("DFT", "DeformConv", "Det", "Einsum", "GRU", "Gemm", "LSTM", "LinearAttention", "MatMul"),
    *("MatMulInteger", "QLinearConv", "QLinearMatMul", "RNN", "STFT", "SequenceMap"),
}
OTHERS_REFUSED = {
    *("ImageDecoder", "MelWeightMatrix", "RegexFullMatch", "StringConcat", "StringNormalizer"),
    *("StringSplit", "TfIdfVectorizer"),
}


def test_every_standard_operator_is_classified() -> None:
    """A new onnx release with new operators fails here until somebody decides."""
    known = NATIVE[""] | MULTIPLIES | OTHERS_REFUSED | RANDOM
    standard = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
    assert len(standard) >= 190
    assert standard <= known
    assert not NATIVE[""] & (MULTIPLIES | OTHERS_REFUSED | RANDOM)
    assert SIMULATED | SCHEMA_FUNCTIONS <= MULTIPLIES


def test_no_native_function_hides_a_product() -> None:
    """Bodies that the standard gives in full; `test_every_standard_operator…` has the others."""
    bodies = {s.name: s.function_body.node for s in defs.get_all_schemas() if s.has_function}
    assert len(bodies) >= 20
    hiding = {name for name, nodes in bodies.items() if MULTIPLIES & {n.op_type for n in nodes}}
    assert hiding == {"AffineGrid"}
    assert not hiding & NATIVE[""]


REFUSED: list[tuple[str, dict[str, Any], int, list[str]]] = [
    ("Einsum", {"equation": "ij,jk,kl->il"}, 3, []),
    ("LSTM", {"hidden_size": 3}, 3, []),  # the sequence's length is unknown here
    ("GRU", {"hidden_size": 3}, 3, []),
    ("RNN", {"hidden_size": 3}, 3, []),
    ("MatMulInteger on FLOAT", {}, 2, []),
    ("ConvInteger on FLOAT", {}, 2, []),
    ("QLinearMatMul on FLOAT", {}, 8, []),
    ("QLinearConv on FLOAT", {}, 8, []),
    ("DeformConv", {}, 3, []),
    ("Det", {}, 1, []),
    ("RandomNormalLike", {}, 1, []),
    ("FusedMatMul", {"domain": "com.microsoft"}, 2, ["com.microsoft"]),
    ("Mystery", {"domain": "some.vendor"}, 1, ["some.vendor"]),
]


@pytest.mark.parametrize(
    ("op", "attributes", "inputs", "domains"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_refused_by_name(
    graph: GraphBuilder, op: str, attributes: dict[str, Any], inputs: int, domains: list[str]
) -> None:
    names = [f"x{i}" for i in range(inputs)]
    graph.node("Relu", ["x0"], "r")
    graph.node(op.split()[0], ["r", *names[1:]], "y", "culprit", **attributes)
    model = graph.model(dict.fromkeys(names), {"y": None}, 19, 9, domains=domains)
    with pytest.raises(UnsupportedOperator, match=f"'culprit'.*{op} is not simulated; .{{10}}"):
        Network.load(model)


def test_unnamed_node_is_named_by_operator_and_position(graph: GraphBuilder) -> None:
    graph.node("Relu", ["x"], "r")
    graph.node("Einsum", ["r", "r", "r"], "y", equation="ij,kj,kl->il")
    with pytest.raises(UnsupportedOperator, match="'Einsum_1'"):
        Network.load(graph.model({"x": ["N", 3]}, {"y": None}))


INSIDE: dict[str, dict[str, Any]] = {
    "MatMul": {},
    "Einsum": {"equation": "ij,jk->ik"},
    "ConvTranspose": {},
    "LSTM": {"hidden_size": 3},
    "Attention": {},
}


@pytest.mark.parametrize("op", INSIDE)
def test_product_inside_a_branch(graph: GraphBuilder, op: str) -> None:
    inputs = ["x"] * (3 if op in ("LSTM", "Attention") else 2)

    def branch(name: str) -> onnx.GraphProto:
        node = helper.make_node(op, inputs, [name], f"inner.{name}", **INSIDE[op])
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, 1, None)])

    graph.weight("yes", values=np.array(True))
    graph.node("If", ["yes"], "y", then_branch=branch("a"), else_branch=branch("b"))
    with pytest.raises(UnsupportedOperator, match=r"inner\.[ab].*inside an If, Loop or Scan"):
        Network.load(graph.model({"x": [3, 3, 3]}, {"y": None}, 23, 10))


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_4d_convolution(graph: GraphBuilder, op: str) -> None:
    graph.node(op, ["x", graph.weight("w", 2, 2, 3, 3, 3, 3)], "y", "deep")
    with pytest.raises(UnsupportedOperator, match=rf"'deep'.*{op} with 4 spatial axes"):
        Network.load(graph.model({"x": ["N", 2, 5, 5, 5, 5]}, {"y": None}))


def test_negative_pads(graph: GraphBuilder) -> None:
    graph.node("Conv", ["x", graph.weight("w", 2, 2, 3)], "y", "cropping", pads=[0, -1])
    with pytest.raises(UnsupportedOperator, match=r"'cropping'.*pads=\[0, -1\].*crop"):
        Network.load(graph.model({"x": ["N", 2, 5]}, {"y": None}))


def test_integer_matmul(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", "x"], "y", "whole")
    model = graph.model({"x": [3, 3]}, {"y": None}, element=onnx.TensorProto.INT64)
    with pytest.raises(UnsupportedOperator, match=r"'whole'.*INT64.*float32"):
        Network.load(model)


def test_equal_names_are_told_apart(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", graph.weight("w", 3, 3)], "a", "fc")
    graph.node("MatMul", ["a", "w"], "b", "fc")
    graph.node("MatMul", ["b", "w"], "y")
    assert Network.load(graph.model({"x": ["N", 3]}, {"y": None})).layers == (
        "fc",
        "fc#2",
        "MatMul_2",
    )


def test_dead_layers_do_not_run(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", graph.weight("w", 3, 3)], "a", "live")
    graph.node("MatMul", ["a", "w"], "b", "dead")
    assert Network.load(graph.model({"x": ["N", 3]}, {"a": None})).layers == ("live",)


@pytest.mark.parametrize("model", [b"", b"no onnx at all", b"\x08\x08"], ids=repr)
def test_bytes_that_are_no_model(model: bytes) -> None:
    with pytest.raises(ModelError, match="model bytes is not"):
        Network.load(model)


def test_missing_file() -> None:
    with pytest.raises(ModelError, match=r"nowhere\.onnx.*No such file"):
        Network.load("nowhere.onnx")


def test_wrong_type() -> None:
    with pytest.raises(ModelError, match="model=int"):
        Network.load(3)  # type: ignore[arg-type]


def test_invalid_graph(graph: GraphBuilder) -> None:
    graph.node("Relu", ["unknown"], "y")
    with pytest.raises(ModelError, match=r"not valid ONNX.*unknown"):
        Network.load(graph.model({"x": ["N", 3]}, {"y": None}))


def test_an_element_type_that_onnx_does_not_have(graph: GraphBuilder) -> None:
    graph.node("MatMul", ["x", graph.weight("w", 3, 2)], "y")
    model = graph.model({"x": ["N", 3]}, {"y": None})
    model.graph.input[0].type.tensor_type.elem_type = 99
    with pytest.raises((ModelError, UnsupportedOperator), match="99"):
        Network.load(model)


def test_external_weights(graph: GraphBuilder, tmp_path: Any) -> None:
    graph.node("MatMul", ["x", graph.weight("w", 64, 64)], "y")
    model = graph.model({"x": ["N", 64]}, {"y": ["N", 64]})
    file = tmp_path / "big.onnx"
    onnx.save(model, file, save_as_external_data=True, location="big.bin", size_threshold=0)
    assert Network.load(file).layers == ("MatMul_0",)
    proto = onnx.load(file, load_external_data=False)
    with pytest.raises(ModelError, match="'w' lies in an external file"):
        Network.load(proto)
    (tmp_path / "big.bin").unlink()
    with pytest.raises(ModelError, match=r"weight 'w': external data 'big.bin': no such file"):
        Network.load(file)
