"""Published numbers: digests, closed forms, and the table of Wang et al. 2018.

Sources: anchors/accumulation.md (digests recomputed by two independent codes); Wang et al. 2018,
arXiv 1812.08011, figure 3b.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim

Array = npt.NDArray[Any]
DOTS, K = 256, 4096


# --- digests --------------------------------------------------------------------------------------
def splitmix64(seed: int, count: int) -> Array:
    """The first words of the generator's stream."""
    state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype="u8")
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return state ^ state >> np.uint64(31)


def test_generator() -> None:
    """The word that everybody quotes."""
    assert splitmix64(0, 1).tolist() == [0xE220A8397B1DCDAF]


@pytest.fixture(scope="module")
def operands() -> tuple[Array, Array]:
    """a (256, 1, 4096) and b (256, 4096, 1), in e5m2."""
    p = (splitmix64(20251, DOTS * 2 * K) & np.uint64(0xFF)).astype(np.uint8)
    codes = (p & 0x83) | ((11 + ((p >> 2) & 7)) << 2)
    values = hwsim.decode(codes, "e5m2").reshape(DOTS, 2, K)
    return values[:, 0, None, :], values[:, 1, :, None]


DIGESTS = {
    ("e6m9", "rne", "signed"): ("bbc9a608c1f6e649", "996266464f6fc1fa", "f6706df416f63eb7"),
    ("e6m9", "rtz", "signed"): ("82f86103e79c1d52", "a55b4b921b8ccaed", "29beb1d2e0dcf27a"),
    ("e6m9", "rne", "abs"): ("5d2c86e7f8056014", "0076e31282735ffc", "50468452ff4adcf4"),
    ("bf16", "rne", "signed"): ("f8bf2fbc3a101df3", "ee87d07094b397ed", "b3c8756c69fc23a6"),
    ("fp16", "rne", "abs"): ("e76e13682c2b0e88", "85d3c7f3ecd67b5d", "a802657471d1e230"),
    ("fp16", "rtz", "signed"): ("43712a062e41fe89", "ce01d4474d1ae487", "46f79c82bf9f89bf"),
}
ORDERS = ("seq", "chunk64", "chunk256")
CASES = [(*row, order) for row in DIGESTS for order in ORDERS]


def digest(values: Array) -> str:
    """SHA-256 of float32 little-endian values, 16 hex digits."""
    return hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("telemetry", [False, "counts", True])
@pytest.mark.parametrize(("accumulator", "rounding", "data", "order"), CASES)
def test_digest(
    operands: tuple[Array, Array],
    accumulator: str,
    rounding: str,
    data: str,
    order: str,
    telemetry: bool | str,
) -> None:
    """256 dot products of 4096 terms, to the bit, whatever is counted."""
    a, b = map(np.abs, operands) if data == "abs" else operands
    unit = f"e5m2xe5m2+{accumulator}:{rounding}:{order}"
    got = hwsim.matmul(a, b, unit, telemetry=telemetry)
    values = got[0] if telemetry else got
    wanted = DIGESTS[accumulator, rounding, data][ORDERS.index(order)]
    assert digest(values.ravel()) == wanted


@pytest.mark.parametrize(
    ("data", "wanted", "exact"),
    [
        ("signed", (-262.5, -255.5, -258.5), -251.291748046875),
        ("abs", (27584.0, 30720.0, 30560.0), 30815.314697265625),
    ],
)
def test_first_dot(
    operands: tuple[Array, Array], data: str, wanted: tuple[float, ...], exact: float
) -> None:
    """The first dot product in numbers, and its exact value from an exact accumulator."""
    a, b = (np.abs(x[0]) if data == "abs" else x[0] for x in operands)
    got = [hwsim.matmul(a, b, f"e5m2xe5m2+e6m9:{order}").item() for order in ORDERS]
    assert got == list(wanted)
    assert hwsim.matmul(a, b, "e5m2xe5m2+e8m40:exact").item() == exact


# --- closed forms ---------------------------------------------------------------------------------
STICKS = {"e5m2": 8, "e4m3": 16, "bf16": 256, "e6m9": 1024, "fp16": 2048}


@pytest.mark.parametrize("name", STICKS)
def test_ones_stick(name: str) -> None:
    """Adding ones sticks at 2^p; in chunks of c at c·2^p."""
    limit = STICKS[name]
    ones = np.ones((1, 3 * limit))
    y, telemetry = hwsim.matmul(ones, ones.T, f"e5m2xe5m2+{name}", telemetry="counts")
    assert y.item() == limit
    assert (telemetry.swamped_full, telemetry.swamped_partial) == (2 * limit, 0)
    for chunk in (2, 4, limit):
        if chunk * limit > hwsim.format(name).largest:
            continue
        many = np.ones((1, 2 * chunk * limit))
        y, telemetry = hwsim.matmul(
            many, many.T, f"e5m2xe5m2+{name}:chunk{chunk}", telemetry="counts"
        )
        assert y.item() == chunk * limit
        assert (telemetry.swamped_full, telemetry.outer.swamped_full) == (0, limit)


def test_ones_stick_fp32() -> None:
    """fp32 sticks at 2^24; c, so that only the end need be run."""
    ones = np.ones((1, 100))
    y = hwsim.matmul(ones, ones.T, "e5m2xe5m2+fp32", c=2.0**24 - 50)
    assert y.item() == 2.0**24


# --- Wang et al., figure 3b -----------------------------------------------------------------------
TRIALS = 50
# n: order → mean |relative error|, to the digits printed
WANG = {
    4096: {"seq": 0.078, "chunk8": 0.0044, "chunk32": 0.0016, "chunk64": 0.0017, "chunk256": 0.001},
    16384: {"chunk8": 0.0082, "chunk32": 0.0033, "chunk64": 0.0028},
    65536: {"chunk8": 0.745, "chunk32": 0.0073, "chunk64": 0.0029, "chunk256": 0.0023},
}
PLATEAUS = {8192: 0.5, 16384: 0.75, 65536: 0.9375}


def wang_sums(n: int, order: str) -> tuple[Array, Array]:
    """(sums, exact sums) of 50 trials of n values uniform on (1 − √3, 1 + √3), in (1,6,9)."""
    generator = np.random.default_rng([20251, n])
    root = math.sqrt(3)
    x = hwsim.round(generator.uniform(1 - root, 1 + root, (TRIALS, n)), "e6m9")
    sums = hwsim.matmul(x, np.ones((n, 1)), f"e6m9xe5m2+e6m9:{order}")
    return sums.ravel().astype(np.float64), x.astype(np.float64).sum(axis=1)


@pytest.mark.parametrize("n", PLATEAUS)
def test_wang_plateau(n: int) -> None:
    """Sequential sums stop at 4096.0 exactly: every input is below half an ulp of it, 4."""
    sums, exact = wang_sums(n, "seq")
    assert sums.tolist() == [4096.0] * TRIALS
    loss = 1 - 4096.0 / n
    assert abs(np.mean(1 - sums / exact) - loss) < 4 * (1 - loss) / math.sqrt(n * TRIALS)


@pytest.mark.parametrize(("n", "order"), [(n, order) for n in WANG for order in WANG[n]])
def test_wang_rows(n: int, order: str) -> None:
    """Mean errors of the table, which are means over 50 other trials than ours.

    Both means scatter with the standard error of 50 trials, so their difference has √2 times
    that; 4 of these and half a unit of the printed digits are allowed.  Seeds are fixed.
    """
    sums, exact = wang_sums(n, order)
    errors = np.abs(sums / exact - 1)
    scatter = math.sqrt(2) * errors.std(ddof=1) / math.sqrt(TRIALS)
    printed = WANG[n][order]
    digit = 0.0005 if printed > 0.01 else 0.00005
    assert abs(errors.mean() - printed) <= 4 * scatter + digit
