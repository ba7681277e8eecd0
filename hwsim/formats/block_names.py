"""Block formats by their names, and the grammar of those that have none.

block = a name of `BLOCKS` | "block" N [ "_floor" | "_amax" ] [ "_tensor" ] "/" scale "/" element

scale and element are names of formats (`hwsim.formats.grammar`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hwsim.errors import SpecError
from hwsim.formats.blocks import BlockFormat
from hwsim.formats.grammar import as_format, format_length, parse_format
from hwsim.formats.types import FixedFormat, FloatFormat, Format, GridFormat


@dataclass(frozen=True)
class BlockEntry:
    """A named block format, and where it is defined."""

    name: str
    format: BlockFormat
    source: str


def _mx(name: str, element: str | FixedFormat) -> BlockEntry:
    fmt = parse_format(element) if isinstance(element, str) else element
    assert isinstance(fmt, GridFormat)
    scale = parse_format("e8m0")
    assert isinstance(scale, FloatFormat)
    return BlockEntry(name, BlockFormat(fmt, scale, 32), "OCP MX 1.0 §5.1")


BLOCKS = (
    _mx("mxfp8_e4m3", "e4m3"),
    _mx("mxfp8_e5m2", "e5m2"),
    _mx("mxfp6_e3m2", "e3m2"),
    _mx("mxfp6_e2m3", "e2m3"),
    _mx("mxfp4", "e2m1"),
    _mx("mxint8", FixedFormat(1, 6, symmetric=True)),
    BlockEntry(
        "nvfp4",
        BlockFormat(
            FloatFormat(2, 2, specials="none"),
            FloatFormat(4, 4, specials="fn", signed=False),
            16,
            tensor=True,
        ),
        "NVIDIA 2025, Introducing NVFP4",
    ),
)
BLOCK_NAMES: dict[BlockFormat, str] = {entry.format: entry.name for entry in BLOCKS}
BLOCK_ALIASES = {"mxfp4_e2m1": "mxfp4"}
_BY_NAME = {entry.name: entry.format for entry in BLOCKS}
_WORDS = sorted([*_BY_NAME, *BLOCK_ALIASES], key=len, reverse=True)
_NAMES = re.compile("|".join(map(re.escape, _WORDS)))
_HEAD = re.compile(r"block(?P<n>[0-9]{1,9})(?:_(?P<rule>floor|amax))?(?P<tensor>_tensor)?/")


def block_length(text: str, start: int) -> int:
    """Length of the longest block format's name at ``text[start]``; 0 where there is none."""
    if named := _NAMES.match(text, start):
        return named.end() - start
    head = _HEAD.match(text, start)
    if not head:
        return 0
    scale = format_length(text, head.end())
    slash = head.end() + scale
    if not scale or not text.startswith("/", slash):
        return 0
    element = format_length(text, slash + 1)
    return slash + 1 + element - start if element else 0


def parse_block(text: str) -> BlockFormat:
    """The block format that ``text`` names; SpecError for anything else.

    >>> parse_block("nvfp4").size, parse_block("mxint8").element.largest
    (16, Fraction(127, 64))
    >>> str(parse_block("block16_tensor/e4m3_unsigned/e2m1"))
    'nvfp4'
    """
    name = BLOCK_ALIASES.get(text, text)
    if name in _BY_NAME:
        return _BY_NAME[name]
    head = _HEAD.match(text)
    if not head or block_length(text, 0) != len(text):
        known = [*_BY_NAME, *BLOCK_ALIASES]
        raise SpecError(f"unknown block format {text!r}", text, 0, len(text), known)
    at = head.end() + format_length(text, head.end())
    scale, element = parse_format(text[head.end() : at]), parse_format(text[at + 1 :])
    try:
        return BlockFormat(element, scale, int(head["n"]), head["rule"], bool(head["tensor"]))  # type: ignore[arg-type]
    except SpecError as error:
        raise SpecError(error.message, text, 0, len(text)) from None


def names_block(text: object) -> bool:
    """Whether ``text`` is meant for a block format."""
    return isinstance(text, str) and (block_length(text, 0) == len(text) or text[:5] == "block")


def any_format(fmt: str | Format | BlockFormat) -> Format | BlockFormat:
    """A format, of numbers or of blocks, from its name, or itself; TypeError for anything else.

    >>> str(any_format("mxfp4_e2m1")), str(any_format("float8_e4m3fn"))
    ('mxfp4', 'e4m3')
    """
    if isinstance(fmt, BlockFormat):
        return fmt
    return parse_block(fmt) if isinstance(fmt, str) and names_block(fmt) else as_format(fmt)
