"""Rounding to formats that are tables, and their codes: which kernel, and the numbers it takes.

Every rounding to a table is a function of some steps.  They are found exactly, in fractions, and
then as keys: integers in the order of floats (`hwsim_kernels.tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels import tables as kernels
from hwsim_kernels.tables import (
    CHAINS,
    PERIODIC,
    PLAIN,
    Bits,
    Buckets,
)
from hwsim_kernels.trees import DEPTHS, tree_kernel
from hwsim_kernels.vectors import GATHERS

from hwsim import reference
from hwsim.formats import LogFormat, TableFormat
from hwsim.simulate.octaves import octaves

Array = npt.NDArray[Any]
Kernel = Callable[[Array, Array], int]
MOST_BUCKETS = 1 << 15
FLOATS = frozenset(map(np.dtype, ("f4", "f8")))


@dataclass(frozen=True)
class Steps:
    """R as steps in one dtype of floats: entry 0 below keys[0], places[k + 1] from keys[k] on.

    Keys ascend; steps between which no float lies are one.
    """

    fmt: TableFormat
    dtype: np.dtype[Any]
    keys: tuple[int, ...]
    places: tuple[int, ...]

    @cached_property
    def bits(self) -> Bits:
        """The dtype's fields, in its own integers."""
        about, width = np.finfo(self.dtype), 8 * self.dtype.itemsize
        digits = int(about.nmant)
        magnitude = (1 << (width - 1)) - 1
        fields = (magnitude, (1 << digits) - 1, digits, magnitude >> digits << digits, width - 1)
        return Bits(*map(self.whole, fields))

    @property
    def whole(self) -> Any:
        """The integer type of the dtype's bits."""
        return np.dtype(f"i{self.dtype.itemsize}").type

    def place(self, key: int) -> int:
        """Of the entry that a float of this key rounds to."""
        return self.places[int(np.searchsorted(self._keys, key, side="right"))]

    @cached_property
    def _keys(self) -> Array:
        return np.array(self.keys, np.int64)


@cache
def steps_of(fmt: TableFormat, rounding: str, dtype: np.dtype[Any]) -> Steps:
    """The steps of a rounding for floats of ``dtype``."""
    keys, places = list[int](), [0]
    for at in range(len(fmt.entries) - 1):
        key = _key_from(*_step(fmt, at, rounding), dtype)
        if keys and keys[-1] == key:
            places[-1] = at + 1
        else:
            keys.append(key)
            places.append(at + 1)
    return Steps(fmt, dtype, tuple(keys), tuple(places))


def _step(fmt: TableFormat, at: int, rounding: str) -> tuple[Fraction, bool]:
    """Where numbers between the entries ``at`` and ``at`` + 1 begin to go to the latter, and
    whether the number there does."""
    (low, low_code), (high, high_code) = fmt.entries[at : at + 2]
    across = low < 0 < high
    if rounding == "rto":
        if low_code % 2 == high_code % 2:
            return Fraction(0), True
        rounding = "rup" if high_code % 2 else "rdn"
    if rounding == "rtz":
        if across:
            return Fraction(0), True
        rounding = "rdn" if low >= 0 else "rup"
    if rounding == "rup":
        return low, False
    if rounding == "rdn":
        return high, True
    if rounding not in ("rne", "rna"):
        raise ValueError(f"rounding={rounding!r} to {fmt}: rne, rna, rtz, rup, rdn, rto")
    if isinstance(fmt, LogFormat) and fmt.domain == "log":
        if across:
            return Fraction(0), True
        inner = low_code if low >= 0 else high_code & fmt.last_field
        middle = fmt.threshold(inner)  # irrational: nothing lies there
        return (middle if low >= 0 else -middle), True
    middle = (low + high) / 2
    own_sign = across or rounding == "rna"
    return middle, (middle >= 0 if own_sign else high_code % 2 == 0)


def _key_from(x: Fraction, included: bool, dtype: np.dtype[Any]) -> int:
    """The key of the smallest float that is x or above; above x unless ``included``."""
    most = Fraction(float(np.finfo(dtype).max))
    whole = np.dtype(f"i{dtype.itemsize}")
    if x > most or (x == most and not included):
        return int(np.array(np.inf, dtype).view(whole))
    near = np.array(float(max(x, -most)), dtype)  # rounded twice, perhaps: a place off at most
    bits = int(near.view(whole))
    key = bits if bits >= 0 else -1 - (bits & int(np.iinfo(whole).max))

    def reaches(key: int) -> bool:
        value = _value_of(key, dtype)
        return value >= x if included else value > x

    while not reaches(key):
        key += 1
    while reaches(key - 1):
        key -= 1
    return key


def _value_of(key: int, dtype: np.dtype[Any]) -> Fraction:
    """The finite number of a key; ±a larger one for infinities."""
    magnitude = key if key >= 0 else -1 - key
    number = float(np.array(magnitude, f"i{dtype.itemsize}").view(dtype))
    value = Fraction(number) if np.isfinite(number) else Fraction(2) ** 2000
    return value if key >= 0 else -value


# --- which kernel ---------------------------------------------------------------------------------
@cache
def kernel_of(
    fmt: TableFormat, rounding: str, source: np.dtype[Any], target: np.dtype[Any]
) -> Kernel:
    """kernel(bits, out): floats of ``source`` to codes (unsigned) or values (floats), as integers
    of ``target``; it returns the number of NaN."""
    steps = steps_of(fmt, rounding, source)
    entries = _as_integers(fmt, target)[np.array(steps.places)]
    narrow = target.itemsize <= source.itemsize
    if narrow and len(steps.keys) <= CHAINS[-2]:
        return chained(steps, steps.keys, entries)
    if narrow and (found := octaves(steps, target)):
        return chained(steps, *found)
    if narrow and len(steps.keys) <= CHAINS[-1]:
        return chained(steps, steps.keys, entries)
    if GATHERS and narrow and source.itemsize == 4 and len(steps.keys) < 1 << DEPTHS[-1]:
        return _tree(steps, entries)
    if found := _buckets(steps, entries):
        return partial(_run, kernels.by_buckets, found)
    return partial(_run, kernels.by_search, (np.array(steps.keys), entries, steps.bits))


def _run(kernel: Any, numbers: tuple[Any, ...], bits: Array, out: Array) -> int:
    return int(kernel(bits, out, *numbers))


def _as_integers(fmt: TableFormat, target: np.dtype[Any]) -> Array:
    """Codes, or the bits of values, of all entries."""
    if target.kind == "u":
        return np.array([code for _, code in fmt.entries], target)
    return np.array([float(value) for value, _ in fmt.entries], target).view(f"i{target.itemsize}")


def chained(
    steps: Steps, keys: Sequence[int], entries: Sequence[int] | Array, fields: Sequence[int] = ()
) -> Kernel:
    """All keys one after another; those that are missing lie beyond every float."""
    count = next(count for count in CHAINS if count >= len(keys))
    ascending = np.full(count, np.iinfo(steps.whole).max, steps.whole)
    ascending[: len(keys)] = keys
    found = np.full(count + 1, entries[-1]).astype(steps.whole)
    found[: len(entries)] = entries
    numbers = np.array([*steps.bits, *fields], steps.whole)
    kernel = kernels.chain_kernel(count, PERIODIC if fields else PLAIN)
    return partial(_run, kernel, (ascending, found, numbers))


def _tree(steps: Steps, entries: Array) -> Kernel:
    """A binary tree of all keys; those that are missing lie beyond every float."""
    depth = next(depth for depth in DEPTHS if len(steps.keys) < 1 << depth)
    size = 1 << depth
    ascending = np.full(size, np.iinfo(steps.whole).max, steps.whole)
    ascending[: len(steps.keys)] = steps.keys
    tree = np.ones(size, steps.whole)
    for level in range(depth):
        stride = size >> level
        tree[1 << level : 2 << level] = ascending[stride // 2 - 1 :: stride]
    found = np.full(size, entries[-1]).astype(steps.whole)
    found[: len(entries)] = entries
    places = np.array_equal(entries, np.arange(len(entries)))
    kernel = tree_kernel(size, int(places))
    return partial(_run, kernel, (tree, found, np.array(steps.bits, steps.whole)))


def _buckets(steps: Steps, entries: Array) -> tuple[Any, ...] | None:
    """Steps by the upper bits of magnitudes; None where two of them share too many bits."""
    base = sum(key <= -1 for key in steps.keys)
    above = list(steps.keys[base:])
    below = [-key for key in steps.keys[:base]][::-1]  # magnitudes from which entries descend
    rest = [[m for m in side if m > 1] for side in (above, below)]
    alike = [a ^ b for side in rest for a, b in pairwise(side)]
    digits = int(steps.bits.digits)
    shift = min([digits, *(x.bit_length() - 1 for x in alike)])
    ends = [m >> shift for side in rest for m in side] or [1]
    first, last = min(ends) - 1, max(ends)
    size = 1 << (last - first).bit_length()
    if first < 0 or size > MOST_BUCKETS:
        return None
    starts = np.full(2 * size, np.iinfo(steps.whole).max, steps.whole)
    pairs = np.empty((2 * size, 2), entries.dtype)
    for sign, (side, direction) in enumerate(((above, 1), (below, -1))):
        at = base
        filled = sign * size
        for m in side:
            here = sign * size + max((m >> shift) - first, 0)
            pairs[filled:here] = entries[at]
            starts[here] = m
            pairs[here] = entries[at], entries[at + direction]
            at, filled = at + direction, here + 1
        pairs[filled : (sign + 1) * size] = entries[at]
    numbers = Buckets(*map(steps.whole, (shift, first, last, size)))
    return starts, pairs.reshape(-1), steps.bits, numbers


# --- arrays ---------------------------------------------------------------------------------------
def convert_floats(x: Array, out: Array, fmt: TableFormat, rounding: str, scale: float) -> int:
    """out ← R(x / scale), values or codes; the number of NaN in x, whose entry is any.

    x : contiguous float32 or float64.  out : contiguous, values' dtype or unsigned codes.
    """
    if scale != 1.0:
        with np.errstate(all="ignore"):
            x = np.divide(x, np.float64(scale), dtype=np.float64)
    kernel = kernel_of(fmt, rounding, x.dtype, out.dtype)
    bits = x.view(f"i{x.itemsize}").reshape(-1)
    bits.flags.writeable = False  # to Numba one type, whether the caller's array is so or not
    return kernel(bits, out.view(f"{'u' if out.dtype.kind == 'u' else 'i'}{out.itemsize}"))


def round_numbers(x: Array, fmt: TableFormat, rounding: str, dtype: np.dtype[Any]) -> Array:
    """R(x) of any real array without NaN, as values of ``dtype``."""
    if x.dtype.kind == "f" and x.itemsize < 4:
        x = x.astype(np.float32)
    elif x.dtype.kind != "f":
        largest = max(abs(int(x.max(initial=0))), abs(int(x.min(initial=0))))
        if largest <= 1 << 53:
            x = x.astype(np.float64)
    if x.dtype not in FLOATS:  # numbers between those of float64 may lie on a step's other side
        return reference.round(x, fmt, rounding)
    values = np.empty(x.shape, dtype)
    convert_floats(np.ascontiguousarray(x), values.reshape(-1), fmt, rounding, 1.0)
    return values


def table_codes(values: Array, fmt: TableFormat, dtype: np.dtype[Any]) -> Array:
    """Codes of values of the format."""
    codes = np.empty(values.shape, dtype)
    flat = np.ascontiguousarray(values)
    convert_floats(flat, codes.reshape(-1), fmt, "rne", 1.0)
    return codes


@cache
def code_table(fmt: TableFormat, dtype: np.dtype[Any]) -> Array:
    """The values of all codes; NaN for those that stand for nothing."""
    table = np.full(1 << fmt.width, np.nan, dtype)
    for value, code in fmt.entries:
        table[code] = float(value)
    return table


def decode_codes(codes: Array, out: Array, fmt: TableFormat) -> None:
    """out ← the values of codes below 2^width, flat; ValueError where one stands for nothing."""
    table = code_table(fmt, out.dtype)
    if kernels.look_up_known(codes, table, out):
        wrong = int(codes[np.isnan(out)][0])
        raise ValueError(f"codes: {wrong} is no code of {fmt}")
