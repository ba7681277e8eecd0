"""Read a MAC unit's description.

    unit   = A "x" B "+" ( ACC | "exact" ) { ":" option }
    option = rounding | overflow | order | "mul_add" [ "/" FMT ] | "daz" | "out=" FMT | requant
    order  = "seq" | "chunk" N [ "/" FMT ] | "exact"
    rounding = "rne" | "rna" | "rtz" | "rup" | "rdn" | "rto" | stochastic
    stochastic = "sr" [ N ] [ "a" | "b" | "c" ] [ "-lfsr" W ]
    requant = "requant" BITS [ "/" MODE [ "/" MODE ] ]

A, B, ACC and FMT are format names (`hwsim.formats.grammar`), taken longest first.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NoReturn

from hwsim.errors import SpecError
from hwsim.formats import (
    ALIASES,
    CATALOGUE,
    LATER,
    OVERFLOWS,
    ROUNDINGS,
    Format,
    format_length,
    parse_format,
    stochastic_of,
)
from hwsim.units.requantization import REQUANT_ROUNDINGS, Requantization
from hwsim.units.types import (
    Chunked,
    Exact,
    MacUnit,
    RoundedProduct,
    Sequential,
    default_exact_accumulator,
)

OPTIONS = (
    *(*ROUNDINGS, "sr8", *OVERFLOWS),
    *("seq", "chunk64", "exact", "mul_add", "daz", "out=", "requant31"),
)
LATER_OPTIONS = re.compile(r"lanes[0-9]+(-tree)?|tree[0-9]+|fused.*")


_FIELD_OF_ROLE = {"product": "multiplier", "outer": "order"}


class _Reader:
    """A position in a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spans: dict[str, tuple[int, int]] = {}  # where each field was read

    def take(self, token: str) -> bool:
        """Step over ``token`` if it comes next."""
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def expect(self, token: str, after: str) -> None:
        if not self.take(token):
            self.fail(f"{token!r} expected after {after}")

    def word(self, stops: str = "+:/") -> str:
        """The text up to the next separator, without stepping over it."""
        match = re.compile(f"[^{stops}]*").match(self.text, self.at)
        assert match
        return match[0]

    def format(self) -> Format:
        """Step over the longest format name."""
        length = format_length(self.text, self.at)
        if not length:
            if later := LATER.match(self.text, self.at):
                name = later[0]
                self.fail(f"format {name!r} is not simulated yet", len(name))
            word = self.word("x+:/")
            message = f"{word!r} is no format" if word else "the name of a format is expected"
            self.fail(message, len(word), [*CATALOGUE, *ALIASES])
        start, self.at = self.at, self.at + length
        try:
            return parse_format(self.text[start : self.at])
        except SpecError as error:
            raise SpecError(error.message, self.text, start, length) from None

    def field(self, name: str) -> Format:
        """Read a format and remember that it is the field ``name``."""
        start = self.at
        fmt = self.format()
        self.spans[name] = (start, self.at - start)
        return fmt

    def fail(self, message: str, length: int = 1, known: Any = ()) -> NoReturn:
        raise SpecError(message, self.text, self.at, length, known)


@lru_cache(maxsize=1 << 10)
def parse_unit(text: str) -> MacUnit:
    """The MAC unit that ``text`` describes.

    >>> str(parse_unit("e4m3xe4m3+fp16:chunk32/fp32:rtz"))
    'e4m3xe4m3+fp16:rtz:chunk32/fp32'
    >>> str(parse_unit("int8xint8+exact"))
    'int8xint8+int64:exact'
    """
    reader = _Reader(text)
    a = reader.field("a")
    reader.expect("x", f"the format {a}")
    b = reader.field("b")
    reader.expect("+", f"the format {b}")
    fields: dict[str, Any] = {"a": a, "b": b}
    if reader.word() == "exact":
        reader.take("exact")
        fields |= {"accumulator": default_exact_accumulator(a, b), "order": Exact()}
    else:
        fields["accumulator"] = reader.field("accumulator")
    while reader.at < len(text):
        reader.expect(":", "a format or an option")
        _option(reader, fields)
    try:
        return MacUnit(**fields)
    except SpecError as error:
        place = _FIELD_OF_ROLE.get(error.part, error.part)
        start, length = reader.spans.get(place, (0, len(text)))
        raise SpecError(error.message, text, start, length) from None


def as_unit(mac: str | MacUnit) -> MacUnit:
    """A MAC unit from its name, or itself."""
    if isinstance(mac, MacUnit):
        return mac
    if isinstance(mac, str):
        return parse_unit(mac)
    raise TypeError(f"mac={mac!r}: a MacUnit or its description is needed")


def _option(reader: _Reader, fields: dict[str, Any]) -> None:
    """Read one option into ``fields``."""
    start, word = reader.at, reader.word()
    name, value = _read_option(reader, word)
    if name in fields:
        reader.at = start
        reader.fail(f"a second {name}: {word!r}", len(word))
    fields[name] = value
    reader.spans[name] = (start, reader.at - start)


def _read_option(reader: _Reader, word: str) -> tuple[str, object]:
    if word in ROUNDINGS and reader.take(word):
        return "rounding", word
    if how := _stochastic(reader, word):
        return "rounding", how
    if word in OVERFLOWS and reader.take(word):
        return "overflow", word
    if word == "seq" and reader.take(word):
        return "order", Sequential()
    if word == "exact" and reader.take(word):
        return "order", Exact()
    if re.fullmatch(r"chunk[1-9][0-9]{0,8}", word) and reader.take(word):
        return "order", Chunked(int(word[5:]), reader.format() if reader.take("/") else None)
    if word == "mul_add" and reader.take(word):
        return "multiplier", RoundedProduct(reader.format() if reader.take("/") else None)
    if word == "daz" and reader.take(word):
        return "daz", True
    if word.startswith("out=") and reader.take("out="):
        return "output", reader.format()
    if re.fullmatch(r"requant[1-9][0-9]?", word):
        return "requantization", _requantization(reader, word)
    if LATER_OPTIONS.fullmatch(word):
        reader.fail(f"option {word!r} is not simulated yet", len(word))
    allowed = ", ".join(OPTIONS)
    return reader.fail(f"unknown option {word!r}; allowed are {allowed}", len(word), OPTIONS)


def _stochastic(reader: _Reader, word: str) -> str | None:
    """The canonical name of the stochastic rounding ``word``; None for another word."""
    try:
        how = stochastic_of(word)
    except SpecError as error:
        reader.fail(error.message, len(word))
    if how is None:
        return None
    reader.take(word)
    return str(how)


def _requantization(reader: _Reader, word: str) -> Requantization:
    """``word`` (requant and its bits), and after it one rounding, or gemmlowp's two."""
    start, modes = reader.at, list[str]()
    reader.take(word)
    while len(modes) < 2 and reader.take("/"):
        mode = reader.word()
        if mode not in REQUANT_ROUNDINGS:
            message = f"{mode!r} is no rounding of a requantization"
            reader.fail(message, len(mode), REQUANT_ROUNDINGS)
        reader.take(mode)
        modes.append(mode)
    try:
        return Requantization(int(word[len("requant") :]), *modes[::-1])
    except SpecError as error:
        raise SpecError(error.message, reader.text, start, len(word)) from None
