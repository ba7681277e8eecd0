"""Compensated sums and sums of two words, as their papers have them: every line rounds once.

Sources: Kahan 1965; Joldes, Muller, Popescu 2017, algorithms 2 (TwoSum), 3 (Fast2Mult) and 5
(`hwsim.units.compensated`).  Products enter where they stand, exactly or rounded.
"""

from __future__ import annotations

from typing import Protocol

from hwsim.reference.values import ZERO, Value, add, negate


class Sum(Protocol):
    """An accumulator: `hwsim.reference.units.Level`."""

    def add(self, acc: Value, p: Value) -> Value:
        """R(acc + p), a step that is counted."""
        ...

    def rest(self, x: Value, y: Value) -> Value:
        """R(x + y), of which only an overflow is counted."""
        ...

    def alone(self, exact: Value) -> Value:
        """R(exact), of which only an overflow is counted."""
        ...


def kahan_sum(addends: list[Value], start: Value, level: Sum) -> Value:
    """start + Σ addends; e is what the last addition added too much."""
    s, e = start, ZERO
    for p in addends:
        y = level.rest(p, negate(e))
        t = level.add(s, y)
        too_much = level.rest(t, negate(s))
        e = level.rest(too_much, negate(y))
        s = t
    return s


def double_word_sum(addends: list[Value], start: Value, level: Sum, rounding: str) -> Value:
    """start + Σ addends in two words, whose sum is exact; start without addends."""
    h, low = start, ZERO
    for exact in addends:
        p = level.alone(exact)
        r = level.rest(exact, negate(p))
        s, e = two_sum(h, p, level)
        w = level.rest(e, level.rest(low, r))
        h = level.rest(s, w)
        z = level.rest(h, negate(s))
        low = level.rest(w, negate(z))
    return add(h, low, rounding) if addends else start


def two_sum(h: Value, p: Value, level: Sum) -> tuple[Value, Value]:
    """s = R(h + p), which counts, and its error as five more additions find it."""
    s = level.add(h, p)
    of_h = level.rest(s, negate(p))
    of_p = level.rest(s, negate(of_h))
    error_of_h = level.rest(h, negate(of_h))
    error_of_p = level.rest(p, negate(of_p))
    return s, level.rest(error_of_h, error_of_p)
