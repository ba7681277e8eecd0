"""Operands: scaled and rounded in one pass, whatever their layout, as the definition says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import reference
from hwsim.formats import parse_format
from hwsim.simulate.operands import PART, carrier, to_operand
from hwsim.simulate.options import Options
from tests.simulate.comparison import Array, bits

FORMATS = (
    *("e4m3", "e5m2", "e4m3fnuz", "e3m2", "e2m1", "bf16", "fp16", "fp32", "e6m9_nosub", "fp64"),
    *("int8", "uint8", "int8_sym", "int4", "int32", "fixed2.5", "fixed10.30", "e8m0", "int52"),
)
SCALES = (1.0, 0.25, 8.0, 0.037, 3.1e-40, 7.0e30)


def _hard(seed: int, dtype: str, nan: bool) -> Array:
    """Numbers near the grids of small formats, and everything special."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((9, 13)) * 2.0 ** rng.integers(-20, 12, (9, 13))
    x[0] = rng.integers(-300, 300, 13) / 8
    x[1, :6] = 0.0, -0.0, np.inf, -np.inf, 1e-300, -1e300
    if nan:
        x[2, 0] = np.nan
    with np.errstate(over="ignore"):
        return x.astype(dtype)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 999),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    scale=st.sampled_from(SCALES),
    turned=st.booleans(),
    threads=st.integers(1, 3),
)
def test_equals_the_reference(
    name: str, seed: int, dtype: str, scale: float, turned: bool, threads: int
) -> None:
    fmt = parse_format(name)
    x = _hard(seed, dtype, nan=fmt.has_nan)
    x = x.T if turned else x
    with np.errstate(all="ignore"):
        quotient = np.divide(x, np.float64(scale), dtype=np.float64)
    got = to_operand("x", x, fmt, Options.check(False, threads), scale)
    wanted = reference.round(quotient, fmt, overflow="saturate").astype(carrier(fmt))
    assert bits(got) == bits(wanted)


@pytest.mark.parametrize("turned", [False, True])
def test_parts_of_large_tensors_meet(turned: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((PART // 128 + 5, 300)).astype(np.float32)
    x = x.T if turned else x
    fmt, scale = parse_format("int8"), 0.02
    wanted = np.clip(np.rint(x / np.float64(scale)), -128, 127) + 0.0
    for threads in (1, 3):
        got = to_operand("x", x, fmt, Options.check(False, threads), scale)
        assert got.dtype == np.float32
        assert np.array_equal(got, wanted)
        assert not np.signbit(got[got == 0]).any()


@pytest.mark.parametrize("turned", [False, True])
def test_nan_without_a_code_is_refused(turned: bool) -> None:
    x = np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]], np.float32)
    with pytest.raises(ValueError, match="weights holds NaN, which int8 cannot hold"):
        to_operand("weights", x.T if turned else x, parse_format("int8"), Options.check(False, 1))


def test_none_means_ready() -> None:
    x = np.array([0.1], np.float32)
    assert to_operand("x", x, parse_format("int8"), Options.check(False, 1), None) is x
