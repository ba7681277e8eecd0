"""A step of an accumulator with what is counted of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from hwsim_kernels.datapath import Step, add, limited, rounded
from hwsim_kernels.paths import (
    ALL,
    DOMINATED,
    DRAWN,
    EMPTY,
    EXACT,
    INFINITE,
    INFINITY,
    NATIVE,
    NONE,
    OVERFLOW,
    PARTIAL,
    SHIFTS_OF_WORDS,
    STICKY,
    TABLES,
    TERMS,
    TOUCHED,
    TURN,
    UNBOUNDED,
    UNDERFLOW,
    Path,
    Scalars,
    lossless,
)
from hwsim_kernels.terms import Error, Term, to_odd, two_sum
from hwsim_kernels.vectors import (
    Vector,
    absolute,
    bits,
    inverted,
    maximum,
    negated,
    population,
    rounds_as_told,
    select,
    widened,
)


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
    if path.sums == NATIVE and not wanted and rounds_as_told(acc):
        return p.lost_in(p.cut_with(acc), acc), None
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
