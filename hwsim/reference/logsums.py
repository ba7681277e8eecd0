"""Sums of logarithmic numbers by tables, on integers: logarithms are fields, less their bias.

A number is (sign, field), field 0 being zero; magnitudes round as their fields do, in the log
domain.  `hwsim.units.LogSum` has the source.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from hwsim.formats import LogFormat
from hwsim.formats.logarithmic import ROOT_BITS, root_of_two
from hwsim.reference.powers import fields_of
from hwsim.reference.rounding import rounds_away
from hwsim.reference.values import ZERO, Value, from_ratio, negate

GUARD = 64  # bits under those of a root, for squares that are cut


class Log(NamedTuple):
    """A number of the accumulator's format; ``field`` 0 is zero, which has no sign."""

    negative: bool
    field: int


class Table(NamedTuple):
    """An accumulator's format, the fraction bits of its tables' entries, its rounding."""

    fmt: LogFormat
    places: int
    rounding: str


NOTHING = Log(False, 0)
Rounded = tuple[Log, bool]  # and whether it overflowed


# --- the tables -----------------------------------------------------------------------------------
@lru_cache(maxsize=1 << 14)
def plus(distance: int, bits: int, places: int) -> int:
    """log2(1 + 2^z) of z = −distance·2^-bits, to the nearest multiple of 2^-places, in these.

    >>> [plus(k, 1, 1) for k in range(6)]
    [2, 2, 1, 1, 1, 0]
    """
    x = _power(distance, bits, places)
    return _log2((1 << (ROOT_BITS + GUARD)) + x, places) if x else 0


@lru_cache(maxsize=1 << 14)
def minus(distance: int, bits: int, places: int) -> int:
    """log2(1 − 2^z), z < 0, likewise; it is negative.

    >>> [minus(k, 1, 1) for k in range(1, 7)]
    [-4, -2, -1, -1, -1, 0]
    """
    x = _power(distance, bits, places)
    return _log2((1 << (ROOT_BITS + GUARD)) - x, places) if x else 0


def _power(distance: int, bits: int, places: int) -> int:
    """2^(−distance·2^-bits) in units of 2^-(ROOT_BITS + GUARD), rounded down by under 2^GUARD; 0
    where that is 2^-(places + 3) at most, and the logarithm under half an entry's last place."""
    whole, part = divmod(-distance, 1 << bits)
    if distance >> bits >= places + 3:
        return 0
    return (root_of_two(part, bits) << GUARD) >> -whole


def _log2(x: int, places: int) -> int:
    """log2 of x in those units to the nearest multiple of 2^-places; no logarithm but that of a
    power of two is rational, so there is no tie.

    Digit after digit of the fraction comes from squaring; both ends of an interval around x have to
    give the same ones.
    """
    one = ROOT_BITS + GUARD
    if x & (x - 1) == 0:
        return (x.bit_length() - 1 - one) << places
    slack = 1 << (GUARD + 1)
    ends = [_digits(end, places + 1) for end in (x - slack, x + slack)]
    assert ends[0] == ends[1], "more bits are needed"
    return (ends[0] + 1) >> 1


def _digits(x: int, places: int) -> int:
    """floor(log2(x)·2^places), but for what cut squares lose: 2^(places + 1) units."""
    one = ROOT_BITS + GUARD
    whole = x.bit_length() - 1 - one
    y, found = (x << -whole if whole < 0 else x >> whole), whole
    for _ in range(places):
        y = y * y >> one
        bit = y >> (one + 1)
        y >>= bit
        found = 2 * found + bit
    return found


# --- numbers --------------------------------------------------------------------------------------
def log_of(x: Value, fmt: LogFormat) -> Log:
    """A value of the format as sign and field; field 0 of an operand may be a number."""
    return NOTHING if x.is_zero else Log(x.negative, fields_of(fmt)[x._replace(negative=False)])


def value_of(x: Log, fmt: LogFormat) -> Value:
    """The value that the format has for it."""
    if x.field == 0:
        return ZERO
    magnitude = from_ratio(fmt.magnitude(x.field))
    return negate(magnitude) if x.negative else magnitude


def to_field(negative: bool, log: int, more: int, table: Table) -> Rounded:
    """A logarithm in units of 2^-(f + more) rounded to a field; whether it overflowed.

    What lies at field 0 or lower is nearer zero than field 1, though not 0: directed modes go
    where they point.  Between field 0 and 1 half a field parts them.
    """
    fmt = table.fmt
    field = log + (fmt.exponent_bias << more)
    lower, rest, half = field >> more, field & ((1 << more) - 1), (1 << more) >> 1
    versus_half = (rest > half) - (rest < half) if more else -1
    if field <= 0:
        lower, rest, versus_half = 0, 1, -1
    if rest:
        lower += rounds_away(table.rounding, versus_half, lower % 2 == 1, negative)
    if lower > fmt.last_field:
        return Log(negative, fmt.last_field), True
    return (Log(negative, lower) if lower else NOTHING), False


def product_log(x: Value, y: Value, formats: tuple[LogFormat, LogFormat], table: Table) -> Rounded:
    """The sum of two operands' logarithms, rounded to a field; whether it overflowed."""
    if x.is_zero or y.is_zero:
        return NOTHING, False
    bits = max(table.fmt.fraction_bits, *(fmt.fraction_bits for fmt in formats))
    log = 0
    for value, fmt in zip((x, y), formats, strict=True):
        own = log_of(value, fmt)
        log += (own.field - fmt.exponent_bias) << (bits - fmt.fraction_bits)
    return to_field(x.negative != y.negative, log, bits - table.fmt.fraction_bits, table)


def add_logs(x: Log, y: Log, table: Table) -> Rounded:
    """x + y by the tables, rounded to a field; whether it overflowed."""
    if x.field == 0 or y.field == 0:
        return (y if x.field == 0 else x), False
    large, small = (x, y) if x.field >= y.field else (y, x)
    distance, bits = large.field - small.field, table.fmt.fraction_bits
    if x.negative != y.negative and distance == 0:
        return NOTHING, False
    entry = (plus if x.negative == y.negative else minus)(distance, bits, table.places)
    more = max(0, table.places - bits)
    log = large.field - table.fmt.exponent_bias
    return to_field(
        large.negative, (log << more) + (entry << (bits + more - table.places)), more, table
    )
