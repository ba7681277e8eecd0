"""Dot products: closed forms, published results, counterexamples, orders, special values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.formats import parse_format
from hwsim.reference import decode, dot, round
from hwsim.reference.units import dot as value_dot
from hwsim.reference.values import from_int, to_fraction, to_int
from hwsim.units import parse_unit

INF, NAN = math.inf, math.nan


def run(a: Any, b: Any, mac: str, c: Any = None) -> Any:
    """The dot product as a Python number."""
    result = dot(a, b, mac, c)
    assert not isinstance(result, tuple)
    return result.item()


def total(values: list[float], mac: str, c: Any = None) -> Any:
    """The sum of values, each multiplied by one."""
    return run(values, [1.0] * len(values), mac, c)


# --- closed forms (anchors/accumulation.md) -------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "limit"),
    {"e5m2": 8, "e4m3": 16, "bf16": 256, "e6m9": 1024, "fp16": 2048, "fp32": 2**24}.items(),
)
def test_adding_ones_sticks(name: str, limit: int) -> None:
    """With p bits and rne, adding ones sticks at 2^p."""
    assert limit == 2 ** parse_format(name).precision  # type: ignore[union-attr]
    assert total([1.0] * 40, f"{name}x{name}+{name}", c=limit - 6) == limit
    assert total([1.0] * 5, f"{name}x{name}+{name}", c=limit - 6) == limit - 1


@pytest.mark.parametrize(
    ("name", "chunk"), [("e5m2", 4), ("e4m3", 8), ("e4m3", 4), ("bf16", 8), ("e5m2", 8)]
)
def test_adding_ones_in_chunks_sticks(name: str, chunk: int) -> None:
    """In chunks of c ones, c a power of two ≤ 2^p, it sticks at c·2^p."""
    limit = chunk * 2 ** parse_format(name).precision  # type: ignore[union-attr]
    mac = f"{name}x{name}+{name}:chunk{chunk}"
    for count in (limit, limit + 5 * chunk):
        assert total([1.0] * count, mac) == limit
    assert total([1.0] * (limit - chunk), mac) == limit - chunk


@pytest.mark.parametrize(
    ("name", "result", "first"), [("bf16", 5.0625, 65), ("fp16", 7.0859375, 513)]
)
def test_harmonic_series(name: str, result: float, first: int) -> None:
    """Σ RN(1/k) stands still from the known k on, and moves at every k before it."""
    terms = [1 / k for k in range(1, first + 20)]
    mac = f"{name}x{name}+{name}"
    before = total(terms[: first - 2], mac)
    assert before < total(terms[: first - 1], mac) == result
    assert total(terms[:first], mac) == total(terms, mac) == result
    counts = dot(terms[: first - 1], [1.0] * (first - 1), mac, telemetry=True)[1]
    assert counts.swamped_full == 0


def splitmix64(seed: int) -> Iterator[int]:
    """The words of the stream of ``seed`` (anchors/accumulation.md, Digests)."""
    mask = 2**64 - 1
    while True:
        seed = z = (seed + 0x9E3779B97F4A7C15) & mask
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        yield z ^ z >> 31


def first_dot() -> tuple[Any, Any]:
    """Operands of the digests' first dot product, K = 4096, e5m2 values."""
    bytes_ = [word & 0xFF for word in islice(splitmix64(20251), 8192)]
    values = decode([(p & 0x83) | (11 + (p >> 2 & 7)) << 2 for p in bytes_], "e5m2")
    return values[:4096], values[4096:]


def test_generator() -> None:
    """splitmix64's first word for seed 0."""
    assert next(splitmix64(0)) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize(
    ("order", "signed", "absolute"),
    [("", -262.5, 27584.0), (":chunk64", -255.5, 30720.0), (":chunk256", -258.5, 30560.0)],
)
def test_first_dot_of_the_digests(order: str, signed: float, absolute: float) -> None:
    """(1,6,9), rne: the results of two independent codes."""
    a, b = first_dot()
    assert run(a, b, f"e5m2xe5m2+e6m9{order}") == signed
    assert run(abs(a), abs(b), f"e5m2xe5m2+e6m9{order}") == absolute


def test_first_dot_exactly() -> None:
    """The exact sums of the same."""
    a, b = first_dot()
    assert run(a, b, "e5m2xe5m2+fp64:exact") == -251.291748046875
    assert run(abs(a), abs(b), "e5m2xe5m2+fp64:exact") == 30815.314697265625


# --- counterexamples of SEMANTICS.md --------------------------------------------------------------
def test_bf16_product_onto_a_tiny_sum() -> None:
    """(1 + 2^-4)² + 2^-30 in bf16: one rounding; the product alone is a tie and goes to 1.125."""
    assert run([1.0625], [1.0625], "bf16xbf16+bf16", c=2.0**-30) == 1.1328125
    assert run([1.0625], [1.0625], "bf16xbf16+bf16") == 1.125
    assert run([1.0625], [1.0625], "bf16xbf16+bf16:mul_add", c=2.0**-30) == 1.125
    float64 = np.float32(np.float32(1.0625 * 1.0625) + np.float32(2.0**-30))
    assert round(float(float64), "bf16").item() == 1.125  # what a float32 carrier gets wrong


def test_fp32_fma_on_float64_rounds_twice() -> None:
    """(1 + 2^-12)² + 2^-60 in fp32: float64 loses the 2^-60 and then meets a tie."""
    x = 1 + 2.0**-12
    assert run([x], [x], "fp32xfp32+fp32", c=2.0**-60) == 1 + 2.0**-11 + 2.0**-23
    assert float(np.float32(x * x + 2.0**-60)) == 1 + 2.0**-11


def test_rounding_inflates_the_sum() -> None:
    """e4m3, steps of 32 above 256: 17 counts as 32, and 256 + 7·17 = 375 overflows 448."""
    mac = "fp16xfp16+e4m3"
    assert total([17.0] * 6, mac, c=256.0) == 448.0
    assert math.isnan(total([17.0] * 7, f"{mac}:nan", c=256.0))
    counts = dot([17.0] * 7, [1.0] * 7, mac, 256.0, telemetry=True)[1]
    assert (counts.overflow_steps, counts.out_of_range) == (1, 0)


# --- orders ---------------------------------------------------------------------------------------
def test_sequential_starts_at_c() -> None:
    """c comes first: 256 + 1 + 1 sticks in bf16, 1 + 1 + 256 does not."""
    assert total([1.0, 1.0], "bf16xbf16+bf16", c=256.0) == 256.0
    assert total([1.0, 1.0, 256.0], "bf16xbf16+bf16") == 258.0
    assert total([1.0, 1.0], "bf16xbf16+bf16:chunk2", c=256.0) == 258.0


def test_last_chunk_is_short() -> None:
    """Chunks of two of three ones onto 256: 256 + 2, then + 1 rounds to even."""
    assert total([1.0] * 3, "bf16xbf16+bf16:chunk2", c=256.0) == 260.0  # 259 is a tie
    assert total([1.0] * 3, "bf16xbf16+bf16:chunk9", c=256.0) == 260.0  # 256 + 3 is the same tie
    assert total([1.0] * 3, "bf16xbf16+bf16:chunk1", c=256.0) == 256.0


def test_outer_format_may_be_wider() -> None:
    """chunk2/fp32 keeps what the inner bf16 sums hold, and c is an fp32 value."""
    mac = "bf16xbf16+bf16:chunk2/fp32"
    assert total([256.0, 1.0, 1.0, 1.0], mac, c=2.0**-10) == 258.0 + 2.0**-10
    assert total([], mac, c=1 + 2.0**-20) == 1 + 2.0**-20


def test_one_product_is_rounded_once() -> None:
    """K = 1: R(c + a·b)."""
    assert run([3.0], [5.0], "e5m2xe5m2+e5m2") == 16.0  # 15 is a tie between 14 and 16
    assert run([3.0], [5.0], "e5m2xe5m2+e5m2:rtz") == 14.0
    assert run([3.0], [5.0], "e5m2xe5m2+e5m2:rto") == 14.0  # codes of 14 and 16: odd, even


@pytest.mark.parametrize("order", ["", ":chunk4", ":exact"])
@pytest.mark.parametrize(("c", "result"), [(None, "0.0"), (-0.0, "-0.0"), (1 + 2**-20, "1.0")])
def test_no_products(order: str, c: Any, result: str) -> None:
    """K = 0 gives c (rounded into the outer format, like every c), or +0."""
    assert str(total([], f"fp16xfp16+fp16{order}", c)) == result


def test_no_products_still_converts() -> None:
    """K = 0 with out=: the output conversion happens."""
    assert total([], "e4m3xe4m3+fp16:out=e4m3", c=17.0) == 16.0


@given(st.permutations([1e30, 3.0, -1e30, 2.0**-40, 5.5, -7.25]))
def test_exact_does_not_depend_on_the_order(values: list[float]) -> None:
    """Kulisch: one rounding of the exact total, in any order."""
    exact = sum(Fraction(float(np.float32(v))) for v in values)
    assert total(values, "fp32xfp32+fp32:exact") == float(np.float32(float(exact)))


@given(st.lists(st.integers(-128, 127), max_size=40), st.integers(-(2**15), 2**15 - 1))
def test_integers_wrap_modulo(values: list[int], c: int) -> None:
    """A wrapping sum of any order is the exact sum modulo 2^16."""
    exact = c + sum(v * w for v, w in zip(values, values[::-1], strict=True))
    for order in ("", ":chunk3", ":exact"):
        got = run(values, values[::-1], f"int8xint8+int16{order}", c)
        assert (got - exact) % 2**16 == 0
        assert -(2**15) <= got < 2**15


def test_integers_saturate_at_every_step() -> None:
    """127 + 127 − 127 in a saturating int8 accumulator is 0, not 127."""
    assert run([127, 127, -127], [1, 1, 1], "int8xint8+int8:saturate") == 0
    assert run([127, 127, -127], [1, 1, 1], "int8xint8+int8") == 127
    assert run([127, 127, -127], [1, 1, 1], "int8xint8+int8:saturate:exact") == 127


def test_wide_integers_are_exact() -> None:
    """int64 sums keep every bit and wrap at 2^63."""
    unit = parse_unit("int53xint8+int64")
    big = from_int(2**52 - 1)
    value = value_dot([big, big], [from_int(127), from_int(1)], unit, from_int(3)).value
    assert to_int(value) == (2**52 - 1) * 128 + 3
    assert (
        run([2**52 - 1] * 17, [127] * 17, "int53xint8+int64")
        == ((2**52 - 1) * 127 * 17 + 2**63) % 2**64 - 2**63
    )


# --- multiplier and output ------------------------------------------------------------------------
def test_mul_add_rounds_the_product() -> None:
    """3·5 = 15 is a tie in e5m2 and becomes 16 before it is added; fma adds 15."""
    assert run([3.0, -14.0], [5.0, 1.0], "e5m2xe5m2+fp16:mul_add/e5m2") == 2.0
    assert run([3.0, -14.0], [5.0, 1.0], "e5m2xe5m2+fp16") == 1.0


def test_product_overflow_is_the_products() -> None:
    """An e5m2 product of 2^17 is Inf; the wider sum would have held it."""
    assert run([2.0**9], [2.0**8], "e5m2xe5m2+fp32:mul_add/e5m2") == INF
    assert run([2.0**9], [2.0**8], "e5m2xe5m2+fp32:mul_add/e5m2:saturate") == 57344.0
    assert run([2.0**9], [2.0**8], "e5m2xe5m2+fp32") == 2.0**17


def test_output_conversion_uses_the_units_rounding() -> None:
    """out= rounds once more, with the unit's mode and the output format's overflow."""
    assert total([17.0, 0.5], "bf16xbf16+fp32:out=e4m3") == 18.0
    assert total([17.0, 0.5], "bf16xbf16+fp32:rtz:out=e4m3") == 16.0
    assert total([400.0, 400.0], "bf16xbf16+fp32:out=e4m3") == 448.0
    assert math.isnan(total([400.0, 400.0], "bf16xbf16+bf16:nan:out=e4m3"))
    assert total([300.0], "bf16xbf16+fp32:out=int8") == 44


@given(st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), max_size=12))
def test_against_numpys_half_precision(values: list[float]) -> None:
    """Adding halves one by one, as NumPy does, is sequential fp16 accumulation."""
    with np.errstate(all="ignore"):
        theirs = np.float16(0.0)
        for value in values:
            theirs = np.float16(theirs + np.float16(value))
    mine = total(values, "fp16xfp16+fp16")
    assert str(float(mine)) == str(float(theirs))


# --- special values -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("a", "b", "mac", "result"),
    [
        ([INF], [0.0], "fp16xfp16+fp16", "nan"),
        ([INF, -INF], [1.0, 1.0], "fp16xfp16+fp16", "nan"),
        ([INF, 1.0], [-1.0, 1.0], "fp16xfp16+fp16", "-inf"),
        ([NAN, 1.0], [0.0, 1.0], "e4m3xe4m3+fp16", "nan"),
        ([INF], [1.0], "fp16xfp16+fp16:saturate", "inf"),
        ([INF], [1.0], "fp16xfp16+fp16:saturate_all", "65504.0"),
        ([INF], [1.0], "fp16xfp16+e4m3", "448.0"),
        ([INF, -INF], [1.0, 1.0], "fp16xfp16+e2m1", "-6.0"),  # 6 + −Inf
        ([INF], [1.0], "fp16xfp16+e4m3:nan", "nan"),
        ([INF], [-1.0], "fp16xfp16+int8:saturate", "-128"),
        ([INF], [1.0], "e4m3xe4m3+fp16", "448.0"),  # operands saturate where there is no Inf
        # signs of zeros
        ([-0.0], [1.0], "fp16xfp16+fp16", "0.0"),  # +0 + −0
        ([-0.0], [1.0], "fp16xfp16+fp16:rdn", "-0.0"),
        ([1.0, -1.0], [1.0, 1.0], "fp16xfp16+fp16", "0.0"),
        ([1.0, -1.0], [1.0, 1.0], "fp16xfp16+fp16:rdn", "-0.0"),
        ([1.0, -1.0], [1.0, 1.0], "fp16xfp16+fp16:rdn:exact", "-0.0"),
        ([-1.0, 1.0], [1.0, 1.0], "fp16xfp16+fp16:exact", "0.0"),
        ([2.0**-20], [-(2.0**-20)], "fp16xfp16+fp16", "-0.0"),
        ([2.0**-20], [-(2.0**-20)], "fp16xfp16+fp16:mul_add", "0.0"),  # +0 + −0
        ([2.0**-20], [-(2.0**-20)], "fp16xfp16+fp16:rdn", "-5.960464477539063e-08"),
        ([2.0**-20], [-(2.0**-20)], "fp16xfp16+e4m3fnuz", "0.0"),
    ],
    ids=str,
)
def test_special_values(a: list[float], b: list[float], mac: str, result: str) -> None:
    """Inf, NaN and the signs of zeros on their way through a sum."""
    assert str(run(a, b, mac)) == result


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [("fp16", "fp16", "-0.0"), ("fp16", "int8", "0.0"), ("int8", "fp16", "0.0")],
)
def test_zero_products(a: str, b: str, result: str) -> None:
    """0 · −1 onto −0: −0 when both operands are floats, +0 when either is an integer."""
    assert str(run([0.0], [-1.0], f"{a}x{b}+fp16", c=-0.0)) == result


def test_overflow_on_the_last_addition() -> None:
    """The rule holds after every rounding: Inf sticks, saturation comes back."""
    values = [60000.0, 5000.0, 600.0, -60000.0]
    assert total(values[:2], "fp16xfp16+fp16") == 64992.0
    assert total(values[:3], "fp16xfp16+fp16") == INF
    assert total(values, "fp16xfp16+fp16") == INF
    assert total(values, "fp16xfp16+fp16:saturate") == 65504.0 - 60000.0
    assert total(values[:3], "fp16xfp16+fp16:rtz") == 65504.0
    assert total(values[:3], "fp16xfp16+fp16:rtz:inf_always") == INF
    assert math.isnan(total(values, "fp16xfp16+fp16:nan"))


@pytest.mark.parametrize(
    ("a", "mac", "name"),
    [
        ([NAN], "fp16xfp16+int32", "int32"),
        ([INF], "fp16xfp16+int32", "int32"),
        ([NAN], "fp16xfp16+e2m1", "e2m1"),
        ([NAN], "int8xfp16+fp16", "int8"),
        ([NAN], "fp16xfp16+fp32:out=e3m2", "e3m2"),
    ],
)
def test_refusals_name_the_format(a: list[float], mac: str, name: str) -> None:
    """NaN into a format without NaN, Inf into one that wraps."""
    with pytest.raises(ValueError, match=f"the format {name}"):
        total(a, mac)


def test_exact_value_of_the_result() -> None:
    """The value-level function keeps values that no float holds."""
    unit = parse_unit("int8xint8+int64")
    result = value_dot([from_int(5)], [from_int(7)], unit, from_int(2**62 + 1))
    assert to_fraction(result.value) == 2**62 + 36
