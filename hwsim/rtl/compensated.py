"""Compensated sums: one adder for each addition of the algorithm, and two registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hwsim.rtl.numbers import Number

Rounder = Callable[[Number, Number], Number]  # R(x + y)


def negative(x: Number) -> Number:
    """−x."""
    return replace(x, sign=~x.sign, code=None)


def kahan(p: Number, s: Number, e: Number, add: Rounder) -> tuple[Number, Number]:
    """The next sum, and what it added too much."""
    y = add(p, negative(e))
    t = add(s, y)
    too_much = add(t, negative(s))
    return t, add(too_much, negative(y))


def double_word(
    exact: Number, h: Number, low: Number, add: Rounder, alone: Callable[[Number], Number]
) -> tuple[Number, Number]:
    """The next two words: algorithm 5 of Joldes et al. 2017, on a product of two words."""
    p = alone(exact)
    r = add(exact, negative(p))
    s, e = _two_sum(h, p, add)
    w = add(e, add(low, r))
    head = add(s, w)
    z = add(head, negative(s))
    return head, add(w, negative(z))


def _two_sum(h: Number, p: Number, add: Rounder) -> tuple[Number, Number]:
    s = add(h, p)
    of_h = add(s, negative(p))
    of_p = add(s, negative(of_h))
    return s, add(add(h, negative(of_h)), add(p, negative(of_p)))
