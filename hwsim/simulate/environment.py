"""IEEE 754 arithmetic for the length of a call, whatever another library did to the thread.

Some libraries make their threads flush subnormals to zero, and a thread started by one of these
inherits it.  C's fesetenv (C11 §7.6.4.3) sets the default environment, and the caller's again
afterwards.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from hwsim_kernels.environment import arithmetic_is_ieee

from hwsim.errors import HwsimError

DEFAULT = ctypes.c_void_p(-1)  # FE_DFL_ENV of glibc and musl, on every processor
ROOM = 512  # bytes; an fenv_t has 32 or fewer


@contextmanager
def ieee_arithmetic() -> Iterator[None]:
    """Subnormals kept and rounding to nearest on this thread, inside; also a decorator.

    Raises HwsimError where the environment is another and cannot be set.
    """
    if _is_ieee():
        yield
        return
    library, saved = _library(), ctypes.create_string_buffer(ROOM)
    if library is None or library.fegetenv(saved):
        raise _refusal()
    library.fesetenv(DEFAULT)
    try:
        if not _is_ieee():
            raise _refusal()
        yield
    finally:
        library.fesetenv(saved)


def _is_ieee() -> bool:
    # NumPy scalars: Python's own constants could be folded under another environment.
    return bool(arithmetic_is_ieee(np.float64(2.0**-1060), np.float32(2.0**-140), np.float64(1.0)))


@cache
def _library() -> Any:
    """C's mathematical library; None where there is none, or another FE_DFL_ENV."""
    name = ctypes.util.find_library("m")
    try:
        library = ctypes.CDLL(name or "libm.so.6")
        library.fegetenv.argtypes = library.fesetenv.argtypes = (ctypes.c_void_p,)
    except (OSError, AttributeError):
        return None
    return library if hasattr(ctypes.CDLL(None), "gnu_get_libc_version") else None


def _refusal() -> HwsimError:
    return HwsimError(
        "this thread flushes subnormals or rounds otherwise than to nearest (some library changed "
        "its floating-point mode); call hwsim from another thread, or import and use that library "
        "with flush-to-zero off (torch.set_flush_denormal(False))"
    )
