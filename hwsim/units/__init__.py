"""MAC units: types, and the grammar of their names."""

from hwsim.units.grammar import as_unit, parse_unit
from hwsim.units.multipliers import IntegerMultiplier, parse_multiplier
from hwsim.units.requantization import REQUANT_ROUNDINGS, Requantization, Rescaling
from hwsim.units.tables import TableMultiplier, multiplier
from hwsim.units.telemetry import StepCounts, Telemetry
from hwsim.units.types import (
    Chunked,
    Exact,
    ExactProduct,
    MacUnit,
    Multiplier,
    Order,
    RoundedProduct,
    Sequential,
    has_subnormal_values,
    has_whole_values,
    is_integer,
)

__all__ = [
    "REQUANT_ROUNDINGS",
    "Chunked",
    "Exact",
    "ExactProduct",
    "IntegerMultiplier",
    "MacUnit",
    "Multiplier",
    "Order",
    "Requantization",
    "Rescaling",
    "RoundedProduct",
    "Sequential",
    "StepCounts",
    "TableMultiplier",
    "Telemetry",
    "as_unit",
    "has_subnormal_values",
    "has_whole_values",
    "is_integer",
    "multiplier",
    "parse_multiplier",
    "parse_unit",
]
