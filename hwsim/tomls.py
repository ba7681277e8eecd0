"""TOML files that users write."""

from __future__ import annotations

import tomllib
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hwsim.errors import HwsimError


def read_toml(path: str | PathLike[str], what: str) -> dict[str, Any]:
    """The content of a file that describes a ``what``; HwsimError where it cannot be read."""
    file = fspath(path)
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise HwsimError(f"{what} {file!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HwsimError(f"{file}: {error}") from error
