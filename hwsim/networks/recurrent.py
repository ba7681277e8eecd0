"""LSTM, GRU and RNN written out, step by step, as ONNX defines them.

The inputs of all steps are one product (``<node>/input``), every step's hidden state another
(``<node>/step0`` …); in a bidirectional node they are ``<node>/forward/input``,
``<node>/backward/step0`` and so on.  Sums of products, biases, gates and activations are native.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
from onnx import helper, shape_inference

from hwsim.errors import UnsupportedOperator
from hwsim.networks.cells import STEPS, Cell, Graph, State
from hwsim.networks.operators import RECURRENT, domain

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
PLAIN = ("Relu", "Sigmoid", "Softplus", "Softsign", "Tanh")  # those without alpha and beta
DIRECTIONS = {  # prefix of the nodes' names, and the sense of time
    "forward": (("", 1),),
    "reverse": (("", -1),),
    "bidirectional": (("forward/", 1), ("backward/", -1)),
}


def unroll(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model``, or a copy whose recurrent operators (in the main graph) are written out.

    Raises UnsupportedOperator where the sequence's length is not known, and for activations with
    parameters.
    """
    if not any(_is_recurrent(node) for node in model.graph.node):
        return model
    inferred = shape_inference.infer_shapes(model)
    known = [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]
    types = {value.name: value.type.tensor_type for value in known}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    for node in model.graph.node:
        if _is_recurrent(node):
            kind = types.get(node.input[0])
            graph = _Unrolled.of(node, kind, _free_prefix(model, node.name)).write()
            copy.graph.node.extend(graph.nodes)
            copy.graph.initializer.extend(graph.constants)
        else:
            copy.graph.node.append(node)
    return copy


def _is_recurrent(node: onnx.NodeProto) -> bool:
    return domain(node) == "" and node.op_type in RECURRENT


def _free_prefix(model: onnx.ModelProto, name: str) -> str:
    """``name``, longer where the model uses names that start with it and a slash."""
    taken = {tensor.name for tensor in model.graph.initializer}
    taken.update(name for node in model.graph.node for name in (node.name, *node.output))
    while any(other.startswith(f"{name}/") for other in taken):
        name += "_"
    return name


@dataclass(frozen=True)
class _Unrolled:
    """A recurrent node: its attributes, the names of its inputs by role (empty where omitted),
    the number of its steps, and the graph that takes its place."""

    node: onnx.NodeProto
    given: dict[str, Any]
    inputs: dict[str, str]
    steps: int
    graph: Graph

    @classmethod
    def of(cls, node: onnx.NodeProto, kind: onnx.TypeProto.Tensor | None, prefix: str) -> _Unrolled:
        """From a node whose X has the type ``kind``; new names start with ``prefix``."""
        given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        axes = kind.shape.dim if kind is not None else []
        time = 1 if given.get("layout", 0) else 0
        steps = axes[time].dim_value if len(axes) == 3 else 0
        if kind is None or steps < 1 or "hidden_size" not in given:
            advice = (
                "the length of its sequence is not fixed in the model: fix it, or export the cell"
            )
            raise UnsupportedOperator(node.name, node.op_type, advice)
        inputs = dict.fromkeys(INPUTS, "") | dict(zip(INPUTS, node.input, strict=False))
        graph = Graph(prefix, helper.tensor_dtype_to_np_dtype(kind.elem_type))
        return cls(node, given, inputs, steps, graph)

    @property
    def hidden(self) -> int:
        return int(self.given["hidden_size"])

    def write(self) -> Graph:
        """The graph with all steps in it."""
        directions = DIRECTIONS[self.given.get("direction", b"forward").decode()]
        runs = [
            self._direction(number, prefix, range(self.steps)[::sense])
            for number, (prefix, sense) in enumerate(directions)
        ]
        wanted = [*self.node.output, "", "", ""]
        all_steps = [outputs[t] for t in range(self.steps) for outputs, _ in runs]
        self._join(all_steps, (self.steps, len(runs), -1, self.hidden), wanted[0])
        for which, name in enumerate(wanted[1:3]):
            if name:
                self._join([last[which] for _, last in runs], (len(runs), -1, self.hidden), name)
        return self.graph

    def _direction(self, number: int, prefix: str, order: range) -> tuple[dict[int, str], State]:
        """Every step's H, and the last state."""
        graph, x = self.graph, self._samples_second("X")
        weights = graph("Transpose", graph.pick(self.inputs["W"], number, 0), perm=[1, 0])
        products = graph("MatMul", x, weights, name=f"{prefix}input")
        cell, state = self._cell(number), self._initial(number, x)
        lengths = self.inputs["sequence_lens"]
        if lengths:
            lengths = graph("Reshape", lengths, graph.integers([-1, 1]))
        outputs = {}
        for t in order:
            step = STEPS[self.node.op_type]
            new = step(cell, graph.pick(products, t, 0), state, f"{prefix}step{t}")
            outputs[t] = new[0]
            if lengths:  # a sequence that is over keeps its state and gives 0
                runs = graph("Less", graph.constant(t, "int32"), lengths)
                new = tuple(graph("Where", runs, *pair) for pair in zip(new, state, strict=True))
                outputs[t] = graph("Where", runs, new[0], graph.constant(0.0))
            state = new
        return outputs, state

    def _cell(self, number: int) -> Cell:
        """The cell of one direction."""
        graph, gates = self.graph, GATES[self.node.op_type] * self.hidden
        w_bias = r_bias = peepholes = ""
        if self.inputs["B"]:
            both = graph.pick(self.inputs["B"], [number], 0)
            w_bias = graph.pick(both, range(gates), 1)
            r_bias = graph.pick(both, range(gates, 2 * gates), 1)
        if self.inputs["P"]:
            peepholes = graph.pick(self.inputs["P"], [number], 0)
        weights = graph("Transpose", graph.pick(self.inputs["R"], number, 0), perm=[1, 0])
        activations = self._activations(number)
        return Cell(graph, self.hidden, activations, self.given, weights, w_bias, r_bias, peepholes)

    def _activations(self, number: int) -> tuple[str, ...]:
        default = ACTIVATIONS[self.node.op_type]
        names = [name.decode().capitalize() for name in self.given.get("activations", ())]
        odd = sorted(set(names) - set(PLAIN))
        if odd:
            operator = f"{self.node.op_type} with activation {odd[0]}"
            advice = f"only {', '.join(PLAIN)} are: export the cell"
            raise UnsupportedOperator(self.node.name, operator, advice)
        return tuple(names[number * len(default) :][: len(default)]) or default

    def _initial(self, number: int, x: str) -> State:
        """H, and C of an LSTM, before the first step: zeros where they are not given."""
        graph, state = self.graph, []
        for name in ("initial_h", "initial_c")[: 2 if self.node.op_type == "LSTM" else 1]:
            if self.inputs[name]:
                state.append(graph.pick(self._samples_second(name), number, 0))
            else:
                samples = graph.pick(graph("Shape", x), [1], 0)
                size = graph("Concat", samples, graph.integers([self.hidden]), axis=0)
                zero = helper.make_tensor("zero", graph.element, [1], [0.0])
                state.append(graph("ConstantOfShape", size, value=zero))
        return tuple(state)

    def _samples_second(self, name: str) -> str:
        """An input whose first axis counts steps or directions."""
        value = self.inputs[name]
        return self.graph("Transpose", value, perm=[1, 0, 2]) if self._samples_first else value

    @property
    def _samples_first(self) -> bool:
        return bool(self.given.get("layout", 0))

    def _join(self, values: list[str], shape: tuple[int, ...], name: str) -> None:
        """The output ``name`` of ``shape`` from values (samples, hidden)."""
        if not name:
            return
        graph, first = self.graph, self._samples_first
        joined = graph("Concat", *values, axis=0)
        target = graph.integers(shape)
        flat = graph("Reshape", joined, target, to="" if first else name)
        if first:
            order = [2, 0, 1, 3] if len(shape) == 4 else [1, 0, 2]
            graph("Transpose", flat, perm=order, to=name)
