"""MAC units: types, and the grammar of their names."""

from hwsim.units.grammar import as_unit, parse_unit
from hwsim.units.requantization import REQUANT_ROUNDINGS, Requantization, Rescaling
from hwsim.units.steps import Steps, steps_of
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
    is_integer,
)

__all__ = [
    "REQUANT_ROUNDINGS",
    "Chunked",
    "Exact",
    "ExactProduct",
    "MacUnit",
    "Multiplier",
    "Order",
    "Requantization",
    "Rescaling",
    "RoundedProduct",
    "Sequential",
    "StepCounts",
    "Steps",
    "Telemetry",
    "as_unit",
    "has_subnormal_values",
    "is_integer",
    "parse_unit",
    "steps_of",
]
