"""One step of a MAC unit's accumulator, acc ← R(acc + p), as functions of vectors of lanes.

What a kernel does is fixed by a `Path` when it is compiled; formats are `Scalars` at run time.
Each function says when its bits are right; `hwsim.simulate.choices` proves that they are.
P is the carrier's precision (24 or 53 bits), p the accumulator's, q the addend's (`paths`).
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim_kernels.lane_draws import drawn
from hwsim_kernels.paths import (
    AWAY,
    BEYOND,
    CLAMP,
    DRAWN,
    DRAWN_C,
    EXPONENT,
    HALF,
    INFINITY,
    NEAREST,
    NONE,
    RING,
    SCALE,
    STEPS,
    STICKY,
    TRUNCATE,
    TURN,
    UP,
    Path,
    Scalars,
)
from hwsim_kernels.terms import Error, Term, cut, to_odd
from hwsim_kernels.vectors import (
    Vector,
    absolute,
    at_least,
    at_most,
    bits,
    floats,
    inverted,
    rounds_as_told,
    select,
    sign_mask,
)


class Step(NamedTuple):
    """What one step gives: the new accumulator and what can be counted of it."""

    y: Vector
    s: Vector  # the carrier's sum
    e: Error | None  # its error, where it is rounded with it
    r: Vector  # rounded, before the overflow rule


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
            lost = p.lost_in(s, acc)
    else:
        s = p.plus(acc)
        e = Error(acc, p, s) if path.sums == STICKY else None
    r = rounded(s, e, g, path, draw, lost)
    return Step(limited(r, g, path), s, e, r)
