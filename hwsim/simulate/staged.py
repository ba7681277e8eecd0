"""Products of `Staged` units by kernels: tiles over threads, in the narrowest carrier proved.

docs/proofs-units.md has the conditions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels import fused
from hwsim_kernels.fused_pass import UNROLLED
from hwsim_kernels.staged import Stages, staged_tile
from hwsim_kernels.staged_pass import ANY, REACHES, UNITS, Second, staged_kernel
from hwsim_kernels.vectors import ROUNDS

from hwsim.formats import FloatFormat
from hwsim.simulate.facts import Facts
from hwsim.simulate.fused_layout import packed
from hwsim.simulate.grids import significant_bits
from hwsim.simulate.preparations import FP32
from hwsim.simulate.scheduler import run_tiles
from hwsim.simulate.sums import finest_bit
from hwsim.units import ExactProduct, MacUnit, Staged

Array = npt.NDArray[Any]
Task = Callable[[], None]
NONE_AT_ALL = -(1 << 14)  # exponent of a zero
LANES, ROWS = 512, 64
SMALL = 1 << 18  # multiplications that are not worth a second thread
NEVER = 1 << 20
CARRIERS = ((np.float32, np.int32, 30, 127), (np.float64, np.int64, 51, 400))


def staged_product(facts: Facts, unit: MacUnit, threads: int) -> Array | None:
    """The results, float32; None where no carrier is proved, or the sum is not fp32 in rne."""
    order = unit.order
    assert isinstance(order, Staged)
    found = _carrier(unit, order, facts)
    if found is None:
        return None
    carrier, whole, _, largest_scale = found
    stages = _stages(order, largest_scale, facts)
    shape = (*facts.a.shape[:2], facts.b.shape[2])
    out = np.zeros(shape, np.float32)
    if facts.c is not None:
        out[...] = facts.c
    in_registers = ROUNDS and carrier is np.float32 and order.fraction >= 24
    if in_registers and not stages.special and shape[2] >= fused.LANES // 4:
        tasks = _passes(facts, unit, order, out)
    else:
        left, right = _prepared(facts.a, unit.a, carrier), _prepared(facts.b, unit.b, carrier)
        tasks = _tiles(left, right, out, stages, whole)
    run_tiles(tasks, threads if facts.a.size * shape[2] > SMALL else 1)
    return out


def _tiles(left: Any, right: Any, out: Array, stages: Stages, whole: Any) -> Iterator[Task]:
    for item, m, n in np.ndindex(len(out), -(-out.shape[1] // ROWS), -(-out.shape[2] // LANES)):
        rows, columns = slice(m * ROWS, (m + 1) * ROWS), slice(n * LANES, (n + 1) * LANES)
        panel = tuple(_aligned(x[item][:, columns]) for x in right)
        mine = tuple(x[item, rows] for x in left)
        yield partial(_tile, mine, panel, out[item, rows, columns], stages, whole)


def _passes(facts: Facts, unit: MacUnit, order: Staged, out: Array) -> Iterator[Task]:
    """Tasks of a panel of columns and some rows, in registers."""
    assert isinstance(unit.a, FloatFormat)
    assert isinstance(unit.b, FloatFormat)
    length = -(-order.terms // (order.groups * UNROLLED)) * UNROLLED
    places = _places(order, facts.a.shape[2], length)
    numbers = fused.Blocks(order.groups * length, order.fraction, 0, fused.NO_EXPONENT, 0, False)
    fine, coarse = 1.5 * 2.0 ** (51 - order.kept), 1.5 * 2.0 ** (52 - order.fraction)
    reach = 0 if order.reach is None else min(order.reach, 255)
    least = None if order.reach is not None else _least_in_units(unit, order, facts)
    how = REACHES if order.reach is not None else ANY if least is None else UNITS
    if least is None:
        least = order.fraction - 126
    mask = (1 << (52 - order.kept)) - 1
    second = Second(order.fraction, fine, coarse, mask, reach << 23, least + 127)
    run = staged_kernel(order.groups, length == UNROLLED, how)
    for item in range(len(out)):
        left = packed(facts.a[item], places, numbers, unit.a.emin, np.float32, False)
        left[1][...] += 127
        for n in range(0, out.shape[2], fused.LANES):
            columns = slice(n, n + fused.LANES)
            panel = facts.b[item, :, columns]
            right = packed(panel, places, numbers, unit.b.emin, np.float32, True)
            for m in range(0, out.shape[1], ROWS):
                rows = slice(m, m + ROWS)
                mine = tuple(x[rows] for x in left)
                yield partial(_pass, run, mine, right, out[item, rows, columns], numbers, second)


def _places(order: Staged, length: int, group: int) -> Array:
    """Which product each place of the packed blocks has, −1 for none: a group after the other."""
    within = np.arange(order.groups)[:, None] + np.arange(group) * order.groups
    at = np.arange(0, length, order.terms)[:, None, None] + within
    found: Array = np.where((within < order.terms) & (at < length), at, -1).ravel()
    return found


def _pass(
    run: Any, left: Any, right: Any, out: Array, numbers: fused.Blocks, second: Second
) -> None:
    """Some rows of a panel, which start as c."""
    sums = np.zeros((len(out), fused.LANES), np.float32)
    sums[:, : out.shape[1]] = out
    run(left, right, sums, 0, left[2].shape[1], numbers, second)
    out[...] = sums[:, : out.shape[1]]


def _empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array whose data starts a cache line: vectors then cross none."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    found: Array = memory[start : start + size].view(dtype).reshape(shape)
    return found


def _aligned(x: Array) -> Array:
    found = _empty(x.shape, x.dtype)
    found[...] = x
    return found


def _tile(left: Any, right: Any, out: Array, stages: Stages, whole: Any) -> None:
    """One tile, which starts as c."""
    target, n = _aligned(out), out.shape[1]
    scratch = (
        _empty((stages.groups + 1, n), np.int16),
        _empty((stages.groups + 1, n), whole),
        _empty((n,), left[0].dtype),
        _empty((n,), np.float32),
    )
    staged_tile(left, right, target, scratch, stages)
    out[...] = target


def staged_proof(unit: MacUnit) -> str:
    """How such a unit is computed."""
    order = unit.order
    assert isinstance(order, Staged)
    if not _is_known(unit, order):
        return "the exact reference, slowly: the kernel's sums are fp32, rne, of a few bits more"
    bits = significant_bits(unit.a) + significant_bits(unit.b)
    narrow = "32-bit lanes where the products' exponents fit float32's, else " * (
        bits <= 24 and _grown(order) <= 30
    )
    slow = "where sums overflow and are counted, or everything is, the reference, slowly"
    return f"{narrow}64-bit lanes: products of {bits} bits; {slow}"


def _stages(order: Staged, largest_scale: int, facts: Facts) -> Stages:
    """The kernel's numbers."""
    fraction, kept = order.fraction, order.kept
    reach = NEVER if order.reach is None else order.reach
    bounded = facts.finite and facts.a_max * facts.b_max < 2.0**128
    return Stages(
        terms=order.terms,
        groups=order.groups,
        fraction=np.int32(fraction),
        up=kept + 1 - fraction,
        lift=max(fraction - 23, 0),
        drop=np.int32(max(23 - fraction, 0)),
        reach=np.int32(reach),
        below=kept + 1,
        mask=(1 << (52 - kept)) - 1,
        largest_scale=np.int32(largest_scale),
        special=not bounded,
    )


def _carrier(unit: MacUnit, order: Staged, facts: Facts) -> tuple[Any, Any, int, int] | None:
    """The narrowest carrier that holds every product, scaled and not, and a group's sum."""
    if not _is_known(unit, order):
        return None
    bits = significant_bits(unit.a) + significant_bits(unit.b)
    low, high = _products(unit, facts)
    for carrier in CARRIERS:
        _, _, most, reach = carrier
        significand = 24 if reach == 127 else 53
        inside = order.fraction - low <= reach - 1 and high + 2 - order.fraction < reach - 1
        finite = low > 2 - reach and high + 2 < reach
        if bits <= significand and _grown(order) <= most and inside and finite:
            return carrier
    return None


def _is_known(unit: MacUnit, order: Staged) -> bool:
    """Whether the kernel does what the unit does, and int64 holds both stages."""
    plain = unit.core is None and isinstance(unit.multiplier, ExactProduct) and not unit.ftz
    rule = unit.overflow_of(unit.accumulator) in ("inf", "inf_always")
    if unit.accumulator != FP32 or unit.rounding != "rne" or not plain or not rule:
        return False
    total = order.kept + 5 + order.terms.bit_length()
    return total <= 51 and order.kept + 1 >= order.fraction and _grown(order) <= 51


def _grown(order: Staged) -> int:
    """Bits of a block's products' sum: each of them lies below 4·2^F."""
    return order.fraction + 2 + (order.terms - 1).bit_length()


def _products(unit: MacUnit, facts: Facts) -> tuple[int, int]:
    """Exponents of products: the least and the largest there can be."""
    low = high = 0
    sides = ((unit.a, facts.a_min, facts.a_max), (unit.b, facts.b_min, facts.b_max))
    for fmt, least, most in sides:
        assert isinstance(fmt, FloatFormat)
        bottom = math.frexp(least)[1] - 1 if 0.0 < least < math.inf else fmt.quantum_exponent
        low += max(bottom, fmt.quantum_exponent)
        high += math.frexp(most)[1] - 1 if 0.0 < most < math.inf else fmt.emax
    return low, max(high, low)


def _least_in_units(unit: MacUnit, order: Staged, facts: Facts) -> int | None:
    """An exponent E that no product has less of, so that running sums are multiples of 2^(E − F),
    and float32 holds them in units of any product's; None where that is not proved."""
    low, high = _products(unit, facts)[0], 0
    if facts.c is not None and facts.c_min < math.inf:
        low = min(low, finest_bit(unit.accumulator, facts.c_min) + order.fraction)
    for fmt, most in ((unit.a, facts.a_max), (unit.b, facts.b_max)):
        assert isinstance(fmt, FloatFormat)
        high += max(math.frexp(most)[1] - 1, fmt.emin)
    largest = 4.0 * (facts.sum_bound + facts.c_max)
    apart = order.kept - order.fraction >= 2 + (order.terms - 1).bit_length()
    inside = low - order.fraction >= -126 and high - low <= 149 and largest < 2.0**126
    inside = inside and math.frexp(largest)[1] + order.fraction - low <= 126
    return low if apart and facts.length <= 1 << 20 and inside else None


def _prepared(x: Array, fmt: Any, carrier: Any) -> tuple[Array, Array, Array]:
    """Finite values, their exponents, and all values."""
    every: Array = np.ascontiguousarray(x, carrier)
    finite = np.isfinite(every)
    values = every if finite.all() else np.where(finite, every, carrier(0))
    exponents = np.frexp(values)[1].astype(np.int16) - np.int16(1)
    exponents = np.maximum(exponents, np.int16(fmt.emin))
    exponents[values == 0] = NONE_AT_ALL
    return values, exponents, every
