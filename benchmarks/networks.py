"""Full-size networks, end to end: equality first, then time.

    python benchmarks/networks.py [NAME ...]     writes benchmarks/NETWORKS.md

The graphs are those of the onnx package, with seeded weights (`hwsim.networks.fill_weights`) and
standard normal images of 3×224×224.  Every network has a process of its own.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kernel_clock import KernelClock

HERE = Path(__file__).resolve().parent
UNITS = (
    "int8xint8+int32",
    "int8xint8+int16:saturate",
    "e4m3xe4m3+fp16",
    "e5m2xe5m2+e6m9:chunk64",
)
EXACT = "fp32xfp32+exact"
# Images of a run: those of one mini-batch, and what takes a few seconds.
IMAGES = {
    "squeezenet": 10,
    "shufflenet": 23,
    "bvlc_alexnet": 16,
    "zfnet512": 10,
    "inception_v1": 10,
    "inception_v2": 10,
    "resnet50": 10,
    "densenet121": 10,
    "vgg19": 2,
}
VERIFIED = 2  # outputs of every layer that the reference recomputes
HEADINGS = (
    "| network | unit | images/s | GMAC/s | arithmetic % | conversions % | outside % "
    "| of it ORT % | memory MiB | checked |"
)
TOLERANCE = 1e-4  # of the largest output, against ONNX Runtime, on exact accumulators


@dataclass(frozen=True)
class Row:
    """One network on one unit: rates, shares of CPU time in percent, and memory in MiB beyond
    the loaded and calibrated network's."""

    network: str
    unit: str
    images: int
    images_per_second: float
    gmac_per_image: float
    gmac_per_second: float
    arithmetic: float
    conversions: float
    outside: float
    native: float
    memory: float
    checked: str


def main() -> None:
    """Run every network and write the table."""
    if sys.argv[1:2] == ["--one"]:
        print("rows", json.dumps([asdict(row) for row in measure_network(sys.argv[2])]))
        return
    names = sys.argv[1:] or list(IMAGES)
    rows: list[Row] = []
    for name in names:
        command = [sys.executable, str(Path(__file__).resolve()), "--one", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        answer = next(line for line in done.stdout.splitlines() if line.startswith("rows "))
        rows += [Row(**row) for row in json.loads(answer[5:])]
    target = HERE / "NETWORKS.md"
    partial = target.with_suffix(".tmp")
    partial.write_text(page(rows), encoding="utf-8")
    partial.replace(target)
    print(f"wrote {target.name}")


def measure_network(name: str) -> list[Row]:
    """All units on one network, in this process."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]
    clock = KernelClock()
    clock.install()
    import numpy as np
    import onnx

    from hwsim.networks import Network, fill_weights

    clock.install_native()
    graphs = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    network = Network.load(fill_weights(graphs / f"light_{name}.onnx"))
    images = np.random.default_rng(20253).standard_normal((IMAGES[name], 3, 224, 224), np.float32)
    data = {network.inputs[0]: images}
    network.calibrate(data)
    rows = []
    loaded = reset_peak()
    for unit in (*UNITS, EXACT):
        row = measure(network, data, unit, clock)
        rows.append(replace(row, network=name, memory=row.memory - loaded))
        print(format_row(rows[-1]), file=sys.stderr, flush=True)
    return rows


def measure(network: Any, data: dict[str, Any], unit: str, clock: KernelClock) -> Row:
    """Verify some outputs of every layer on one image, then time all images twice."""
    telemetry = False if unit == EXACT else "counts"
    one = {key: array[:1] for key, array in data.items()}
    verified = network.run(one, unit, telemetry=telemetry, verify=VERIFIED).totals["verified"]
    checked = f"{verified} outputs equal"
    best: Row | None = None
    for _ in range(2):
        reset_peak()
        clock.seconds.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        report = network.run(data, unit, telemetry=telemetry)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        memory, seconds = peak(), clock.seconds.copy()
        if unit == EXACT:
            checked = f"{verified} outputs equal; {against_runtime(network, data, report)}"
        count, macs = len(next(iter(data.values()))), report.totals["macs"] * 1e-9
        shares = [100 * seconds[kind] / cpu for kind in ("arithmetic", "conversions")]
        rates = (count / wall, macs / count, macs / wall)
        shares += [100 - sum(shares), 100 * seconds["native"] / cpu]
        row = Row(network.name, unit, count, *rates, *shares, memory, checked)
        if best is None or row.images_per_second > best.images_per_second:
            best = row
    assert best is not None
    return best


def against_runtime(network: Any, data: dict[str, Any], report: Any) -> str:
    """The largest difference from ONNX Runtime's float32 outputs; SystemExit beyond tolerance."""
    worst = 0.0
    for key, wanted in network.baseline(data).items():
        worst = max(worst, float(abs(report.outputs[key] - wanted).max() / abs(wanted).max()))
    if not worst <= TOLERANCE:
        raise SystemExit(f"{network.name} on {EXACT} differs from ONNX Runtime by {worst:.2g}")
    return f"ONNX Runtime to {worst:.1e}"


def reset_peak() -> float:
    """Forget the peak of resident memory (Linux); the memory resident now, in MiB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return (
            int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
        )
    except OSError:
        return peak()


def peak() -> float:
    """Peak of resident memory, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def format_row(row: Row) -> str:
    """A line of the table."""
    return (
        f"| {row.network} | `{row.unit}` | {row.images_per_second:.2f} | "
        f"{row.gmac_per_second:.1f} | {row.arithmetic:.0f} | {row.conversions:.0f} | "
        f"{row.outside:.0f} | {row.native:.0f} | {row.memory:.0f} | {row.checked} |"
    )


def page(rows: list[Row]) -> str:
    """The Markdown page."""
    import numba
    import numpy as np
    import onnxruntime

    import hwsim
    from hwsim.simulate.scheduler import thread_count
    from hwsim.sweeps.metadata import describe_run

    about = describe_run({}, 0, "45nm")
    sizes = dict.fromkeys(
        f"{row.network} {row.gmac_per_image:.2f} GMAC, {row.images} images" for row in rows
    )
    head = f"""# Full-size networks

`make bench-networks` writes this page. hwsim {hwsim.__version__}, kernels {about["kernel_hash"]},
NumPy {np.__version__}, ONNX Runtime {onnxruntime.__version__}, Numba {numba.__version__}, Python
{platform.python_version()}, {about["cpu"]}, {thread_count(None)} threads.

The graphs that the onnx package carries, with seeded He-normal weights and 3×224×224 normal images,
end to end: `Network.run` with `telemetry="counts"` (none on `{EXACT}`). Shares are of the process's
CPU time: in the MAC units' arithmetic (BLAS where it is exact, included), in hwsim's kernels that
round operands, gather patches and lay them out, look for what proofs need, and place, rescale and
bias results; and outside both (Python, NumPy and ONNX Runtime, which computes the operators that
are no products and whose own share is given). Memory is the peak of
resident memory beyond what stood when the network was loaded and calibrated. Before any time is
taken, {VERIFIED} random outputs of every layer are compared with the exact reference, all bits; on
the exact accumulator the network's outputs must agree with ONNX Runtime to {TOLERANCE:g} of the
largest.

{"; ".join(sizes)}.

{HEADINGS}
|---|---|---|---|---|---|---|---|---|---|
"""
    return head + "\n".join(map(format_row, rows)) + "\n"


if __name__ == "__main__":
    main()
