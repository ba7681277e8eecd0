"""Cost models held against published prices: errors, ranks, and points that they were not given."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.costs.anchors import ANCHORS, Anchor
from hwsim.costs.models import CostModel, UnpricedError
from hwsim.formats import parse_format


@dataclass(frozen=True)
class Prediction:
    """One published point by one model.

    energy_pj : the model's; None where it has no price, and ``why`` says so.  held_out_pj : the
    model's when its constants are fitted on all other points of the node; None where it has none
    to fit, or no price then.
    """

    model: str
    anchor: Anchor
    energy_pj: float | None
    held_out_pj: float | None
    why: str = ""

    @property
    def error(self) -> float | None:
        """energy_pj / published − 1."""
        return None if self.energy_pj is None else self.energy_pj / self.anchor.energy_pj - 1

    @property
    def held_out_error(self) -> float | None:
        """held_out_pj / published − 1."""
        return None if self.held_out_pj is None else self.held_out_pj / self.anchor.energy_pj - 1


@dataclass(frozen=True)
class Record:
    """A model over all points of its node.

    priced, points : how many it has a price for, of how many.  median, worst : of |error| over
    those.  rank : Spearman's rank correlation with the published energies; None below three points.
    held_out, held_out_priced : median of |error| on points that the fit has not seen, and how
    many of them it can price.
    """

    model: str
    node: str
    source: str
    priced: int
    points: int
    median: float | None
    worst: float | None
    rank: float | None
    held_out: float | None
    held_out_priced: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Benchmark:
    """Models side by side: `records`, one for each, over `predictions`."""

    records: tuple[Record, ...]
    predictions: tuple[Prediction, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [
            {
                "model": p.model,
                "operation": p.anchor.operation,
                "format": p.anchor.format,
                "node": p.anchor.node,
                "published_pj": p.anchor.energy_pj,
                "source": p.anchor.source,
                "energy_pj": p.energy_pj,
                "error": p.error,
                "held_out_pj": p.held_out_pj,
                "held_out_error": p.held_out_error,
                "why": p.why,
            }
            for p in self.predictions
        ]
        return {"models": [record.to_dict() for record in self.records], "points": rows}


def compare_models(models: Sequence[CostModel], anchors: Sequence[Anchor] = ANCHORS) -> Benchmark:
    """Hold models against published energies of single operations, each at its own node.

    A model that was fitted on a point, or has it in its table, is right there by construction:
    ``held_out`` says how it does on points that it was not given (leave one out).

    >>> from hwsim.costs.models import cost_model
    >>> found = compare_models([cost_model("structural"), cost_model("horowitz")])
    >>> [(record.model, record.held_out_priced) for record in found.records]
    [('structural', 9), ('horowitz', 0)]
    """
    records, predictions = [], []
    for model in models:
        own = [anchor for anchor in anchors if anchor.node == model.node]
        found = [_predicted(model, anchor, own) for anchor in own]
        predictions += found
        records.append(_record(model, found))
    return Benchmark(tuple(records), tuple(predictions))


def _predicted(model: CostModel, anchor: Anchor, own: Sequence[Anchor]) -> Prediction:
    others = model.refitted([other for other in own if other is not anchor])
    energy, why = _energy(model, anchor)
    held_out = None if others is None else _energy(others, anchor)[0]
    return Prediction(model.name, anchor, energy, held_out, why)


def _energy(model: CostModel, anchor: Anchor) -> tuple[float | None, str]:
    fmt = parse_format(anchor.format)
    try:
        return model.operation(anchor.operation, fmt, fmt).energy_pj, ""
    except UnpricedError as error:
        return None, str(error)


def _record(model: CostModel, found: Sequence[Prediction]) -> Record:
    errors = [abs(p.error) for p in found if p.error is not None]
    unseen = [abs(p.held_out_error) for p in found if p.held_out_error is not None]
    pairs = [(p.energy_pj, p.anchor.energy_pj) for p in found if p.energy_pj is not None]
    return Record(
        model.name,
        model.node,
        model.source,
        len(errors),
        len(found),
        statistics.median(errors) if errors else None,
        max(errors, default=None),
        rank_correlation(pairs),
        statistics.median(unseen) if unseen else None,
        len(unseen),
    )


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's: the correlation of ranks, equal values sharing theirs; None below three pairs,
    or where all values of one side are equal.

    >>> rank_correlation([(1, 10), (2, 30), (3, 20)])
    0.5
    """
    if len(pairs) < 3:
        return None
    ranks = [_ranks(side) for side in zip(*pairs, strict=True)]
    if any(len(set(side)) == 1 for side in ranks):
        return None
    return statistics.correlation(*ranks)


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(x) + (ordered.count(x) - 1) / 2 for x in values]
