"""Requantization: kernel == reference, and both == gemmlowp's and TensorFlow Lite's definitions.

The definitions below are written from gemmlowp's fixedpoint.h and TensorFlow Lite's
kernels/internal/common.h, operation by operation on Python integers with C's division.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.formats import FixedFormat
from hwsim.reference.requantization import scaled
from hwsim.units import REQUANT_ROUNDINGS, Requantization, Rescaling

HIGHS = (None, *REQUANT_ROUNDINGS)
GEMMLOWP = "int8xint8+int32:out=int8:requant31/half-up/rna"
SINGLE = "int8xint8+int32:out=int8:requant31/half-up"


def unit(bits: int, rounding: str, high: str | None, acc: str = "int32", out: str = "int8") -> Any:
    a = hwsim.format("int8")
    how = Requantization(bits, rounding, high)
    return hwsim.MacUnit(a, a, hwsim.format(acc), output=hwsim.format(out), requantization=how)


def same(sums: Any, mac: Any, factor: Rescaling) -> None:
    got, want = hwsim.requantize(sums, mac, factor), hwsim.reference.requantize(sums, mac, factor)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


# --- the definition, in fractions -----------------------------------------------------------------
def nearest(x: Fraction, mode: str) -> int:
    """x rounded, straight from each mode's definition."""
    low = x.numerator // x.denominator
    rest = x - low
    half = Fraction(1, 2)
    if rest == 0:
        return low
    up = {
        "rne": rest > half or (rest == half and low % 2 == 1),
        "rna": rest > half or (rest == half and x > 0),
        "rtz": x < 0,
        "rup": True,
        "rdn": False,
        "rto": low % 2 == 0,
        "half-up": rest >= half,
    }
    return low + up[mode]


@pytest.mark.parametrize("mode", REQUANT_ROUNDINGS)
def test_reference_rounds_as_defined(mode: str) -> None:
    for exponent in range(-6, 3):
        for number in range(-300, 301):
            want = nearest(Fraction(number) * Fraction(2) ** exponent, mode)
            assert scaled(number, exponent, mode) == want


# --- published definitions ------------------------------------------------------------------------
def c_divide(a: int, b: int) -> int:
    """Integer division of C: towards zero."""
    return abs(a) // b if a >= 0 else -(abs(a) // b)


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    if a == b == -(2**31):
        return 2**31 - 1
    ab = a * b
    nudge = 2**30 if ab >= 0 else 1 - 2**30
    return c_divide(ab + nudge, 2**31)


def rounding_divide_by_pot(x: int, exponent: int) -> int:
    mask = (1 << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if remainder > threshold else 0)


def double_rounding(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier without TFLITE_SINGLE_ROUNDING."""
    left, right = max(shift, 0), max(-shift, 0)
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(x << left, multiplier), right
    )


def single_rounding(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier with TFLITE_SINGLE_ROUNDING."""
    total = 31 - shift
    return (x * multiplier + (1 << (total - 1))) >> total


def hard_sums(seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    powers = [s * 2**k + d for k in range(31) for s in (1, -1) for d in (-1, 0, 1)]
    return [*powers, -(2**31), 2**31 - 1, *rng.integers(-(2**31), 2**31, 300).tolist()]


MULTIPLIERS = (2**30, 2**30 + 1, 2**31 - 1, 1518500250, 3 * 2**29, 1073741825 + 2**20)


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize(
    ("mac", "definition"), [(GEMMLOWP, double_rounding), (SINGLE, single_rounding)]
)
def test_published_definitions(mac: str, definition: Any, multiplier: int) -> None:
    """For every shift that does not overflow C's int32 (there gemmlowp is undefined)."""
    wide = mac.replace("out=int8:", "")
    compared = 0
    for shift in range(-31, 8):
        sums = [x for x in hard_sums(shift + 99) if -(2**31) <= x << max(shift, 0) < 2**31]
        want = [definition(x, multiplier, shift) for x in sums]
        factor = Rescaling(multiplier, shift)
        clipped = np.clip(want, -(2**31), 2**31 - 1)
        np.testing.assert_array_equal(hwsim.requantize(sums, wide, factor), clipped)
        np.testing.assert_array_equal(hwsim.reference.requantize(sums, wide, factor), clipped)
        compared += len(sums)
    assert compared > 15000


def test_double_and_single_rounding_differ() -> None:
    """1.5 − ε after the high multiplication is 2 after two roundings: not the same hardware."""
    sums = np.arange(-4000, 4000)
    factor = Rescaling(1518500250, -3)
    assert (
        hwsim.requantize(sums, GEMMLOWP, factor) != hwsim.requantize(sums, SINGLE, factor)
    ).any()


# --- kernel == reference --------------------------------------------------------------------------
@pytest.mark.parametrize("high", HIGHS)
@pytest.mark.parametrize("mode", REQUANT_ROUNDINGS)
def test_every_sum_multiplier_and_shift_of_a_small_requantizer(mode: str, high: str | None) -> None:
    """int8 sums × 4-bit multipliers × shifts: 256 · 16 · 19 cases a mode."""
    mac = unit(4, mode, high, "int8", "int6")
    sums, m, e = np.meshgrid(np.arange(-128, 128), np.arange(16), np.arange(-12, 7), indexing="ij")
    assert sums.size == 77824
    same(sums.ravel(), mac, Rescaling(m.ravel(), e.ravel(), zero_point=-3))


@pytest.mark.parametrize("high", HIGHS)
@pytest.mark.parametrize("mode", REQUANT_ROUNDINGS)
@pytest.mark.parametrize("acc", ["int32", "uint31", "int9"])
def test_the_ends_of_what_int64_holds(acc: str, mode: str, high: str | None) -> None:
    """Largest sums times largest multipliers, shifted to either side of every tie and of int64."""
    mac = unit(62 - 31 if acc != "int9" else 53, mode, high, acc, acc)
    fmt = hwsim.format(acc)
    ends = [int(fmt.lowest), int(fmt.lowest) + 1, 0, 1, int(fmt.largest) - 1, int(fmt.largest)]
    bits = mac.requantization.multiplier_bits
    factors = [0, 1, 2 ** (bits - 1), 2**bits - 1]
    sums, m, e = np.meshgrid(ends, factors, np.arange(-70, 70), indexing="ij")
    same(sums.ravel(), mac, Rescaling(m.ravel(), e.ravel()))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_kernel_equals_reference(data: Any) -> None:
    bits, acc = data.draw(st.integers(1, 53)), data.draw(st.integers(2, 64))
    signed, out = data.draw(st.booleans()), data.draw(st.integers(1, 64))
    mode, high = data.draw(st.sampled_from(REQUANT_ROUNDINGS)), data.draw(st.sampled_from(HIGHS))
    a = hwsim.format("int8")
    wide, fmt = hwsim.IntFormat(acc, signed), hwsim.IntFormat(out, data.draw(st.booleans()))
    mac = hwsim.MacUnit(a, a, wide, output=fmt, requantization=Requantization(bits, mode, high))
    n = data.draw(st.integers(0, 5))

    def draw(low: int, high: int) -> Any:
        values = st.integers(low, high) | st.sampled_from([low, high])
        kind = np.int64 if low < 0 or high < 2**63 else np.uint64
        return np.array([data.draw(values) for _ in range(n)], kind)

    def code(f: FixedFormat) -> Any:
        return draw(f.lowest_code, f.largest_code)

    low, high_codes = code(fmt), code(fmt)
    factor = Rescaling(
        draw(0, 2**bits - 1),
        draw(-80, 80),
        code(fmt),
        np.minimum(low, high_codes),
        np.maximum(low, high_codes),
    )
    same(code(wide), mac, factor)


def test_matmul_and_conv2d_requantize_their_sums() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 256, (2, 5, 30)), rng.integers(-127, 128, (30, 4))
    mac = "uint8xint8+int18:out=int8:requant15/half-up"
    channels = hwsim.rescaling(rng.uniform(0.0005, 0.002, 4), mac, [3, 0, -7, 127], low=-100)
    for c in (None, rng.integers(-1000, 1000, 4)):
        got, seen = hwsim.matmul(a, b, mac, c=c, rescaling=channels, telemetry=True)
        want, counts = hwsim.reference.matmul(a, b, mac, c, telemetry=True, rescaling=channels)
        np.testing.assert_array_equal(got, want)
        assert seen == counts
        assert seen.overflow_converted > 0
        sums = hwsim.matmul(a, b, "uint8xint8+int18", c=c)
        np.testing.assert_array_equal(got, hwsim.requantize(sums, mac, channels))
    x, w = rng.integers(0, 256, (2, 4, 5, 6)), rng.integers(-127, 128, (6, 2, 3, 2))
    planes = hwsim.rescaling(rng.uniform(0.0005, 0.002, (6, 1, 1)), mac)
    options: dict[str, Any] = {"padding": (1, 0), "stride": 2, "groups": 2, "rescaling": planes}
    got = hwsim.conv2d(x, w, mac, **options)
    np.testing.assert_array_equal(got, hwsim.reference.conv2d(x, w, mac, **options))


# --- real scales ----------------------------------------------------------------------------------
@pytest.mark.parametrize("bits", [1, 8, 15, 31, 53])
def test_rescaling_is_the_nearest_factor(bits: int) -> None:
    how = Requantization(bits)
    rng = np.random.default_rng(bits)
    scales = np.concatenate([
        np.ldexp(rng.uniform(0.5, 1, 300), rng.integers(-60, 20, 300)),
        [1.0, 0.5, 1 - 2.0**-53, 2.0**-1022, 2.0**1000, 1.5, 0.75 + 2.0**-40],
    ])  # fmt: skip
    found = hwsim.rescaling(scales, how)
    for scale, m, e in zip(scales, found.multiplier.tolist(), found.shift.tolist(), strict=True):
        assert 2 ** (bits - 1) <= m < 2**bits
        step = Fraction(2) ** (e - bits)
        error = abs(Fraction(scale) - m * step)
        assert error <= step / 2
    assert hwsim.rescaling(0.0, how).multiplier == 0


def test_rescaling_gives_tensorflow_lites_pairs() -> None:
    """QuantizeMultiplier: m in [2^30, 2^31), and a positive shift to the left."""
    for scale, multiplier, shift in [
        (1.0, 1 << 30, 1), (1.5, 3 << 29, 1), (0.5, 1 << 30, 0), (0.25, 1 << 30, -1),
        (0.125, 1 << 30, -2), (2.0, 1 << 30, 2), (3.0, 3 << 29, 2),
    ]:  # fmt: skip
        found = hwsim.rescaling(scale, Requantization())
        assert (int(found.multiplier), int(found.shift)) == (multiplier, shift)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"multiplier": 1 << 31}, "multiplier="),
        ({"multiplier": -1}, "multiplier="),
        ({"multiplier": 0.5}, "multiplier: integers"),
        ({"shift": 5000}, "shift="),
        ({"zero_point": 128}, "zero_point="),
        ({"low": -129}, "low="),
        ({"low": 5, "high": 4}, "low: some are above high"),
        ({"multiplier": [1, 2, 3]}, r"multiplier \(3,\) does not broadcast"),
    ],
    ids=str,
)
def test_bad_rescalings(fields: dict[str, Any], message: str) -> None:
    factor = Rescaling(**({"multiplier": 1, "shift": 0} | fields))
    with pytest.raises((ValueError, TypeError), match=message):
        hwsim.requantize([1, 2], GEMMLOWP, factor)


def test_bad_uses() -> None:
    factor = Rescaling(1, 0)
    with pytest.raises(ValueError, match="requantizes; pass"):
        hwsim.matmul([[1]], [[1]], GEMMLOWP)
    with pytest.raises(ValueError, match="has no requantization"):
        hwsim.matmul([[1]], [[1]], "int8xint8+int32", rescaling=factor)
    with pytest.raises(ValueError, match="needs one exactly if"):
        hwsim.reference.matmul([[1]], [[1]], GEMMLOWP)
    with pytest.raises(hwsim.SpecError, match="has no requantization"):
        hwsim.requantize([1], "int8xint8+int32", factor)
    with pytest.raises(ValueError, match="no values of the accumulator"):
        hwsim.requantize([2**40], GEMMLOWP, factor)
    with pytest.raises(TypeError, match="integer array"):
        hwsim.requantize([0.5], GEMMLOWP, factor)
    for scale in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="scale="):
            hwsim.rescaling(scale, GEMMLOWP)


# --- hostile input --------------------------------------------------------------------------------
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(-300, 300), max_size=3),
    st.just(np.ma.masked_array([1, 2], [True, False])),
    st.just(np.array([1 + 2j])),
    st.just(np.array(["a"], object)),
    st.just(np.zeros((0, 3), np.int8)),
    st.just(np.arange(6, dtype=">i2")[::2]),
)


def attempt(call: Any, *arguments: Any) -> Any:
    """The result, or None where an error says what is wrong."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return call(*arguments)
    return None


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_anything_gives_a_result_or_a_clear_error(data: Any) -> None:
    """Never another exception, and never a silent change: what passes equals the reference."""
    draw = data.draw
    sums = draw(HOSTILE | st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3))
    fields = [draw(HOSTILE | st.integers(0, 100)) for _ in range(5)]
    factor = Rescaling(*fields)
    got = attempt(hwsim.requantize, sums, GEMMLOWP, factor)
    if got is not None:
        np.testing.assert_array_equal(got, hwsim.reference.requantize(sums, GEMMLOWP, factor))
    found = attempt(hwsim.rescaling, fields[0], GEMMLOWP)
    assert found is None or np.all(found.multiplier < 2**31)
    c = attempt(hwsim.zero_point_correction, *fields[:4])
    assert c is None or c.dtype == np.int64
