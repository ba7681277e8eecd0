"""The table of matrix units is what its script prints."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row, from a run of the language model."""
    runpy.run_path(str(DOCS / "generations.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.count("\n") == 15
    assert printed in (DOCS / "matrix-units.md").read_text(encoding="utf-8")
