"""Runs that differ in few layers: the bits of fresh runs, and no more work than is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwsim.networks import Network, shipped
from hwsim.networks.replay import Replay
from hwsim.units import parse_unit
from tests.networks.models import GraphBuilder

WIDE, NARROW = "int8xint8+int32", "int8xint8+int13"


def branches(graph: GraphBuilder) -> tuple[Network, dict[str, Any]]:
    """Two branches of one layer each, joined by an Add before a third."""
    w = [graph.weight(f"w{i}", 40, 40) for i in range(3)]
    graph.node("MatMul", ["x", w[0]], "left", "left")
    graph.node("MatMul", ["x", w[1]], "right", "right")
    graph.node("Sigmoid", ["right"], "gate")
    graph.node("Add", ["left", "gate"], "sum")
    graph.node("MatMul", ["sum", w[2]], "y", "last")
    model = graph.model({"x": ["n", 40]}, {"y": ["n", 40]})
    x = np.random.default_rng(5).standard_normal((30, 40)).astype(np.float32)
    return Network.load(model), {"x": x}


def fresh(network: Network, data: Any, units: dict[str, str], **options: Any) -> Any:
    return network.run(data, units | {"*": WIDE}, **options)


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(a[name].tobytes() == b[name].tobytes() for name in a | b)


@pytest.mark.parametrize("batch", [None, 7])
@pytest.mark.parametrize("room", [0, 3000, 1 << 30])
def test_a_replay_gives_the_bits_of_a_fresh_run(graph: GraphBuilder, batch: int | None, room: int):
    """Whatever is kept of the first run, and however it was cut."""
    network, data = branches(graph)
    base = Replay.start(network, network.job(data, batch=batch), WIDE, room=room)
    assert same(base.outputs, fresh(network, data, {}).outputs)
    once = base.changed({"left": parse_unit(NARROW)})
    assert same(once.outputs, fresh(network, data, {"left": NARROW}).outputs)
    twice = once.changed({"last": parse_unit(NARROW), "left": parse_unit(WIDE)})
    assert same(twice.outputs, fresh(network, data, {"last": NARROW}).outputs)


def test_only_what_depends_on_a_change_is_computed(graph: GraphBuilder):
    """Not the other branch; nothing after results that came out the same."""
    network, data = branches(graph)
    base = Replay.start(network, network.job(data), WIDE)
    assert base.computed == 3
    assert base.changed({"right": parse_unit(NARROW)}).computed == 2
    assert base.changed({"last": parse_unit(NARROW)}).computed == 1
    assert base.changed({"left": parse_unit("int8xint8+int31")}).computed == 1
    assert base.changed({}).computed == 0


def test_zeros_of_other_sign_count_as_changed(graph: GraphBuilder):
    """Equal numbers are not equal bits: 1 / -0 is not 1 / 0."""
    graph.weight("w", values=np.ones((2, 1), np.float32))
    graph.node("MatMul", ["x", "w"], "sum", "sum")
    graph.node("Reciprocal", ["sum"], "y")
    network = Network.load(graph.model({"x": ["n", 2]}, {"y": ["n", 1]}))
    data = {"x": np.array([[0.0, -(2.0**-26)]], np.float32)}
    base = Replay.start(network, network.job(data, scale="none"), "fp32xfp32+fp16")
    other = base.changed({"sum": parse_unit("fp32xfp32+fixed8.2")})
    assert base.outputs["y"].item() == -np.inf
    assert other.outputs["y"].item() == np.inf
    expected = network.run(data, "fp32xfp32+fixed8.2", scale="none")
    assert same(other.outputs, expected.outputs)


def test_counts_are_those_of_the_layer_in_a_run(graph: GraphBuilder):
    """Of a narrower unit on the operands that the layer has, in all mini-batches."""
    network, data = branches(graph)
    base = Replay.start(network, network.job(data, batch=11), WIDE, room=3000)
    report = fresh(network, data, {"last": NARROW}, telemetry="counts", batch=11)
    counted = base.counts("last", parse_unit(NARROW))
    assert counted == report.layers[2].telemetry
    assert counted.overflow_outputs


def test_random_bits_stay_those_of_the_layer():
    """A change elsewhere moves no layer's stream."""
    digits = shipped("digits-cnn")
    network = Network.load(digits.model)
    data = network.data({"image": network.data(digits.evaluation).inputs["image"][:6]})
    unit = "e4m3xe4m3+e6m9:sr8"
    base = Replay.start(network, network.job(data, seed=3), unit)
    other = base.changed({"conv2": parse_unit("e4m3xe4m3+fp32")})
    expected = network.run(data, {"conv2": "e4m3xe4m3+fp32", "*": unit}, seed=3)
    assert same(other.outputs, expected.outputs)
