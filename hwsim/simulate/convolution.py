"""Two-dimensional convolutions on a MAC unit, as matrix products of image patches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import Format
from hwsim.memory import check_memory
from hwsim.simulate import block_units
from hwsim.simulate.conversions import value_dtype
from hwsim.simulate.environment import in_ieee_arithmetic
from hwsim.simulate.finish import place
from hwsim.simulate.inputs import as_dtype, as_real, result_array
from hwsim.simulate.operands import Scales, carrier, entering, to_operand
from hwsim.simulate.options import MEMORY_LIMIT, Options
from hwsim.simulate.patches import patches_of
from hwsim.simulate.products import multiply
from hwsim.simulate.requantization import check_rescaling, requantize_counted
from hwsim.simulate.tally import LEVELS
from hwsim.units import MacUnit, Rescaling, Telemetry, as_unit

Array = npt.NDArray[Any]
Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
FARTHEST = 1 << 31  # pixels: no stride, padding or dilation reaches so far
ALL_OF = slice(None)
CACHE = 1 << 27  # bytes of working memory, a sixth of them patches: more is no faster


@dataclass(frozen=True)
class Window:
    """How the kernel moves over the image."""

    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]
    groups: int
    k_order: str = "chw"

    @classmethod
    def check(
        cls, stride: Pair, padding: Padding, dilation: Pair, groups: int, k_order: str = "chw"
    ) -> Window:
        """A window from public arguments; ValueError names the wrong one."""
        if not isinstance(k_order, str) or sorted(k_order) != ["c", "h", "w"]:
            raise ValueError(f"k_order={k_order!r}: a permutation of 'chw' is needed")
        if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
            raise ValueError(f"groups={groups!r}: a positive integer is needed")
        sides = padding if isinstance(padding, tuple) else (padding, padding)
        if len(sides) != 2:
            raise ValueError(f"padding={padding!r}: int, (h, w) or ((top, bottom), (left, right))")
        top, left = (pair_of("padding", side, 0) for side in sides)
        steps = pair_of("stride", stride, 1), (top, left), pair_of("dilation", dilation, 1)
        return cls(*steps, groups, k_order)

    @property
    def k_axes(self) -> tuple[int, ...]:
        """The order of k as positions in (C, KH, KW)."""
        return tuple("chw".index(letter) for letter in self.k_order)

    def output_size(self, image: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the result; ValueError when the kernel does not fit."""
        if 0 in kernel:
            raise ValueError(f"w: a kernel of {kernel} holds no weight")
        sizes = []
        for i in (0, 1):
            room = image[i] + sum(self.padding[i]) - (self.dilation[i] * (kernel[i] - 1) + 1)
            if room < 0:
                raise ValueError(
                    f"w: a kernel of {kernel} with dilation {self.dilation} does not fit the "
                    f"padded image {image} + {self.padding}"
                )
            sizes.append(room // self.stride[i] + 1)
        return sizes[0], sizes[1]


@in_ieee_arithmetic
def conv2d(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    mac: str | MacUnit,
    *,
    c: npt.ArrayLike | None = None,
    rescaling: Rescaling | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
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
    """Convolution (cross-correlation, as in every framework) on a MAC unit, bit for bit.

    Parameters
    ----------
    x : real array (N, C, H, W), operand a.  w : (O, C/groups, KH, KW), operand b.
    c : values that broadcast to the result: the initial value of each sum.
    stride, dilation : int or (h, w).
    padding : int, (h, w) or ((top, bottom), (left, right)); padding is a zero operand that keeps
        its place in the sum.
    groups : channel groups; C and O must be multiples of it.
    k_order : the order in which the sum meets its products: ``chw`` (the last varies fastest),
        ``hwc`` or any other permutation of C/groups, KH and KW.
    rescaling, telemetry, threads, strict, memory_limit, dtype, seed : as in `matmul`.

    Returns (N, O, OH, OW), and a `Telemetry` when
    asked for.  Raises as `matmul` does.

    >>> conv2d([[[[1.0, 2.0], [3.0, 4.0]]]], [[[[1.0, 1.0]]]], "e4m3xe4m3+e4m3")
    array([[[[3.],
             [7.]]]], dtype=float32)
    """
    unit = as_unit(mac)
    options = Options.check(telemetry, threads, strict, memory_limit, seed)
    target = None if dtype is None else as_dtype(dtype)
    window = Window.check(stride, padding, dilation, groups, k_order)
    image, kernel = as_real("x", x), as_real("w", w)
    start = None if c is None else as_real("c", c)
    check_rescaling(unit, rescaling)
    sums = unit.summing if rescaling else unit
    out, counted = conv2d_values(image, kernel, start, sums, window, options)
    out, counted = requantize_counted(out, counted, unit, rescaling)
    out = result_array(out, unit.output_format, out.dtype, None, target)
    return out if options.level == 0 else (out, counted)


def conv2d_values(
    x: Array,
    w: Array,
    c: Array | None,
    unit: MacUnit,
    window: Window,
    options: Options,
    scales: Scales = (1.0, 1.0),
) -> tuple[Array, Telemetry]:
    """`conv2d` on checked arguments, of x and w divided by their scales."""
    _check_shapes(x, w, window.groups)
    height, width = window.output_size(x.shape[2:], w.shape[2:])
    shape = (x.shape[0], w.shape[0], height, width)
    check_memory(f"the result of x {x.shape}, padding {window.padding}", shape)
    check_memory("one row of patches of x", (math.prod(w.shape[1:]), window.groups, width))
    fmt = unit.output_format
    out = np.empty(shape, carrier(fmt) if options.carried else value_dtype(fmt))
    planes = out.reshape(*shape[:2], height * width)
    c = None if c is None else _broadcast(c, out.shape)
    # The kernels are the rows and the patches the columns: lanes run over pixels.
    kernels = entering("w", w, unit, options, scales[1])
    kernels = kernels.transpose(0, *(1 + axis for axis in window.k_axes))
    k = math.prod(w.shape[1:])
    kernels = kernels.reshape(window.groups, w.shape[0] // window.groups, k)
    patches = patches_of(w.shape, window, width)
    border = np.zeros((), x.dtype) if unit.a_block else _border(unit.a)
    mirrored = _mirrored(unit)
    draws = options.stream.of_convolution((*shape[:2], height * width), window.groups, unit, k)
    telemetry: Telemetry | None = None
    for images in _images(x, w, height * width, options.memory_limit):
        operand = entering("x", x[images], unit, options, scales[0])
        for rows in _rows(operand, w, (height, width), options.memory_limit):
            columns = patches.of(operand, rows, border, options.threads)
            start = None if c is None else _by_group(c[images][:, :, rows], window.groups)
            if start is not None:
                start = to_operand("c", start, unit.outer_format, options)
            here = draws and draws.cut(
                ALL_OF, ALL_OF, _pixels(images, rows, (height, width), len(x))
            )
            values, counted = _multiply(kernels, columns, start, mirrored, options, here)
            telemetry = counted if telemetry is None else telemetry + counted
            place(values, fmt, planes, (images, rows.start * width), options.threads)
    return out, telemetry or Telemetry(complete=options.level == LEVELS[True])


def _multiply(
    a: Array, b: Array, c: Array | None, unit: MacUnit, options: Options, draws: Any
) -> tuple[Array, Telemetry]:
    """The product of filters and patches."""
    if not unit.is_blocked:
        return multiply(a, b, c, unit, options.level, options.threads, draws)
    how = block_units.How(options.level, options.threads, options.strict, ("w", "x"))
    return block_units.multiply(a, b, c, unit, how, draws)


def _pixels(images: slice, rows: slice, size: tuple[int, int], count: int) -> Any:
    """Where these rows of these images lie among all images' pixels."""
    height, width = size
    first, last, _ = images.indices(count)
    lines = np.arange(first, last)[:, None] * height + np.arange(*rows.indices(height))
    return (lines.reshape(-1, 1) * width + np.arange(width)).reshape(-1)


def _broadcast(c: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.broadcast_to(c, shape)
    except ValueError:
        raise ValueError(f"c {c.shape} does not broadcast to the result {shape}") from None


@lru_cache(maxsize=256)
def _border(fmt: Format) -> Any:
    """A padding pixel: +0, or NaN where there is no zero."""
    return to_operand("padding", np.zeros((), np.int64), fmt, Options.check(False, 1))


@lru_cache(maxsize=256)
def _mirrored(unit: MacUnit) -> MacUnit:
    """The unit with its operands exchanged: products, and signs of zero, are the same."""
    core = None if unit.core is None else unit.core.mirrored
    blocks = unit.b_block, unit.a_block
    return replace(unit, a=unit.b, b=unit.a, core=core, a_block=blocks[0], b_block=blocks[1])


def _pixel_bytes(x: Array, w: Array) -> int:
    """Working memory of an output pixel: patches, their copies, sums, counts."""
    return int(x.shape[1] * math.prod(w.shape[2:]) * 24 + w.shape[0] * 64)


def _images(x: Array, w: Array, pixels: int, limit: int) -> Iterator[slice]:
    """Images that are worked on together: their patches stay in cache, and within the limit."""
    together = max(1, min(limit, CACHE) // max(1, _pixel_bytes(x, w) * pixels))
    return (slice(i, i + together) for i in range(0, x.shape[0], together))


def _rows(x: Array, w: Array, size: tuple[int, int], limit: int) -> Iterator[slice]:
    """Output rows, likewise."""
    rows = max(1, min(limit, CACHE) // max(1, _pixel_bytes(x, w) * len(x) * size[1]))
    return (slice(i, min(size[0], i + rows)) for i in range(0, size[0], rows))


def _by_group(c: Array, groups: int) -> Array:
    """(n, channels, h, w) as (groups, channels/groups, n·h·w)."""
    n, channels, h, w = c.shape
    split = c.reshape(n, groups, channels // groups, h, w).transpose(1, 2, 0, 3, 4)
    return split.reshape(groups, channels // groups, n * h * w)


def _check_shapes(x: Array, w: Array, groups: int) -> None:
    if x.ndim != 4 or w.ndim != 4:
        raise ValueError(f"x {x.shape} and w {w.shape}: (N, C, H, W) and (O, C/groups, KH, KW)")
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError(
            f"x {x.shape}, w {w.shape}, groups={groups}: C must be groups·(C/groups), and O a "
            "multiple of groups"
        )


def pair_of(name: str, value: object, least: int) -> tuple[int, int]:
    """A pair from one integer for both directions or (h, w); ValueError names the argument."""
    pair = value if isinstance(value, tuple) else (value, value)
    good = len(pair) == 2 and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and least <= v < FARTHEST
        for v in pair
    )
    if not good:
        allowed = f"an integer from {least} to {FARTHEST - 1}, or a pair of them, is needed"
        raise ValueError(f"{name}={value!r}: {allowed}")
    return int(pair[0]), int(pair[1])
