"""Exact accumulation (Kulisch): one rounding of the whole sum.

A float64 product with a bound of its error decides most roundings (Ziv 1991); the sums that it
leaves open are added in 32-bit digits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.rounding64 import to_grid

DIGIT = np.int64(0xFFFFFFFF)
LOW27 = np.int64(0x7FFFFFF)
FRACTION = np.int64(0xFFFFFFFFFFFFF)
HIDDEN = np.int64(1) << 52


@helper
def significand(x):
    """(m, e) with |x| = m·2^e and m < 2^53, for finite x."""
    bits = np.float64(x).view(np.int64)
    field = (bits >> 52) & np.int64(0x7FF)
    m = bits & FRACTION
    if field == 0:
        return m, np.int64(-1074)
    return m | HIDDEN, field - 1075


@helper
def deposit(digits, v, offset, sign):
    """Add sign·v·2^offset, 0 ≤ v < 2^56, to the digits (offset counted from their lowest bit)."""
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
    sign = np.int64(1) if (x > 0.0) == (y > 0.0) else np.int64(-1)
    m1, m0 = m >> 27, m & LOW27
    n1, n0 = n >> 27, n & LOW27
    deposit(digits, m0 * n0, offset, sign)
    deposit(digits, m0 * n1 + m1 * n0, offset + 27, sign)
    deposit(digits, m1 * n1, offset + 54, sign)


@helper
def carried(digits):
    """Make every digit 0 … 2^32 − 1; whether the total is negative (digits then hold |total|)."""
    carry = np.int64(0)
    for i in range(digits.shape[0]):
        v = digits[i] + carry
        digits[i] = v & DIGIT
        carry = v >> 32
    if carry >= 0:
        return False
    carry = np.int64(1)
    for i in range(digits.shape[0]):
        v = (digits[i] ^ DIGIT) + carry
        digits[i] = v & DIGIT
        carry = v >> 32
    return True


@helper
def collect(digits, base):
    """The digits' value rounded to odd in 53 bits, as float64; 0 for an exact zero."""
    negative = carried(digits)
    top = digits.shape[0] - 1
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


@helper
def exact_dot(a, b, start, digits, base, narrow, zero_add, minus_zero):
    """odd(start + Σ a·b) for vectors; ``digits`` is scratch."""
    digits[:] = 0
    special = 0.0
    pluses = math.copysign(1.0, start) > 0.0
    minuses = not pluses
    zeros = start == 0.0
    if math.isfinite(start):
        if start != 0.0:
            deposit_product(digits, start, 1.0, base)
    else:
        special += start
    for k in range(a.shape[0]):
        p = a[k] * b[k] + zero_add
        if not math.isfinite(p):
            special += p
        elif p != 0.0:
            zeros = False
            if narrow:  # p is the exact product
                m, e = significand(p)
                deposit(digits, m, e - base, np.int64(1) if p > 0.0 else np.int64(-1))
            else:
                deposit_product(digits, a[k], b[k], base)
        elif math.copysign(1.0, p) > 0.0:
            minuses = False
        else:
            pluses = False
    x = collect(digits, base)
    if special != 0.0:  # Inf or NaN
        return special
    if x == 0.0:
        minus = not (zeros and pluses) if minus_zero else zeros and minuses
        return -0.0 if minus else 0.0
    return x


class Digits(NamedTuple):
    """How exact sums are kept and what the sign of a zero is."""

    base: int  # exponent of the lowest bit: 106 under the last place of any term
    size: int  # number of digits
    narrow: bool  # every product is exact in float64
    zero_add: float  # −0 keeps the sign of zero products, +0 drops it
    minus_zero: bool  # rdn


@kernel
def exact_rows(a, b, c, x, wanted, first, last, d):
    """x ← odd(c + Σ a·b) where ``wanted``, for the rows first … last − 1 of all items.

    float64 (items, m, k), (items, k, n), (items, m, n) for c, which may be empty, and x.
    Significands come with 53 bits: hence the distance of ``base``.  Nonfinite terms add as floats
    do.  A zero total has the sign of sequential IEEE addition: −0 if every term, c included, is
    −0; in rdn (``minus_zero``) +0 only if every term is +0.
    """
    m = a.shape[1]
    digits = np.empty(d.size, np.int64)
    column = np.empty(b.shape[1])
    for row in range(first, last):
        item, i = row // m, row % m
        for j in range(b.shape[2]):
            if wanted[item, i, j]:
                for k in range(b.shape[1]):
                    column[k] = b[item, k, j]
                start = c[item, i, j] if c.size else 0.0
                x[item, i, j] = exact_dot(
                    a[item, i], column, start, digits, d.base, d.narrow, d.zero_add, d.minus_zero
                )


@helper
def norm(x):
    """Euclidean norm of a vector, to a relative error of its length times 2^-53."""
    total = 0.0
    for k in range(x.shape[0]):
        total += x[k] * x[k]
    return math.sqrt(total)


@kernel
def column_norms(b, out):
    """out ← Euclidean norms of the columns: (items, k, n) → (items, n)."""
    for item in range(b.shape[0]):
        for j in range(b.shape[2]):
            out[item, j] = 0.0
        for k in range(b.shape[1]):
            for j in range(b.shape[2]):
                out[item, j] += b[item, k, j] * b[item, k, j]
        for j in range(b.shape[2]):
            out[item, j] = math.sqrt(out[item, j])


@kernel
def settle_rows(a, c, columns, x, open, first, last, error, g, mode, minus_zero):
    """From x ≈ Σ a·b to x that rounds as c + Σ a·b; ``open`` ← 1 where that is not decided.

    x is within error·‖a‖·‖b‖ of Σ a·b, for a's rows and b's ``columns`` of those norms: a dot
    product in any order errs by at most γ·Σ|a·b|, and Cauchy and Schwarz bound that sum.  Where
    both ends of the interval round alike, rounding being monotone, so does everything between.
    An end may be −0 or +0 there only by lying beyond zero: then it is not decided.
    """
    m = a.shape[1]
    for row in range(first, last):
        item, i = row // m, row % m
        length = norm(a[item, i])
        for j in range(x.shape[2]):
            start = c[item, i, j] if c.size else 0.0
            mass = length * columns[item, j]
            s = x[item, i, j] + start
            reach = (mass + abs(start)) * error + abs(s) * 2.0**-51
            low = s - reach
            high = s + reach
            sure = (low > 0.0) | (high < 0.0)
            sure &= to_grid(low, g, mode) == to_grid(high, g, mode)
            # Nothing but zeros is added: +0 stays +0 unless rdn, and c that is not 0 stays.
            still = (mass == 0.0) & ((start != 0.0) | ((c.size == 0) & (not minus_zero)))
            x[item, i, j] = start if still else s
            open[item, i, j] = not (sure | still)
