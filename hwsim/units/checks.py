"""What numbers in descriptions may be."""

from __future__ import annotations

from hwsim.errors import SpecError


def require_count(name: str, value: object, low: int, high: int) -> None:
    """Raise SpecError unless ``value`` is an integer from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        message = f"{name} {value!r}: an integer from {low} to {high} is needed"
        raise SpecError(message, part="order")
