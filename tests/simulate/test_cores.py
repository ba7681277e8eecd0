"""Approximate multipliers inside MAC units: kernels against the reference, all pairs of 8 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim import reference
from hwsim.simulate import blocks, products, wide
from hwsim.testing import product_table
from hwsim.units import MacUnit, multiplier

CORES = (
    "mitchell",
    "mbm",
    "realm4",
    "realm16",
    "ilm0",
    "ilm1",
    "drum3",
    "drum6",
    "trunc5",
    "trunc5c",
)
TABLES = {
    "cut": multiplier(lambda a, b: (a * b) & ~7 | (a ^ b) & 3),
    "lopsided": multiplier(lambda a, b: max(a * b - 3, 0) + (a > b)),
    "signed": multiplier(lambda a, b: a * b - ((a & b) & 5), 8, True),
}


def unit_with(spec: str, core: str) -> MacUnit:
    """A unit with a named core, or one of the tables."""
    if core in TABLES:
        return replace(hwsim.mac(spec), core=TABLES[core])
    operands, _, rest = spec.partition("+")
    return hwsim.mac(f"{operands}:{core}+{rest}")


@pytest.fixture
def by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """No product falls back on the reference."""

    def refuse(facts: Any, unit: MacUnit, level: int, draws: Any) -> Any:
        raise AssertionError(f"{unit} has no kernel")

    monkeypatch.setattr(products, "by_reference", refuse)


@pytest.mark.usefixtures("by_kernels")
@pytest.mark.parametrize("accumulator", ["int32", "fp32"])
@pytest.mark.parametrize("core", [*CORES, "cut", "lopsided"])
def test_all_pairs_of_unsigned_bytes(core: str, accumulator: str) -> None:
    wanted = product_table(
        np.frombuffer(TABLES[core].entries, "<i8").reshape(256, 256) if core in TABLES else core
    )
    axis = np.arange(256)
    got = hwsim.matmul(axis[:, None], axis[None, :], unit_with(f"uint8xuint8+{accumulator}", core))
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.usefixtures("by_kernels")
@pytest.mark.parametrize("core", [*CORES, "cut", "lopsided", "signed"])
def test_all_pairs_of_signed_bytes(core: str) -> None:
    """Signs and magnitudes, the lowest integer's too; or a table's own signed products."""
    axis = np.arange(-128, 128)
    a, b = axis[:, None], axis[None, :]
    got = hwsim.matmul(a, b, unit_with("int8xint8+int32", core))
    if core == "signed":
        wanted = np.frombuffer(TABLES[core].entries, "<i8").reshape(256, 256)
    else:
        subject: Any = core
        if core in TABLES:
            subject = np.frombuffer(TABLES[core].entries, "<i8").reshape(256, 256)
        signs = np.where((a < 0) != (b < 0), -1, 1)  # of constants that zero operands have
        wanted = signs * product_table(subject)[np.abs(a), np.abs(b)]
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.usefixtures("by_kernels")
@pytest.mark.parametrize("core", ["mitchell", "mbm", "ilm1", "drum3", "trunc3", "trunc3c", "cut"])
@pytest.mark.parametrize("operands", ["e4m3xe4m3", "e5m2xe4m3fnuz"])
def test_pairs_of_small_floats(operands: str, core: str) -> None:
    """Significands, subnormal ones with their zeros, and the sign of zero products; a slice of all
    pairs."""
    unit = unit_with(f"{operands}+fp32", core)
    rng = np.random.default_rng(len(core))
    codes = np.arange(256)
    a, b = (reference.decode(codes, fmt) for fmt in (unit.a, unit.b))
    a, b = rng.choice(a[np.isfinite(a)], 24, False), b[np.isfinite(b)]
    a = np.append(a, [0.0, -0.0])
    got = hwsim.matmul(a[:, None], b[None, :], unit, c=np.float32(-0.0))
    wanted = reference.matmul(a[:, None], b[None, :], unit, c=np.float32(-0.0))
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


UNITS = (
    ("e4m3xe4m3+fp16", "mitchell"),
    ("e5m2xe5m2+e6m9:saturate:chunk4", "mitchell"),
    ("int8xint8+int12:saturate", "mitchell"),
    ("int8xint8+int12", "drum3"),
    ("int8xint8+int32", "trunc3"),
    ("e2m1xuint8+e5m2:rdn", "mitchell"),
    ("e2m1xuint8+e5m2:rdn:exact", "mitchell"),
    ("int8xint8+int32:lanes4", "trunc3"),
    ("e4m3xe4m3+fp16:tree4", "mitchell"),
    ("e4m3xe4m3+fp16:sr8", "drum3"),
    ("e4m3xe4m3+fp16:sr8", "ilm0"),
    ("int4xint8+int10:saturate", "trunc4c"),
    ("e4m3xint8+fp16:rtz", "drum4"),
    ("e4m3xe4m3+fp16:rup", "ilm1"),
    ("e4m3xe4m3+e6m9:rdn:chunk3/fp32", "mbm"),
    ("e3m2xe3m2+fp16:rna", "realm4"),
    ("int8xint8+int16", "signed"),
    ("uint8xint8+int16:saturate", "lopsided"),
    ("bf16xbf16+fp32", "mitchell"),
    ("fp16xfp16+fp32", "drum6"),
    ("int8xint8+exact", "mitchell"),
    ("e4m3xe4m3+exact", "mbm"),
    ("int8xint8+fp16:mul_add", "ilm1"),
    ("e4m3xe4m3+fp16:rto", "trunc3"),
)


@pytest.mark.parametrize(
    ("spec", "core", "level"),
    [(*unit, level) for unit in UNITS for level in (False, True)]
    + [(*unit, "counts") for unit in UNITS[:5]],
)
def test_sums_and_counts_are_the_references(spec: str, core: str, level: bool | str) -> None:
    unit = unit_with(spec, core)
    rng = np.random.default_rng(7)
    for m, k, n in ((1, 0, 1), (3, 1, 2), (4, 19, 5), (2, 7, 70), (70, 7, 2)):
        a, b = (rng.normal(0, 2.0 ** rng.uniform(-4, 6), s) for s in ((m, k), (k, n)))
        a[rng.random(a.shape) < 0.2] = -0.0
        c = rng.normal(size=(m, n)) if k % 2 else None
        got = hwsim.matmul(a, b, unit, c=c, telemetry=level)
        wanted = reference.matmul(a, b, unit, c=c, telemetry=bool(level))
        if level:
            (got, mine), (wanted, theirs) = got, wanted
            assert mine == (theirs if level is True else products.cheap(theirs))
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


ORDERS = (
    ("e5m2xe5m2+e6m9:lanes4", "mitchell"),
    ("e4m3xint8+fp16:saturate:lanes4-tree", "trunc3"),
    ("e4m3xe4m3+fp16:tree5", "mbm"),
    ("int8xint8+e6m9:tree4", "signed"),
    ("e5m2xe5m2+e6m9:sr8", "mitchell"),
    ("e3m4xe4m3+fp16:sr5c-lfsr16:chunk3/fp32", "realm4"),
    ("e5m2xe5m2+e6m9:sr8:lanes4", "mitchell"),
)


@pytest.mark.parametrize(("spec", "core"), ORDERS)
def test_orders_and_draws_have_fast_kernels(
    spec: str, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wide, "wide_product", None)
    for name in ("prepare", "prepare_way", "prepare_order", "prepare_joins"):
        monkeypatch.setattr(blocks, name, lambda *given: None)  # minutes, for what others need
    unit = unit_with(spec, core)
    rng = np.random.default_rng(8)
    for m, k, n in ((2, 1, 3), (3, 23, 40), (40, 6, 2), (1, 0, 1)):
        a, b = (rng.normal(0, 2.0 ** rng.uniform(-4, 6, s), s) for s in ((m, k), (k, n)))
        a[rng.random(a.shape) < 0.2] = -0.0
        c = np.rint(rng.normal(size=(m, n)))
        c[c == 0] = 0.0 if "int8xint8" in spec else -0.0  # integers' zeros have no sign
        got = hwsim.matmul(a, b, unit, c=c, seed=5)
        assert got.tobytes() == reference.matmul(a, b, unit, c=c, seed=5).tobytes()


def test_specials_are_those_of_exact_products() -> None:
    unit = hwsim.mac("e5m2xe5m2:mitchell+fp32")
    a, b = np.array([[np.inf, 1.0], [np.nan, 1.0], [np.inf, 0.0]]), np.array([[2.0], [1.0]])
    np.testing.assert_array_equal(hwsim.matmul(a, b, unit), [[np.inf], [np.nan], [np.inf]])


@pytest.mark.parametrize("core", ["mitchell", "lopsided", "trunc4c"])
def test_convolutions_keep_operands_apart(core: str) -> None:
    """Padding is a zero operand, and the image is operand a."""
    unit = unit_with("uint8xint8+int32", core)
    rng = np.random.default_rng(3)
    x, w = rng.integers(0, 256, (2, 3, 5, 4)), rng.integers(-128, 128, (4, 3, 3, 2))
    got = hwsim.conv2d(x, w, unit, padding=1, stride=(2, 1))
    patches = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 2), (2, 3)
    )[:, :, ::2]
    rows = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 18)
    wanted = reference.matmul(rows, w.reshape(4, -1).T, unit)
    np.testing.assert_array_equal(got.transpose(0, 2, 3, 1).reshape(-1, 4), wanted)
