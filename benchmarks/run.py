"""Speed against NumPy's float32 GEMM on one thread: equality first, then time.

    python benchmarks/run.py            writes benchmarks/RESULTS.md

Each figure is the median of interleaved pairs (GEMM, hwsim) of one process, with the quartiles;
``hwsim.matmul`` is called as a user calls it, operand conversion included.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIZE = 512
PAIRS = 15
CHECKED = 24  # outputs of each product recomputed by the reference

# One thread everywhere, and the BLAS kernels that OpenBLAS itself picks for this processor.
CLEAN = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HWSIM_NUM_THREADS": "1"}
OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Case:
    """A unit, what is counted, on which data; the floor that it must reach, if there is one."""

    unit: str
    data: str = "normal"
    telemetry: bool | str = False
    floor: float | None = None


CASES = (
    Case("e5m2xe5m2+e6m9:saturate", floor=0.20),
    Case("e5m2xe5m2+e6m9:saturate:chunk64", floor=0.20),
    Case("e5m2xe5m2+e6m9:saturate", telemetry="counts", floor=0.10),
    Case("e5m2xe5m2+e6m9:saturate:chunk64", telemetry="counts", floor=0.10),
    Case("e5m2xe5m2+e6m9:saturate", telemetry=True),
    Case("e5m2xe5m2+e6m9:saturate", "relu"),
    Case("e5m2xe5m2+e6m9:saturate", "wide"),
    Case("e5m2xe5m2+e6m9", "wide"),
    Case("e5m2xe5m2+e6m9:rtz"),
    Case("e4m3xe4m3+fp16"),
    Case("bf16xbf16+bf16"),
    Case("bf16xbf16+fp32"),
    Case("fp16xfp16+fp32"),
    Case("fp32xfp32+exact"),
    Case("int8xint8+int16:saturate", "int8"),
    Case("int8xint8+int16", "int8"),
    Case("int8xint8+int32", "int8"),
)


def main() -> None:
    """Run every case and write the table."""
    if any(name in os.environ for name in OVERRIDES) or "HWSIM_NUM_THREADS" not in os.environ:
        environment = {k: v for k, v in os.environ.items() if k not in OVERRIDES} | CLEAN
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]
    rows = []
    for case in CASES:
        rows.append(measure(case))
        print(rows[-1], flush=True)
    text = report(rows)
    target = HERE / "RESULTS.md"
    partial = target.with_suffix(".tmp")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)
    print(f"wrote {target.name}")


def measure(case: Case) -> str:
    """One row of the table."""
    import hwsim

    a, b = operands(case.data)
    unit = hwsim.mac(case.unit)

    def product() -> object:
        return hwsim.matmul(a, b, unit, telemetry=case.telemetry)

    checked = check(a, b, case, product())
    ratios, gemm, ours = race(lambda: a @ b, product)
    low, middle, high = statistics.quantiles(ratios, n=4)
    floor = "" if case.floor is None else f"{case.floor:.2f}"
    verdict = "" if case.floor is None else ("met" if middle >= case.floor else "MISSED")
    counted = {False: "no", True: "all"}.get(case.telemetry, case.telemetry)
    speed = SIZE**3 / statistics.median(ours) / 1e9
    return (
        f"| `{case.unit}` | {case.data} | {counted} | {checked} | {speed:.2f} | "
        f"{SIZE**3 / statistics.median(gemm) / 1e9:.1f} | {middle:.3f} ({low:.3f} … {high:.3f}) | "
        f"{floor} | {verdict} |"
    )


def operands(data: str) -> list[Any]:
    """Two SIZE × SIZE float32 matrices, seeded."""
    import numpy as np

    rng = np.random.default_rng(20251)
    shape = (SIZE, SIZE)
    if data == "int8":
        pair = [rng.integers(-127, 128, shape) for _ in range(2)]
    elif data == "relu":
        pair = [np.maximum(rng.normal(size=shape), 0), rng.normal(size=shape)]
    elif data == "wide":
        pair = [rng.normal(size=shape) * 2.0 ** rng.integers(-12, 13, shape) for _ in range(2)]
    else:
        pair = [rng.normal(size=shape) for _ in range(2)]
    return [x.astype(np.float32) for x in pair]


def check(a: Any, b: Any, case: Case, answer: Any) -> str:
    """Recompute random outputs by the exact reference; stop at the first wrong bit."""
    import numpy as np

    import hwsim

    values = answer[0] if case.telemetry else answer
    rng = np.random.default_rng(0)
    for i, j in zip(
        rng.integers(SIZE, size=CHECKED), rng.integers(SIZE, size=CHECKED), strict=True
    ):
        exact = hwsim.reference.matmul(a[i : i + 1], b[:, j : j + 1], case.unit)
        if exact.tobytes() != values[i : i + 1, j : j + 1].tobytes():
            raise SystemExit(f"{case.unit}[{i}, {j}]: {values[i, j]}, reference {exact[0, 0]}")
    return f"{CHECKED} equal"


def race(
    gemm: Callable[[], object], ours: Callable[[], object]
) -> tuple[list[float], list[float], list[float]]:
    """Times of interleaved pairs, and their ratios (1 is as fast as GEMM)."""
    times: tuple[list[float], list[float]] = ([], [])
    for function in (gemm, ours):
        function()
    for _ in range(PAIRS):
        for function, kept in zip((gemm, ours), times, strict=True):
            start = time.perf_counter()
            function()
            kept.append(time.perf_counter() - start)
    ratios = [g / o for g, o in zip(*times, strict=True)]
    return ratios, *times


def report(rows: list[str]) -> str:
    """The Markdown page."""
    import numba
    import numpy as np
    from threadpoolctl import threadpool_info

    import hwsim
    from hwsim.sweeps.metadata import describe_run

    about = describe_run({}, 0, "45nm")
    cores = {info.get("architecture", "?") for info in threadpool_info()}
    head = f"""# Speed

`make bench` writes this page. hwsim {hwsim.__version__}, kernels {about["kernel_hash"]}, NumPy
{np.__version__} (OpenBLAS for {", ".join(sorted(cores))}), Numba {numba.__version__}, Python
{platform.python_version()}, {about["cpu"]}, one thread. {SIZE}×{SIZE}×{SIZE}, medians of {PAIRS}
interleaved pairs with quartiles. The baseline is NumPy's float32 GEMM in the same run; a ratio of
0.25 means four times its time. `hwsim.matmul` is timed as a user calls it, with the conversion of
float32 operands. Before any time is taken, {CHECKED} random outputs are compared with the exact
reference, all bits.

| unit | data | counted | checked | GMAC/s | GEMM GMAC/s | ratio (quartiles) | floor | |
|---|---|---|---|---|---|---|---|---|
"""
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
