"""Floats to the entries of a table, and codes to their values: comparisons of bits, no arithmetic.

A rounding to a table is a monotone function of few steps, and floats are ordered as integers made
of their bits: `key` is ascending, −0 lies at −1 and a negative number of magnitude m at −1 − m.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.elementwise import LANES, load_lanes, store_lanes
from hwsim_kernels.vectors import I64, Vector, counted_loop, population, select, splat

CHAIN = 16  # steps that every element is compared with, one after another
OCTAVE = 8  # the same, of the steps of one binade


class Bits(NamedTuple):
    """The fields of a float, in integers as wide as it."""

    magnitude: int  # mask of all bits but the sign
    fraction: int  # mask of the fraction
    digits: int  # width of the fraction
    infinite: int  # bits of Inf: NaN lies above
    top: int  # position of the sign bit


class Octaves(NamedTuple):
    """A sign and a magnitude whose steps are the same in every binade: the entry, as an integer, is
    ((exponent field << scale) + the fraction's entry + origin), kept within its ends."""

    scale: int
    origin: int
    lowest: int
    largest: int
    first: int  # magnitudes below become ``zero``
    zero: int
    sign: int  # of negative numbers; 0 when unsigned
    floor: int  # what negative numbers become when unsigned; else −1
    signed_from: int  # magnitudes below have no sign


class Buckets(NamedTuple):
    """Magnitudes by their upper bits; a bucket holds at most one step.  Buckets of positive numbers
    come first, then as many of negative ones."""

    shift: int  # lower bits that a bucket does not see
    first: int  # upper bits of the first bucket, which takes all below too
    last: int  # of the last, which takes all above
    size: int  # buckets of one sign


@helper
def chain8(x, start, s, e):
    """The entry of the last of 8 ascending steps that x has reached; ``start`` before the first."""
    v = e[0] if x >= s[0] else start
    v = e[1] if x >= s[1] else v
    v = e[2] if x >= s[2] else v
    v = e[3] if x >= s[3] else v
    v = e[4] if x >= s[4] else v
    v = e[5] if x >= s[5] else v
    v = e[6] if x >= s[6] else v
    return e[7] if x >= s[7] else v


@intrinsic  # type: ignore[untyped-decorator]
def chain_block(typing_context, bits, out, steps, entries, fields, start, stop):  # type: ignore[no-untyped-def]
    """Elements LANES·start … LANES·stop − 1 of `by_chain`; the number of NaN.  Traced, since a
    compiler left alone takes vectors of half the width."""

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        source, target, *tables = (
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args[:5], values[:5], strict=True)
        )

        def scalars(data: Any, count: int) -> list[Vector]:
            places = (builder.gep(data, [I64(i)]) for i in range(count))
            return [splat(builder, builder.load(place), LANES) for place in places]

        ascending, found = scalars(tables[0], CHAIN), scalars(tables[1], CHAIN + 1)
        f = Bits(*scalars(tables[2], len(Bits._fields)))

        def body(i: Any, state: Any) -> list[Any]:
            at = builder.mul(i, I64(LANES))
            x = load_lanes(builder, source, at)
            m = x & f.magnitude
            key = x ^ (x.like(builder.ashr(x.value, f.top.value)) & f.magnitude)
            v = found[0]
            for step, entry in zip(ascending, found[1:], strict=True):
                v = select(key >= step, entry, v)
            store_lanes(builder, v.value, target, at)
            return [builder.add(state[0], population(m > f.infinite))]

        return counted_loop(builder, values[5], values[6], [I64(0)], body)[0]

    return types.int64(bits, out, steps, entries, fields, start, stop), codegen


@kernel
def by_chain(bits, out, steps, entries, fields):
    """out ← the entry of every float; how many are NaN, whose entry is any.

    bits : flat, int32 or int64.  out : flat integers, no wider.  steps : CHAIN ascending keys;
    entry k + 1 holds from steps[k] on.  fields : `Bits`.  All three are of bits' dtype.
    """
    whole = bits.shape[0] // LANES
    lost = chain_block(bits, out, steps, entries, fields, 0, whole)
    rest = bits.shape[0] - whole * LANES
    if rest:
        last = np.zeros(LANES, bits.dtype)
        last[:rest] = bits[whole * LANES :]
        end = np.empty(LANES, out.dtype)
        lost += chain_block(last, end, steps, entries, fields, 0, 1)
        out[whole * LANES :] = end[:rest]
    return lost


@kernel
def by_octaves(bits, out, steps, entries, f, o):
    """The same where every binade has the same steps: 8 of the fraction, as `Octaves` says."""
    lost = np.int64(0)
    nothing = o.zero - o.zero
    for i in range(bits.shape[0]):
        b = bits[i]
        m = b & f.magnitude
        v = ((m >> f.digits) << o.scale) + chain8(m & f.fraction, nothing, steps, entries)
        v = min(max(v + o.origin, o.lowest), o.largest)
        v = v if m >= o.first else o.zero
        v |= o.sign if (b < 0) & (m >= o.signed_from) else nothing
        v = o.floor if (b < 0) & (o.floor >= 0) else v
        out[i] = v
        lost += m > f.infinite
    return lost


@kernel
def by_buckets(bits, out, steps, pairs, f, b):
    """The same for any steps of which no two share a bucket.

    steps : of each bucket, the magnitude from which the second of its ``pairs`` of entries holds.
    """
    lost = np.int64(0)
    for i in range(bits.shape[0]):
        m = bits[i] & f.magnitude
        at = min(max(m >> b.shift, b.first), b.last) - b.first
        at += (bits[i] >> f.top) & b.size
        out[i] = pairs[at + at + (m >= steps[at])]
        lost += m > f.infinite
    return lost


@kernel
def by_search(bits, out, steps, entries, f):
    """The same for any steps: ascending keys; entry k holds from steps[k − 1] on."""
    lost = np.int64(0)
    for i in range(bits.shape[0]):
        b = bits[i]
        key = b ^ ((b >> f.top) & f.magnitude)
        low, count = 0, steps.shape[0]
        while count > 0:
            half = (count + 1) >> 1
            low += half if steps[low + half - 1] <= key else 0
            count -= half
        out[i] = entries[low]
        lost += (b & f.magnitude) > f.infinite
    return lost


@kernel
def look_up_known(codes, table, out):
    """out ← table[codes], flat arrays; how many codes have no value, which the table calls NaN."""
    lost = np.int64(0)
    for i in range(codes.shape[0]):
        value = table[codes[i]]
        out[i] = value
        lost += value != value
    return lost
