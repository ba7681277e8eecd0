"""Networks on units that round stochastically: every layer and every sample has its own stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hwsim import reference
from hwsim.networks import ModelError, Network, shipped
from hwsim.networks.engine import HwsimEngine
from hwsim.networks.products import Product
from hwsim.networks.windows import Geometry
from hwsim.reference.draws import word
from hwsim.units import parse_unit

UNIT = "e4m3xe4m3+e5m2:sr8:chunk8"


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.load(shipped("digits-cnn").model)


@pytest.fixture(scope="module")
def images(network: Network) -> dict[str, Any]:
    data = network.data(shipped("digits-cnn").evaluation)
    return {name: values[:12] for name, values in data.inputs.items()}


def test_mini_batches_and_other_samples_change_nothing(
    network: Network, images: dict[str, Any]
) -> None:
    whole = network.run(images, UNIT, seed=3, verify=20).outputs["logits"]
    for batch in (1, 5):
        parts = network.run(images, UNIT, seed=3, batch=batch, verify=20)
        assert np.array_equal(parts.outputs["logits"], whole)
    few = {name: values[:4] for name, values in images.items()}
    assert np.array_equal(network.run(few, UNIT, seed=3).outputs["logits"], whole[:4])
    assert not np.array_equal(network.run(images, UNIT, seed=4).outputs["logits"], whole)


def test_equal_samples_draw_apart(network: Network, images: dict[str, Any]) -> None:
    same = {name: np.repeat(values[:1], 6, axis=0) for name, values in images.items()}
    rows = network.run(same, UNIT).outputs["logits"]
    assert len({row.tobytes() for row in rows}) > 1


def test_golden_vectors_hold_the_seeds(
    network: Network, images: dict[str, Any], tmp_path: Any
) -> None:
    network.run(images, UNIT, seed=3, dump=tmp_path)
    for number, name in enumerate(network.layers):
        with np.load(tmp_path / f"{name}.npz") as vectors:
            layer = word(3, number)
            assert vectors["seeds"].tolist() == [word(layer, sample) for sample in range(12)]


CONVOLUTION = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), 2)


def products(generator: np.random.Generator) -> list[Product]:
    """Samples stacked on rows; with products of their own; as images; with filters of their own."""
    a, b = generator.normal(size=(3, 4, 6)), generator.normal(size=(6, 5))
    weights = generator.normal(size=(3, 6, 5))
    x, w = generator.normal(size=(6, 4, 5, 5)), generator.normal(size=(6, 2, 3, 3))
    wide = replace(CONVOLUTION, groups=6)
    seeds = (5, 2**64 - 1, 7)
    return [
        Product(a.reshape(12, 6), b, None, 12, 6, 5, 1, 3, (4, 5), True, seeds=seeds),
        Product(a, weights, None, 4, 6, 5, 3, 3, (4, 5), False, seeds=seeds),
        Product(x, w, CONVOLUTION, 150, 18, 3, 2, 3, (2, 6, 5, 5), True, seeds=seeds),
        Product(
            x.reshape(2, 12, 5, 5),
            np.concatenate([w, -w, 2 * w]),
            *(wide, 50, 18, 3, 6, 3, (2, 6, 5, 5), False),
            seeds=seeds,
        ),
    ]


@pytest.mark.parametrize("case", range(4))
def test_numbers_within_a_sample(case: int) -> None:
    """Each sample's part of the result is what the sample alone gives from its seed."""
    product = products(np.random.default_rng(0))[case]
    unit = parse_unit("e4m3xe4m3+e5m2:sr8")
    result, _ = HwsimEngine().product(product, unit, False, 1)
    for lane, seed in enumerate(product.seeds):
        if product.conv is None:
            rows = product.a.reshape(3, 4, 6)[lane]
            columns = product.b if product.b.ndim == 2 else product.b[lane]
            wanted = reference.matmul(rows, columns, unit, seed=seed)
            assert np.array_equal(result.reshape(3, 4, 5)[lane], wanted)
            continue
        filters = product.b.reshape(-1, 6, 2, 3, 3)[0 if product.stacked else lane]
        if product.stacked:
            images, got = product.a[2 * lane : 2 * lane + 2], result[2 * lane : 2 * lane + 2]
        else:
            images = product.a[:, 4 * lane : 4 * lane + 4]
            got = result[:, 6 * lane : 6 * lane + 6]
        wanted = reference.conv2d(images, filters, unit, padding=1, groups=2, seed=seed)
        assert np.array_equal(got, wanted)


def test_seeds_have_64_bits(network: Network, images: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="seed"):
        network.run(images, UNIT, seed=2**64)
