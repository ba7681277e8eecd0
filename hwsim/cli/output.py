"""Consoles and progress bars: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 100


def console() -> Console:
    """Standard output; at least 100 columns where it is no terminal (rich honours NO_COLOR)."""
    from rich.console import Console

    plain = Console()
    if plain.is_terminal:
        return plain
    return Console(width=max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """A callback (label, done, total) that draws on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def step(label: str, done: int, total: int) -> None:
            bar.update(task, description=f"{what}: {label}", completed=done, total=total)

        yield step


def table_of(first: str, *headings: str, padding: int = 2) -> Table:
    """A table of numbers beside names; long names fold, so that the numbers stay."""
    from rich.table import Table

    table = Table(box=None, padding=(0, padding, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(first, overflow="fold", min_width=len(first))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def print_json(value: Any) -> None:
    """Indented JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
