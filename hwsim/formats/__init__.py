"""Number formats: types, names and the catalogue.  Imports nothing of hwsim but its errors."""

from hwsim.formats.catalogue import ALIASES, CATALOGUE, Entry
from hwsim.formats.grammar import LATER, as_format, format_length, parse_format
from hwsim.formats.types import (
    OVERFLOWS,
    ROUNDINGS,
    FixedFormat,
    FloatFormat,
    Format,
    IntFormat,
    check_overflow,
    power_of_two,
)

__all__ = [
    "ALIASES",
    "CATALOGUE",
    "LATER",
    "OVERFLOWS",
    "ROUNDINGS",
    "Entry",
    "FixedFormat",
    "FloatFormat",
    "Format",
    "IntFormat",
    "as_format",
    "check_overflow",
    "format_length",
    "parse_format",
    "power_of_two",
]
