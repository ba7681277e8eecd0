"""What was counted, and the energy of it: of one product, and of a network's layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.costs.activity import DataEnergy, Switching
from hwsim.networks.files import as_csv, finite, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Activity:
    """What a product, or a layer, switches on one unit.

    m, k, n, items : dimensions, all samples included, and how many such products.
    a_zeros, b_zeros : operands that are 0, of ``a_words`` and ``b_words``.
    a_toggles, b_toggles : bits that switch at a multiplier's inputs, of all MACs (without gating).
    followed : MACs whose products and sums were followed; all of them where ``exact``.
    switching : of all MACs, estimated from these; what ``gating`` leaves, of gated units.
    idle : share of the MACs that have a zero operand.
    widths : bits of the words: a_bits, b_bits, product_bits, sum_bits, outer_bits (0 without one).
    random : what random operands switch.  energy : in pJ, on random operands and on these.
    """

    unit: str
    node: str
    stationary: str
    gating: str
    m: int
    k: int
    n: int
    items: int
    a_words: int
    b_words: int
    a_zeros: int
    b_zeros: int
    a_toggles: int
    b_toggles: int
    followed: int
    exact: bool
    switching: Switching = field(repr=False)
    idle: float
    widths: dict[str, int] = field(repr=False)
    random: Switching = field(repr=False)
    energy: DataEnergy

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.m * self.k * self.n * self.items

    @property
    def ratio(self) -> float:
        """Energy by data, times that on random operands."""
        return self.energy.ratio

    @property
    def rates(self) -> dict[str, float]:
        """Share of each word's bits that switches each time: ½ for random words.

        a, b : at the multiplier's inputs.  product, sums, outer : as followed."""
        macs, width = max(1, self.macs), self.widths
        per = self.switching.per
        return {
            "a": self.a_toggles / (macs * width["a_bits"]),
            "b": self.b_toggles / (macs * width["b_bits"]),
            "product": per("product") / max(1, width["product_bits"]),
            "sums": per("sums") / max(1, width["sum_bits"]),
            "outer": per("outer") / max(1, width["outer_bits"]),
        }

    def __add__(self, other: Activity) -> Activity:
        """Two mini-batches of one layer, each of which begins anew: more rows, or more items."""
        about = ("unit", "node", "stationary", "gating", "k", "n")
        same_items = self.items == other.items
        if any(getattr(self, name) != getattr(other, name) for name in about) or not (
            same_items or self.m == other.m
        ):
            raise ValueError("activities of other units, orders or sizes have no sum")
        counts = ("a_words", "b_words", "a_zeros", "b_zeros", "a_toggles", "b_toggles", "followed")
        longer = "m" if same_items else "items"
        sums = {x: getattr(self, x) + getattr(other, x) for x in (*counts, longer)}
        macs = self.macs + other.macs
        idle = self.idle * self.macs + other.idle * other.macs
        return replace(
            self,
            **sums,
            exact=self.exact and other.exact,
            switching=self.switching + other.switching,
            idle=idle / macs if macs else 0.0,
            energy=self.energy + other.energy,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        names = ("unit", "node", "stationary", "gating", "m", "k", "n", "items", "macs")
        counts = ("a_words", "b_words", "a_zeros", "b_zeros", "a_toggles", "b_toggles")
        about = {name: getattr(self, name) for name in (*names, *counts, "followed", "exact")}
        rates = {f"{name}_rate": rate for name, rate in self.rates.items()}
        energy = {"random_pj": self.energy.random_pj, "data_pj": self.energy.data_pj}
        return about | {"idle": self.idle} | rates | self.widths | energy | {"ratio": self.ratio}

    def __str__(self) -> str:
        r = self.rates
        lines = [
            f"{self.unit}, {self.stationary}-stationary, gating {self.gating}, {self.node}: "
            f"{self.energy.data_pj:.4g} pJ by data, {self.ratio:.3f} × the uniform-random "
            f"{self.energy.random_pj:.4g} pJ",
            f"  {self.macs} MACs, {self.followed} followed; {100 * self.idle:.1f} % have a zero",
            "  bits that switch: "
            + ", ".join(f"{name} {100 * rate:.1f} %" for name, rate in r.items() if rate),
        ]
        for part in self.energy.parts:
            ratio = part.data_pj / part.random_pj if part.random_pj else 1.0
            lines.append(f"  {part.name:28} {part.data_pj:10.4g} pJ  {ratio:6.3f} ×  by {part.by}")
        return "\n".join(lines)


@dataclass(frozen=True)
class NetworkActivity:
    """Every layer of a run: (name, activity) in the model's order; ``uncounted``: layers whose
    units cannot be counted, and why."""

    model: str
    layers: tuple[tuple[str, Activity], ...]
    uncounted: tuple[tuple[str, str], ...] = ()

    @property
    def energy(self) -> DataEnergy:
        """Of all layers."""
        return sum((layer.energy for _, layer in self.layers), start=DataEnergy())

    @property
    def ratio(self) -> float:
        """Energy by data of all layers, times that on random operands."""
        return self.energy.ratio

    def _rows(self) -> Iterator[dict[str, Any]]:
        for name, layer in self.layers:
            yield {"layer": name} | layer.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        energy = {"random_pj": self.energy.random_pj, "data_pj": self.energy.data_pj}
        found: dict[str, Any] = finite(
            {
                "model": self.model,
                **energy,
                "ratio": self.ratio,
                "layers": list(self._rows()),
                "uncounted": dict(self.uncounted),
            }
        )
        return found

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """One line per layer; also written to ``path``, whole or not at all."""
        return as_csv(list(self._rows()), path)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Bars per layer, random against data; also saved to ``path``."""
        from hwsim.switching.drawing import draw_layers  # imports matplotlib

        figure = draw_layers(self)
        if path is not None:
            save_figure(figure, Path(fspath(path)))
        return figure
