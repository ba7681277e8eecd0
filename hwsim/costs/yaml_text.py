"""A few lines of YAML: mappings, lists, tags, numbers and quoted text, as other tools read them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}  # no text, in YAML 1.1


@dataclass(frozen=True)
class Tagged:
    """A mapping with a tag, as ``!Component``."""

    tag: str
    fields: Mapping[str, Any]


def to_yaml(value: Mapping[str, Any]) -> str:
    """Block style, two spaces; innermost lists and mappings of scalars in one line.

    >>> sram = Tagged("!Component", {"name": "sram", "attributes": {"width": 64}})
    >>> print(to_yaml({"nodes": [sram]}), end="")
    nodes:
      - !Component
        name: sram
        attributes: {width: 64}
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Mapping[str, Any] | Sequence[Any]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{_scalar(key)}:", item)
        return
    for item in value:
        if isinstance(item, Tagged):
            yield f"- {item.tag}"
            yield from (f"  {line}" for line in _lines(item.fields))
        elif isinstance(item, Mapping):
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
        else:
            yield f"- {_flow(item)}"


def _entry(key: str, item: Any) -> Iterator[str]:
    if _is_flat(item):
        yield f"{key} {_flow(item)}"
        return
    yield key
    yield from (f"  {line}" for line in _lines(item))


def _is_flat(item: Any) -> bool:
    """Whether an item fits in one line: no mapping below its first level."""
    if isinstance(item, Mapping):
        return not any(map(_holds_mappings, item.values()))
    return not _holds_mappings(item)


def _holds_mappings(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return any(map(_holds_mappings, item))
    return isinstance(item, Mapping | Tagged)


def _flow(item: Any) -> str:
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{_scalar(k)}: {_flow(v)}" for k, v in item.items()) + "}"
    if isinstance(item, list | tuple):
        return "[" + ", ".join(map(_flow, item)) + "]"
    return _scalar(item)


def _scalar(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value!r}: no number of YAML")
        text = repr(value)  # YAML 1.1 takes 1e-09 for text: a number has a point
        return text if "." in text else text.replace("e", ".0e")
    plain = PLAIN.fullmatch(value) and value.lower() not in WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)
