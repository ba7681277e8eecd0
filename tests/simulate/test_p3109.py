"""MAC units of IEEE P3109 formats: results and telemetry are the reference's."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from hwsim import reference

OPTIONS = ("", ":sat_none", ":saturate_all", ":rto:sat_none", ":chunk3:sat_none", ":mul_add")


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", ["binary8p4se", "binary6p3sf", "binary5p1se"])
def test_units(name: str, option: str) -> None:
    """Any codes, and finite ones alone, whose sums overflow all the same."""
    unit = f"{name}x{name}+{name}{option}"
    codes = 2 ** hwsim.format(name).width
    generator = np.random.default_rng(5)
    a, b = (hwsim.decode(generator.integers(0, codes, shape), name) for shape in ((3, 9), (9, 5)))
    finite = (np.where(np.isfinite(x), x, 1) for x in (a, b))
    for operands in ((a, b), tuple(finite)):
        got, counts = hwsim.matmul(*operands, unit, telemetry=True)
        wanted, expected = reference.matmul(*operands, unit, telemetry=True)
        assert np.array_equal(got, wanted, equal_nan=True)
        assert not np.signbit(got[got == 0]).any()  # there is no −0
        assert counts == expected
