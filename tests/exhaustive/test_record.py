"""The record is fresh, and what `make exhaustive` does is done here on a slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim import reference
from tests.exhaustive import chains, conversions, pairs
from tests.exhaustive.exact import all_codes, bits, products, unpack
from tests.exhaustive.machines import machines
from tests.exhaustive.record import SECTIONS, all_jobs, read_record, sources
from tests.exhaustive.spaces import ACCUMULATORS, CHAINS, OPERANDS, PAIRS, rules

SLICE = (("e5m2", "e4m3"), ("e4m3_normal0", "e2m1"), ("int8", "e3m4"), ("e8m0", "e2m3"))


def test_the_record_is_fresh() -> None:
    """A kernel or a proof that was edited after the last exhaustive run has not been compared."""
    record = read_record()
    assert sources().items() <= record.items(), (
        "tests/exhaustive.json was made by other kernels: run `make exhaustive` and commit it"
    )
    assert set(record["sections"]) == set(SECTIONS)
    assert record["sections"]["hostile"]["cases"] >= 10**5
    parts = record["sections"].values()
    assert record["total"] == sum(part["cases"] for part in parts)
    assert all(len(part["digest"]) == 64 for part in parts)


def test_the_space_is_what_it_says() -> None:
    """All 8-bit formats of the catalogue among the operands; a job per accumulator and rounding."""
    entries = hwsim.formats.CATALOGUE.items()
    named = {n for n, e in entries if e.format.width == 8 and e.format.has_exact_values}
    # P3109's pairs are its published tables: tests/formats/test_p3109.py; posits have no grid, and
    # their pairs are in tests/simulate/test_posits.py.
    assert {name for name in named if not name.startswith(("binary8p", "posit8"))} <= set(OPERANDS)
    assert len(PAIRS) == len(OPERANDS) ** 2 == 576
    jobs = list(all_jobs())
    assert len(jobs) == len(set(jobs))
    assert sum(job.section == "pairs" for job in jobs) == 6 * len(ACCUMULATORS)
    assert sum(job.section == "chains" for job in jobs) >= 6 * len(CHAINS)


@pytest.mark.parametrize(
    "pair", [*SLICE, ("uint8", "int8_sym"), ("e4m3fnuz", "e5m2")], ids="x".join
)
def test_products_are_exact(pair: tuple[str, str]) -> None:
    """Packed products are the reference's products."""
    unit = hwsim.mac(f"{pair[0]}x{pair[1]}+fp32")
    generator = np.random.default_rng(1)
    a, b = map(all_codes, pair)
    keys, where = products(*pair)
    rows, columns = generator.integers(0, len(a.code), 400), generator.integers(0, len(b.code), 400)
    for i, j in zip(rows, columns, strict=True):
        wanted = reference.units.product(a.exact[i], b.exact[j], unit)
        assert unpack(int(keys[where[i, j]])) == wanted


@pytest.mark.parametrize(
    ("accumulator", "rounding"),
    [("e5m2", "rne"), ("fp16", "rdn"), ("int8", "rna"), ("fp32", "rto")],
)
def test_pairs(accumulator: str, rounding: str) -> None:
    """A few pairs of formats on one accumulator."""
    part = pairs.run(accumulator, rounding, SLICE)
    assert part.cases > 4 * 3 * 1000
    assert part == pairs.run(accumulator, rounding, SLICE)


@pytest.mark.parametrize(
    "chain",
    [
        ("e2m3", "e2m1", "e4m3", "rdn", "values"),
        ("int4", "uint4", "uint8", "rup", "values"),
        ("e2m1", "e2m1", "e3m2", "rna", "counts"),
    ],
    ids="-".join,
)
def test_chains(chain: tuple[str, ...]) -> None:
    """Sums as walks through the accumulator's codes."""
    assert chains.run(*chain).cases > 10**6


@pytest.mark.parametrize("name", ["e4m3", "e8m0", "int8_sym", "fixed0.7", "e5m5merged", "uint9"])
def test_conversions(name: str) -> None:
    """Every code and what lies between."""
    for rounding in ("rne", "rup", "rto"):
        assert conversions.run(name, rounding).cases >= 4 << hwsim.format(name).width


@pytest.mark.parametrize("rounding", ["rne", "rdn"])
def test_machines_are_the_reference(rounding: str) -> None:
    """Walks give what the reference gives for whole units, chunked and with rounded products."""
    for unit_name in ("e2m1xe2m1+e4m3", "int4xe2m1+fixed3.4", "e3m2xe2m1+e5m2"):
        formats, accumulator = unit_name.split("+")
        a, b = formats.split("x")
        fmt = hwsim.format(accumulator)
        tables = machines(a, b, accumulator, rounding, rules(fmt))
        for rule in rules(fmt):
            unit = hwsim.mac(f"{unit_name}:{rounding}:{rule}")
            x, y, start, letters = chains.draw(unit, False)
            c = all_codes(accumulator).numbers[start[:2, :3]]
            for order in chains.ORDERS:
                wanted = reference.matmul(x[:2], y[:, :3], f"{unit}{order}", c=c)
                end = chains.walk(tables[rule], order, start[:2, :3], letters[:, :2, :3])
                assert bits(wanted).tolist() == bits(all_codes(accumulator).numbers[end]).tolist()


def test_a_wrong_bit_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither part passes when one result in a table is off by one."""
    right = hwsim.matmul

    def wrong(*arguments: Any, **options: Any) -> Any:
        values = right(*arguments, **options)
        if isinstance(values, tuple):
            return values
        values = values.copy()
        values[(-1,) * values.ndim] += 1
        return values

    monkeypatch.setattr(hwsim, "matmul", wrong)
    with pytest.raises(AssertionError):
        pairs.run("int8", "rne", (("e2m1", "e2m1"),))
    with pytest.raises(AssertionError):
        chains.run("int4", "uint4", "uint8", "rne", "values")


def test_a_wrong_count_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor when one addition is counted twice."""
    from dataclasses import replace

    right = hwsim.matmul

    def wrong(*arguments: Any, **options: Any) -> Any:
        values, telemetry = right(*arguments, **options)
        return values, replace(telemetry, swamped_full=telemetry.swamped_full + 1)

    monkeypatch.setattr(hwsim, "matmul", wrong)
    with pytest.raises(AssertionError, match="swamped_full"):
        chains.run("e2m1", "e2m1", "e3m2", "rne", "counts")
