"""What an approximate multiplier of significands is made of.

Of n-bit operands, by the block diagrams of their papers (`IntegerMultiplier.SOURCE`); leading ones
are found by the counters of `hwsim.costs.primitives`, fractions aligned by shifters.  A truncated
array has the share of the full one's cells whose partial products remain.  A table stands for a
circuit of unknown structure: it is priced as the exact array, which it is meant to undercut.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from hwsim.costs import primitives as t
from hwsim.costs.blocks import Piece
from hwsim.units import IntegerMultiplier, TableMultiplier
from hwsim.units.multipliers import Drum, IterativeLog, Mbm, Mitchell, Realm, Shift, Truncated

FACTOR_BITS = 4  # of a stored addition of REALM


@singledispatch
def core_pieces(core: IntegerMultiplier) -> list[Piece]:
    """The parts of a multiplier of two unsigned integers of ``core.bits`` bits."""
    raise ValueError(f"no cost is known for the multiplier {core}")


@core_pieces.register
def _(core: TableMultiplier) -> list[Piece]:
    exact = t.multiplier(core.bits, core.bits)
    return [Piece("table of products", exact, "priced as the exact array")]


@core_pieces.register
def _(core: Mitchell) -> list[Piece]:
    return [_logarithms(core.bits), *_antilogarithm(core.bits)]


@core_pieces.register
def _(core: Mbm) -> list[Piece]:
    more = Piece("minimising addition", t.adder(core.bits), f"{core.bits} bits")
    return [_logarithms(core.bits), more, *_antilogarithm(core.bits)]


@core_pieces.register
def _(core: Realm) -> list[Piece]:
    entries = core.segments**2
    constants = t.table(entries, FACTOR_BITS)
    table = Piece("additions", constants, f"{entries} constants", beside=True)
    more = Piece("error-reducing addition", t.adder(core.bits), f"{core.bits} bits")
    return [_logarithms(core.bits), table, more, *_antilogarithm(core.bits)]


@core_pieces.register
def _(core: IterativeLog) -> list[Piece]:
    blocks = core.corrections + 1
    wide = 2 * core.bits
    logs = _logarithms(core.bits)
    shifts = 2 * t.shifter(wide, core.bits - 1) if core.bits > 1 else t.NOTHING
    return [
        Piece(logs.name, blocks * logs.logic, f"{blocks} blocks"),
        Piece("shifted residues", blocks * (shifts + t.adder(wide)), f"{blocks} blocks"),
        Piece("sum of blocks", (2 * blocks - 1) * t.adder(wide), f"{wide} bits", levels=blocks),
    ]


@core_pieces.register
def _(core: Drum) -> list[Piece]:
    n, k = core.bits, core.kept
    cut = n - k
    steer = 2 * (t.leading_zero_counter(n) + t.shifter(n, cut))
    back = t.adder(t.bits_for(n)) + t.shifter(2 * n, 2 * cut)
    return [
        Piece("leading ones and steering", steer, f"{n} to {k} bits"),
        Piece("significand multiplier", t.multiplier(k, k), f"{k} × {k} bits"),
        Piece("shift back", back, f"by up to {2 * cut}"),
    ]


@core_pieces.register
def _(core: Truncated) -> list[Piece]:
    n = core.bits
    kept = sum(i + j >= core.dropped for i in range(n) for j in range(n))
    whole = t.multiplier(n, n)
    array = replace(whole, transistors=whole.transistors * kept // n**2)
    return [Piece("truncated array", array, f"{kept} of {n * n} partial products")]


@core_pieces.register
def _(core: Shift) -> list[Piece]:
    wide = core.bits + core.guard
    normal = t.leading_zero_counter(wide) + t.shifter(wide, wide - 1)
    return [
        Piece("shifter", t.shifter(wide, wide), f"{wide} bits, {core.guard} of them guard"),
        Piece("normaliser", normal, f"{wide} bits"),
    ]


def _logarithms(n: int) -> Piece:
    """Leading ones of both operands, and their fractions aligned."""
    align = t.shifter(n, n - 1)
    return Piece("logarithms", 2 * (t.leading_zero_counter(n) + align), f"2 of {n} bits")


def _antilogarithm(n: int) -> list[Piece]:
    """The sum of two logarithms, and the shift back."""
    width = n - 1 + t.bits_for(n)
    return [
        Piece("sum of logarithms", t.adder(max(1, width)), f"{width} bits"),
        Piece("antilogarithm", t.shifter(2 * n, 2 * n - 1), f"{2 * n} bits"),
    ]
