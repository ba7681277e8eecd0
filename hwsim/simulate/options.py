"""Options of `matmul`, `conv2d` and their kin, checked once."""

from __future__ import annotations

from typing import NamedTuple

from hwsim.simulate.scheduler import thread_count
from hwsim.simulate.streams import ZERO, Stream
from hwsim.simulate.tally import LEVELS

MEMORY_LIMIT = 256 * 2**20


class Options(NamedTuple):
    """How to run, none of which but ``stream``, of random bits, changes a value of the result;
    ``carried``: a convolution's may stay in the floats that hold them (`operands.carrier`)."""

    level: int
    threads: int
    strict: bool
    memory_limit: int
    carried: bool = False
    stream: Stream = ZERO

    @classmethod
    def check(
        cls,
        telemetry: object,
        threads: int | None,
        strict: bool = False,
        memory_limit: int = MEMORY_LIMIT,
        seed: object = 0,
    ) -> Options:
        """Options from public arguments; ValueError names the wrong one."""
        if telemetry is not True and telemetry is not False and telemetry != "counts":
            raise ValueError(f"telemetry={telemetry!r}: allowed are False, True, 'counts'")
        if strict is not True and strict is not False:
            raise ValueError(f"strict={strict!r}: True or False is needed")
        whole = isinstance(memory_limit, int) and not isinstance(memory_limit, bool)
        if not whole or memory_limit < 2**20:
            raise ValueError(f"memory_limit={memory_limit!r}: at least 1 MiB (1048576) is needed")
        stream = Stream.check(seed)
        run = (LEVELS[telemetry], thread_count(threads), bool(strict), int(memory_limit))
        return cls(*run, stream=stream)
