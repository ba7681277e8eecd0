"""What any public call may do: give the reference's bits, or raise an error that says what is wrong.

Nothing else: no other exception, no warning, no changed argument, no hang.
"""

from __future__ import annotations

import faulthandler
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hwsim.errors import HwsimError, SpecError

DEADLINE = 120  # seconds a call may take: a first one compiles
DOCUMENTED = (HwsimError, TypeError, ValueError)


class Refused:
    """A documented error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __repr__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


def attempt(call: Callable[[], Any], names: tuple[str, ...] = ()) -> Any:
    """What ``call`` returns, or `Refused`; any other end is raised.

    names : of the arguments, one of which the message must hold.
    """
    try:
        with deadline(), warnings.catch_warnings():
            warnings.simplefilter("error")
            return call()
    except DOCUMENTED as error:
        assert type(error).__name__ not in ("UnicodeDecodeError", "UnicodeEncodeError"), error
        message = str(error)
        assert message.strip(), f"{type(error).__name__} without a message"
        if names and not isinstance(error, SpecError):  # that one points into its text
            assert any(name in message for name in names), f"{message!r} names none of {names}"
        return Refused(error)


@contextmanager
def deadline(seconds: int = DEADLINE) -> Iterator[None]:
    """End the process, with every thread's trace, when the body takes longer."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def snapshot(value: Any) -> Any:
    """All that could be changed of an argument."""
    if isinstance(value, np.ma.MaskedArray):
        return snapshot(value.data), snapshot(np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray) and value.dtype != object and value.nbytes < 1 << 20:
        return value.dtype.str, value.shape, value.strides, value.tobytes()
    return repr(value) if isinstance(value, (list, tuple, dict, set)) else None
