"""`check`: every law that applies to a format, a rounding or a MAC unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hwsim.errors import SpecError
from hwsim.formats import (
    OVERFLOWS,
    ROUNDINGS,
    BlockFormat,
    Format,
    as_format,
    check_rounding,
    names_block,
    parse_block,
    parse_format,
    stochastic_of,
)
from hwsim.testing.block_laws import BLOCK_LAWS, BlockConversion
from hwsim.testing.conversions import CONVERSION_LAWS, Conversion, every
from hwsim.testing.points import is_exhaustive
from hwsim.testing.products import Product
from hwsim.testing.units import PAIRS, UNIT_LAWS
from hwsim.testing.verdicts import Law, Report, Verdict, judged
from hwsim.units import MacUnit, as_unit, names_unit

Progress = Callable[[str, int, int], None]


def check(
    spec: str | Format | BlockFormat | MacUnit,
    function: Callable[..., Any] | None = None,
    *,
    cases: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Judge every law that applies to ``spec``.

    Parameters
    ----------
    spec : a MAC unit; a block format; or a format, with all its roundings and overflow rules, or
        those that are named after it (``"e4m3:rtz:saturate"``).
    function : what is under test in the place of hwsim's own: ``function(x, fmt, rounding,
        overflow)`` for a format, ``function(x, fmt)`` for a block format, along the last axis,
        ``function(a, b, unit, c)`` for a unit.
    cases : outputs that a law of units compares where it draws (a quarter of them for the error
        bound and telemetry); what can be compared in whole is.
    seed : of the drawn operands.
    progress : called with a law's name, laws done, laws in all.

    Raises SpecError where ``spec`` is none; ValueError for ``cases`` or ``seed``, where no law
    applies (values that float64 does not hold), and for results of another shape than x.

    >>> report = check("e2m1:rne:saturate")
    >>> report.ok, report.verdicts[0].law, report.verdicts[0].cases
    (True, 'values stay', 15)
    >>> up = check("e2m1:rne:saturate", lambda x, fmt, rounding, overflow: abs(x))
    >>> print(up.verdicts[0].counterexample)
    e2m1:rne:saturate: R(-1.0) = 1.0; it is a value of the format, -1.0
    """
    for name, value, least in (("cases", cases, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}={value!r}: an integer from {least} is needed")
    if function is not None and not callable(function):
        raise TypeError(f"function={function!r}: a callable is needed")
    laws, subjects, whole = _subjects(spec, function, cases, seed)
    verdicts = []
    for number, law in enumerate(laws):
        if progress:
            progress(law.name, number, len(laws))
        verdicts.append(judged(law, subjects))
    if all(verdict.skipped for verdict in verdicts):
        raise ValueError(f"{spec}: no law applies: {verdicts[0].skipped}")
    return Report(_name(spec), tuple(verdicts), whole)


def _subjects(
    spec: str | Format | BlockFormat | MacUnit, function: Any, cases: int, seed: int
) -> tuple[Sequence[Law], list[Any], str]:
    """Laws, what they are judged on, and what of it is compared in whole."""
    given = {} if function is None else {"function": function}
    if isinstance(spec, MacUnit) or (isinstance(spec, str) and names_unit(spec)):
        unit = as_unit(spec)
        whole = 1 << (unit.a.width + unit.b.width) <= PAIRS and max(unit.a.width, unit.b.width) <= 8
        text = "all pairs of codes as single products" if whole else ""
        return UNIT_LAWS, [Product(unit, outputs=cases, seed=seed, **given)], text
    block = _block(spec)
    if block is not None:
        return BLOCK_LAWS, [BlockConversion(block, seed=seed, **given)], ""
    assert not isinstance(spec, BlockFormat)
    conversions = _conversions(spec, given)
    whole = is_exhaustive(conversions[0].fmt)
    text = "all boundaries between values, ties, and what lies next to them" if whole else ""
    return CONVERSION_LAWS, conversions, text


def _block(spec: str | Format | BlockFormat | MacUnit) -> BlockFormat | None:
    """The block format that is meant, if one is."""
    if not isinstance(spec, str):
        return spec if isinstance(spec, BlockFormat) else None
    name, *options = spec.split(":")
    if not names_block(name):
        return None
    if options:
        raise SpecError(f"{spec!r}: blocks are judged as {name}: rne, saturating")
    return parse_block(name)


def _conversions(spec: str | Format, given: dict[str, Any]) -> list[Conversion]:
    """All conversions to a format, or those with the rounding and the rule that are named."""
    if not isinstance(spec, str):
        return every(as_format(spec), **given)
    name, *options = spec.split(":")
    fmt = parse_format(name)
    roundings = [check_rounding(word) for word in options if _rounds(word)]
    unknown = [word for word in options if not _rounds(word) and word not in OVERFLOWS]
    if unknown:
        allowed = ", ".join((*ROUNDINGS, "srN", *OVERFLOWS))
        raise SpecError(f"{spec!r}: {unknown[0]!r} is no rounding and no overflow rule; {allowed}")
    rules = [word for word in options if word in OVERFLOWS]
    found = [
        conversion
        for conversion in every(fmt, **given, roundings=roundings or ROUNDINGS)
        if conversion.overflow in (rules or OVERFLOWS)
    ]
    if not found:
        raise SpecError(f"{spec!r}: {fmt} cannot obey {', '.join(rules)}")
    return found


def _rounds(word: str) -> bool:
    """Whether a word names a rounding; SpecError for a stochastic one that there is not."""
    return word in ROUNDINGS or stochastic_of(word) is not None


def _name(spec: str | Format | BlockFormat | MacUnit) -> str:
    return spec if isinstance(spec, str) else str(spec)


__all__ = ["Report", "Verdict", "check"]
