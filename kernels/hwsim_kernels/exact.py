"""Exact accumulation (Kulisch): the whole sum in 32-bit digits, rounded once at the end."""

from __future__ import annotations

import math

import numpy as np

from hwsim_kernels._jit import helper, kernel

DIGIT = np.int64(0xFFFFFFFF)
LOW27 = np.int64(0x7FFFFFF)


@helper
def significand(x):
    """(m, e) with x = m·2^e and |m| < 2^53, for finite x."""
    fraction, exponent = math.frexp(x)
    return np.int64(math.ldexp(fraction, 53)), np.int64(exponent - 53)


@helper
def deposit(digits, v, offset):
    """Add v·2^offset, |v| < 2^56, to the digits (offset counted from their lowest bit)."""
    sign = np.int64(1) if v >= 0 else np.int64(-1)
    v = abs(v)
    at = offset >> 5
    shift = offset & 31
    low = (v & DIGIT) << shift  # at most 63 bits
    high = (v >> 32) << shift  # at most 55 bits
    digits[at] += sign * (low & DIGIT)
    digits[at + 1] += sign * ((low >> 32) + (high & DIGIT))
    digits[at + 2] += sign * (high >> 32)


@helper
def deposit_product(digits, x, y, base):
    """Add x·y exactly: 53×53 bits as partial products of 27 and 26 bits."""
    m, e = significand(x)
    n, f = significand(y)
    offset = e + f - base
    s = np.int64(1) if m >= 0 else np.int64(-1)
    t = np.int64(1) if n >= 0 else np.int64(-1)
    m, n = abs(m), abs(n)
    m1, m0 = m >> 27, m & LOW27
    n1, n0 = n >> 27, n & LOW27
    s *= t
    deposit(digits, s * (m0 * n0), offset)
    deposit(digits, s * (m0 * n1 + m1 * n0), offset + 27)
    deposit(digits, s * (m1 * n1), offset + 54)


@helper
def collect(digits, base):
    """The digits' value rounded to odd in 53 bits, as float64; 0 for an exact zero."""
    n = digits.shape[0]
    carry = np.int64(0)
    for i in range(n):
        v = digits[i] + carry
        digits[i] = v & DIGIT
        carry = v >> 32
    negative = carry < 0
    if negative:  # two's complement: negate
        carry = np.int64(1)
        for i in range(n):
            v = (digits[i] ^ DIGIT) + carry
            digits[i] = v & DIGIT
            carry = v >> 32
    top = n - 1
    while top > 0 and digits[top] == 0:
        top -= 1
    lead = digits[top]
    if lead == 0:
        return 0.0
    length = np.int64(0)
    while lead >> length:
        length += 1
    # 53 bits from three digits: the lead, the next, and what is missing of a third.
    m = lead
    at = top
    bits = length
    sticky = False
    while bits < 53 and at > 0:
        at -= 1
        take = min(np.int64(32), 53 - bits)
        m = (m << take) | (digits[at] >> (32 - take))
        sticky |= (digits[at] & ((np.int64(1) << (32 - take)) - 1)) != 0
        bits += take
    scale = np.int64(32) * top + length - bits
    for i in range(at):
        sticky |= digits[i] != 0
    if sticky:
        m |= 1
    x = math.ldexp(np.float64(m), base + scale)
    return -x if negative else x


@kernel
def exact_matmul(a, b, c, out, base, size, zero_add, minus_zero):
    """out ← odd(c + Σ a·b): float64 (m, k), (k, n), (m, n); ``size`` digits from 2^base up.

    base lies 106 bits under the last place of any term, since significands come with 53 bits.
    Nonfinite terms add as floats do.  A zero total has the sign of sequential IEEE addition:
    −0 if every term, c included, is −0; in rdn (``minus_zero``) +0 only if every term is +0.
    """
    digits = np.empty(size, np.int64)
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            digits[:] = 0
            special = 0.0
            start = c[i, j]
            pluses = math.copysign(1.0, start) > 0.0
            minuses = not pluses
            zeros = start == 0.0
            if math.isfinite(start):
                if start != 0.0:
                    deposit_product(digits, start, 1.0, base)
            else:
                special += start
            for k in range(a.shape[1]):
                p = a[i, k] * b[k, j] + zero_add
                if not math.isfinite(p):
                    special += p
                elif p != 0.0:
                    zeros = False
                    deposit_product(digits, a[i, k], b[k, j], base)
                elif math.copysign(1.0, p) > 0.0:
                    minuses = False
                else:
                    pluses = False
            x = collect(digits, base)
            if special != 0.0:  # Inf or NaN
                x = special
            elif x == 0.0:
                minus = not (zeros and pluses) if minus_zero else zeros and minuses
                x = -0.0 if minus else 0.0
            out[i, j] = x
