"""Every pair of 8-bit codes through a unit: operands, seeds and the comparison itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import hwsim
from hwsim import MacUnit, reference
from hwsim.formats import OVERFLOWS, ROUNDINGS, FixedFormat
from tests.simulate.comparison import bits, outcome

Array = npt.NDArray[Any]
ACCUMULATORS = ("e5m2", "e4m3", "e5m2fnuz", "e6m9", "bf16", "int8", "int16", "fixed3.4")


def units(a: str, b: str, accumulators: tuple[str, ...] = ACCUMULATORS) -> Iterator[MacUnit]:
    """Every mode and legal rule of a × b into each accumulator."""
    for accumulator in accumulators:
        for rounding in ROUNDINGS:
            for rule in OVERFLOWS:
                try:
                    yield hwsim.mac(f"{a}x{b}+{accumulator}:{rounding}:{rule}")
                except hwsim.SpecError:
                    continue


def operands(unit: MacUnit) -> tuple[Array, Array]:
    """All values of a as a column, all of b as a row; no NaN or Inf where the sum has none."""
    kept = []
    for fmt in (unit.a, unit.b):
        values = reference.decode(np.arange(1 << fmt.width), fmt)
        if not unit.accumulator.has_nan and values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        kept.append(values)
    return kept[0].reshape(-1, 1), kept[1].reshape(1, -1)


def initial(unit: MacUnit, shape: tuple[int, int], seed: int) -> Array:
    """Seeded values of the accumulator, drawn from all its codes; no Inf or NaN."""
    generator = np.random.default_rng(seed)
    fmt = unit.accumulator
    codes = generator.integers(0, 1 << fmt.width, shape[0] * shape[1], dtype=np.uint64)
    values = reference.decode(codes, fmt).reshape(shape)
    if isinstance(fmt, FixedFormat):
        return values
    return np.where(np.isfinite(values), values, values.dtype.type(float(fmt.largest)))


def check(unit: MacUnit, rows: Array | None, seed: int) -> bytes:
    """Compare a·b and c + a·b with the reference; the results' bits.

    rows : indices into a's codes, None for all.  AssertionError where a bit differs.
    """
    a, b = operands(unit)
    a = a if rows is None else a[rows % a.shape[0]]
    found = b""
    for c in (None, initial(unit, (a.shape[0], b.shape[1]), seed)):
        wanted = outcome(reference.matmul, a, b, unit, c=c)
        got = outcome(hwsim.matmul, a, b, unit, c=c)
        if isinstance(wanted, str):
            assert isinstance(got, str), str(unit)
            found += wanted.encode()
            continue
        assert not isinstance(got, str), str(unit)
        if bits(got) != bits(wanted):
            differ = got.view(f"u{got.itemsize}") != wanted.view(f"u{got.itemsize}")
            i, j = np.argwhere(differ)[0]
            start = None if c is None else c[i, j]
            raise AssertionError((str(unit), start, a[i, 0], b[0, j], got[i, j], wanted[i, j]))
        found += got.tobytes()
    return found
