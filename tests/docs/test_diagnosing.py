"""The tables of diagnosis.md and widths.md are what their script prints."""

from __future__ import annotations

import pytest

from tests.docs.test_pages import DOCS, load


@pytest.mark.parametrize(("number", "page"), [(0, "diagnosis"), (1, "widths")])
def test_tables(number: int, page: str) -> None:
    """Whole, as a user sees them."""
    script = load("diagnosing")
    printed = script.printed(*script.COMMANDS[number])
    assert printed.count("\n") > 10
    assert printed in (DOCS / f"{page}.md").read_text(encoding="utf-8")


def test_the_commands_are_those_of_the_pages() -> None:
    """As they are typed."""
    for command, page in zip(load("diagnosing").COMMANDS, ("diagnosis", "widths"), strict=True):
        quoted = [f'"{word}"' if "*" in word else word for word in command]
        assert "hwsim " + " ".join(quoted) in (DOCS / f"{page}.md").read_text(encoding="utf-8")
