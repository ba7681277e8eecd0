"""Matrix products on a MAC unit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.memory import check_memory
from hwsim.simulate import block_units
from hwsim.simulate.conversions import value_dtype
from hwsim.simulate.environment import in_ieee_arithmetic
from hwsim.simulate.inputs import as_dtype, as_real, result_array
from hwsim.simulate.microscaling import Blocks
from hwsim.simulate.operands import Scales, carrier, entering, to_operand
from hwsim.simulate.options import MEMORY_LIMIT, Options
from hwsim.simulate.packed import packed_product
from hwsim.simulate.products import multiply
from hwsim.simulate.requantization import check_rescaling, requantize_counted
from hwsim.simulate.streams import Draws
from hwsim.simulate.tally import LEVELS
from hwsim.units import MacUnit, Rescaling, Telemetry, as_unit

Array = npt.NDArray[Any]


@in_ieee_arithmetic
def matmul(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    mac: str | MacUnit,
    *,
    c: npt.ArrayLike | None = None,
    rescaling: Rescaling | None = None,
    telemetry: bool | str = False,
    threads: int | None = None,
    strict: bool = False,
    memory_limit: int = MEMORY_LIMIT,
    dtype: npt.DTypeLike | None = None,
    seed: int = 0,
) -> Any:
    """c + a·b as the unit computes it, bit for bit.

    Parameters
    ----------
    a, b : real arrays (…, M, K) and (…, K, N), values; leading dimensions broadcast.  They are
        rounded into the unit's formats first (rne, saturating).  Or `Blocks` along k, which are
        multiplied as they are, without a tensor's scale.
    mac : unit or its description.
    c : values that broadcast to the result, rounded into the (outer) accumulator's format; the
        initial value of the sum.  None is +0.
    rescaling : multipliers, shifts and zero points of a unit that requantizes; else None.
    telemetry : True counts everything, ``"counts"`` the cheap part (swamping and overflow).
    threads : by default HWSIM_NUM_THREADS or all processors; never changes a result.
    strict : refuse operands that are not values of their formats.
    memory_limit : bytes of working memory beyond inputs and outputs.
    dtype : of the result, by default the output format's; one that would lose a value is an error.
    seed : of the random bits of sr, 0 … 2^64 − 1; other roundings take none.

    Returns the result (…, M, N), values in the output format's dtype; with telemetry, a pair of
    it and a `Telemetry`.

    Raises SpecError (description), TypeError (array kinds), ValueError (shapes, NaN where a
    format has none, options).

    >>> matmul([[1.0, 2.0]], [[3.0], [0.25]], "e4m3xe4m3+e4m3")
    array([[3.5]], dtype=float32)
    """
    unit = as_unit(mac)
    options = Options.check(telemetry, threads, strict, memory_limit, seed)
    target = None if dtype is None else as_dtype(dtype)
    start = None if c is None else as_real("c", c)
    check_rescaling(unit, rescaling)
    sums = unit.summing if rescaling else unit
    if isinstance(a, Blocks) or isinstance(b, Blocks):
        out, counted = packed_product(a, b, start, sums, options)
    else:
        out, counted = matmul_values(as_real("a", a), as_real("b", b), start, sums, options)
    out, counted = requantize_counted(out, counted, unit, rescaling)
    if target is not None:
        out = result_array(out, unit.output_format, out.dtype, None, target)
    return out if options.level == 0 else (out, counted)


def matmul_values(
    a: Array,
    b: Array,
    c: Array | None,
    unit: MacUnit,
    options: Options,
    scales: Scales = (1.0, 1.0),
) -> tuple[Array, Telemetry]:
    """`matmul` on checked arguments, of a and b divided by their scales."""
    batch = _check_shapes(a, b)
    shape = (*batch, a.shape[-2], b.shape[-1])
    check_memory("the product of a and b", shape)
    check_memory("one row of a and one column of b", (2, a.shape[-1]))
    if c is not None:
        c = broadcast("c", c, shape)
    dtype = value_dtype(unit.output_format)
    flat = (math.prod(batch), *shape[-2:])
    draws = options.stream.of_product(flat, unit, a.shape[-1])
    if _bytes(shape[-2], shape[-1], a.shape[-1], unit) * math.prod(batch) <= options.memory_limit:
        values, counted = _block(a, b, c, unit, options, scales, draws)
        return np.ascontiguousarray(values.reshape(shape), dtype), counted
    out = np.empty(shape, dtype)
    telemetry = Telemetry(complete=options.level == LEVELS[True])
    for item, rows, columns in _cuts(a, b, unit, options, batch):
        left = _pick(a, batch, item)[..., rows, :]
        right = _pick(b, batch, item)[..., :, columns]
        at = (*item, ..., rows, columns)
        start = None if c is None else c[at]
        here = draws and draws.cut(_only(batch, item), rows, columns)
        values, counted = _block(left, right, start, unit, options, scales, here)
        telemetry += counted
        out[at] = values.reshape(out[at].shape)
    return out, telemetry


def _only(batch: tuple[int, ...], item: tuple[int, ...]) -> slice:
    """The place of an index of the batch among all items."""
    place = int(np.ravel_multi_index(item, batch)) if batch else 0
    return slice(place, place + 1)


def _block(
    a: Array,
    b: Array,
    c: Array | None,
    unit: MacUnit,
    options: Options,
    scales: Scales,
    draws: Draws | None,
) -> tuple[Array, Telemetry]:
    """The values of one block, flat over the batch, and what was counted."""
    left = entering("a", a, unit, options, scales[0])
    right = entering("b", b, unit, options, scales[1])
    start = None
    if c is not None:
        start = to_operand("c", np.ascontiguousarray(c), unit.outer_format, options)
        start = start.reshape(math.prod(start.shape[:-2]), *start.shape[-2:])
    if left.ndim == right.ndim == 2:
        left, right = left[None], right[None]
    else:
        parts = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        left, right = (_flat(x, parts) for x in (left, right))
    if unit.is_blocked:
        how = block_units.How(options.level, options.threads, options.strict)
        return block_units.multiply(left, right, start, unit, how, draws)
    return multiply(left, right, start, unit, options.level, options.threads, draws)


def _flat(x: Array, batch: tuple[int, ...]) -> Array:
    """One leading axis that counts through the batch."""
    size = x.shape[-2:]
    return np.broadcast_to(x, (*batch, *size)).reshape(math.prod(batch), *size)


def _pick(x: Array, batch: tuple[int, ...], item: tuple[int, ...]) -> Array:
    """``x`` at one index of the broadcast batch; all of it for an empty index."""
    if not item:
        return x
    own = x.ndim - 2
    index = item[len(batch) - own :]
    at = tuple(i if size > 1 else 0 for i, size in zip(index, x.shape[:own], strict=True))
    part: Array = x[at]
    return part


def _cuts(
    a: Array, b: Array, unit: MacUnit, options: Options, batch: tuple[int, ...]
) -> Iterator[tuple[Any, slice, slice]]:
    """Parts of the product, an index of the batch, rows and columns, whose operands' copies stay
    within the memory limit."""
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    rows = columns = 1 << 62
    while _bytes(min(rows, m), min(columns, n), k, unit) > options.memory_limit:
        if min(rows, m) <= 1 and min(columns, n) <= 1:
            break  # one output's operands are the least there can be
        if min(rows, m) > min(columns, n):
            rows = min(rows, m) // 2
        else:
            columns = max(1, min(columns, n) // 2)
    for item in np.ndindex(*batch):
        for column in range(0, n, min(columns, n) or 1):
            for row in range(0, m, min(rows, m) or 1):
                yield item, slice(row, row + rows), slice(column, column + columns)


def _bytes(m: int, n: int, k: int, unit: MacUnit) -> int:
    """Working memory of an (m, k) × (k, n) product: values, carriers' copies, sums, counts."""
    of_a, of_b = _itemsizes(unit)
    return 3 * (m * of_a + n * of_b) * k + 16 * (m + n) * k + 64 * m * n


@lru_cache(maxsize=1 << 12)
def _itemsizes(unit: MacUnit) -> tuple[int, int]:
    """Of both operands in their carriers."""
    return carrier(unit.a).itemsize, carrier(unit.b).itemsize


def _check_shapes(a: Array, b: Array) -> tuple[int, ...]:
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"a {a.shape} and b {b.shape}: at least two dimensions each are needed")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"a {a.shape} and b {b.shape}: a's last dimension must equal b's second to last"
        )
    if a.ndim == b.ndim == 2:
        return ()
    try:
        return np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        message = f"a {a.shape} and b {b.shape}: leading dimensions do not broadcast"
        raise ValueError(message) from None


def broadcast(name: str, x: Array, shape: tuple[int, ...]) -> Array:
    """``x`` as an array of ``shape``; ValueError names it."""
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(f"{name} {x.shape} does not broadcast to the result {shape}") from None
