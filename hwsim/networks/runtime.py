"""ONNX Runtime, always on one thread and with basic optimisations.

Its elementwise kernels cut a tensor where threads meet, and a few of them (Log, Sin, Softplus)
round the last elements of a piece differently, so more threads would change bits.  Its extended
optimisations change more than bits: DequantizeLinear with MatMul becomes MatMulNBits, which
quantizes the activations (an error of 1e-3 in what should be a float32 baseline).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import onnx
import onnxruntime

from hwsim.networks.errors import ModelError

Array = np.ndarray[Any, np.dtype[Any]]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
LATEST_IR = 10  # enough for every tensor type that passes between segments
NUMPY_TYPES = frozenset(
    getattr(onnx.TensorProto, name)
    for name in (
        *("FLOAT", "DOUBLE", "FLOAT16", "BOOL", "INT8", "INT16", "INT32", "INT64"),
        *("UINT8", "UINT16", "UINT32", "UINT64"),
    )
)


def in_ieee_arithmetic(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function with `ieee_arithmetic` around it: ONNX Runtime and NumPy compute as the thread
    does.  BLAS is held to one thread once, not at every product."""

    @wraps(function)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        from hwsim.simulate.environment import ieee_arithmetic  # imports numba: only to run
        from hwsim.simulate.scheduler import one_blas_thread

        with ieee_arithmetic(), one_blas_thread():
            return function(*args, **kwargs)

    return wrapper


def type_name(element: int) -> str:
    """ONNX's name of an element type, or what a damaged model has in its place."""
    names: dict[int, str] = {number: name for name, number in onnx.TensorProto.DataType.items()}
    return names.get(element, f"element type {element}")


class Session:
    """A model that ONNX Runtime has loaded."""

    def __init__(self, model: onnx.ModelProto, what: str) -> None:
        """Load ``model``; ``what`` names it in errors."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.enable_cpu_mem_arena = False  # every segment would keep what it once needed
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own without a base
            raise ModelError(f"ONNX Runtime cannot load {what}: {_one_line(error)}") from error
        self.inputs = [value.name for value in self._session.get_inputs()]
        self.outputs = [value.name for value in self._session.get_outputs()]
        self.types = {value.name: value.type for value in self._session.get_outputs()}
        self._what = what

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name; feeds that are not inputs are left out."""
        try:
            used = {name: feeds[name] for name in self.inputs}
            values = self._session.run(self.outputs, used)
        except Exception as error:
            raise ModelError(f"ONNX Runtime fails on {self._what}: {_one_line(error)}") from error
        return dict(zip(self.outputs, values, strict=True))


def submodel(
    model: onnx.ModelProto,
    nodes: Iterable[onnx.NodeProto],
    inputs: Iterable[onnx.ValueInfoProto],
    outputs: Iterable[str],
    constants: Iterable[onnx.TensorProto],
) -> onnx.ModelProto:
    """A model of some of ``model``'s nodes, with its opset imports."""
    graph = onnx.GraphProto(name="segment")
    graph.node.extend(nodes)
    graph.input.extend(inputs)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)  # ORT finds the types
    graph.initializer.extend(constants)
    part = onnx.ModelProto(graph=graph, ir_version=LATEST_IR)
    part.opset_import.extend(model.opset_import)
    return part


def with_outputs(model: onnx.ModelProto, outputs: Iterable[str]) -> onnx.ModelProto:
    """A copy of ``model`` that also gives the named values."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    present = {value.name for value in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=n) for n in outputs if n not in present)
    return copy


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
