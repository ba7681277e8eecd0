"""Roundings: which bits decide them, and which way they go.  Alone in knowing their names."""

from __future__ import annotations

from dataclasses import dataclass, field

from hwsim.formats import stochastic_of
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath
from hwsim.rtl.numbers import NO


@dataclass(frozen=True)
class Rule:
    """How a number becomes one of a format's.

    rounding, overflow : as a unit names them.  ftz : subnormal results are zeros of their sign.
    draw : the random bits of a stochastic rounding.
    """

    rounding: str = "rne"
    overflow: str = "saturate"
    ftz: bool = False
    draw: Bits = field(default_factory=lambda: NO)


def bits_below(rounding: str) -> int:
    """Bits under a sum's last place that decide: guard, round and sticky, or what a draw meets."""
    how = stochastic_of(rounding)
    return 3 if how is None else how.bits + (2 if how.variant == "a" else 3)


def goes_up(path: Datapath, rest: Bits, odd: Bits, negative: Bits, rule: Rule) -> Bits:
    """Whether a magnitude goes away from zero.

    rest : the bits below its last one (the last of them may be sticky).  odd : its last bit.
    """
    if len(rest) == 0 or rule.rounding == "rtz":
        return NO
    if stochastic_of(rule.rounding):
        return _drawn(path, rest, rule)
    guard, some = rest[-1], path.wire(rest.any(), "inexact")
    match rule.rounding:
        case "rne":
            return path.wire(guard & (rest[:-1].any() | odd), "up")
        case "rna":
            return guard
        case "rup":
            return path.wire(some & ~negative, "up")
        case "rdn":
            return path.wire(some & negative, "up")
        case "rto":
            return path.wire(some & ~odd, "up")
    raise ValueError(f"rounding={rule.rounding!r}: no rounder")


def _drawn(path: Datapath, rest: Bits, rule: Rule) -> Bits:
    """The carry of the random bits and what lies below the last place."""
    how = stochastic_of(rule.rounding)
    assert how is not None
    n = how.bits
    kept = n + (how.variant != "a")
    padded = Cat(Const(0, max(0, kept + 1 - len(rest))), rest)
    upper, lower = padded[len(padded) - kept :], padded[: len(padded) - kept]
    draw = rule.draw[:n]
    if how.variant == "b":
        return path.wire(upper + Cat(Const(1, 1), draw), "drawn", n + 2)[-1]
    if how.variant == "a":
        return path.wire(upper + draw, "drawn", n + 1)[-1]
    nearest = upper[0] & (lower.any() | upper[1])
    whole = path.wire(upper[1:] + nearest, "nearest", n + 1)
    return path.wire(whole + draw, "drawn", n + 1)[-1]
