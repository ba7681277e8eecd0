"""Laws of rounding to a format, for hwsim's conversions or anybody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hwsim.formats import CodebookFormat, FloatFormat, TableFormat, plain_overflow, stochastic_of
from hwsim.testing import rounding_laws as judge
from hwsim.testing.conversion import MIRRORS, NEAREST, Conversion, every, ours
from hwsim.testing.streams import CONVERSION_STREAMS
from hwsim.testing.verdicts import Finding, Law
from hwsim.testing.wide import WIDE_LAWS, is_wide


def _when(reason: str, holds: Callable[[Conversion], bool]) -> Callable[[Conversion], str]:
    return lambda s: "" if holds(s) else reason


def _plain(subject: Conversion) -> bool:
    return subject.fmt.has_zero


def _has_few_draws(subject: Conversion) -> bool:
    how = stochastic_of(subject.rounding)
    return how is not None and how.bits <= 8 and (how.lfsr is None or how.lfsr > how.bits)


def _mirrors(subject: Conversion) -> bool:
    symmetric = subject.fmt.lowest == -subject.fmt.largest and subject.overflow != "wrap"
    if isinstance(subject.fmt, CodebookFormat) or not subject.fmt.has_zero:
        return False  # neither the entries nor the parity of their places need be; R(0) is positive
    return symmetric and (subject.rounding not in MIRRORS or subject.function is ours)


def _linear(subject: Conversion) -> bool:
    return not isinstance(subject.fmt, TableFormat) or subject.fmt.domain == "linear"


def _parity_is_known(subject: Conversion) -> bool:
    """Of rne, rna and rto: in the log domain nothing is a tie."""
    if subject.rounding in NEAREST and not _linear(subject):
        return False
    one_bit = isinstance(subject.fmt, FloatFormat) and subject.fmt.precision == 1
    return subject.fmt.has_zero and not one_bit


NO_ZERO = "the format has no zero"
_LAWS = (
    Law("values stay", "R(v) = v for every value v", judge.kept),
    Law("idempotent", "R(R(x)) = R(x)", judge.idempotent),
    Law(
        "monotone",
        "x <= y gives R(x) <= R(y)",
        judge.monotone,
        _when(
            "values wrap, or draw each their own bits",
            lambda s: s.overflow != "wrap" and not stochastic_of(s.rounding),
        ),
    ),
    Law(
        "sign-symmetric",
        "R(-x) = -R(x); rup mirrors rdn",
        judge.symmetric,
        _when("the range is not symmetric, or the mirrored rounding is not known", _mirrors),
    ),
    Law(
        "between rdn and rup",
        "rdn(x) <= x <= rup(x), and R(x) is one of both",
        judge.between,
        _when(NO_ZERO, _plain),
    ),
    Law(
        "nearest",
        "no value is nearer to x than R(x)",
        judge.nearest,
        _when(
            f"not to nearest, or {NO_ZERO}",
            lambda s: s.rounding in NEAREST and (_plain(s) or not _linear(s)),
        ),
    ),
    Law(
        "ties",
        "rne to the even code, rna away from zero",
        judge.tied,
        _when(
            "not to nearest, or to logarithms, or no code is even",
            lambda s: s.rounding in NEAREST and _parity_is_known(s) and _linear(s),
        ),
    ),
    Law(
        "toward zero",
        "|R(x)| <= |x|",
        judge.toward_zero,
        _when(f"not rtz, or {NO_ZERO}", lambda s: s.rounding == "rtz" and _plain(s)),
    ),
    Law(
        "directed",
        "rup(x) >= x, rdn(x) <= x",
        judge.directed,
        _when(f"neither rup nor rdn, or {NO_ZERO}", lambda s: s.rounding in MIRRORS and _plain(s)),
    ),
    Law(
        "odd where inexact",
        "rto: x, or a value with an odd code",
        judge.odd,
        _when("not rto, or no code is odd", lambda s: s.rounding == "rto" and _parity_is_known(s)),
    ),
    Law(
        "overflow",
        "far beyond the range: the largest, Inf or NaN, as the rule says",
        judge.ended,
        _when("no rule for a far number", lambda s: _plain(s) and _rule_is_plain(s)),
    ),
    Law(
        "wraps",
        "R(x) differs from the unbounded result by whole turns",
        judge.turned,
        _when("nothing wraps", lambda s: s.overflow == "wrap" and s.fmt.signed),
    ),
    Law(
        "shares of draws",
        "sr: of one draw of each of 2^N kinds, P3109's number goes away from zero",
        judge.shared,
        _when("not sr of at most 8 bits", lambda s: _has_few_draws(s) and _plain(s)),
    ),
    Law(
        "the reference",
        "R(x) equals hwsim.reference.round, all bits",
        judge.rounded,
    ),
    CONVERSION_STREAMS,
)


def _rule_is_plain(subject: Conversion) -> bool:
    """Rules under which directed roundings too leave the range."""
    rule = plain_overflow(subject.overflow, subject.fmt, subject.rounding)
    if rule in ("saturate", "saturate_all"):
        return True
    always = rule in ("inf_always", "nan") or subject.rounding in NEAREST
    return always and rule not in ("wrap", "sat_none")


def _by_width(law: Law) -> Law:
    """The law, which is another one for formats that float64 does not hold."""
    wide = WIDE_LAWS.get(law.name)

    def found(subject: Conversion) -> Finding:
        return wide(subject) if wide and is_wide(subject.fmt) else law.judge(subject)

    def applies(subject: Conversion) -> str:
        if wide is None and is_wide(subject.fmt):
            return "float64 does not hold its values"
        return law.applies(subject)

    return replace(law, judge=found, applies=applies)


CONVERSION_LAWS = tuple(map(_by_width, _LAWS))

__all__ = ["CONVERSION_LAWS", "Conversion", "every"]
