"""The words that a product moves on a unit: bits of operands, of running sums, of results."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from hwsim.costs.widths import register_bits
from hwsim.formats import BlockFormat, Format
from hwsim.units import (
    COMPENSATED,
    Chunked,
    DotAdd,
    Exact,
    Fused,
    Lanes,
    LogSum,
    MacUnit,
    Reversed,
    Sequential,
    Staged,
    Tree,
)

ONE_WORD = (Sequential, Reversed, Tree, DotAdd, Fused, Staged, LogSum)  # their only state: the sum


@dataclass(frozen=True)
class Word:
    """An operand: bits of an element, and, in blocks along k, bits of a scale for each ``size``.

    A tensor's own scale (NVFP4's float32) is not counted: there is one.
    """

    bits: int
    size: int = 0
    scale_bits: int = 0

    def vector_bits(self, k: int, depth: int | None = None) -> int:
        """Bits of k elements along k, read in tiles of ``depth``: a scale is read again in every
        tile that its block reaches into.

        >>> Word(8, 32, 8).vector_bits(64), Word(8, 32, 8).vector_bits(64, depth=48)
        (528, 536)
        """
        if not self.size or k == 0:
            return k * self.bits
        depth = depth or k
        tiles = -(-k // depth)
        between = (tiles - 1) - (tiles - 1) * gcd(depth, self.size) // self.size
        return k * self.bits + (-(-k // self.size) + between) * self.scale_bits

    def span_bits(self, length: int, k: int) -> int:
        """Bits of at most ``length`` neighbours among k, wherever a tile of that depth begins."""
        length = min(length, k)
        if not self.size or length == 0:
            return length * self.bits
        inside = length % self.size == 0 or length == k
        blocks = -(-length // self.size) if inside else -(-(length - 1) // self.size) + 1
        return length * self.bits + min(blocks, -(-k // self.size)) * self.scale_bits


def word_of(operand: Format | BlockFormat) -> Word:
    """A scale takes whole bytes, as in memory."""
    if isinstance(operand, BlockFormat):
        return Word(operand.element.width, operand.size, -(-operand.scale.width // 8) * 8)
    return Word(operand.width)


def products_a_step(unit: MacUnit) -> int:
    """Products that one unit takes at once: leaves of a tree, terms of a dot or fused block.

    >>> from hwsim import mac
    >>> products_a_step(mac("int8xint8+int32")), products_a_step(mac("int8xint8+int32:dot4"))
    (1, 4)
    """
    if isinstance(unit.order, Tree | DotAdd):
        return unit.order.width
    return unit.order.terms if isinstance(unit.order, Fused | Staged) else 1


def steps_of(unit: MacUnit, k: int) -> int:
    """Steps that a unit needs for k products; a promoted block is not shared with the next."""
    if isinstance(unit.order, Fused):
        return unit.order.steps(k)[0]
    return -(-k // products_a_step(unit))


def running_bits(unit: MacUnit, depth: int) -> int:
    """Bits of a running sum that leaves the array after every ``depth`` products: everything that
    the unit must find again to go on with the same bits.

    The accumulator; with chunks or promotion the outer sum, and the inner one too unless ``depth``
    ends them; a register for each lane; both words of a compensated sum; the wide register of an
    exact one.  Raises ValueError for other orders, as bins, which stay where they are.
    """
    order, bits = unit.order, unit.accumulator.width
    if isinstance(order, Exact):
        return register_bits(unit)
    if isinstance(order, Lanes):
        return order.count * bits
    if isinstance(order, COMPENSATED):
        return 2 * bits
    if isinstance(order, Chunked):
        return unit.outer_format.width + (bits if depth % order.length else 0)
    if isinstance(order, Fused) and order.promote is not None:
        return bits + (unit.block_format.width if depth % order.promote else 0)
    if isinstance(order, ONE_WORD):
        return bits
    what = str(order) or type(order).__name__
    raise ValueError(f"{unit}: sums of {what} do not move: dataflow='output' is needed")
