"""The plan of exact dot products of blocks: each group of products lies within one block of either
side, so that its sums are few multiples of one quantum, however far scales are apart.

Of elements m·q, |m| ≤ M, and scales s·2^e, s < 2^p, a sum of n products is a multiple of
q·q'·2^(e + e'), and no more than n·M·M'·2^(p + p') of it: that many bits hold every partial sum.
"""

from __future__ import annotations

from functools import lru_cache

from hwsim_kernels.paths import ALL

from hwsim.formats import BlockFormat, FloatFormat, Format, power_of_two, stochastic_of
from hwsim.simulate.datapaths import Plan
from hwsim.simulate.facts import Facts
from hwsim.simulate.grids import magnitude
from hwsim.simulate.orders import exact_groups
from hwsim.simulate.sums import CARRIERS, Bounds, Sum, product_of, way_of
from hwsim.units import DotAdd, MacUnit


def group_bits(unit: MacUnit) -> int | None:
    """Bits of every sum of a group of a unit of blocks; None where groups leave blocks."""
    order = unit.order
    if not isinstance(order, DotAdd) or order.partial or unit.block_size % order.width:
        return None
    return sum_bits(unit, order.width)


def sum_bits(unit: MacUnit, products: int) -> int:
    """Bits of every sum of so many products that share their scales."""
    for fmt in unit.operands:
        products *= _multiples(fmt)
    return products.bit_length()


def _multiples(fmt: Format | BlockFormat) -> int:
    """How many quanta, within a block, the largest value has."""
    element = fmt.element if isinstance(fmt, BlockFormat) else fmt
    count = int(magnitude(element) / power_of_two(element.quantum_exponent))
    if isinstance(fmt, BlockFormat) and fmt.scale.precision > 1:
        count *= (1 << fmt.scale.precision) - 1
    return count


def block_plan(unit: MacUnit, facts: Facts, level: int) -> Plan | None:
    """The cheapest plan that is proved; None where there is none."""
    quick = _plan(unit, level, Bounds.around(facts), facts.group_bits or 0)
    if quick is not None and quick.ideal:
        return quick
    return _plan(unit, level, Bounds.of(facts, facts.sum_bound), facts.group_bits or 0) or quick


@lru_cache(maxsize=1 << 10)
def _plan(unit: MacUnit, level: int, facts: Bounds, bits: int) -> Plan | None:
    acc, order = unit.accumulator, unit.order
    known = way_of(unit.rounding) is not None and stochastic_of(unit.rounding) is None
    if not known or level == ALL or not isinstance(acc, FloatFormat) or acc.carried_as_codes:
        return None
    assert isinstance(order, DotAdd)
    for carrier in CARRIERS:
        product = product_of(unit, facts)
        steps = Sum(
            *(unit, acc, product, facts, level), *(True, facts.length, carrier, facts.finite)
        )
        choices = exact_groups(steps, order, bits)
        if choices is not None:
            return Plan(unit, *choices, unit.rounding == "rdn")
    return None
