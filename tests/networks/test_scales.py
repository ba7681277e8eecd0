"""Scales by format, overrides, and where the calibration data comes from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hwsim.formats import parse_format
from hwsim.networks import ModelError, Network, scale_for
from hwsim.networks.scales import match_layers, operand_rules
from tests.networks.models import GraphBuilder


@pytest.mark.parametrize(
    ("name", "absmax", "scale"),
    [
        ("int8", 254.0, 2.0),
        ("int4", 1.0, 1 / 7),
        ("uint8", 510.0, 2.0),
        ("int1", 3.0, 3.0),
        ("int32", 1.0, 1 / (2**31 - 1)),
        ("fixed3.4", 7.9375, 1.0),
        ("e2m1", 3.0, 0.5),
        ("e3m2", 56.0, 2.0),
        ("e4m3", 8.0, 1.0),
        ("e4m3", 15.99, 1.0),
        ("e4m3", 16.0, 2.0),
        ("e5m2", 7.99, 0.5),
        ("e4m3", 1e-3, 2.0**-13),
        ("e3m3", 100.0, 8.0),
        ("e2m5", 7.875, 7.875 / 3.9375),
        ("fp16", 1e9, 1.0),
        ("bf16", 1e-9, 1.0),
        ("fp32", 123.0, 1.0),
        ("int8", 0.0, 1.0),
        ("e4m3", 0.0, 1.0),
        ("binary", 3.0, 3.0),
        ("ternary", 3.0, 3.0),
        ("pow2_4", 32.0, 0.5),
        ("nf4", 0.25, 0.25),
        ("lns8", 0.0, 1.0),
        ("codebook_n4_n1", 2.0, 0.5),
    ],
)
def test_scale_by_format(name: str, absmax: float, scale: float) -> None:
    assert scale_for(parse_format(name), absmax) == scale


def test_eight_bit_floats_land_between_8_and_16_for_every_magnitude() -> None:
    rng = np.random.default_rng(0)
    values = np.ldexp(rng.uniform(1, 2, 2000), rng.integers(-300, 300, 2000))
    for absmax in map(float, values):
        scale = scale_for(parse_format("e5m2"), absmax)
        assert 8 <= absmax / scale < 16
        assert math.frexp(scale)[0] == 0.5


@pytest.mark.parametrize(
    ("rule", "scale"), [("none", 1.0), ("absmax", 2.0), ("power2", 16.0), (0.75, 0.75)]
)
def test_override(rule: Any, scale: float) -> None:
    assert scale_for(parse_format("int8"), 254.0, rule) == scale


@pytest.mark.parametrize("rule", ["max", -1.0, 0.0, math.inf, math.nan, True])
def test_bad_override(rule: Any) -> None:
    with pytest.raises(ModelError, match="scale="):
        scale_for(parse_format("int8"), 1.0, rule)


def test_rules_by_layer() -> None:
    names = ["conv1", "conv2", "fc"]
    rules = operand_rules({"conv2": {"a": 3.0}, "conv*": "none"}, names)
    assert rules == {
        "conv1": {"a": "none", "b": "none"},
        "conv2": {"a": 3.0, "b": "auto"},
        "fc": {"a": "auto", "b": "auto"},
    }
    assert operand_rules({"b": 2.0}, ["fc"]) == {"fc": {"a": "auto", "b": 2.0}}
    with pytest.raises(ModelError, match=r"scale: no layer fits 'cnov\*'.*conv1"):
        operand_rules({"cnov*": 1.0}, names)
    with pytest.raises(ModelError, match="keys of a layer's scales"):
        operand_rules({"fc": {"x": 1.0}}, names)


def test_first_matching_pattern_wins_and_names_with_brackets_match_themselves() -> None:
    found = match_layers({"a[0]": 1, "a*": 2, "*": 3}, ["a[0]", "ab", "c"], "mac")
    assert found == {"a[0]": 1, "ab": 2, "c": 3}


def linear(graph: GraphBuilder) -> Network:
    graph.node("Gemm", ["x", graph.weight("w", 3, 2)], "h", "one")
    graph.node("Relu", ["h"], "r")
    graph.node("Gemm", ["r", graph.weight("v", 2, 2)], "y", "two")
    return Network.load(graph.model({"x": ["N", 3]}, {"y": ["N", 2]}))


def test_absmax_of_operands(graph: GraphBuilder) -> None:
    network = linear(graph)
    x = np.random.default_rng(0).standard_normal((300, 3)).astype(np.float32)
    w, v = (np.frombuffer(t.raw_data, np.float32) for t in graph.weights)
    x[7, 1], x[8, 2] = -50.0, np.inf
    found = network.measure(x[:8]).absmax
    hidden = np.maximum(x[:8] @ w.reshape(3, 2), 0)
    assert found["one"] == {"a": 50.0, "b": float(np.abs(w).max())}
    assert found["two"]["a"] == pytest.approx(hidden.max(), rel=1e-6)
    assert found["two"]["b"] == float(np.abs(v).max())
    assert network.measure(x[:9]).absmax["one"]["a"] == 50.0  # Inf sets no scale


def test_calibration_source_and_independence(graph: GraphBuilder) -> None:
    """Default: the first 256 samples; never what an earlier run saw; fixed by calibrate()."""
    network = linear(graph)
    x = np.random.default_rng(0).standard_normal((300, 3)).astype(np.float32)
    x[280] = 1000.0  # beyond the first 256
    unit = "int8xint8+int32"
    report = network.run(x, unit)
    assert report.calibration_source == "the first 256 of 300 samples of the inputs"
    assert report.layers[0].scales["a"] == float(np.abs(x[:256]).max()) / 127
    other = network.run(2 * x, unit)
    assert other.layers[0].scales["a"] == 2 * report.layers[0].scales["a"]
    assert network.run(x, unit).outputs["y"].tobytes() == report.outputs["y"].tobytes()
    network.calibrate({"x": x})
    fixed = network.run(x[:3], unit)
    assert fixed.calibration_source == "300 samples of the inputs"
    assert fixed.layers[0].scales["a"] == 1000.0 / 127
    for batch in (1, 7):
        assert network.run(x[:3], unit, batch=batch).layers[1].scales == fixed.layers[1].scales
