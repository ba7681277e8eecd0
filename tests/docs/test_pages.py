"""The pages: their examples run, and what they show is what the code does."""

from __future__ import annotations

import doctest
import importlib.util
import re
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import hwsim
from hwsim.costs import ANCHORS, NODES
from hwsim.costs.toggling import netlist_toggles
from hwsim.formats import ALIASES, CATALOGUE, TableFormat
from hwsim.testing import CONVERSIONS, UNITS, Law

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
WITH_EXAMPLES = {
    "bits.md": 0,
    "api.md": 0,
    "catalogue.md": 0,
    "proofs-units.md": 0,
    "mutations.md": 0,
}  # every other page has at least one
EXAMPLES = re.compile(r"^```\{doctest\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL | doctest.DONT_ACCEPT_TRUE_FOR_1
LONGEST = 300


def load(name: str) -> ModuleType:
    """A script of docs/, as a module."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
        assert spec
        assert spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def examples(page: str) -> doctest.DocTest:
    """The examples of a page, one after the other in one namespace, as Sphinx runs them."""
    text = (DOCS / page).read_text(encoding="utf-8")

    kept, at = [], 0
    for match in EXAMPLES.finditer(text):  # blank lines in place of prose keep line numbers
        kept += [re.sub(r"[^\n]", "", text[at : match.start(1)]), match[1]]
        at = match.end(1)
    names = {"np": np, "hwsim": hwsim}
    return doctest.DocTestParser().get_doctest("".join(kept), names, page, page, 0)


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page: str) -> None:
    test = examples(page)
    assert len(test.examples) >= WITH_EXAMPLES.get(page, 1)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert result.attempted == len(test.examples)
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_short_and_linked(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    links += re.findall(r"\{include\} _build/generated/(\S+)", text)
    for link in links:
        made = link.removesuffix(".md") in load("generate").TABLES
        assert made or (DOCS / link).exists(), link
    index = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    assert page == "index.md" or page.removesuffix(".md") in index


def test_tables_hold_every_row() -> None:
    tables = {name: make() for name, make in load("generate").TABLES.items()}
    for name in ALIASES:
        assert f"| `{name}` |" in tables["aliases"]
    for entry in CATALOGUE.values():
        is_float = isinstance(entry.format, hwsim.FloatFormat)
        if isinstance(entry.format, TableFormat):
            assert f"| `{entry.name}` |" in tables["tables"]
        elif is_float or entry.name in ("int8", "uint32", "fixed8.8"):
            assert f"| `{entry.name}` |" in tables["floats" if is_float else "integers"]
    assert tables["anchors"].count("\n") == len(ANCHORS) + 1
    assert tables["nodes"].count("\n") == len(NODES) + 1
    assert tables["toggles"].count("\n") == len({t.design for t in netlist_toggles()}) + 1
    assert tables["disagreements"].count("\n") > 5


EXACT = [e.name for e in CATALOGUE.values() if not isinstance(e.format, TableFormat)]


@pytest.mark.parametrize("name", EXACT)
def test_values_in_tables_are_exact(name: str) -> None:
    fmt = CATALOGUE[name].format
    shown = [fmt.largest, fmt.smallest, fmt.smallest_normal]
    for value in shown if isinstance(fmt, hwsim.FloatFormat) else [*shown, fmt.lowest]:
        text = load("generate").number(value).replace("−", "-")
        assert evaluate(text) == value, text


def evaluate(text: str) -> Fraction:
    """The exact value of a table's number: sums and products of integers, decimals, powers of 2."""
    if " - " in text:
        left, right = text.split(" - ")
        return evaluate(left) - evaluate(right)
    if "·" in text:
        left, right = text.split("·")
        return evaluate(left) * evaluate(right)
    if "^" in text:
        sign = -1 if text.startswith("-") else 1
        return sign * Fraction(2) ** int(text.partition("^")[2])
    return Fraction(text)


@pytest.mark.parametrize(
    ("name", "plateau"),
    [("e5m2", 8), ("e4m3", 16), ("bf16", 256), ("e6m9", 1024), ("fp16", 2048)],
)
def test_picture_shows_the_closed_form(name: str, plateau: int) -> None:
    draw = load("draw")
    lengths = (1, plateau - 1, plateau, plateau + 1, 4 * plateau)
    sums = draw.sums_of_ones(f"e2m1xe2m1+{name}", lengths)
    assert sums.tolist() == [min(n, plateau) for n in lengths]


NEXT = ["activity.svg", "toggles.svg"]
FINDINGS = ["cliff.svg", "wang.svg", "chunks.svg", "promotion.svg", "harmonic.svg"]


@pytest.mark.parametrize("picture", ["swamping.svg", "sweep.svg", "peers.svg", *NEXT, *FINDINGS])
def test_pictures_are_there_and_used(picture: str) -> None:
    assert (DOCS / "pictures" / picture).read_text(encoding="utf-8").startswith("<?xml")
    assert any(f"pictures/{picture}" in (DOCS / page).read_text("utf-8") for page in PAGES)


def test_docstrings_become_plain_text() -> None:
    lines = ["Sum |x| of *all* `x`.", "", "Parameters", "----------", "x : a_b (m, k).", "  more"]
    load("docstrings").rewrite(None, "function", "f", None, None, lines)
    text = "\n".join(lines)
    assert "Sum \\|x\\| of \\*all\\* ``x``" in text
    assert "**Parameters**" in text
    assert "**x**\n   a\\_b (m, k). more" in text


@pytest.mark.parametrize(("heading", "laws"), [("rounding", CONVERSIONS), ("product", UNITS)])
def test_every_law_stands_on_the_page(heading: str, laws: dict[str, Law]) -> None:
    """In the table of its section, which has no others."""
    text = (DOCS / "testing.md").read_text(encoding="utf-8")
    section = text.partition(f"## A {heading} of your own")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    assert sorted(rows) == sorted([*laws, "law", "---"])
