"""What the datapath of an order is given, and how wide its ports are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

from hwsim.formats import SumFormat
from hwsim.rtl.hdl import Bits, Datapath
from hwsim.rtl.numbers import Number
from hwsim.rtl.rounding import Rule
from hwsim.rtl.steps import rule_of
from hwsim.units import Bins, Chunked, DotAdd, Fused, Lanes, MacUnit, Order, Staged, Tree


@dataclass(frozen=True)
class Lane:
    """What a datapath of sums is given.

    products : the addends of one clock, after the pipeline rank.
    draw : random bits.  scales : products of both scales, one for each block of the products, and
        how far below the first bits' exponents those of their fields lie.
    log : sign and field of a product of logarithms.  index : a codebook's code.
    control : an input: whether the product is the first of a chunk; whether lanes are being added
        up; c, where a tree adds them up.
    """

    unit: MacUnit
    products: Sequence[Number]
    draw: Bits
    control: Bits
    scales: Sequence[Number] = ()
    scale_head: int = 0
    log: tuple[Bits, Bits] | None = None
    index: Bits = None

    def rule(self, fmt: SumFormat) -> Rule:
        """How the unit rounds into ``fmt``."""
        return rule_of(self.unit, fmt, self.draw)


def width_of(order: Order) -> int:
    """Products that a datapath takes at every clock."""
    if isinstance(order, Fused | Staged):
        return order.terms
    return order.width if isinstance(order, Tree | DotAdd) else 1


def control_bits(unit: MacUnit) -> int:
    """Width of the word that says what a clock's products begin or end."""
    if isinstance(unit.order, Lanes):
        return unit.accumulator.width if unit.order.tree else 1
    return int(isinstance(unit.order, Chunked | Bins))


@singledispatch
def sums(order: Order, path: Datapath, lane: Lane) -> Bits:
    """Registers and adders of an order; the code of what they hold in the outer format."""
    raise TypeError(f"order {order}: no datapath")


def masked(unit: MacUnit) -> str:
    """How sums are decoded: under ``ftz`` none is subnormal."""
    return "daz" if unit.ftz else ""
