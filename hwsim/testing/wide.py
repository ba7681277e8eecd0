"""Laws of rounding to integers and fixed point of 54 to 64 bits, whose values no float64 holds.

Numbers go in as float64 and as 64-bit integers, codes come out; every law compares exact fractions.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.formats import FixedFormat, Format, power_of_two
from hwsim.testing.conversion import Conversion
from hwsim.testing.points import hard_numbers, patterns
from hwsim.testing.verdicts import Finding

Array = npt.NDArray[Any]
HALF = Fraction(1, 2)
MOST = 1000  # numbers of more than 64 steps
Holds = Callable[[FixedFormat, str, Fraction, int], bool]


def is_wide(fmt: Format) -> bool:
    """Whether arrays of the format hold codes that float64 does not."""
    return isinstance(fmt, FixedFormat) and fmt.width > 53


def inputs(subject: Conversion) -> tuple[Array, Array]:
    """Finite float64 numbers, and integers: of integer formats all hard codes and what lies next
    to the ends, of fixed point those near its ends and few others."""
    fmt = subject.fmt
    assert isinstance(fmt, FixedFormat)
    numbers = hard_numbers(fmt)
    numbers = numbers[np.isfinite(numbers)]
    ends = {int(fmt.lowest) + d for d in (-1, 0, 1)} | {int(fmt.largest) + d for d in (-1, 0, 1)}
    codes = patterns(fmt.width) if fmt.fraction_bits == 0 else set(range(9))
    low, high = (-(2**63), 2**63 - 1) if fmt.signed else (0, 2**64 - 1)
    whole = {sign * code for code in codes for sign in (1, -1)} | ends
    kept = sorted(code for code in whole if low <= code <= high)
    integers = np.array(kept, np.int64 if fmt.signed else np.uint64)
    near = np.abs(numbers) < 64 * float(fmt.smallest)
    far = numbers[~near]
    return np.concatenate([numbers[near], far[:: 1 + far.size // MOST]]), integers


def rounded(subject: Conversion) -> list[tuple[Fraction, int]]:
    """(x in steps of the format, code) for every number that is tried."""
    found: list[tuple[Fraction, int]] = []
    step = power_of_two(subject.fmt.quantum_exponent)
    for x in inputs(subject):
        codes = np.asarray(subject.function(x, subject.fmt, subject.rounding, subject.overflow))
        if codes.shape != x.shape or codes.dtype.kind not in "iu":
            shown = f"shape {codes.shape} and dtype {codes.dtype} for x of shape {x.shape}"
            raise ValueError(f"function: a result of {shown}; an integer code for each is needed")
        steps = (Fraction(number) / step for number in x.tolist())
        found += zip(steps, codes.tolist(), strict=True)
    return found


def law(holds: Holds, what: str, inside: bool = True) -> Callable[[Conversion], Finding]:
    """A law of one number and its code, on numbers inside the range or on all."""

    def judge(subject: Conversion) -> Finding:
        fmt, found = subject.fmt, rounded(subject)
        assert isinstance(fmt, FixedFormat)
        if inside:
            found = [pair for pair in found if fmt.lowest_code <= pair[0] <= fmt.largest_code]
        wrong = [pair for pair in found if not holds(fmt, subject.rounding, *pair)]
        if not wrong:
            return Finding(len(found))
        steps, code = min(wrong, key=lambda pair: abs(pair[0]))
        number = f"{steps} · 2^-{fmt.fraction_bits}" if fmt.fraction_bits else str(steps)
        return Finding(len(found), f"{subject}: R({number}) has the code {code}; {what}")

    return judge


def _as_the_reference(subject: Conversion) -> Finding:
    cases, wrong = 0, []
    for x in inputs(subject):
        how = subject.fmt, subject.rounding, subject.overflow
        wanted = reference.round(x, *how).tolist()
        got = np.asarray(subject.function(x, *how)).tolist()
        triples = list(zip(x.tolist(), got, wanted, strict=True))
        wrong += [triple for triple in triples if triple[1] != triple[2]]
        cases += len(triples)
    if not wrong:
        return Finding(cases)
    number, code, due = min(wrong, key=lambda triple: abs(triple[0]))
    words = f"R({number}) has the code {code}; the reference gives {due}"
    return Finding(cases, f"{subject}: {words}")


def _monotone(subject: Conversion) -> Finding:
    found = sorted(rounded(subject))
    for count, ((low, one), (high, other)) in enumerate(pairwise(found), 1):
        if one > other:
            return Finding(count, f"{subject}: {low} has the code {one}, {high} has {other}")
    return Finding(len(found) - 1)


def _tied(fmt: FixedFormat, rounding: str, x: Fraction, code: int) -> bool:
    if x.denominator != 2:
        return True
    return code % 2 == 0 if rounding == "rne" else abs(code) > abs(x)


def _ended(fmt: FixedFormat, rounding: str, x: Fraction, code: int) -> bool:
    beyond = fmt.largest_code if x > fmt.largest_code + 1 else fmt.lowest_code
    return fmt.lowest_code - 1 <= x <= fmt.largest_code + 1 or code == beyond


def _turned(fmt: FixedFormat, rounding: str, x: Fraction, code: int) -> bool:
    away = (code - x) % (1 << fmt.width)
    inside = fmt.lowest_code <= code <= fmt.largest_code
    return inside and (away < 1 or away > (1 << fmt.width) - 1)


# By the names of the laws in `CONVERSION_LAWS`.
WIDE_LAWS: dict[str, Callable[[Conversion], Finding]] = {
    "values stay": law(lambda fmt, r, x, y: x.denominator > 1 or x == y, "it is a value"),
    "monotone": _monotone,
    "between rdn and rup": law(lambda fmt, r, x, y: abs(x - y) < 1, "no neighbour"),
    "nearest": law(lambda fmt, r, x, y: abs(x - y) <= HALF, "another value is nearer"),
    "ties": law(_tied, "the tie goes the other way"),
    "toward zero": law(lambda fmt, r, x, y: abs(y) <= abs(x) < abs(y) + 1, "not towards zero"),
    "directed": law(
        lambda fmt, r, x, y: y >= x if r == "rup" else y <= x, "it lies on the other side"
    ),
    "odd where inexact": law(lambda fmt, r, x, y: x.denominator == 1 or y % 2 == 1, "an even code"),
    "overflow": law(_ended, "the end of the range was due", inside=False),
    "wraps": law(_turned, "not modulo the circle", inside=False),
    "the reference": _as_the_reference,
}
