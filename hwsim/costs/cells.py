"""Nodes of an array multiplier that switch when its operands change, counted cell by cell.

The array is the one that `hwsim.costs.primitives.multiplier` counts: an AND for each pair of bits
and, for every bit of the shorter operand but one, a row of adder cells as long as the longer one
(Baugh and Wooley 1973 for two's complement).  Time lies along the bits of packed bytes, so that one
NumPy operation evaluates a node for all pairs of operands.  No delays: a node switches at most once
for each pair, so that glitches are those that the node's constant averages over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.costs import primitives

Plane = npt.NDArray[np.uint8]  # a node at all times, eight a byte
AND, XOR = primitives.AND.transistors, primitives.XOR.transistors
Node = tuple[int, Plane]  # transistors of the gate that drives it, and its values


def switched_transistors(
    before: tuple[Any, Any],
    after: tuple[Any, Any],
    bits: tuple[int, int],
    signed: tuple[bool, bool],
) -> int:
    """Σ of the transistors whose gate's output differs after the change, over all changes.

    Parameters: ``before`` and ``after``, two integer arrays (n,) each, the words of a and b of
    ``bits`` bits (1 … 64) on both sides of n changes; ``signed`` whether each is two's complement.

    >>> still = (np.array([3]), np.array([5]))
    >>> switched_transistors(still, still, (4, 4), (False, False))
    0
    >>> switched_transistors(still, (np.array([4]), np.array([5])), (4, 4), (False, False))
    156
    """
    old, new = (_nodes(*words, bits, signed) for words in (before, after))
    pairs = zip(old, new, strict=True)
    return sum(size * int(np.bitwise_count(x ^ y).sum()) for (size, x), (_, y) in pairs)


def product_bits(a: Any, b: Any, bits: tuple[int, int], signed: tuple[bool, bool]) -> list[int]:
    """The products that the array's last row holds, modulo 2^(sum of ``bits``): they prove that
    these are the nodes of a multiplier.

    >>> product_bits(np.array([-3]), np.array([5]), (4, 4), (True, True))
    [241]
    """
    array = _Array(_planes(a, bits[0]), _planes(b, bits[1]), signed)
    for _ in array.nodes():
        pass
    planes = [np.unpackbits(plane)[: len(a)] for plane in array.product]
    return [sum(int(p[i]) << n for n, p in enumerate(planes)) for i in range(len(a))]


def _planes(words: Any, bits: int) -> list[Plane]:
    words = np.asarray(words).astype(np.uint64)
    one = np.uint64(1)
    return [np.packbits(((words >> np.uint64(i)) & one).astype(np.uint8)) for i in range(bits)]


def _nodes(
    a: Any, b: Any, bits: tuple[int, int], signed: tuple[bool, bool]
) -> Generator[Node, None, None]:
    return _Array(_planes(a, bits[0]), _planes(b, bits[1]), signed).nodes()


class _Array:
    """One array, evaluated row by row; ``product`` is complete when its nodes are."""

    def __init__(self, a: list[Plane], b: list[Plane], signed: tuple[bool, bool]) -> None:
        if len(a) < len(b):
            a, b, signed = b, a, (signed[1], signed[0])
        self.long, self.short, self.signed = a, b, signed
        self.product: list[Plane] = []
        self.constant = _correction(len(a), len(b), signed)

    def nodes(self) -> Generator[Node, None, None]:
        """Every node, in the order in which they settle."""
        n, m = len(self.long), len(self.short)
        row = yield from self._partial(0)
        top: Plane | None = None
        for i in range(1, m):
            self.product.append(row[0])
            x = yield from self._partial(i)
            upper: list[Plane | None] = [*row[1:], top]
            carry: Plane | None = None
            row = []
            for j in range(n):
                free = j == 0 or (i == 1 and j == n - 1)  # a cell's third input, of weight i + j
                one = free and self._takes(i + j)
                total, carry = yield from _cell([upper[j], x[j], carry], one)
                row.append(total)
            top = carry
        self.product += row if top is None else [*row, top]
        yield from self._rest()

    def _partial(self, i: int) -> Generator[Node, None, list[Plane]]:
        """A row of products of bits: NAND for AND where exactly one has the sign's weight."""
        last = i == len(self.short) - 1
        row = []
        for j, bit in enumerate(self.long):
            flip = (self.signed[0] and j == len(self.long) - 1) != (self.signed[1] and last)
            row.append(~(bit & self.short[i]) if flip else bit & self.short[i])
            yield AND, row[-1]
        return row

    def _takes(self, column: int) -> bool:
        """Whether the constant has a bit for a free input of this weight."""
        found = bool(self.constant >> column & 1)
        self.constant &= ~(1 << column)
        return found

    def _rest(self) -> Iterator[Node]:
        """What is left of the constant, added by half adders; the highest bit is an inverter."""
        if len(self.short) == 1:
            return
        highest = len(self.product) - 1
        for column in range(highest):
            if self._takes(column):
                carry = self.product[column]
                self.product[column] = ~carry
                for j in range(column + 1, highest + 1):
                    total, new = carry ^ self.product[j], carry & self.product[j]
                    yield XOR, total
                    yield AND, new
                    self.product[j], carry = total, new
        if self._takes(highest):
            self.product[highest] = ~self.product[highest]


def _correction(n: int, m: int, signed: tuple[bool, bool]) -> int:
    """What makes up for the flipped products of bits: −Σ of their weights, modulo 2^(n + m)."""
    flipped = sum(
        1 << (i + j)
        for j in range(n)
        for i in range(m)
        if (signed[0] and j == n - 1) != (signed[1] and i == m - 1)
    )
    return -flipped % (1 << (n + m))


def _cell(inputs: list[Plane | None], one: bool) -> Generator[Node, None, tuple[Plane, Plane]]:
    """A full adder, or a half adder of the two inputs that there are and a constant."""
    found = [x for x in inputs if x is not None]
    p, q = found[0], found[1]
    half, both = p ^ q, p & q
    if len(found) == 2:
        total, carry = (~half, p | q) if one else (half, both)
        yield XOR, total
        yield AND, carry
        return total, carry
    total, through = half ^ found[2], half & found[2]
    carry = both | through
    yield XOR, half
    yield XOR, total
    for gate in (both, through, carry):
        yield AND, gate
    return total, carry
