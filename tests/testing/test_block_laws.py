"""Laws of block formats: hwsim obeys them, and what is wrong breaks some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim.testing import check

NAMES = ("mxfp4", "mxint8", "mxfp6_e3m2", "nvfp4", "block8_amax/e5m3_unsigned/int4")


@pytest.mark.parametrize("name", NAMES)
def test_hwsim_obeys_them(name: str) -> None:
    report = check(name)
    assert report.ok, report
    judged = [v for v in report.verdicts if not v.skipped]
    assert len(judged) >= 3
    assert all(v.cases >= 100 for v in judged), report


def spread(x: Any, fmt: Any) -> Any:
    """NaN anywhere makes all of it NaN."""
    return hwsim.round(x, fmt) + 0.0 * x.sum()


MUTANTS: dict[str, tuple[Callable[..., Any], str]] = {
    "elements cut": (lambda x, fmt: hwsim.round(x, fmt, "rtz"), "the reference"),
    "one scale for the line": (
        lambda x, fmt: hwsim.round(x, "block80/e8m0/e2m1"),
        "blocks apart",
    ),
    "clamped lower": (lambda x, fmt: np.clip(hwsim.round(x, fmt), -4, 4), "the reference"),
    "upward": (lambda x, fmt: hwsim.round(x, fmt, "rup"), "sign-symmetric"),
    "NaN everywhere": (spread, "NaN stays"),
    "not settled": (lambda x, fmt: hwsim.round(x, fmt) * 0.75, "idempotent"),
    "absolute steps": (lambda x, fmt: np.rint(x), "powers of two"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_what_is_wrong_breaks_one(name: str) -> None:
    function, law = MUTANTS[name]
    broken = {v.law for v in check("mxfp4", function).verdicts if not v.skipped and not v.ok}
    assert law in broken, broken


def test_shapes_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="results of shape"):
        check("mxfp4", lambda x, fmt: x[0])
    with pytest.raises(hwsim.SpecError, match="blocks are judged as mxfp4"):
        check("mxfp4:rtz")
