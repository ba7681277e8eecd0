"""The page of cost models is the one that the script writes."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_page_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make bench-costs` would change nothing."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("costs")
    shipped = (BENCHMARKS / "COSTS.md").read_text(encoding="utf-8")
    assert script.page() == shipped
    assert "pairs in the" in shipped
