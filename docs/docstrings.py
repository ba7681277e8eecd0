"""Docstrings as plain text: no markup is read into them, so that they stay pleasant in an editor.

Paragraphs, ``literals``, `names`, doctests, and sections underlined with dashes are recognised;
in a section, ``name : meaning`` starts an entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

ENTRY = re.compile(r"(?P<name>\S[^:.]*?) : (?P<meaning>.*)")
LITERAL = re.compile(r"``(.+?)``|`([^`]+)`")
MARKUP = re.compile(r"([\\*`|_])")


def setup(app: Any) -> None:
    """Register the hook."""
    app.connect("autodoc-process-docstring", rewrite)


def rewrite(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Replace a docstring's lines by reStructuredText."""
    lines[:] = [line for block in blocks(lines) for line in (*render(block), "")]


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """Paragraphs; a heading and its underline are one of their own."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        else:
            yield from split_heading(block)
            block = []


def split_heading(block: list[str]) -> Iterator[list[str]]:
    """A section's heading apart from what follows."""
    if len(block) > 1 and set(block[1].strip()) == {"-"}:
        yield block[:2]
        block = block[2:]
    if block:
        yield block


def render(block: list[str]) -> list[str]:
    """One block as reStructuredText."""
    if block[0].lstrip().startswith(">>>"):
        return [".. code-block:: pycon", "", *("   " + line for line in block)]
    if len(block) == 2 and set(block[1].strip()) == {"-"}:
        return [f"**{block[0].strip()}**"]
    if block[0].startswith("    ") or block[0].lstrip().startswith("- "):
        return ["::", "", *("   " + line for line in block)]
    return [line for entry in entries(block) for line in entry]


def entries(block: list[str]) -> Iterator[list[str]]:
    """``name : meaning`` entries as a definition list; other text as it stands."""
    groups: list[list[str]] = []
    for line in block:
        if not groups or (ENTRY.match(line) and not line.startswith(" ")):
            groups.append([line])
        else:
            groups[-1].append(line)
    for group in groups:
        text = " ".join(line.strip() for line in group)
        found = ENTRY.match(text)
        if found:
            yield [f"**{escape(found['name'])}**", "   " + inline(found["meaning"]), ""]
        else:
            yield [inline(text), ""]


def inline(text: str) -> str:
    """Text with its literals kept and everything else escaped."""
    parts, at = [], 0
    for match in LITERAL.finditer(text):
        parts += [escape(text[at : match.start()]), f"``{match[1] or match[2]}``\\ "]
        at = match.end()
    return "".join([*parts, escape(text[at:])])


def escape(text: str) -> str:
    """Text in which nothing is markup."""
    return MARKUP.sub(r"\\\1", text)
