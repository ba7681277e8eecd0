"""Read a format's name.

format = name in the catalogue | alias
       | "e" X "m" Y [ "b" B ] [ "ieee" | "fn" | "fnuz" | "none" | "merged" ] { "_" field }
       | "binary" K "p" P ( "s" | "u" ) ( "e" | "f" )
       | ( "int" | "uint" ) N [ "_sym" ]  |  ( "fixed" | "ufixed" ) I "." F [ "_sym" ]
       | ( "log" I "." F | "pow2_" N ) [ "b" B ] { "_unsigned" | "_nozero" | "_linear" }
       | "posit" N [ "_" ES ]
       | "codebook" [ "_" format ] "_" NUMBER { "_" NUMBER }  |  "codebook=" FILE ".txt"
field  = "nosub" | "normal0" | "unsigned" | "nozero"
NUMBER = [ "n" ] digits [ "." digits ] [ "e" [ "n" ] digits ]
B      = digits, or "n" digits for a negative bias
The names of P3109 may have capitals anywhere.
"""

from __future__ import annotations

import re
from typing import cast

from hwsim.errors import SpecError
from hwsim.formats import p3109
from hwsim.formats.catalogue import ALIASES, CATALOGUE
from hwsim.formats.codebook import (
    FILE,
    NUMBER,
    codebook_of_file,
    codebook_of_words,
)
from hwsim.formats.logarithmic import LogFormat
from hwsim.formats.posits import STANDARD_EXPONENT_BITS, PositFormat
from hwsim.formats.types import (
    FixedFormat,
    FloatFormat,
    Format,
    IntFormat,
    Specials,
    default_specials,
)

_N = "[0-9]{1,9}"  # more digits fit no field, and int() refuses thousands of them
_FLOAT = re.compile(
    rf"e(?P<x>{_N})m(?P<y>{_N})(?:b(?P<bias>n?{_N}))?(?P<specials>ieee|fnuz|fn|none|merged)?"
    r"(?P<fields>(?:_(?:nosub|normal0|unsigned|nozero))*)"
)
_FIXED = re.compile(rf"(?P<u>u?)fixed(?P<i>{_N})\.(?P<f>{_N})(?P<sym>_sym)?")
_INT = re.compile(rf"(?P<u>u?)int(?P<n>{_N})(?P<sym>_sym)?")
_LOG = re.compile(
    rf"(?:log(?P<i>{_N})\.(?P<f>{_N})|pow2_(?P<n>{_N}))(?:b(?P<bias>n?{_N}))?"
    r"(?P<fields>(?:_(?:unsigned|nozero|linear))*)"
)
_NUMBERS = re.compile(rf"{NUMBER}(?:_{NUMBER})*")
_FILE = re.compile(f"codebook=({FILE})")
_POSIT = re.compile(rf"posit(?P<n>{_N})(?:_(?P<es>{_N}))?")
_NAMES = re.compile("|".join(sorted(map(re.escape, [*CATALOGUE, *ALIASES]), key=len, reverse=True)))


def format_length(text: str, start: int) -> int:
    """Length of the longest format name that begins at ``text[start]``; 0 when there is none."""
    patterns = (_NAMES, _FLOAT, p3109.NAME, _FIXED, _INT, _LOG, _POSIT, _FILE)
    matches = (pattern.match(text, start) for pattern in patterns)
    ends = [m.end() for m in matches if m]
    if book := _codebook_parts(text, start):
        ends.append(book[2])
    return max((end - start for end in ends), default=0)


def _codebook_parts(text: str, start: int) -> tuple[str | None, str, int] | None:
    """Entry format, numbers and end of an inline codebook's name; None where there is none."""
    if not text.startswith("codebook_", start):
        return None
    at, entry = start + len("codebook_"), None
    if not text.startswith("codebook", at):  # entries are no codebooks
        length = format_length(text, at)
        if length and text.startswith("_", at + length):
            entry, at = text[at : at + length], at + length + 1
    numbers = _NUMBERS.match(text, at)
    return (entry, numbers[0], numbers.end()) if numbers else None


def parse_format(text: str) -> Format:
    """The format that ``text`` names.

    >>> parse_format("e4m3b11fnuz").largest
    Fraction(30, 1)
    >>> str(parse_format("float8_e4m3"))
    'e4m3ieee'
    """
    name = ALIASES.get(text, text)
    if name in CATALOGUE:
        return CATALOGUE[name].format
    try:
        if m := _FLOAT.fullmatch(name):
            return _float(m)
        if m := p3109.NAME.fullmatch(name):
            return _p3109(m)
        if m := _INT.fullmatch(name):
            return IntFormat(int(m["n"]), signed=not m["u"], symmetric=bool(m["sym"]))
        if m := _FIXED.fullmatch(name):
            return FixedFormat(int(m["i"]), int(m["f"]), not m["u"], bool(m["sym"]))
        if m := _LOG.fullmatch(name):
            return _log(m)
        if m := _POSIT.fullmatch(name):
            return PositFormat(int(m["n"]), int(m["es"] or STANDARD_EXPONENT_BITS))
        if m := _FILE.fullmatch(name):
            return codebook_of_file(m[1])
        if (book := _codebook_parts(name, 0)) and book[2] == len(name):
            return codebook_of_words(book[1], book[0])
    except SpecError as error:
        raise SpecError(error.message, text, 0, len(text)) from None
    raise SpecError(f"unknown format {text!r}", text, 0, len(text), [*CATALOGUE, *ALIASES])


def as_format(fmt: str | Format) -> Format:
    """A format from its name, or itself; TypeError for anything else.

    >>> as_format("e5m2")
    FloatFormat(exponent_bits=5, precision=3, bias=15, specials='ieee', signed=True, \
zero_field='subnormal', has_zero=True)
    """
    if isinstance(fmt, Format):
        return fmt
    if isinstance(fmt, str):
        return parse_format(fmt)
    raise TypeError(f"fmt={fmt!r}: a format or its name is needed")


def _float(m: re.Match[str]) -> FloatFormat:
    x, y = int(m["x"]), int(m["y"])
    fields = set(m["fields"].split("_")[1:])
    if {"nosub", "normal0"} <= fields:
        raise SpecError("'nosub' and 'normal0' exclude each other")
    return FloatFormat(
        x,
        y + 1,
        bias=int(m["bias"].replace("n", "-")) if m["bias"] else None,
        specials=cast(Specials, m["specials"]) if m["specials"] else default_specials(x, y),
        signed="unsigned" not in fields,
        zero_field="zero"
        if "nosub" in fields
        else "normal"
        if "normal0" in fields
        else "subnormal",
        has_zero="nozero" not in fields,
    )


def _p3109(m: re.Match[str]) -> FloatFormat:
    width, precision, signed = int(m["k"]), int(m["p"]), m["s"] in "sS"
    p3109.check(width, precision, signed)
    return FloatFormat(
        p3109.exponent_bits(width, precision, signed),
        precision,
        specials="p3109e" if m["d"] in "eE" else "p3109f",
        signed=signed,
    )


def _log(m: re.Match[str]) -> LogFormat:
    fields = set(m["fields"].split("_")[1:])
    signed = "unsigned" not in fields
    return LogFormat(
        int(m["i"]) if m["i"] else int(m["n"]) - signed,
        int(m["f"] or 0),
        bias=int(m["bias"].replace("n", "-")) if m["bias"] else None,
        signed=signed,
        has_zero="nozero" not in fields,
        domain="linear" if "linear" in fields else "log",
    )
