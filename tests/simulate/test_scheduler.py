"""Tiles over threads: every task once, errors raised, helpers that come too late left out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from hwsim.simulate.scheduler import run_tiles


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_every_task_runs_once(threads: int, count: int) -> None:
    done: list[int] = []
    run_tiles([partial(done.append, i) for i in range(count)], threads)
    assert sorted(done) == list(range(count))


def test_tasks_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=30)
    run_tiles([lambda: meeting.wait() and None] * 2, 2)  # alone, each would wait for ever


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("at", [0, 7, 19])
def test_an_error_is_raised_and_ends_the_work(threads: int, at: int) -> None:
    def task(i: int) -> None:
        if i == at:
            raise ZeroDivisionError(i)

    with pytest.raises(ZeroDivisionError):
        run_tiles([partial(task, i) for i in range(20)], threads)


def test_the_error_of_a_helper_is_raised() -> None:
    caller, failed = threading.get_ident(), threading.Event()

    def task() -> None:
        if threading.get_ident() != caller:
            failed.set()
            raise ZeroDivisionError
        assert failed.wait(30)

    with pytest.raises(ZeroDivisionError):
        run_tiles([task] * 2, 2)


def test_callers_that_share_a_pool_do_not_wait_for_each_other() -> None:
    """Six callers, a pool of two threads: each does its own work when no helper is free."""
    done: list[int] = []

    def call(base: int) -> None:
        run_tiles([partial(done.append, base + i) for i in range(50)], 2)

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(call, 100 * n) for n in range(6)]:
            future.result(timeout=60)
    assert sorted(done) == [100 * n + i for n in range(6) for i in range(50)]
