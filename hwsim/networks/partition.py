"""Cut a graph at its simulated nodes.

A node's stage is the largest number of simulated nodes on a path that leads to it.  The native
nodes of one stage form one segment: no path between two of them passes a simulated node, so the
segment is convex, and there are no fewer segments than the longest such path demands.

A Relu that alone reads a layer's float32 result becomes the layer's last step: a segment of its
own would copy every sample twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import onnx

from hwsim.networks.graph import Graph
from hwsim.networks.layers import Layer, make_layer
from hwsim.networks.lrn import spelt_out
from hwsim.networks.operators import domain, first_output, is_simulated, label, uses
from hwsim.networks.runtime import Session, submodel


@dataclass(frozen=True)
class Stage:
    """First ``segment`` runs (if there is one), then ``layers``; then ``dead`` values may go."""

    segment: Session | None
    layers: tuple[Layer, ...]
    dead: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The stages in order, and all layers in the model's order."""

    stages: tuple[Stage, ...]
    layers: tuple[Layer, ...]


def partition(graph: Graph) -> Plan:
    """Cut ``graph`` into stages and load their segments."""
    stage_of = _stages(graph)
    rectified = _rectified(graph)
    joined = set(rectified.values())
    count = max(stage_of.values(), default=0) + 1
    groups: list[list[tuple[int, onnx.NodeProto]]] = [[] for _ in range(count)]
    for index, node in graph.nodes:
        if first_output(node) in joined:
            continue
        groups[stage_of[first_output(node)] - is_simulated(node)].append((index, node))
    last = _last_reads(groups, graph.outputs)
    stages = tuple(_stage(graph, groups, number, last, rectified) for number in range(count))
    layers = [layer for stage in stages for layer in stage.layers]
    return Plan(stages, tuple(sorted(layers, key=lambda layer: layer.index)))


def _rectified(graph: Graph) -> dict[str, str]:
    """Results of float32 layers that nothing but a Relu reads, and the Relu's own."""
    readers = Counter(name for _, node in graph.nodes for name in uses(node))
    readers.update(graph.outputs)
    results = {
        first_output(node) for _, node in graph.nodes if is_simulated(node) and domain(node) == ""
    }
    return {
        node.input[0]: node.output[0]
        for _, node in graph.nodes
        if label(node) == "Relu"
        and node.input[0] in results
        and readers[node.input[0]] == 1
        and graph.element_type(node.input[0]) == onnx.TensorProto.FLOAT
    }


def _stages(graph: Graph) -> dict[str, int]:
    """For every computed value, the simulated nodes on the longest path to and through it."""
    stages: dict[str, int] = {}
    for _, node in graph.nodes:
        depth = max((stages.get(name, 0) for name in uses(node)), default=0)
        stages |= {name: depth + is_simulated(node) for name in node.output if name}
    return stages


def _last_reads(
    groups: list[list[tuple[int, onnx.NodeProto]]], outputs: Iterable[str]
) -> dict[str, int]:
    """The last stage that reads each value; outputs live for ever."""
    last = {
        name: number for number, group in enumerate(groups) for _, n in group for name in uses(n)
    }
    return last | {name: len(groups) for name in outputs}


def _stage(
    graph: Graph,
    groups: list[list[tuple[int, onnx.NodeProto]]],
    number: int,
    last: dict[str, int],
    rectified: dict[str, str],
) -> Stage:
    native = [node for _, node in groups[number] if not is_simulated(node)]
    layers = [make_layer(graph, i, node) for i, node in groups[number] if is_simulated(node)]
    layers = [
        replace(layer, output=rectified[layer.output], rectified=True)
        if layer.output in rectified
        else layer
        for layer in layers
    ]
    operands = {name for layer in layers for name in layer.reads}
    made = [name for node in native for name in node.output if name]
    wanted = [name for name in made if last.get(name, -1) > number or name in operands]
    segment = None
    if native:
        part = _segment(graph, native, set(made), wanted)
        segment = Session(part, f"segment {number} ({native[0].name} …)")
    dead = tuple(n for n, at in last.items() if at == number and n not in graph.constants)
    return Stage(segment, tuple(layers), dead)


def _segment(
    graph: Graph, nodes: list[onnx.NodeProto], made: set[str], wanted: list[str]
) -> onnx.ModelProto:
    """The sub-model of a stage's native nodes."""
    read = dict.fromkeys(name for node in nodes for name in uses(node) if name not in made)
    inputs = [_declare(name, graph.types[name]) for name in read if name not in graph.constants]
    constants = [graph.constants[name] for name in read if name in graph.constants]
    return submodel(graph.model, spelt_out(nodes), inputs, wanted, constants)


def _declare(name: str, kind: onnx.TypeProto) -> onnx.ValueInfoProto:
    """A sub-model's input: the type, without a shape that another batch would contradict."""
    declared = onnx.ValueInfoProto(name=name)
    declared.type.CopyFrom(kind)
    if declared.type.HasField("tensor_type"):
        declared.type.tensor_type.ClearField("shape")
    return declared
