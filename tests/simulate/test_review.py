"""Products that once had a wrong bit or count, each with the reason, on all telemetry levels."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import hwsim
from tests.simulate.comparison import check_matmul

CASES: dict[str, tuple[str, Any, Any, Any]] = {
    "binades below float32's normal ones, rtz": (
        *("e4m3xe4m3+e8m4fnuz:rtz", [[0.0]], [[1.0]], [[25 * 2.0**-131]]),
    ),
    "the same, rne": ("e4m3xe4m3+e8m4b131", [[0.0]], [[1.0]], [[25 * 2.0**-134]]),
    "rup lets c grow, too": (
        *("e4m3xe4m3+fp16:rup", np.full((1, 300), 2.0**-4), np.full((300, 1), 2.0**-4)),
        [[60000.0]],
    ),
    "rdn, likewise": (
        *("e4m3xe4m3+fp16:rdn", np.full((1, 300), -(2.0**-4)), np.full((300, 1), 2.0**-4)),
        [[-60000.0]],
    ),
    "rup to the largest": (
        *("e5m2xe5m2+e5m2:rup:saturate", np.full((1, 30), 0.125), np.full((30, 1), 0.125)),
        [[20000.0]],
    ),
    "a chunk of zeros in rdn": ("e4m3xe4m3+fp16:rdn:chunk4", [[0.0]], [[1.0]], None),
    "a chunk of zeros of both signs in rdn, in a format without −0": (
        *("e4m3xe5m10_nosub+e4m3fnuz:rdn:chunk5/e3m2", [[1.0] * 5, [-0.0, -0.0, 0.0, -0.0, 0.0]]),
        *([[-5697.0], [-0.0], [-0.0], [60232.0], [-41789.0]], [[0.0], [0.0]]),
    ),
    "a chunk clamped to zero, in a format without −0": (
        *("e4m3xe4m3+uint16:saturate:chunk1/fp32", [[-8.0]], [[8.0]], [[-0.0]]),
    ),
    "out of a range whose end has more bits than float32": (
        *("int8xint8+fixed16.10", np.full((1, 16), 64), np.full((16, 1), 64), None),
    ),
    "the same, in floats": (
        *("int8xint8+e5m29", np.full((1, 16), 64), np.full((16, 1), 64), None),
    ),
    "nothing but zeros on one side, and nothing small on the other": (
        *("uint4xe11m45+e6m9:rtz:saturate_all", [[0.0, 0.0]], [[2.0**1022], [2.0**1021]], None),
    ),
    "the same in fp64": ("fp64xfp64+fp64", [[0.0, 0.0]], [[2.0**1023], [-(2.0**1023)]], None),
    "floats into fixed point in rdn": (
        *("e4m3xe4m3+e4m3:rdn:chunk4/fixed10.10", [[30.0, 1.0]], [[2.0], [1.0]], None),
    ),
    "Inf into a circle": (
        *("int8xint8+fp16:chunk8/int32", np.full((1, 8), 127), np.full((8, 1), 127), None),
    ),
    "overflows of the output, lanes along m": (
        "e4m3xe4m3+fp16:out=e4m3",
        np.tile([400.0, -400.0, 10.0], (5, 1)),
        np.full((3, 2), 100.0),
        None,
    ),
    "Inf minus Inf in the outer sum": (
        "e5m2xe5m2+e5m2:chunk1",
        [[57344.0, -57344.0, 0.0]],
        [[57344.0], [57344.0], [1.0]],
        None,
    ),
    "Inf into a saturating outer sum": (
        *("fp16xfp16+fp16:chunk1/e4m3", [[60000.0]], [[2.0]], None),
    ),
    "an addend beyond the range alone": (
        *("e4m3xe4m3+e4m3", [[-24.0, 30.0]], [[1.0], [16.0]], None),
    ),
    "lost mass where the range ends": (
        "bf16xbf16+e4m3",
        [[25165824.0, -4294967296.0, -4194304.0, 41943040.0, 2097152.0, -6291456.0]],
        [[268435456.0], [268435456.0], [16777216.0], [268435456.0], [34359738368.0], [8388608.0]],
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_found_by_review(name: str) -> None:
    unit, a, b, c = CASES[name]
    check_matmul(np.asarray(a), np.asarray(b), unit, None if c is None else np.asarray(c))


LAYOUTS = list(itertools.product(["rne", "rna", "rtz", "rup", "rdn"], ["", ":chunk2/e5m2"]))
LAYOUTS += [
    ("rne", ":chunk3"),
    ("rdn", ":chunk3"),
    ("rna", ":chunk3/fp32"),
    ("rup", ":chunk3/fp32"),
]
LAYOUTS += [("rtz", ":chunk4/int16")]


@pytest.mark.parametrize(("rounding", "order"), LAYOUTS)
@pytest.mark.parametrize("shape", [(7, 11, 3), (3, 10, 70)])
def test_layouts(rounding: str, order: str, shape: tuple[int, int, int]) -> None:
    """Lanes along m and along n, with padding, in every rounding and several outer sums."""
    m, k, n = shape
    rng = np.random.default_rng([m, k, n])
    for scale in (1.0, 40.0):
        a, b = rng.normal(size=(m, k)) * scale, rng.normal(size=(k, n)) * scale
        a[:, 2], b[4] = 0.0, 0.0
        for unit in ("e4m3xe4m3+e4m3", "e5m2xe5m2+e5m4:saturate", "bf16xbf16+bf16"):
            check_matmul(a, b, hwsim.mac(f"{unit}:{rounding}{order}"))
