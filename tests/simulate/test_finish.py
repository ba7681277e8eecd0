"""Results on their way out: the kernels against NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.formats import parse_format
from hwsim.simulate.facts import Facts
from hwsim.simulate.finish import holds_nan, place, rescaled
from tests.simulate.comparison import Array, bits

DTYPES = ("float32", "float64", "int64")


def _results(seed: int, shape: tuple[int, ...], dtype: str) -> Array:
    """Results of all sizes, zeros of both signs among them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 2.0 ** rng.integers(-4, 40, shape)
    x[rng.random(shape) < 0.2] = -0.0
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    scale=st.sampled_from([0.037, -3.0, 2.0**-140, 1e30, 1.0 / 3.0]),
    biased=st.booleans(),
    threads=st.integers(1, 3),
)
def test_rescaled_rounds_once(
    dtype: str, seed: int, scale: float, biased: bool, threads: int
) -> None:
    results = _results(seed, (2, 3, 5, 7), dtype)
    bias = np.random.default_rng(seed).standard_normal(3).astype(np.float32) if biased else None
    with np.errstate(all="ignore"):
        wanted = (results.astype(np.float64) * scale).astype(np.float32)
        wanted = wanted if bias is None else wanted + bias[:, None, None]
        assert bits(rescaled(results, scale, bias, threads)) == bits(wanted)


def test_special_values_are_rescaled() -> None:
    results = np.array([np.inf, -np.inf, np.nan, -0.0, 3e38], np.float32).reshape(1, 1, 5)
    got = rescaled(results, 2.0, None, 1)
    assert bits(got) == bits(np.array([[[np.inf, -np.inf, np.nan, -0.0, np.inf]]], np.float32))
    assert not np.signbit(rescaled(results, 2.0, np.zeros(1, np.float32), 1)[0, 0, 3])


@pytest.mark.parametrize("layout", ["plain", "padded", "swapped"])
@pytest.mark.parametrize(
    ("fmt", "source", "target"),
    [
        ("int32", "float32", "int64"),
        ("int32", "float64", "float64"),
        ("int16", "float32", "float32"),
        ("fp16", "float32", "float32"),
        ("int64", "int64", "int64"),
    ],
)
def test_placed_as_images(layout: str, fmt: str, source: str, target: str) -> None:
    groups, share, images, pixels = 2, 3, 2, 35
    values = np.rint(_results(3, (groups, share, images * pixels), "float64")).astype(source)
    cut: Array = values
    if layout == "padded":
        cut = np.full((groups, share + 1, images * pixels + 9), 77, source)
        cut = cut[:, :share, : images * pixels]
        cut[...] = values
    elif layout == "swapped":
        cut = np.ascontiguousarray(values.swapaxes(1, 2)).swapaxes(1, 2)
    out = np.full((4, groups * share, 50), 99, target)
    place(cut, parse_format(fmt), out, (slice(1, 3), 10), 2)
    wanted = np.full(out.shape, 99, target)
    split = values.reshape(groups * share, images, pixels).swapaxes(0, 1).astype(target)
    if fmt.startswith("int"):
        split = split + split.dtype.type(0)  # integers have one zero
    wanted[1:3, :, 10:45] = split
    assert bits(out) == bits(wanted)


@given(place=st.integers(0, 2 * 3 * 7 - 1), row=st.integers(0, 3))
def test_nan_is_found_inside_and_not_beside(place: int, row: int) -> None:
    whole = np.full((2, 4, 9), np.nan, np.float32)
    part = whole[:, :3, :7]
    part[...] = 1.0
    assert not holds_nan(part)
    part[np.unravel_index(place, part.shape)] = np.nan
    assert holds_nan(part)
    assert holds_nan(part.swapaxes(1, 2))
    assert holds_nan(np.ascontiguousarray(part).reshape(-1))


@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=st.integers(0, 999), k=st.sampled_from([1, 15, 16, 17, 50]))
def test_the_bound_covers_every_sum(dtype: str, seed: int, k: int) -> None:
    a, b = _results(seed, (2, 4, k), dtype), _results(seed + 1, (2, k, 3), dtype)
    exact = max(
        sum(
            abs(int(x) * int(y)) if dtype == "int64" else abs(float(x)) * abs(float(y))
            for x, y in zip(a[g, i], b[g, :, j], strict=True)
        )
        for g in range(2)
        for i in range(4)
        for j in range(3)
    )
    bound = Facts(a, b, None).sum_bound
    loose = np.einsum("gmk,gk->gm", np.abs(a.astype(float)), np.abs(b.astype(float)).max(axis=2))
    assert exact <= bound <= loose.max() * (1 + 1e-12) + 1e-300
