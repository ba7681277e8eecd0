"""Laws of rounding to a format, for hwsim's conversions or anybody's.

A law is checked on `hard_numbers`: every boundary between values, ties, and what lies next to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import (
    OVERFLOWS,
    ROUNDINGS,
    CodebookFormat,
    FixedFormat,
    FloatFormat,
    Format,
    Stochastic,
    TableFormat,
    as_format,
    check_overflow,
    check_rounding,
    stochastic_of,
)
from hwsim.reference.draws import Draws
from hwsim.testing.points import hard_numbers
from hwsim.testing.verdicts import Finding, Law

Array = npt.NDArray[Any]
Function = Callable[[Array, Format, str, str], Any]
NEAREST = ("rne", "rna")
MIRRORS = {"rup": "rdn", "rdn": "rup"}


def _ours(x: Array, fmt: Format, rounding: str, overflow: str) -> Any:
    from hwsim import simulate  # imports numba

    return simulate.round(x, fmt, rounding, overflow)


@dataclass(frozen=True)
class Conversion:
    """A rounding under test: ``function(x, fmt, rounding, overflow)`` gives values for float64 x;
    by default `hwsim.round`.

    >>> Conversion("e4m3", "rtz", "saturate")([1.99, 1e9]).tolist()
    [1.875, 448.0]
    """

    fmt: Format
    rounding: str = "rne"
    overflow: str = "saturate"
    function: Function = _ours

    def __post_init__(self) -> None:
        object.__setattr__(self, "fmt", as_format(self.fmt))
        object.__setattr__(self, "rounding", check_rounding(self.rounding))
        check_overflow(self.overflow, self.fmt)

    def __str__(self) -> str:
        return f"{self.fmt}:{self.rounding}:{self.overflow}"

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Values of x, as float64."""
        numbers = np.asarray(x, np.float64)
        values = self.function(numbers, self.fmt, self.rounding, self.overflow)
        result: Array = np.asarray(values, np.float64)
        if result.shape != numbers.shape:
            found = f"function: a result of shape {result.shape} for x of shape {numbers.shape}"
            raise ValueError(f"{found}; an array of values, one for each, is needed")
        return result

    def around(self, x: Array) -> tuple[Array, Array]:
        """The values next to x, below and above, or x twice; by the reference."""
        ends = (reference.round(x, self.fmt, r, self.overflow) for r in ("rdn", "rup"))
        down, up = (np.asarray(end, np.float64) for end in ends)
        return down, up

    @cached_property
    def points(self) -> Array:
        """What the laws are checked on; no infinities where they wrap, nothing negative where
        negative numbers are NaN."""
        x: Array = hard_numbers(self.fmt)
        keep = np.isfinite(x) if self.overflow == "wrap" else np.ones(x.size, bool)
        if not self.fmt.has_zero and self.fmt.has_nan:
            keep &= x > 0
        chosen: Array = x[keep]
        return chosen

    @cached_property
    def values(self) -> Array:
        """Every value of the format, or those of hard codes; ascending."""
        found = np.unique(reference.round(self.points, self.fmt, "rtz", "saturate"))
        finite: Array = found[np.isfinite(found)].astype(np.float64)
        return finite

    @cached_property
    def inside(self) -> Array:
        """Points that no rounding takes out of the range, or to zero where subnormals are lacking:
        below the smallest value those formats round first, and then flush."""
        low, high = float(self.fmt.lowest), float(self.fmt.largest)
        x = self.points[(self.points >= low) & (self.points <= high)]
        whole = isinstance(self.fmt, FixedFormat) or self.fmt.has_subnormals
        return x if whole else x[(np.abs(x) >= float(self.fmt.smallest)) | (x == 0)]


def every(
    fmt: str | Format, function: Function = _ours, roundings: Sequence[str] = ROUNDINGS
) -> list[Conversion]:
    """A conversion for each of the roundings and every overflow rule that the format can have."""
    fmt = as_format(fmt)
    rules = []
    for rule in OVERFLOWS:
        try:
            check_overflow(rule, fmt)
        except SpecError:
            continue
        rules.append(rule)
    return [Conversion(fmt, r, rule, function) for rule in rules for r in roundings]


def same(got: Array, wanted: Array) -> Array:
    """Equal, NaN to NaN, and zeros with their signs."""
    equal = (got == wanted) & (np.signbit(got) == np.signbit(wanted))
    both: Array = equal | (np.isnan(got) & np.isnan(wanted))
    return both


def first_failure(right: Array, x: Array, words: Callable[[int], str]) -> Finding:
    """The finding, with the simplest x that fails: of fewest significand bits, then nearest 1."""
    failed = np.flatnonzero(~right)
    if not failed.size:
        return Finding(right.size)
    return Finding(right.size, words(min(failed.tolist(), key=lambda i: _complexity(float(x[i])))))


def _complexity(x: float) -> tuple[int, float, bool]:
    if x == 0 or not np.isfinite(x):
        return 0, 0.0, x < 0
    significand, exponent = np.frexp(abs(x))
    whole = int(significand * 2.0**53)
    return whole.bit_length() - ((whole & -whole).bit_length() - 1), abs(exponent - 1), x < 0


def _compared(subject: Conversion, x: Array, got: Array, wanted: Array, what: str) -> Finding:
    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}; {what} {wanted[i]}"

    return first_failure(same(got, wanted), x, words)


def _rounded(subject: Conversion) -> Finding:
    x = subject.points
    wanted = reference.round(x, subject.fmt, subject.rounding, subject.overflow)
    return _compared(subject, x, subject(x), wanted.astype(np.float64), "the reference gives")


def _kept(subject: Conversion) -> Finding:
    x = subject.values
    return _compared(subject, x, subject(x), x, "it is a value of the format,")


def _idempotent(subject: Conversion) -> Finding:
    once = subject(subject.points)
    once = once[~np.isnan(once)]
    if subject.overflow == "saturate_all":
        once = once[np.isfinite(once)]
    return _compared(subject, once, subject(once), once, "rounding it again should keep it,")


def _monotone(subject: Conversion) -> Finding:
    x, y = subject.points, subject(subject.points)
    right = (y[1:] >= y[:-1]) | np.isnan(y[1:]) | np.isnan(y[:-1])

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {y[i]} > R({x[i + 1]}) = {y[i + 1]}"

    return first_failure(right, x[:-1], words)


def _symmetric(subject: Conversion) -> Finding:
    x = subject.points
    mirror = replace(subject, rounding=MIRRORS.get(subject.rounding, subject.rounding))
    mirrored = -mirror(-x)
    got = subject(x)
    if not subject.fmt.has_negative_zero:
        got, mirrored = got + 0.0, mirrored + 0.0
    return _compared(subject, x, got, mirrored, "-R(-x) is")


def _between(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    right = (down <= x) & (x <= up) & ((got == down) | (got == up))

    def words(i: int) -> str:
        return f"{subject}: x = {x[i]}, rdn {down[i]}, R {got[i]}, rup {up[i]}"

    return first_failure(right, x, words)


def _side(subject: Conversion, x: Array, down: Array, up: Array) -> Array:
    """−1, 0, 1 as x lies below, at, above the middle of its neighbours.

    x − value rounds in float64, but never across half of an exact gap; those of tables need not be
    exact.
    """
    if isinstance(subject.fmt, TableFormat):
        triples = zip(x.tolist(), down.tolist(), up.tolist(), strict=True)
        gaps = [2 * Fraction(v) - Fraction(low) - Fraction(high) for v, low, high in triples]
        return np.array([(gap > 0) - (gap < 0) for gap in gaps])
    below, above = x - down, up - x
    side: Array = (below > above).astype(int) - (below < above)
    return side


def _nearest(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    side = _side(subject, x, down, up)
    right = np.where(side < 0, got == down, np.where(side > 0, got == up, True))

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}, between {down[i]} and {up[i]}"

    return first_failure(right, x, words)


def _tied(subject: Conversion) -> Finding:
    x = subject.inside
    down, up = subject.around(x)
    tie = (_side(subject, x, down, up) == 0) & (down < up)
    x, down, up = x[tie], down[tie], up[tie]
    got = subject(x)
    if subject.rounding == "rna":
        wanted = np.where(x > 0, up, down)
    else:
        codes = reference.encode(down, subject.fmt)
        wanted = np.where(codes.astype(np.int64) & 1, up, down)
    return _compared(subject, x, got + 0.0, wanted + 0.0, "the tie goes to")


def _toward_zero(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    wanted = np.where(x > 0, down, up)
    return _compared(subject, x, got + 0.0, wanted + 0.0, "the neighbour towards zero is")


def _directed(subject: Conversion) -> Finding:
    x = subject.inside
    got = subject(x)
    right = got >= x if subject.rounding == "rup" else got <= x

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}, on the other side"

    return first_failure(right, x, words)


def _odd(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    inexact = down < up
    codes = reference.encode(got[inexact], subject.fmt).astype(np.int64)
    odd = np.ones(x.size, bool)
    odd[inexact] = codes & 1 == 1

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}, whose code is even"

    return first_failure(odd, x, words)


def _ended(subject: Conversion) -> Finding:
    """What becomes of numbers a whole spacing and more beyond either end."""
    fmt, x = subject.fmt, subject.points
    low, high = float(fmt.lowest), float(fmt.largest)
    beyond = (x >= 2 * max(high, 1.0)) | (x <= 2 * min(low, -1.0))
    x = x[beyond & np.isfinite(x)]
    if subject.overflow in ("saturate", "saturate_all"):
        wanted = np.where(x > 0, high, low)
    else:
        wanted = np.full(x.size, np.nan)
        if subject.overflow != "nan":
            wanted = np.where(x > 0, np.inf, -np.inf)
    return _compared(subject, x, subject(x), wanted, "the overflow rule gives")


def _turned(subject: Conversion) -> Finding:
    """A wrapped value differs from the unbounded one by whole turns; small codes only, so that
    float64 holds the difference."""
    fmt = subject.fmt
    assert isinstance(fmt, FixedFormat)
    span = 2.0**fmt.width * float(fmt.smallest)
    x = subject.points[np.abs(subject.points) < 4 * span]
    wide = FixedFormat(fmt.width + 3 - fmt.fraction_bits, fmt.fraction_bits)
    plain = reference.round(x, wide, subject.rounding, "saturate").astype(np.float64)
    got = subject(x)
    inside = (got >= float(fmt.lowest)) & (got <= float(fmt.largest))
    right = inside & (np.remainder(got - plain, span) == 0)

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}, not {plain[i]} modulo {span}"

    return first_failure(right, x, words)


def _held_by_float64(subject: Conversion) -> str:
    fmt = subject.fmt
    wide = fmt.carried_as_codes or (isinstance(fmt, FixedFormat) and fmt.width > 53)
    return "float64 does not hold its values" if wide else ""


def _when(reason: str, holds: Callable[[Conversion], bool]) -> Callable[[Conversion], str]:
    return lambda s: _held_by_float64(s) or ("" if holds(s) else reason)


def _plain(subject: Conversion) -> bool:
    return subject.fmt.has_zero


def _shared(subject: Conversion) -> Finding:
    """Each point stands once at the place of every draw: elements draw by their places."""
    how = stochastic_of(subject.rounding)
    assert how is not None
    kinds = 1 << how.bits
    places, seen, i = list[int](), set[int](), 0
    draws = Draws(subject.rounding, 0)
    while len(places) < kinds:
        if (r := draws.of(i, 1)(0)) not in seen:
            seen.add(r)
            places.append(i)
        i += 1
    some = subject.inside[subject.inside != 0][:: max(1, subject.inside.size // SHARED)]
    down, up = subject.around(some)
    right = np.ones(some.size, bool)
    for at, x in enumerate(some.tolist()):
        found = subject(np.full(i, x))[places]
        low, high = sorted((abs(float(down[at])), abs(float(up[at]))))
        share = Fraction(abs(x)) - Fraction(low)
        step = Fraction(high) - Fraction(low)
        wanted = _away(how, share / step) if step else 0
        right[at] = int((np.abs(found) == high).sum()) == (wanted if step else kinds)
    return first_failure(right, some, lambda i: f"{subject}: {some[i]!r}: not P3109's share")


def _away(how: Stochastic, share: Fraction) -> int:
    """How many of the 2^N draws go away from zero."""
    if how.variant == "b":
        return (int(share * 2 ** (how.bits + 1)) + 1) // 2
    scaled = share * 2**how.bits
    return round(scaled) if how.variant == "c" else int(scaled)


def _has_few_draws(subject: Conversion) -> bool:
    how = stochastic_of(subject.rounding)
    return how is not None and how.bits <= 8 and (how.lfsr is None or how.lfsr > how.bits)


def _mirrors(subject: Conversion) -> bool:
    symmetric = subject.fmt.lowest == -subject.fmt.largest and subject.overflow != "wrap"
    if isinstance(subject.fmt, CodebookFormat) or not subject.fmt.has_zero:
        return False  # neither the entries nor the parity of their places need be; R(0) is positive
    return symmetric and (subject.rounding not in MIRRORS or subject.function is _ours)


def _linear(subject: Conversion) -> bool:
    return not isinstance(subject.fmt, TableFormat) or subject.fmt.domain == "linear"


def _parity_is_known(subject: Conversion) -> bool:
    """Of rne, rna and rto: in the log domain nothing is a tie."""
    if subject.rounding in NEAREST and not _linear(subject):
        return False
    one_bit = isinstance(subject.fmt, FloatFormat) and subject.fmt.precision == 1
    return subject.fmt.has_zero and not one_bit


SHARED = 64  # points whose draws are counted
NO_ZERO = "the format has no zero"
CONVERSION_LAWS = (
    Law("values stay", "R(v) = v for every value v", _kept, _held_by_float64),
    Law("idempotent", "R(R(x)) = R(x)", _idempotent, _held_by_float64),
    Law(
        "monotone",
        "x <= y gives R(x) <= R(y)",
        _monotone,
        _when(
            "values wrap, or draw each their own bits",
            lambda s: s.overflow != "wrap" and not stochastic_of(s.rounding),
        ),
    ),
    Law(
        "sign-symmetric",
        "R(-x) = -R(x); rup mirrors rdn",
        _symmetric,
        _when("the range is not symmetric, or the mirrored rounding is not known", _mirrors),
    ),
    Law(
        "between rdn and rup",
        "rdn(x) <= x <= rup(x), and R(x) is one of both",
        _between,
        _when(NO_ZERO, _plain),
    ),
    Law(
        "nearest",
        "no value is nearer to x than R(x)",
        _nearest,
        _when("not to nearest", lambda s: s.rounding in NEAREST and _plain(s) and _linear(s)),
    ),
    Law(
        "ties",
        "rne to the even code, rna away from zero",
        _tied,
        _when(
            "not to nearest", lambda s: s.rounding in NEAREST and _parity_is_known(s) and _linear(s)
        ),
    ),
    Law(
        "toward zero",
        "|R(x)| <= |x|",
        _toward_zero,
        _when("not rtz", lambda s: s.rounding == "rtz" and _plain(s)),
    ),
    Law(
        "directed",
        "rup(x) >= x, rdn(x) <= x",
        _directed,
        _when("neither rup nor rdn", lambda s: s.rounding in MIRRORS and _plain(s)),
    ),
    Law(
        "odd where inexact",
        "rto: x, or a value with an odd code",
        _odd,
        _when("not rto", lambda s: s.rounding == "rto" and _parity_is_known(s)),
    ),
    Law(
        "overflow",
        "far beyond the range: the largest, Inf or NaN, as the rule says",
        _ended,
        _when("no rule for a far number", lambda s: _plain(s) and _rule_is_plain(s)),
    ),
    Law(
        "wraps",
        "R(x) differs from the unbounded result by whole turns",
        _turned,
        _when("nothing wraps", lambda s: s.overflow == "wrap" and s.fmt.signed),
    ),
    Law(
        "shares of draws",
        "sr: of one draw of each of 2^N kinds, P3109's number goes away from zero",
        _shared,
        _when("not sr of at most 8 bits", lambda s: _has_few_draws(s) and _plain(s)),
    ),
    Law(
        "the reference",
        "R(x) equals hwsim.reference.round, all bits",
        _rounded,
        _held_by_float64,
    ),
)


def _rule_is_plain(subject: Conversion) -> bool:
    """Rules under which directed roundings too leave the range."""
    if subject.overflow in ("saturate", "saturate_all"):
        return True
    always = subject.overflow in ("inf_always", "nan") or subject.rounding in NEAREST
    return always and subject.overflow != "wrap"
