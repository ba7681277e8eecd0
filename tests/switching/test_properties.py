"""What must follow from any data, on every unit of the catalogue."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.cli import main
from hwsim.costs.activity import CLOCK_SHARE, GATINGS, Switching, role_of
from hwsim.networks import Network, shipped
from hwsim.networks.products import Product
from hwsim.networks.windows import Geometry
from hwsim.switching import STATIONARY, UncountedError, activity, network_activity
from hwsim.switching.layers import How, counted
from hwsim.switching.randomness import _limit, uniform
from hwsim.switching.sources import Matrices, Windows
from hwsim.switching.sums import multipliers_of, sums_of
from hwsim.switching.words import codes_of
from hwsim.units import Exact, Fused, Lanes, parse_unit
from hwsim.units.catalogue import UNITS
from tests.networks.models import GraphBuilder

NAMES = [entry.unit for entry in UNITS]
REFUSED = ["int8xnf4+int16:bins16/fp32"]
SOME = ["int8xint8+int32", "e4m3xe4m3+fp16", "e5m2xe5m2+e6m9:chunk64", "fp16xfp16+fp32:fused4"]


@pytest.fixture
def graph() -> GraphBuilder:
    """An empty graph."""
    return GraphBuilder()


def random_operands(unit: Any, m: int, k: int, n: int, seed: int = 3) -> tuple[Any, Any]:
    """Uniform codes whose sums stay finite."""
    rng, limit = np.random.default_rng(seed), _limit(unit, k)
    return uniform(unit.a, (m, k), rng, limit), uniform(unit.b, (k, n), rng, limit)


@pytest.mark.parametrize("name", NAMES)
def test_random_operands_are_the_assumption(name: str):
    """Every unit of the catalogue: output-stationary 1 within 8 %, where few words are seen; held
    operands lower it; zeros that are skipped never raise it.  Or it says by name what it cannot."""
    unit = parse_unit(name)
    k = 70 if multipliers_of(unit) < 64 else 134  # else one word of a serves a row of outputs
    a, b = random_operands(unit, 12, k, 12)
    if name in REFUSED:
        with pytest.raises(UncountedError, match="bins16"):
            activity(a, b, unit)
        return
    held = ("weight", "input")[NAMES.index(name) % 2]
    for stationary in ("output", held):
        found = {g: activity(a, b, unit, stationary=stationary, gating=g) for g in GATINGS}
        plain = found["none"]
        assert plain.energy.random_pj == pytest.approx(_stated(unit, 12, k, 12), rel=1e-9)
        assert plain.ratio == pytest.approx(1.0, abs=0.08) or stationary != "output"
        assert 0.5 < plain.ratio < 1.08
        assert found["both"].ratio <= found["zero"].ratio <= plain.ratio + 1e-12
        assert found["both"].ratio <= found["clock"].ratio <= plain.ratio + 1e-12
        assert all(0 <= rate <= 1 for rate in plain.rates.values())


def _stated(unit: Any, m: int, k: int, n: int) -> float:
    """By `hwsim.costs.layer_cost`, which knows no data."""
    from hwsim.costs import layer_cost

    return layer_cost(unit, m, k, n).energy_mac_pj


@pytest.mark.parametrize("name", [n for n in NAMES if n not in REFUSED])
def test_followed_sums_end_at_the_results(name: str):
    """The last word of the (outer) register is the code of `hwsim.matmul`'s result, from c on."""
    unit = parse_unit(name).summing
    a, b = (x[None] for x in random_operands(unit, 3, 70, 2))
    found = sums_of(unit, a, b)
    expected = codes_of(np.asarray(hwsim.matmul(a, b, unit)), unit.outer_format)
    assert (found.results == expected).all()
    assert found.words.shape[:3] == (1, 3, 2)
    assert found.words.shape[-1] == len(found.groups)
    assert sorted(q for group in found.groups for q in group) == list(range(70))
    draws = ":sr" in name  # of whose bits every step has its own
    if draws or isinstance(unit.order, Exact | Lanes):
        return
    last = found.words if found.outer is None else found.outer
    if isinstance(unit.order, Fused) and found.outer is None:  # a block's own format
        expected = codes_of(np.asarray(hwsim.matmul(a, b, unit)), unit.block_format)
    assert (last[..., -1] == expected).all()


def test_an_exact_register_holds_the_total():
    """Two's complement in units of the products' last place, c included."""
    unit = parse_unit("e4m3xe4m3+fp32:exact")
    rng = np.random.default_rng(1)
    a, b = (np.asarray(hwsim.round(rng.normal(size=s), "e4m3")) for s in ((1, 2, 9), (1, 9, 2)))
    c = np.asarray(hwsim.round(rng.normal(size=(1, 2, 2)), "e4m3"))
    found = sums_of(unit, a, b, c)
    for i, j, k in np.ndindex(2, 2, 9):
        total = float(c[0, i, j]) + float(a[0, i, : k + 1] @ b[0, : k + 1, j].astype(np.float64))
        assert found.words[0, i, j, k] == int(total * 2.0**18) % (1 << found.bits)


@pytest.mark.parametrize("stationary", STATIONARY)
@pytest.mark.parametrize("name", SOME)
def test_a_sample_stands_for_the_whole(name: str, stationary: str):
    """Estimates from a sixteenth of the MACs against all of them, by ReLU-like data."""
    rng = np.random.default_rng(5)
    a = np.maximum(rng.normal(size=(96, 64)), 0) * 20
    b = rng.normal(size=(64, 48)) * 20
    ratios = []
    for gating in ("none", "zero"):
        whole = activity(a, b, name, stationary=stationary, gating=gating, macs=1 << 20)
        part = activity(a, b, name, stationary=stationary, gating=gating, macs=1 << 14)
        assert whole.exact
        assert not part.exact
        assert part.followed <= 1 << 14
        assert part.a_toggles == whole.a_toggles
        assert part.ratio == pytest.approx(whole.ratio, rel=0.04)
        ratios.append(part.ratio)
        for field in ("macs", "steps", "chunks", "outputs"):
            x, y = (getattr(z.switching, field) for z in (part, whole))
            assert x == pytest.approx(y, rel=1e-12), field
        for field in dataclasses.fields(Switching):
            x, y = (getattr(z.switching, field.name) for z in (part, whole))
            assert x == pytest.approx(y, rel=0.12, abs=1e-9 + 0.004 * whole.macs), field.name
        again = activity(a, b, name, stationary=stationary, gating=gating, macs=1 << 14)
        assert again == part
        other = activity(a, b, name, stationary=stationary, gating=gating, macs=1 << 14, seed=1)
        assert other.switching != part.switching
    assert ratios[1] < ratios[0]


@pytest.mark.parametrize("stationary", STATIONARY)
@pytest.mark.parametrize("name", SOME)
def test_zeros_narrow_values_and_held_words_lower_it(name: str, stationary: str):
    """More zeros, less energy, and less again where they are skipped; narrow integers too."""
    unit = parse_unit(name)
    a, b = random_operands(unit, 32, 64, 16)
    rng, ratios = np.random.default_rng(2), []
    for share in (0.0, 0.5, 0.9, 1.0):
        sparse = np.where(rng.random(a.shape) < share, 0, a)
        plain, gated = (
            activity(sparse, b, unit, stationary=stationary, gating=g) for g in ("none", "zero")
        )
        ratios.append((plain.ratio, gated.ratio))
        assert gated.idle == pytest.approx(share, abs=0.12)
    for before, after in pairwise(ratios):
        assert after[0] < before[0]
        assert after[1] < before[1]
    if name.startswith("int8"):
        narrow = activity(np.rint(a / 16), np.rint(b / 16), unit, stationary=stationary)
        assert narrow.ratio < ratios[0][0]


def test_a_constant_stream_is_the_clock_alone():
    """Of zeros exactly; of ones all but the sums, which go on; without a clock, nothing."""
    price = hwsim.cost("int8xint8+int32")
    register = next(p.energy_pj for p in price.parts if p.name == "accumulator register")
    clock = CLOCK_SHARE * register / price.energy_pj
    zeros = np.zeros((64, 32)), np.zeros((32, 16))
    for stationary in STATIONARY:
        assert activity(*zeros, "int8xint8+int32", stationary=stationary).ratio == pytest.approx(
            clock, rel=1e-12
        )
        still = activity(*zeros, "int8xint8+int32", stationary=stationary, gating="clock")
        assert still.ratio == 0
    ones = activity(np.ones((512, 32)), np.ones((32, 4)), "int8xint8+int32")
    assert clock <= ones.ratio < 1.02 * clock


def test_held_weights_lower_the_multipliers_share():
    """Weight-stationary below output-stationary by random operands, the more so by a batch."""
    rng = np.random.default_rng(8)
    a, b = rng.integers(-128, 128, (256, 32)), rng.integers(-128, 128, (32, 8))
    found = {s: activity(a, b, "int8xint8+int32", stationary=s) for s in STATIONARY}
    assert found["weight"].ratio < found["output"].ratio
    shares = {s: x.energy.parts[0].data_pj / x.energy.parts[0].random_pj for s, x in found.items()}
    assert shares["weight"] < 0.9
    assert shares["output"] == pytest.approx(1, abs=0.03)
    single = activity(a[:1], b, "int8xint8+int32")
    assert single.rates["b"] > 10 * found["weight"].rates["b"]


@pytest.mark.parametrize("stationary", STATIONARY)
def test_a_permuted_batch_changes_only_what_it_should(stationary: str):
    """Rows in another order: b's toggles, zeros and random energy stay, a's do where it is held."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(-9, 10, (40, 16)), rng.integers(-9, 10, (16, 6))
    one, other = (
        activity(x, b, "int8xint8+int32", stationary=stationary) for x in (a, rng.permutation(a))
    )
    for name in ("b_toggles", "a_zeros", "b_zeros", "idle", "widths", "macs"):
        assert getattr(one, name) == getattr(other, name)
    assert one.energy.random_pj == other.energy.random_pj
    assert one.a_toggles != other.a_toggles
    joints = 8 * 40 * (16 if stationary == "weight" else 1) * (6 if stationary == "weight" else 1)
    assert abs(one.a_toggles - other.a_toggles) <= joints
    sorted_rows = activity(a[np.lexsort(a.T)], b, "int8xint8+int32", stationary=stationary)
    assert sorted_rows.b_toggles == one.b_toggles


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stationary", STATIONARY)
def test_windows_are_the_unfolded_matrices(groups: int, stationary: str):
    """A convolution with stride, dilation, uneven padding and c: the counts of its matrices."""
    rng = np.random.default_rng(6)
    x, w = rng.integers(-5, 6, (3, 4, 7, 6)), rng.integers(-5, 6, (6, 4 // groups, 3, 2))
    geometry = Geometry((2, 1), ((1, 0), (0, 2)), (1, 2), groups)
    unit = parse_unit("int8xint8+int32")
    sums = hwsim.conv2d(
        x, w, unit, stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=groups
    )
    c = rng.integers(-99, 99, sums.shape)
    m, k, n = sums.shape[0] * sums.shape[2] * sums.shape[3], w[0].size, 6 // groups
    about = (m, k, n, groups, 3, (), True)
    conv = Windows(Product(x, w, geometry, *about, c=c, scales=(2.0, None)), unit)
    a = np.stack([np.concatenate(list(conv.left(item))) for item in range(groups)])
    b = np.stack([conv.right(item).T for item in range(groups)])
    start = c.reshape(3, groups, n, -1).transpose(1, 0, 3, 2).reshape(groups, m, n)
    plain = Matrices(Product(a, b, None, *about, c=start, scales=(None, None)), unit)
    assert conv.sizes == plain.sizes == (groups, m, k, n)
    whole = np.asarray(hwsim.matmul(a * 2, b, unit)).reshape(groups, 3, -1, n)
    assert (whole.transpose(1, 0, 3, 2).reshape(sums.shape) == sums).all()
    for macs in (1 << 20, 2048):
        how = How(stationary, "zero", macs, 1)
        assert counted(conv, how) == counted(plain, how)


def test_layers_add_up_to_the_network():
    """Random energies are those of a run; JSON, CSV and picture have every layer."""
    model = shipped("digits-cnn")
    network = Network.load(model.model)
    data = {"image": network.data(model.evaluation).inputs["image"][:40]}
    for unit in ("int8xint8+int32", "uint8xint8+int32", "e4m3xe4m3+fp16"):
        found = network_activity(network, data, unit, macs=1 << 13)
        report = hwsim.run(network, data, unit, telemetry=False)
        assert [name for name, _ in found.layers] == [layer.name for layer in report.layers]
        for (_, layer), told in zip(found.layers, report.layers, strict=True):
            assert layer.energy.random_pj == pytest.approx(told.energy_mac_pj, rel=1e-9)
            assert layer.macs == told.macs
            assert layer.ratio < 1
        each = math.fsum(layer.energy.data_pj for _, layer in found.layers)
        assert found.energy.data_pj == pytest.approx(each, rel=1e-12)
        assert [row["layer"] for row in found.to_dict()["layers"]] == list(network.layers)
        assert found.to_csv().count("\n") == 1 + len(network.layers)
        assert len(found.plot().axes) == 2


def test_mini_batches_add_up():
    """Counts of a layer's two halves; other units have no sum."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (8, 5)), rng.integers(-9, 9, (5, 3))
    one, other = (activity(x, b, "int8xint8+int32") for x in (a[:4], a[4:]))
    both = one + other
    assert both.macs == 120
    assert both.switching == one.switching + other.switching
    assert both.energy.data_pj == one.energy.data_pj + other.energy.data_pj
    assert len(both.energy.parts) == len(one.energy.parts)
    with pytest.raises(ValueError, match="no sum"):
        one + activity(a, b, "int8xint8+int16")
    heads = rng.integers(-9, 9, (5, 4, 6)), rng.integers(-9, 9, (5, 6, 3))
    whole = activity(*heads, "int8xint8+int32")
    two, three = (activity(*(x[at] for x in heads), "int8xint8+int32") for at in (_FIRST, _REST))
    sums = two + three
    for name in (
        "items",
        "m",
        "macs",
        "a_toggles",
        "b_toggles",
        "a_zeros",
        "switching",
        "followed",
    ):
        assert getattr(sums, name) == getattr(whole, name)
    with pytest.raises(ValueError, match="no sum"):
        whole + one


_FIRST, _REST = slice(0, 2), slice(2, 5)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(SOME),
    st.sampled_from(STATIONARY),
    st.tuples(*[st.integers(1, 6)] * 3),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)
def test_gating_never_raises_anything(
    name: str, stationary: str, size: tuple[int, int, int], seed: int, zeros: float
):
    """Of any operands: each count, and the energy, which stays between nothing and all."""
    (m, k, n), rng = size, np.random.default_rng(seed)
    a, b = rng.integers(-99, 99, (m, k)), rng.integers(-99, 99, (k, n))
    a, b = (np.where(rng.random(x.shape) < zeros, 0, x) for x in (a, b))
    found = {g: activity(a, b, name, stationary=stationary, gating=g) for g in GATINGS}
    plain, gated = found["none"], found["zero"]
    for field in ("a", "b", "array", "product", "added", "sums"):
        assert getattr(gated.switching, field) <= getattr(plain.switching, field)
    assert 0 <= found["both"].ratio <= gated.ratio <= plain.ratio
    assert found["both"].ratio <= found["clock"].ratio <= plain.ratio


def test_nothing_to_count():
    """K, M or N of 0, and one MAC."""
    for m, k, n in ((0, 3, 2), (2, 0, 2), (2, 3, 0), (1, 1, 1)):
        found = activity(np.ones((m, k)), np.ones((k, n)), "e4m3xe4m3+fp16")
        assert found.macs == m * k * n
        assert found.energy.data_pj <= found.energy.random_pj
        assert json.dumps(found.to_dict(), allow_nan=False)


def test_bad_arguments_are_named():
    """Options, shapes, units."""
    a, b = np.ones((2, 3)), np.ones((3, 2))
    for name, value in (("stationary", "row"), ("gating", True), ("macs", 0), ("seed", -1)):
        with pytest.raises(ValueError, match=f"{name}="):
            activity(a, b, "int8xint8+int32", **{name: value})
    with pytest.raises(ValueError, match="K of both"):
        activity(a, a, "int8xint8+int32")
    with pytest.raises(ValueError, match="a: shape"):
        activity(a[0], b, "int8xint8+int32")
    with pytest.raises(ValueError, match="node="):
        activity(a, b, "int8xint8+int32", node="5nm")
    with pytest.raises(UncountedError, match="parts of blocks"):
        activity(np.ones((2, 32)), np.ones((32, 2)), "mxfp4xmxfp4+fp16:chunk8")


def test_every_part_of_the_catalogue_has_a_role():
    """And those that are taken as random are few."""
    for name in NAMES:
        price = hwsim.cost(name)
        assumed = sum(p.energy_pj for p in price.parts if role_of(p) == "random")
        assert assumed < 0.45 * price.energy_pj, name


def test_the_command(graph: GraphBuilder, tmp_path: Path, capsys):
    """A user's model, layer by layer; CSV, picture, JSON; what cannot be counted is named."""
    graph.node("MatMul", ["x", graph.weight("w", 20, 8)], "h", "first")
    graph.node("Relu", ["h"], "r")
    graph.node("MatMul", ["r", graph.weight("v", 8, 4)], "y", "second")
    onnx.save(graph.model({"x": ["n", 20]}, {"y": ["n", 4]}), tmp_path / "m.onnx")
    x = np.random.default_rng(2).standard_normal((30, 20)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x)
    about = ["activity", str(tmp_path / "m.onnx"), "--data", str(tmp_path / "d.npz"), "--mac"]
    files = ["--csv", str(tmp_path / "l.csv"), "--plot", str(tmp_path / "l.png")]
    with pytest.raises(SystemExit, match="0"):
        main([*about, "int8xint8+int32", "--stationary", "output", "--gating", "zero", *files])
    printed = capsys.readouterr().out
    assert "output-stationary, gating zero" in printed
    assert "second" in printed
    assert (tmp_path / "l.csv").read_text().startswith("layer,unit")
    assert (tmp_path / "l.png").stat().st_size > 1000
    with pytest.raises(SystemExit, match="0"):
        main([*about, "int8xint8+int32", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [layer["layer"] for layer in told["layers"]] == ["first", "second"]
    assert told["ratio"] == pytest.approx(told["data_pj"] / told["random_pj"])
    with pytest.raises(SystemExit, match="0"):
        main([*about, REFUSED[0]])
    assert "first: " in (out := capsys.readouterr().out)
    assert "bins16" in out
    with pytest.raises(SystemExit, match="2"):
        main([*about, "int8xint8+int32", "--macs", "0"])
    assert "macs=0" in capsys.readouterr().err


@pytest.mark.parametrize("stationary", STATIONARY)
@pytest.mark.parametrize(
    ("items", "m", "k", "n"),
    [
        (300, 1, 8, 1),
        (300, 1, 8, 2),
        (3, 1, 8, 900),
        (1, 700, 4, 1),
        (40, 9, 16, 3),
        (900, 1, 1, 1),
    ],
)
def test_thin_products_are_sampled_as_they_are(items: int, m: int, k: int, n: int, stationary: str):
    """Few rows or columns, and lanes with one word a sum: samples against the whole."""
    rng = np.random.default_rng(1)
    a, b = rng.integers(-99, 99, (items, m, k)), rng.integers(-99, 99, (items, k, n))
    for name in ("int8xint8+int32", "int8xint8+int32:dot8"):
        whole = activity(a, b, name, stationary=stationary, macs=1 << 20)
        part = activity(a, b, name, stationary=stationary, macs=items * m * k * n // 2)
        assert whole.exact
        assert not part.exact
        assert part.ratio == pytest.approx(whole.ratio, rel=0.1)
        assert part.switching.macs == pytest.approx(whole.macs)
