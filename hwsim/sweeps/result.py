"""A finished sweep: rows, metadata, and the ways to show and keep them."""

from __future__ import annotations

import html
import io
import tempfile
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import HwsimError
from hwsim.networks.files import as_csv, as_json, finite, save_figure
from hwsim.sweeps.rows import Row
from hwsim.sweeps.summary import Standing, sentences, standings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = ("results.csv", "results.json", "pareto.png", "pareto.svg")


@dataclass(frozen=True)
class Sweep:
    """Rows of one or several tasks, and what they rest on; sweeps of other tasks add with +."""

    rows: tuple[Row, ...]
    metadata: dict[str, Any]

    def __add__(self, other: Sweep) -> Sweep:
        tasks = self.metadata["tasks"] | other.metadata["tasks"]
        return Sweep(self.rows + other.rows, self.metadata | {"tasks": tasks})

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Units over all tasks, by rising energy."""
        return standings(self.rows)

    @property
    def sentences(self) -> tuple[str, str, str]:
        """The cheapest good unit; what broke and why; what to type next."""
        tasks = self.metadata["tasks"]
        return sentences(self.standings, {t: tasks[t]["arguments"] for t in tasks})

    def to_dict(self) -> dict[str, Any]:
        """Metadata, rows and sentences, ready for JSON; a value that is not finite is None."""
        rows = [finite(row.to_dict()) for row in self.rows]
        return {**self.metadata, "rows": rows, "sentences": list(self.sentences)}

    def to_json(self, path: str | PathLike[str] | None = None) -> str:
        """`to_dict` as JSON text; written to ``path`` (atomically) when one is given."""
        return as_json(self.to_dict(), path)

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """The stable columns as CSV text; written to ``path`` (atomically) when one is given."""
        return as_csv([row.columns() for row in self.rows], path)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Quality against energy, one panel per task; saved to ``path`` when one is given."""
        from hwsim.sweeps.drawing import draw

        figure = draw(self)
        if path is not None:
            save_figure(figure, Path(fspath(path)))
        return figure

    def save(self, folder: str | PathLike[str], force: bool = False) -> tuple[Path, ...]:
        """Write results.csv, results.json, pareto.png and pareto.svg into ``folder``.

        Raises HwsimError when an earlier result is there, unless ``force``.
        """
        where = Path(fspath(folder))
        check_free(where, force)
        where.mkdir(parents=True, exist_ok=True)
        paths = tuple(where / name for name in FILES)
        self.to_csv(paths[0])
        self.to_json(paths[1])
        self.plot(paths[2])
        self.plot(paths[3])
        return paths

    def __str__(self) -> str:
        from rich.console import Console

        from hwsim.sweeps.table import make_table

        console = Console(width=100, file=io.StringIO(), color_system=None)
        console.print(make_table(self.standings))
        console.print("\n".join(self.sentences), highlight=False, soft_wrap=True)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return "\n".join(line.rstrip() for line in text.splitlines())

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def check_free(folder: Path, force: bool, files: tuple[str, ...] = FILES) -> None:
    """Raise HwsimError when ``folder`` holds an earlier result that must not be lost, or cannot
    be written: before the work, not after it."""
    held = [name for name in files if (folder / name).exists()]
    if held and not force:
        raise HwsimError(
            f"{folder} holds an earlier result ({held[0]}); pass --force (force=True) to replace "
            "it, or another folder with --out"
        )
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryDirectory(dir=parent):
            pass
    except OSError as error:
        raise HwsimError(f"{folder}: cannot write there ({error.strerror})") from None
