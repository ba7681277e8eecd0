"""Hypothesis strategies: formats, codes, values, arrays and MAC units.  Needs the extra `test`."""

from __future__ import annotations

from hwsim.testing.format_strategies import (
    arrays,
    codebooks,
    codes,
    fixed,
    floats,
    formats,
    grids,
    logarithmic,
    numbers,
    posits,
    tables,
)
from hwsim.testing.unit_strategies import (
    cores,
    integer_multipliers,
    mac_units,
    operands,
    orders,
    products,
    rescalings,
    roundings,
    stochastic,
)

__all__ = [
    "arrays",
    "codebooks",
    "codes",
    "cores",
    "fixed",
    "floats",
    "formats",
    "grids",
    "integer_multipliers",
    "logarithmic",
    "mac_units",
    "numbers",
    "operands",
    "orders",
    "posits",
    "products",
    "rescalings",
    "roundings",
    "stochastic",
    "tables",
]
