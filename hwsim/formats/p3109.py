"""The formats of IEEE P3109, Binary{K}p{P}{s|u}{e|f}: names, and which of them there are.

They are float formats (`hwsim.formats.FloatFormat`) whose specials are ``p3109e`` (extended: with
Inf) or ``p3109f`` (finite): X = K − P exponent bits signed, K − P + 1 unsigned, bias 2^(X − 1).

Source: IEEE P3109 interim report 4.0 §4.1 (formats), §4.7 (decoding).
"""

from __future__ import annotations

import re
from typing import Literal

from hwsim.errors import SpecError

SPECIALS: tuple[Literal["p3109e", "p3109f"], ...] = ("p3109e", "p3109f")
NAME = re.compile(
    r"[Bb][Ii][Nn][Aa][Rr][Yy](?P<k>[0-9]{1,9})[Pp](?P<p>[0-9]{1,9})(?P<s>[SsUu])(?P<d>[EeFf])"
)
NARROWEST, WIDEST = 3, 16
MOST_EXPONENT_BITS = 11  # of which float64 holds every value


def name(width: int, precision: int, signed: bool, specials: str) -> str:
    """The name in our spelling, lower case.

    >>> name(8, 4, True, "p3109e")
    'binary8p4se'
    """
    return f"binary{width}p{precision}{'s' if signed else 'u'}{specials[-1]}"


def check(width: int, precision: int, signed: bool) -> None:
    """SpecError for a width or a precision that P3109 has not, or that float64 does not hold."""
    most = width - int(signed)
    told = f"Binary{width}p{precision}{'s' if signed else 'u'}"
    if not NARROWEST <= width <= WIDEST:
        raise SpecError(f"{told}: {width} bits; P3109 has {NARROWEST} … {WIDEST}")
    if not 1 <= precision <= most:
        raise SpecError(f"{told}: a precision of {precision}; 1 … {most} are possible")
    if exponent_bits(width, precision, signed) > MOST_EXPONENT_BITS:
        raise SpecError(
            f"{told}: its values lie beyond float64 (exponents -1074 … 1023), so no carrier "
            f"holds it; a precision of {most + 1 - MOST_EXPONENT_BITS} or more is needed"
        )


def exponent_bits(width: int, precision: int, signed: bool) -> int:
    """X, the width of the exponent field."""
    return width - precision + int(not signed)
