"""IEEE 754 arithmetic for the length of a call, whatever another library did to the thread.

Some libraries make their threads flush subnormals to zero, and a thread started by one of these
inherits it.  C's fesetenv (C11 §7.6.4.3) sets the default environment, and the caller's again
afterwards.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from hwsim_kernels.environment import arithmetic_is_ieee

from hwsim.errors import HwsimError

DEFAULT = ctypes.c_void_p(-1)  # FE_DFL_ENV of glibc and musl, on every processor
ROOM = 512  # bytes; an fenv_t has 32 or fewer
# 2^-1060, 2^-140 and 1, made of bits: arithmetic could flush them where this is imported.
PROBES = (np.uint64(1 << 14).view(np.float64), np.uint32(1 << 9).view(np.float32), np.float64(1.0))
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def ieee_arithmetic() -> Iterator[None]:
    """Subnormals kept and rounding to nearest on this thread, inside.

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


def in_ieee_arithmetic(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, which computes in `ieee_arithmetic` wherever it is called."""

    @wraps(function)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if _is_ieee():
            return function(*args, **kwargs)
        with ieee_arithmetic():
            return function(*args, **kwargs)

    return wrapper


def _is_ieee() -> bool:
    return bool(arithmetic_is_ieee(*PROBES))


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
