"""±1 on packed words: the products of the reference, whatever the lengths."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.simulate import exact


@pytest.mark.parametrize("k", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("level", [False, "counts"])
def test_binary_products(k: int, level: bool | str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    kept = exact.xnor_product
    monkeypatch.setattr(exact, "xnor_product", lambda *a: calls.append(a) or kept(*a))
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(2, 5, k)), rng.normal(size=(2, k, 9))
    c = rng.integers(-9, 9, (5, 9))
    got = hwsim.matmul(a, b, "binaryxbinary+int16", c=c, telemetry=level)
    wanted = reference.matmul(a, b, "binaryxbinary+int16", c=c)
    np.testing.assert_array_equal(got[0] if level else got, wanted)
    assert calls


@pytest.mark.parametrize("threads", [1, 2])
def test_many_binary_products(threads: int) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.choice([-1.0, 1.0], (130, 777)), rng.choice([-1.0, 1.0], (777, 70))
    for operands in ((a, b), (b.T, a.T), (a[::2, ::3], b[::3])):
        got = hwsim.matmul(*operands, "binaryxbinary+int32", threads=threads)
        np.testing.assert_array_equal(got, operands[0] @ operands[1])


def test_sums_that_wrap_or_saturate() -> None:
    a, b = np.ones((3, 200)), np.ones((200, 4))
    assert hwsim.matmul(a, b, "binaryxbinary+int8").tolist() == [[200 - 256] * 4] * 3
    assert hwsim.matmul(a, b, "binaryxbinary+int8:saturate").tolist() == [[127] * 4] * 3
