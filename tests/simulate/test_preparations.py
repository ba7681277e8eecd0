"""NaN codes, flushing, and orders that are others: what is done before kernels, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hwsim_kernels.vectors import ROUNDS

import hwsim
from hwsim import reference
from hwsim.simulate import products, staged, ways
from hwsim.testing import values
from tests.simulate.comparison import bits, check_matmul


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("e5m2xe5m2+fp32:nan=0x7fffffff", 0x7FFFFFFF),
        ("e5m2xe5m2+fp32:nan=0xffc00001", 0xFFC00001),
        ("e5m2xe5m2+fp16:nan=0x7fff", 0x7FFFE000),
        ("e5m2xe5m2+fp16:lanes4:out=e5m2:nan=0xff", 0xFFE00000),
        ("hopper.e5m2", 0x7FFFFFFF),
        ("hopper.e5m2:out=bf16", 0x7FC00000),
        ("cdna3.bf16", 0x7FC00000),
        ("mxfp8_e5m2xmxfp8_e5m2+fp32:nan=0x7fffffff", 0x7FFFFFFF),
        ("mxfp8_e5m2xmxfp8_e5m2+fp32:chunk32:nan=0xffc00001", 0xFFC00001),
        ("mxfp8_e5m2xmxfp8_e5m2+fp32:tree2:nan=0x7fffffff", 0x7FFFFFFF),
    ],
)
def test_nan_codes(spec: str, word: int) -> None:
    """In products, convolutions and the reference; numbers and infinities stay."""
    a = np.array([[np.inf, 1.0], [1.0, 2.0], [np.nan, 0.0], [np.inf, 0.0]], np.float32)
    b = np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)
    wanted = reference.matmul(a, b, spec)
    for telemetry in (False, "counts", True):
        got = hwsim.matmul(a, b, spec, telemetry=telemetry)
        assert bits(got[0] if telemetry else got) == bits(wanted)
    assert sorted(set(wanted.view(np.uint32)[np.isnan(wanted)].tolist())) == [word]
    assert wanted[1].tolist() == [2.0, 3.0]
    image, kernels = a.T.reshape(1, 2, 4, 1), b.T.reshape(2, 2, 1, 1)
    for conv2d in (hwsim.conv2d, reference.conv2d):
        found = np.ascontiguousarray(conv2d(image, kernels, spec)[0, :, :, 0].T)
        assert bits(found) == bits(wanted)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("e5m2xe5m2+fp32:nan=0x7f800000", "nan=0x7f800000"),  # Inf
        ("e5m2xe5m2+fp32:nan=0x1ffffffff", "nan=0x1ffffffff"),
        ("e5m2xe5m2+fp32:out=int8:nan=0x7fffffff", "nan=0x7fffffff"),
        ("int8xint8+int32:nan=0x7fff", "nan=0x7fff"),
        ("e5m2xe5m2+fp32:nan=7fff", "nan=7fff"),
        ("e5m2xe5m2+fp32:daz:ftz", "ftz"),
        ("e5m2xe5m2+fp32:rev1", "rev1"),
        ("e5m2xe5m2+fp32:dot2/nf4", "nf4"),
        ("e5m2xe5m2+fp32:staged0f24s31", "staged0f24s31"),
        ("e5m2xe5m2+fp32:staged4f24s31g5", "staged4f24s31g5"),
        ("e5m2xe5m2+fp32:staged4f24", "staged4f24"),
        ("e5m2xe5m2+int32:staged4f24s31", "int32"),
        ("e5m2xe5m2+fp32:staged4f24s31:mul_add", "mul_add"),
    ],
)
def test_refused(text: str, wrong: str) -> None:
    with pytest.raises(hwsim.SpecError) as caught:
        hwsim.mac(text)
    assert text[caught.value.start :].startswith(wrong), caught.value


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("e5m2xe5m2+fp32:nan=0x7fc00000", "e5m2xe5m2+fp32"),
        ("int8xint8+int32:ftz", "int8xint8+int32"),
        ("e5m2xe5m2+fp32:ftz:rev3", "e5m2xe5m2+fp32:rev3:ftz"),
        ("uint8xint8+int16:dot2/int16", "uint8xint8+int16:dot2/int16"),
        ("e5m2xe5m2+fp32:staged4f9s9g1", "e5m2xe5m2+fp32:staged4f9s9"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    assert str(hwsim.mac(text)) == canonical
    assert hwsim.mac(canonical) == hwsim.mac(text)


ORDERS = ("rev2", "rev3:mul_add", "tree4:mul_add:ftz", "ftz", "chunk3:ftz", "rev2:ftz:out=e5m2")


@pytest.mark.parametrize("style", ["tiny", "middle", "codes"])
@pytest.mark.parametrize("rest", [*ORDERS, *(f"sr4:{order}" for order in ORDERS)])
def test_bits_and_counts(rest: str, style: str) -> None:
    """Flushed or not, drawn or not; numbers of draws too."""
    generator = np.random.default_rng(5)
    unit = hwsim.mac(f"e5m2xe4m3+e5m4:{rest}")
    for k in (1, 7):
        a, b = values(unit.a, (3, k), style, generator), values(unit.b, (k, 4), style, generator)
        c = values(unit.outer_format, (3, 4), style, generator)
        check_matmul(a, b, unit, c)
        check_matmul(a, b, unit)


FLUSHED = ("e3m4xbinary+e3m4:products/e3m4:ftz", "e3m4xnf4+e3m4:bins16:ftz")
FLUSHED += ("e3m4xe3m4:mitchell+e3m4:ftz", "e3m4xe3m4:drum3+e3m4:exact:ftz")
FLUSHED += ("e3m4xe3m4+e3m4:dot2/e5m2:ftz", "e3m4xe3m4+e8m23_nosub:fused4f9z-5p8:daz")
FLUSHED += ("e3m4xe3m4+e5m4:staged3f4s6:ftz", "e3m4xpow2_4b7:shift1+e3m4:ftz")


@pytest.mark.parametrize("style", ["tiny", "middle", "finite"])
@pytest.mark.parametrize("spec", FLUSHED)
def test_every_multiplier_and_order(spec: str, style: str) -> None:
    """What is rewritten on its way to a kernel is flushed once, and nothing else is."""
    generator = np.random.default_rng(6)
    unit = hwsim.mac(spec)
    for k in (1, 9):
        a, b = values(unit.a, (3, k), style, generator), values(unit.b, (k, 4), style, generator)
        check_matmul(a, b, unit, values(unit.outer_format, (3, 4), style, generator))
        check_matmul(a, b, unit)


def test_no_operand_no_flush() -> None:
    """K = 0 gives c, unread."""
    a, b, c = np.zeros((1, 0)), np.zeros((0, 1)), np.array([[-(2.0**-140)]], np.float32)
    for matmul in (hwsim.matmul, reference.matmul):
        assert bits(matmul(a, b, "cdna2.fp16", c=c)) == bits(c)


def test_kernels_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain data never meets the reference; two stages meet both carriers."""

    def never(*_: Any) -> Any:
        raise AssertionError("the reference")

    taken, real = [], staged.staged_tile

    def spy(left: Any, *rest: Any) -> None:
        taken.append(left[0].dtype.name)
        real(left, *rest)

    monkeypatch.setattr(products, "by_reference", never)
    monkeypatch.setattr(staged, "staged_tile", spy)
    x = np.random.default_rng(3).normal(size=(15, 15))
    for name in ("cdna2.fp16", "cdna2.bf16", "avx512.vdpbf16ps", "cdna3.e5m2fnuz", "cdna3.xf32"):
        hwsim.matmul(x, x, name)
    for name in ("avx2.vpmaddubsw", "avx2.vpmaddubsw/int16"):
        hwsim.matmul(np.abs(x * 99).astype(int), (x * 30).astype(int), name)
    assert set(taken) == {"float32"}
    wide = np.ldexp(x, np.arange(-120, 105, 15))
    wanted = reference.matmul(wide, wide, "cdna3.bf16")
    assert bits(hwsim.matmul(wide, wide, "cdna3.bf16")) == bits(wanted)
    assert taken[-1] == "float64"


@pytest.mark.parametrize("spec", ["avx2.vpmaddubsw", "int8xint8+int40:saturate:dot2/int16"])
def test_pairs_in_floats(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs that clamp at both ends; sums that float32 holds, and that float64 does."""
    monkeypatch.setattr(ways, "run_plan", None)
    monkeypatch.setattr(products, "by_reference", None)
    generator, unit = np.random.default_rng(5), hwsim.mac(spec)
    for k in (1, 2, 3, 8, 13, 64, 1100):
        a = generator.integers(int(unit.a.lowest), int(unit.a.largest) + 1, (3, k))
        b = generator.choice([-128, -127, 1, 90, 127], (k, 7))
        for c in (None, generator.integers(-9999, 9999, (3, 7))):
            wanted = reference.matmul(a, b, unit, c=c)
            assert bits(hwsim.matmul(a, b, unit, c=c)) == bits(wanted)


STAGED = ("cdna3.fp16", "cdna3.xf32", "cdna3.e4m3fnuz", "fp16xfp16+fp32:staged6f25s29g3c10")
STAGED += ("fp16xfp16+fp32:staged3f26s34", "e5m2xe5m2+fp32:staged5f24s25g2")


@pytest.mark.skipif(not ROUNDS, reason="vectors round as they are told with AVX-512 only")
@pytest.mark.parametrize("spec", STAGED)
def test_two_stages_in_registers(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that are full and not, sums that cancel, tiny and huge c, zeros."""
    monkeypatch.setattr(staged, "staged_tile", None)
    generator, unit = np.random.default_rng(5), hwsim.mac(spec)
    for turn, k in enumerate((1, 2, 8, 13, 33) * 3):
        m, n = 2, (17, 65)[turn % 2]
        a, b = generator.normal(size=(m, k)), generator.normal(size=(k, n))
        if turn % 3 == 1:
            a, b = a * 2.0 ** generator.integers(-9, 9, a.shape), np.rint(b * 2)
        if turn % 3 == 2:
            a[:, 1::2], b[1::2] = -a[:, : k // 2 * 2 : 2], b[: k // 2 * 2 : 2]
        c = generator.normal(size=(m, n)) * 2.0 ** generator.integers(-140, 20, (m, n))
        c[0, :6] = [0.0, -0.0, 2.0**-149, -(2.0**-126), 3.4028234e38, -1.0]
        a, b, c = (hwsim.round(x, f) for x, f in ((a, unit.a), (b, unit.b), (c, "fp32")))
        for start in (None, c):
            wanted = reference.matmul(a, b, unit, c=start)
            assert bits(hwsim.matmul(a, b, unit, c=start)) == bits(wanted), k


@pytest.mark.parametrize("threads", [1, 2])
def test_tiles_of_two_stages(threads: int) -> None:
    """More columns and rows than a tile has, batches, c; against one output at a time."""
    generator = np.random.default_rng(9)
    a = hwsim.round(generator.normal(size=(2, 70, 19)), "e4m3fnuz")
    b = hwsim.round(generator.normal(size=(2, 19, 530)), "e4m3fnuz")
    c = generator.normal(size=(70, 530)).astype(np.float32)
    got = hwsim.matmul(a, b, "cdna3.e4m3fnuz", c=c, threads=threads)
    for item, i, j in ((0, 0, 0), (1, 69, 529), (0, 63, 511), (1, 64, 512), (0, 5, 100)):
        one = reference.dot(a[item, i], b[item, :, j], "cdna3.e4m3fnuz", c=c[i, j])
        assert bits(got[item, i, j]) == bits(one)


@pytest.mark.parametrize("accumulator", ["e8m23_nosub:rdn", "fp32:rdn:ftz"])
@pytest.mark.parametrize("product", ["e8m10fnuz", "fixed7.8"])
def test_products_lose_the_sign_of_zero_with_their_format(accumulator: str, product: str) -> None:
    """A rounded product is no exact one where its format has no −0."""
    for c in (None, np.array([[-0.0]])):
        unit = f"e4m3xe4m3+{accumulator}:mul_add/{product}"
        check_matmul(np.array([[-1.0, 0.0]]), np.array([[0.0], [-2.0]]), unit, c)
