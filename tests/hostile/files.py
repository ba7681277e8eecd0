"""Model and data files that are cut, bent, oversized or lie about themselves."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto

from hwsim.errors import UnsupportedOperator
from hwsim.networks import Network
from hwsim.networks.errors import DataError, LayerError, ModelError
from tests.hostile.oracle import Refused, attempt
from tests.networks.models import GraphBuilder

UNIT = "int8xint8+int16:saturate"
X = np.linspace(-1, 1, 3 * 2 * 6 * 6, dtype=np.float32).reshape(3, 2, 6, 6)


@cache
def good_model() -> bytes:
    """A small network with every kind of layer and some native nodes."""
    graph = GraphBuilder()
    graph.node("Conv", ["x", graph.weight("w", 4, 2, 3, 3), graph.weight("bias", 4)], "y", "conv")
    graph.node("Relu", ["y"], "r")
    graph.node("Constant", [], "shape", value=onnx.numpy_helper.from_array(np.array([0, -1])))
    graph.node("Reshape", ["r", "shape"], "flat")
    graph.node("Gemm", ["flat", graph.weight("v", 64, 5)], "g", "fc", alpha=0.5)
    graph.node("MatMul", ["g", graph.weight("u", 5, 3)], "z", "head")
    model = graph.model({"x": ["N", 2, 6, 6]}, {"z": ["N", 3]})
    data: bytes = model.SerializeToString()
    return data


@cache
def good_npz(compressed: bool) -> bytes:
    """Data for it."""
    stream = io.BytesIO()
    save: Any = np.savez_compressed if compressed else np.savez
    save(stream, x=X, labels=np.arange(3))
    return stream.getvalue()


# --- bytes ----------------------------------------------------------------------------------------
@st.composite
def damage(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """What happens to a file's bytes: (kind, where in 2^16 parts, value)."""
    kinds = st.sampled_from([*["flip"] * 9, "cut", "insert", "zeros", "repeat", "number"])
    one = st.tuples(kinds, st.integers(0, 2**16 - 1), st.integers(0, 255))
    return draw(st.lists(one, max_size=4))


def damaged(data: bytes, hits: list[tuple[str, int, int]]) -> bytes:
    """The file after all of it."""
    for kind, where, value in hits:
        at = where * len(data) >> 16
        if kind == "flip":
            data = (
                data[:at] + bytes([data[at] ^ (1 << value % 8)]) + data[at + 1 :] if data else b""
            )
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + bytes([value]) + data[at:]
        elif kind == "zeros":
            data = data[:at] + bytes(value) + data[at + value :]
        elif kind == "repeat":
            data = data[: at + value] + data[at:]
        else:  # a number of all ones
            data = data[:at] + b"\xff" * 4 + data[at + 4 :]
    return data


def in_file(data: bytes, suffix: str, use: Callable[[Path], Any]) -> Any:
    """``use`` a file that holds ``data``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"f{suffix}"
        path.write_bytes(data)
        return use(path)


@cache
def network() -> Network:
    """The network, once."""
    return Network.load(good_model())


@st.composite
def npz_files(draw: st.DrawFn) -> bytes:
    """A damaged npz; or one whose members or headers say what they like."""
    if draw(st.booleans()):
        return damaged(good_npz(draw(st.booleans())), draw(damage()))
    stream = io.BytesIO()
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name in draw(st.sampled_from(MEMBERS)):
            suffix = draw(st.sampled_from([*[".npy"] * 8, "", ".txt"]))
            archive.writestr(name + suffix, draw(members()))
    return stream.getvalue()


MEMBERS = (*[("x",)] * 4, *[("x", "labels")] * 2, ("labels",), ("x", "y"), ())
SHAPES = (
    *["(3, 2, 6, 6)"] * 6,
    "(3,)",
    "()",
    "(10**12,)",
    "(-1, 2, 6, 6)",
    "(2**62, 2**62)",
    "'x'",
    "None",
)
SHAPES += ("(1000000000000, 2, 6, 6)", "(3, 2, 6, 6", "(3.0,)", "(True,)", "(0, 2, 6, 6)", "(0,)")
DTYPES = (
    *["'<f4'"] * 6,
    "'>f4'",
    "'<i8'",
    "'|O'",
    "'<U3'",
    "'|V4'",
    "[('a', '<f4')]",
    "'<c8'",
    "'x'",
    "4",
)


@st.composite
def members(draw: st.DrawFn) -> bytes:
    """An npy file with a hand-made header."""
    keys = f"'descr': {draw(st.sampled_from(DTYPES))}, 'fortran_order': "
    keys += draw(st.sampled_from(["False", "False", "True", "3"]))
    keys += f", 'shape': {draw(st.sampled_from(SHAPES))}"
    text = (
        "{"
        + keys
        + draw(st.sampled_from([*[", }"] * 5, "}", "", ", 'more': 1}", "}" + " " * 20000]))
        + "\n"
    )
    version = draw(st.sampled_from([*[1] * 5, *[2] * 3, 3, 9]))
    size = 2 if version == 1 else 4
    head = b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(size, "little")
    return head[: draw(st.sampled_from([99, 99, 99, 4]))] + text.encode() + bytes(draw(SIZES))


SIZES = st.sampled_from([864, 864, 12, 24, 0, 863, 100_000])


def check_npz(data: bytes) -> None:
    """DataError, or arrays that the model takes."""
    got = attempt(lambda: in_file(data, ".npz", network().data))
    if isinstance(got, Refused):
        assert isinstance(got.error, DataError), got
        assert "f.npz" in str(got.error)
        return
    assert got.inputs["x"].shape[1:] == (2, 6, 6)
    assert got.inputs["x"].dtype == np.float32


# --- models ---------------------------------------------------------------------------------------
@st.composite
def bent_models(draw: st.DrawFn) -> bytes:
    """A damaged file; or a well-formed one with a few fields that make no sense."""
    if draw(st.integers(0, 3)) == 0:
        return damaged(good_model(), draw(damage()))
    model = onnx.ModelProto.FromString(good_model())
    for _ in range(draw(st.integers(1, 2))):
        draw(st.sampled_from(BENDS))(draw, model)
    data: bytes = model.SerializeToString()
    return data


NUMBERS = st.sampled_from([0, 1, -1, 2, 3, 7, 2**20, 2**31 - 1, 2**40, 2**63 - 1, -(2**63)])
WORDS = st.sampled_from(["", "x", "y", "w", "z", "conv", "nonsense", "a\x00b", "é" * 50, "../etc"])


def _node(draw: Any, model: Any) -> Any:
    return draw(st.sampled_from(list(model.graph.node) or [onnx.NodeProto()]))


def bend_attribute(draw: Any, model: Any) -> None:
    """An attribute of any name and kind."""
    node = _node(draw, model)
    names = ["strides", "pads", "dilations", "group", "kernel_shape", "auto_pad", "alpha", "transA"]
    name = draw(st.sampled_from([*names, "transB", "beta", "value", "nonsense"]))
    numbers = draw(st.lists(NUMBERS, min_size=1, max_size=5))
    values = [numbers, numbers[:2], numbers[:4], numbers[0], 0.5, float("nan"), 1e38, "SAME_UPPER"]
    value = draw(st.sampled_from([*values, "", onnx.TensorProto()]))
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def bend_weight(draw: Any, model: Any) -> None:
    """A tensor of another shape, type or length."""
    tensor = draw(st.sampled_from(list(model.graph.initializer)))
    what = draw(st.sampled_from(["dims", "type", "data", "name", "both", "values"]))
    if what in ("dims", "both"):
        del tensor.dims[:]
        tensor.dims.extend(draw(st.lists(NUMBERS, max_size=4)))
    if what in ("data", "both"):
        tensor.raw_data = tensor.raw_data[: draw(st.integers(0, 40))]
    if what == "type":
        tensor.data_type = draw(st.sampled_from([*range(25), -1, 99]))
    if what == "name":
        tensor.name = draw(WORDS)
    if what == "values":
        value = draw(st.sampled_from([np.nan, np.inf, -np.inf, 3e38, 1e-45, 0.0]))
        count = len(tensor.raw_data) // 4
        tensor.raw_data = np.full(count, value, np.float32).tobytes()


def bend_external(draw: Any, model: Any) -> None:
    """A weight that lies elsewhere."""
    tensor = draw(st.sampled_from(list(model.graph.initializer)))
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    places = ["../f.onnx", "/etc/passwd", "f.onnx", "", ".", "missing", "a\x00b", "/dev/zero", "~"]
    number = st.sampled_from(["0", "-1", "16", str(2**62), "x", "", "9" * 5000])
    entries = {"location": draw(st.sampled_from(places))}
    for key in ("offset", "length"):
        if draw(st.booleans()):
            entries[key] = draw(number)
    tensor.external_data.extend(
        onnx.StringStringEntryProto(key=key, value=value) for key, value in entries.items()
    )


def bend_names(draw: Any, model: Any) -> None:
    """Inputs and outputs that meet nobody, or everybody."""
    node = _node(draw, model)
    names = node.input if draw(st.booleans()) else node.output
    if names:
        names[draw(st.integers(0, len(names) - 1))] = draw(WORDS)
    if draw(st.booleans()):
        node.name = draw(WORDS)
    if draw(st.booleans()):
        node.op_type = draw(
            st.sampled_from(["", "Conv", "Gemm", "LSTM", "Loop", "If", "Cast", "Max"])
        )
    if draw(st.booleans()):
        node.domain = draw(st.sampled_from(["", "ai.onnx", "ai.onnx.ml", "com.microsoft", "x"]))


def bend_signature(draw: Any, model: Any) -> None:
    """Declared inputs and outputs of other shapes and types; versions from nowhere."""
    values = [*model.graph.input, *model.graph.output]
    value = draw(st.sampled_from(values))
    kind = value.type.tensor_type
    what = draw(
        st.sampled_from(["type", "dim", "rank", "none", "opset", "ir", "no graph", "order"])
    )
    if what == "type":
        kind.elem_type = draw(st.sampled_from([*range(20), 99]))
    elif what == "dim" and kind.shape.dim:
        kind.shape.dim[0].dim_value = draw(NUMBERS)
    elif what == "rank":
        kind.shape.dim.add().dim_value = draw(NUMBERS)
    elif what == "none":
        value.ClearField("type")
    elif what == "opset":
        model.opset_import[0].version = draw(NUMBERS)
    elif what == "ir":
        model.ir_version = draw(NUMBERS)
    elif what == "no graph":
        del model.graph.node[:]
    else:
        nodes = list(model.graph.node)[::-1]
        del model.graph.node[:]
        model.graph.node.extend(nodes)


BENDS = (bend_attribute, bend_weight, bend_external, bend_names, bend_signature)


def check_model(data: bytes) -> None:
    """An error of hwsim's own, or a run whose drawn outputs the reference confirms."""
    loaded = attempt(lambda: in_file(data, ".onnx", Network.load))
    if isinstance(loaded, Refused):
        assert isinstance(loaded.error, (ModelError, UnsupportedOperator)), loaded
        return
    ran = attempt(lambda: loaded.run(X, UNIT, verify=2, threads=1))
    if isinstance(ran, Refused):
        assert isinstance(ran.error, (ModelError, DataError, LayerError)), ran
