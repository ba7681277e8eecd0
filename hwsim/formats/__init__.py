"""Number formats: types, names and the catalogue.  Imports nothing of hwsim but its errors."""

from hwsim.formats.block_names import (
    BLOCKS,
    any_format,
    block_length,
    names_block,
    parse_block,
)
from hwsim.formats.blocks import BlockFormat
from hwsim.formats.catalogue import ALIASES, CATALOGUE, Entry
from hwsim.formats.checks import power_of_two
from hwsim.formats.codebook import CodebookFormat
from hwsim.formats.grammar import as_format, format_length, parse_format
from hwsim.formats.logarithmic import LogFormat
from hwsim.formats.posits import PositFormat
from hwsim.formats.stochastic import Stochastic, check_rounding, check_seed, stochastic_of
from hwsim.formats.tables import TableFormat
from hwsim.formats.types import (
    OVERFLOWS,
    ROUNDINGS,
    FixedFormat,
    FloatFormat,
    Format,
    GridFormat,
    IntFormat,
    SumFormat,
    check_overflow,
    plain_overflow,
)

__all__ = [
    "ALIASES",
    "BLOCKS",
    "CATALOGUE",
    "OVERFLOWS",
    "ROUNDINGS",
    "BlockFormat",
    "CodebookFormat",
    "Entry",
    "FixedFormat",
    "FloatFormat",
    "Format",
    "GridFormat",
    "IntFormat",
    "LogFormat",
    "PositFormat",
    "Stochastic",
    "SumFormat",
    "TableFormat",
    "any_format",
    "as_format",
    "block_length",
    "check_overflow",
    "check_rounding",
    "check_seed",
    "format_length",
    "names_block",
    "parse_block",
    "parse_format",
    "plain_overflow",
    "power_of_two",
    "stochastic_of",
]
