"""Fused blocks: the matrix units of GPUs against published digests, cancellations and probes.

Source: anchors/matrix_units.md, re-implemented from MMA-Sim (arXiv 2511.10909) and from Khattak
and Mikaitis (arXiv 2512.07004).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
import hwsim.reference
from hwsim.reference.codes import decode, encode
from hwsim.reference.units import dot
from hwsim.reference.values import Value, from_float, to_float
from hwsim.units import MATRIX_UNITS, Fused, Staged, Tree, parse_unit

Codes = npt.NDArray[np.uint64]
DOTS, K = 20_000, 64


def splitmix64(seed: int, count: int) -> Codes:
    """The first words of the generator's stream."""
    state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype="u8")
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return state ^ state >> np.uint64(31)


# Width, exponent's lowest bit, bits kept in mode N, lowest exponent there, mask of the draw.
SHAPES = {
    "fp16": (16, 0x0400, 0x83FF, 11, 7, 10),
    "bf16": (16, 0x0080, 0x807F, 123, 7, 7),
    "fp32": (32, 0x00800000, 0x807FFFFF, 115, 15, 23),
    "tf32": (32, 0x00800000, 0x807FFFFF, 115, 15, 23),
    "e4m3": (8, 0x08, 0x87, 4, 7, 3),
    "e5m2": (8, 0x04, 0x83, 11, 7, 2),
    "e4m3fnuz": (8, 0x08, 0x87, 4, 7, 3),
}


def shaped(words: Codes, name: str, mode: str) -> Codes:
    """Codes of a format (tf32 in an fp32 word) from random words."""
    width, low, kept, start, mask, at = SHAPES[name]
    p = words & np.uint64((1 << width) - 1)
    if mode == "N":
        field = ((p >> np.uint64(at)) & np.uint64(mask)) + np.uint64(start)
        p = (p & np.uint64(kept)) | (field << np.uint64(at))
    elif name.endswith("fnuz"):
        p = np.where(p == 0x80, 0, p)
    else:
        top = np.uint64({"e4m3": 0x7F}.get(name, ((1 << (width - 1)) - 1) // low * low))
        p = np.where((p & top) == top, p & ~np.uint64(low), p)
    return p & ~np.uint64(0x1FFF) if name == "tf32" else p


@lru_cache(maxsize=1 << 16)
def value(code: int, name: str) -> Value:
    """The value of a code; a tf32 code is an fp32 word."""
    return decode(code, parse_unit(f"{name}x{name}+fp32").a)


def dots(spec: str, mode: str, count: int) -> list[int]:
    """Codes of the first ``count`` results."""
    unit = parse_unit(spec)
    words = splitmix64(20251, DOTS * (2 * K + 1)).reshape(DOTS, 2 * K + 1)[:count]
    a, b, c = (
        shaped(w, name, mode).tolist()
        for w, name in (
            (words[:, :K], str(unit.a)),
            (words[:, K : 2 * K], str(unit.b)),
            (words[:, -1], str(unit.accumulator)),
        )
    )
    name = "fp32" if str(unit.a) == "tf32" else str(unit.a)
    nan = 0x7FFF if str(unit.accumulator) == "fp16" else 0x7FFFFFFF
    out = []
    for x, y, z in zip(a, b, c, strict=True):
        left, right = [value(v, name) for v in x], [value(v, name) for v in y]
        start = value(z, str(unit.accumulator))
        got = dot(left, right, unit, start, observe=False).value
        code = encode(got, unit.accumulator) if got.is_finite or got.kind.value == "Inf" else nan
        out.append(0 if got.is_zero else code)
    return out


DIGESTS = {
    "volta.fp16": ("680a63aab29f5686", "b4b47fd87c83a1c4", "4249abe1 c3177453 c3a3a104"),
    "volta.fp16/fp16": ("635e1c623e176797", "b14e873386c8220e", "5256 d8bb dd15"),
    "turing.fp16": ("c359c097a7ba5283", "8c4ee34a95d12352", "4249abe0 c3177455 c3a3a104"),
    "ampere.fp16/fp16": ("df784616e9a31184", "2e28c9bd0e02d679", "5256 d8bd dd15"),
    "ampere.bf16": ("8a7ff96249d20174", "bd188e16bf7d3237", "c3141d25 c2ac0f21 439ea9be"),
    "ampere.tf32": ("f349d0cc911e6318", "dfeaf78d589d0deb", "40847a40 c349fbd4 41558e6e"),
    "ada.e4m3": ("1af0b594d759dd17", "441940915e613e62", "c4a37c00 c3bbe400 c1b14000"),
    "ada.e5m2/fp16": ("469ae84329a2b445", "231fd59a20b1fb23", "da97 d37e d90f"),
    "hopper.fp16": ("bfc4b251a269bc7d", "9352166715fb5933", "4249abe3 c3177456 c3a3a104"),
    "hopper.fp16/fp16": ("6bfa2615cff99c5e", "0f41c6c626f92972", "5256 d8bd dd15"),
    "hopper.bf16": ("8855be5720a4d1f8", "bbb30bcf3a99d648", "c3141d24 c2ac0f1f 439ea9be"),
    "hopper.tf32": ("319e35364f1b103b", "f3f18364d0257e40", "40847a3f c349fbd4 41558e70"),
    "hopper.e4m3": ("e3f88cd71a1fd146", "1caaf35ea5123499", "c4a37c00 c3bbe000 c1b18000"),
    "hopper.e5m2": ("3eeeba4b4bd23a99", "e623a3c56fce0812", "c3532000 c26f5c00 c323dc00"),
    "blackwell.e4m3": ("01760ba0a67e7c41", "9c2838b9c0d636c0", "c4a3868a c3bbec64 c1b1f0c0"),
    "cdna1.fp16": ("b78d641022d22420", "4264df7e21f27e5e", "4249abe5 c3177457 c3a3a105"),
    "cdna1.bf16": ("69fee5359036653b", "20ef30db1ba33b66", "c3141d24 c2ac0f21 439ea9c1"),
    "cdna2.fp16": ("0098e366364930c1", "13484982db8ef09e", "4249abe4 c3177457 c3a3a104"),
    "cdna2.bf16": ("9a8e4086dd22ccdd", "e496c4b36eb551cb", "c3141d24 c2ac0f21 439ea9c1"),
    "cdna3.fp16": ("86fbab84cb8ebb1c", "c81adee63d0bad5a", "4249abe3 c3177457 c3a3a105"),
    "cdna3.bf16": ("c0035923639755e1", "23c405eca8e34ace", "c3141d24 c2ac0f1f 439ea9c0"),
    "cdna3.xf32": ("06e58b3caff66de9", "761f465c87fcafed", "40847a3e c349fbd7 41558e71"),
    "cdna3.e4m3fnuz": ("28c29071e1a714e0", "811022cd80172cf2", "c3a38afb c2bbea79 c0b83e30"),
}


def digest(codes: Sequence[int], spec: str) -> str:
    """SHA-256 of little-endian words, 16 hex digits."""
    dtype = "<u2" if spec.endswith("/fp16") else "<u4"
    return hashlib.sha256(np.array(codes, dtype).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("spec", DIGESTS)
def test_first_outputs(spec: str) -> None:
    """The first three dots of mode N; whole digests: `python -m tests.exhaustive.matrix_units`."""
    wanted = [int(word, 16) for word in DIGESTS[spec][2].split()]
    assert dots(spec, "N", 3) == wanted


def one(spec: str, a: Sequence[float], b: Sequence[float], c: float) -> float:
    """c + Σ a·b."""
    left, right = [from_float(x) for x in a], [from_float(x) for x in b]
    return to_float(dot(left, right, parse_unit(spec), from_float(c)).value)


CANCELLED = {
    "volta.fp16": 0.0,
    **dict.fromkeys(("turing.fp16", "ampere.fp16", "ampere.bf16", "ada.tf32"), -0.5),
    "ada.e5m2": 0.0,
    "hopper.fp16": -0.75,
    "blackwell.fp16": -0.75,
    "hopper.e5m2": 0.0,
    "blackwell.e5m2": -0.75,
    "cdna1.fp16": -0.875,
    **dict.fromkeys(("cdna2.fp16", "cdna2.bf16_1k"), 0.0),
    "cdna2.bf16": -0.375,
    **dict.fromkeys(("cdna3.fp16", "cdna3.bf16", "cdna3.xf32"), -0.5),
    "cdna3.e5m2fnuz": -1.0,
    "fp64xfp64+fp64": -0.875,
}


@pytest.mark.parametrize("spec", CANCELLED)
def test_cancellation(spec: str) -> None:
    """−2^23 − 0.875 + 2^23: what is left tells the units apart."""
    got = one(spec, [-(2.0**13), -0.5, -0.25, -0.125], [2.0**10, 1, 1, 1], 2.0**23)
    assert got == CANCELLED[spec]


GENERATIONS = ("volta", "turing", "hopper")
MEMBERS = {"volta": 0, "turing": 1, "ampere": 1, "ada": 1, "hopper": 2, "blackwell": 2}
U = 2.0**-24
PROBES = [
    ((1,), (1,), -(1 - U), (2 * U, U, U)),
    ((1, 0.5), (1, -U), -(1 - U), (2 * U, U, U / 2)),
    ((1,), (1.25,), -(0.125 + 2.0**-25), (1.125, 1.125, float.fromhex("0x1.1ffffep0"))),
    ((2,), (1,), 3 * U, (2.0, 2.0, 2.0)),
    ((-2,), (1,), -3 * U, (-2.0, -2.0, -2.0)),
    ((1, 1), (3, 2 * U), 1 + 6 * U, (4.0, 4 + 8 * U, 4 + 8 * U)),
    ((4,), (1,), 1 + 6 * U, (5.0, 5.0, 5.0)),
    ((1, 1, 1, 1), (1, 1.5, 1.75, 1.875), 1.875, (8.0, 8.0, 8.0)),
    ((0,), (0,), 2.0**-149, (2.0**-149,) * 3),
]


@pytest.mark.parametrize("unit", MEMBERS)
@pytest.mark.parametrize("probe", PROBES)
def test_probe(unit: str, probe: tuple[tuple[float, ...], tuple[float, ...], float, tuple[float]]):
    """Questions that were put to silicon: fp16 operands, fp32 sums."""
    a, b, c, answers = probe
    assert one(f"{unit}.fp16", a, b, c) == answers[MEMBERS[unit]]


@pytest.mark.parametrize("unit", MEMBERS)
def test_half_output(unit: str) -> None:
    """The sum of a block is rounded once: 2^-25 + 2^-26 is more than half the smallest fp16."""
    assert one(f"{unit}.fp16/fp16", (2.0**-12, 2.0**-13), (2.0**-13,) * 2, 0.0) == U


@pytest.mark.parametrize("name", MATRIX_UNITS)
def test_names(name: str) -> None:
    """A name is its description."""
    unit = hwsim.mac(name)
    assert isinstance(unit.order, Fused | Staged | Tree)
    assert hwsim.mac(str(unit)) == unit
    assert str(hwsim.mac(f"{name}:out=bf16")) == f"{replace(unit, nan=None)}:out=bf16"


@pytest.mark.parametrize(
    ("a", "b", "c", "wanted"),
    [
        ((np.inf, 1), (0, 1), 0.0, "NaN"),
        ((np.inf, -np.inf), (1, 1), 0.0, "NaN"),
        ((np.inf, -1), (1, 1), 1.0, "Inf"),
        ((1, 1), (1, 1), -np.inf, "-Inf"),
        ((2.0**15,) * 4, (2.0**15,) * 4, 2.0**127, "1*2^127"),
        ((0, -1), (-1, 0), -0.0, "0"),
        ((1, -1), (1, 1), -0.0, "0"),
    ],
)
def test_special_values(a: Sequence[float], b: Sequence[float], c: float, wanted: str) -> None:
    """Infinities as IEEE 754 adds them; an exact zero is +0."""
    left, right = [from_float(float(x)) for x in a], [from_float(float(x)) for x in b]
    got = dot(left, right, parse_unit("volta.fp16"), from_float(c)).value
    assert str(got) == wanted


def test_large_products() -> None:
    """Products of 2^128 do not become Inf, their sum does, even toward zero."""
    x = 2.0**64
    assert one("ampere.bf16", (x, x), (x, -x), 1.0) == 0.0
    assert one("ampere.bf16", (x, -x), (x, x / 2), 0.0) == 2.0**127
    assert one("ampere.bf16", (x,), (x,), 0.0) == np.inf


def test_no_terms() -> None:
    """K = 0 gives c, unrounded, or +0."""
    c = 1 + 2.0**-23
    assert one("hopper.e4m3", (), (), c) == c
    assert one("hopper.e4m3", (0.0,), (1.0,), c) == 1.0  # one block rounds it


def test_rounded_terms() -> None:
    """`n` rounds what `f` cuts, ties to even; without `f` nothing is lost."""
    spec = "fp16xfp16+fp32:fused4"
    a, b = (1.0, 2.0**-9, 2.0**-9), (1.0, 2.0**-1, 2.0**-2)
    assert one(f"{spec}f9", a, b, 0.0) == 1.0
    assert one(f"{spec}f9n", (1.0, 3.0, 2.0**-9), (1.0, 2.0**-10, 0.5), 0.0) == 1 + 2.0**-8
    assert one(spec, a, b, 0.0) == 1 + 2.0**-10 + 2.0**-11


def test_promotion() -> None:
    """DeepSeek-V3, §3.3.2: K = 4096 on (0, 1): error grows with N_C, and 128 cures it."""
    generator = np.random.default_rng(20251)
    a, b = (hwsim.round(generator.random(s), "e4m3") for s in ((8, 4096), (4096, 1)))
    exact = a.astype(float) @ b.astype(float)
    unit = "e4m3xe4m3+fp32:rtz:inf_always:fused32f13z-133{}/e8m13"
    errors = [
        np.mean(np.abs(hwsim.matmul(a, b, unit.format(p)) - exact) / exact)
        for p in ("p128", "p512", "p2048", "")
    ]
    assert errors == sorted(errors)
    assert errors[-1] > 50 * errors[0]


@pytest.mark.parametrize("telemetry", [False, "counts", True])
@pytest.mark.parametrize("spec", ["hopper.e5m2", "volta.fp16/fp16", "e5m2xe5m2+e6m9:fused4f9p8"])
def test_products(spec: str, telemetry: bool | str) -> None:
    """Whole tensors, whatever is counted."""
    generator = np.random.default_rng(7)
    a, b = (hwsim.round(generator.normal(size=s), "e5m2") for s in ((3, 37), (37, 2)))
    c = hwsim.round(generator.normal(size=(3, 2)), "e5m2")
    wanted, counted = hwsim.reference.matmul(a, b, spec, c, telemetry=True)
    got = hwsim.matmul(a, b, spec, c=c, telemetry=telemetry)
    np.testing.assert_array_equal(got[0] if telemetry else got, wanted)
    if telemetry is True:
        assert got[1] == counted
        assert counted.additions == counted.products == 3 * 37 * 2
    image = hwsim.conv2d(a[None, :, None, :1], b.T[:, :3, None, None][:, :3], spec)
    assert image.shape == (1, 2, 1, 1)
    assert image.ravel()[0] == hwsim.matmul(a[:, 0][None], b[:3, :1], spec).item()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("e4m3xe4m3+fp16:fused0", "fused0"),
        ("e4m3xe4m3+fp16:fused65537", "fused65537"),
        ("e4m3xe4m3+fp16:fused4f5000", "fused4f5000"),
        ("e4m3xe4m3+fp16:fused4z3", "fused4z3"),
        ("e4m3xe4m3+fp16:fused4f9/fp32", "fused4f9/fp32"),
        ("e4m3xe4m3+fp16:fused4f9/int8", "int8"),
        ("int8xint8+fp16:fused4f9", "int8"),
        ("e4m3xe4m3+int32:fused4f9", "int32"),
        ("e4m3xe4m3+fp16:fused4f9:mul_add", "mul_add"),
        ("e4m3xe4m3:mitchell+fp16:fused4f9", "mitchell"),
    ],
)
def test_refused(text: str, wrong: str) -> None:
    """What no matrix unit is, with the place that says so."""
    with pytest.raises(hwsim.SpecError) as caught:
        hwsim.mac(text)
    assert text[caught.value.start :].startswith(wrong), caught.value


def test_many_products_of_the_reference_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the wait."""
    monkeypatch.setattr("hwsim.simulate.products.MANY", 7)
    with pytest.warns(RuntimeWarning, match="no kernel computes this; the exact reference multi"):
        hwsim.matmul(np.ones((2, 2)), np.ones((2, 2)), "fp64xfp64+fp32:fused4f20")
