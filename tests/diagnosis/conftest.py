"""Fixtures of the diagnoses."""

from __future__ import annotations

import pytest

from tests.networks.models import GraphBuilder


@pytest.fixture
def graph() -> GraphBuilder:
    """An empty graph."""
    return GraphBuilder()
