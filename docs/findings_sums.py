"""Sums of numbers in narrow accumulators: what `docs/findings.py` prints of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from itertools import product
from typing import Any

import numpy as np

import hwsim
from hwsim import theory

ADDED = tuple(2**i for i in range(8, 17))
OPTIONS = ("", ":sr16", ":chunk8", ":chunk32", ":chunk64", ":chunk256")
PUBLISHED = {  # mean |relative error| in percent, by another program with its own 50 trials
    4096: (7.8, 1.4, 0.44, 0.16, 0.17, 0.10),
    8192: (50, None, None, None, None, None),
    16384: (75, 2.2, 0.82, 0.33, 0.28, None),
    65536: (93.75, 1.8, 74.5, 0.73, 0.29, 0.23),
}

SIGNS = ("one sign", "signed")
TERMS = (4096, 16384)
NARROW = ("bf16", "e6m9", "fp16")

DEPTHS = tuple(2**i for i in range(8, 15))
TENSOR = ("hopper.e4m3", "hopper.e4m3/p128", "e4m3xe4m3+fp32")
PROMOTIONS = (32, 64, 128, 256, 512, 1024, 2048, 4096)

HARMONIC = ("bf16", "e6m9", "fp16", "fp32")
GAMMA = 0.5772156649015329  # H_k = ln k + γ + 1/2k − …


# Wang et al. 2018, figure 3b.


@cache
def draws() -> Any:
    """(65536, 50) numbers of mean 1 and deviation 1 in e6m9: one trial a column."""
    low, high = 1 - math.sqrt(3), 1 + math.sqrt(3)
    uniform = np.random.default_rng(2018).uniform(low, high, (ADDED[-1], 50))
    return hwsim.round(uniform, "e6m9")


@cache
def added(option: str, n: int) -> Any:
    """What 50 accumulators make of the first n numbers of their trials."""
    unit = f"e6m9xe6m9+e6m9{option}"
    return np.asarray(hwsim.matmul(np.ones((1, n)), draws()[:n], unit))[0]


def wang_error(option: str, n: int) -> float:
    """Mean |relative error| over the trials."""
    exact = draws()[:n].sum(axis=0, dtype=np.float64)  # errs by some 2^-50
    return float(np.mean(np.abs(added(option, n) - exact) / exact))


def wang_table() -> str:
    """Percent, and in parentheses the other program's."""
    rows = []
    for n, others in PUBLISHED.items():
        cells = [f"{100 * wang_error(option, n):.3g}" for option in OPTIONS]
        pairs = zip(cells, others, strict=True)
        rows.append([str(n), *(x if y is None else f"{x} ({y:g})" for x, y in pairs)])
    return table(("n", "nearest", *(x[1:] for x in OPTIONS[1:])), rows)


# The length of chunks.


@cache
def normals(signs: str, terms: int) -> tuple[Any, Any, Any, Any]:
    """Operands (32, K) and (K, 32) in e5m2, their exact product, and Σ|a·b|."""
    rng = np.random.default_rng(0)
    pair = rng.standard_normal((32, terms)), rng.standard_normal((terms, 32))
    a, b = (hwsim.round(x if signs == "signed" else np.abs(x), "e5m2") for x in pair)
    left, right = a.astype(np.float64), b.astype(np.float64)
    return a, b, left @ right, np.abs(left) @ np.abs(right)


@cache
def chunk_errors(signs: str, terms: int, fmt: str) -> dict[int, tuple[float, float]]:
    """Mean and largest |error| / Σ|a·b| by the length of a chunk, 1 … K."""
    a, b, exact, mass = normals(signs, terms)
    found = {}
    for chunk in (2**i for i in range(terms.bit_length())):
        error = np.abs(hwsim.matmul(a, b, f"e5m2xe5m2+{fmt}:chunk{chunk}") - exact) / mass
        found[chunk] = float(error.mean()), float(error.max())
    return found


def precision(name: str) -> int:
    """Significand bits of a float."""
    fmt = hwsim.format(name)
    assert isinstance(fmt, hwsim.FloatFormat)
    return fmt.precision


def first_order(terms: int, chunk: float, fmt: str) -> float:
    """(b + n/b − 2)·u."""
    return (chunk + terms / chunk - 2) * theory.unit_roundoff(precision(fmt))


def best_chunk(signs: str, terms: int, fmt: str) -> tuple[int, list[int]]:
    """The chunk of the least mean error, and all within a factor of two of it."""
    means = {chunk: mean for chunk, (mean, _) in chunk_errors(signs, terms, fmt).items()}
    best = min(means, key=lambda chunk: means[chunk])
    return best, [chunk for chunk, mean in means.items() if mean <= 2 * means[best]]


def chunk_table() -> str:
    """The best measured chunk beside theory's, and the largest error at theory's."""
    rows = []
    for signs, terms, fmt in product(SIGNS, TERMS, NARROW):
        best, near = best_chunk(signs, terms, fmt)
        run = f"{near[0]} … {near[-1]}" if near[-1] == near[0] << len(near) - 1 else str(near)[1:-1]
        root, errors = theory.best_chunk(terms), chunk_errors(signs, terms, fmt)
        seen = errors[best][0], errors[root][1], first_order(terms, root, fmt)
        mean, largest, bound = (f"{x:.1e}" for x in seen)
        rows.append((signs, terms, fmt, best, run, mean, root, largest, bound))
    heads = ("data", "K", "sums in", "best chunk", "within twice its error", "its mean error")
    return table((*heads, "theory: √K", "largest error there", "theory: at most"), rows)


# Hopper's sums of 8-bit floats.


@cache
def eights(signs: str, depth: int) -> tuple[Any, Any, Any, Any]:
    """Operands (64, K) and (K, 64) in e4m3: uniform on (0, 1), or normal."""
    rng = np.random.default_rng(0)
    draw = rng.uniform if signs == "one sign" else rng.standard_normal
    a, b = hwsim.round(draw(size=(64, depth)), "e4m3"), hwsim.round(draw(size=(depth, 64)), "e4m3")
    left, right = a.astype(np.float64), b.astype(np.float64)
    return a, b, left @ right, np.abs(left) @ np.abs(right)


@cache
def tensor_error(unit: str, signs: str, depth: int) -> float:
    """Largest |error| / Σ|a·b| of 4096 outputs."""
    a, b, exact, mass = eights(signs, depth)
    return float(np.max(np.abs(hwsim.matmul(a, b, unit) - exact) / mass))


def tensor_table() -> str:
    """Error against K, one sign and signed."""
    columns = [(signs, unit) for signs in SIGNS for unit in TENSOR]
    rows = [
        (depth, *(f"{tensor_error(unit, signs, depth):.1e}" for signs, unit in columns))
        for depth in DEPTHS
    ]
    short = ("`hopper.e4m3`", "promoted: `/p128`", "fp32")
    heads = [f"{signs}: {short[0]}" for signs in SIGNS]
    return table(("K", heads[0], *short[1:], heads[1], *short[1:]), rows)


def promotion_errors(signs: str) -> list[float]:
    """Largest errors at K = 4096 by the products between promotions."""
    unit = str(hwsim.mac("hopper.e4m3/p128"))
    units = [unit.replace("p128", f"p{n}") for n in PROMOTIONS]
    return [tensor_error(unit, signs, 4096) for unit in units]


def promotion_table() -> str:
    """Error at K = 4096 against the products between promotions."""
    rows = [(signs, *(f"{x:.1e}" for x in promotion_errors(signs))) for signs in SIGNS]
    return table(("K = 4096, promoted every", *PROMOTIONS), rows)


# The harmonic series.


def harmonic(fmt: str, terms: Iterable[int]) -> tuple[float, ...]:
    """RN(1) + RN(1/2) + … one by one, after so many terms: each sum is the next one's c."""
    total, done, sums = 0.0, 0, []
    for n in terms:
        k = np.arange(done + 1, n + 1)
        unit = f"{fmt}x{fmt}+{fmt}"
        total = hwsim.matmul(1 / k[None], np.ones((len(k), 1)), unit, c=total).item()
        done = n
        sums.append(total)
    return tuple(sums)


@cache
def sticks(fmt: str) -> tuple[float, int]:
    """Where the sum sticks, and the first k that leaves it unchanged.

    Terms fall, so whatever follows a swamped one is swamped: the swamped ones are the last.
    """
    terms = 64
    while True:
        k = np.arange(1, terms + 1)
        unit = f"{fmt}x{fmt}+{fmt}"
        total, seen = hwsim.matmul(1 / k[None], np.ones((terms, 1)), unit, telemetry="counts")
        if seen.swamped_full:
            return total.item(), terms - seen.swamped_full + 1
        terms *= 2


def half_place(fmt: str, total: float) -> int:
    """The k with 1/k of half a last place of the sum: 2^(p − e), for a sum in [2^e, 2^(e + 1))."""
    return 1 << precision(fmt) - math.floor(math.log2(total))


def harmonic_table() -> str:
    """Sum, first k, and the exact sum of as many terms."""
    rows = []
    for fmt in HARMONIC:
        total, k = sticks(fmt)
        exact = math.log(k) + GAMMA + 1 / (2 * k)
        rows.append((fmt, f"{total:.8g}", k, half_place(fmt, total), f"{exact:.4f}"))
    heads = ("sums in", "sticks at", "first k without effect", "theory: k of half a place")
    return table((*heads, "exact sum to that k"), rows)


def table(heads: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """Markdown."""
    heads = tuple(heads)
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
