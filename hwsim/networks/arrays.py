"""Networks, or single products, on an array of MAC units: layer by layer and level by level."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.costs import Array, ArrayCost, Gemm, Node, array_cost, read_array
from hwsim.costs.layers import summed
from hwsim.costs.nodes import node_named
from hwsim.networks.data import DataLike
from hwsim.networks.files import as_csv, write_atomically
from hwsim.networks.mixed import as_units
from hwsim.networks.network import MacLike, Network
from hwsim.networks.shapes import check_samples
from hwsim.networks.source import ModelLike
from hwsim.units import MacUnit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRODUCT = re.compile(r"([0-9]+)[x×]([0-9]+)[x×]([0-9]+)", re.ASCII)


@dataclass(frozen=True)
class ArrayReport:
    """Layers on an array of MAC units.

    model : the network's name, or that of the product.  unit : of the array, or the name of a file
    of units.  node : technology of the MAC units.  layers : in the model's order, one after the
    other; each has its cycles, bits, energies and bound.
    """

    model: str
    unit: str
    array: Array
    node: str | Node
    layers: tuple[ArrayCost, ...]

    @property
    def totals(self) -> dict[str, Any]:
        """Sums over the layers; shares are of the whole."""
        return dict(summed(self.layers))

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; units are in the names."""
        memories = {level: asdict(memory) for level, memory in self.array.levels(self.node).items()}
        about = {"model": self.model, "unit": self.unit, "node": node_named(self.node).name}
        machine = {"peak_gmacs": max((x.peak_gmacs for x in self.layers), default=None)}
        hidden = ("sram", "dram", "registers")
        machine |= {k: v for k, v in vars(self.array).items() if k not in hidden}
        rows = [_with_moves(layer) for layer in self.layers]
        return about | {"array": machine | memories, "totals": self.totals, "layers": rows}

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """One line per layer as CSV; also written to ``path``, whole or not at all."""
        return as_csv([layer.to_dict() for layer in self.layers], path)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Energy per layer and level, and the roofline; also saved to ``path``."""
        from hwsim.networks.array_drawing import draw_arrays  # imports matplotlib

        return draw_arrays([self], None if path is None else Path(fspath(path)))

    def export(self, folder: str | PathLike[str]) -> list[Path]:
        """Write the array and its products for Timeloop and Accelergy (version 0.4) into a folder:
        docs/arrays.md says which files.  ValueError for units of several kinds, and where a level
        has no price at the node."""
        from hwsim.costs.exports import timeloop_files

        units = {layer.unit for layer in self.layers}
        if len(units) != 1:
            raise ValueError(f"export: {len(units)} units: an array of one kind is needed")
        gemms = [layer.gemm for layer in self.layers]
        files = timeloop_files(self.array, units.pop(), gemms, self.node)
        paths = [Path(fspath(folder)) / name for name in files]
        for path, text in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text.encode())
        return paths


def _with_moves(layer: ArrayCost) -> dict[str, Any]:
    return layer.to_dict() | {"moves": [asdict(move) for move in layer.moves]}


def product_named(text: str) -> Gemm | None:
    """The product that a text like 64x128x64 (M×K×N) names; None for any other text.

    >>> product_named("64x128x32")
    Gemm(m=64, k=128, n=32, batch=1, name='64x128x32')
    """
    found = PRODUCT.fullmatch(text)
    if found is None:
        return None
    m, k, n = map(int, found.groups())
    return Gemm(m, k, n, name=text)


def array(
    model: ModelLike | Network | Gemm | Sequence[Gemm],
    mac: MacLike,
    machine: Array | str | PathLike[str] | None = None,
    *,
    inputs: DataLike | None = None,
    samples: int = 1,
    node: str | Node = "45nm",
) -> ArrayReport:
    """Cycles, traffic and energy of a network, or of products, on an array of MAC units.

    Nothing is computed on the unit: only sizes count, so that one call of the model suffices.
    docs/arrays.md says what the machine does.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto or `Network`; ``"64x128x64"`` (M×K×N); a `Gemm`, or a list.
    mac : as for `hwsim.run`; with products a single unit.
    machine : `Array`, or the path of its TOML file; by default `Array()`, 16 × 16 units, output
        stationary, 32 KB of SRAM.
    inputs : data of which one call is taken; not needed where the model declares all lengths.
    samples : calls of the model (samples, where it takes one at a time) that run together.
    node : technology of the MAC units, or a `hwsim.costs.Node`.

    Raises what `Network.load` does, SpecError (``mac``), and ValueError for a node or a dataflow
    that the unit does not have.

    >>> array("64x128x64", "int8xint8+int32").totals["cycles"]
    2784
    """
    built = machine if isinstance(machine, Array) else _machine(machine)
    check_samples(samples)
    products = _products(model)
    if products is None:
        network = model if isinstance(model, Network) else Network.load(model)  # type: ignore[arg-type]
        network.check_layers()
        units, name = network.units(mac), network.name
        pairs = [(gemm, units[gemm.name]) for gemm in network.shapes(inputs, samples)]
    else:
        unit = _single(mac)
        pairs = [(replace(gemm, batch=gemm.batch * samples), unit) for gemm in products]
        name = products[0].name if len(products) == 1 else f"{len(products)} products"
    rows = tuple(array_cost(gemm, unit, built, node) for gemm, unit in pairs)
    return ArrayReport(name or "product", _shown(mac), built, node, rows)


def _machine(machine: str | PathLike[str] | None) -> Array:
    if machine is None:
        return Array()
    if not isinstance(machine, str | PathLike):
        raise TypeError(f"machine={machine!r}: an Array, or the path of a .toml, is needed")
    return read_array(machine)


def _products(model: object) -> list[Gemm] | None:
    """The products that are given in place of a model."""
    if isinstance(model, str):
        found = product_named(model)
        return None if found is None else [found]
    if isinstance(model, Gemm):
        return [model]
    listed = isinstance(model, Sequence) and not isinstance(model, bytes | bytearray)
    if not listed or not model or not all(isinstance(x, Gemm) for x in model):  # type: ignore[attr-defined]
        return None
    return list(model)  # type: ignore[call-overload, no-any-return]


def _single(mac: MacLike) -> MacUnit:
    found = as_units(mac) if not isinstance(mac, Mapping) else None
    if not isinstance(found, MacUnit):
        raise ValueError(f"mac={mac!s}: products have no layers' names: a single unit is needed")
    return found


def _shown(mac: MacLike) -> str:
    """A unit's canonical description, or the name of a file of units."""
    return "units by layer" if isinstance(mac, Mapping) else str(as_units(mac))
