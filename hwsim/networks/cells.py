"""One step of an LSTM, GRU or RNN as ONNX nodes: a product of the state, the rest native.

Only operators whose form no opset has changed are used: Gather instead of Squeeze, Slice and
Split, Min and Max instead of Clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

State = tuple[str, ...]  # H, and C of an LSTM


class Graph:
    """Nodes and constants under a node's name."""

    def __init__(self, name: str, dtype: np.dtype[Any]) -> None:
        """An empty graph; ``dtype`` is the model's float type."""
        self.name = name
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._picked: dict[tuple[Any, ...], str] = {}

    @property
    def element(self) -> int:
        """The float type as ONNX numbers it."""
        return int(helper.np_dtype_to_tensor_dtype(self.dtype))

    def constant(self, value: Any, dtype: Any = None) -> str:
        """A constant of the model's float type, or of ``dtype``."""
        name = f"{self.name}/constant{len(self.constants)}"
        array = np.asarray(value, dtype or self.dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def integers(self, value: Any) -> str:
        """A constant index, or several, or a shape."""
        return self.constant(value, np.int64)

    def __call__(
        self, op: str, *inputs: str, to: str = "", name: str = "", **attributes: Any
    ) -> str:
        """Append a node; its output is called ``to``, or has a name of its own."""
        number = len(self.nodes)
        to = to or f"{self.name}/value{number}"
        title = f"{self.name}/{name or f'{op}{number}'}"
        self.nodes.append(helper.make_node(op, inputs, [to], title, **attributes))
        return to

    def pick(self, x: str, index: Any, axis: int) -> str:
        """One index along an axis, which goes; or several, which stay.  Made once for all steps."""
        key = (x, axis, index if isinstance(index, int) else tuple(index))
        if key not in self._picked:
            self._picked[key] = self("Gather", x, self.integers(index), axis=axis)
        return self._picked[key]

    def sum(self, *terms: str) -> str:
        """The terms that are there, added from the left."""
        total, *rest = (term for term in terms if term)
        for term in rest:
            total = self("Add", total, term)
        return total


@dataclass(frozen=True)
class Cell:
    """What a step needs: the graph, sizes and options, and the names of one direction's values.

    ``weights`` : R transposed (hidden, gates · hidden).  ``w_bias``, ``r_bias`` and ``peepholes``
    are empty where there are none.
    """

    graph: Graph
    hidden: int
    activations: tuple[str, ...]
    given: dict[str, Any]
    weights: str
    w_bias: str
    r_bias: str
    peepholes: str

    def gate(self, x: str, *numbers: int) -> str:
        """The columns of some gates of (N, gates · hidden)."""
        columns = [n * self.hidden + i for n in numbers for i in range(self.hidden)]
        return self.graph.pick(x, columns, 1)

    def activate(self, number: int, x: str) -> str:
        """An activation of the clipped ``x``."""
        limit = float(self.given.get("clip", 0.0))
        if limit:
            high, low = self.graph.constant(limit), self.graph.constant(-limit)
            x = self.graph("Max", self.graph("Min", x, high), low)
        return self.graph(self.activations[number], x)

    def bias(self, which: str, *numbers: int) -> str:
        """The columns of some gates of a bias (1, gates · hidden); empty without one."""
        return self.gate(which, *numbers) if which else ""


def _rnn(cell: Cell, x: str, state: State, step: str) -> State:
    product = cell.graph("MatMul", state[0], cell.weights, name=step)
    return (cell.activate(0, cell.graph.sum(x, product, cell.w_bias, cell.r_bias)),)


def _gru(cell: Cell, x: str, state: State, step: str) -> State:
    """z, r, h; the hidden gate's product is of r ⊙ H, or (linear_before_reset) of H."""
    graph, (h,) = cell.graph, state
    if cell.given.get("linear_before_reset", 0):
        product = graph("MatMul", h, cell.weights, name=step)
        both, hidden = cell.gate(product, 0, 1), cell.gate(product, 2)
    else:
        both = graph("MatMul", h, cell.gate(cell.weights, 0, 1), name=f"{step}/zr")
        hidden = ""
    w_bias, r_bias = (cell.bias(which, 0, 1) for which in (cell.w_bias, cell.r_bias))
    gates = cell.activate(0, graph.sum(cell.gate(x, 0, 1), both, w_bias, r_bias))
    z, r = cell.gate(gates, 0), cell.gate(gates, 1)
    w_bias, r_bias = (cell.bias(which, 2) for which in (cell.w_bias, cell.r_bias))
    if hidden:
        reset = graph("Mul", r, graph.sum(hidden, r_bias))
    else:
        masked = graph("Mul", r, h)
        product = graph("MatMul", masked, cell.gate(cell.weights, 2), name=f"{step}/h")
        reset = graph.sum(product, r_bias)
    new = cell.activate(1, graph.sum(cell.gate(x, 2), reset, w_bias))
    keep = graph("Sub", graph.constant(1.0), z)
    return (graph.sum(graph("Mul", keep, new), graph("Mul", z, h)),)


def _lstm(cell: Cell, x: str, state: State, step: str) -> State:
    """i, o, f, c; the output gate looks at the new C."""
    graph, (h, c) = cell.graph, state
    product = graph("MatMul", h, cell.weights, name=step)
    gates = graph.sum(x, product, cell.w_bias, cell.r_bias)

    def gate(number: int, peephole: int, seen: str) -> str:
        peep = cell.bias(cell.peepholes, peephole)
        return graph.sum(cell.gate(gates, number), graph("Mul", peep, seen) if peep else "")

    i = cell.activate(0, gate(0, 0, c))
    if cell.given.get("input_forget", 0):
        f = graph("Sub", graph.constant(1.0), i)
    else:
        f = cell.activate(0, gate(2, 2, c))
    new = cell.activate(1, cell.gate(gates, 3))
    c = graph.sum(graph("Mul", f, c), graph("Mul", i, new))
    o = cell.activate(0, gate(1, 1, c))
    return graph("Mul", o, graph(cell.activations[2], c)), c


STEPS: dict[str, Callable[[Cell, str, State, str], State]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN": _rnn,
}
