"""Results of a unit on their way out: cut over threads for the kernels that place and rescale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels import finish

from hwsim.formats import Format
from hwsim.simulate.operands import PART
from hwsim.simulate.scheduler import run_tiles, thread_count

Array = npt.NDArray[Any]


def place(values: Array, fmt: Format, out: Array, at: tuple[slice, int], threads: int) -> None:
    """Copy ``values`` (groups, channels/groups, images·pixels) of ``fmt`` to ``out`` (images,
    channels, all pixels), ``at`` some images and from a pixel on, cast to a dtype that holds them.
    Where the format has no −0, a float's becomes +0."""
    if not values.size:
        return
    first, last, _ = at[0].indices(len(out))
    pixels = values.shape[2] // (last - first)
    spot = finish.Spot(first, last - first, at[1], pixels, values.shape[1])
    zero = values.dtype.type(-0.0 if fmt.has_negative_zero else 0.0)
    task = partial(finish.place, in_lines(values), zero, out, spot)
    _in_lines(task, out.shape[1], values.size, threads)


def in_lines(values: Array) -> Array:
    """``values`` (items, m, n) at the beginning of the lines of an array in C's order, over which
    kernels vectorise; itself where its own lines lie otherwise.  Only its elements may be read."""
    (item, line, step), size = values.strides, values.itemsize
    rows = item // line if line > 0 and len(values) > 1 else values.shape[1]
    regular = step == size and line >= size * values.shape[2] and line % size == 0
    if not regular or (len(values) > 1 and item != rows * line):
        return values
    shape = (len(values), rows, line // size)
    return np.lib.stride_tricks.as_strided(values, shape, (rows * line, line, size))


def holds_nan(values: Array) -> bool:
    """Whether an array of one to three axes holds NaN."""
    if values.dtype.kind != "f" or not values.size:
        return False
    cube = values.reshape((1,) * (3 - values.ndim) + values.shape)
    return bool(finish.holds_nan(in_lines(cube), *cube.shape[1:]))


def rescaled(
    results: Array, scale: float, bias: Array | None, threads: int | None, reuse: bool = False
) -> Array:
    """``results`` (images, channels, …) times ``scale`` in float64, rounded once to float32, plus
    the float32 bias of each channel; in the memory of ``results`` where ``reuse`` allows it."""
    fits = results.dtype == np.float32 and results.flags.c_contiguous and results.flags.writeable
    out = results if reuse and fits else np.empty(results.shape, np.float32)
    lines = (*results.shape[:2], int(np.prod(results.shape[2:])))
    addend = np.empty(0, np.float32) if bias is None else np.ascontiguousarray(bias)
    source = np.ascontiguousarray(results).reshape(lines)
    task = partial(finish.rescale, source, float(scale), addend, out.reshape(lines))
    _in_lines(task, lines[0] * lines[1], out.size, thread_count(threads))
    return out


def rectify(x: Array, threads: int | None) -> None:
    """Negative elements of a contiguous float32 array become +0; NaN and −0 stay, as in ONNX
    Runtime."""
    flat = x.reshape(-1)
    _in_lines(partial(finish.rectify, flat), flat.size, flat.size, thread_count(threads))


def _in_lines(task: Callable[[int, int], None], lines: int, size: int, threads: int) -> None:
    """Run ``task(first, last)`` on pieces of ``lines`` that are worth a thread."""
    pieces = max(1, min(threads, lines, size // PART))
    cuts = [lines * i // pieces for i in range(pieces + 1)]
    run_tiles([partial(task, *span) for span in pairwise(cuts)], threads)


def prepare() -> None:
    """Compile what every float carrier needs."""
    for dtype in (np.float32, np.float64):
        x = np.zeros((2, 3, 2), dtype)
        holds_nan(x)
        holds_nan(x.swapaxes(1, 2))
        finish.largest_mass(x, np.zeros((2, 2), dtype))
