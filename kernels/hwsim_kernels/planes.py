"""Operands of approximate multipliers, value by value: significands as integers, and the planes
that `multiply` multiplies.

x is an array (batch, m, k) or (batch, k, n) of finite values, out (planes, …) of its shape; a value
is ±significand·2^exponent, its significand an integer of ``precision`` bits (an int64's for fixed
point, whose exponent is always ``quantum``).
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import helper, kernel

FRACTION = 52
BIAS = 1023
SIGN = 63


@helper
def _length(significand):  # type: ignore[no-untyped-def]
    """Bits of a nonnegative integer below 2^53."""
    field = np.float64(significand).view(np.int64) >> FRACTION
    return field - BIAS + 1 if significand > 0 else 0


@helper
def _exponent(x, precision, quantum):  # type: ignore[no-untyped-def]
    """The exponent of x's significand: x is no subnormal of float64 (but 0)."""
    field = (np.float64(x).view(np.int64) >> FRACTION) & 0x7FF
    return max(field - BIAS - precision + 1, quantum)


@helper
def _power(exponent):  # type: ignore[no-untyped-def]
    """2^exponent, a normal float64."""
    return np.int64((exponent + BIAS) << FRACTION).view(np.float64)


@helper
def _negative(x):  # type: ignore[no-untyped-def]
    return np.float64(x).view(np.int64) < 0


@kernel
def kept(x, out, precision, quantum, count):  # type: ignore[no-untyped-def]
    """out[0]: ``count`` bits from the leading one, the last of them 1 where any was cut."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for n in range(x.shape[2]):
                v = x[i, j, n]
                e = _exponent(v, precision, quantum)
                m = np.int64(abs(np.float64(v)) * _power(-e))
                cut = max(_length(m) - count, 0)
                m = ((m >> cut) | (cut > 0)) << cut
                size = np.float64(m) * _power(e)
                out[0, i, j, n] = -size if _negative(v) else size


@kernel
def iterations(x, out, precision, quantum, second):  # type: ignore[no-untyped-def]
    """Of what is left of x, first all of it, then without each leading one: pairs of the leading
    one and the rest of operand a; all of it and the leading one of operand b (``second``)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for n in range(x.shape[2]):
                v = x[i, j, n]
                e = _exponent(v, precision, quantum)
                unit = -_power(e) if _negative(v) else _power(e)
                m = np.int64(abs(np.float64(v)) * _power(-e))
                for t in range(0, out.shape[0], 2):
                    lead = np.int64(1) << (_length(m) - 1) if m > 0 else np.int64(0)
                    rest = m - lead
                    out[t, i, j, n] = np.float64(m if second else lead) * unit
                    out[t + 1, i, j, n] = np.float64(lead if second else rest) * unit
                    m = rest


@kernel
def columns(x, out, precision, quantum, masks):  # type: ignore[no-untyped-def]
    """out[t]: the bits of the significand in masks[t], or −masks[t] itself where it is negative."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for n in range(x.shape[2]):
                v = x[i, j, n]
                e = _exponent(v, precision, quantum)
                unit = -_power(e) if _negative(v) else _power(e)
                m = np.int64(abs(np.float64(v)) * _power(-e))
                for t in range(out.shape[0]):
                    mask = masks[t]
                    out[t, i, j, n] = np.float64(-mask if mask < 0 else m & mask) * unit


@kernel
def entries(x, out, whole, precision, quantum, rule):  # type: ignore[no-untyped-def]
    """whole[0]: a part of a table's index, the significand (or for ``signed`` tables the integer
    less ``lowest``) shifted by ``shift``; out[1]: the rest, a signed power of two.

    rule : (shift, signed, lowest, negated).
    """
    shift, signed, lowest, negated = rule
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for n in range(x.shape[2]):
                v = x[i, j, n]
                e = _exponent(v, precision, quantum)
                m = np.int64(abs(np.float64(v)) * _power(-e))
                minus = _negative(v)
                if signed:
                    m = (-m if minus else m) - lowest
                    minus = False
                whole[0, i, j, n] = m << shift
                out[1, i, j, n] = -_power(e) if minus != negated else _power(e)


@kernel
def words(x, out, precision, quantum, rule):  # type: ignore[no-untyped-def]
    """What `powers` move: out[0], x; out[1], ``scale`` units of its last place, of 0 ``scale``, or
    with ``signs`` those with the sign of x.

    rule : (scale, signs, negated), the latter for both planes.
    """
    scale, signs, negated = rule
    turn, kept = np.int64(negated) << SIGN, np.int64(signs) << SIGN
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for n in range(x.shape[2]):
                v = np.float64(x[i, j, n])
                m = v.view(np.int64)
                e = _exponent(v, precision, quantum) if v != 0.0 else 0
                unit = np.int64((e + BIAS) << FRACTION) | ((m & kept) ^ turn)
                out[0, i, j, n] = np.int64(m ^ turn).view(np.float64)
                out[1, i, j, n] = np.int64(unit).view(np.float64) * scale


@kernel
def powers(x, out, least, place, rule):  # type: ignore[no-untyped-def]
    """±2^k, out[0], ``least`` in magnitude or more; and ``scale``, with its sign, for each unit of
    a word's last place where it cuts words: of 2^k, or ``place`` or more, out[1].  ±0 stays.

    rule : (scale, negated), the latter for both planes.
    """
    scale, negated = rule
    turn = np.int64(negated) << SIGN
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for n in range(x.shape[2]):
                v = np.float64(x[i, j, n])
                sign = (v.view(np.int64) ^ turn) & (np.int64(1) << SIGN)
                moved = np.float64(max(abs(v), least) if abs(v) > 0.0 else 0.0)
                cut = np.float64(max(abs(v), place) * scale)
                out[0, i, j, n] = np.int64(moved.view(np.int64) | sign).view(np.float64)
                out[1, i, j, n] = np.int64(cut.view(np.int64) | sign).view(np.float64)


@kernel
def fractions(x, out, whole, roots, rule):  # type: ignore[no-untyped-def]
    """±2^(i + f·2^-bits): whole[0], f times 2^shift; out[1], ±2^(i + place), or 0 for 0.

    roots : 2^(f·2^-bits) and Inf, each a little less than nearest, and ``first``: by the highest
    bits + 1 fraction bits of a significand the f of the least that has them; no more than one root
    lies among those, as roots are ln 2·2^-bits apart and more.
    rule : (bits, shift, place, negated).
    """
    bits, shift, place, negated = rule
    roots, first = roots
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for n in range(x.shape[2]):
                v = x[i, j, n]
                e = _exponent(v, 1, -BIAS)
                size = abs(np.float64(v)) * _power(-e)
                cell = (np.float64(size).view(np.int64) >> (FRACTION - bits - 1)) & (
                    (2 << bits) - 1
                )
                f = first[cell]
                f += np.int64(size >= roots[f + 1])
                whole[0, i, j, n] = f << shift
                scale = -_power(e + place) if _negative(v) != negated else _power(e + place)
                out[1, i, j, n] = 0.0 if v == 0 else scale


@kernel
def logarithms(bits, whole, one, sign, rule):  # type: ignore[no-untyped-def]
    """whole[0]: the bits of x, of ±1 for ±0, less those of 1 for operand b; whole[1]: all ones, or
    for a zero what is left of it.

    bits : of x, as integers.  one, sign : the bits of 1 and of −0.  rule : (second, negated, left).
    """
    second, negated, left = rule
    for i in range(bits.shape[0]):
        for j in range(bits.shape[1]):
            for n in range(bits.shape[2]):
                m = bits[i, j, n]
                minus = m & sign
                zero = m == minus
                if negated:
                    m, minus = m ^ sign, minus ^ sign
                m = (minus | one) if zero else m
                whole[0, i, j, n] = m - one if second else m
                whole[1, i, j, n] = left if zero else ~(sign ^ sign)
