"""Published numbers of the theory of accumulators, and its bounds against simulated sums."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim import theory
from hwsim.cli import cli

# Sakr et al. 2019, computed by two independent codes: accumulator, product, length, VRR.
RATIOS = [
    (4, 5, 64, 0.964946219),
    (5, 5, 256, 0.959837106),
    (5, 5, 1024, 0.709001649),
    (6, 5, 1024, 0.945290475),
    (7, 5, 1152, 0.997889103),
    (7, 5, 4608, 0.897064476),
    (8, 5, 4608, 0.998867113),
    (9, 5, 65536, 0.864773047),
]


@pytest.mark.parametrize(("accumulator", "product", "length", "ratio"), RATIOS)
def test_variance_retention(accumulator: int, product: int, length: int, ratio: float) -> None:
    assert round(theory.variance_retention(accumulator, product, length), 9) == ratio


def test_knees_chunks_and_sparsity() -> None:
    assert [theory.longest_usable(bits, 5) for bits in (5, 6, 7, 8)] == [196, 534, 1486, 3919]
    assert round(theory.variance_retention(5, 5, 576, chunk=64), 9) == 0.989738538
    half = theory.variance_retention(5, 5, 1024, nonzero=0.25)
    assert half == theory.variance_retention(5, 5, 256)
    assert theory.variance_retention(5, 5, 1) == theory.variance_retention(5, 5, 2)
    wide = theory.variance_retention(5, 5, 576, chunk=64, outer=23)
    assert wide > theory.variance_retention(5, 5, 576, chunk=64)


def test_integer_widths() -> None:
    """2^(P − 1) holds the largest sum of operands that are powers of two, and P − 1 does not."""
    assert theory.a2q_bits(4608, 8, 8) == 28
    assert theory.a2q_bits_of_weights([[127, 0], [-127, 1]], 8).tolist() == [16, 9]
    assert theory.worst_case_bits("int8_sym", "int8_sym", 256) == 23
    for length, n, m, signed in ((1, 4, 3, True), (64, 8, 8, False), (1000, 2, 8, True)):
        most = length * 2 ** (n - signed) * 2 ** (m - 1)
        bits = theory.a2q_bits(length, m, n, signed)
        assert 2 ** (bits - 2) <= most < 2 ** (bits - 1)


@settings(max_examples=25)
@given(
    st.sampled_from(["e5m2xe5m2+e8m5", "e4m3xe4m3+e8m9:rtz", "bf16xbf16+bf16"]),
    st.sampled_from(["", ":chunk4", ":chunk7/bf16"]),
    st.integers(1, 24),
    st.integers(0, 2**32),
)
def test_no_sum_errs_by_more_than_its_bound(unit: str, order: str, length: int, seed: int) -> None:
    found = {s.name: s for s in theory.assess(f"{unit}{order}", length, seed).statements}
    bound = found["error bound"]
    assert bound.theory is not None
    assert bound.measured is not None
    assert bound.measured <= bound.theory * (1 + 1e-12)


def test_a_bound_is_nearly_reached() -> None:
    """Ones that are swamped: 2^9 in a sum of 8 bits and more errs by almost half."""
    ones = np.ones((1, 511))
    got = hwsim.matmul(ones, ones.T, "bf16xbf16+bf16").item()
    assert (511 - got) / 511 > 0.49
    assert theory.sequential_bound(511, theory.unit_roundoff(8)) == np.inf


def test_the_best_chunk_is_the_best() -> None:
    for length in (1, 2, 10, 97, 1000, 4096):
        costs = [chunk + -(-length // chunk) for chunk in range(1, length + 1)]
        best = theory.best_chunk(length)
        assert costs[best - 1] == min(costs)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: theory.variance_retention(0, 5, 9), "accumulator=0"),
        (lambda: theory.variance_retention(5, 5, 0), "length=0"),
        (lambda: theory.variance_retention(5, 5, 9, nonzero=0.0), "nonzero=0.0"),
        (lambda: theory.chunked_bound(9, 0, 0.1), "chunk=0"),
        (lambda: theory.a2q_bits(0, 8, 8), "length=0"),
        (lambda: theory.a2q_bits_of_weights([0.5], 8), "weights"),
        (lambda: theory.worst_case_bits("fp16", "int8", 9), "a=fp16"),
        (lambda: theory.assess("hopper.e4m3", 9), "sequential and chunked"),
        (lambda: theory.assess("int8xe4m3+fp16", 9), "floats in a float"),
        (lambda: theory.assess("int8xint8+int32", 0), "length=0"),
    ],
)
def test_refusals(call: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()  # type: ignore[operator]


def test_command() -> None:
    run = CliRunner().invoke(cli, ["theory", "e5m2xe5m2+e6m9:chunk64", "--length", "64"])
    assert run.exit_code == 0, run.output
    assert "variance kept" in run.output
    run = CliRunner().invoke(cli, ["theory", "e5m2xe5m2+e6m9", "--json"])
    rows = {row["name"]: row for row in json.loads(run.output)["statements"]}
    assert rows["error bound"]["theory"] is None  # n·u ≥ 1
    assert rows["best chunk"]["theory"] == 64
