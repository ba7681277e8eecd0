"""What a public call may do: give the reference's bits, or raise an error that says what is wrong.

Nothing else: no other exception, no warning, no changed argument, no hang.
"""

from __future__ import annotations

import faulthandler
import re
import sys
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
        problem = _unclear(error, names)
        if problem:
            raise AssertionError(problem) from error
        return Refused(error)


def _unclear(error: Exception, names: tuple[str, ...]) -> str:
    """What is wrong with an error's message; empty when it is clear."""
    message, kind = str(error), type(error).__name__
    if isinstance(error, UnicodeError) or not message.strip():
        return f"{kind}: {message!r}"
    if not names or isinstance(error, SpecError) or any(_names(name, message) for name in names):
        return ""  # a SpecError points into its text
    return f"{message!r} names none of {names}"


def _names(name: str, message: str) -> bool:
    """Whether the message speaks of the argument; "a" is also a word."""
    if len(name) > 1:
        return name in message
    return re.search(rf"(?<![\w']){name}(\[|=|:|,| \(| holds)", message) is not None


@contextmanager
def deadline(seconds: int = DEADLINE) -> Iterator[None]:
    """End the process, with every thread's trace, when the body takes longer."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
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
