"""How fast a unit is, beside NumPy's float32 GEMM in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hwsim import reference
from hwsim.errors import HwsimError
from hwsim.formats import check_seed
from hwsim.testing.draws import values
from hwsim.units import MacUnit, as_unit

COMPARED = 8  # outputs


@dataclass(frozen=True)
class Speed:
    """Products a second on one thread, in 10^9.

    size : M = N = K.  gmacs : the unit's.  gemm_gmacs : NumPy's float32 GEMM's, between the same
    runs.  ratio : the median of their quotients.  compared : outputs found equal to the
    reference's, bit for bit, before anything was timed.
    """

    unit: str
    size: int
    gmacs: float
    gemm_gmacs: float
    ratio: float
    compared: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def speed(mac: str | MacUnit, size: int = 512, seconds: float = 1.0, seed: int = 0) -> Speed:
    """Time a unit on seeded operands of middling exponents.

    mac : a unit or its name, cores and tables of your own too.  size : M = N = K, 1 to 8192.
    seconds : of timing, after one run of each that is not timed; at least one pair is.

    Raises SpecError for no unit, ValueError for another size, time or seed and for
    a unit that requantizes, HwsimError for an
    output that is not the reference's.

    >>> found = speed("int8xint8:mitchell+int32", size=16, seconds=0.01)
    >>> found.compared, found.ratio > 0
    (8, True)
    """
    unit = as_unit(mac)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 8192:
        raise ValueError(f"size={size!r}: an integer from 1 to 8192 is needed")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
        raise ValueError(f"seconds={seconds!r}: a number over 0, up to 3600, is needed")
    if unit.requantization is not None:
        raise ValueError(f"{unit}: a unit that requantizes needs a rescaling; time it without")
    from hwsim import simulate

    generator = np.random.default_rng(check_seed(seed))
    a, b = (values(fmt, (size, size), "middle", generator) for fmt in (unit.a, unit.b))
    x, y = generator.normal(size=(2, size, size)).astype(np.float32)
    with threadpool_limits(1):
        _compare(a, b, unit, simulate.matmul(a, b, unit, threads=1), generator)
        gemm, ours = _pairs(
            lambda: x @ y, lambda: simulate.matmul(a, b, unit, threads=1), float(seconds)
        )
    ratio = statistics.median(g / o for g, o in zip(gemm, ours, strict=True))
    rate, baseline = (size**3 / statistics.median(times) / 1e9 for times in (ours, gemm))
    return Speed(str(unit), size, rate, baseline, ratio, COMPARED)


def _compare(a: Any, b: Any, unit: MacUnit, found: Any, generator: np.random.Generator) -> None:
    """Some outputs against the exact reference."""
    for i, j in generator.integers(len(a), size=(COMPARED, 2)).tolist():
        wanted: Any = reference.dot(a[i], b[:, j], unit, output=i * len(a) + j)
        if wanted.tobytes() != found[i, j].tobytes():
            raise HwsimError(f"{unit} [{i}, {j}]: {found[i, j]}, the reference {wanted}")


def _pairs(
    one: Callable[[], object], other: Callable[[], object], seconds: float
) -> tuple[list[float], list[float]]:
    """CPU times of both, in turns, after a run of each."""
    times: tuple[list[float], list[float]] = ([], [])
    one()
    other()
    end = time.perf_counter() + seconds
    while not times[0] or time.perf_counter() < end:
        for work, kept in zip((one, other), times, strict=True):
            start = time.process_time()
            work()
            kept.append(max(time.process_time() - start, 1e-9))
    return times
