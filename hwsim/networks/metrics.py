"""How good a network's outputs are: accuracy, likelihood of the labels, SQNR against float32.

NaN is never lucky: a prediction with NaN among its logits counts as wrong, and gives its label
probability 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from hwsim.networks.errors import DataError
from hwsim.networks.runtime import Array

METRICS = ("auto", "accuracy", "bits_per_character", "sqnr_db")
USABLE_DB = 30.0  # without labels: noise a thousandth of the signal's energy counts as no loss
Outputs = Mapping[str, Array] | Array


@dataclass(frozen=True)
class Score:
    """Result of `evaluate`.

    metric : accuracy (share of right labels), bits_per_character or sqnr_db; value : of it.
    stderr : its standard error over samples (None for SQNR).  nll : mean negative log-likelihood
    of the labels, nats.  sqnr_db : of the logits against the float32 model, dB; inf when equal.
    """

    metric: str
    value: float
    stderr: float | None = None
    nll: float | None = None
    sqnr_db: float | None = None

    def to_dict(self) -> dict[str, float | str | None]:
        """The fields as a dictionary."""
        return asdict(self)


def evaluate(
    outputs: Outputs, labels: Array | None, baseline: Outputs | None, metric: str = "auto"
) -> Score:
    """Judge ``outputs`` (an array, or the first of a mapping that fits) by labels and baseline.

    ``auto``: without labels SQNR; labels (N,) with logits (N, V): accuracy; labels (N, T …) with
    logits (N, T …, V): bits per character, NLL / ln 2 per label.
    """
    if not isinstance(metric, str) or metric not in METRICS:
        raise DataError(f"metric={metric!r}: allowed are {', '.join(METRICS)}")
    name, logits = _pick(outputs, labels)
    if not logits.size:
        raise DataError("there are no samples to judge: the outputs are empty")
    reference = None if baseline is None else _pick(baseline, labels, name)[1]
    noise = None if reference is None else sqnr_db(logits, reference)
    if metric == "auto":
        metric = "sqnr_db" if labels is None else _label_metric(labels)
    if metric == "sqnr_db":
        if noise is None:
            raise DataError("metric 'sqnr_db' needs the float32 baseline")
        return Score(metric, noise, sqnr_db=noise)
    if labels is None:
        raise DataError(f"metric {metric!r} needs labels")
    nats = -log_likelihood(logits, labels)
    nll = float(nats.mean())
    if metric == "accuracy":
        value, stderr = accuracy(logits, labels)
    else:
        per_sample = nats.reshape(len(nats), -1).mean(axis=1) / math.log(2)
        value, stderr = nll / math.log(2), _stderr(per_sample)  # characters of a text correlate
    return Score(metric, value, stderr, nll, noise)


def is_within(score: Score, baseline: Score) -> bool:
    """Whether a value lies within float32's error bar (or reaches `USABLE_DB` without labels)."""
    if score.metric == "sqnr_db":
        return score.value >= USABLE_DB
    bar = baseline.stderr or 0.0
    if score.metric == "accuracy":
        return score.value >= baseline.value - bar
    return score.value <= baseline.value + bar


def accuracy(logits: Array, labels: Array) -> tuple[float, float]:
    """Share of labels that are the first largest logit, and its standard error √(p(1−p)/n)."""
    bad: Array = np.asarray(np.isnan(logits).any(axis=-1))
    right = (np.where(bad[..., None], -np.inf, logits).argmax(axis=-1) == labels) & ~bad
    share = float(right.mean())
    return share, math.sqrt(share * (1 - share) / right.size)


def log_likelihood(logits: Array, labels: Array) -> Array:
    """log softmax(logits)[label] in float64, nats; −inf where the logits hold NaN."""
    values = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):
        values = values - values.max(axis=-1, keepdims=True)
        total = np.log(np.exp(values).sum(axis=-1))
        picked = np.take_along_axis(values, labels[..., None].astype(np.int64), -1)[..., 0]
        result = picked - total
    return np.where(np.isnan(result), -np.inf, result)


def sqnr_db(values: Array, reference: Array) -> float:
    """10·log10(Σ reference² / Σ (values − reference)²), dB; −inf when any value is not finite."""
    if values.shape != reference.shape:
        raise DataError(f"outputs of shape {values.shape}, float32 baseline {reference.shape}")
    exact = reference.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        noise = float(np.square(values.astype(np.float64) - exact).sum())
    signal = float(np.square(exact).sum())
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if math.isfinite(noise) and signal else -math.inf


def _stderr(samples: Array) -> float:
    if len(samples) < 2 or not np.isfinite(samples).all():
        return math.nan
    return float(samples.std(ddof=1) / math.sqrt(len(samples)))


def _label_metric(labels: Array) -> str:
    return "accuracy" if labels.ndim == 1 else "bits_per_character"


def _pick(outputs: Outputs, labels: Array | None, name: str | None = None) -> tuple[str, Array]:
    """The output that is judged: by name, else the first that fits the labels, else the first."""
    if not isinstance(outputs, Mapping):
        outputs = {name or "output": outputs}
    if not outputs:
        raise DataError("there are no outputs to judge")
    if name is not None and name in outputs:
        return name, outputs[name]
    for key, array in outputs.items():
        if labels is None or array.shape[:-1] == labels.shape:
            _check_range(array, labels)
            return key, array
    shapes = ", ".join(f"{key} {array.shape}" for key, array in outputs.items())
    wanted = "" if labels is None else str((*labels.shape, "classes"))
    raise DataError(f"no output has a shape for these labels: {shapes}; expected {wanted}")


def _check_range(logits: Array, labels: Array | None) -> None:
    if labels is None or labels.size == 0:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[-1]:
        raise DataError(f"labels from {low} to {high} for {logits.shape[-1]} classes")
