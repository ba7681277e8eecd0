"""Lanes, trees and dot instructions: the accumulators of which they consist, and their kernels."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.blocked import run_kernel
from hwsim_kernels.multiply import ROWS
from hwsim_kernels.orders import lanes_kernel, trees_kernel
from hwsim_kernels.paths import EXACT, INFINITE, NATIVE, NONE, NOTHING, UNBOUNDED, Path, lossless
from hwsim_kernels.tiles import columns

from hwsim.simulate.choices import Choice, choose
from hwsim.simulate.grids import magnitude, within_float32
from hwsim.simulate.sums import Addend, Sum, float_or_inf
from hwsim.units import DotAdd, Lanes, Order, Tree

Array = npt.NDArray[Any]


# --- proofs ---------------------------------------------------------------------------------------
def stays_finite(inner: Sum, choice: Choice) -> bool:
    """Whether sums that this datapath gives are finite."""
    native = choice.path.sums == NATIVE and not inner.bounded
    return inner.finite and choice.path.limit not in INFINITE and not native


def depth_of(order: Order, length: int) -> int:
    """Roundings from a product, or from a lane's sum, to the sum that c meets."""
    if isinstance(order, Tree):
        return max(0, min(order.width, length) - 1).bit_length()
    assert isinstance(order, Lanes)
    return (order.count - 1).bit_length() if order.tree else order.count - 1


def joints(inner: Sum, choice: Choice) -> Sum:
    """The additions of sums: of lanes, or of nodes (an odd leaf is an addend of these, too), to
    each other, and of what comes out to c."""
    unit, fmt, order, product = inner.unit, inner.fmt, inner.unit.order, inner.addend
    most = float(min(fmt.largest, -fmt.lowest))
    # A tree's nodes have `Sum.bound`; lanes together have the bound of one long sum.
    mass = inner.bound if inner.finite else math.inf
    if isinstance(order, Lanes):
        mass = inner.joined(mass, depth_of(order, inner.facts.length))
    bounded = inner.bounded and mass <= most
    sums = Addend(
        inner.precision,
        inner.quantum,
        mass if bounded else magnitude(fmt),
        mass if bounded else math.inf,
        f"sum in {fmt}",
    )
    if isinstance(order, Tree) and _has_odd_leaf(order, inner.facts.length):
        bits, largest = max(sums.bits, product.bits), max(sums.largest, product.largest)
        sums = replace(sums, bits=bits, largest=largest, what=f"{product.what} or {sums.what}")
    rules = unit.overflow_of(fmt) in ("saturate", "saturate_all", "wrap")
    finite = stays_finite(inner, choice) and (bounded or rules)
    return replace(inner, addend=sums, inner=False, steps=1, finite=finite, leaves=False)


def _has_odd_leaf(order: Tree, length: int) -> bool:
    """Whether some leaf has no partner."""
    return bool(length % order.width % 2 or (order.width % 2 and length >= order.width))


def exact_groups(
    steps: Sum, order: DotAdd, within: int | None = None
) -> tuple[Choice, Choice] | None:
    """Exact sums of a group of products, and their steps; ``steps`` as if products were single.

    within : bits that hold every sum of a group, where more is known than the data's extremes tell.
    Groups start at −0, which adds nothing, a sign neither; counts are proved where no sum is −0.
    """
    product, carrier, unit = steps.addend, steps.carrier, steps.unit
    terms = min(order.width, max(1, steps.facts.length))
    largest = min(Fraction(product.largest) * terms, _fraction(steps.facts.mass))
    bits = math.frexp(float_or_inf(largest))[1] - product.quantum if largest else 1
    bits = bits if within is None else min(bits, within)
    narrow = carrier.width == 64 or (within_float32(unit.a) and within_float32(unit.b))
    inside = product.quantum >= carrier.emin and float_or_inf(largest) < 2.0**carrier.emax
    if bits > carrier.bits or not narrow or not inside:
        return None
    sums = Addend(bits, product.quantum, largest, product.mass, f"a sum of {terms} products")
    one = replace(steps, addend=sums, steps=-(-steps.facts.length // order.width))
    signed = one.fmt.has_negative_zero and unit.rounding != "rdn"
    if steps.level != NONE and signed and (not one.whole or one.facts.c_minus_zero):
        return None
    chosen = choose(one)
    if chosen is None or (chosen.path.sums == NATIVE and not one.finite):
        return None
    exact = Path(carrier.width, EXACT, NOTHING, UNBOUNDED)
    proof = f"float{carrier.width}: sums of {terms} products fit {carrier.bits} bits"
    return Choice(exact, proof), chosen


def _fraction(x: float) -> Fraction:
    return Fraction(x) if math.isfinite(x) else Fraction(2) ** 2048


# --- kernels --------------------------------------------------------------------------------------
def driver(order: Order, inner: Path) -> Any:
    """The compiled kernel for an order."""
    kernels = {Lanes: lanes_kernel, Tree: trees_kernel}
    return kernels.get(type(order), run_kernel)(inner)


@lru_cache(maxsize=1 << 8)
def numbers_of(order: Order, step: int, length: int) -> Any:
    """What its kernel is told of sums of ``length`` products: ``step`` of a sequential sum."""
    if isinstance(order, Lanes):
        return lane_order(order)
    return (order.width, tree_turns(order.width, length)) if isinstance(order, Tree) else step


def lane_order(order: Lanes) -> tuple[Array, Array, Array]:
    """Lanes as they are summed, how many sums become one after each, and as which of all these
    additions (lanes, most of one).

    Lanes i and i + count/2 are neighbours where bits are reversed, as are then i and i + count/4;
    count/2 additions of the first kind come before count/4 of the second.
    """
    lanes = np.arange(order.count)
    if not order.tree:
        return lanes, np.minimum(lanes, 1), lanes[:, None] - 1
    depth = order.count.bit_length() - 1
    bits = (lanes[:, None] >> np.arange(depth)) & 1
    summed = bits @ (1 << np.arange(depth)[::-1])
    joins = [(i & -i).bit_length() - 1 for i in range(1, order.count + 1)]
    left = order.count >> np.arange(depth)  # sums before each kind of addition
    return summed, np.array(joins), order.count - left + summed[:, None] % np.maximum(left // 2, 1)


def tree_turns(width: int, length: int) -> Array:
    """(2, most nodes), the numbers of a tree's nodes, level by level, in the order in which the
    kernel adds: those of a whole tree over ``width`` leaves, if there is one, and of the last."""
    turns = np.zeros((2, max(1, min(width, length) - 1)), np.int64)
    for row, leaves in enumerate((width if width <= length else 0, length % width)):
        numbers = {node: i for i, node in enumerate(_nodes_by_level(leaves))}
        added = [numbers[node] for node in _nodes_as_added(leaves)]
        turns[row, : len(added)] = added
    return turns


def _nodes_by_level(leaves: int) -> list[tuple[int, int]]:
    """The first leaf and the end of every node: neighbours of each level are paired, a last one
    without a partner goes up."""
    level, found = [(i, i + 1) for i in range(leaves)], []
    while len(level) > 1:
        pairs = [(x[0], y[1]) for x, y in zip(level[::2], level[1::2], strict=False)]
        found += pairs
        level = pairs + level[2 * len(pairs) :]
    return found


def _nodes_as_added(leaves: int) -> list[tuple[int, int]]:
    """The same as `trees_kernel` adds: sums wait for one of their size, the rest from the last."""
    waiting: list[tuple[int, int]] = []
    found = []

    def join() -> None:
        last = waiting.pop()
        waiting[-1] = (waiting[-1][0], last[1])
        found.append(waiting[-1])

    for i in range(leaves):
        waiting.append((i, i + 1))
        size = i + 1
        while size % 2 == 0:
            join()
            size //= 2
    while len(waiting) > 1:
        join()
    return found


def stack_for(order: Order, path: Path, carrier: np.dtype[Any]) -> Array:
    """Tiles of sums that wait."""
    height = 2
    if isinstance(order, Tree):
        height = order.width.bit_length() + 1
    elif isinstance(order, Lanes) and order.tree:
        height = order.count.bit_length()
    return np.zeros((height, ROWS, columns(path)), carrier)


def losing_steps(order: Order, k: int, inner: Path, outer: Path) -> tuple[int, int]:
    """Inner steps of lanes or a tree that may lose something: those on products, of which the
    caller knows the zeros, and the others."""
    if isinstance(order, Lanes):
        joined = order.count - 1 if k else 0
        return (0 if lossless(inner) else k), (0 if lossless(outer) else joined)
    assert isinstance(order, Tree)
    whole, last = divmod(k, order.width)
    pairs = whole * (order.width // 2) + last // 2
    joined = order.steps(k)[0] - pairs
    return 0, (0 if lossless(inner) else pairs) + (0 if lossless(outer) else joined)
