"""hwsim and its peers in one run: equality first, then time.

    pip install ".[bench]"
    python benchmarks/peers.py      writes benchmarks/PEERS.md and docs/pictures/peers.svg

Peers are what PyPI installs without a compiler and without PyTorch: ml_dtypes, gfloat, APyTypes,
pychop, fxpmath.  Each is asked only for what it offers, and judged by the rules it documents.
"""

from __future__ import annotations

import importlib.metadata
import io
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import one_thread

HERE = Path(__file__).resolve().parent
PICTURE = one_thread.ROOT / "docs" / "pictures" / "peers.svg"
LIBRARIES = ("ml_dtypes", "gfloat", "apytypes", "pychop", "fxpmath")
MOST, LEAST, ENOUGH = 9, 3, 0.8  # calls to time: at most, at least, and seconds that suffice


def main() -> None:
    """Measure everything, then write the page and the picture."""
    one_thread.enter()
    versions = installed()
    import matplotlib as mpl
    import numpy as np
    from peer_page import page, picture

    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    rows = list(measured_rows())
    speeds = baselines()
    mpl.rcParams["svg.hashsalt"] = "hwsim"  # same rows, same bytes
    drawn = io.StringIO()
    picture(rows, speeds).savefig(drawn, format="svg", metadata={"Date": None})
    write(HERE / "PEERS.md", page(rows, about(versions), speeds))
    write(PICTURE, drawn.getvalue())


def installed() -> dict[str, str]:
    """Versions of the peers; SystemExit naming those that are missing."""
    versions, missing = {}, []
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}; pip install '.[bench]'")
    return versions


def measured_rows() -> Iterator[Any]:
    """Every job by every contender that knows it."""
    from peer_jobs import PRODUCTS, ROUNDINGS, trials
    from peer_products import MULTIPLIERS
    from peer_rounders import ROUNDERS

    for jobs, contenders in ((ROUNDINGS, ROUNDERS), (PRODUCTS, MULTIPLIERS)):
        for job in jobs:
            both = trials(job)
            for contender in contenders:
                if steps := contender.prepare(job):
                    yield measure(job, contender, steps, both)


def measure(job: Any, contender: Any, steps: Any, both: Any) -> Any:
    """One row: first the verdicts, then the time."""
    from peer_jobs import SIZE, cut, judge, timed_inputs
    from peer_page import Row

    verdicts = []
    for trial in both:
        results = steps.run(*steps.load(*cut(trial.inputs, contender.size)))
        verdicts.append(judge(steps.read(results), trial))
        if contender.library == "hwsim" and (verdicts[-1].wrong or verdicts[-1].signs):
            raise SystemExit(f"hwsim is wrong: {job}, {verdicts[-1]}")
    inputs = steps.load(*timed_inputs(job, contender.size))
    work = contender.size**2 * SIZE if job.is_product else contender.size
    rate = work / seconds(lambda: steps.run(*inputs)) / 1e6
    row = Row(job, contender.library, contender.call, rate, *verdicts, contender.note)
    print(f"{job.title:28} {row.library:9} {row.call:40} {rate:9.1f}", row.hard, flush=True)
    return row


def seconds(call: Callable[[], object]) -> float:
    """The median time of some calls, after one that warms up."""
    call()
    times: list[float] = []
    while len(times) < LEAST or (len(times) < MOST and sum(times) < ENOUGH):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def baselines() -> Any:
    """NumPy's copy and float32 GEMM, for scale."""
    import numpy as np
    from peer_jobs import SIZE, normal_inputs
    from peer_page import Speeds
    from peer_rounders import FAST

    x = normal_inputs(FAST)
    y = np.empty_like(x)
    a = x[: SIZE**2].reshape(SIZE, SIZE)
    return Speeds(
        copy=FAST / seconds(lambda: np.copyto(y, x)) / 1e6,
        gemm=SIZE**3 / seconds(lambda: a @ a) / 1e6,
    )


def about(versions: dict[str, str]) -> str:
    """Versions and machine, in a sentence."""
    import numpy as np

    import hwsim
    from hwsim.sweeps.metadata import describe_run

    run = describe_run({}, 0, "45nm")
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"hwsim {hwsim.__version__} (kernels {run['kernel_hash']}), {peers}, NumPy "
        f"{np.__version__}, Python {platform.python_version()}, {run['cpu']}, one thread."
    )


def write(target: Path, text: str) -> None:
    """The whole file or nothing."""
    partial = target.with_suffix(".tmp")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)
    print(f"wrote {target.name}")


if __name__ == "__main__":
    main()
