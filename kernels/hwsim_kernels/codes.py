"""Codes of float formats: bits to float64 and back."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import kernel


class Fields(NamedTuple):
    """Where a float format keeps what; codes are handled as int64 magnitude and sign bit."""

    precision: int
    emin: int
    hidden: int  # 2^(p−1) where exponent field 0 holds normal numbers, else 0
    flushed: int  # magnitudes below are zero: field 0 without subnormals, or code 0 alone
    sign_bit: int  # position of the sign bit; −1 when unsigned
    inf_code: int  # −1 when there is none
    nan_code: int  # −1 when there is none
    nan_from: int  # magnitudes from here on are NaN
    minus_zero_nan: bool  # the code of −0 is NaN (fnuz)


@kernel
def encode(x, out, f):
    """out ← codes (uint64) of x (float64, on the grid); NaN gets the canonical code."""
    for i in range(x.shape[0]):
        v = x[i]
        a = abs(v)
        if a != a:
            out[i] = np.uint64(f.nan_code)
            continue
        if a == math.inf:
            m = np.int64(f.inf_code)
        elif a == 0.0:
            m = np.int64(0)
        else:
            e = max(math.frexp(a)[1] - 1, f.emin)
            sig = np.int64(math.ldexp(a, f.precision - 1 - e))
            m = ((e - f.emin) << (f.precision - 1)) + sig - f.hidden
        minus = f.sign_bit >= 0 and math.copysign(1.0, v) < 0.0
        out[i] = np.uint64(m) | (np.uint64(1) << np.uint64(f.sign_bit) if minus else np.uint64(0))


@kernel
def decode(codes, out, f):
    """out ← values (float64) of codes (uint64)."""
    half = np.int64(1) << (f.precision - 1)
    for i in range(codes.shape[0]):
        code = codes[i]
        minus = False
        if f.sign_bit >= 0:
            minus = (code >> np.uint64(f.sign_bit)) != 0
            code &= (np.uint64(1) << np.uint64(f.sign_bit)) - np.uint64(1)
        m = np.int64(code)
        if m >= f.nan_from or (minus and m == 0 and f.minus_zero_nan):
            v = math.nan
            minus = False
        elif m == f.inf_code:
            v = math.inf
        elif m < f.flushed:
            v = 0.0
        else:
            m += f.hidden
            if m < half:
                v = math.ldexp(np.float64(m), f.emin - f.precision + 1)
            else:
                e = f.emin + (m >> (f.precision - 1)) - 1
                v = math.ldexp(np.float64((m & (half - 1)) | half), e - f.precision + 1)
        out[i] = -v if minus else v
