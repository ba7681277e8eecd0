"""Products whose sum is rounded at every step, in each peer's own API; hwsim beside them.

Where a peer has no such product, its user writes the loop over k with its rounding of arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from peer_jobs import SIZE, Array, Job
from peer_rounders import CHUNKED, Contender, Steps, fields, gfloat_info, pychop_chop

import hwsim

SMALL = 64  # SMALL × SIZE × SMALL: products of peers that need seconds


def hwsim_matmul(job: Job) -> Steps:
    unit = hwsim.mac(job.spec)
    return Steps(lambda a, b: hwsim.matmul(a, b, unit))


def ml_dtypes_product(job: Job) -> Steps | None:
    """Its own matmul accumulates in float32, so the sum is rounded step by step."""
    if not job.spec.endswith("+bf16"):
        return None
    import ml_dtypes

    def run(a: Array, b: Array) -> Array:
        total = np.zeros((a.shape[0], b.shape[1]), ml_dtypes.bfloat16)
        for k in range(a.shape[1]):
            exact = total.astype(np.float32) + np.outer(a[:, k], b[k])
            total = exact.astype(ml_dtypes.bfloat16)
        return total

    return Steps(run, read=lambda total: total.astype(np.float64))


def numpy_product(job: Job) -> Steps | None:
    """What one writes without any library."""
    if not job.spec.startswith("int8"):
        return None

    def run(a: Array, b: Array) -> Array:
        a, b = a.astype(np.int32), b.astype(np.int32)
        total = np.zeros((a.shape[0], b.shape[1]), np.int32)
        for k in range(a.shape[1]):
            total = np.clip(total + np.outer(a[:, k], b[k]), -(2**15), 2**15 - 1)
        return total

    return Steps(run)


def gfloat_product(job: Job) -> Steps | None:
    if job.spec.startswith("int8"):
        return None
    import gfloat

    info = gfloat_info(job)
    return Steps(lambda a, b: summed(a, b, lambda total: gfloat.round_ndarray(info, total)))


def summed(a: Array, b: Array, rounded: Callable[[Array], Array]) -> Array:
    """A product whose sum is rounded at every step by a peer's own rounding of arrays."""
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        total = rounded(total + np.outer(a[:, k], b[k]))
    return total


def apytypes_floats(job: Job) -> Steps | None:
    """``a @ b`` in its accumulator context."""
    if job.spec.startswith("int8"):
        return None
    import apytypes as apy

    exponent, fraction = fields(job)

    def run(a: Array, b: Array) -> Any:
        left, right = (apy.APyFloatArray.from_array(x, exp_bits=5, man_bits=2) for x in (a, b))
        with apy.APyFloatAccumulatorContext(exp_bits=exponent, man_bits=fraction):
            return left @ right

    return Steps(run, read=lambda c: c.to_numpy())


def apytypes_integers(job: Job) -> Steps | None:
    """``a @ b`` in its accumulator context."""
    if not job.spec.startswith("int8"):
        return None
    import apytypes as apy

    def run(a: Array, b: Array) -> Any:
        left, right = (apy.APyFixedArray.from_array(x, int_bits=8, frac_bits=0) for x in (a, b))
        saturate = apy.OverflowMode.SAT
        with apy.APyFixedAccumulatorContext(int_bits=16, frac_bits=0, overflow=saturate):
            return left @ right

    return Steps(run, read=lambda c: c.to_numpy())


def apytypes_loop(job: Job) -> Steps | None:
    """The saturating sum, cast at every step."""
    if not job.spec.startswith("int8"):
        return None
    import apytypes as apy

    def run(a: Array, b: Array) -> Any:
        left, right = (apy.APyFixedArray.from_array(x, int_bits=8, frac_bits=0) for x in (a, b))
        total = apy.zeros((a.shape[0], b.shape[1]), int_bits=16, frac_bits=0)
        for k in range(a.shape[1]):
            exact = total + left[:, k].outer(right[k])
            total = exact.cast(int_bits=16, frac_bits=0, overflow=apy.OverflowMode.SAT)
        return total

    return Steps(run, read=lambda c: c.to_numpy())


def pychop_floats(job: Job) -> Steps | None:
    if job.spec.startswith("int8"):
        return None
    chop = pychop_chop(*fields(job))
    return Steps(lambda a, b: summed(a, b, chop))


def pychop_integers(job: Job) -> Steps | None:
    if not job.spec.startswith("int8"):
        return None
    import pychop

    pychop.backend("numpy")
    chop = pychop.Chopf(ibits=16, fbits=0)
    return Steps(lambda a, b: summed(a, b, chop))


def fxpmath_product(job: Job) -> Steps | None:
    if not job.spec.startswith("int8"):
        return None
    from fxpmath import Fxp

    def run(a: Array, b: Array) -> Any:
        zeros = np.zeros((a.shape[0], b.shape[1]))
        total = Fxp(zeros, signed=True, n_word=16, n_frac=0, overflow="saturate")
        for k in range(a.shape[1]):
            total(total.get_val() + np.outer(a[:, k], b[k]))
        return total

    return Steps(run, read=lambda total: total.get_val())


UNSATURATED = (
    "Its integer accumulator does not saturate: <https://github.com/apytypes/apytypes/issues/857>."
)

CHOPF = "`chop = Chopf(ibits=16, fbits=0)`."

MULTIPLIERS = (
    Contender("hwsim", "`matmul(a, b, unit)`", SIZE, hwsim_matmul),
    Contender("NumPy", "loop of `clip(c + outer)`", SIZE, numpy_product),
    Contender("ml_dtypes", "loop of `(c + outer).astype`", SIZE, ml_dtypes_product),
    Contender("gfloat", "loop of `round_ndarray(f, c + outer)`", SMALL, gfloat_product),
    Contender("APyTypes", "`a @ b`, accumulator context", SIZE, apytypes_floats),
    Contender("APyTypes", "`a @ b`, accumulator context", SIZE, apytypes_integers, UNSATURATED),
    Contender("APyTypes", "loop of `(c + outer).cast`", SMALL, apytypes_loop),
    Contender("pychop", "loop of `chop(c + outer)`", SMALL, pychop_floats, CHUNKED),
    Contender("pychop", "loop of `chop(c + outer)`", SMALL, pychop_integers, CHOPF),
    Contender("fxpmath", "loop of `c(c + outer)`", SMALL, fxpmath_product),
)
