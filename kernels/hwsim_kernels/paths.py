"""What a kernel does, fixed when it is compiled (`Path`), and its format's numbers at run time
(`Scalars`).

P is the carrier's precision (24 or 53 bits), p the accumulator's, q the addend's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

# What is proved about the carrier's sum s = fl(acc + p): it is exact; rounding it again gives
# what rounding acc + p once would; it *is* the result; nothing (its error e is kept, too).
EXACT, INNOCUOUS, NATIVE, STICKY = range(4)

# How a sum reaches the grid: it lies there; to nearest even by (x + C) − C; or in magnitudes, by
# cutting the significand (rtz), after adding to positive ones (rup; rdn is rup of negated
# operands), after adding half a place (rna), after adding random bits (sr: P3109's A, B and C); or
# to nearest even on a fixed grid, by one C for all.
NOTHING, NEAREST, TRUNCATE, UP, AWAY, DRAWN_A, DRAWN_B, DRAWN_C, STEPS = range(9)
DRAWN = (DRAWN_A, DRAWN_B, DRAWN_C)

# What becomes of a sum beyond the range: there is none; the nearest finite value; Inf, by scaling
# to the carrier's own overflow and back; that above and the lowest value below; one turn of a
# circle; any number of turns, rounding to a fixed grid by the way; Inf, by comparing, where the
# binade of the largest value has larger ones (P3109).
UNBOUNDED, CLAMP, SCALE, HALF, TURN, RING, BEYOND = range(7)
INFINITE = (SCALE, HALF, BEYOND)  # finite addends may have infinite sums

# What is added: x·y, or what `hwsim_kernels.multiply` says.
PLAIN, TERMS, MITCHELL, TABLE, ROW, WORDS, SIGNED_WORDS, SHIFT, SIGNED_SHIFT = range(9)
SHIFTS_OF_WORDS = (SHIFT, SIGNED_SHIFT)
TABLES = (TABLE, ROW, WORDS, SIGNED_WORDS)

# How much is counted.
NONE, COUNTS, ALL = range(3)

# Slots of counts (int64).
FULL, PARTIAL, DOMINATED, OVERFLOW, UNDERFLOW, PRODUCT_OVERFLOW, LARGEST, TOUCHED, EMPTY = range(9)
SLOTS = 9

EXPONENT = {32: 0x7F800000, 64: 0x7FF0000000000000}
INFINITY = float("inf")


class Path(NamedTuple):
    """What is compiled into a kernel."""

    width: int  # of the carrier, 32 or 64 bits
    sums: int
    rounding: int
    limit: int
    floor: bool = False  # results under the smallest normal are rounded on its grid (NEAREST)
    signs: bool = False  # results that round to zero keep their sign (NEAREST)
    own: bool = True  # every addend is its own rounding, R(p) = p
    level: int = NONE
    # Run as if no sum could leave the range, and watch whether one would have: the pass then
    # counts for nothing and is done again by a path that has the overflow rule.
    watched: bool = False
    # Lost mass per output and in k order, for where float64 sums of it round.
    ordered: bool = False
    product: int = PLAIN
    clocked: bool = False  # draws are bits of shift registers, one beside each output


class Scalars(NamedTuple):
    """A format, a rounding and an overflow rule as a kernel takes them; in an array, integers
    as bits of the carrier (`hwsim.simulate.grids.lane_scalars`)."""

    floor: Any  # exponent field of the smallest normal binade
    magic: Any  # (P − p) in the exponent field, and the ½ of 1.5: C for `nearest`
    keep: Any  # mask of the bits that a cut keeps
    rest: Any  # the bits that it drops
    half: Any  # the highest of those
    draw: Any  # mask of a draw's N bits where they are added, ``place`` places up
    place: Any
    nudge: Any  # half of the lowest of them
    below: Any  # mask of what lies under that
    lowest: Any
    largest: Any
    up: Any  # 2^(carrier's emax − emax), and its inverse
    down: Any
    smallest_normal: Any
    span: Any  # size of the circle
    steps: Any  # 1.5·2^(P − 1) steps of a fixed grid
    start: Any  # where chunk sums start: +0, or −0 where operands are negated
    ring: Any  # 1.5·2^(P − 1) steps less the lowest value of a circle
    turn: Any  # mask of the bits that count steps, within a turn
    bottom: Any  # bits of 1.5·2^(P − 1) steps


INTEGERS = frozenset(
    {"floor", "magic", "keep", "rest", "half", "draw", "place", "nudge", "below"}
) | {"turn", "bottom"}


def lossless(path: Path) -> bool:
    """Whether nothing is ever lost but by overflow, so that no step swamps."""
    return path.sums == EXACT and path.rounding == NOTHING
