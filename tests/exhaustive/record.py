"""The record of `make exhaustive`: all of its jobs, run over processes, and what they compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from hwsim_kernels._jit import KERNEL_HASH

import hwsim
from hwsim.networks.files import write_atomically
from tests.exhaustive import catalogue, chains, conversions, pairs
from tests.exhaustive.spaces import Part
from tests.hostile import suite

RECORD = Path(__file__).resolve().parent.parent / "exhaustive.json"
PROOFS = ("choices", "cores", "datapaths", "grids", "sums")  # what chooses a kernel and its numbers
SECTIONS: dict[str, Any] = {"hostile": suite, "conversions": conversions, "catalogue": catalogue}
SECTIONS |= {"chains": chains, "pairs": pairs}


def sources() -> dict[str, str]:
    """Hashes of what was compared: the kernels, and the proofs that choose among them."""
    folder = Path(hwsim.__file__).parent / "simulate"
    text = b"".join((folder / f"{name}.py").read_bytes() for name in PROOFS)
    return {"kernels": KERNEL_HASH, "proofs": hashlib.sha256(text).hexdigest()[:16]}


class Job(NamedTuple):
    """A call of ``SECTIONS[section].run``."""

    section: str
    arguments: tuple[Any, ...]


def all_jobs() -> Iterator[Job]:
    """Every job, in the order in which the digest takes them."""
    for section, module in SECTIONS.items():
        for arguments in module.jobs():
            yield Job(section, arguments)


def run(job: Job) -> Part:
    """One job, in whatever process."""
    part: Part = SECTIONS[job.section].run(*job.arguments)
    return part


def run_all(
    jobs: Sequence[Job], processes: int | None, progress: Callable[[Job, int], None]
) -> dict[str, Any]:
    """The record of a section's ``jobs``; all of them run, and then the failures are raised.

    progress : called with a finished job and its cases.
    """
    parts: list[Part] = []
    failures: list[Exception] = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for job, future in [(job, pool.submit(run, job)) for job in jobs]:
            try:
                parts.append(future.result())
            except Exception as error:
                error.add_note(str(job))
                failures.append(error)
            else:
                progress(job, parts[-1].cases)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(jobs)} jobs", failures)
    digest = hashlib.sha256()
    for job, part in zip(jobs, parts, strict=True):
        digest.update(f"{job} {part.digest}".encode())
    record = {"cases": sum(part.cases for part in parts), "digest": digest.hexdigest()}
    if jobs and SECTIONS[jobs[0].section] is catalogue:  # its page says so of each
        units = {job.arguments[0]: part.cases for job, part in zip(jobs, parts, strict=True)}
        return {**record, "units": units}
    return record


def read_record() -> dict[str, Any]:
    """What `make exhaustive` has written; an empty record where there is none."""
    if not RECORD.exists():
        return {"kernels": "", "proofs": "", "sections": {}, "total": 0}
    record: dict[str, Any] = json.loads(RECORD.read_text())
    return record


def write_section(section: str, result: dict[str, Any]) -> None:
    """Put a section's result into the record, whole or not at all; those of other kernels or
    proofs leave it."""
    record = read_record()
    fresh = sources().items() <= record.items()
    sections = record["sections"] if fresh else {}
    sections = {**sections, section: result}
    total = sum(part["cases"] for part in sections.values())
    record = {**sources(), "sections": sections, "total": total}
    write_atomically(RECORD, (json.dumps(record, indent=1) + "\n").encode())
