"""The laws see mutants of the reference: one of each part here, all in `make mutations`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.mutants import MUTANTS, Mutant, judged, package_of, seen_by

PAGE = Path(__file__).parents[2] / "docs" / "mutations.md"
LAST = {mutant.kind: mutant for mutant in MUTANTS}
FEW = [LAST[kind] for kind in LAST]


@pytest.mark.parametrize("mutant", FEW, ids=lambda mutant: mutant.kind)
def test_the_laws_see_it(mutant: Mutant) -> None:
    assert seen_by(judged(mutant, cases=60))


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_it_is_an_edit_and_on_the_page(mutant: Mutant) -> None:
    """The line still exists, the copy imports, and the table holds it, seen."""
    with package_of(mutant) as package:
        assert package.round([1.0], "e4m3").shape == (1,)
    rows = [row for row in PAGE.read_text(encoding="utf-8").splitlines() if mutant.spec in row]
    assert any(row.startswith(f"| {mutant.kind} | ") for row in rows)


def test_the_page_is_of_these_mutants() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"{len(MUTANTS)} mutants, 0 not seen." in text
    assert text.count("\n| ") == len(MUTANTS) + 2
    assert "no law" not in text
