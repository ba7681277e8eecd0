"""Rounding to formats that are tables of values (`hwsim.formats.TableFormat`).

Between two neighbouring values a rounding chooses one; at a value it stays; beyond both ends it
takes the end.  In the log domain the neighbours 2^u and 2^v of one sign part at 2^((u + v)/2), an
irrational number: |x| is compared with it by raising both to a power that makes it one of two.

Source: Miyashita, Lee, Murmann 2016, arXiv 1603.01025, §3 (round of log2|x|).
"""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from functools import cache

from hwsim.formats import LogFormat, TableFormat
from hwsim.reference.values import Value, from_ratio, to_fraction

Entry = tuple[Fraction, int]  # value and code


def round_to_table(x: Value, fmt: TableFormat, rounding: str) -> Value:
    """The value of ``fmt`` that a finite or infinite x rounds to; ±Inf goes to the end."""
    if not x.is_finite:
        return from_ratio(fmt.lowest if x.negative else fmt.largest)
    number, entries = to_fraction(x), fmt.entries
    at = bisect_left(_numbers(fmt), number)  # the first value that is not below x
    if at == len(entries):
        return from_ratio(fmt.largest)
    if at == 0 or entries[at][0] == number:
        return from_ratio(entries[at][0])
    low, high = entries[at - 1], entries[at]
    return from_ratio((high if goes_up(number, low, high, fmt, rounding) else low)[0])


@cache
def _numbers(fmt: TableFormat) -> list[Fraction]:
    return [value for value, _ in fmt.entries]


def goes_up(x: Fraction, low: Entry, high: Entry, fmt: TableFormat, rounding: str) -> bool:
    """Whether x, strictly between two neighbours, goes to the higher one.

    Where zero lies between them and is no value, the one of x's own sign (0 counts as positive)
    takes ties, rtz, and rto if both codes have one parity.
    """
    across, own_sign = low[0] < 0 < high[0], x >= 0
    match rounding:
        case "rup" | "rdn":
            return rounding == "rup"
        case "rtz":
            return own_sign if across else x < 0
        case "rto":
            return own_sign if low[1] % 2 == high[1] % 2 else high[1] % 2 == 1
        case "rne" | "rna":
            side = versus_middle(x, low, high, fmt)
            if side:
                return side > 0
            return own_sign if across or rounding == "rna" else high[1] % 2 == 0
    raise ValueError(f"rounding={rounding!r}: allowed are rne, rna, rtz, rup, rdn, rto")


def versus_middle(x: Fraction, low: Entry, high: Entry, fmt: TableFormat) -> int:
    """−1, 0, 1 as x lies below, at, above the point where roundings to nearest part."""
    middle: Fraction = (low[0] + high[0]) / 2
    if fmt.domain == "linear":
        return (x > middle) - (x < middle)
    if low[0] < 0 < high[0]:
        return 0  # both are as far: neither logarithm is that of a number of the other sign
    assert isinstance(fmt, LogFormat)
    inner = low if middle > 0 else high  # the neighbour towards zero; zero has field 0
    field = inner[1] & ((1 << fmt.field_bits) - 1)
    above = exceeds_root(abs(x), 2 * (field - fmt.exponent_bias) + 1, 2 << fmt.fraction_bits)
    return 1 if above == (middle > 0) else -1


def exceeds_root(x: Fraction, power: int, degree: int) -> bool:
    """Whether x > 2^(power / degree), for a dyadic x > 0 and an irrational root: x^degree is
    compared with 2^power."""
    exponent = 1 - x.denominator.bit_length()  # x = numerator · 2^exponent
    raised: int = x.numerator**degree
    return raised.bit_length() > power - exponent * degree


# --- codes ----------------------------------------------------------------------------------------
def decode_table(code: int, fmt: TableFormat) -> Value:
    """The value of a code; ValueError where it stands for nothing."""
    if code not in fmt.values_by_code:
        raise ValueError(f"code {code}: it is no code of {fmt}")
    return from_ratio(fmt.values_by_code[code])


def encode_table(x: Value, fmt: TableFormat) -> int:
    """The code of a value; ValueError where it is none."""
    if x.is_finite:
        at = bisect_left(_numbers(fmt), to_fraction(x))
        if at < len(fmt.entries) and fmt.entries[at][0] == to_fraction(x):
            return fmt.entries[at][1]
    raise ValueError(f"{x} is no value of the format {fmt}")
