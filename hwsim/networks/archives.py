"""npz files, read with suspicion: nothing is unpickled, no size is believed before it is checked.

A zip's members say how large they are, and so do the arrays in them; a lie, or more than memory
holds, is refused before anything is allocated.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from hwsim.memory import MEMORY, gib
from hwsim.networks.errors import DataError
from hwsim.networks.runtime import Array

LIMIT = MEMORY // 2  # of a file's arrays together: the network needs room too
ZIP, NPY = b"PK", b"\x93NUMPY"
Check = Callable[[list[str]], None]


def read_npz(file: Path, check_names: Check) -> dict[str, Array]:
    """The arrays of an npz file by name; DataError names the file and what is wrong with it.

    check_names : called with the names before any array is read.
    """
    try:
        if not file.is_file() and file.exists():
            raise DataError(f"data file {file}: no regular file")
        with file.open("rb") as stream:
            start = stream.read(len(NPY))
            if start == NPY:
                raise DataError(f"data file {file}: one bare array; an npz with names is needed")
            if not start.startswith(ZIP):
                raise DataError(f"data file {file} cannot be read as npz: it is no zip file")
            with zipfile.ZipFile(stream) as archive:
                return _read_members(archive, file, check_names)
    except OSError as error:
        raise DataError(f"data file {file}: {error.strerror or error}") from error
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib, NumPy's header parser: each has its own
        raise DataError(f"data file {file} cannot be read as npz: {error}") from error


def _read_members(archive: zipfile.ZipFile, file: Path, check_names: Check) -> dict[str, Array]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ValueError("two arrays of one name")
    check_names(list(members))
    _check_total(members.values(), file)
    arrays = {}
    for name, info in members.items():
        with archive.open(info) as stream:
            arrays[name] = _read_array(stream, name, info.file_size)
    return arrays


def _check_total(members: Iterable[zipfile.ZipInfo], file: Path) -> None:
    total = sum(info.file_size for info in members)
    if total > LIMIT:
        raise DataError(
            f"data file {file}: its arrays take {gib(total)} unpacked; at most {gib(LIMIT)}, half "
            "of this machine's memory, are read"
        )


def _read_array(stream: IO[bytes], name: str, size: int) -> Array:
    """One member: its header must promise as many bytes as there are."""
    if not (magic := stream.read(npy.MAGIC_LEN)).startswith(NPY):
        raise ValueError(f"array {name!r} is not in npy format")
    readers: dict[bytes, Any] = {
        b"\x01": npy.read_array_header_1_0,
        b"\x02": npy.read_array_header_2_0,
    }
    if (version := magic[len(NPY) : len(NPY) + 1]) not in readers:
        raise ValueError(f"array {name!r} has npy version {version!r}; 1 and 2 are read")
    shape, by_columns, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError(f"array {name!r} holds objects, which nothing here unpickles")
    data = stream.read()
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize != len(data) or count < 0:
        raise ValueError(
            f"array {name!r} of {dtype} {shape} in {len(data)} of the member's {size} bytes"
        )
    flat = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")
