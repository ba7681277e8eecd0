"""A file that gives every layer its unit: mixed precision."""

from __future__ import annotations

import glob
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from hwsim.networks.errors import ModelError
from hwsim.networks.files import write_atomically
from hwsim.units import MacUnit, as_unit

HEADER = "# Units by layer names or patterns (* ? [...]); the first that fits a layer wins.\n"


@dataclass(frozen=True)
class LayerUnits:
    """Units by patterns of layer names (fnmatch), in order: the first that fits a layer wins.

    A pattern that fits no layer, or a layer that none fits, is an error where a model is run.
    ``name`` stands for them in tables: the file's path, as it was given.

    >>> units = LayerUnits("mixed.toml", (("head", as_unit("int8xint8+int20")),
    ...                                   ("*", as_unit("int8xint8+int17"))))
    >>> print(units.text, end="")
    # Units by layer names or patterns (* ? [...]); the first that fits a layer wins.
    [layers]
    "head" = "int8xint8+int20"
    "*" = "int8xint8+int17"
    """

    name: str
    units: tuple[tuple[str, MacUnit], ...]

    def __str__(self) -> str:
        return self.name

    @property
    def text(self) -> str:
        """The file: TOML."""
        rows = "".join(f"{_quoted(p)} = {_quoted(str(unit))}\n" for p, unit in self.units)
        return f"{HEADER}[layers]\n{rows}"

    @classmethod
    def of_layers(cls, name: str, units: Mapping[str, MacUnit]) -> LayerUnits:
        """One entry for each layer, by its own name; first those that are spelt as another's
        escaped name, which they would else be taken for."""
        escaped = {glob.escape(layer) for layer in units}
        ordered = sorted(units, key=lambda layer: layer not in escaped)
        return cls(name, tuple((glob.escape(layer), units[layer]) for layer in ordered))

    @classmethod
    def read(cls, path: str | PathLike[str]) -> LayerUnits:
        """Read a file as `save` writes it; ModelError for what is none, SpecError for a unit."""
        name = fspath(path)
        try:
            found = tomllib.loads(Path(name).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"{name}: {error}") from error
        layers = found.get("layers")
        if set(found) != {"layers"} or not isinstance(layers, dict) or not layers:
            raise ModelError(f"{name}: one table [layers] of patterns and their units is needed")
        for pattern, unit in layers.items():
            if not isinstance(unit, str):
                raise ModelError(f"{name}: {pattern!r} = {unit!r}: a unit in quotes is needed")
        return cls(name, tuple((p, as_unit(unit)) for p, unit in layers.items()))

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the file, whole or not at all."""
        file = Path(fspath(path))
        write_atomically(file, self.text.encode())
        return file


def as_units(mac: str | MacUnit | LayerUnits) -> MacUnit | LayerUnits:
    """A unit or its description; a string that ends in .toml is the path of a file of units."""
    if isinstance(mac, LayerUnits):
        return mac
    if isinstance(mac, str) and mac.lower().endswith(".toml"):
        return LayerUnits.read(mac)
    return as_unit(mac)


def _quoted(text: str) -> str:
    """A TOML string: JSON's, but for DEL, which TOML wants escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
