"""The findings: tables are what their script prints, figures in the text are among them, and what
the text calls exact is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import hwsim
from hwsim import theory

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "findings.md").read_text(encoding="utf-8")
TABLES = ("cliff", "layers", "wang", "chunks", "tensor", "promotion", "harmonic")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[-+]\d+)?")
PRINTED = re.compile(r"^\|.*$|^```[\s\S]*?^```$", re.MULTILINE)  # tables and examples
SAID = {  # sources, set-ups, and what the tests below assert
    "A cliff one bit wide": {"131,071", "32"},
    "Sums that stop at 4096": {"1812.08011", "4", "2.74", "0.4"},
    "The best chunk is about √K": {"2020"},
    "Fourteen bits on Hopper": {"8", "0", "13", "2412.19437", "3.3.2", "7", "0.1"},
    "The harmonic series converges": {"2"},
}
HARMONIC = {"bf16": (5.0625, 65), "fp16": (7.0859375, 513), "fp32": (15.403682708740234, 2097152)}


@pytest.fixture(scope="module")
def findings() -> Iterator[ModuleType]:
    """docs/findings.py, which finds docs/findings_sums.py beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import findings

        yield findings


@pytest.mark.parametrize("name", TABLES)
def test_tables(findings: ModuleType, name: str) -> None:
    assert tuple(findings.TABLES) == TABLES
    table = findings.TABLES[name]()
    assert table.count("\n") > 3
    assert f"\n\n{table}\n" in PAGE


@pytest.mark.parametrize("section", PAGE.split("\n## ")[1:], ids=lambda text: text.split("\n")[0])
def test_figures_in_the_text_are_printed(section: str) -> None:
    said = set(NUMBER.findall(PRINTED.sub("", section)))
    printed = set(NUMBER.findall(" ".join(PRINTED.findall(section))))
    assert len(said & printed) >= 2
    assert said - printed == SAID[section.split("\n")[0]]


def test_one_bit_less_of_a_wrapping_accumulator(findings: ModuleType) -> None:
    score, counts, classes = {}, {}, 103
    for unit, (found, report) in findings.cliff().items():
        score[unit.removeprefix("int8xint8+")], counts[unit] = found, report.telemetry
    assert counts["int8xint8+int18"].out_of_range == 0
    assert 0 < counts["int8xint8+int17"].out_of_range < 0.001 * counts["int8xint8+int17"].outputs
    assert score["int17"].value > 2 * score["int18"].value
    assert score["int17:saturate"].value - score["int18"].value < score["int18"].stderr / 2
    assert score["int16"].value > math.log2(classes) > score["int16:saturate"].value
    worst = max(findings.alone(), key=lambda name: findings.alone()[name].value)
    assert worst == "head"
    wide = findings.cliff()["int8xint8+int20"][1].telemetry
    assert 2**16 <= wide.largest <= hwsim.format("int18").largest == 131_071


def test_plateau_is_exact(findings: ModuleType) -> None:
    sums = findings.sums
    assert sums.draws().shape == (65536, 50)
    assert sums.draws().max() < 2.74
    for n in (8192, 16384, 65536):
        assert sums.added("", n).tolist() == [4096.0] * 50
    once = hwsim.reference.matmul(np.ones((1, 8192)), sums.draws()[:8192, :1], "e6m9xe6m9+e6m9")
    assert once.item() == 4096.0
    assert max(sums.wang_error(":chunk64", n) for n in sums.ADDED) < 0.004


def test_another_program_found_the_same(findings: ModuleType) -> None:
    sums, compared = findings.sums, 0
    for n, others in sums.PUBLISHED.items():
        for option, percent in zip(sums.OPTIONS, others, strict=True):
            if percent is not None:  # 50 other trials
                assert 0.7 < 100 * sums.wang_error(option, n) / percent < 1.4, (n, option)
                compared += 1
    assert compared == 18


@pytest.mark.parametrize("terms", [4096, 16384])
@pytest.mark.parametrize("signs", ["one sign", "signed"])
def test_chunks(findings: ModuleType, signs: str, terms: int) -> None:
    sums, root = findings.sums, math.isqrt(terms)
    for fmt in sums.NARROW:
        u = theory.unit_roundoff(hwsim.format(fmt).precision)
        errors = sums.chunk_errors(signs, terms, fmt)
        for chunk, (_, largest) in errors.items():
            assert largest <= theory.chunked_bound(terms, chunk, u), (fmt, chunk)
        best, near = sums.best_chunk(signs, terms, fmt)
        assert best in (root // 2, root, 2 * root)
        if signs == "signed":
            assert {root // 4, root // 2, root, 2 * root, 4 * root} <= set(near)


def test_steps_of_one_sign(findings: ModuleType) -> None:
    a, b, exact, _ = findings.sums.normals("one sign", 16384)
    assert (hwsim.matmul(a, b, "e5m2xe5m2+bf16:chunk128") < exact).all()


def test_promotion(findings: ModuleType) -> None:
    sums = findings.sums
    plain, promoted, wide = (
        np.array([sums.tensor_error(unit, "one sign", depth) for depth in sums.DEPTHS])
        for unit in sums.TENSOR
    )
    at = sums.DEPTHS.index(4096)
    assert plain[at] > 50 * promoted[at]
    assert round(100 * plain[at]) == 7
    assert (np.diff(plain) > 0).all()
    assert promoted.max() < 0.001
    assert (wide < 1e-5).all()
    for signs in sums.SIGNS:
        assert (np.diff(sums.promotion_errors(signs)) > 0).all()
    assert sums.tensor_error("hopper.e4m3", "signed", 4096) < plain[at] / 50


@pytest.mark.parametrize("fmt", HARMONIC)
def test_harmonic_series_sticks(findings: ModuleType, fmt: str) -> None:
    sums = findings.sums
    total, k = HARMONIC[fmt]
    assert sums.sticks(fmt) == (total, k)
    assert 0 <= k - sums.half_place(fmt, total) <= 1
    before, reached, later = sums.harmonic(fmt, (k - 2, k - 1, 2 * k))
    assert before < reached == later == total
    assert total > math.log(k) + sums.GAMMA + 1 / (2 * k)


@pytest.mark.parametrize(("fmt", "dtype"), [("fp16", np.float16), ("fp32", np.float32)])
def test_numpy_sticks_there_too(fmt: str, dtype: type[np.floating]) -> None:
    total, k = HARMONIC[fmt]
    sums = np.add.accumulate((1 / np.arange(1, k + 1)).astype(dtype))
    assert sums[-1] == sums[-2] == total
    assert (sums[1:-1] != sums[:-2]).all()
