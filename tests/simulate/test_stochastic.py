"""Stochastic rounding on the kernels: the reference's bits and counts, published digests, Wang's
column, and streams that do not depend on how work is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim import reference
from hwsim.simulate import blocks, datapaths, wide
from hwsim.simulate.facts import Facts
from hwsim.testing.draws import apart
from tests.simulate.comparison import bits, count_differences, outcome, same
from tests.simulate.test_digests import digest, operands, splitmix64

Array = npt.NDArray[Any]
__all__ = ["operands"]  # a fixture


@pytest.fixture(autouse=True)
def needed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that other formats would need next are not compiled: minutes, for all the rules."""
    monkeypatch.setattr(blocks, "prepare_way", lambda *given: None)


ROUNDINGS = ("sr8", "sr4b", "sr5c", "sr1", "sr12c", "sr10b")
REGISTERS = (
    *("e5m2xe5m2+e6m9:sr8-lfsr16", "e4m3xe4m3+fp16:sr5b-lfsr9", "bf16xbf16+fp32:sr4c-lfsr31"),
    "e5m2xe5m2+e6m9:sr8-lfsr32:chunk4",
    "e4m3xe4m3+e4m3:saturate:sr3-lfsr3:chunk7/fp16:out=e5m2",
)
ACCUMULATORS = (
    *("e5m2", "e4m3", "e6m9", "bf16", "fp16", "fp32", "e8m9", "int32", "e3m4:chunk3"),
    *("e5m2:inf_always", "e5m2:saturate", "e4m3:nan", "e4m3fnuz:chunk5/bf16"),
)
OPERANDS = ("e4m3xe4m3", "e5m2xe5m2", "bf16xbf16", "int8xint8", "int8xe4m3")


def draw_case(pair: str, generator: np.random.Generator, style: int) -> tuple[Array, Array, Any]:
    """a, b and c: of one size, tiny, large, and of all magnitudes with c = −0 here and there."""
    m, k = int(generator.integers(1, 9)), int(generator.integers(0, 14))
    n = int(generator.integers(1, 75 if style == 0 else 9))
    a = generator.normal(size=(m, k)) * (1.0, 0.01, 30.0, 1.0)[style]
    b = generator.normal(size=(k, n))
    if style == 3:
        a *= 10.0 ** generator.uniform(-3, 3, a.shape)
    if "int" in pair:
        a, b = np.rint(a * 5), np.rint(b * 5)
    a[generator.random(a.shape) < 0.1] = 0.0
    c = np.rint(generator.normal(size=(m, n))) if style % 2 else None
    if c is not None and style == 3:
        c.reshape(-1)[::2] = -0.0
    return a, b, c


@pytest.mark.parametrize("accumulator", ACCUMULATORS)
def test_every_way_gives_the_reference(accumulator: str) -> None:
    """Two pairs of operands, four styles of data, whatever is counted: bits and counts."""
    generator = np.random.default_rng(hash_of(accumulator))
    name, _, rules = accumulator.partition(":")
    compared = 0
    for turn in range(2):
        pair = OPERANDS[(ACCUMULATORS.index(accumulator) + 2 * turn) % len(OPERANDS)]
        rounding = ROUNDINGS[(turn + len(accumulator)) % len(ROUNDINGS)]
        unit = f"{pair}+{name}:{rounding}" + (f":{rules}" if rules else "")
        for style in range(4):
            a, b, c = draw_case(pair, generator, style)
            wanted = outcome(reference.matmul, a, b, unit, c=c, seed=7, telemetry=True)
            if isinstance(wanted, str):
                assert outcome(hwsim.matmul, a, b, unit, c=c, seed=7) == wanted
                continue
            for telemetry in (False, "counts", True):
                got = hwsim.matmul(a, b, unit, c=c, seed=7, telemetry=telemetry)
                values = got[0] if telemetry else got
                assert bits(values) == bits(wanted[0]), (unit, telemetry, style)
                if telemetry:
                    assert not count_differences(got[1], wanted[1], telemetry == "counts"), unit
                compared += 1
    assert compared > 8


DRAWS = ("sr8", "sr4b", "sr8c", "sr2c", "sr8-lfsr16", "sr5c-lfsr9")
MIXED = [("fp16xfp16+e5m2", rounding) for rounding in DRAWS]
MIXED += [("bf16xbf16+fp16", rounding) for rounding in DRAWS[:2]]
MIXED += [("bf16xbf16+bf16:chunk3", rounding) for rounding in DRAWS[2:4]]


@pytest.mark.parametrize(("unit", "rounding"), MIXED)
def test_infinite_sums_beside_subnormal_ones(unit: str, rounding: str) -> None:
    """One large operand may make sums infinite: tiny ones are rounded on their grid all the same,
    and a step after an infinite sum leaves it."""
    generator = np.random.default_rng(4)
    kinds = hwsim.mac(unit)
    top, low = float(kinds.a.largest) / 2, float(kinds.outer_format.smallest)
    for k in (2, 7):
        a = generator.choice([-1.0, 1.0, 1.5, -0.75], (6, k)) * low**0.5 / 2
        b = generator.choice([-1.0, 1.0, 1.25, -0.5], (k, 9)) * low**0.5 / 2
        a[1, 0], a[2, -1], b[0, 3], b[-1, 4], b[0, 5] = top, -top, top, top, 0.0
        c = np.where(generator.random((6, 9)) < 0.3, -0.0, low)
        for start in (None, c):
            wanted = reference.matmul(a, b, f"{unit}:{rounding}", c=start, seed=9, telemetry=True)
            for telemetry in (False, "counts", True):
                got = hwsim.matmul(a, b, f"{unit}:{rounding}", c=start, seed=9, telemetry=telemetry)
                assert bits(got[0] if telemetry else got) == bits(wanted[0]), telemetry
                if telemetry:
                    assert not count_differences(got[1], wanted[1], telemetry == "counts")


@pytest.mark.parametrize("unit", ["e5m2xe5m2+e6m9:sr5c", "fp16xfp16+fp16:sr5c"])
def test_ties_but_for_a_bit_that_the_carrier_loses(unit: str) -> None:
    """Rule C must know whether anything lies below a tie; in one direction of odd draws only."""
    generator, mac, ties = np.random.default_rng(5), hwsim.mac(unit), 0
    nearest = str(mac.rounding).replace("c", "b")  # which takes ties up
    for _ in range(30):
        a, b, c = apart(mac, 16, 16, generator)
        wanted = reference.matmul(a, b, unit, c=c)
        assert bits(hwsim.matmul(a, b, unit, c=c)) == bits(wanted)
        ties += np.count_nonzero(
            reference.matmul(a, b, replace(mac, rounding=nearest), c=c) != wanted
        )
    assert ties > 10


@pytest.mark.parametrize("unit", REGISTERS)
def test_shift_registers_move_in_the_fast_kernels(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over more k than stay in cache, and over chunks, whose registers start K clocks later."""
    monkeypatch.setattr(wide, "wide_product", None)
    generator = np.random.default_rng(3)
    for shape in ((2, 5, 23, 20), (1, 2, 700, 3), (1, 3, 1, 70), (1, 2, 0, 2)):
        batch, m, k, n = shape
        a = generator.normal(size=(batch, m, k)) * 10.0 ** generator.uniform(-2, 2, (batch, m, k))
        b, c = generator.normal(size=(k, n)), np.rint(generator.normal(size=(batch, m, n)))
        wanted = reference.matmul(a, b, unit, c=c, seed=5, telemetry=True)
        for telemetry in (False, "counts", True) if k < 700 else (False,):
            got = hwsim.matmul(a, b, unit, c=c, seed=5, telemetry=telemetry)
            assert bits(got[0] if telemetry else got) == bits(wanted[0])
            if telemetry:
                assert not count_differences(got[1], wanted[1], telemetry == "counts")


@pytest.mark.parametrize("outer", ["bf16", "fp16"])
def test_registers_of_chunk_sums_alone(outer: str) -> None:
    """Inner sums that nothing rounds draw nothing."""
    generator = np.random.default_rng(7)
    a, b = generator.integers(-99, 99, (3, 70)), generator.integers(-99, 99, (70, 9))
    for inner in ("fp32", "int32"):
        unit = f"int8xint8+{inner}:sr8-lfsr16:chunk16/{outer}"
        wanted = reference.matmul(a, b, unit, seed=3, telemetry=True)
        for telemetry in (False, "counts", True):
            got = hwsim.matmul(a, b, unit, seed=3, telemetry=telemetry)
            assert bits(got[0] if telemetry else got) == bits(wanted[0])
            if telemetry:
                assert not count_differences(got[1], wanted[1], telemetry == "counts")


def hash_of(text: str) -> int:
    """A seed that does not depend on the process."""
    return int.from_bytes(text.encode()[:8], "little")


def test_the_fast_kernels_serve_these() -> None:
    """What `test_every_way_gives_the_reference` compares are the blocked kernels, most often."""
    generator = np.random.default_rng(1)
    a = hwsim.round(generator.normal(size=(1, 16, 64)), "e5m2")
    facts = Facts(a, hwsim.round(generator.normal(size=(1, 64, 16)), "e5m2"), None)
    for accumulator in ("e6m9", "bf16", "fp16", "fp32", "e5m2", "e6m9:chunk8/fp32"):
        name, _, order = accumulator.partition(":")
        unit = hwsim.mac(f"e5m2xe5m2+{name}:sr8" + (f":{order}" if order else ""))
        assert datapaths.plan(unit, facts, 0) is not None, accumulator


ODD_UNITS = (
    "e5m2xe5m2+fp16:sr12b-lfsr16:mul_add:chunk4/bf16:out=e5m2",
    "e4m3xe4m3+e4m3:sr4c:out=e3m2",
    "int8xint8+int16:sr3:out=int8",
    "fixed3.4xfixed3.4+fixed6.3:srb:wrap",
    "e5m2xe5m2+e6m9:sr8:exact",
    "e5m2xe5m2+e6m9:sr8-lfsr9:exact:out=bf16",
    "fp32xfp32+fp32:sr16c",
    "e4m3xe4m3+dlfloat16:sr8b",
    "e5m2xe5m2+e6m9:sr32:chunk7:out=e6m3:mul_add/bf16",
    "fp64xfp64+fp64:sr",
)


@pytest.mark.parametrize("unit", ODD_UNITS)
def test_units_of_every_part(unit: str) -> None:
    """Rounded products, output conversions, exact sums, registers: matmul and both convolutions,
    with Inf and NaN where the formats have them, cut into small parts and over threads."""
    generator = np.random.default_rng(hash_of(unit[-8:]))
    a, b = generator.normal(size=(2, 5, 9)), generator.normal(size=(9, 7))
    a *= 10.0 ** generator.uniform(-4, 3, a.shape)
    wanted = reference.matmul(a, b, unit, seed=2**63 + 5, telemetry=True)
    for telemetry in (False, "counts", True):
        got = hwsim.matmul(a, b, unit, seed=2**63 + 5, telemetry=telemetry)
        assert bits(got[0] if telemetry else got) == bits(wanted[0])
        if telemetry:
            assert not count_differences(got[1], wanted[1], telemetry == "counts")
    got = hwsim.matmul(a, b, unit, seed=2**63 + 5, memory_limit=1 << 20, threads=2)
    assert bits(got) == bits(wanted[0])
    if hwsim.mac(unit).accumulator.has_inf:
        a[0, 0, 0], a[1, 2, 3] = np.inf, np.nan
        wanted = outcome(reference.matmul, a, b, unit, seed=1)
        assert same(outcome(hwsim.matmul, a, b, unit, seed=1), wanted)
    x, w = generator.normal(size=(2, 4, 5, 6)), generator.normal(size=(6, 2, 3, 2))
    how: dict[str, Any] = {"stride": (1, 2), "padding": 1, "groups": 2, "seed": 5}
    assert bits(hwsim.conv2d(x, w, unit, **how)) == bits(reference.conv2d(x, w, unit, **how))
    w = generator.normal(size=(4, 3, 3, 2))
    turned = reference.conv_transpose2d(x, w, unit, **how)
    assert bits(hwsim.conv_transpose2d(x, w, unit, **how)) == bits(turned)


FORMATS = (
    *("e4m3", "e5m2", "bf16", "e8m0", "int8", "fixed3.4", "ufixed3.3", "dlfloat16", "fp64"),
    *("fp32", "e4m3fnuz", "e5m0fnuz", "int40", "fixed3.60", "uint4", "e2m1"),
)


@pytest.mark.parametrize("rounding", ["sr", "sr3b", "sr13c", "sr2-lfsr7", "sr32"])
@pytest.mark.parametrize("fmt", FORMATS)
def test_arrays(fmt: str, rounding: str) -> None:
    """round and encode of floats and integers, under every rule."""
    generator = np.random.default_rng(hash_of(fmt + rounding))
    for dtype in ("f4", "f8", "i8"):
        x = generator.normal(size=(3, 101)) * 10.0 ** generator.uniform(-6, 4, (3, 101))
        x = x.astype(dtype)
        if dtype != "i8":
            x[0, :6] = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0]
        for options in ({}, {"nan": "zero"}, {"overflow": "saturate"}, {"overflow": "wrap"}):
            for name in ("round", "encode"):
                wanted = outcome(getattr(reference, name), x, fmt, rounding, seed=9, **options)
                got = outcome(getattr(hwsim, name), x, fmt, rounding, seed=9, **options)
                assert same(got, wanted), (dtype, options, name)


def test_long_arrays_are_cut_anyhow() -> None:
    """Element i takes draw i, beyond one piece too."""
    x = np.random.default_rng(3).normal(size=40_000).astype(np.float32)
    r = (splitmix64(11, x.size) & np.uint64(255)).astype(np.int64)
    step = np.ldexp(1.0, np.frexp(np.abs(x))[1] - 4)  # e4m3: four significant bits
    step = np.maximum(step, 2.0**-9)
    wanted = np.floor((np.abs(x) / step * 256 + r) / 256) * step * np.sign(x)
    assert np.array_equal(hwsim.round(x, "e4m3", "sr", seed=11), wanted.astype(np.float32))


# --- published numbers ----------------------------------------------------------------------------
@pytest.mark.parametrize("telemetry", [False, "counts", True])
@pytest.mark.parametrize(
    ("data", "wanted", "first"),
    [("signed", "093cbb4cb798dff3", -215.75), ("abs", "da3ff5f98331d7c9", 31072.0)],
)
def test_digests(
    operands: tuple[Array, Array], data: str, wanted: str, first: float, telemetry: bool | str
) -> None:
    """256 dot products of 4096 terms, draw k of dot d the low byte of word 4096·d + k."""
    a, b = map(np.abs, operands) if data == "abs" else operands
    got = hwsim.matmul(a, b, "e5m2xe5m2+e6m9:sr8", seed=20252, telemetry=telemetry)
    values = got[0] if telemetry else got
    assert values.ravel()[0] == first
    assert digest(values.ravel()) == wanted


@pytest.mark.parametrize(("n", "published"), [(4096, 0.014), (16384, 0.022), (65536, 0.018)])
def test_wang_stochastic_column(n: int, published: float) -> None:
    """Wang et al. 2018, figure 3b, no chunks: mean |relative error| over 400 sums of n uniform
    values.  |error| scatters by 0.76 of its mean (half normal), so the published mean of
    50 trials is good to 11 %, ours to 4 %: four standard errors of both together are 46 %.

    16 bits: with 8, StochasticA loses up to 2^-8 of a step at each of 65536 additions, 8 % in all.
    """
    generator = np.random.default_rng(1812)
    width = np.sqrt(3.0)
    values = hwsim.round(generator.uniform(1 - width, 1 + width, (400, n)), "e6m9")
    sums = hwsim.matmul(values, np.ones((n, 1)), "e6m9xe6m9+e6m9:sr16", seed=8).ravel()
    exact = values.sum(axis=1, dtype=np.float64)
    error = float(np.mean(np.abs(sums / exact - 1)))
    assert abs(error / published - 1) < 0.46, error


# --- streams --------------------------------------------------------------------------------------
def test_results_do_not_depend_on_cuts() -> None:
    """Threads, memory, counting; parts of a product are not the whole's: they are numbered anew."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(3, 70, 90)), generator.normal(size=(90, 130))
    for how in ("e6m9:sr8", "e6m9:sr8:chunk16/fp16", "fp16:sr8-lfsr12:chunk9"):
        unit = f"e5m2xe5m2+{how}"
        whole = hwsim.matmul(a, b, unit, seed=4, threads=1)
        assert bits(hwsim.matmul(a, b, unit, seed=4, threads=3)) == bits(whole)
        assert bits(hwsim.matmul(a, b, unit, seed=4, memory_limit=1 << 20)) == bits(whole)
        assert bits(hwsim.matmul(a, b, unit, seed=4, telemetry=True)[0]) == bits(whole)
        assert bits(hwsim.matmul(a[:1], b, unit, seed=4)) == bits(whole[:1])
        assert not np.array_equal(hwsim.matmul(a[1:], b, unit, seed=4), whole[1:])
        assert not np.array_equal(hwsim.matmul(a, b, unit, seed=5), whole)


def test_convolutions_do_not_depend_on_cuts() -> None:
    generator = np.random.default_rng(0)
    x, w = generator.normal(size=(5, 4, 40, 33)), generator.normal(size=(6, 2, 3, 3))
    unit = "e4m3xe4m3+e5m7:sr8:chunk8"
    whole = hwsim.conv2d(x, w, unit, groups=2, padding=1, seed=4)
    small = hwsim.conv2d(x, w, unit, groups=2, padding=1, seed=4, memory_limit=1 << 20, threads=2)
    assert bits(small) == bits(whole)
    assert bits(hwsim.conv2d(x[:2], w, unit, groups=2, padding=1, seed=4)) == bits(whole[:2])
    alone = reference.dot(x[4, 2:, 10:13, 20:23].ravel(), w[3].ravel(), unit, seed=4, output=0)
    assert alone.shape == ()
    at = (4, 3, 11, 21)
    number = int(np.ravel_multi_index(at, whole.shape))
    patch = x[4, 2:, 10:13, 20:23].ravel()
    assert reference.dot(patch, w[3].ravel(), unit, seed=4, output=number) == whole[at]


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**64, ValueError), (0.5, TypeError)]
)
def test_seeds_are_checked(seed: Any, error: type[Exception]) -> None:
    """Everywhere, whatever the rounding."""
    one = np.ones((1, 1, 1, 1))
    for call in (
        lambda: hwsim.matmul([[1.0]], [[1.0]], "e4m3xe4m3+fp16", seed=seed),
        lambda: hwsim.conv2d(one, one, "e4m3xe4m3+fp16", seed=seed),
        lambda: hwsim.conv_transpose2d(one, one, "e4m3xe4m3+fp16", seed=seed),
        lambda: hwsim.round(1.0, "e4m3", seed=seed),
        lambda: hwsim.encode(1.0, "e4m3", seed=seed),
        lambda: reference.matmul([[1.0]], [[1.0]], "e4m3xe4m3+fp16", seed=seed),
        lambda: reference.round(1.0, "e4m3", seed=seed),
    ):
        with pytest.raises(error, match="seed="):
            call()


def test_new_formats_seeds_and_bits_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """N, the seed and the format are numbers in one compiled kernel."""
    from hwsim_kernels.blocked import run_kernel
    from hwsim_kernels.paths import DRAWN_A, NONE

    monkeypatch.undo()
    blocks._compile(datapaths.drawn_family(NONE, DRAWN_A))  # as its first kernel does
    a = np.random.default_rng(2).normal(size=(8, 32))
    hwsim.matmul(a, a.T, "e5m2xe5m2+e6m9:sr8")
    before = run_kernel.cache_info().misses
    for unit in ("e4m3xe4m3+e5m9:sr4", "e5m2xe5m2+e7m8:sr11", "e3m4xe3m4+e8m7:sr2"):
        hwsim.matmul(a, a.T, unit, seed=3)
    assert run_kernel.cache_info().misses == before
