"""The catalogue page is what the code, the record and the benchmark say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import hwsim
from hwsim.units.catalogue import UNITS, UnitEntry

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_fresh() -> None:
    place = importlib.util.spec_from_file_location("catalogue", ROOT / "scripts" / "catalogue.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), (
        "docs/catalogue.md is stale: run python scripts/catalogue.py and commit it"
    )


@pytest.mark.parametrize("entry", UNITS, ids=lambda entry: entry.unit)
def test_every_entry_is_a_unit(entry: UnitEntry) -> None:
    unit = hwsim.mac(entry.unit)
    assert str(unit) == entry.unit
    assert hwsim.cost(unit).energy_pj > 0
