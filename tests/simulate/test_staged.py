"""Two-stage sums in registers: equal to the reference, in units, of any size, and far down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hwsim_kernels.staged_pass import ANY, REACHES, UNITS
from hwsim_kernels.vectors import ROUNDS

import hwsim
from hwsim import reference
from hwsim.simulate import staged
from hwsim.simulate.staged import staged_kernel
from hwsim.units import Staged
from tests.simulate.comparison import bits

SPECS = ("cdna3.fp16", "cdna3.xf32", "tf32xbf16+fp32:staged4f26s36g2")


def drawn(rng: Any, shape: tuple[int, int], kind: str, fmt: Any) -> Any:
    """Numbers around 1, far apart, few ones that cancel; some zeros."""
    x = rng.standard_normal(shape)
    if kind == "apart":
        x *= 2.0 ** rng.integers(-30, 30, shape)
    elif kind == "cancel":
        x = (
            np.sign(x)
            * (1 + 2.0 ** -rng.integers(1, 11, shape))
            * 2.0 ** rng.integers(-4, 12, shape)
        )
    x = np.where(rng.random(shape) < rng.choice([0.1, 0.9]), 0.0, x)
    return np.asarray(hwsim.round(x, fmt, overflow="saturate"))


@pytest.mark.parametrize("spec", [*SPECS, "cdna3.e4m3fnuz"])
def test_registers_equal_the_reference(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From +0, from c near and far, of either sign of zero, and from the negated sum."""
    ways: set[int] = set()
    unit, rng = hwsim.mac(spec), np.random.default_rng(9)
    assert isinstance(unit.order, Staged)

    def watched(groups: int, short: bool, how: int) -> Any:
        ways.add(how)
        return staged_kernel(groups, short, how)

    monkeypatch.setattr(staged, "staged_kernel", watched)
    for k in (1, 4, 21):
        for kind in ("ordinary", "apart", "cancel"):
            a, b = drawn(rng, (2, k), kind, unit.a), drawn(rng, (k, 17), kind, unit.b)
            far = rng.standard_normal((2, 17)) * 2.0 ** rng.integers(-20, 20, (2, 17))
            whole = reference.matmul(a, b, unit)
            assert bits(hwsim.matmul(a, b, unit)) == bits(whole)
            for c in (far, np.where(far < 0, -0.0, far), -whole, -0.0 * whole, far * 2.0**90):
                start = np.asarray(hwsim.round(c, "fp32"))
                found = hwsim.matmul(a, b, unit, c=start)
                assert bits(found) == bits(reference.matmul(a, b, unit, start))
    wanted = {UNITS, ANY} if unit.order.reach is None else {REACHES}
    assert ways == (wanted if ROUNDS else set())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ties_are_of_31_bits(sign: float) -> None:
    """1 + 2^-24, a tie, and what decides: bits down to 2^-31, and any below where sums go down."""
    columns = np.zeros((8, 16))
    columns[0], columns[1] = 2.0**-12, 2.0 ** -np.arange(13.0, 29.0)
    a = np.zeros((1, 8))
    a[0, :2] = sign * 2.0**-12, sign * 2.0**-10  # 2^-24 and 2^-23 … 2^-38
    c = np.full((1, 16), sign)
    got = hwsim.matmul(a, columns, "tf32xtf32+fp32:staged8f24s31", c=c)
    assert bits(got) == bits(reference.matmul(a, columns, "tf32xtf32+fp32:staged8f24s31", c))
    up = (np.arange(23, 39) < 32) | (sign < 0)
    steps = np.where(np.arange(16) == 0, 2, up)  # 2^-23 + 2^-24: a tie, to even
    assert got.tolist() == (sign * (1 + steps * 2.0**-23))[None].tolist()
