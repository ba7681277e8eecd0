"""Bounds of the errors of floating-point sums, relative to Σ|x|.

u is the unit roundoff, 2^−p to nearest with p significand bits, 2^(1 − p) otherwise.
"""

from __future__ import annotations

import math


def unit_roundoff(precision: int, rounding: str = "rne") -> float:
    """Largest relative error of one rounding without over- and underflow.

    >>> unit_roundoff(10), unit_roundoff(10, "rtz")
    (0.0009765625, 0.001953125)
    """
    return math.ldexp(1.0, -precision if rounding in ("rne", "rna") else 1 - precision)


def gamma(roundings: int, u: float) -> float:
    """γ_n = n·u / (1 − n·u), infinite from n·u = 1 on (Higham 2002, lemma 3.1)."""
    return roundings * u / (1.0 - roundings * u) if roundings * u < 1.0 else math.inf


def sequential_bound(length: int, u: float) -> float:
    """γ of the length − 1 additions of one sum; about (n − 1)·u.

    >>> round(sequential_bound(65, 2.0**-10), 9)
    0.066666667
    """
    return gamma(max(length - 1, 0), u)


def chunked_bound(length: int, chunk: int, u: float) -> float:
    """γ of the chunk − 1 and ⌈length/chunk⌉ − 1 additions that a term passes; about
    (b + n/b − 2)·u, least at b = √n (Blanchard, Higham, Mary 2020, arXiv 1902.06513).

    >>> round(chunked_bound(4096, 64, 2.0**-10), 9)
    0.140311804
    """
    if chunk < 1:
        raise ValueError(f"chunk={chunk!r}: an integer from 1 is needed")
    return gamma(max(min(chunk, length) - 1, 0) + max(-(-length // chunk) - 1, 0), u)


def best_chunk(length: int) -> int:
    """The chunk of the least first-order bound, b + ⌈n/b⌉ − 2: of equals the nearest to √n.

    >>> best_chunk(4096), best_chunk(1000), best_chunk(1)
    (64, 32, 1)
    """
    root = math.sqrt(max(length, 1))
    candidates = range(max(1, int(root) - 2), int(root) + 4)
    return min(candidates, key=lambda chunk: (chunk + -(-length // chunk), abs(chunk - root)))


def probabilistic_bound(length: int, u: float, probability: float = 0.99) -> float:
    """exp(λ√n·u + n·u²/(1 − u)) − 1, which holds with ``probability`` for independent zero-mean
    rounding errors (Higham, Mary 2019, theorem 2.4), as those of stochastic rounding are if draws
    have bits enough (Connolly, Higham, Mary 2021, theorem 4.6); λ from 1 − 2n·exp(−λ²(1 − u)²/2).

    >>> round(probabilistic_bound(4096, 2.0**-10), 4)
    0.3914
    """
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability={probability!r}: a number between 0 and 1 is needed")
    n = max(length - 1, 1)
    factor = math.sqrt(2.0 * math.log(2.0 * n / (1.0 - probability))) / (1.0 - u)
    exponent = factor * math.sqrt(n) * u + n * u * u / (1.0 - u)
    return math.expm1(exponent) if exponent < 700.0 else math.inf
