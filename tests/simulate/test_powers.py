"""Shifters and logarithmic multipliers: definitions spelt out again, kernels against the reference,
all pairs of 8-bit codes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim import SpecError, reference
from hwsim.formats import FixedFormat, LogFormat
from hwsim.reference.multipliers import antilogarithm
from hwsim.simulate import blocks, describe, powers, products
from hwsim.units.multipliers import Logarithmic, Shift
from tests.simulate.comparison import bits, check_matmul

Array = Any


@pytest.fixture
def by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """No product falls back on the reference."""

    def refuse(facts: Any, unit: Any, level: int, draws: Any) -> Any:
        raise AssertionError(f"{unit} has no kernel")

    monkeypatch.setattr(products, "by_reference", refuse)


def all_values(fmt: Any) -> Array:
    """Every finite value, zeros of both signs included."""
    codes = np.arange(1 << fmt.width)
    if hasattr(fmt, "values_by_code"):
        codes = np.array(sorted(fmt.values_by_code))
    values = reference.decode(codes, fmt)
    return values[np.isfinite(values)]


# --- definitions, spelt out again -------------------------------------------------------------
def shifted(x: Fraction, y: Fraction, unit: Any) -> Fraction:
    """The product of a word x and a power y, in fractions."""
    if not x or not y:
        return Fraction(0)
    if isinstance(unit.a, FixedFormat):
        last, down = Fraction(2) ** unit.a.quantum_exponent, math.floor
    else:
        e = max(math.frexp(x)[1] - unit.a.precision, unit.a.quantum_exponent)
        last, down = Fraction(2) ** e, math.trunc
    unit_of_guard = last / 2**unit.core.guard
    sign = -1 if y < 0 else 1
    return sign * down(x * abs(y) / unit_of_guard) * unit_of_guard


def logarithmic(x: float, y: float, unit: Any) -> Fraction:
    """The same of two values that stand for powers, by the logarithms that math gives."""
    if not x or not y:
        return Fraction(0)
    bits, places = unit.core.bits, unit.core.table_bits
    total = round((math.log2(abs(x)) + math.log2(abs(y))) * 2**bits)
    whole, part = divmod(total, 1 << bits)
    entry = round(2 ** (places + part / 2**bits))
    return Fraction(entry) * Fraction(2) ** (whole - places) * (-1 if (x < 0) != (y < 0) else 1)


SHIFTERS = (
    "int8xpow2_7b40:shift2+fp64",
    "uint8xpow2_4b5:shift0+fp64",
    "int8xpow2_4b7_unsigned:shift5+fp64",
    "fixed2.5xpow2_5b9:shift1+fp64",
    "e4m3xpow2_5b12:shift2+fp64",
    "e5m2xe4m0none:shift0+fp64",
    "int8xcodebook_n0.25_0.125_4:shift1+fp64",
)
LOGARITHMS = (
    "log4.3xlog4.3:log8+fp64",
    "lns8xlns8:log3+fp64",
    "log5.2b60xlog3.4b9:log0+fp64",
    "log0.7xlog0.7b40:log12+fp64",
    "log2.5_unsigned_nozeroxpow2_4:log30+fp64",
    "log3.4b5xlog0.7:log20+fp64",
)


@pytest.mark.usefixtures("by_kernels")
@pytest.mark.parametrize("spec", [*SHIFTERS, *LOGARITHMS])
def test_all_pairs(spec: str) -> None:
    """Every product of two codes, by the definition in other words."""
    unit = hwsim.mac(spec)
    a, b = all_values(unit.a), all_values(unit.b)
    got = hwsim.matmul(a[:, None], b[None, :], unit)
    if isinstance(unit.core, Shift):
        pairs = [[shifted(Fraction(float(x)), Fraction(float(y)), unit) for y in b] for x in a]
    else:
        pairs = [[logarithmic(float(x), float(y), unit) for y in b] for x in a]
    np.testing.assert_array_equal(got, np.array(pairs, np.float64))


@pytest.mark.usefixtures("by_kernels")
@pytest.mark.parametrize("spec", [*SHIFTERS, *LOGARITHMS])
def test_the_reference_and_the_signs_of_zeros(spec: str) -> None:
    """A slice of all pairs, telemetry included; and with the operands exchanged."""
    unit = hwsim.mac(spec)
    rng = np.random.default_rng(1)
    a, b = (rng.choice(all_values(f), 24) for f in (unit.a, unit.b))
    check_matmul(a[:, None], b[None, :], unit)
    operands, _, rest = spec.partition(":")
    one, _, other = operands.partition("x")
    check_matmul(b[:, None], a[None, :], f"{other}x{one}:{rest}")


@pytest.mark.parametrize("bits", range(1, 11))
def test_table_of_powers(bits: int) -> None:
    """Two ways to the nearest entry, of any width; both next to their neighbours' middle."""
    for places in (0, 1, 8, 23, 52):
        core = Logarithmic(bits, places)
        table, _ = powers.entries(core, 3, np.dtype(object))
        parts = range(1 << bits) if bits <= 6 else (0, 1, 5, 77, (1 << bits) - 1)
        for part in parts:
            entry = antilogarithm(part, bits, places)
            assert table[part] == entry
            assert table[part + (1 << bits)] == 2 * entry
            exact = 1 << ((places << bits) + part)  # 2^places·2^(part/2^bits), to the 2^bits
            low, high = 2 * entry - 1, 2 * entry + 1
            assert low ** (1 << bits) <= exact << (1 << bits) < high ** (1 << bits)


@pytest.mark.parametrize(
    "fmt", ["log0.1", "log4.3", "lns8", "log1.10", "log5.10b512", "log5.3b128"]
)
def test_fractions_of_all_values(fmt: str) -> None:
    """The planes say what a code's logarithm is, in a finer one's fraction too."""
    log = hwsim.format(fmt)
    assert isinstance(log, LogFormat)
    for places in {log.fraction_bits, 10}:
        values = reference.decode(np.array(sorted(log.values_by_code)), log)[None, None]
        out = np.empty((2, *values.shape))
        powers.looked_up(Logarithmic(places, 0), values, (out, out.view(np.int64)), (0, 0, False))
        fields = np.array(sorted(log.values_by_code)) & log.last_field
        wanted = (fields - log.exponent_bias) << (places - log.fraction_bits)
        some = values[0, 0] != 0
        np.testing.assert_array_equal(
            out.view(np.int64)[0, 0, 0][some], wanted[some] % (1 << places)
        )
        np.testing.assert_array_equal(
            out[1, 0, 0][some], np.copysign(np.exp2(wanted >> places), values[0, 0])[some]
        )
        assert not out[1, 0, 0][~some].any()


# --- sums and counts --------------------------------------------------------------------------
UNITS = (
    "int8xpow2_4b7:shift2+fixed13.2",
    "int8xpow2_4b7:shift2+int16",
    "int8xpow2_4b7:shift0+int8:saturate",
    "pow2_4b7xint8:shift1+int9:chunk3/fixed5.2",
    "int8xpow2_4b7:shift2+fp16:rdn",
    "e4m3xpow2_4b7:shift0+fp16",
    "bf16xe8m0:shift3+fp32",
    "fp16xe5m0none:shift1+fp16:rdn",
    "int8xpow2_4b7:shift2+exact",
    "int8xpow2_4:shift2+int16",
    "int8xpow2_4b7:shift2+int16:tree4",
    "log4.3xlog4.3:log8+fp32",
    "log4.3b64xlog4.3b64:log8+fp16",
    "log4.3b70xlog4.3b70:log8+e5m2:chunk4/fp16",
    "log2.5xlog2.5:log8+e6m9:saturate",
    "log1.10xlog2.5:log20+fp32",
    "log4.3xpow2_4b3:log4+fixed9.4",
    "lns8xlns8:log8+fp32:sr8",
    "log4.3xlog4.3:log8+exact",
)


@pytest.mark.parametrize("spec", UNITS)
def test_sums_and_counts_are_the_references(spec: str) -> None:
    unit = hwsim.mac(spec)
    rng = np.random.default_rng(7)
    for m, k, n in ((1, 0, 1), (3, 1, 2), (4, 19, 5), (2, 7, 37), (37, 7, 2)):
        a, b = (rng.normal(0, 2.0 ** rng.uniform(-3, 6), s) for s in ((m, k), (k, n)))
        a[rng.random(a.shape) < 0.2] = -0.0
        if "e8m0" in spec:
            b = np.abs(b)
        c = rng.normal(size=(m, n)) if k % 2 else None
        check_matmul(a, b, unit, c)


def test_shifted_out() -> None:
    """3·2^-2 with one guard bit is 0.5, a bit lost; −3·2^-2 goes down to −1, 4·2^-2 loses none."""
    unit = "int8xpow2_4b7:shift1+fixed6.1"
    got, counts = hwsim.matmul([[3], [-3], [4], [0]], [[0.25]], unit, telemetry=True)
    assert got.ravel().tolist() == [0.5, -1.0, 1.0, 0.0]
    assert (counts.shifted_out, counts.zero_operands, counts.products) == (2, 1, 4)
    assert counts.to_dict()["shifted_out"] == 2
    exact = hwsim.matmul([[3]], [[0.25]], "int8xpow2_4b7+fixed6.2", telemetry=True)[1]
    assert exact.shifted_out == 0
    floats = hwsim.matmul([[-3.5]], [[-0.25]], "e4m3xpow2_4b7:shift0+fp16", telemetry=True)
    assert floats[0].item() == 0.75  # 14 of 16 quarters, cut: 3 quarters
    assert floats[1].shifted_out == 1


@pytest.mark.parametrize("spec", ["uint8xpow2_4b7:shift1+int16", "log4.3xlog4.3:log8+fp32"])
def test_convolutions(spec: str) -> None:
    """Padding is a zero operand, and the image is operand a; counts add up."""
    unit = hwsim.mac(spec)
    rng = np.random.default_rng(3)
    x, w = rng.integers(0, 256, (2, 3, 5, 4)), rng.normal(size=(4, 3, 3, 2))
    got, mine = hwsim.conv2d(x, w, unit, padding=1, stride=(2, 1), telemetry=True)
    wanted, theirs = reference.conv2d(x, w, unit, padding=1, stride=(2, 1), telemetry=True)
    np.testing.assert_array_equal(got, wanted)
    assert mine == theirs


def test_a_format_that_is_new_compiles_nothing() -> None:
    """Guard bits, tables and formats are numbers at run time."""
    from hwsim_kernels import planes

    a, b = np.ones((3, 4)), np.ones((4, 40))
    hwsim.matmul(a, b * 0.125, "int8xpow2_4b7:shift2+fixed13.2")
    hwsim.matmul(a, b, "log4.3xlog4.3:log8+fp16")
    kernels = (planes.words, planes.powers, planes.fractions)
    before = [len(kernel.signatures) for kernel in kernels]
    hwsim.matmul(a, b * 0.125, "int7xpow2_5b7:shift1+fixed10.3")
    hwsim.matmul(a, b, "log3.3xlog3.3:log6+fp16")
    assert [len(kernel.signatures) for kernel in kernels] == before


def test_what_kernels_say() -> None:
    assert describe(hwsim.mac("int8xpow2_4:shift2+int16"))[0] == (
        "shift2: no bit is shifted out, and multiplied exactly"
    )
    assert describe(hwsim.mac("int8xpow2_4b7:shift2+int16"))[0] == (
        "shift2: products are cut at the last guard bit"
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("int8xint8:shift2+int16", "exactly one must be powers of two"),
        ("pow2_4xbinary:shift2+int16", "exactly one must be powers of two"),
        ("pow2_4xcodebook_1_3:shift2+int16", "the other a float, an integer or fixed point"),
        ("log4.3xint8:shift2+int16", "most of its values are irrational"),
        ("int8xpow2_4:shift54+int16", "guard=54: an integer from 0 to 53"),
        ("int8xpow2_4:shift+int16", "did you mean 'shift2'"),
        ("log4.3xint8:log8+fp32", "operand format int8: log8 adds logarithms"),
        ("pow2_4xpow2_4:log8+fp32", "exact without a table"),
        ("log4.3xlog4.3:log53+fp32", "table_bits=53: an integer from 0 to 52"),
        ("log4.3xlog4.3+fp32", "as in log4.3xlog4.3:log8"),
        ("log4.3xlog4.3:drum2+fp32", "a logarithmic multiplier is needed"),
    ],
)
def test_refusals(spec: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        hwsim.mac(spec)
    assert message in caught.value.line


@pytest.mark.parametrize(
    ("unit", "a", "b"),
    [
        ("int8xe8m0:shift0+fp32", [[3.0, 5.0]], [[np.nan], [0.25]]),
        ("e5m2xpow2_4b7:shift0+fp32", [[np.inf, 1.25, np.nan]], [[0.25], [0.5], [0.5]]),
    ],
)
def test_nothing_is_shifted_out_of_infinities(unit: str, a: Any, b: Any) -> None:
    """NaN and Inf lose no bit, as operands of either kind."""
    wanted = reference.matmul(a, b, unit, telemetry=True)
    got = hwsim.matmul(a, b, unit, telemetry=True)
    assert bits(got[0]) == bits(wanted[0])
    assert got[1].shifted_out == wanted[1].shifted_out == 1


@pytest.mark.parametrize("spec", ["int8xpow2_4b7:shift2+fixed13.2", "e5m2xe4m0none:shift0+fp64"])
def test_cuts_without_the_instruction(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pair where no vector rounds toward zero: the cut comes of a sum and its error."""
    from hwsim_kernels import _jit, blocked, vectors

    unit = hwsim.mac(spec)
    a, b = (all_values(fmt).astype(np.float32) for fmt in (unit.a, unit.b))
    wanted = hwsim.matmul(a[:, None], b[None, :], unit)
    monkeypatch.setattr(vectors, "ROUNDS", False)
    monkeypatch.setattr(blocked, "kernel", _jit.helper)  # which nothing caches
    made: list[Any] = []

    def fresh(inner: Any) -> Any:
        made.append(blocked.run_kernel.__wrapped__(inner))
        return made[-1]

    monkeypatch.setattr("hwsim.simulate.orders.run_kernel", fresh)
    monkeypatch.setattr(blocks, "_program", blocks._program.__wrapped__)  # not the known one
    monkeypatch.setattr(blocks, "_known", _Everything())
    assert bits(hwsim.matmul(a[:, None], b[None, :], unit)) == bits(wanted)
    assert made


class _Everything:
    """A set that holds all kernels."""

    def __contains__(self, kernel: Any) -> bool:
        return True
