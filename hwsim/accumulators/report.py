"""What a search for accumulator widths found: tables, JSON, CSV, a picture, files of units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.networks import LayerUnits, Score, is_within
from hwsim.networks.files import as_csv, as_json, finite, save_figure
from hwsim.units import MacUnit, parse_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RECOMMENDED = "recommended.toml"
FILES = ("widths.json", "widths.csv", "widths.png", RECOMMENDED)


@dataclass(frozen=True)
class LayerWidths:
    """One layer in one family.  Widths are the family's numbers: bits, or fraction bits.

    k : products of a sum.  macs : of the whole run.
    worst_case : least width that no operands overflow.  weights : that no data overflows with
    these weights (A2Q).  data : that this data does not overflow.  None where no width is enough
    or nothing is known.  theory : that variance retention (Sakr et al. 2019) calls usable; it
    is a theory of sums of independent products, no measurement.
    alone : least width within the tolerance, all other layers as wide as can be.
    width : recommended; all layers' together are within the tolerance.  unit : with it.
    energy_pj, area_um2 : of the MACs with it, and of one unit; widest_… : of the widest unit.
    swamped, overflowed : shares of additions that vanished, and of outputs that overflowed.
    """

    layer: str
    k: int
    macs: int
    worst_case: int | None
    weights: int | None
    data: int | None
    theory: int | None
    alone: int
    width: int
    unit: str
    energy_pj: float
    area_um2: float | None
    widest_energy_pj: float
    widest_area_um2: float | None
    swamped: float
    overflowed: float


@dataclass(frozen=True)
class FamilyWidths:
    """A family's search.

    widest : the number that everything is compared with; best : its score.  uniform : least width
    for all layers alike; uniform_energy_pj : of the MACs with it.  score : of the recommended
    widths.  probes : runs of the network; computed : layers whose products they took.
    """

    family: str
    widest: int
    best: Score
    uniform: int
    uniform_energy_pj: float
    score: Score
    layers: tuple[LayerWidths, ...]
    probes: int
    computed: int
    seconds: float

    @property
    def energy_pj(self) -> float:
        """Of all MACs, with the recommended widths."""
        return math.fsum(layer.energy_pj for layer in self.layers)

    @property
    def widest_energy_pj(self) -> float:
        """Of all MACs, on the widest unit."""
        return math.fsum(layer.widest_energy_pj for layer in self.layers)

    @property
    def area_um2(self) -> float | None:
        """Of one unit that serves every layer: the largest of them."""
        return _most(layer.area_um2 for layer in self.layers)

    @property
    def widest_area_um2(self) -> float | None:
        """Of the widest unit."""
        return _most(layer.widest_area_um2 for layer in self.layers)

    @property
    def units(self) -> dict[str, MacUnit]:
        """The recommended unit of every layer: what `hwsim.run` and `hwsim.sweep` take."""
        return {layer.layer: parse_unit(layer.unit) for layer in self.layers}

    @property
    def stem(self) -> str:
        """A file name for the family."""
        return re.sub(r"[^\w.+-]+", "_", self.family.replace("*", "N"))

    def layer_units(self, name: str | None = None) -> LayerUnits:
        """The recommended units as a file holds them."""
        return LayerUnits.of_layers(name or f"{self.stem}.toml", self.units)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        skipped = ("best", "score", "layers")
        flat = {key: value for key, value in vars(self).items() if key not in skipped}
        for name in ("energy_pj", "widest_energy_pj", "area_um2", "widest_area_um2"):
            flat[name] = getattr(self, name)
        scores = {"best": finite(self.best.to_dict()), "score": finite(self.score.to_dict())}
        return flat | scores | {"layers": [dict(vars(layer)) for layer in self.layers]}


@dataclass(frozen=True)
class AccumulatorWidths:
    """How narrow each layer's accumulator may be, in several families.

    baseline : the float32 model's score.  tolerance : what may be lost against a family's widest
    unit, in the metric's own unit (accuracy as a share).  node : of the costs.
    """

    model: str
    samples: int
    baseline: Score
    tolerance: float
    node: str
    families: tuple[FamilyWidths, ...]

    @property
    def recommended(self) -> FamilyWidths:
        """The family of least energy among those whose widest unit is within float32's error bar
        (30 dB), so that it loses no more than the tolerance; where none is, the one of the best
        outputs."""
        good = [f for f in self.families if self.is_sound(f)]
        if good:
            return min(good, key=lambda f: f.energy_pj)
        sign = -1.0 if self.baseline.metric == "bits_per_character" else 1.0
        return max(self.families, key=lambda f: _comparable(sign * f.score.value))

    def is_sound(self, family: FamilyWidths) -> bool:
        """Whether the family's widest unit is within float32's error bar (30 dB)."""
        return is_within(family.best, self.baseline)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "model": self.model,
            "samples": self.samples,
            "baseline": finite(self.baseline.to_dict()),
            "tolerance": self.tolerance,
            "node": self.node,
            "recommended": self.recommended.family,
            "families": [f.to_dict() | {"sound": self.is_sound(f)} for f in self.families],
        }

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """One line per family and layer; also written to ``path``, whole or not at all."""
        rows = [{"family": f.family, **vars(layer)} for f in self.families for layer in f.layers]
        return as_csv(rows, path)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """A panel per family: every layer's widths; also saved to ``path``."""
        from hwsim.accumulators.drawing import draw  # imports matplotlib

        figure = draw(self)
        if path is not None:
            save_figure(figure, Path(fspath(path)))
        return figure

    def save(self, folder: str | PathLike[str]) -> tuple[Path, ...]:
        """Write widths.json, widths.csv, widths.png, recommended.toml and a file of units for every
        family into ``folder``, replacing them."""
        where = Path(fspath(folder))
        where.mkdir(parents=True, exist_ok=True)
        paths = tuple(where / name for name in FILES)
        as_json(self.to_dict(), paths[0])
        self.to_csv(paths[1])
        self.plot(paths[2])
        self.recommended.layer_units().save(paths[3])
        others = [(f, where / f"{stem}.toml") for f, stem in self._stems()]
        for family, file in others:
            family.layer_units().save(file)
        return (*paths, *(file for _, file in others))

    def _stems(self) -> Sequence[tuple[FamilyWidths, str]]:
        """Families and their file names, which differ."""
        taken: dict[str, int] = {}
        found = []
        for family in self.families:
            count = taken[family.stem] = taken.get(family.stem, 0) + 1
            found.append((family, family.stem if count == 1 else f"{family.stem}-{count}"))
        return found


def _most(areas: Any) -> float | None:
    known = list(areas)
    return None if None in known else max(known)


def _comparable(value: float) -> float:
    return -math.inf if math.isnan(value) else value
