"""How many roundings an output takes, and how they are numbered.

Stochastic rounding draws by these numbers: those of the products in k order, then the inner sum's,
the outer sum's, the output's.  A rounding that is exact or not finite uses up its number.
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim.units.compensated import COMPENSATED, DoubleWord
from hwsim.units.orders import Exact
from hwsim.units.types import MacUnit


class Steps(NamedTuple):
    """Roundings of one output, by what they round."""

    products: int
    inner: int
    outer: int
    output: int

    @property
    def total(self) -> int:
        """S, all of them."""
        return sum(self)

    @property
    def first_inner(self) -> int:
        """Number of the inner sum's first rounding; the products' is 0."""
        return self.products

    @property
    def first_outer(self) -> int:
        """Number of the outer sum's first rounding."""
        return self.products + self.inner

    @property
    def first_output(self) -> int:
        """Number of the output conversion."""
        return self.first_outer + self.outer


def steps_of(unit: MacUnit, k: int) -> Steps:
    """The roundings of a sum of ``k`` products.

    >>> from hwsim.units import parse_unit
    >>> steps_of(parse_unit("e4m3xe4m3+fp16:sr:chunk32/fp32:mul_add:out=bf16"), 70)
    Steps(products=70, inner=70, outer=3, output=1)
    """
    inner, outer = (min(k, 1), 0) if isinstance(unit.order, Exact) else unit.order.steps(k)
    if isinstance(unit.order, COMPENSATED):
        inner *= unit.order.operations
    two_words = isinstance(unit.order, DoubleWord) and k > 0  # which become one at last
    return Steps(
        products=0 if unit.product_format is None else k,
        inner=inner,
        outer=outer,
        output=int((unit.output is not None or two_words) and unit.requantization is None),
    )
