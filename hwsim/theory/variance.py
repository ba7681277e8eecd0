"""The variance retention ratio of sums that swamp (Sakr et al. 2019, arXiv 1901.06588).

A theory of sums of independent zero-mean products in round-to-nearest floats, not a simulation: at
5 and 5 fraction bits and 1024 terms it says .709 where a simulation gives .932.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

USABLE = math.log(50.0)  # of n·(1 − VRR), the exponent of the paper's v(n) < 50
MOST_BITS, LONGEST = 60, 1 << 24


def variance_retention(
    accumulator: int,
    product: int,
    length: int,
    chunk: int | None = None,
    nonzero: float = 1.0,
    outer: int | None = None,
) -> float:
    """VRR, the share of the ideal sum's variance that a sum keeps.

    Parameters
    ----------
    accumulator, product : fraction bits (without the hidden one) of the accumulator and of the
        products.
    length : terms of the sum, K.
    chunk : terms of a chunk; None without chunks.
    nonzero : share of products that are not zero; the effective length is rounded, 2 at least.
    outer : fraction bits of what adds up chunk sums; None for the accumulator's.

    Raises ValueError for anything else.  Source: Sakr et al. 2019, theorem 1 and corollary 1.

    >>> round(variance_retention(5, 5, 1024), 9), round(variance_retention(5, 5, 576, chunk=64), 9)
    (0.709001649, 0.989738538)
    """
    _check("accumulator", accumulator, 1, MOST_BITS)
    _check("product", product, 1, MOST_BITS)
    _check("length", length, 1, LONGEST)
    if not 0.0 < nonzero <= 1.0:
        raise ValueError(f"nonzero={nonzero!r}: a share in (0, 1] is needed")
    if chunk is None:
        return _ratio(accumulator, product, _effective(length, nonzero))
    _check("chunk", chunk, 1, LONGEST)
    inner = _ratio(accumulator, product, _effective(min(chunk, length), nonzero))
    grown = min(accumulator, product + round(math.log2(chunk)))
    outer = accumulator if outer is None else outer
    _check("outer", outer, 1, MOST_BITS)
    return inner * _ratio(outer, grown, max(2, -(-length // chunk)))


def is_usable(ratio: float, length: int) -> bool:
    """Whether n·(1 − VRR) < ln 50, the paper's limit."""
    return length * (1.0 - ratio) < USABLE


def longest_usable(accumulator: int, product: int) -> int:
    """The longest sum without chunks that the theory calls usable, up to 2^24.

    >>> longest_usable(5, 5), longest_usable(8, 5)
    (196, 3919)
    """
    low, high = 1, 2
    while high < LONGEST and is_usable(variance_retention(accumulator, product, high), high):
        low, high = high, 2 * high
    if high >= LONGEST:
        return LONGEST
    while high - low > 1:
        middle = (low + high) // 2
        fits = is_usable(variance_retention(accumulator, product, middle), middle)
        low, high = (middle, high) if fits else (low, middle)
    return low


def _check(name: str, value: int, least: int, most: int) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise ValueError(f"{name}={value!r}: an integer from {least} to {most} is needed")


def _effective(length: int, nonzero: float) -> int:
    return max(2, round(nonzero * length))


def _outside(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """2·Q(x), the mass of a Gaussian beyond ±x."""
    values: Iterable[float] = map(math.erfc, (x / math.sqrt(2.0)).tolist())
    return np.fromiter(values, np.float64, x.size)


@lru_cache(maxsize=1 << 12)
def _ratio(accumulator: int, product: int, n: int) -> float:
    """Equations (3) to (5): full swamping at step i, partial swamping of j bits, none."""
    steps = np.arange(2, n, dtype=np.float64)
    beyond = _outside(2.0**accumulator / np.sqrt(np.arange(1, n, dtype=np.float64)))
    full = beyond[1:] * (1.0 - beyond[:-1])
    lost = _cost(accumulator, product, product + 1)
    late = steps > lost
    bits = np.arange(2, product + 1, dtype=np.float64)
    reach = 2.0 ** (accumulator - product + bits)
    near = reach * _outside(reach / 2.0 / math.sqrt(n)) * (1.0 - _outside(reach / math.sqrt(n)))
    costs = np.array([_cost(accumulator, product, j) for j in range(2, product + 1)])
    some = n > costs
    none = 1.0 - float(_outside(np.array([2.0 ** (accumulator - product + 1) / math.sqrt(n)]))[0])
    mass = full[late].sum() + near[some].sum() + none
    kept = ((steps - lost) * full)[late].sum() + ((n - costs) * near)[some].sum() + n * none
    return float(kept / (mass * n))


def _cost(accumulator: int, product: int, bits: int) -> float:
    """α: the variance that partial swamping of fewer than ``bits`` bits has cost."""
    total = sum(2**j * (2**j - 1) * (2 ** (j + 1) - 1) for j in range(1, bits))
    return math.ldexp(total, accumulator - 3 * product) / 3.0
