"""What arrays.md shows is what its commands print."""

from __future__ import annotations

import pytest

from tests.docs.test_pages import DOCS, load

PAGE = (DOCS / "arrays.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [0, 1])
def test_printed(number: int) -> None:
    """Whole, as a user sees it, under the command as it is typed."""
    script = load("arraying")
    command = script.COMMANDS[number]
    printed = script.printed(*command)
    assert printed.count("\n") > 8
    assert f"```sh\nhwsim {' '.join(command)}\n```\n\n```\n{printed}```\n" in PAGE


def test_the_capacity_that_the_text_speaks_of() -> None:
    """One strip of 16 columns × 1024 running sums of int32."""
    m, _, _ = load("arraying").SHAPE
    assert 16 * m * 32 / 8192 == 64
