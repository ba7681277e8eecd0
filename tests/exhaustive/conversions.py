"""Every code of every format of up to 16 bits, and every rounding between neighbouring codes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import hwsim
from hwsim import reference
from hwsim.formats import ROUNDINGS, Format, PositFormat
from hwsim.reference import codes
from hwsim.reference.values import Value, from_float
from tests.exhaustive.exact import all_codes, bits, numbers, outcomes
from tests.exhaustive.spaces import TARGETS, Part, rules

Array = npt.NDArray[Any]


def jobs() -> Iterator[tuple[str, str]]:
    """A format and a rounding."""
    for name in TARGETS:
        for rounding in ROUNDINGS:
            yield name, rounding


def run(name: str, rounding: str) -> Part:
    """Round and encode everything there is for one format and one rounding."""
    fmt = hwsim.format(name)
    digest = hashlib.sha256()
    cases = check_codes(name) if rounding == "rne" else 0
    x = inputs(name)
    exact = [from_float(v) for v in x.tolist()]
    found = outcomes(exact, fmt, rounding, rules(fmt))
    for rule, outcome in found.items():
        kept = ~outcome.refused
        values = [v for v, keep in zip(outcome.results, kept, strict=True) if keep]
        wanted, code = bits(numbers(values, fmt)), codes_of(values, fmt)
        digest.update(wanted.tobytes() + code.tobytes())
        for given in carriers(x[kept]):
            where = np.isin(x[kept], given.astype(np.float64)) | np.isnan(x[kept])
            got = bits(hwsim.round(given, fmt, rounding, rule))
            assert got.tobytes() == wanted[where].tobytes(), (name, rounding, rule, given.dtype)
            got = hwsim.encode(given, fmt, rounding, rule)
            assert got.tobytes() == code[where].tobytes(), (name, rounding, rule, given.dtype)
            cases += 2 * given.size
    return Part(cases, digest.hexdigest())


def check_codes(name: str) -> int:
    """decode of every code."""
    every = all_codes(name)
    assert bits(hwsim.decode(every.code, name)).tobytes() == bits(every.numbers).tobytes(), name
    assert bits(every.numbers).tobytes() == bits(reference.decode(every.code, name)).tobytes()
    return len(every.code)


def inputs(name: str) -> Array:
    """float64 values around every code: itself, the midpoint above it, and just below (positive)
    or above (negative) the midpoint; the ends of the range and beyond; ±0, ±Inf, NaN.  Of posits
    the thresholds too, which are no midpoints where the cut falls into the exponent."""
    every = all_codes(name)
    finite = np.unique(np.abs(every.numbers[every.finite].astype(np.float64)))
    step = np.append(np.diff(finite), finite[-1] - finite[-2] if len(finite) > 1 else 1.0)
    middle = finite + step / 2  # exact: formats here have at most 16 bits
    fmt = hwsim.format(name)
    if isinstance(fmt, PositFormat):
        parting = [float(fmt.threshold(code)) for code in range(1, fmt.largest_code)]
        middle = np.unique(np.concatenate([middle, parting]))
    below, above = np.nextafter(middle, 0.0), np.nextafter(middle, np.inf)
    smallest = float(fmt.smallest)
    ends = np.array([smallest / 2, smallest / 4, smallest * 0.75, smallest * 2.0**-30, np.inf])
    beyond = finite[-1] + step[-1] * np.array([0.75, 1.0, 1.5, 2.0, 3.0, 1e3, 1e9])
    common = np.concatenate([finite, middle, ends, beyond])
    return np.concatenate([common, below, -common, -above, [np.nan, 0.0, -0.0]])


def carriers(x: Array) -> Iterator[Array]:
    """x in float64; what float32 holds of it, in float32; what int64 holds, in int64."""
    yield x
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = x.astype(np.float32)
        yield narrow[(narrow == x) | np.isnan(x)]


def codes_of(values: list[Value], fmt: Format) -> Array:
    """Codes by the reference, in the smallest unsigned dtype; each distinct value once."""
    known = {value: codes.encode(value, fmt) for value in dict.fromkeys(values)}
    dtype = np.uint8 if fmt.width <= 8 else np.uint16
    return np.array([known[value] for value in values], dtype)
