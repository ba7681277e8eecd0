"""Floats to the entries of a table, and codes to their values: comparisons of bits, no arithmetic.

A rounding to a table is a monotone function of few steps, and floats are ordered as integers made
of their bits: `key` is ascending, −0 lies at −1 and a negative number of magnitude m at −1 − m.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from hwsim_kernels._jit import kernel
from hwsim_kernels.lanes import in_all_lanes, load_lanes, store_lanes, through
from hwsim_kernels.vectors import (
    Vector,
    maximum,
    minimum,
    population,
    select,
    shifted_left,
)

CHAINS = (4, 8, 16, 32)  # steps that every element is compared with, one after another
PLAIN, PERIODIC = range(2)  # how a block finds entries
BLOCK = 1024


Chain = tuple[Vector, list[Vector], list[Vector]]  # first entry, steps, further entries


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


def chain(x: Vector, start: Vector, steps: list[Vector], entries: list[Vector]) -> Vector:
    """The entry of the last ascending step that x has reached; ``start`` before the first."""
    v = start
    for step, entry in zip(steps, entries, strict=True):
        v = select(x >= step, entry, v)
    return v


def in_chain(x: Vector, f: Bits, table: Chain) -> Vector:
    """Entries by keys."""
    key = x ^ (shifted_down(x, f.top) & f.magnitude)
    return chain(key, *table)


def in_octaves(x: Vector, f: Bits, table: Chain, o: Octaves) -> Vector:
    """Entries by the steps of the fraction, as `Octaves` says."""
    m = x & f.magnitude
    v = shifted_left(shifted_down(m, f.digits), o.scale) + chain(m & f.fraction, *table)
    v = minimum(maximum(v + o.origin, o.lowest), o.largest)
    v = select(m < o.first, o.zero, v)
    minus = x < 0
    v = v | select(minus & (m >= o.signed_from), o.sign, x.constant(0))
    return select(minus & (o.floor >= 0), o.floor, v)


def shifted_down(x: Vector, count: Vector) -> Vector:
    """Integers shifted right by ``count`` places; the sign bit comes in."""
    return x.like(x.builder.ashr(x.value, count.value))


def _traced(x: Vector, f: Bits, how: int, tables: list[list[Vector]], rest: list[Vector]) -> Vector:
    """The entries of a vector of floats."""
    steps, (start, *found) = tables
    table = start, steps, found
    return in_octaves(x, f, table, Octaves(*rest)) if how == PERIODIC else in_chain(x, f, table)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def chain_lanes(typing_context, count, how, bits, out, steps, entries, fields):  # type: ignore[no-untyped-def]
    """The work of `chain_kernel`, traced: a compiler left alone takes vectors of half the width."""
    if not isinstance(count, types.IntegerLiteral) or not isinstance(how, types.IntegerLiteral):
        return None
    size, way = count.literal_value, how.literal_value

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        source, target, *data = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[2:], values[2:], strict=True)
        )
        steps, entries, fields = (array.data for array in data)
        tables = [in_all_lanes(builder, steps, size), in_all_lanes(builder, entries, size + 1)]
        numbers = len(Bits._fields) + (way == PERIODIC) * len(Octaves._fields)
        known = in_all_lanes(builder, fields, numbers)
        f, rest = Bits(*known[: len(Bits._fields)]), known[len(Bits._fields) :]

        def body(bits: Any, out: Any, at: Any) -> Any:
            x = load_lanes(builder, bits, at)
            store_lanes(builder, _traced(x, f, way, tables, rest).value, out, at)
            return population((x & f.magnitude) > f.infinite)

        return through(builder, source, target, body)

    return types.int64(count, how, bits, out, steps, entries, fields), codegen


@cache
def chain_kernel(count: int, how: int) -> Any:
    """run(bits, out, steps, entries, fields): out ← the entry of every float; how many are NaN,
    whose entry is any.

    bits : flat, int32 or int64.  out : flat integers, no wider.  steps : ``count`` ascending keys,
    or fractions; entries[k + 1] holds from steps[k] on.  fields : `Bits`, and `Octaves` where every
    binade has the same steps (PERIODIC).  All three are of bits' dtype.
    """

    @kernel
    def by_chain(bits, out, steps, entries, fields):  # type: ignore[no-untyped-def]
        return chain_lanes(count, how, bits, out, steps, entries, fields)

    return by_chain


@kernel
def by_buckets(bits, out, steps, pairs, f, b):
    """The same for any steps of which no two share a bucket.

    steps : of each bucket, the magnitude from which the second of its ``pairs`` of entries holds,
    0 … the largest integer.
    """
    lost = np.int64(0)
    near = np.empty(BLOCK, np.uint32)
    for first in range(0, bits.shape[0], BLOCK):
        x, y = bits[first : first + BLOCK], out[first : first + BLOCK]
        for i in range(x.shape[0]):  # in vectors
            m = x[i] & f.magnitude
            at = min(max(m >> b.shift, b.first), b.last) - b.first
            near[i] = np.uint32(at + ((x[i] >> f.top) & b.size))
            lost += m > f.infinite
        for i in range(x.shape[0]):
            at = np.uint64(near[i])
            # No branch: which of two entries it is cannot be guessed.  −1 where m ≥ step.
            below = (np.int64(steps[at]) - np.int64(1) - np.int64(x[i] & f.magnitude)) >> np.int64(
                63
            )
            y[i] = pairs[at + at - np.uint64(below)]
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
