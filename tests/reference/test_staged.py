"""CDNA2, CDNA3 and CPU instructions: the reference against other formulations of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim import reference
from hwsim.testing import values

Array = npt.NDArray[np.float32]
STYLES = ("codes", "finite", "tiny", "middle", "huge", "root")


# --- CDNA3 on Fractions ---------------------------------------------------------------------------
def exponent(x: Fraction, least: int) -> int:
    """max(floor(log2 |x|), least)."""
    if x == 0:
        return least
    e = math.floor(math.log2(abs(x.numerator)) - math.log2(x.denominator)) - 1
    while Fraction(2) ** (e + 1) <= abs(x):
        e += 1
    return max(e, least)


def steps(x: Fraction, place: int, how: Callable[[Fraction], int] = math.floor) -> Fraction:
    """x to a multiple of 2^place."""
    return how(x / Fraction(2) ** place) * Fraction(2) ** place


def staged(a: Array, b: Array, c: float, unit: hwsim.MacUnit) -> float:
    """TR-FDPA and GTR-FDPA of finite numbers, float64 to float32 at the end of each block."""
    order, total, rounded = unit.order, Fraction(float(c)), np.float32(c)
    least = unit.a.emin, unit.b.emin
    for start in range(0, len(a), order.terms):
        pairs = [
            (Fraction(float(x)), Fraction(float(y)))
            for x, y in zip(*(v[start : start + order.terms] for v in (a, b)), strict=True)
        ]
        tops, sums = [], []
        for g in range(order.groups):
            mine = [(x * y, exponent(x, least[0]) + exponent(y, least[1])) for x, y in pairs]
            mine = [p for p in mine[g :: order.groups] if p[0]]
            tops.append(max((e for _, e in mine), default=-(10**6)))
            sums.append(sum(steps(p, tops[-1] - order.fraction, math.trunc) for p, _ in mine))
        top = max(tops)
        dot = sum((steps(Fraction(s), top - order.fraction) for s in sums if s), Fraction(0))
        own = exponent(total, -126)
        largest = max(own, top)
        if order.reach is not None and own < largest - order.reach:
            total = Fraction(0)
        dot = steps(dot, largest - order.kept - 1) if dot else dot
        total = dot + steps(total, largest - order.fraction)
        total = steps(total, exponent(total, -126) - order.kept)
        assert Fraction(float(total)) == total
        with np.errstate(over="ignore"):
            rounded = np.float32(float(total))
        if not np.isfinite(rounded):
            break
        total = Fraction(float(rounded))
    return float(rounded)


UNITS = ("cdna3.fp16", "cdna3.bf16", "cdna3.xf32", "cdna3.e4m3fnuz", "cdna3.e5m2fnuz")
UNITS += ("bf16xfp16+fp32:staged3f20s28g3", "e5m2xe4m3+fp32:staged5f10s12g2c3")


@pytest.mark.parametrize("style", [s for s in STYLES if s != "codes"])
@pytest.mark.parametrize("name", UNITS)
def test_two_stages(name: str, style: str) -> None:
    """On finite numbers whose products stay under 2^128."""
    unit, generator = hwsim.mac(name), np.random.default_rng(41)
    for k in (0, 1, 7, 19):
        a, b = (values(f, (12, k), style, generator) for f in (unit.a, unit.b))
        a = np.where(np.abs(a.astype(float) * b) < 2.0**128, a, np.float32(1))
        b = np.where(np.abs(a.astype(float) * b) < 2.0**128, b, np.float32(1))
        c = np.where(np.arange(12) % 3, values(unit.accumulator, (12,), style, generator), 0)
        for x, y, z in zip(a, b, c, strict=True):
            wanted = np.float32(staged(x, y, float(z), unit)).tobytes()
            assert reference.dot(x, y, unit, c=z).tobytes() == wanted, (x, y, z)
            assert hwsim.matmul(x[None], y[:, None], unit, c=z).tobytes() == wanted, (x, y, z)


@pytest.mark.parametrize(
    ("a", "b", "c", "wanted"),
    [
        ((2.0**64, 1.0), (2.0**64, 1.0), 0.0, np.inf),  # 2^128 is infinite, though fp32 sums
        ((2.0**64, 2.0**64), (2.0**64, -(2.0**64)), 0.0, np.nan),
        ((2.0**64, 1.0), (-(2.0**64), 1.0), np.inf, np.nan),
        ((2.0**64, 1.0), (2.0**63, 1.0), -(2.0**127), 0.0),  # 2^127 is finite; 1 is lost
        ((2.0**64, 2.0**64), (2.0**63, 2.0**63), 0.0, np.inf),
        ((np.inf, 0.0), (0.0, 1.0), 0.0, np.nan),
        ((np.nan, 0.0), (0.0, 1.0), 0.0, np.nan),
        ((1.0, 1.0), (-np.inf, 1.0), 5.0, -np.inf),
        ((0.0, -0.0), (-1.0, 1.0), -0.0, 0.0),
        ((1.0, -1.0), (1.0, 1.0), -0.0, 0.0),
        ((0.0, 0.0), (0.0, 0.0), -(2.0**-149), -(2.0**-149)),  # subnormal sums stay
    ],
)
def test_special_values(a: tuple[float], b: tuple[float], c: float, wanted: float) -> None:
    """Overflowing products, infinities, zeros: the definition and the kernel."""
    number = np.array([[wanted]], np.float32)
    for matmul in (reference.matmul, hwsim.matmul):
        got = matmul([a], np.array([b]).T, "cdna3.bf16", c=[[c]])
        assert got.tobytes() == number.tobytes()


# --- CDNA2 by float32 arithmetic ------------------------------------------------------------------
def flush(x: Array, sign: bool = True) -> Array:
    """Numbers under 2^-126 as zeros."""
    return np.where(np.abs(x) < np.float32(2.0**-126), x * np.float32(0) if sign else 0, x)


def cdna2(a: Array, b: Array, c: Array, width: int, emin: int) -> Array:
    """FTZ_MUL_ADD: everything is the machine's float32, and is flushed."""
    a, b = (np.where(np.abs(x) < 2.0**emin, 0, x).astype(np.float32) for x in (a, b))
    with np.errstate(all="ignore"):
        p = flush(a * b)
        s = flush(c, sign=False)
        for start in range(0, p.shape[1], width):
            nodes = p[:, start : start + width]
            while nodes.shape[1] > 1:
                pairs = flush(nodes[:, 0:-1:2] + nodes[:, 1::2])
                nodes = np.concatenate([pairs, nodes[:, 2 * pairs.shape[1] :]], axis=1)
            s = flush(s + nodes[:, 0])
    return s.astype(np.float32)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["cdna2.fp16", "cdna2.bf16", "cdna2.bf16_1k"])
def test_flushed_trees(name: str, style: str) -> None:
    """All bits, −0 and NaN too, of the definition and of the fast product."""
    unit, generator = hwsim.mac(name), np.random.default_rng(43)
    for k in (1, 4, 11):
        a, b = (values(f, (40, k), style, generator) for f in (unit.a, unit.b))
        c = np.where(np.arange(40) % 3, values(unit.accumulator, (40,), style, generator), -0.0)
        c = c.astype(np.float32)
        wanted = cdna2(a, b, c, unit.order.width, unit.a.emin)
        wanted[np.isnan(wanted)] = np.nan
        for i in range(40):
            got = reference.dot(a[i], b[i], unit, c=c[i])
            assert got.tobytes() == wanted[i].tobytes(), (a[i], b[i], c[i])
        got = hwsim.matmul(a[:, None], b[:, :, None], unit, c=c[:, None, None])
        assert got.tobytes() == wanted.tobytes()


def test_flush_is_of_rounded_numbers() -> None:
    """2^-126 − 2^-151 rounds to 2^-126 with subnormals, so it stays; without subnormals, too; a
    quarter of a step lower only the former does."""
    for low, with_grid, without in ((-150, 2.0**-126, 0.0), (-151, 2.0**-126, 2.0**-126)):
        a, b = [[1.0, -(2.0**-100)]], [[2.0**-126], [2.0 ** (low + 100)]]
        assert hwsim.matmul(a, b, "bf16xbf16+fp32:ftz").item() == with_grid
        assert hwsim.matmul(a, b, "bf16xbf16+e8m23_nosub").item() == without
    exact = 2.0**-126 - 2.0**-150
    assert np.float32(exact) == np.float32(2.0**-126)


# --- CPU instructions -----------------------------------------------------------------------------
def to_24_bits(x: Fraction) -> Fraction:
    """To nearest even without a smallest exponent; what then lies under 2^-126 is 0."""
    if x == 0:
        return x
    place = exponent(x, -(10**6)) - 23
    y = round(x / Fraction(2) ** place) * Fraction(2) ** place
    return y if abs(y) >= Fraction(1, 2**126) else Fraction(0)


@pytest.mark.parametrize("style", ["finite", "tiny", "middle", "root"])
def test_vdpbf16ps(style: str) -> None:
    """Odd elements before even ones, subnormals flushed on both sides."""
    generator = np.random.default_rng(47)
    for k in (1, 2, 9):
        a, b = (values(hwsim.format("bf16"), (60, k), style, generator) for _ in range(2))
        c = values(hwsim.format("fp32"), (60,), style, generator)
        got = hwsim.matmul(a[:, None], b[:, :, None], "avx512.vdpbf16ps", c=c[:, None, None])
        for i in range(60):
            a[i], b[i] = (np.where(np.abs(x) < 2.0**-126, 0, x) for x in (a[i], b[i]))
            s = to_24_bits(Fraction(float(c[i])))
            for pair in range(0, k, 2):
                for q in (pair + 1, pair):
                    if q < k:
                        s = to_24_bits(s + Fraction(float(a[i, q])) * Fraction(float(b[i, q])))
                    if abs(s) >= 2**128:
                        s = Fraction(0) if s == 0 else s * 2**400  # infinite from here on
            wanted = (math.inf if s > 0 else -math.inf) if abs(s) >= 2**128 else float(s)
            assert got[i].item() == wanted
            assert reference.dot(a[i], b[i], "avx512.vdpbf16ps", c=c[i]).item() == wanted


@pytest.mark.parametrize("k", [0, 1, 2, 31, 64])
def test_vpmaddubsw(k: int) -> None:
    """Sums of two saturate to int16; VPMADDWD by ones and VPADDD add exactly, VPADDSW saturates."""
    generator = np.random.default_rng(53)
    a = generator.choice([0, 1, 127, 128, 254, 255], (7, k))
    b = generator.choice([-128, -127, -1, 0, 1, 126, 127], (k, 5))
    products = a[:, :, None] * b[None]
    if k % 2:
        products = np.concatenate([products, np.zeros((7, 1, 5), int)], axis=1)
    pairs = np.clip(products[:, 0::2] + products[:, 1::2], -32768, 32767)
    saturated = np.zeros((7, 5), int)
    for pair in range(pairs.shape[1]):
        saturated = np.clip(saturated + pairs[:, pair], -32768, 32767)
    wanted = {"avx2.vpmaddubsw": pairs.sum(axis=1), "avx2.vpmaddubsw/int16": saturated}
    for name, numbers in wanted.items():
        np.testing.assert_array_equal(reference.matmul(a, b, name), numbers)
        np.testing.assert_array_equal(hwsim.matmul(a, b, name), numbers)
        counted = hwsim.matmul(a, b, name, telemetry=True)[1]
        struck = np.count_nonzero(products[:, 0::2] + products[:, 1::2] != pairs)
        assert counted.overflow_steps == struck
        assert counted.outer.additions == pairs.size
    one = {"a": [[255, 255]], "b": [[127], [127]], "mac": "avx2.vpmaddubsw"}
    assert hwsim.matmul(**one).item() == 32767
    # Wrapping sums of many pairs, which no chunk of saturating sums stands for.
    most = hwsim.matmul([[255, 255]], [[127], [127]], "avx2.vpmaddubsw", c=[[2**31 - 1]]).item()
    assert most == 32767 - 2**31 - 1 + 0 * k


def test_tpu() -> None:
    """TPU v1: 8-bit operands, 32-bit accumulators."""
    assert hwsim.mac("tpu1.int8") == hwsim.mac("int8xint8+int32")
    assert hwsim.mac("avx512.vpdpbusds") == hwsim.mac("vpdpbusds")
