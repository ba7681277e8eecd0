"""Fixtures of the network tests."""

from __future__ import annotations

import pytest

from hwsim.networks import engine
from tests.networks.models import GraphBuilder
from tests.networks.stub import ExactEngine


@pytest.fixture
def graph() -> GraphBuilder:
    """An empty graph."""
    return GraphBuilder()


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> ExactEngine:
    """Put a float64 stand-in in the place of hwsim's simulation."""
    stand_in = ExactEngine()
    monkeypatch.setattr(engine, "default_engine", stand_in)
    return stand_in
