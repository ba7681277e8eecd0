"""The comparison with other libraries: it sees wrong results, and accepts right ones."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hwsim

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROUNDINGS = (
    "e4m3, overflow to NaN",
    "e4m3, saturating",
    "e4m3 with Inf",
    "e5m2",
    "e6m9",
    "e6m9, toward zero",
    "bf16",
    "fp16",
)
WITHOUT_EXTRA = ("hwsim", "NumPy", "ml_dtypes", "gfloat")


@pytest.fixture(scope="module")
def modules() -> Iterator[Any]:
    """The scripts of benchmarks/, by name."""
    names = ("peers", "peer_jobs", "peer_rounders", "peer_products", "peer_page")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def job_of(modules: Any, title: str) -> Any:
    jobs = (*modules.peer_jobs.ROUNDINGS, *modules.peer_jobs.PRODUCTS)
    return next(job for job in jobs if job.title == title)


# --- counting -------------------------------------------------------------------------------------
def trial(modules: Any, exact: list[float], kinds: list[str] | None = None) -> Any:
    wanted = np.array(exact)
    names = np.array(kinds or ["some"] * wanted.size)
    return modules.peer_jobs.Trial((np.arange(wanted.size),), wanted, names)


def test_right_results_are_right(modules: Any) -> None:
    exact = [1.0, -0.0, math.inf, math.nan]
    verdict = modules.peer_jobs.judge(np.array(exact, np.float32), trial(modules, exact))
    assert verdict == modules.peer_jobs.Verdict(0, 4)


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("planted", [1.0000001, math.nan, -math.inf, 0.0])
def test_a_planted_wrong_value_is_counted(modules: Any, at: int, planted: float) -> None:
    exact = [1.0, 2.0, math.inf, 4.0]
    results = np.array(exact)
    results[at] = planted
    verdict = modules.peer_jobs.judge(results, trial(modules, exact, ["a", "b", "c", "d"]))
    assert (verdict.wrong, verdict.total, verdict.signs) == (1, 4, 0)
    assert verdict.kinds == (("abcd"[at], 1),)
    assert verdict.example == f"{at} → {planted:.9g}, exact {exact[at]:.9g}"


def test_a_number_for_nan_is_wrong(modules: Any) -> None:
    assert modules.peer_jobs.judge(np.zeros(1), trial(modules, [math.nan])).wrong == 1


def test_signs_of_zero_are_counted_apart(modules: Any) -> None:
    verdict = modules.peer_jobs.judge(np.array([0.0, 0.0]), trial(modules, [-0.0, 0.0]))
    assert (verdict.wrong, verdict.signs) == (0, 1)


def test_missing_results_are_refused(modules: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(1,\).*\(2,\)"):
        modules.peer_jobs.judge(np.zeros(1), trial(modules, [0.0, 0.0]))


def test_only_the_known_corner_of_a_product_is_compared(modules: Any) -> None:
    known = modules.peer_jobs.Trial((), np.ones((2, 2)), np.full((2, 2), "finite"))
    results = np.ones((3, 4))
    results[2, 3] = 7  # beyond the corner
    assert modules.peer_jobs.judge(results, known).wrong == 0
    results[1, 0] = 7
    assert modules.peer_jobs.judge(results, known).example == "output (1, 0) → 7, exact 1"


# --- inputs ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("title", ROUNDINGS)
def test_hard_inputs_are_hard(modules: Any, title: str) -> None:
    """Every kind occurs, and every way of rounding wrongly is seen."""
    jobs, job = modules.peer_jobs, job_of(modules, title)
    x = jobs.hard_inputs(job)
    assert x.dtype == np.float32
    assert x.size > 1000
    names = {"NaN", "Inf", "overflow", "zero", "subnormal", "subnormal tie", "tie", "between ties"}
    assert set(jobs.rounding_kinds(x, job).tolist()) == names
    known = jobs.trials(job)[0]
    for mode in {"rne", "rna", "rtz", "rup", "rdn"} - {job.rounding}:
        assert jobs.judge(hwsim.round(x, job.spec, mode, job.overflow), known).wrong > 0
    assert jobs.judge(x, known).wrong > x.size / 10


def test_ties_away_are_named_ties(modules: Any) -> None:
    job = job_of(modules, "e5m2")
    known = modules.peer_jobs.trials(job)[0]
    away = hwsim.round(known.inputs[0], "e5m2", "rna")
    kinds = dict(modules.peer_jobs.judge(away, known).kinds)
    assert set(kinds) == {"tie", "subnormal tie"}
    assert min(kinds.values()) > 1


def test_hard_products_overflow(modules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules.peer_jobs, "SIZE", 64)
    floats = modules.peer_jobs.trials(job_of(modules, "e5m2xe5m2+e6m9"))[0]
    assert np.isinf(floats.exact).sum() > 10 < np.isnan(floats.exact).sum()
    assert np.isfinite(floats.exact).mean() > 0.7
    job = job_of(modules, "int8xint8+int16:saturate")
    integers = modules.peer_jobs.trials(job)[0]
    wrapped = hwsim.matmul(*integers.inputs, "int8xint8+int16")
    assert modules.peer_jobs.judge(wrapped, integers).wrong > 500


# --- libraries ------------------------------------------------------------------------------------
@pytest.mark.parametrize("title", ROUNDINGS)
def test_rounders(modules: Any, title: str) -> None:
    """hwsim and the libraries of the extra ``test`` round rightly, as the page says."""
    job = job_of(modules, title)
    trials, ran = modules.peer_jobs.trials(job), []
    for contender in modules.peer_rounders.ROUNDERS:
        steps = contender.library in WITHOUT_EXTRA and contender.prepare(job)
        for known in trials if steps else ():
            with np.errstate(all="ignore"):
                results = steps.read(steps.run(*steps.load(*known.inputs)))
            verdict = modules.peer_jobs.judge(results, known)
            assert (contender.call, verdict.wrong, verdict.signs) == (contender.call, 0, 0)
            ran.append(contender.library)
    assert {"hwsim", "gfloat"} <= set(ran)


@pytest.mark.parametrize("unit", ["e5m2xe5m2+e6m9", "e5m2xe5m2+bf16", "int8xint8+int16:saturate"])
def test_products(modules: Any, unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules.peer_jobs, "SIZE", 32)
    job, ran = job_of(modules, unit), []
    trials = modules.peer_jobs.trials(job)
    for contender in modules.peer_products.MULTIPLIERS:
        steps = contender.library in WITHOUT_EXTRA and contender.prepare(job)
        for known in trials if steps else ():
            with np.errstate(all="ignore"):
                results = steps.read(steps.run(*steps.load(*known.inputs)))
            verdict = modules.peer_jobs.judge(results, known)
            assert (contender.library, verdict.wrong) == (contender.library, 0)
            ran.append(contender.library)
    assert len(set(ran)) >= 2


def test_a_wrong_hwsim_ends_the_run(modules: Any) -> None:
    job = job_of(modules, "e5m2")
    trials = modules.peer_jobs.trials(job)
    identity = modules.peer_rounders.Steps(lambda x: x)
    for library, ends in (("hwsim", True), ("another", False)):
        contender = modules.peer_rounders.Contender(library, "x", 10, lambda job: identity)
        if ends:
            with pytest.raises(SystemExit, match="hwsim is wrong"):
                modules.peers.measure(job, contender, identity, trials)
        else:
            assert modules.peers.measure(job, contender, identity, trials).hard.wrong > 0


def test_missing_libraries_are_named(modules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules.peers, "LIBRARIES", ("numpy", "no-such-library"))
    with pytest.raises(SystemExit, match=r"^not installed: no-such-library; pip install"):
        modules.peers.installed()


# --- the page -------------------------------------------------------------------------------------
def rows(modules: Any) -> list[Any]:
    right, wrong = (modules.peer_jobs.Verdict(n, 1234, (("tie", n),) * (n > 0)) for n in (0, 5))
    made = []
    for job in (*modules.peer_jobs.ROUNDINGS, *modules.peer_jobs.PRODUCTS):
        made.append(modules.peer_page.Row(job, "hwsim", "`a`", 10.0, right, right))
        made.append(modules.peer_page.Row(job, "gfloat", "`b`", 2345.6, wrong, right, "A note."))
    return made


def test_the_faster_comes_first_and_the_wrong_is_bold(modules: Any) -> None:
    lines = modules.peer_page.table(rows(modules)[:2]).splitlines()
    assert "| gfloat: `b` (1) | 2,350 | **5** | 0 | tie 5 |" in lines[2]
    assert lines[3] == "|  | hwsim: `a` | 10 | 0 | 0 |  |"


def test_losses_are_said(modules: Any) -> None:
    page, codes = modules.peer_page, modules.peer_rounders.CODES
    first, second = modules.peer_jobs.ROUNDINGS[:2]
    right, wrong = (modules.peer_jobs.Verdict(n, 9) for n in (0, 1))
    made = [
        page.Row(first, "hwsim", "`a`", 10.0, right, right),
        page.Row(first, "gfloat", "`b`", 5.0, right, right),
        page.Row(first, "pychop", "`c`", 99.0, right, wrong),  # fast and wrong
        page.Row(first, "hwsim", "`d`", 10.0, right, right, codes),
        page.Row(second, "hwsim", "`a`", 10.0, right, right),
    ]
    assert "in all 1 contests" in page.standing(made)
    assert "loses" not in page.standing(made)
    made.append(page.Row(first, "ml_dtypes", "`e`", 25.0, right, right, codes))
    said = page.standing(made)
    assert "1 of 2 contests" in said
    assert f"loses {first.title} in codes (ml_dtypes, 2.5 times as fast)." in said


def test_page_has_table_notes_and_marker(modules: Any) -> None:
    text = modules.peer_page.page(rows(modules), "About.", modules.peer_page.Speeds(5e3, 1e5))
    head, table = text.split("<!-- table -->")
    assert "peers.svg" in head
    assert "- (1) A note." in table
    assert table.count("| hwsim:") == len(rows(modules)) / 2


def test_picture_has_a_panel_per_format_and_product(modules: Any) -> None:
    figure = modules.peer_page.picture(rows(modules), modules.peer_page.Speeds(5e3, 1e5))
    titles = [axes.get_title() for axes in figure.axes]
    assert len(set(titles)) == 9
    assert {job.title for job in modules.peer_jobs.PRODUCTS} < set(titles)
    written = [text.get_text() for text in figure.axes[0].texts]
    assert "5 of 1,234 wrong" in written


def test_numbers_have_three_digits(modules: Any) -> None:
    shown = [modules.peer_page.number(x) for x in (1234.5, 99.96, 23.45, 0.1234)]
    assert shown == ["1,230", "100", "23.4", "0.123"]


def test_written_page_is_of_this_script(modules: Any) -> None:
    """Every job and library of today stands in the page that the docs include."""
    text = (BENCHMARKS / "PEERS.md").read_text(encoding="utf-8")
    for job in (*modules.peer_jobs.ROUNDINGS, *modules.peer_jobs.PRODUCTS):
        assert f"**{job.title}**" in text
    found = set(re.findall(r"^\|[^|]*\| (\w+):", text, re.MULTILINE))
    assert found == set(modules.peer_page.COLOURS)
