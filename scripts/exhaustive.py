"""Every pair of 8-bit codes × formats × accumulators × modes × overflow rules, with and without c.

    python scripts/exhaustive.py             compute all, write tests/exhaustive.json
    python scripts/exhaustive.py --check     only: was the record made by today's kernels?
    python scripts/exhaustive.py --pairs 3   the first three pairs of formats (nothing is written)

The record holds the number of cases, a digest of all results and the hash of the kernels; it is
stale as soon as a kernel is edited.  Hours on a laptop core; one process per processor.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from hwsim_kernels._jit import KERNEL_HASH  # noqa: E402

from tests.simulate.all_pairs import FORMATS, check, operands, units  # noqa: E402

RECORD = ROOT / "tests" / "exhaustive.json"


def check_pair(pair: tuple[str, str]) -> tuple[int, str]:
    """(cases, SHA-256 of all results) of one pair of formats; AssertionError at a wrong bit."""
    digest, cases = hashlib.sha256(), 0
    for seed, unit in enumerate(units(*pair)):
        digest.update(str(unit).encode() + check(unit, None, seed))
        a, b = operands(unit)
        cases += 2 * a.size * b.size
    return cases, digest.hexdigest()


def main() -> int:
    """Run; 0 when every bit agrees and, with --check, the record is fresh."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the record's kernel hash")
    parser.add_argument("--pairs", type=int, help="only so many pairs of formats")
    parser.add_argument("--processes", type=int, help="by default one per processor")
    options = parser.parse_args()
    if options.check:
        fresh = RECORD.exists() and json.loads(RECORD.read_text())["kernels"] == KERNEL_HASH
        print("fresh" if fresh else "stale: run `make exhaustive`")
        return 0 if fresh else 1
    pairs = list(product(FORMATS, FORMATS))[: options.pairs]
    start, cases, digest = time.monotonic(), 0, hashlib.sha256()
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for pair, (count, part) in zip(pairs, pool.map(check_pair, pairs), strict=True):
            cases += count
            digest.update(part.encode())
            print(f"{'x'.join(pair)}: {count} cases, {time.monotonic() - start:.0f} s", flush=True)
    record = {"kernels": KERNEL_HASH, "cases": cases, "digest": digest.hexdigest()}
    if options.pairs is None:
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(record)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
