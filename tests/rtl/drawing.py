"""Units at random: odd formats, every rounding, overflow and order that has a datapath."""

from __future__ import annotations

import random
from typing import Any

from hwsim.errors import SpecError
from hwsim.formats import FixedFormat, FloatFormat, GridFormat
from hwsim.formats.types import SPECIALS, ZERO_FIELDS
from hwsim.rtl import Design, mac
from hwsim.units import (
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    ExactProduct,
    Fused,
    Kahan,
    Lanes,
    MacUnit,
    Order,
    Reversed,
    RoundedProduct,
    Sequential,
    Staged,
    Tree,
)
from hwsim.units.multipliers import (
    Drum,
    IntegerMultiplier,
    IterativeLog,
    Mbm,
    Mitchell,
    Realm,
    Truncated,
    core_bits,
)

ROUNDINGS = ("rne", "rne", "rne", "rna", "rtz", "rup", "rdn", "rto")
DRAWING = ("sr8-lfsr9", "sr3b-lfsr5", "sr2c-lfsr4", "sr5-lfsr9")  # short registers soon differ
RULES = (None, None, None, "inf", "inf_always", "saturate", "saturate_all", "sat_none", "nan")
IN_TURN = (Sequential, Reversed, Chunked, Exact)  # one rounding at a time: each has its own draw


def drawn_float(rng: random.Random, sums: bool = False) -> FloatFormat:
    """Of any specials, zero field and bias; ``sums``: with a sign and a zero."""
    while True:
        x, p = rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 8)), rng.choice((1, 2, 3, 3, 4, 5, 8, 11))
        middle = (1 << x >> 1) - 1
        bias = rng.choice((None, None, middle + rng.randint(-4, 4), rng.randint(-30, 60)))
        signed = sums or rng.random() < 0.9
        try:
            return FloatFormat(x, p, bias, rng.choice(SPECIALS), signed, rng.choice(ZERO_FIELDS))
        except SpecError:
            continue


def drawn_fixed(rng: random.Random) -> FixedFormat:
    """Of 2 to 20 bits."""
    width, signed = rng.randint(2, 20), rng.random() < 0.8
    fraction = rng.choice((0, rng.randint(0, width - signed)))
    return FixedFormat(width - fraction - signed, fraction, signed)


def drawn_format(rng: random.Random, sums: bool = False) -> GridFormat:
    """A float three times in four."""
    return drawn_float(rng, sums) if rng.random() < 0.75 else drawn_fixed(rng)


def drawn_order(rng: random.Random) -> Order:
    """Any of few terms, half of them sequential."""
    if rng.random() < 0.5:
        return Sequential()
    n, places = rng.randint(2, 4), rng.randint(0, 12)
    outer = rng.choice((None, drawn_format(rng, sums=True)))
    others = (Reversed(n), Chunked(n, outer), Lanes(n), Lanes(4, tree=True), Tree(n), DotAdd(n))
    blocks = (Fused(n), Fused(n, places, nearest=rng.random() < 0.5), Staged(n, places, places))
    return rng.choice((*others, Exact(), Kahan(), DoubleWord(), *blocks))


def drawn_core(rng: random.Random, bits: int) -> IntegerMultiplier | None:
    """A multiplier of significands; None is exact."""
    drum = Drum(bits, rng.randint(2, bits)) if bits > 2 else None
    cut = Truncated(bits, rng.randrange(2 * bits), rng.random() < 0.5)
    realm = Realm(bits, rng.choice((2, 4, 8)))
    return rng.choice((Mitchell(bits), Mbm(bits), realm, IterativeLog(bits, 1), cut, drum))


def drawn_unit(rng: random.Random) -> MacUnit:
    """Any unit, narrow enough to be simulated in a fraction of a second."""
    while True:
        order = drawn_order(rng)
        a, b = drawn_format(rng), drawn_format(rng)
        fields: dict[str, Any] = {"order": order, rng.choice(("daz", "ftz", "core")): True}
        if fields.pop("core", False) and rng.random() < 0.5:
            bits = core_bits(a, b)
            fields["core"] = drawn_core(rng, bits)
        if rng.random() < 0.3:
            fields["output"] = drawn_format(rng, sums=True)
        product = rng.choice((None, drawn_format(rng, sums=True)))
        fields["multiplier"] = RoundedProduct(product) if rng.random() < 0.3 else ExactProduct()
        draws = isinstance(order, IN_TURN) and rng.random() < 0.2
        rounding = rng.choice(DRAWING if draws else ROUNDINGS)
        rule, acc = rng.choice((*RULES, "wrap")), drawn_format(rng, sums=True)
        try:
            return MacUnit(a, b, acc, rounding, rule, **fields)
        except SpecError:
            continue


def drawn_design(seed: int) -> tuple[MacUnit, Design]:
    """The first drawn unit that has a datapath: trees of integers, and stages whose products
    overflow, are refused."""
    rng = random.Random(seed)
    while True:
        unit = drawn_unit(rng)
        try:
            return unit, mac(unit)
        except TypeError as refusal:
            if not str(refusal).startswith("order "):
                raise
