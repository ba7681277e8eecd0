"""For people who property-test arithmetic, theirs or hwsim's: laws, hard numbers, strategies.

    from hwsim.testing import check, matches
    print(check("e4m3"))                         # hwsim's conversions to a format
    print(check("e4m3xe4m3+fp16", my_matmul))    # your own product

    print(matches(my_multiplier, "mitchell"))    # your own multiplier, against a definition

`check` judges every law that applies and gives a counterexample as small as it can find.  One law
alone is a function: ``CONVERSIONS["ties"](Conversion("e4m3", "rne", "saturate", my_rounding))``
raises AssertionError where it is broken.  `strategies` (Hypothesis; the extra ``test``) draws
formats, codes, arrays and MAC units.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hwsim.testing.block_laws import BLOCK_LAWS, BlockConversion
from hwsim.testing.checking import check
from hwsim.testing.conversions import CONVERSION_LAWS, Conversion
from hwsim.testing.draws import STYLES, values
from hwsim.testing.errors import (
    MultiplierErrors,
    exact_products,
    multiplier_errors,
    product_table,
)
from hwsim.testing.matching import matches
from hwsim.testing.points import hard_numbers, is_exhaustive
from hwsim.testing.products import Product
from hwsim.testing.timing import Speed, speed
from hwsim.testing.units import UNIT_LAWS
from hwsim.testing.verdicts import Finding, Law, Report, Verdict

if TYPE_CHECKING:
    from hwsim.testing import strategies as strategies

CONVERSIONS = {law.name: law for law in CONVERSION_LAWS}
UNITS = {law.name: law for law in UNIT_LAWS}
BLOCKS = {law.name: law for law in BLOCK_LAWS}

__all__ = [
    "BLOCKS",
    "BLOCK_LAWS",
    "CONVERSIONS",
    "CONVERSION_LAWS",
    "STYLES",
    "UNITS",
    "UNIT_LAWS",
    "BlockConversion",
    "Conversion",
    "Finding",
    "Law",
    "MultiplierErrors",
    "Product",
    "Report",
    "Speed",
    "Verdict",
    "check",
    "exact_products",
    "hard_numbers",
    "is_exhaustive",
    "matches",
    "multiplier_errors",
    "product_table",
    "speed",
    "strategies",
    "values",
]


def __getattr__(name: str) -> Any:
    if name == "strategies":  # imports Hypothesis
        return importlib.import_module("hwsim.testing.strategies")
    raise AttributeError(f"module 'hwsim.testing' has no attribute {name!r}")
