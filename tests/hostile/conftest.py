"""Fixtures that the tests of networks have too."""

from __future__ import annotations

from tests.networks.conftest import graph

__all__ = ["graph"]
