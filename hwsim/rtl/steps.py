"""Single operations, and the steps of sequential units: codes in, codes out."""

from __future__ import annotations

from itertools import product as pairs_of

from hwsim.formats import FixedFormat, FloatFormat, Format, PositFormat, SumFormat
from hwsim.rtl.arithmetic import add, multiply
from hwsim.rtl.cores import has_plain_zeros, product_by
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Bits, Cat, Datapath
from hwsim.rtl.numbers import NO, Number, normalised, ranked
from hwsim.rtl.projection import project
from hwsim.rtl.rounding import Rule, bits_below
from hwsim.rtl.tables import look_up
from hwsim.rtl.words import add_fixed
from hwsim.units import DotAdd, Exact, Fused, MacUnit, Staged, StoredProduct


def add_codes(path: Datapath, a: Bits, b: Bits, fmt: FloatFormat, rule: Rule) -> Bits:
    """The code of a + b."""
    total = add(path, decode(path, a, fmt), decode(path, b, fmt), bits_below(rule.rounding))
    return project(path, total, fmt, rule)


def multiply_codes(path: Datapath, a: Bits, b: Bits, fmt: FloatFormat, rule: Rule) -> Bits:
    """The code of a·b."""
    x, y = (normalised(path, decode(path, code, fmt)) for code in (a, b))
    return project(path, ranked(path, "product", multiply(path, x, y)), fmt, rule)


def rule_of(unit: MacUnit, fmt: Format, draw: Bits = NO) -> Rule:
    """How a unit rounds into one of its formats."""
    return Rule(unit.rounding, unit.overflow_of(fmt), unit.ftz, draw)


def flush_of(unit: MacUnit) -> str:
    """How a unit reads subnormal operands."""
    return "ftz" if unit.ftz else "daz" if unit.daz else ""


def product(path: Datapath, unit: MacUnit, a: Bits, b: Bits, normal: bool) -> Number:
    """a·b, exactly; ``normal``: of normalised factors."""
    flush = flush_of(unit)
    if isinstance(unit.multiplier, StoredProduct):
        return stored(path, unit, a, b)
    if unit.core is not None:
        return product_by(unit.core, path, unit, ((a, flush), (b, flush)))
    x, y = decode(path, a, unit.a, flush), decode(path, b, unit.b, flush)
    if normal:
        x, y = normalised(path, x), normalised(path, y)
    return multiply(path, x, y, has_plain_zeros(unit))


def stored(path: Datapath, unit: MacUnit, a: Bits, b: Bits) -> Number:
    """The entry of a table of products; of codes that stand for nothing, or for what the table's
    format does not hold, any."""
    from hwsim.reference.codes import decode as value_of
    from hwsim.reference.codes import encode
    from hwsim.reference.units import product as entry

    assert isinstance(unit.multiplier, StoredProduct)
    fmt, words = unit.multiplier.format, []
    for x, y in pairs_of(range(1 << unit.a.width), range(1 << unit.b.width)):
        try:
            words.append(encode(entry(value_of(x, unit.a), value_of(y, unit.b), unit), fmt))
        except ValueError:
            words.append(0)
    return decode(path, look_up(path, Cat(b, a), words, fmt.width), fmt)


def addend(path: Datapath, unit: MacUnit, a: Bits, b: Bits, draw: Bits = NO) -> Number:
    """The addend of a sum: a·b, or what it rounds to; after the unit's pipeline rank.

    Factors are normalised where a float follows, but not where products have their place in a word
    or are aligned by the exponents of their fields.
    """
    into = unit.product_format
    placed = isinstance(unit.order, DotAdd | Exact | Fused | Staged)
    normal = isinstance(into or unit.accumulator, FloatFormat | PositFormat) and not (
        placed and into is None
    )
    exact = ranked(path, "product", product(path, unit, a, b, normal))
    if into is None:
        return exact
    code = project(path, exact, into, rule_of(unit, into, draw))
    return decode(path, code, into, "daz" if unit.ftz else "")


def accumulate(path: Datapath, x: Number, code: Bits, fmt: SumFormat, rule: Rule) -> Bits:
    """The code of R(acc + x); ``code`` is that of acc, in ``fmt``."""
    if isinstance(fmt, FixedFormat):
        return add_fixed(path, x, code, fmt, rule)
    acc = decode(path, code, fmt, "daz" if rule.ftz else "")
    total = add(path, x, acc, bits_below(rule.rounding), rule.rounding == "rdn")
    return project(path, total, fmt, rule)


def step(
    path: Datapath, unit: MacUnit, operands: tuple[Bits, Bits], acc: Bits, draws: tuple[Bits, Bits]
) -> Bits:
    """acc ← R(acc + a·b) of a sequential unit; draws : of the product, of the sum."""
    x = addend(path, unit, *operands, draws[0])
    fmt = unit.accumulator
    return accumulate(path, x, acc, fmt, rule_of(unit, fmt, draws[1]))
