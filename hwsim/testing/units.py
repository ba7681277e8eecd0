"""Laws of MAC units, for hwsim's products or anybody's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hwsim import reference
from hwsim.formats import FixedFormat, FloatFormat, TableFormat
from hwsim.testing import unit_laws as judge
from hwsim.testing.orders import ORDER_LAWS
from hwsim.testing.products import Product, ours
from hwsim.testing.streams import UNIT_STREAMS
from hwsim.testing.unit_laws import PAIRS
from hwsim.testing.verdicts import Law
from hwsim.units import (
    DotAdd,
    ExactProduct,
    Fused,
    LogSum,
    MacUnit,
    Sequential,
    Staged,
    TableMultiplier,
)
from hwsim.units.multipliers import Shift


def _integer(fmt: Any) -> bool:
    return isinstance(fmt, FixedFormat) and fmt.fraction_bits == 0 and fmt.width <= 62


def _signed_integers(s: Product, rule: str) -> bool:
    u = s.unit
    formats = (u.a, u.b, u.accumulator)
    plain = u.outer_format == u.accumulator and _multiplies(u)
    ends = u.output is None and u.requantization is None and not u.daz and not _loses_more(u)
    return plain and ends and all(map(_integer, formats)) and u.overflow_of(u.accumulator) == rule


def _multiplies(unit: MacUnit) -> bool:
    """Whether exact products enter the sum."""
    return isinstance(unit.multiplier, ExactProduct) and unit.core is None


def _loses_more(unit: MacUnit) -> bool:
    """Whether sums that every format holds may lose bits in the order's own blocks."""
    order, formats = unit.order, (unit.a, unit.b, unit.accumulator)
    if isinstance(order, LogSum):
        return True
    if isinstance(order, Fused) and order.fraction is not None:
        small = all(isinstance(f, FloatFormat) and f.emin <= 0 for f in formats)
        return not (small and order.fraction >= 6 and (order.zero or -1) <= 0)
    return isinstance(order, Staged) or (isinstance(order, DotAdd) and order.partial is not None)


def _mirrored(fmt: Any) -> bool:
    if isinstance(fmt, TableFormat):
        return fmt.mirrored
    return bool(fmt.lowest == -fmt.largest)


def _values(s: Product) -> bool:
    formats = (s.unit.a, s.unit.b, s.unit.outer_format, s.unit.output_format)
    return not any(fmt.carried_as_codes for fmt in formats) and s.unit.requantization is None


def _mirrors(s: Product) -> bool:
    u = s.unit
    formats = [u.a, *u.rounded_formats().values()]
    wraps = "wrap" in {u.overflow_of(fmt) for fmt in formats[1:]}
    free = not (isinstance(u.core, TableMultiplier) and u.core.signed)
    words = any(isinstance(fmt, FixedFormat) for fmt in (u.a, u.b))
    free = free and not (isinstance(u.core, Shift) and words)  # which go down
    if isinstance(u.order, DotAdd) and u.order.partial is not None:
        formats.append(u.order.partial)
    free = free and not isinstance(u.order, Staged)  # whose sums go down
    return _values(s) and free and not wraps and all(map(_mirrored, formats))


def _one_step(s: Product) -> bool:
    u = s.unit
    plain = isinstance(u.order, Sequential) and _multiplies(u)
    rules = {u.overflow_of(fmt) for fmt in u.rounded_formats().values()}
    signed = u.accumulator.lowest < 0
    return _values(s) and plain and u.output is None and "wrap" not in rules and signed


def _float_sums(s: Product) -> bool:
    fmt = s.unit.accumulator
    wide = isinstance(fmt, FloatFormat) and fmt.largest >= 2**15 and fmt.has_subnormals
    wide = wide and not s.unit.daz and not s.unit.ftz
    a, b = s.unit.a, s.unit.b
    if isinstance(a, TableFormat) or isinstance(b, TableFormat):  # any of their values are drawn
        wide = wide and 64 * a.largest * b.largest <= fmt.largest
    return _one_step(s) and wide and all(f.largest >= 16 for f in (a, b))


def _has_ones(s: Product) -> bool:
    u = s.unit
    formats = [u.a, u.b, *u.rounded_formats().values()]
    ones = all(
        reference.round([0, 1, -1], f, "rtz", "saturate").tolist() == [0, 1, -1]
        for f in formats
        if f.lowest <= -1 <= 1 <= f.largest
    )
    blocks = [x for x in (u.a_block, u.b_block) if x is not None]
    ones = ones and all(x.rule == "floor" for x in blocks)  # else scales are rounded quotients
    ones = ones and not u.daz and not u.ftz and u.core is None and not _loses_more(u)
    return _values(s) and ones and all(f.lowest <= -1 and f.largest >= 1 for f in formats)


def _adds_floats(s: Product) -> bool:
    u = s.unit
    formats = (u.accumulator, u.outer_format)
    return _values(s) and all(isinstance(fmt, FloatFormat) for fmt in formats)


def _has_zeros(s: Product) -> bool:
    return _values(s) and all(f.has_zero for f in (s.unit.a, s.unit.b, s.unit.outer_format))


def _is_ours(s: Product) -> bool:
    return s.function is ours and _values(s)


def _when(reason: str, holds: Callable[[Product], bool]) -> Callable[[Product], str]:
    return lambda subject: "" if holds(subject) else reason


CODES = "its values need integers of any width"
UNIT_LAWS = (
    Law(
        "single products",
        "R(a·b) for all pairs of codes (seeded ones beyond 8 bits) equals the reference's",
        judge.pairs,
        _when(CODES, _values),
    ),
    Law(
        "dot products",
        "c + Σ a·b equals the reference's, all bits",
        judge.dots,
        _when(CODES, _values),
    ),
    Law(
        "far apart",
        "c + a·b, one of them at the first bits that a sum of the other loses, is the reference's",
        judge.apart_sums,
        _when(f"{CODES}, or sums are of no floats", _adds_floats),
    ),
    Law(
        "zeros",
        "of nothing but zeros, the reference's, with their signs",
        judge.zeros,
        _when(f"{CODES}, or a format has no zero", _has_zeros),
    ),
    Law(
        "operands commute",
        "f(a, b) = f(bᵀ, aᵀ)ᵀ with the formats exchanged",
        judge.commutes,
        _when(
            f"{CODES}, or outputs draw by their places", lambda s: _values(s) and not judge.draws(s)
        ),
    ),
    Law(
        "sign-symmetric",
        "f(−a, b, −c) = −f(a, b, c); rup mirrors rdn",
        judge.symmetric,
        _when("a range is not symmetric, or wraps, or words or sums go down", _mirrors),
    ),
    Law(
        "exact where it fits",
        "sums of −1, 0, 1 that the accumulator holds are exact",
        judge.exact,
        _when("−1 or 1 is no value of some format, or products or blocks are not exact", _has_ones),
    ),
    Law(
        "threads, tiles, batches",
        "change nothing, nor does counting",
        judge.same_whatever_runs_it,
        _when("only of hwsim's own products", _is_ours),
    ),
    Law(
        "monotone",
        "R(c + a·b) never falls as c grows",
        judge.monotone,
        _when(
            "not one rounding of an exact product per step, or outputs draw by their places",
            lambda s: _one_step(s) and not judge.draws(s),
        ),
    ),
    Law(
        "between rdn and rup",
        "one step lies between, and is one of both",
        judge.directed,
        _when("not one rounding of an exact product per step", _one_step),
    ),
    Law(
        "error bound",
        "|f − Σ| ≤ ((1 + u)^(K+1) − 1)·Σ|terms| + K·η",
        judge.bounded,
        _when(
            "no wide float accumulator with one rounding of an exact product per step", _float_sums
        ),
    ),
    Law(
        "wraps",
        "integer sums modulo 2^n",
        judge.modular,
        _when(
            "no integers, exactly multiplied, whose sum wraps",
            lambda s: _signed_integers(s, "wrap"),
        ),
    ),
    Law(
        "saturates",
        "sums of nonnegative terms are clamped once and stay",
        judge.clamped,
        _when(
            "no integers, exactly multiplied, whose sum saturates",
            lambda s: _signed_integers(s, "saturate"),
        ),
    ),
    Law(
        "telemetry",
        "every count equals the reference's",
        judge.telemetry,
        _when("only of hwsim's own products", _is_ours),
    ),
    UNIT_STREAMS,
    *ORDER_LAWS,
)

__all__ = ["PAIRS", "UNIT_LAWS"]
