"""Images as matrices of patches: for every output pixel, the operands that its sum meets."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.operands import Frame, gather

from hwsim.simulate.scheduler import run_tiles

Array = npt.NDArray[Any]
LINES = 1 << 18  # patch elements that are worth a thread


class Patches:
    """How a window of ``kernel`` (height, width) meets images, k by k.

    places : int64 (k, 3), the channel within its group and the offsets of row and column;
    strides : of rows and columns; width : of the output; groups : of channels.
    """

    def __init__(self, shape: tuple[int, ...], window: Any, width: int) -> None:
        """``shape`` is that of the filters, (O, C/groups, KH, KW); ``window`` moves them."""
        places = np.indices(shape[1:]).transpose(0, *(1 + axis for axis in window.k_axes))
        steps = np.array([1, *window.dilation]).reshape(3, 1)
        starts = np.array([0, *(side[0] for side in window.padding)]).reshape(3, 1)
        self.places = np.ascontiguousarray((places.reshape(3, -1) * steps - starts).T)
        self.strides, self.width, self.groups = window.stride, width, window.groups
        pixelwise = shape[2:] == (1, 1) and window.stride == (1, 1)
        self.pixelwise = pixelwise and not any(map(sum, window.padding))

    def of(self, images: Array, rows: slice, border: Array, threads: int) -> Array:
        """(groups, k, pixels) for these output rows of all images, which are in their carrier."""
        n, channels = images.shape[:2]
        if self.pixelwise and n == 1:
            part = images[0, :, rows]
            pixels = part.shape[1] * part.shape[2]
            return part.reshape(self.groups, channels // self.groups, pixels)
        count = rows.stop - rows.start
        lines = self.groups * len(self.places)
        out = np.empty((self.groups, len(self.places), n * count * self.width), images.dtype)
        frame = Frame(rows.start, count, self.width, *self.strides)
        step = max(-(-lines // threads), -(-LINES // max(1, out.shape[2])))
        images = np.ascontiguousarray(images)
        run = partial(gather, images, self.places, border[()], out)
        spans = ((i, min(lines, i + step)) for i in range(0, lines, step))
        run_tiles([partial(run, *span, frame) for span in spans], threads)
        return out


@lru_cache(maxsize=1 << 10)
def patches_of(shape: tuple[int, ...], window: Any, width: int) -> Patches:
    """`Patches`, made once for all images that a window meets."""
    return Patches(shape, window, width)
