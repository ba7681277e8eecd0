"""Posits in the bits of floats.

Behind its sign a float has an exponent field and a fraction.  Where the field's bias is a multiple
of 2^es, its low es bits and the fraction are the end of the number's string (regime, exponent,
fraction), and what is above them, less a constant, is the regime k.  k takes k + 2 bits, or 1 − k
where it is negative; so n − 1 places end so many bits above the float's last one, and rounding is
an addition at that place whose carry may run into the exponent, as it runs into the regime.  Where
no bit is left behind the regime, the last bit of the code is the regime's: 0 for k ≥ 0, else 1.

Limits: minpos and maxpos are normal floats, and codes to be encoded have no more bits than a lane.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels._jit import helper, inlined, kernel
from hwsim_kernels.elementwise import EXPONENT
from hwsim_kernels.lanes import (
    CODED,
    LANES,
    conversion,
    in_all_lanes,
    load_lanes,
    store_lanes,
    through,
)
from hwsim_kernels.vectors import (
    I64,
    Vector,
    bits,
    floats,
    inverted,
    maximum,
    minimum,
    select,
    shifted,
    shifted_left,
    sign_mask,
)

NAN = float("nan")


class Posit(NamedTuple):
    """A posit format and a rounding, in the bits of a float of P bits; all are integers."""

    least: int  # the bits of minpos
    most: int  # the bits of maxpos
    lift: int  # one exponent step: the bias becomes a power of two
    regime: int  # P − 1 + es: bits under the regime
    one: int  # the regime's number there of values from 1 on
    cut: int  # regime + 3 − n: bits behind the last place where k is 0 or −1
    # What is added to the bits: half a step less one where ``near``, and, where u = 1, one more, or
    # (``span`` is all ones then) a step less one.
    near: int
    span: int
    # u = (last bit & of_odd) ^ (sign & of_sign) ^ of_one
    of_odd: int
    of_sign: int
    of_one: int
    left: int  # n − 3: bits behind the regime where k is 0 or −1
    top: int  # 2^(n − 1), NaR
    turn: int  # 2^n


def to_posit(v: Vector, q: Posit) -> Vector:
    """The lifted bits of |v| rounded, v a finite number but 0."""
    b = bits(v)
    m = minimum(maximum(b & ~sign_mask(v.width), q.least), q.most) + q.lift
    k = shifted(m, q.regime) - q.one
    below = k >> (v.width - 1)
    zero = k.constant(0)
    cut = minimum(maximum((k ^ below) + q.cut, zero), q.regime)
    ones = shifted_left(zero - 1, cut)
    behind = inverted(ones)
    odd = select(cut.eq(q.regime), below & 1, shifted(m, cut) & 1)
    minus = shifted(b, k.constant(v.width - 1))
    u = (odd & q.of_odd) ^ (minus & q.of_sign) ^ q.of_one
    half = shifted(behind, k.constant(1)) & q.near
    return (m + half + (behind & (zero - u) & q.span)) & ones


def valued(y: Vector, v: Vector, q: Posit) -> Vector:
    """The values of what `to_posit` made of v: +0 of zeros, NaN of what is not finite."""
    sign = bits(v) & sign_mask(v.width)
    r = floats((y - q.lift) | sign)
    r = select(v.eq(0.0), r.constant(0.0), r)
    return select(_is_nar(v), r.constant(NAN), r)


def encoded(y: Vector, v: Vector, q: Posit) -> Vector:
    """Their codes."""
    k = shifted(y, q.regime) - q.one
    below = k >> (v.width - 1)
    run = k ^ below
    zero = k.constant(0)
    one, left, place = k.constant(1), q.left - run, q.cut + run
    tail = y & inverted(shifted_left(zero - 1, q.regime))
    tail = shifted(tail, maximum(place, zero))
    tail = shifted_left(tail, maximum(zero - place, zero))
    high = q.top - shifted_left(one, maximum(left + 1, zero))  # k + 1 ones and a zero
    low = shifted_left(one, maximum(left, zero))  # −k zeros and a one
    code = tail + select(below.ne(0), low, high)
    code = select(bits(v) < 0, q.turn - code, code)
    code = select(v.eq(0.0), zero, code)
    return select(_is_nar(v), q.top, code)


def decoded(code: Vector, q: Posit) -> Vector:
    """The values of codes, integers of a lane below 2^n, as bits of floats."""
    zero = code.constant(0)
    one, ones = code.constant(1), code.constant(-1)
    minus = code > q.top
    a = select(minus, q.turn - code, code)
    first = zero - (shifted(a, q.left + 1) & 1)  # all ones where the regime has ones
    # The run's bits turned to zeros: as many as are missing from what is left.
    rest = a ^ (first & (q.top - 1))
    kept = code.constant(code.width) - leading_zeros(rest)
    run = q.left + 2 - kept
    k = select(first < 0, run - 1, zero - run)
    left = maximum(kept - 1, zero)
    tail = shifted_left(a & inverted(shifted_left(ones, left)), q.regime - left)
    y = shifted_left(k + q.one, q.regime) - q.lift + tail
    y = y | select(minus, one * sign_mask(code.width), zero)
    y = select(code.eq(0), zero, y)
    return select(code.eq(q.top), (one * EXPONENT[code.width]) | (q.lift >> 1), y)


def leading_zeros(x: Vector) -> Vector:
    """Zeros above the first one (llvm.ctlz); all bits of 0."""
    kind = x.value.type
    signature = ir.FunctionType(kind, [kind, ir.IntType(1)])
    name = f"llvm.ctlz.v{kind.count}i{x.width}"
    function = cgutils.get_or_insert_function(x.builder.module, signature, name)
    return x.like(x.builder.call(function, [x.value, ir.Constant(ir.IntType(1), 0)]))


def _is_nar(v: Vector) -> Vector:
    """±Inf and NaN."""
    return (bits(v) & ~sign_mask(v.width)) >= EXPONENT[v.width]


def loaded(builder: Any, data: Any, lanes: int = LANES) -> Posit:
    """The fields of a `Posit`, each in all lanes, from an array of integers."""
    return Posit(*in_all_lanes(builder, data, len(Posit._fields), lanes))  # type: ignore[arg-type]


def _rules(builder: Any, data: Any, flags: int) -> Callable[[Vector], tuple[Vector, Vector]]:
    """What lanes become, values or codes, by numbers in memory; and whether that is NaR."""
    q = loaded(builder, data)

    def converted(v: Vector) -> tuple[Vector, Vector]:
        y = to_posit(v, q)
        return encoded(y, v, q) if flags & CODED else valued(y, v, q), _is_nar(v)

    return converted


convert_lanes = conversion(_rules)


@cache
def convert_kernel(flags: int) -> Any:
    """convert(x, out, numbers, scale): the kernel for a job; how many became NaR.

    x flat float32 or float64; out flat: float32 or float64 values, or unsigned codes; numbers : the
    fields of `Posit`, integers as wide as a lane.
    """

    @kernel
    def convert(x, out, numbers, scale):  # type: ignore[no-untyped-def]
        return convert_lanes(flags, x, out, numbers, scale)

    return convert


@intrinsic
def decode_lanes(typing_context, codes, out, numbers):  # type: ignore[no-untyped-def]
    """out ← the values of codes; 0."""
    width = out.dtype.bitwidth

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        source, target, table = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, values, strict=True)
        )
        posit = loaded(builder, table.data)

        def body(codes: Any, out: Any, at: Any) -> Any:
            code = load_lanes(builder, codes, at)
            if code.width != width:
                change = builder.zext if code.width < width else builder.trunc
                code = code.like(change(code.value, ir.VectorType(ir.IntType(width), LANES)))
            store_lanes(builder, floats(decoded(code, posit)).value, out, at)
            return I64(0)

        return through(builder, source, target, body)

    return types.int64(codes, out, numbers), codegen


@kernel
def decode_posits(codes, out, numbers):  # type: ignore[no-untyped-def]
    """out ← the values of codes: flat arrays, unsigned integers and float32 or float64.

    numbers : the fields of `Posit`, as wide as out's elements."""
    decode_lanes(codes, out, numbers)


# --- draws: scalars of 64 bits --------------------------------------------------------------------
ONE = np.int64(1)
ZERO = np.int64(0)
TOP = np.int64(63)
MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)


@helper
def drawn(rest, cut, draw, rule, random):  # type: ignore[no-untyped-def]
    """1 where ν = rest / 2^cut and R = ``draw`` go away from zero, 0 where not: P3109's
    StochasticA, B, C (``rule`` 0, 1, 2) of ``random`` bits.  No number has more than 62 bits."""
    kept = random + np.int64(rule == 1)
    right, left = max(cut - kept, ZERO), max(kept - cut, ZERO)
    share = (rest >> right) << left
    if rule == 1:
        return np.int64(share + ONE + (draw << ONE) >= ONE << kept)
    if rule == 2:
        behind = (ONE << right) - ONE
        share = (rest + (behind >> ONE) + ((rest >> right) & behind & ONE)) >> right << left
    return np.int64(share + draw >= ONE << kept)


@inlined
def placed(x, q):  # type: ignore[no-untyped-def]
    """The lifted bits of |x| within range, the bits behind the last place, and all ones where the
    regime is negative."""
    a = np.float64(x).view(np.int64) & MAGNITUDE
    m = min(max(a, q.least), q.most) + q.lift
    k = (m >> q.regime) - q.one
    below = k >> TOP
    return m, min(max((k ^ below) + q.cut, ZERO), q.regime), below


@helper
def settled(y, x, q):  # type: ignore[no-untyped-def]
    """The value of lifted bits that came from x: +0 of zeros, NaN of what is not finite."""
    sign = np.float64(x).view(np.int64) & ~MAGNITUDE
    r = np.int64((y - q.lift) | sign).view(np.float64)
    r = 0.0 if x == 0.0 else r
    return r if abs(x) < math.inf else math.nan


@helper
def nearest_posit(x, q):  # type: ignore[no-untyped-def]
    """x rounded, as `to_posit` does it."""
    m, cut, below = placed(x, q)
    behind = (ONE << cut) - ONE
    odd = below & ONE if cut == q.regime else (m >> cut) & ONE
    minus = np.int64(x < 0.0)
    u = (odd & q.of_odd) ^ (minus & q.of_sign) ^ q.of_one
    y = m + ((behind >> ONE) & q.near) + (behind & -u & q.span)
    return settled(y & ~behind, x, q)


@helper
def posit_drawn(x, draw, q, rule, random):  # type: ignore[no-untyped-def]
    """x rounded by random bits."""
    m, cut, _ = placed(x, q)
    behind = (ONE << cut) - ONE
    away = drawn(m & behind, cut, draw, rule, random)
    return settled((m & ~behind) + (away << cut), x, q)


@kernel
def round_drawn(x, draws, out, q, rule, random):  # type: ignore[no-untyped-def]
    """out ← R(x) for flat float64 arrays; ``draws``: R of each element."""
    for i in range(x.shape[0]):
        out[i] = posit_drawn(x[i], np.int64(draws[i]), q, rule, random)
