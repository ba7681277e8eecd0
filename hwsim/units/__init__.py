"""MAC units: types, and the grammar of their names."""

from hwsim.units.compensated import COMPENSATED, DoubleWord, Kahan
from hwsim.units.grammar import INSTRUCTIONS, as_unit, names_unit, parse_unit
from hwsim.units.logsums import LogSum
from hwsim.units.matrix_units import MATRIX_UNITS
from hwsim.units.multipliers import IntegerMultiplier, parse_multiplier
from hwsim.units.orders import (
    SPLIT,
    Bins,
    Chunked,
    DotAdd,
    Exact,
    Fused,
    Lanes,
    Order,
    Reversed,
    Sequential,
    Tree,
)
from hwsim.units.requantization import REQUANT_ROUNDINGS, Requantization, Rescaling
from hwsim.units.staged import Staged
from hwsim.units.steps import Steps, steps_of
from hwsim.units.tables import TableMultiplier, multiplier
from hwsim.units.telemetry import StepCounts, Telemetry
from hwsim.units.types import (
    ExactProduct,
    MacUnit,
    Multiplier,
    RoundedProduct,
    StoredProduct,
    codebook_side,
    has_subnormal_values,
    has_whole_values,
    is_integer,
)

__all__ = [
    "COMPENSATED",
    "INSTRUCTIONS",
    "MATRIX_UNITS",
    "REQUANT_ROUNDINGS",
    "SPLIT",
    "Bins",
    "Chunked",
    "DotAdd",
    "DoubleWord",
    "Exact",
    "ExactProduct",
    "Fused",
    "IntegerMultiplier",
    "Kahan",
    "Lanes",
    "LogSum",
    "MacUnit",
    "Multiplier",
    "Order",
    "Requantization",
    "Rescaling",
    "Reversed",
    "RoundedProduct",
    "Sequential",
    "Staged",
    "StepCounts",
    "Steps",
    "StoredProduct",
    "TableMultiplier",
    "Telemetry",
    "Tree",
    "as_unit",
    "codebook_side",
    "has_subnormal_values",
    "has_whole_values",
    "is_integer",
    "multiplier",
    "names_unit",
    "parse_multiplier",
    "parse_unit",
    "steps_of",
]
