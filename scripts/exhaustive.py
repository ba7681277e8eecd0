"""Every pair of codes of 8-bit formats, every conversion to 16 bits, against the reference.

    python scripts/exhaustive.py                     compute all, write tests/exhaustive.json
    python scripts/exhaustive.py --only chains       one section of it
    python scripts/exhaustive.py --processes 4       by default one per processor

`tests/exhaustive` holds what is compared, and how; hostile calls of everything public are part of
it.  The record holds, for each section, the number of cases and a digest of all results, and the
hash of the kernels; sections are written as they end, and those of other kernels go.  It is stale,
and a test fails, as soon as a kernel is edited.  Minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
# Spawned processes import the tests as this one does.
os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")])

from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402

from tests.exhaustive.record import SECTIONS, Job, all_jobs, run_all, write_section  # noqa: E402


def main() -> int:
    """Run; 0 when every bit agrees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=SECTIONS, help="one section")
    parser.add_argument("--processes", type=int, help="by default one per processor")
    options = parser.parse_args()
    for section in SECTIONS:
        if options.only in (None, section):
            result = compare(section, options.processes)
            write_section(section, result)
            print(section, result, flush=True)
    return 0


def compare(section: str, processes: int | None) -> dict[str, Any]:
    """Run a section, with a bar."""
    jobs = [job for job in all_jobs() if job.section == section]
    columns = (
        TextColumn("{task.description:<40}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(section, total=len(jobs))
        total = 0

        def step(job: Job, cases: int) -> None:
            nonlocal total
            total += cases
            bar.update(task, advance=1, description=f"{job.section}: {total:,} cases")

        return run_all(jobs, processes, step)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
