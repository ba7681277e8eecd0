"""Files that appear whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_atomically(file: Path, data: bytes) -> None:
    """Write ``data`` beside ``file`` first, then move it there; leave nothing half-written."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        umask = os.umask(0)  # mkstemp makes private files; give what open() would
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure atomically, in the format of the path's suffix."""
    stream = io.BytesIO()
    figure.savefig(stream, format=path.suffix.lstrip(".") or "png", dpi=150)
    write_atomically(path, stream.getvalue())


def as_csv(rows: Sequence[Mapping[str, Any]], path: str | PathLike[str] | None = None) -> str:
    """Rows as CSV text, None as nothing; also written to ``path``, whole or not at all."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    if path is not None:
        write_atomically(Path(fspath(path)), text.getvalue().encode())
    return text.getvalue()


def as_json(value: Any, path: str | PathLike[str] | None = None) -> str:
    """JSON text, indented; also written to ``path``, whole or not at all."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if path is not None:
        write_atomically(Path(fspath(path)), text.encode())
    return text


def finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: they become null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
