"""One step of a MAC unit's accumulator, acc ← R(acc + p), as functions of vectors of lanes.

What a kernel does is fixed by a `Path` when it is compiled; formats are `Scalars` at run time.
Each function says when its bits are right; `hwsim.simulate.choices` proves that they are.
P is the carrier's precision (24 or 53 bits), p the accumulator's, q the addend's.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

from hwsim_kernels.draws import FACTORS, SHIFTS
from hwsim_kernels.vectors import (
    TOWARD_ZERO,
    Vector,
    absolute,
    add_directed,
    at_least,
    at_most,
    bits,
    floats,
    fma,
    fma_directed,
    halves,
    inverted,
    maximum,
    negated,
    population,
    rounds_as_told,
    select,
    shifted,
    shifted_left,
    sign_mask,
    spliced,
    widened,
)

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


class Step(NamedTuple):
    """What one step gives: the new accumulator and what can be counted of it."""

    y: Vector
    s: Vector  # the carrier's sum
    e: Error | None  # its error, where it is rounded with it
    r: Vector  # rounded, before the overflow rule


class Term:
    """What enters an accumulator: a number, or a product x·y of that exact value, which an fma
    adds in one instruction (`fused`; where the machine has none, the bits are the same)."""

    def __init__(self, x: Vector, y: Vector | None = None, fused: bool = False) -> None:
        self.x, self.y, self.fused = x, y, fused

    @cached_property
    def value(self) -> Vector:
        return self.x if self.y is None else self.x * self.y

    def plus(self, z: Vector) -> Vector:
        """fl(addend + z)."""
        if self.fused and self.y is not None:
            return fma(self.x, self.y, z)
        return z + self.value

    def minus(self, z: Vector) -> Vector:
        """fl(addend − z)."""
        return self.plus(negated(z))

    def taken_from(self, z: Vector) -> Vector:
        """fl(z − addend)."""
        if self.fused and self.y is not None:
            return fma(negated(self.x), self.y, z)
        return z - self.value

    def cut_with(self, z: Vector) -> Vector:
        """addend + z toward zero, where vectors round so (`rounds_as_told`)."""
        if self.fused and self.y is not None:
            return fma_directed(self.x, self.y, z, TOWARD_ZERO)
        return add_directed(self.value, z, TOWARD_ZERO)

    def cut_from(self, z: Vector) -> Vector:
        """z − addend, likewise."""
        if self.fused and self.y is not None:
            return fma_directed(negated(self.x), self.y, z, TOWARD_ZERO)
        return add_directed(z, negated(self.value), TOWARD_ZERO)


class Error:
    """e with s + e = x + p exactly, for finite s = fl(x + p) (Knuth's two-sum); 0 is +0.

    e is a sum of two terms: whether it is positive, or anything, a comparison of these tells.
    """

    def __init__(self, x: Vector, p: Term, s: Vector) -> None:
        self.p, self.v = p, s - x
        self.rest = x - (s - self.v)

    @cached_property
    def value(self) -> Vector:
        return self.rest + self.p.minus(self.v)

    @cached_property
    def positive(self) -> Vector:
        return self.rest > self.p.taken_from(self.v)

    @cached_property
    def exists(self) -> Vector:
        return self.rest.ne(self.p.taken_from(self.v))


def two_sum(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """(s, e) with s = fl(x + y), s + e = x + y exactly, for finite s."""
    s = x + y
    return s, Error(x, Term(y), s).value


def to_odd(s: Vector, e: Vector) -> Vector:
    """s + e rounded to odd in P bits (Boldo & Melquiond 2008): a later rounding to at most
    P − 2 bits then sees what it would see of s + e.

    Where the signs differ s + e lies under s in magnitude: it is s − 1 place that turns odd.
    """
    m = bits(s)
    toward = (m ^ bits(e)) >> (s.width - 1)
    odd = floats((m + toward) | 1)
    return select((e > 0.0) | (e < 0.0), odd, s)  # false for NaN, the error of an infinite sum


def nearest(x: Vector, g: Scalars, path: Path) -> Vector:
    """x rounded to nearest even by (x + C) − C, C = 1.5·2^(e + P − p), e the exponent of x.

    For e + P − p up to the carrier's emax (proved); Inf and NaN give a finite C and stay.
    """
    field = bits(x) & EXPONENT[x.width]
    if path.floor:
        field = select(field > g.floor, field, g.floor)
    c = floats(field + g.magic)
    r = (x + c) - c
    if path.signs:
        r = floats(bits(r) | (bits(x) & sign_mask(x.width)))
    return r


def truncated(s: Vector, e: Error | None, g: Scalars) -> Vector:
    """s + e rounded toward zero: where the signs differ, s's bits less one, then cut.

    Right, like `upward` and `away`, where no result is subnormal and inexact: the grid is then
    that of the leading p bits.
    """
    return floats(cut(s, e.value if e else None) & g.keep)


def cut(s: Vector, e: Vector | None) -> Vector:
    """The bits of s + e toward zero in P bits; e is no −0."""
    m = bits(s)
    if e is None:
        return m
    minus = m >> (s.width - 1)
    return m + (((bits(e) ^ minus) - minus) >> (s.width - 1))  # −1 where e·sign(s) < 0


def upward(s: Vector, e: Error | None, g: Scalars) -> Vector:
    """s + e rounded up: positive sums get all but one of a place before the cut, and where
    e > 0 a sum that is on the grid is no longer."""
    m = bits(s)
    minus = m >> (s.width - 1)
    move = inverted(minus) & g.rest
    if e is not None:
        move = select(e.positive, (inverted(minus) & (g.rest + 1)) | minus, move)
    return floats((m + move) & g.keep)


def away(s: Vector, e: Error | None, g: Scalars) -> Vector:
    """s + e rounded to nearest, ties away from zero."""
    x = s if e is None else to_odd(s, e.value)
    return floats((bits(x) + g.half) & g.keep)


def random_bits(states: list[list[Vector]], factor: Vector, g: Scalars) -> list[Vector]:
    """Draws from vectors of splitmix64's states (lanes of 64 bits; in lanes of 32 bits those of
    even columns, then those of odd ones), in place: N bits of the mixed word, ``place`` places up.

    ``factor`` is the mixer's second one, times 2^place in lanes of 32 bits.  Those need the bits
    z = 0 … N − 1 and 31 … 30 + N of the product, which stay below 64 then: place + 31 + N ≤ 63.
    Even columns find them in the low word; odd ones, one place further up, in the high one.
    Several draws go side by side: each is a chain of which the next need not await the end.
    """
    words = [z for pair in states for z in pair]
    for shift, by in ((SHIFTS[0], signed(FACTORS[0])), (SHIFTS[1], factor)):
        words = [z ^ shifted(z, z.constant(shift)) for z in words]
        if g.draw.width == 32 and by is factor:
            words = [z * (factor + factor if i % 2 else factor) for i, z in enumerate(words)]
        else:
            words = [z * by for z in words]
    if g.draw.width == 64:
        last = words[0].constant(SHIFTS[2])
        return [shifted_left(z ^ shifted(z, last), g.place) & g.draw for z in words]
    found = []
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = spliced(even, odd, SHIFTS[2], factor)
        other = spliced(odd, even, -SHIFTS[2], factor)
        found.append((halves(one) ^ halves(other)) & g.draw)
    return found


def register_bits(state: Vector, feedback: Vector, g: Scalars) -> tuple[Vector, Vector]:
    """A draw from shift registers, in place, and the registers one clock later (Galois form)."""
    draw = shifted_left(state, g.place) & g.draw
    zero = state.constant(0)
    moved = shifted(state, state.constant(1)) ^ (feedback & (zero - (state & 1)))
    return draw, moved


def signed(word: int) -> int:
    """64 bits as a signed integer."""
    return word - (1 << 64) if word >> 63 else word


def drawn(
    s: Vector, e: Error | None, g: Scalars, path: Path, draw: Vector, lost: Vector | None = None
) -> Vector:
    """s + e by a draw: magnitudes are cut to P bits, the draw is added, the rest dropped.

    P ≥ p + N + 2.  A and B see N and N + 1 bits under the last place, and none below them; C's
    nearest needs to know whether there are any: ``lost``, where the cut is made (or NaN).
    """
    m = cut(s, e.value if e else None)
    lost = e.exists if e else lost
    if not path.floor:
        return floats(drawn_bits(m, g, path, draw, lost))
    # Under the smallest normal value the grid is that of |s| plus it.
    a = absolute(floats(m))
    base = select(a < g.smallest_normal, g.smallest_normal, a.constant(0.0))
    t = a + base
    rest = a - (t - base)
    m = select(rest < 0.0, bits(t) - 1, bits(t))
    lost = rest.ne(0.0) if lost is None else lost | rest.ne(0.0)
    y = floats(drawn_bits(m, g, path, draw, lost)) - base
    y = floats(bits(y) | (bits(s) & sign_mask(s.width)))
    return y if path.signs else y + 0.0


def drawn_bits(m: Vector, g: Scalars, path: Path, draw: Vector, lost: Vector | None) -> Vector:
    """The draw added, and the cut: carries run into the exponent."""
    if path.rounding == DRAWN_B:
        draw = draw | g.nudge
    if path.rounding == DRAWN_C:
        # To nearest at the draw's place, and then the draw: of exact ties those of odd draws stay.
        odd = (draw & (g.nudge + g.nudge)).ne(0)
        stays = odd if lost is None else odd & inverted(lost)
        draw = draw | select(stays, g.below, g.nudge)
    return (m + draw) & g.keep


def rounded(
    s: Vector,
    e: Error | None,
    g: Scalars,
    path: Path,
    draw: Vector | None = None,
    lost: Vector | None = None,
) -> Vector:
    """s + e (or s, where that is exact) on the format's grid, its exponent unbounded above."""
    if draw is not None:
        return drawn(s, e, g, path, draw, lost)
    if path.rounding == STEPS:
        return (s + g.steps) - g.steps
    if path.rounding == NEAREST:
        return nearest(s if e is None else to_odd(s, e.value), g, path)
    cuts = {TRUNCATE: truncated, UP: upward, AWAY: away}
    return cuts[path.rounding](s, e, g) if path.rounding in cuts else s


def limited(r: Vector, g: Scalars, path: Path) -> Vector:
    """The overflow rule on a rounded sum."""
    if path.limit == CLAMP:
        return at_least(at_most(r, g.largest), g.lowest)
    if path.limit == SCALE:
        return r * g.up * g.down
    if path.limit == BEYOND:
        return select(absolute(r) > g.largest, r * INFINITY, r)
    if path.limit == HALF:
        return at_least(r, g.lowest) * g.up * g.down
    if path.limit == RING:
        return floats((bits(r) & g.turn) | g.bottom)
    if path.limit == TURN:
        y = select(r > g.largest, r - g.span, r)
        return select(r < g.lowest, r + g.span, y)
    return r


def entered(acc: Vector, g: Scalars, path: Path) -> Vector:
    """An accumulator as steps take it.  Those of a circle stand at ``ring`` + acc: the carrier's
    sums then round to nearest even on the grid, and their low bits count steps from the lowest
    value, so that clearing the others goes round.

    For sums s with |s − lowest| below 2^(P − 2) steps, the lowest value 0 or an even half of a
    turn, and turns of at most 2^(P − 2).
    """
    return acc + g.ring if path.limit == RING else acc


def left(acc: Vector, g: Scalars, path: Path) -> Vector:
    """Inverse of `entered`."""
    return acc - g.ring if path.limit == RING else acc


def _cut_at_once(path: Path, acc: Vector) -> bool:
    """Whether an instruction cuts acc + p to the P bits of which a draw asks no more."""
    return path.level == NONE and path.rounding in DRAWN and rounds_as_told(acc)


def add(acc: Vector, p: Term, g: Scalars, path: Path, draw: Vector | None = None) -> Step:
    """R(acc + p); by ``draw`` where the rounding takes any."""
    e = lost = None
    if _cut_at_once(path, acc):
        s = p.cut_with(acc)
        if path.rounding == DRAWN_C and path.sums == STICKY:
            lost = p.cut_from(s).ne(acc)
    else:
        s = p.plus(acc)
        e = Error(acc, p, s) if path.sums == STICKY else None
    r = rounded(s, e, g, path, draw, lost)
    return Step(limited(r, g, path), s, e, r)


class Tally(NamedTuple):
    """What is counted, in registers; None where a path has no such count.

    touched : steps with y ≠ acc, or an overflow.  The others, less the zero products, are those
    whose addend vanished (`hwsim.simulate.tally`).
    """

    touched: Any = None
    empty: Any = None  # zero addends, where the caller cannot know them (chunk sums)
    partial: Any = None
    overflow: Any = None
    dominated: Any = None
    underflow: Any = None
    largest: Vector | None = None  # bits of magnitudes, which are ordered as these are
    lost: Vector | None = None
    mass: Vector | None = None


SLOT = {
    "touched": TOUCHED,
    "empty": EMPTY,
    "partial": PARTIAL,
    "overflow": OVERFLOW,
    "dominated": DOMINATED,
    "underflow": UNDERFLOW,
}


def lossless(path: Path) -> bool:
    """Whether nothing is ever lost but by overflow, so that no step swamps."""
    return path.sums == EXACT and path.rounding == NOTHING


def used(path: Path) -> tuple[str, ...]:
    """The fields of `Tally` that a path counts."""
    names = ["largest"] if path.watched or path.level == ALL else []
    if path.level == NONE:
        return tuple(names)
    names += ["empty"] * (
        path.product in (TERMS, *SHIFTS_OF_WORDS, *TABLES)
    )  # of others the operands tell
    names += ["overflow"] * (path.limit != UNBOUNDED)
    if not lossless(path):
        names += ["touched", "partial"]
    if path.level == ALL:
        names += ["lost"] + ["mass"] * path.ordered
        names += ["dominated"] * (not lossless(path)) + ["underflow"] * path.floor
    return tuple(names)


def counted(
    acc: Vector, p: Term, g: Scalars, path: Path, n: Tally, draw: Vector | None = None
) -> tuple[Vector, Tally, Any]:
    """(y, tally with this step in it, mask of overflow or None) for y = R(acc + p).

    For finite addends (chunk sums may be infinite).  Steps with an infinite sum count as touched,
    unless their addend is zero: they swamp nothing.
    """
    step = add(acc, p, g, path, draw)
    y, over, finite = step.y, None, None
    if path.limit != UNBOUNDED:
        over = _overflows(step, g, path)
        if path.limit in INFINITE:  # the accumulator may be infinite, and stays so
            finite = absolute(step.s) < INFINITY
            over = over & finite
        n = n._replace(overflow=plus(n.overflow, over))
    if n.largest is not None:
        a = absolute(y) if finite is None else _zero_unless(absolute(y) < INFINITY, absolute(y))
        n = n._replace(largest=maximum(bits(a), n.largest))
    moved = y.ne(acc)
    missed, gap = _error(acc, p, step, moved, path)
    if path.level == ALL:
        usable = None if finite is None else finite & (absolute(y) < INFINITY)
        n = n._replace(lost=n.lost + _zero_unless(usable, absolute(gap)))
        if path.ordered:
            n = n._replace(mass=n.mass + _zero_unless(usable, absolute(widened(p.value))))
    if not lossless(path):
        touched, partial = moved, moved & missed
        if over is not None:
            touched, partial = touched | over, partial & inverted(over)
        if finite is not None:
            touched = (moved & finite) | over | (inverted(finite) & p.value.ne(0.0))
            partial = partial & finite
        n = n._replace(touched=plus(n.touched, touched), partial=plus(n.partial, partial))
        n = _special(acc, p, step, (g, draw), path, n, partial)
    return y, n, over


def _zero_unless(mask: Vector | None, x: Vector) -> Vector:
    """x where the mask holds, else 0."""
    return x if mask is None else select(mask, x, x.constant(0.0))


def _overflows(step: Step, g: Scalars, path: Path) -> Vector:
    if path.limit == TURN:  # the comparisons of `limited`
        return (step.r > g.largest) | (step.r < g.lowest)
    return step.y.ne(step.r)


def _error(
    acc: Vector, p: Term, step: Step, moved: Vector, path: Path
) -> tuple[Vector, Vector | None]:
    """(y ≠ acc + p where y ≠ acc; and for ALL acc + p − y in float64, rounded once)."""
    y, s, e = step.y, step.s, step.e
    wanted = path.level == ALL
    if path.sums == EXACT:
        # s − y is exact where y is near; where the range ends both are multiples of one quantum.
        return y.ne(s), widened(s - y) if wanted else None
    if path.sums == NATIVE:
        error = Error(acc, p, s)
        return error.exists, widened(error.value) if wanted else None
    if path.sums == STICKY:
        return y.ne(s) | e.exists, _gap(step, path) if wanted else None
    # INNOCUOUS: p + q < P − 1.  Where y ≠ acc the addend reaches a quarter of a step of acc, so
    # y − p is exact: it has no bit under the last one of p, and at most p + q + 1 in all; where
    # |p| > |acc| by Fast2Sum.  acc − (y − p) is the error of a sum of two numbers of p bits,
    # itself one.  Where y = acc all of p is lost.
    rest = p.taken_from(y)
    return rest.ne(acc), widened(select(moved, acc - rest, p.value)) if wanted else None


def _gap(step: Step, path: Path) -> Vector:
    """s + e − y in float64, rounded once."""
    s, e, y = step.s, widened(step.e.value), step.y
    if path.limit == UNBOUNDED and not (path.floor and path.rounding in DRAWN):
        return widened(s - y) + e  # s − y is exact: multiples of one last place, within a step
    # Where the range ends y is far, and a draw takes tiny sums far up: what s − y loses joins e,
    # rounded to odd.
    d, low = two_sum(widened(s), negated(widened(y)))
    return d + to_odd(*two_sum(low, e))


def _special(
    acc: Vector,
    p: Term,
    step: Step,
    how: tuple[Scalars, Vector | None],
    path: Path,
    n: Tally,
    partial: Vector,
) -> Tally:
    """Domination, a part of partial swamping, and underflow: counts of ALL."""
    if path.level != ALL:
        return n
    g, draw = how
    if path.own:  # from zero such a step is exact
        taken = partial & step.y.eq(p.value)
    else:
        alone = limited(rounded(p.value, None, g, path, draw), g, path)
        taken = partial & step.y.eq(alone) & acc.ne(0.0)
    n = n._replace(dominated=plus(n.dominated, taken))
    if path.floor:
        exact = to_odd(step.s, step.e.value) if path.sums == STICKY else step.s
        small = exact.ne(step.r) & (absolute(exact) < g.smallest_normal)
        n = n._replace(underflow=plus(n.underflow, small))
    return n


def plus(count: Any, mask: Vector) -> Any:
    """A count, int64, and the lanes of the mask."""
    return mask.builder.add(count, population(mask))
