"""What enters an accumulator, and what the carrier's sum loses of it."""

from __future__ import annotations

from functools import cached_property

from hwsim_kernels.vectors import (
    TOWARD_ZERO,
    Vector,
    add_directed,
    bits,
    floats,
    fma,
    fma_directed,
    negated,
    select,
)


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

    def lost_in(self, cut: Vector, z: Vector) -> Vector:
        """Where ``cut``, which is addend + z toward zero, is not addend + z: taking the addend away
        again, toward zero, then does not give z.  Likewise; docs/proofs-units.md, Draws."""
        if self.fused and self.y is not None:
            return fma_directed(negated(self.x), self.y, cut, TOWARD_ZERO).ne(z)
        return add_directed(cut, negated(self.value), TOWARD_ZERO).ne(z)


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


def cut(s: Vector, e: Vector | None) -> Vector:
    """The bits of s + e toward zero in P bits; e is no −0."""
    m = bits(s)
    if e is None:
        return m
    minus = m >> (s.width - 1)
    return m + (((bits(e) ^ minus) - minus) >> (s.width - 1))  # −1 where e·sign(s) < 0
