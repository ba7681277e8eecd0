"""What each law of rounding compares, on one conversion.

A law is checked on `hard_numbers`: every boundary between values, ties, and what lies next to them.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwsim import reference
from hwsim.formats import (
    FixedFormat,
    Format,
    LogFormat,
    PositFormat,
    Stochastic,
    TableFormat,
    plain_overflow,
    stochastic_of,
)
from hwsim.reference.draws import Draws
from hwsim.reference.posits import cut_string
from hwsim.reference.values import from_ratio
from hwsim.testing.conversion import MIRRORS, Array, Conversion, compared, first_failure
from hwsim.testing.verdicts import Finding

SHARED = 64  # points whose draws are counted


def rounded(subject: Conversion) -> Finding:
    x = subject.points
    wanted = reference.round(x, subject.fmt, subject.rounding, subject.overflow)
    return compared(subject, x, subject(x), wanted.astype(np.float64), "the reference gives")


def kept(subject: Conversion) -> Finding:
    x = subject.values
    return compared(subject, x, subject(x), x, "it is a value of the format,")


def idempotent(subject: Conversion) -> Finding:
    once = subject(subject.points)
    once = once[~np.isnan(once)]
    if subject.overflow == "saturate_all":
        once = once[np.isfinite(once)]
    return compared(subject, once, subject(once), once, "rounding it again should keep it,")


def monotone(subject: Conversion) -> Finding:
    x, y = subject.points, subject(subject.points)
    right = (y[1:] >= y[:-1]) | np.isnan(y[1:]) | np.isnan(y[:-1])

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {y[i]} > R({x[i + 1]}) = {y[i + 1]}"

    return first_failure(right, x[:-1], words)


def symmetric(subject: Conversion) -> Finding:
    x = subject.points
    mirror = replace(subject, rounding=MIRRORS.get(subject.rounding, subject.rounding))
    mirrored = -mirror(-x)
    got = subject(x)
    if not subject.fmt.has_negative_zero:
        got, mirrored = got + 0.0, mirrored + 0.0
    return compared(subject, x, got, mirrored, "-R(-x) is")


def between(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    right = (down <= x) & (x <= up) & ((got == down) | (got == up))

    def words(i: int) -> str:
        return f"{subject}: x = {x[i]}, rdn {down[i]}, R {got[i]}, rup {up[i]}"

    return first_failure(right, x, words)


def _log_sides(fmt: LogFormat, triples: list[tuple[Fraction, ...]]) -> list[int]:
    """By the threshold above the neighbour towards zero; by x's sign where zero lies between."""
    codes, sides = dict(fmt.entries), []
    for x, low, high in triples:
        inner = codes[low if high > 0 else high] & fmt.last_field
        up = x >= 0 if low < 0 < high else (abs(x) > fmt.threshold(inner)) == (high > 0)
        sides.append(1 if up else -1)
    return sides


def _posit_sides(fmt: PositFormat, triples: list[tuple[Fraction, ...]]) -> list[int]:
    """By the value of the code with one bit more; 0 where x is a value."""
    lower = [min(abs(low), abs(high)) for _, low, high in triples]
    codes = reference.encode([float(value) for value in lower], fmt).tolist()
    sides = []
    for (x, low, high), code in zip(triples, codes, strict=True):
        middle = fmt.threshold(code) if low < high else abs(x)
        side = (abs(x) > middle) - (abs(x) < middle)
        sides.append(-side if x < 0 else side)
    return sides


def _side(subject: Conversion, x: Array, down: Array, up: Array) -> Array:
    """−1, 0, 1 as x lies below, at, above the middle of its neighbours.

    x − value rounds in float64, but never across half of an exact gap; those of tables need not be
    exact.
    """
    if isinstance(fmt := subject.fmt, TableFormat):
        triples = zip(x.tolist(), down.tolist(), up.tolist(), strict=True)
        exact = [tuple(map(Fraction, triple)) for triple in triples]
        if isinstance(fmt, LogFormat) and fmt.domain == "log":
            return np.array(_log_sides(fmt, exact))
        gaps = [2 * number - low - high for number, low, high in exact]
        return np.array([(gap > 0) - (gap < 0) for gap in gaps])
    if isinstance(fmt, PositFormat):
        triples = zip(x.tolist(), down.tolist(), up.tolist(), strict=True)
        return np.array(_posit_sides(fmt, [tuple(map(Fraction, triple)) for triple in triples]))
    below, above = x - down, up - x
    side: Array = (below > above).astype(int) - (below < above)
    return side


def nearest(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    side = _side(subject, x, down, up)
    right = np.where(side < 0, got == down, np.where(side > 0, got == up, True))

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}, between {down[i]} and {up[i]}"

    return first_failure(right, x, words)


def tied(subject: Conversion) -> Finding:
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
    return compared(subject, x, got + 0.0, wanted + 0.0, "the tie goes to")


def toward_zero(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    wanted = np.where(x > 0, down, up)
    return compared(subject, x, got + 0.0, wanted + 0.0, "the neighbour towards zero is")


def directed(subject: Conversion) -> Finding:
    x = subject.inside
    got = subject(x)
    right = got >= x if subject.rounding == "rup" else got <= x

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}, on the other side"

    return first_failure(right, x, words)


def odd(subject: Conversion) -> Finding:
    x = subject.inside
    (down, up), got = subject.around(x), subject(x)
    inexact = down < up
    codes = reference.encode(got[inexact], subject.fmt).astype(np.int64)
    odd = np.ones(x.size, bool)
    odd[inexact] = codes & 1 == 1

    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}, whose code is even"

    return first_failure(odd, x, words)


def ended(subject: Conversion) -> Finding:
    """What becomes of numbers a whole spacing and more beyond either end."""
    fmt, x = subject.fmt, subject.points
    low, high = float(fmt.lowest), float(fmt.largest)
    beyond = (x >= 2 * max(high, 1.0)) | (x <= 2 * min(low, -1.0))
    x = x[beyond & np.isfinite(x)]
    rule = plain_overflow(subject.overflow, fmt, subject.rounding)
    if rule in ("saturate", "saturate_all"):
        wanted = np.where(x > 0, high, low)
    else:
        wanted = np.full(x.size, np.nan)
        if rule != "nan":
            wanted = np.where(x > 0, np.inf, -np.inf if low < 0 else np.nan)
    return compared(subject, x, subject(x), wanted, "the overflow rule gives")


def turned(subject: Conversion) -> Finding:
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


def shared(subject: Conversion) -> Finding:
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
    some = np.concatenate([some, _ties_of_draws(subject, how)])
    down, up = subject.around(some)
    right = np.ones(some.size, bool)
    for at, x in enumerate(some.tolist()):
        found = subject(np.full(i, x))[places]
        low, high = sorted((abs(float(down[at])), abs(float(up[at]))))
        step = Fraction(high) - Fraction(low)
        wanted = _away(how, _share(subject.fmt, Fraction(abs(x)), Fraction(low), step))
        right[at] = int((np.abs(found) == high).sum()) == (wanted if step else kinds)
    return first_failure(right, some, lambda i: f"{subject}: {some[i]!r}: not P3109's share")


def _share(fmt: Format, x: Fraction, low: Fraction, step: Fraction) -> Fraction:
    """Of a step, how much of it lies between the value under a magnitude and it; of posits, whose
    steps are those of strings, what the string has behind the cut."""
    if isinstance(fmt, PositFormat) and step:
        _, rest, shift = cut_string(from_ratio(x), fmt)
        return Fraction(rest, 1 << shift)
    return (x - low) / step if step else Fraction(0)


def _ties_of_draws(subject: Conversion, how: Stochastic) -> Array:
    """Between two values, ν at and halfway between multiples of 2^-N, even and odd ones."""
    at = np.searchsorted(subject.values, float(subject.fmt.largest) / 2)
    low, high = map(Fraction, subject.values[at - 1 : at + 1].tolist())
    halves = {1, 2, 3, 4, 5, 7, (2 << how.bits) - 1, (2 << how.bits) - 3}
    numbers = {low + (high - low) * k / (2 << how.bits) for k in halves if k < 2 << how.bits}
    return np.array([float(x) for x in sorted(numbers) if Fraction(float(x)) == x])


def _away(how: Stochastic, share: Fraction) -> int:
    """How many of the 2^N draws go away from zero."""
    if how.variant == "b":
        return (int(share * 2 ** (how.bits + 1)) + 1) // 2
    scaled = share * 2**how.bits
    return round(scaled) if how.variant == "c" else int(scaled)
