"""Tiles handed to threads.  Results never depend on how many there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

from hwsim.simulate.environment import in_ieee_arithmetic


def thread_count(threads: int | None) -> int:
    """How many threads to use: the argument, HWSIM_NUM_THREADS, or the processors allowed."""
    if threads is None:
        text = os.environ.get("HWSIM_NUM_THREADS", "")
        threads = int(text) if text.isdigit() and int(text) else _processors()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads={threads!r}: a positive integer is needed")
    return threads


def run_tiles(tasks: Iterable[Callable[[], None]], threads: int) -> None:
    """Run every task, the calling thread among those that do; the first error is raised.

    A helper that has not started when the work is done never does: several callers share a pool.
    """
    work = deque(tasks)
    if threads == 1 or len(work) <= 1:
        for task in work:
            task()
        return
    pool = _pool(threads, os.getpid())
    helpers = [pool.submit(_help, work) for _ in range(min(threads, len(work)) - 1)]
    try:
        _drain(work)
    finally:
        work.clear()
        started = [helper for helper in helpers if not helper.cancel()]
        wait(started)
    for helper in started:
        helper.result()


def _drain(work: deque[Callable[[], None]]) -> None:
    """Run tasks while there are any; taking one is atomic."""
    while work:
        try:
            task = work.popleft()
        except IndexError:  # another thread has taken it
            return
        task()


@in_ieee_arithmetic
def _help(work: deque[Callable[[], None]]) -> None:
    """A thread of the pool has the environment of the thread that started it."""
    _drain(work)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS keeps to the thread that calls it, inside; free where an outer one is in force."""
    with _LOCK:
        if _LIMIT.depth == 0:
            _LIMIT.entered = _blas_control().limit(limits=1, user_api="blas")
        _LIMIT.depth += 1
    try:
        yield
    finally:
        with _LOCK:
            _LIMIT.depth -= 1
            if _LIMIT.depth == 0:
                _LIMIT.entered.restore_original_limits()


class _Limit:
    """The limit in force, and how many hold it: several threads may."""

    depth = 0
    entered: Any = None


_LIMIT, _LOCK = _Limit(), Lock()


@cache
def _blas_control() -> ThreadpoolController:
    return ThreadpoolController()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """One pool per size and process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="hwsim")
