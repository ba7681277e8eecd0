"""Powers of two, and checks of fields: what every description of a format is made with."""

from __future__ import annotations

from fractions import Fraction

from hwsim.errors import SpecError


def power_of_two(exponent: int) -> Fraction:
    """2**exponent, exactly."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)


def require_int(name: str, value: object, low: int, high: int) -> None:
    """SpecError unless ``value`` is an integer from low to high."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(f"{name}={value!r}: an integer from {low} to {high} is needed")


def require_bool(name: str, value: object) -> None:
    """SpecError unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise SpecError(f"{name}={value!r}: True or False is needed")


def require_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """SpecError unless ``value`` is one of the words ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        raise SpecError(f"{name}={value!r}: allowed are {', '.join(allowed)}")
