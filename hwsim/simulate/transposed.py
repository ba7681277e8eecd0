"""Two-dimensional transposed convolutions on a MAC unit: convolutions of stuffed images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.memory import check_memory
from hwsim.simulate.conversions import value_dtype
from hwsim.simulate.convolution import Padding, Pair, Window, conv2d_values, pair_of
from hwsim.simulate.environment import in_ieee_arithmetic
from hwsim.simulate.inputs import as_dtype, as_real, result_array
from hwsim.simulate.matrix import broadcast
from hwsim.simulate.operands import to_operand
from hwsim.simulate.options import MEMORY_LIMIT, Options
from hwsim.simulate.tally import LEVELS
from hwsim.units import MacUnit, Telemetry, as_unit

Array = npt.NDArray[Any]


@in_ieee_arithmetic
def conv_transpose2d(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    mac: str | MacUnit,
    *,
    c: npt.ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    k_order: str = "chw",
    telemetry: bool | str = False,
    threads: int | None = None,
    strict: bool = False,
    memory_limit: int = MEMORY_LIMIT,
    dtype: npt.DTypeLike | None = None,
    seed: int = 0,
) -> Any:
    """Transposed convolution (as in PyTorch and ONNX) on a MAC unit, bit for bit.

    It is `conv2d`, with stride 1, of the image with ``stride`` − 1 zeros between its pixels and
    the kernel turned by 180°: every output is one sum over (C/groups, KH, KW), in which a zero
    between pixels is a zero operand that keeps its place, like padding.

    Parameters
    ----------
    x : real array (N, C, H, W), operand a.  w : (C, O/groups, KH, KW), operand b.
    c : values that broadcast to the result: the initial value of each sum.
    stride, dilation : int or (h, w).
    padding : int, (h, w) or ((top, bottom), (left, right)): rows and columns that the full result
        loses.  output_padding : int or (h, w): rows and columns that it gains at the bottom and
        the right.
    groups : channel groups; C must be a multiple of it.
    k_order : as in `conv2d`, of the turned kernel.
    telemetry, threads, strict, memory_limit, dtype, seed : as in `matmul`.

    Returns (N, O, OH, OW), OH = (H − 1)·stride + dilation·(KH − 1) + 1 + output_padding − top −
    bottom, and a `Telemetry` when asked for.  Raises as `matmul` does.

    >>> conv_transpose2d([[[[1.0, 2.0]]]], [[[[1.0, 3.0]]]], "e4m3xe4m3+e4m3", stride=2)
    array([[[[1., 3., 2., 6.]]]], dtype=float32)
    """
    unit = as_unit(mac)
    options = Options.check(telemetry, threads, strict, memory_limit, seed)
    target = None if dtype is None else as_dtype(dtype)
    window = Window.check(stride, padding, dilation, groups, k_order)
    extra = pair_of("output_padding", output_padding, 0)
    image, kernel = as_real("x", x), as_real("w", w)
    start = None if c is None else as_real("c", c)
    stuffing = Stuffing.of(image, kernel, window, extra)
    out, counted = _values(image, kernel, start, unit, stuffing, options)
    out = result_array(out, unit.output_format, out.dtype, None, target)
    return out if options.level == 0 else (out, counted)


@dataclass(frozen=True)
class Stuffing:
    """Where the pixels lie among zeros: every ``step``-th place from ``first`` on (which may be
    negative), in an image of ``size``; ``result``: size of the output; ``window``: how the turned
    kernel moves over the image."""

    step: tuple[int, int]
    first: tuple[int, int]
    size: tuple[int, int]
    result: tuple[int, int]
    window: Window

    @classmethod
    def of(cls, x: Array, w: Array, window: Window, extra: tuple[int, int]) -> Stuffing:
        """The stuffing of ``x``; ValueError where shapes clash or nothing is left."""
        _check_shapes(x, w, window.groups)
        reach = [window.dilation[i] * (w.shape[2 + i] - 1) for i in (0, 1)]
        first = [reach[i] - window.padding[i][0] for i in (0, 1)]
        result = [
            (x.shape[2 + i] - 1) * window.stride[i] + reach[i] + 1 + extra[i] - sum(padding)
            for i, padding in enumerate(window.padding)
        ]
        if min(result) < 1:
            raise ValueError(f"padding={window.padding}: it leaves a result of {tuple(result)}")
        size = (result[0] + reach[0], result[1] + reach[1])
        direct = replace(window, stride=(1, 1), padding=((0, 0), (0, 0)))
        return cls(window.stride, (first[0], first[1]), size, (result[0], result[1]), direct)


def _values(
    x: Array, w: Array, c: Array | None, unit: MacUnit, stuffing: Stuffing, options: Options
) -> tuple[Array, Telemetry]:
    """`conv_transpose2d` on checked arguments."""
    if options.strict:  # of the caller's operands: a zero between may be no value of its format
        _refuse_inexact(x, w, c, unit, options)
    check_memory(f"x {x.shape} among zeros", (*x.shape[:2], *stuffing.size))
    check_memory(f"the result of x {x.shape}", (len(x), w.shape[1], *stuffing.result))
    kernels = turned(w, stuffing.window.groups)
    out = np.empty((len(x), len(kernels), *stuffing.result), value_dtype(unit.output_format))
    c = None if c is None else broadcast("c", c, out.shape)
    telemetry = Telemetry(complete=options.level == LEVELS[True])
    for part in _pieces(x, stuffing.size, options.memory_limit):
        image = stuffed(x[part], stuffing.step, stuffing.first, stuffing.size)
        start = None if c is None else c[part]
        here = replace(options.stream, first=part.start * out[0].size)
        how = options._replace(strict=False, stream=here)
        out[part], counted = conv2d_values(image, kernels, start, unit, stuffing.window, how)
        telemetry += counted
    return out, telemetry


def _refuse_inexact(x: Array, w: Array, c: Array | None, unit: MacUnit, options: Options) -> None:
    """ValueError for an operand that is no value of its format."""
    to_operand("x", x, unit.a, options)
    to_operand("w", w, unit.b, options)
    if c is not None:
        to_operand("c", c, unit.outer_format, options)


def stuffed(
    x: Array, step: tuple[int, ...], first: tuple[int, ...], size: tuple[int, ...]
) -> Array:
    """``x`` among zeros along its last axes, each of ``size`` then: element i lies at
    first + i·step, or is lost where that is outside.

    >>> stuffed(np.array([1, 2, 3]), (2,), (-1,), (5,))
    array([0, 2, 0, 3, 0])
    """
    kept: list[Array] = []
    places: list[Array] = []
    for axis, extent in enumerate(size):
        at = first[axis] + step[axis] * np.arange(x.shape[axis - len(size)])
        inside = np.flatnonzero((at >= 0) & (at < extent))
        kept.append(inside)
        places.append(at[inside])
    out = np.zeros((*x.shape[: x.ndim - len(size)], *size), x.dtype)
    to: tuple[Any, ...] = (..., *np.ix_(*places))
    taken: tuple[Any, ...] = (..., *np.ix_(*kept))
    out[to] = x[taken]
    return out


def turned(w: Array, groups: int, axes: int = 2) -> Array:
    """(…, C, O/groups, kernel axes) as the (…, O, C/groups, kernel axes) of the direct
    convolution, the ``axes`` of the kernel reversed."""
    lead, (channels, filters, *kernel) = w.shape[: -axes - 2], w.shape[-axes - 2 :]
    split = w.reshape(*lead, groups, channels // groups, filters, *kernel)
    swapped = split.swapaxes(-axes - 2, -axes - 1)
    flat = swapped.reshape(*lead, groups * filters, channels // groups, *kernel)
    return np.flip(flat, tuple(range(-axes, 0)))


def _pieces(x: Array, size: tuple[int, int], memory_limit: int) -> Iterator[slice]:
    """Images whose stuffed copies take a fourth of the memory limit."""
    each = x.shape[1] * size[0] * size[1] * x.dtype.itemsize
    step = max(1, memory_limit // (4 * each or 1))
    for first in range(0, len(x), step):
        yield slice(first, first + step)


def _check_shapes(x: Array, w: Array, groups: int) -> None:
    if x.ndim != 4 or w.ndim != 4 or 0 in (*x.shape[2:], *w.shape[2:]):
        raise ValueError(
            f"x {x.shape} and w {w.shape}: (N, C, H, W) and (C, O/groups, KH, KW), not empty in "
            "H, W, KH and KW"
        )
    if x.shape[1] != w.shape[0] or w.shape[0] % groups:
        raise ValueError(
            f"x {x.shape}, w {w.shape}, groups={groups}: x and w have the same C, a multiple of "
            "groups"
        )
