"""Hypothesis strategies: MAC units whose sums stay logarithms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from hwsim.formats import ROUNDINGS
from hwsim.testing.format_strategies import grids, logarithmic
from hwsim.units import LogSum, MacUnit
from hwsim.units.logsums import MOST_PLACES

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

NARROWEST = 4  # a sign, a field, and room for formats of other widths


@st.composite
def log_units(draw: DrawFn, max_width: int = 16) -> MacUnit:
    """Units of any three logarithmic formats, tables of any width, and any output.

    max_width : bits of every format, 4 … 64.
    """
    sums = draw(logarithmic(max_width - 1))
    operands = logarithmic(min(8, max_width))
    return MacUnit(
        draw(operands),
        draw(operands),
        # No table, but the accumulator of a sum of logarithms.
        replace(sums, signed=True, has_zero=True, domain="log"),  # type: ignore[arg-type]
        draw(st.sampled_from(ROUNDINGS)),
        draw(st.sampled_from((None, "saturate"))),
        LogSum(draw(st.one_of(st.none(), st.integers(0, MOST_PLACES)))),
        output=draw(st.one_of(st.none(), grids(max_width))),
    )
