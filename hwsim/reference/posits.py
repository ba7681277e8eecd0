"""Posits as strings of bits (`hwsim.formats.PositFormat`).

Every positive number has one string that never ends: its regime, es bits of exponent, its
fraction.  Strings are in the order of their numbers.  A code is a string cut off after n − 1 bits,
and rounding is to the codes as whole numbers, by the share of a step that stands behind the cut;
but nothing beyond minpos and maxpos is rounded to 0 or to NaR.

Source: Posit Working Group, Standard for Posit Arithmetic (2022) §3, §4.1; Gustafson & Yonemoto
2017, §2.
"""

from __future__ import annotations

from typing import NamedTuple

from hwsim.formats import PositFormat
from hwsim.reference.values import NAN, Kind, Value, finite, zero


class Cut(NamedTuple):
    """A string after the cut: the code of the first n − 1 bits, and ``rest`` · 2^−``shift`` steps
    behind it."""

    code: int
    rest: int
    shift: int


def string_of(x: Value, fmt: PositFormat) -> str:
    """The string of |x|, a finite number but 0, up to its last one."""
    k, e = divmod(x.leading_exponent, 1 << fmt.exponent_bits)
    regime = "1" * (k + 1) + "0" if k >= 0 else "0" * -k + "1"
    exponent = f"{e:b}".zfill(fmt.exponent_bits) if fmt.exponent_bits else ""
    return regime + exponent + f"{x.significand:b}"[1:]


def cut_string(x: Value, fmt: PositFormat) -> Cut:
    """The string of |x|, no less than minpos and no more than maxpos."""
    string, places = string_of(x, fmt), fmt.width - 1
    behind = string[places:]
    return Cut(int(string[:places].ljust(places, "0"), 2), int(behind or "0", 2), len(behind))


def decode_posit(code: int, fmt: PositFormat) -> Value:
    """The value of a code."""
    if code in (0, fmt.nan_code):
        return NAN if code else zero()
    negative = code > fmt.nan_code
    string = f"{(1 << fmt.width) - code if negative else code:b}".zfill(fmt.width - 1)
    run = len(string) - len(string.lstrip(string[0]))
    k = run - 1 if string[0] == "1" else -run
    tail = string[run + 1 :].ljust(fmt.exponent_bits, "0")  # what was cut off
    e, fraction = tail[: fmt.exponent_bits], tail[fmt.exponent_bits :]
    exponent = (k << fmt.exponent_bits) + int(e or "0", 2)
    return finite(negative, int("1" + fraction, 2), exponent - len(fraction))


def encode_posit(x: Value, fmt: PositFormat) -> int:
    """The code of a value; ValueError where it is none."""
    if x.kind is Kind.NAN:
        return fmt.nan_code
    if x.is_finite and not (x.is_zero and x.negative):
        magnitude = 0 if x.is_zero else cut_string(x, fmt).code
        code = -magnitude % (1 << fmt.width) if x.negative else magnitude
        if decode_posit(code, fmt) == x:
            return code
    raise ValueError(f"{x} is no value of the format {fmt}")
