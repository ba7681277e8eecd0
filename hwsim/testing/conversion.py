"""A rounding to a format under test, what it is tried on, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import (
    OVERFLOWS,
    ROUNDINGS,
    FixedFormat,
    Format,
    PositFormat,
    as_format,
    check_overflow,
    check_rounding,
)
from hwsim.testing.points import hard_numbers
from hwsim.testing.verdicts import Finding, FunctionError

Array = npt.NDArray[Any]
Function = Callable[..., Any]
NEAREST = ("rne", "rna")
MIRRORS = {"rup": "rdn", "rdn": "rup"}


def ours(x: Array, fmt: Format, rounding: str, overflow: str, seed: int = 0) -> Any:
    from hwsim import simulate  # imports numba

    return simulate.round(x, fmt, rounding, overflow, seed=seed)


@dataclass(frozen=True)
class Conversion:
    """A rounding under test: ``function(x, fmt, rounding, overflow)`` gives values for float64 x;
    by default `hwsim.round`.  One that draws random bits may also take ``seed``.

    >>> Conversion("e4m3", "rtz", "saturate")([1.99, 1e9]).tolist()
    [1.875, 448.0]
    """

    fmt: Format
    rounding: str = "rne"
    overflow: str = "saturate"
    function: Function = ours

    def __post_init__(self) -> None:
        object.__setattr__(self, "fmt", as_format(self.fmt))
        object.__setattr__(self, "rounding", check_rounding(self.rounding))
        check_overflow(self.overflow, self.fmt)

    def __str__(self) -> str:
        return f"{self.fmt}:{self.rounding}:{self.overflow}"

    def __call__(self, x: npt.ArrayLike, seed: int | None = None) -> Array:
        """Values of x, as float64."""
        numbers = np.asarray(x, np.float64)
        seeded = {} if seed is None else {"seed": seed}
        try:
            values = self.function(numbers, self.fmt, self.rounding, self.overflow, **seeded)
        except Exception as error:  # a user's function may raise anything
            what = f"{type(error).__name__}: {error}"
            raise FunctionError(f"{self} of {numbers.size} numbers raises {what}") from error
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
        below the smallest value those formats round first, and then flush; posits go up to it."""
        low, high = float(self.fmt.lowest), float(self.fmt.largest)
        x = self.points[(self.points >= low) & (self.points <= high)]
        whole = isinstance(self.fmt, FixedFormat) or self.fmt.has_subnormals
        whole = whole and not isinstance(self.fmt, PositFormat)
        return x if whole else x[(np.abs(x) >= float(self.fmt.smallest)) | (x == 0)]


def every(
    fmt: str | Format, function: Function = ours, roundings: Sequence[str] = ROUNDINGS
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


def compared(subject: Conversion, x: Array, got: Array, wanted: Array, what: str) -> Finding:
    def words(i: int) -> str:
        return f"{subject}: R({x[i]}) = {got[i]}; {what} {wanted[i]}"

    return first_failure(same(got, wanted), x, words)
