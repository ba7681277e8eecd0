"""The table of activity.md is what its command prints, and its figures are the code's."""

from __future__ import annotations

import pytest

from hwsim.cli import main
from hwsim.costs.activity import CLOCK_SHARE
from hwsim.costs.toggling import netlist_toggles
from tests.docs.test_pages import DOCS

COMMAND = ("activity", "digits-cnn", "--mac", "int8xint8+int32")


def test_the_table(capsys) -> None:
    """Whole, as a user sees it."""
    with pytest.raises(SystemExit, match="0"):
        main(COMMAND)
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    page = (DOCS / "activity.md").read_text(encoding="utf-8")
    assert printed in page
    assert "hwsim " + " ".join(COMMAND) in page


def test_stated_figures() -> None:
    """The largest difference from a netlist, and the clock's share."""
    page = (DOCS / "activity.md").read_text(encoding="utf-8")
    worst = max(abs(t.error) for t in netlist_toggles())
    assert f"difference is {worst:.2f} of" in " ".join(page.split())
    assert f"**{CLOCK_SHARE} of its energy" in page
