"""How much memory there is: arrays that cannot fit are refused before they are asked for."""

from __future__ import annotations

import math
import os
import sys


def _machine() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # it does not say: no limit
        return sys.maxsize


MEMORY = _machine()


def check_memory(what: str, shape: tuple[int, ...], itemsize: int = 8) -> None:
    """Raise ValueError where an array of this shape exceeds the machine's memory."""
    size = math.prod(shape) * itemsize
    if size > MEMORY:
        raise ValueError(f"{what}: shape {shape} takes {gib(size)}; this machine has {gib(MEMORY)}")


def gib(size: int) -> str:
    """Bytes in words."""
    return f"{size / 2**30:.4g} GiB"


def keep_freed_memory() -> None:
    """Let the C library keep the memory of arrays that were freed for the next ones.

    glibc learns from the largest block that is freed how much it may keep; without this it gives
    every megabyte back, and each call then pays for new pages, which can take as long as its
    product.  The block is never touched: it costs nothing.
    """
    import numpy as np

    np.empty(31 << 20, np.uint8)  # glibc learns from blocks up to 32 MiB
