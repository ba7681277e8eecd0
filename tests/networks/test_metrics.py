"""Metrics by hand-made cases whose values are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwsim.networks import DataError, accuracy, evaluate, sqnr_db

UNIFORM = np.zeros((5, 8), np.float32)


def test_uniform_logits() -> None:
    labels = np.array([0, 0, 1, 2, 3])  # the first largest logit is class 0
    score = evaluate(UNIFORM, labels, None)
    assert score.metric == "accuracy"
    assert score.value == 0.4
    assert score.stderr == pytest.approx(math.sqrt(0.4 * 0.6 / 5))
    assert score.nll == pytest.approx(math.log(8))
    assert score.sqnr_db is None


def test_bits_per_character_and_its_error_over_samples() -> None:
    logits = np.zeros((2, 3, 4), np.float32)
    logits[1, :, 0] = 1000.0  # the second sequence is certain
    score = evaluate(logits, np.zeros((2, 3), int), logits)
    assert (score.metric, score.value, score.sqnr_db) == ("bits_per_character", 1.0, math.inf)
    assert score.stderr == pytest.approx(1.0)  # 2 and 0 bits: std √2, over √2


def test_nan_is_never_lucky() -> None:
    logits = np.zeros((2, 3), np.float32)
    logits[0] = np.nan
    logits[1, 2] = np.inf
    labels = np.array([0, 2])
    assert accuracy(logits, labels)[0] == 0.5
    score = evaluate(logits, labels, np.zeros((2, 3)))
    assert score.nll == math.inf
    assert score.sqnr_db == -math.inf


def test_sqnr() -> None:
    reference = np.array([3.0, 4.0])
    assert sqnr_db(reference, reference) == math.inf
    assert sqnr_db(reference + np.array([0.3, 0.4]), reference) == pytest.approx(20.0)
    score = evaluate({"y": reference}, None, {"y": reference * 1.1})
    assert score.metric == "sqnr_db"
    assert score.value == pytest.approx(10 * math.log10(1.1**2 / 0.1**2))


def test_the_output_that_fits_the_labels_is_judged() -> None:
    outputs = {"hidden": np.zeros((5, 2, 2)), "logits": np.eye(5)}
    assert evaluate(outputs, np.arange(5), None).value == 1.0


@pytest.mark.parametrize(
    ("labels", "metric", "message"),
    [
        (None, "accuracy", "needs labels"),
        (None, "auto", "needs the float32 baseline"),
        (np.arange(5), "f1", "allowed are auto"),
        (np.arange(4), "auto", r"no output has a shape.*\(4, 'classes'\)"),
        (np.array([0, 1, 2, 3, 8]), "auto", "labels from 0 to 8 for 8 classes"),
    ],
)
def test_errors(labels: np.ndarray | None, metric: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(UNIFORM, labels, None, metric)
