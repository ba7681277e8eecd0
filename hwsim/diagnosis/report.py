"""What a diagnosis found: tables, JSON, CSV, pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.diagnosis.growth import Point, starts
from hwsim.diagnosis.observing import Dot
from hwsim.networks import LayerReport, Score
from hwsim.networks.files import as_csv, as_json, finite, save_figure
from hwsim.units import Telemetry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = ("diagnosis.json", "layers.csv", "heat.png")


@dataclass(frozen=True)
class LayerDiagnosis:
    """One layer on one unit.

    report : dimensions, unit, cost and all telemetry, of every output of the run.
    sqnr_db : of all results against float64 sums of the same operands (what the accumulator
        alone loses), dB; inf where nothing is lost, None where no such sum is defined.
    samples : outputs whose sums were followed.  growth : of these, for the first k products.
    products, sums : of these, how many values have each exponent (2^e ≤ |x| < 2^(e + 1)), zeros
        apart: products of the operands, and final sums.
    worst : outputs of the largest |value − exact|, the worst first; largest_error : of them all.
    """

    report: LayerReport
    sqnr_db: float | None
    samples: int
    growth: tuple[Point, ...]
    products: dict[int, int]
    sums: dict[int, int]
    zero_products: int
    worst: tuple[Dot, ...] = field(repr=False)
    largest_error: float

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.report.name

    @property
    def counts(self) -> Telemetry:
        """All telemetry."""
        assert self.report.telemetry is not None
        return self.report.telemetry

    @property
    def swamped(self) -> float:
        """Share of additions, of both levels, that lost their whole addend."""
        return self._share("swamped_full")

    @property
    def partly(self) -> float:
        """Share of additions that lost a part of it."""
        return self._share("swamped_partial")

    @property
    def overflowed(self) -> float:
        """Share of outputs with an overflow anywhere."""
        return self.counts.struck / max(1, self.counts.outputs)

    @property
    def swamps_from(self) -> int | None:
        """Where the first interval of k begins in which more than 1 % of the followed additions
        vanish; None where there is none."""
        return starts(self.growth)

    def _share(self, name: str) -> float:
        both = (self.counts, self.counts.outer)
        lost: int = sum(getattr(x, name) for x in both)
        return lost / max(1, sum(x.additions for x in both))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: exponents as strings, numbers that are not finite as None."""
        return {
            **self.report.to_dict(),
            "layer_sqnr_db": self.sqnr_db,
            "samples": self.samples,
            "largest_error": self.largest_error,
            "swamps_from": self.swamps_from,
            "growth": [point.to_dict() for point in self.growth],
            "product_exponents": {str(e): n for e, n in self.products.items()},
            "sum_exponents": {str(e): n for e, n in self.sums.items()},
            "zero_products": self.zero_products,
            "worst": [
                {
                    "batch": dot.batch,
                    "index": list(dot.index),
                    "value": dot.value,
                    "exact": dot.exact,
                    "error": dot.error,
                }
                for dot in self.worst
            ],
        }

    def columns(self) -> dict[str, Any]:
        """One line of layers.csv."""
        skipped = ("telemetry", "scales", "zero_points")
        flat = {k: v for k, v in self.report.to_dict().items() if k not in skipped}
        about = {"layer_sqnr_db": self.sqnr_db, "swamps_from": self.swamps_from}
        return flat | about | {"largest_error": self.largest_error}


@dataclass(frozen=True)
class UnitDiagnosis:
    """One unit (or file of units) on the network: its score, and every layer."""

    unit: str
    score: Score
    layers: tuple[LayerDiagnosis, ...]

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Every layer's sums against k, where swamping starts, exponents; saved to ``path``."""
        from hwsim.diagnosis.drawing import draw_growth  # imports matplotlib

        figure = draw_growth(self)
        if path is not None:
            save_figure(figure, Path(fspath(path)))
        return figure


@dataclass(frozen=True)
class Diagnosis:
    """What happened in the accumulators of a network's layers, on one or several units."""

    model: str
    samples: int
    baseline: Score
    units: tuple[UnitDiagnosis, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        units = [
            {
                "unit": unit.unit,
                "score": unit.score.to_dict(),
                "layers": [layer.to_dict() for layer in unit.layers],
            }
            for unit in self.units
        ]
        about = {"model": self.model, "samples": self.samples}
        found: dict[str, Any] = finite(
            about | {"baseline": self.baseline.to_dict(), "units": units}
        )
        return found

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """One line per unit and layer; also written to ``path``, whole or not at all."""
        return as_csv([layer.columns() for u in self.units for layer in u.layers], path)

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Heat maps of layers against units; saved to ``path``."""
        from hwsim.diagnosis.drawing import draw_heat  # imports matplotlib

        figure = draw_heat(self)
        if path is not None:
            save_figure(figure, Path(fspath(path)))
        return figure

    def save(self, folder: str | PathLike[str]) -> tuple[Path, ...]:
        """Write diagnosis.json, layers.csv, heat.png and growth-N.png of the N-th unit into
        ``folder``, replacing them."""
        where = Path(fspath(folder))
        where.mkdir(parents=True, exist_ok=True)
        paths = [where / name for name in FILES]
        as_json(self.to_dict(), paths[0])
        self.to_csv(paths[1])
        self.plot(paths[2])
        for number, unit in enumerate(self.units, 1):
            paths.append(where / f"growth-{number}.png")
            unit.plot(paths[-1])
        return tuple(paths)
