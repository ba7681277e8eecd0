"""What the peers are asked to do, on which inputs, and how many of their results are wrong.

Expected values come from `hwsim.reference` alone, never from the kernels that are timed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import hwsim

Array = npt.NDArray[Any]
SIZE = 256  # of a product: SIZE × SIZE × SIZE
CORNER = 32  # outputs that are checked: the first CORNER × CORNER of a product
RANDOM = 4000
NEIGHBOURS = 1000  # pairs of neighbouring values drawn from formats that have more


@dataclass(frozen=True)
class Job:
    """A rounding to ``spec`` (a format), or, where ``is_product``, a product on ``spec`` (a unit).

    title : as the table calls it.  rounding, overflow : those of a rounding.
    """

    title: str
    spec: str
    rounding: str = "rne"
    overflow: str | None = None
    is_product: bool = False


ROUNDINGS = (
    Job("e4m3, overflow to NaN", "e4m3", overflow="nan"),
    Job("e4m3, saturating", "e4m3", overflow="saturate_all"),
    Job("e4m3 with Inf", "e4m3ieee", overflow="inf"),
    Job("e5m2", "e5m2", overflow="inf"),
    Job("e6m9", "e6m9", overflow="inf"),
    Job("e6m9, toward zero", "e6m9", "rtz", "inf"),
    Job("bf16", "bf16", overflow="inf"),
    Job("fp16", "fp16", overflow="inf"),
)
PRODUCTS = tuple(
    Job(unit, unit, is_product=True)
    for unit in ("e5m2xe5m2+e6m9", "e5m2xe5m2+bf16", "int8xint8+int16:saturate")
)


# --- inputs of roundings --------------------------------------------------------------------------
def hard_inputs(job: Job) -> Array:
    """float32 numbers at which roundings go wrong, both signs, NaN and Inf.

    Values of the format, the midpoints of neighbours, the float32 numbers next to both; the same
    around the largest value and around half the smallest.
    """
    fmt = hwsim.format(job.spec)
    assert isinstance(fmt, hwsim.FloatFormat)
    lower = np.arange(fmt.largest_code)
    if lower.size > NEIGHBOURS:  # the lowest two of every binade, and random ones
        edges = lower[lower % (1 << fmt.fraction_bits) < 2]
        drawn = np.random.default_rng(1).choice(lower, NEIGHBOURS, replace=False)
        lower = np.unique(np.concatenate([edges, edges[1:] - 1, drawn, lower[-2:]]))
    low, high = (hwsim.reference.decode(c, fmt).astype(np.float64) for c in (lower, lower + 1))
    middles = (low + high) / 2  # exact, in float32 too
    above = high[-1] + (high[-1] - low[-1]) * np.array([0.5, 1, 2, 16])
    with np.errstate(over="ignore"):  # float32 ends soon after the largest bf16
        points = np.concatenate([low, high, middles, above]).astype(np.float32)
    towards = [np.nextafter(points, np.float32(side)) for side in (0, np.inf)]
    ends = np.array([0, 1e-45, 3e38, np.inf, np.nan], np.float32)
    positive = np.unique(np.concatenate([points, *towards, ends]))
    return np.concatenate([positive, -positive])


def normal_inputs(size: int = RANDOM) -> Array:
    """Seeded float32 draws from N(0, 1)."""
    return np.random.default_rng(20251).normal(size=size).astype(np.float32)


def exact_rounding(x: Array, job: Job) -> Array:
    """What x rounds to, by the reference, in float64."""
    return hwsim.reference.round(x, job.spec, job.rounding, job.overflow).astype(np.float64)


def rounding_kinds(x: Array, job: Job) -> Array:
    """What is special about each input: the names under which wrong results are counted."""
    fmt = hwsim.format(job.spec)
    assert isinstance(fmt, hwsim.FloatFormat)
    wide = np.abs(x.astype(np.float64))
    down, up = (
        hwsim.reference.round(wide, fmt, mode, "saturate").astype(np.float64)
        for mode in ("rtz", "rup")
    )
    with np.errstate(invalid="ignore"):
        tie = (up != down) & (wide - down == up - wide)
    conditions = [
        np.isnan(wide),
        np.isinf(wide),
        wide > float(fmt.largest),
        wide == 0,
        tie & (wide < float(fmt.smallest_normal)),
        wide < float(fmt.smallest_normal),
        tie,
    ]
    names = ["NaN", "Inf", "overflow", "zero", "subnormal tie", "subnormal", "tie"]
    return np.select(conditions, names, "between ties")


# --- operands of products -------------------------------------------------------------------------
def normal_operands(job: Job) -> tuple[Array, Array]:
    """float32 values of the operand formats: N(0, 1), or small integers."""
    rng = np.random.default_rng(20252)
    a, b = rng.normal(size=(2, SIZE, SIZE))
    scale = 20 if job.spec.startswith("int8") else 1
    return _operands(scale * a, scale * b, job)


def hard_operands(job: Job) -> tuple[Array, Array]:
    """Operands of every magnitude: sums that overflow, tie, cancel, stay tiny, meet Inf and NaN."""
    rng = np.random.default_rng(20253)
    if job.spec.startswith("int8"):
        a, b = rng.integers(-128, 128, (2, SIZE, SIZE))
        a[: CORNER // 4], b[:, : CORNER // 4] = -128, rng.choice([-128, 127], (SIZE, CORNER // 4))
        return _operands(a, b, job)
    a, b = _of_all_sizes(rng), _of_all_sizes(rng).T.copy()
    a[CORNER - 1, 5], a[CORNER - 2, 5], b[5, 0] = np.inf, np.nan, 0
    return _operands(a, b, job)


def _of_all_sizes(rng: np.random.Generator) -> Array:
    """Rows in turn: normal, small integers, near the top of e5m2, near its bottom."""
    x = rng.normal(size=(SIZE, SIZE))
    kind = np.arange(SIZE) % 4
    x[kind == 1] = rng.integers(-4, 5, x[kind == 1].shape)
    x[kind == 2] *= 2.0 ** rng.integers(13, 16, x[kind == 2].shape)
    x[kind == 3] *= 2.0 ** rng.integers(-16, -8, x[kind == 3].shape)
    return x


def _operands(a: Array, b: Array, job: Job) -> tuple[Array, Array]:
    """Both as values of the unit's operand formats, so that no peer has to round them."""
    unit = hwsim.mac(job.spec)
    formats = ((a, unit.a), (b, unit.b))
    left, right = (
        hwsim.reference.round(x, fmt, "rne", "saturate").astype(np.float32) for x, fmt in formats
    )
    return left, right


def exact_product(a: Array, b: Array, job: Job) -> Array:
    """The checked outputs, by the reference, in float64."""
    corner = hwsim.reference.matmul(a[:CORNER], b[:, :CORNER], job.spec)
    return corner.astype(np.float64)


def product_kinds(exact: Array) -> Array:
    """Names under which wrong outputs are counted."""
    return np.where(np.isfinite(exact), "finite", "Inf or NaN")


# --- trials ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Trial:
    """Inputs (one array to round, or two operands), the exact results, their kinds."""

    inputs: tuple[Array, ...]
    exact: Array
    kinds: Array


def trials(job: Job) -> tuple[Trial, Trial]:
    """The hard one and the normal one."""
    if job.is_product:
        pairs = hard_operands(job), normal_operands(job)
        exact = [exact_product(*pair, job) for pair in pairs]
        hard, normal = (Trial(*t, product_kinds(t[1])) for t in zip(pairs, exact, strict=True))
        return hard, normal
    arrays = hard_inputs(job), normal_inputs()
    hard, normal = (Trial((x,), exact_rounding(x, job), rounding_kinds(x, job)) for x in arrays)
    return hard, normal


def timed_inputs(job: Job, size: int) -> tuple[Array, ...]:
    """Normal inputs: ``size`` numbers, or operands of a size × SIZE × size product."""
    return cut(normal_operands(job), size) if job.is_product else (normal_inputs(size),)


def cut(inputs: tuple[Array, ...], size: int) -> tuple[Array, ...]:
    """Operands of the first size × size outputs; one array as it is."""
    return (inputs[0][:size], inputs[1][:, :size]) if len(inputs) == 2 else inputs


# --- the verdict ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Verdict:
    """How many of ``total`` results are wrong, and of which kind; NaN is NaN, and −0 is +0.

    signs : zeros of the wrong sign, which are not counted as wrong.  example : a wrong result in
    words, or nothing.
    """

    wrong: int
    total: int
    kinds: tuple[tuple[str, int], ...] = ()
    signs: int = 0
    example: str = ""


def judge(results: Array, trial: Trial) -> Verdict:
    """Compare results with the exact ones, by value; of a product, those that are known.

    ValueError when there are too few: a broadcast comparison would hide it.
    """
    exact = trial.exact
    theirs = results[tuple(slice(n) for n in exact.shape)]
    if theirs.shape != exact.shape:
        raise ValueError(f"results of shape {results.shape}; {exact.shape} is needed")
    got, wanted = theirs.astype(np.float64).ravel(), exact.astype(np.float64).ravel()
    wrong = ~((got == wanted) | (np.isnan(got) & np.isnan(wanted)))
    zeros = (got == 0) & (wanted == 0) & (np.signbit(got) != np.signbit(wanted))
    counted = Counter(trial.kinds.ravel()[wrong].tolist()).most_common()
    example = ""
    if wrong.any():
        at = int(np.argmax(wrong))
        if exact.ndim == 1:
            place = f"{trial.inputs[0][at]:.9g}"
        else:
            place = f"output {divmod(at, exact.shape[1])}"
        example = f"{place} → {got[at]:.9g}, exact {wanted[at]:.9g}"
    return Verdict(int(wrong.sum()), got.size, tuple(counted), int(zeros.sum()), example)
