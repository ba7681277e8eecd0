"""All hostile cases: what is drawn, how it is judged, and how many `make exhaustive` takes."""

from __future__ import annotations

import contextlib
import hashlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.exhaustive.spaces import Part
from tests.hostile import calls, commands, files, specs

MORE_MEMORY = 8 * 2**30  # of address space: what runs away ends in MemoryError, a failure
JOB = 1000  # cases


class Case(NamedTuple):
    """A strategy, what judges a draw of it, and how many thousands are taken."""

    strategy: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    thousands: int


SUITE = {
    "text": Case(specs.texts, specs.check_text, 22),
    "fields": Case(specs.fields(), specs.check_fields, 14),
    "cost": Case(specs.prices(), specs.check_price, 2),
    "round, encode": Case(calls.rounding_calls(), calls.check_round, 14),
    "decode": Case(calls.code_calls(), calls.check_decode, 8),
    "matmul": Case(calls.matmul_calls(), calls.check_matmul, 8),
    "conv2d": Case(calls.conv2d_calls(), calls.check_conv2d, 5),
    "conv_transpose2d": Case(calls.transposed_calls(), calls.check_transposed, 3),
    "options": Case(calls.option_calls(), calls.check_options, 8),
    "overlapping out": Case(calls.aliased_calls(), calls.check_aliased, 6),
    "huge": Case(calls.huge_calls(), calls.check_huge, 2),
    "npz": Case(files.npz_files(), files.check_npz, 6),
    "onnx": Case(files.bent_models(), files.check_model, 6),
    "run": Case(commands.run_calls(), commands.check_run, 2),
    "sweep": Case(commands.sweep_calls(), commands.check_sweep, 1),
    "commands": Case(commands.command_lines(), commands.check_command, 2),
}


def jobs() -> Iterator[tuple[str, int]]:
    """A part of the suite, and a seed."""
    for name, case in SUITE.items():
        for number in range(case.thousands):
            yield name, number


def run(name: str, number: int, count: int = JOB) -> Part:
    """Draw and judge ``count`` cases; the first failure is raised, shrunk."""
    strategy, check, _ = SUITE[name]
    tried = 0

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
    @given(strategy)
    def judge(drawn: Any) -> None:
        nonlocal tried
        tried += 1
        check(drawn)

    with bounded():
        judge()
    return Part(tried, hashlib.sha256(f"{name} {number}".encode()).hexdigest())


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """At most so much more address space than now, for as long as the body runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _address_space() + MORE_MEMORY
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Bytes that this process has mapped."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
