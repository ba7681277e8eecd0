"""Number formats: types, names and the catalogue.  Imports nothing of hwsim but its errors."""

from hwsim.formats.catalogue import ALIASES, CATALOGUE, Entry
from hwsim.formats.grammar import LATER, as_format, format_length, parse_format
from hwsim.formats.stochastic import Stochastic, check_rounding, check_seed, stochastic_of
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
    "Stochastic",
    "as_format",
    "check_overflow",
    "check_rounding",
    "check_seed",
    "format_length",
    "parse_format",
    "power_of_two",
    "stochastic_of",
]
