"""The fast side held against the reference: same bits, same counts, same refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

import hwsim
from hwsim import MacUnit, Telemetry, reference

Array = npt.NDArray[Any]

# Fields that telemetry="counts" promises; the others are 0.
CHEAP = (
    "additions",
    "swamped_full",
    "swamped_partial",
    "overflow_steps",
    "overflow_products",
    "overflow_converted",
    "overflow_outputs",
    "zero_operands",
    "outputs",
    "products",
)
CHEAP_OUTER = ("additions", "swamped_full", "swamped_partial", "overflow_steps")


def bits(x: Array) -> tuple[str, tuple[int, ...], str]:
    """Everything that an array is: dtype, shape, and its bits, −0 and NaN included.

    Long ones as a hash: pytest would take minutes to explain a difference.
    """
    memory = np.ascontiguousarray(x).tobytes()
    text = memory.hex() if len(memory) <= 64 else hashlib.sha256(memory).hexdigest()
    return x.dtype.str, x.shape, text


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call returns, or the string 'ValueError' where it refuses so."""
    try:
        return function(*args, **kwargs)
    except ValueError:
        return "ValueError"


def same(got: Any, wanted: Any) -> bool:
    """Whether two outcomes agree to the bit."""
    if isinstance(got, str) or isinstance(wanted, str):
        return isinstance(got, str) and isinstance(wanted, str) and got == wanted
    return bits(got) == bits(wanted)


def count_differences(got: Telemetry, wanted: Telemetry, cheap: bool) -> dict[str, tuple[Any, Any]]:
    """Fields that differ, as (got, wanted); with ``cheap`` only those that it promises."""
    mine, theirs = asdict(got), asdict(wanted)
    outer, outer_wanted = mine.pop("outer"), theirs.pop("outer")
    mine |= {f"outer_{name}": value for name, value in outer.items()}
    theirs |= {f"outer_{name}": value for name, value in outer_wanted.items()}
    names = (*CHEAP, *(f"outer_{name}" for name in CHEAP_OUTER)) if cheap else tuple(theirs)
    return {name: (mine[name], theirs[name]) for name in names if mine[name] != theirs[name]}


def check_matmul(
    a: Array,
    b: Array,
    unit: str | MacUnit,
    c: Array | None = None,
    levels: tuple[bool | str, ...] = (False, "counts", True),
    **options: Any,
) -> None:
    """Assert that hwsim.matmul gives the reference's bits and counts at every telemetry level."""
    wanted = outcome(reference.matmul, a, b, unit, c=c, telemetry=True)
    for level in levels:
        got = outcome(hwsim.matmul, a, b, unit, c=c, telemetry=level, **options)
        if isinstance(wanted, str) or isinstance(got, str):
            same_end = isinstance(wanted, str) and isinstance(got, str)
            assert same_end, (str(unit), level, got, wanted)
            continue
        values = got[0] if level else got
        assert bits(values) == bits(wanted[0]), (str(unit), level, values, wanted[0])
        if level:
            differences = count_differences(got[1], wanted[1], level == "counts")
            assert not differences, (str(unit), level, differences)
