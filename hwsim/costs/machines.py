"""A whole machine from a TOML file: its array, its clock, its memories."""

from __future__ import annotations

from dataclasses import fields
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hwsim.costs.arrays import Array
from hwsim.costs.levels import Memory, dram, registers, sram
from hwsim.errors import HwsimError
from hwsim.tomls import read_toml

PRICES = ("read_pj_per_access", "write_pj_per_access")
MEMORIES = ("registers", "sram", "dram")
OWN = ("name", "rows", "columns", "dataflow", "clock_ghz", "overlap", "stream")


def read_array(path: str | PathLike[str], **changes: Any) -> Array:
    """The array that a TOML file describes; ``changes`` replace fields of it.

    Top level: name, rows, columns, dataflow, clock_ghz, overlap, stream.  Tables ``registers``,
    ``sram`` and ``dram`` have the fields of `Memory`; one without prices is the default of its
    level, of the bandwidth, and of the SRAM's capacity and width, that it names; ``dram = false``
    leaves the DRAM out.
    HwsimError says what is wrong with a file.
    """
    file = fspath(path)
    found = read_toml(file, "machine")
    _check_keys(file, "", found, (*OWN, *MEMORIES))
    given: dict[str, Any] = {key: found[key] for key in OWN if key in found}
    if "name" in given and not isinstance(given["name"], str):
        raise HwsimError(f"{file}: name={given['name']!r}: a name in quotes is needed")
    given.setdefault("name", Path(file).stem)
    for level in MEMORIES:
        if level in found:
            given[level] = _memory(file, level, found[level])
    try:
        return Array(**(given | changes))
    except (TypeError, ValueError) as error:
        raise HwsimError(f"{file}: {error}") from error


def _memory(file: str, level: str, row: Any) -> Memory | None:
    if level == "dram" and row is False:
        return None
    if not isinstance(row, dict):
        raise HwsimError(f"{file}: {level!r} must be a table")
    _check_keys(file, level, row, [f.name for f in fields(Memory)])
    try:
        if any(key in row for key in PRICES):
            return Memory(**_priced(file, level, row))
        return _default(file, level, row)
    except (TypeError, ValueError) as error:
        raise HwsimError(f"{file}: {level}: {error}") from error


def _priced(file: str, level: str, row: dict[str, Any]) -> dict[str, Any]:
    """A memory of the user's; writes cost what reads do unless they have a price."""
    needed = ("access_bits", "read_pj_per_access")
    missing = [key for key in needed if key not in row]
    if missing:
        raise HwsimError(f"{file}: {level}: {missing[0]} is needed beside a price")
    texts = [k for k in ("name", "node", "source", "valid") if not isinstance(row.get(k, ""), str)]
    if texts:
        raise HwsimError(f"{file}: {level}: {texts[0]}={row[texts[0]]!r}: quotes are needed")
    both = {"name": level, "write_pj_per_access": row["read_pj_per_access"], "source": file}
    return both | row


def _default(file: str, level: str, row: dict[str, Any]) -> Memory:
    makers: dict[str, tuple[Any, tuple[str, ...]]] = {
        "sram": (sram, ("capacity_kb", "access_bits", "gb_per_s")),
        "dram": (dram, ("gb_per_s",)),
        "registers": (registers, ()),
    }
    maker, allowed = makers[level]
    _check_keys(file, f"{level} without prices", row, allowed)
    found: Memory = maker(**row)
    return found


def _check_keys(file: str, where: str, row: dict[str, Any], allowed: Any) -> None:
    unknown = sorted(set(row) - set(allowed))
    if unknown:
        place = f"{file}: {where}" if where else file
        raise HwsimError(f"{place}: {unknown[0]!r}: allowed are {', '.join(allowed) or 'none'}")
