"""Tiles handed to threads.  Results never depend on how many there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from hwsim_kernels.environment import arithmetic_is_ieee

from hwsim.errors import HwsimError


def thread_count(threads: int | None) -> int:
    """How many threads to use: the argument, HWSIM_NUM_THREADS, or the processors allowed."""
    if threads is None:
        text = os.environ.get("HWSIM_NUM_THREADS", "")
        threads = int(text) if text.isdigit() and int(text) else _processors()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads={threads!r}: a positive integer is needed")
    return threads


def run_tiles(tasks: Iterable[Callable[[], None]], threads: int) -> None:
    """Run every task, on the calling thread when one suffices; the first error is raised."""
    work = list(tasks)
    if threads == 1 or len(work) == 1:
        check_environment()
        for task in work:
            task()
        return
    futures = [_pool(threads, os.getpid()).submit(_guarded, task) for task in work]
    for future in futures:
        future.result()


def check_environment() -> None:
    """Refuse a thread whose floating-point unit flushes subnormals or does not round to nearest."""
    if not arithmetic_is_ieee(np.float64(2.0**-1060), np.float32(2.0**-140), np.float64(1.0)):
        raise HwsimError(
            "this thread flushes subnormals or rounds otherwise than to nearest (some library "
            "changed its floating-point mode); call hwsim from another thread, or import and "
            "use that library with flush-to-zero off (torch.set_flush_denormal(False))"
        )


def _guarded(task: Callable[[], None]) -> None:
    check_environment()
    task()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """One pool per size and process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="hwsim")
