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
from functools import cache, partial
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
    """A unit, what is counted, on which data; the floor that it must reach, if there is one.

    With ``share`` the floor is that part of the same unit's ratio with nothing counted.
    """

    unit: str
    data: str = "normal"
    telemetry: bool | str = False
    floor: float | None = None
    share: float | None = None


# Why a floor that stands here may be missed: what the hot loop must do that the bare one need not.
ORDERED = (
    "on this data the sums of lost mass and of mass round in float64, so each output has its own, "
    "in k order: four conversions to float64 and four additions there for 16 products, and TwoSum, "
    "since an overflow rule and a floor are alive."
)
MODULAR = (
    "bare, sums modulo 2^16 are one exact GEMM and a mask, without a partial sum; to count "
    "overflows every partial sum must be made and compared with both ends of the range."
)
NATIVE = "bare, the machine's fma is the whole step; whether a 24-bit sum of a 22-bit product lost "
NATIVE_COUNTS = NATIVE + (
    "anything takes the sum once more, cut, and what is left of it without the product: two fmas, "
    "and two comparisons."
)
NATIVE_ALL = NATIVE + (
    "anything, and how much, takes TwoSum, five more additions, and two comparisons. And "
)
CLAMPED = (
    "bare, a step is an fma and two clamps; everything adds the magnitude and maximum of each sum, "
    "its loss in float64 (half the lanes: two conversions, two additions), and a count."
)
COUNTED = (
    "y and y - p must each be compared with the sum before, which is kept for it; two masks go to "
    "scalar registers and are counted there, six instructions more that this column does not show."
)
ALL_BY_BLAS = (
    "bare, sums that cannot overflow are one GEMM; the largest sum can be known only from all of "
    "them."
)
REASONS = {
    ("e5m2xe5m2+e6m9:saturate", "normal", "counts"): COUNTED,
    ("e5m2xe5m2+e6m9:saturate", "relu", "counts"): COUNTED,
    ("e5m2xe5m2+e6m9:saturate", "wide", "counts"): COUNTED,
    ("e5m2xe5m2+e6m9:saturate:chunk64", "normal", "counts"): COUNTED,
    ("int8xint8+int32", "int8", "all"): ALL_BY_BLAS,
    ("e5m2xe5m2+e6m9:saturate", "wide", "all"): ORDERED,
    ("int8xint8+int16", "int8", "counts"): MODULAR,
    ("int8xint8+int16", "int8", "all"): MODULAR,
    ("fp16xfp16+fp32", "normal", "counts"): NATIVE_COUNTS,
    ("fp16xfp16+fp32", "normal", "all"): NATIVE_ALL + ORDERED,
    ("int8xint8+int16:saturate", "int8", "all"): CLAMPED,
}


@dataclass(frozen=True)
class Row:
    """A measured case: its ratio, and the instructions of its hot loop."""

    case: Case
    counted: str
    ratio: float
    floor: float | None
    instructions: str
    text: str

    @property
    def missed(self) -> bool:
        return self.floor is not None and self.ratio < self.floor


FLOATS = ("normal", "relu", "wide")
E6M9 = "e5m2xe5m2+e6m9"
FUSED = (
    *("volta.fp16", "volta.fp16/fp16", "turing.fp16", "ampere.bf16", "ampere.tf32", "ada.e4m3"),
    *("hopper.fp16", "hopper.fp16/fp16", "hopper.e4m3", "blackwell.e4m3", "blackwell.e2m1"),
    *("hopper.e4m3/p128", "cdna1.fp16", "cdna1.bf16", "cdna2.fp16", "cdna3.fp16", "cdna3.bf16"),
    *("cdna3.xf32", "cdna3.e4m3fnuz", "avx512.vdpbf16ps", "blackwell.mxfp8_e4m3"),
    *("blackwell.mxfp8_e5m2", "blackwell.mxfp6_e3m2", "blackwell.mxfp6_e2m3"),
    *("blackwell.mxfp4", "blackwell.nvfp4"),
)
BLOCKS = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8", "nvfp4")


def _cases() -> list[Case]:
    from hwsim import mac
    from hwsim.units.catalogue import UNITS

    cases = []
    for chunk in ("", ":chunk64"):
        for data in FLOATS:
            floor = 0.24 if data == "wide" else 0.30
            cases.append(Case(f"{E6M9}:saturate{chunk}", data, floor=floor))
        cases.append(Case(f"{E6M9}{chunk}", "special", floor=0.16))
    for rounding in ("rtz", "rup", "rdn"):
        cases += [Case(f"{E6M9}:{rounding}", data, floor=0.10) for data in FLOATS]
    for unit in ("e4m3xe4m3+e8m11", "e4m3xe4m3+e8m16", "bf16xbf16+e8m19", "e5m2xe5m2+e8m22"):
        cases += [Case(unit, data, floor=0.12) for data in FLOATS]
    cases += [Case("fp16xfp16+fp32", data, floor=0.40) for data in FLOATS]
    cases += [
        Case("int8xint8+int16:saturate", "int8", floor=0.25),
        Case("int8xint8+int16", "int8", floor=0.30),
        Case("int8xint8+int32", "int8", floor=0.60),
    ]
    cases += [Case("e5m2xe5m2:mitchell+e6m9:saturate", data, floor=0.14) for data in FLOATS]
    cases.append(Case("int8xint8:mitchell+int16:saturate", "int8", floor=0.14))
    cases += [Case(f"{E6M9}:sr8", data, floor=0.08) for data in FLOATS]
    cases += [Case(f"{E6M9}:{rounding}", floor=0.08) for rounding in ("sr8b", "sr8c")]
    for order in ("lanes8", "lanes8-tree", "tree4", "tree16"):
        cases.append(Case(f"{E6M9}:saturate:{order}", floor=0.12))
    mitchell = "e5m2xe5m2:mitchell+e6m9"
    cases.append(Case(f"{E6M9}:sr8:tree4"))
    for unit in (f"{E6M9}:sr8:lanes8", f"{mitchell}:sr8"):
        cases.append(Case(unit, floor=0.08))
    cases.append(Case(f"{mitchell}:saturate:tree4", floor=0.12))
    cases.append(Case("binaryxbinary+int16", floor=2.0))
    cases.append(Case("pow2_4xint8+int32", "int8", floor=0.2))
    for unit in ("int8xpow2_4b7:shift2+fixed13.2", "int8xpow2_4b7:shift2+int16"):
        cases.append(Case(unit, "powers", floor=0.2))
    cases.append(Case("e4m3xpow2_4b7:shift1+fp16", floor=0.2))
    for unit in ("log4.3xlog4.3:log8+fp32", "log2.5b64xlog2.5b64:log8+fp16"):
        cases.append(Case(unit, floor=0.06))
    for core in ("mbm", "ilm1", "drum2", "trunc3"):
        cases.append(Case(f"e5m2xe5m2:{core}+e6m9:saturate", floor=0.06))
    for core in ("mbm", "realm8", "ilm1", "drum4", "trunc4", str(_own_table())):
        cases.append(Case(f"int8xint8:{core}+int16:saturate", "int8", floor=0.06))
    cases += [Case(unit, floor=0.10) for unit in FUSED]
    cases.append(Case("avx2.vpmaddubsw", "int8", floor=0.10))
    cases.append(Case("fp32xfp32+fp32:exact", floor=0.05))
    for level, share in (("counts", 0.5), (True, 0.2)):
        for data in FLOATS:
            cases.append(Case(f"{E6M9}:saturate", data, level, share=share))
        cases.append(Case(f"{E6M9}:saturate:chunk64", "normal", level, share=share))
        cases.append(Case("e4m3xe4m3+fp16", "normal", level, share=share))
        cases.append(Case("fp16xfp16+fp32", "normal", level, share=share))
        for unit in ("int8xint8+int16:saturate", "int8xint8+int16", "int8xint8+int32"):
            cases.append(Case(unit, "int8", level, share=share))
    cases += [
        Case("e4m3xe4m3+fp16"),
        Case("bf16xbf16+bf16"),
        Case("bf16xbf16+fp32"),
        Case("fp16xfp16+e8m15"),
        Case("e4m3xe4m3+fp16:mul_add"),
    ]
    known = {str(mac(case.unit)) for case in cases if not case.telemetry}
    for entry in UNITS:  # the catalogue's page shows what they reach
        kind = "int8" if entry.unit.startswith(("int", "uint", "fixed")) else "normal"
        cases += [Case(entry.unit, kind)] if entry.unit not in known else []
    return cases


@cache
def _own_table() -> Any:
    """A table of 8 × 8 products that somebody brings: kept, so that its name is known."""
    import hwsim

    return hwsim.multiplier(lambda a, b: (a * b) & ~15 | (a & b & 8))


def main() -> None:
    """Run every case and write the page."""
    if any(name in os.environ for name in OVERRIDES) or "HWSIM_NUM_THREADS" not in os.environ:
        environment = {k: v for k, v in os.environ.items() if k not in OVERRIDES} | CLEAN
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]
    threads = two_threads()
    rows: list[Row] = []
    bare: dict[tuple[str, str], Row] = {}
    for case in _cases():
        rows.append(measure(case, bare))
        print(rows[-1].text, flush=True)
    parts = (rows, blocks(), conversions(), small_product(), threads)
    target = HERE / "RESULTS.md"
    unfinished = target.with_suffix(".tmp")
    unfinished.write_text(report(*parts), encoding="utf-8")
    unfinished.replace(target)
    print(f"wrote {target.name}")


def measure(case: Case, bare: dict[tuple[str, str], Row]) -> Row:
    """One row of the table; ``bare`` keeps those with nothing counted."""
    import hwsim

    a, b = operands(case.data)
    unit = hwsim.mac(case.unit)

    def product() -> object:
        return hwsim.matmul(a, b, unit, telemetry=case.telemetry)

    checked = check(a, b, case, product())
    ratios, gemm, ours = race(lambda: a @ b, product)
    low, middle, high = statistics.quantiles(ratios, n=4)
    floor = case.floor
    if case.share is not None and (case.unit, case.data) in bare:
        floor = case.share * bare[case.unit, case.data].ratio
    counted = {False: "no", True: "all"}.get(case.telemetry, str(case.telemetry))
    spent = instructions(a, b, case)
    text = (
        f"| `{case.unit}` | {case.data} | {counted} | {checked} | "
        f"{SIZE**3 / statistics.median(ours) / 1e9:.2f} | "
        f"{SIZE**3 / statistics.median(gemm) / 1e9:.1f} | {middle:.3f} ({low:.3f} … {high:.3f}) | "
        f"{_verdict(middle, floor)} | {spent} |"
    )
    row = Row(case, counted, middle, floor, spent, text)
    if case.telemetry is False:
        bare[case.unit, case.data] = row
    return row


def reasons(rows: list[Row]) -> str:
    """Why floors were missed, with the instructions of the loops."""
    bare = {(row.case.unit, row.case.data): row for row in rows if row.counted == "no"}
    lines = []
    for row in rows:
        if row.missed:
            key = (row.case.unit, row.case.data, row.counted)
            spent = bare[key[:2]].instructions if key[:2] in bare else "?"
            against = f"{row.instructions} instructions, bare {spent}"
            why = REASONS.get(key, "within the noise of this run, or to be found out.")
            lines.append(f"- `{key[0]}`, {key[1]}, {key[2]}: {against}; {why}")
    return "\n".join(lines)


def _verdict(found: float, floor: float | None) -> str:
    if floor is None:
        return " | "
    return f"{floor:.3f} | {'met' if found >= floor else 'MISSED'}"


def instructions(a: Any, b: Any, case: Case) -> str:
    """Vector instructions that the hot loop spends on 16 products; by the compiler's assembly."""
    import re

    from hwsim_kernels import blocked, multiply, tiles
    from numba.core.caching import NullCache

    import hwsim
    from hwsim.simulate.cores import rewritten
    from hwsim.simulate.datapaths import plan
    from hwsim.simulate.exact import integer_product
    from hwsim.simulate.facts import Facts
    from hwsim.simulate.operands import to_operand
    from hwsim.simulate.options import Options

    unit, options = hwsim.mac(case.unit), Options.check(case.telemetry, 1)
    x, y = (to_operand("a", v[None], f, options) for v, f in ((a, unit.a), (b, unit.b)))
    unit, x, y = rewritten(unit, x, y)
    facts = Facts(x, y, None)
    if "exact" in case.unit or integer_product(facts, unit, options.level, 1) is not None:
        return "XNOR" if case.unit.startswith("binaryxbinary") else "BLAS"
    chosen = plan(unit, facts, options.level)
    if chosen is None:
        return "other kernels"
    path = chosen.inner.path
    if path.level and path.limit:  # the passes that are watched
        path = path._replace(limit=0, watched=True)
    run = blocked.run_kernel.__wrapped__(path)
    run._cache = NullCache()
    hwsim.matmul(a, b, unit, telemetry=case.telemetry)
    known = blocked.run_kernel(path._replace(watched=False))
    run.compile(_signature(known, path))
    register = r"[xyz]mm\d|v\d+\.[24][sd]"
    blocks = re.split(r"\n(?=\.LBB)", run.inspect_asm(run.signatures[0]))
    hot = max(blocks, key=lambda block: len(re.findall(register, block)))
    lines = [line for line in hot.splitlines() if re.search(register, line)]
    vectors = multiply.ROWS * tiles.vectors(path) * (path.width * 16 / tiles.VECTOR_BITS) ** -1
    return f"{len(lines) / vectors:.1f}"


def _signature(known: Any, path: Any) -> Any:
    """Argument types of a driver, from one that was called or from arrays made for it."""
    if known.signatures:
        return known.signatures[0]
    import numpy as np
    from hwsim_kernels import tiles
    from hwsim_kernels.paths import SLOTS, Scalars
    from numba import typeof

    from hwsim.simulate.blocks import NO_DRAWS

    carrier, whole = np.dtype(f"f{path.width // 8}"), np.dtype(f"i{path.width // 8}")
    left = np.zeros((1, 0, 1), carrier)
    left.flags.writeable = False
    arrays = (
        left,
        np.zeros((1, 1, 1, tiles.columns(path)), carrier),
        np.zeros(1, carrier),
        np.zeros((1, 0, tiles.columns(path)), carrier),
        np.zeros((1, 1, 1), whole),
        np.zeros((2, len(Scalars._fields)), carrier),
        np.zeros((2, SLOTS), np.int64),
        np.zeros((1, 1, 1, 1)),
    )
    return tuple(typeof(x) for x in (*arrays, NO_DRAWS, 0, 0, 1, 1, True, 1, 0))


def blocks() -> list[str]:
    """Units of blocks against those of their elements, in groups as long as a block."""
    import hwsim

    rows = []
    a, b = operands("normal")
    for name in BLOCKS:
        fmt = hwsim.format(name)
        unit, plain = f"{name}x{name}+fp32", f"{fmt.element}x{fmt.element}+fp32:dot{fmt.size}"
        check(a, b, Case(unit), hwsim.matmul(a, b, unit))
        ratios, _, ours = race(
            partial(hwsim.matmul, a, b, plain), partial(hwsim.matmul, a, b, unit)
        )
        middle, rate = statistics.median(ratios), SIZE**3 / statistics.median(ours) / 1e9
        verdict = _verdict(middle, 0.7 if name.startswith("mx") else None)
        rows.append(f"| `{unit}` | `{plain}` | {rate:.2f} | {middle:.2f} | {verdict} |")
        print(rows[-1], flush=True)
    return rows


def conversions() -> list[str]:
    """Rounding, encoding and decoding 10⁷ values against a copy of the same float32 array."""
    import numpy as np

    import hwsim

    rows = []
    x = np.random.default_rng(20252).normal(size=10**7).astype(np.float32)
    values = np.empty_like(x)
    named = ("binary", "ternary", "pow2_4", "log4.1", "lns8", "log3.4", "nf4")
    tables = {name: hwsim.format(name) for name in named}
    tables["codebook of 256"] = hwsim.CodebookFormat(np.linspace(-4, 4, 256).astype(np.float32))
    grids = {name: hwsim.format(name) for name in ("e4m3", "e5m2", "e6m9", "bf16", "fp16")}
    posits = {name: hwsim.format(name) for name in ("posit8_2", "posit16_1", "posit32_2")}
    floors = {**dict.fromkeys(tables, (0.3, 0.3)), **dict.fromkeys(posits, (0.1, 0.1))}
    for name, fmt in (grids | tables | posits).items():
        codes = hwsim.encode(x, fmt)
        back, into = (np.empty(x.shape, hwsim.decode(codes[:1], fmt).dtype) for _ in range(2))
        first, then = floors.get(name, (0.7, 0.4))
        jobs: list[tuple[str, float, Callable[[], object]]] = [
            ("round", first, partial(hwsim.round, x, fmt, out=into)),
            ("encode", then, partial(hwsim.encode, x, fmt, out=codes)),
            ("decode", then, partial(hwsim.decode, codes, fmt, out=back)),
        ]
        for job, floor, work in jobs:
            ratios, _, ours = race(lambda: np.copyto(values, x), work)
            middle = statistics.median(ratios)
            rate = x.size / statistics.median(ours) / 1e9
            rows.append(
                f"| {job} | `{name}` | {rate:.2f} | {middle:.2f} | {_verdict(middle, floor)} |"
            )
            print(rows[-1], flush=True)
    return rows


def small_product() -> str:
    """What a call costs beyond its arithmetic: a 10×64 by 64×10 product."""
    import numpy as np

    import hwsim

    a, b = (x.copy() for x in (operands("normal")[0][:10, :64], operands("normal")[1][:64, :10]))
    unit = hwsim.mac("e4m3xe4m3+fp16")
    times = []
    for _ in range(2000):
        start = time.process_time()
        hwsim.matmul(a, b, unit)
        times.append(time.process_time() - start)
    rate = 0.3 * SIZE**3 / best(lambda: np.matmul(*operands("normal")))
    micro = 1e6 * (statistics.median(times) - 6400 / rate)
    verdict = "met" if micro < 50 else "MISSED"
    what = "A 10×64 by 64×10 product"
    line = f"{what}: {micro:.0f} µs beyond its arithmetic; under 50 wanted: {verdict}."
    print(line)
    return line


def best(work: Callable[[], object]) -> float:
    """The shortest of a few times."""
    found = []
    for _ in range(5):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def two_threads() -> str:
    """How much faster two threads are than one, on a product that is worth it."""
    import numpy as np

    import hwsim

    rng = np.random.default_rng(20253)
    a, b = (rng.normal(size=(1024, 1024)).astype(np.float32) for _ in range(2))
    one = lambda: hwsim.matmul(a, b, f"{E6M9}:saturate", threads=1)  # noqa: E731
    two = lambda: hwsim.matmul(a, b, f"{E6M9}:saturate", threads=2)  # noqa: E731
    ratios, _, _ = race(one, two, time.perf_counter)
    middle = statistics.median(ratios)
    verdict = "met" if middle >= 1.8 else "MISSED"
    line = f"Two threads, 1024×1024×1024: {middle:.2f} times one; 1.8 wanted: {verdict}."
    print(line)
    return line


def operands(data: str) -> list[Any]:
    """Two SIZE × SIZE float32 matrices, seeded."""
    import numpy as np

    rng = np.random.default_rng(20251)
    shape = (SIZE, SIZE)
    if data == "int8":
        pair = [rng.integers(-127, 128, shape) for _ in range(2)]
    elif data == "powers":  # of two, most of which cut integers short
        pair = [rng.integers(-127, 128, shape), rng.choice([-1.0, 1.0], shape)]
        pair[1] *= 2.0 ** rng.integers(-6, 1, shape)
    elif data == "relu":
        pair = [np.maximum(rng.normal(size=shape), 0), rng.normal(size=shape)]
    elif data == "special":  # Inf, NaN, −0, and sums that overflow
        pair = [rng.normal(size=shape) * 2.0 ** rng.integers(-12, 17, shape) for _ in range(2)]
        for x in pair:
            x[rng.random(shape) < 1e-4] = np.inf
            x[rng.random(shape) < 1e-4] = np.nan
            x[rng.random(shape) < 0.05] = -0.0
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
        exact = hwsim.reference.dot(a[i], b[:, j], case.unit, output=i * b.shape[1] + j)
        if exact.tobytes() != values[i : i + 1, j : j + 1].tobytes():
            raise SystemExit(f"{case.unit}[{i}, {j}]: {values[i, j]}, reference {exact}")
    return f"{CHECKED} equal"


def race(
    gemm: Callable[[], object],
    ours: Callable[[], object],
    clock: Callable[[], float] = time.process_time,
) -> tuple[list[float], list[float], list[float]]:
    """Times of interleaved pairs, and their ratios (1 is as fast as GEMM).

    CPU time: on one thread it is that of the clock on the wall, less what other processes took.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for function in (gemm, ours):
        function()
    for _ in range(PAIRS):
        for function, kept in zip((gemm, ours), times, strict=True):
            start = clock()
            function()
            kept.append(clock() - start)
    ratios = [g / o for g, o in zip(*times, strict=True)]
    return ratios, *times


def report(
    rows: list[Row], blocked: list[str], converted: list[str], small: str, threads: str
) -> str:
    """The Markdown page."""
    import numba
    import numpy as np
    from threadpoolctl import threadpool_info

    import hwsim
    from hwsim.sweeps.metadata import describe_run

    about = describe_run({}, 0, "45nm")
    cores = {info.get("architecture", "?") for info in threadpool_info()}
    missed = [row for row in rows if row.missed]
    missed += [row for row in blocked + converted if "MISSED" in row]
    head = f"""# Speed

`make bench` writes this page. hwsim {hwsim.__version__}, kernels {about["kernel_hash"]}, NumPy
{np.__version__} (OpenBLAS for {", ".join(sorted(cores))}), Numba {numba.__version__}, Python
{platform.python_version()}, {about["cpu"]}, one thread. {SIZE}×{SIZE}×{SIZE}, medians of {PAIRS}
interleaved pairs of CPU times, with quartiles. The baseline is NumPy's float32 GEMM in the same
run, with the kernels that OpenBLAS picks for this processor; a ratio of 0.25 means four times its
time.
`hwsim.matmul` is timed as a user calls it, with the conversion of float32 operands. Before any time
is taken, {CHECKED} random outputs are compared with the exact reference, all bits.

Data: `normal`; `relu`, the left operand cut at 0; `wide`, spread over 2^±12; `special`, with Inf,
NaN, −0 and overflows. `counts` must reach half, `all` a fifth, of the same unit with nothing
counted, as measured here. The last column counts the vector instructions of the compiled hot loop
for 16 products (float64 lanes need two of each); a core with 512-bit vectors starts at most four of
them in a cycle, GEMM needs one.

{len(missed)} floors missed in the three tables.

| unit | data | counted | checked | GMAC/s | GEMM | ratio (quartiles) | floor | | instructions |
|---|---|---|---|---|---|---|---|---|---|
"""
    why = f"\n\nWhy:\n\n{reasons(rows)}\n" if any(row.missed for row in rows) else ""
    second = """

Conversions of 10⁷ float32 values into an array that is there (`out=`), as a ratio to `np.copyto` of
the same array:

| | format | Gelem/s | ratio | floor | |
|---|---|---|---|---|---|
"""
    between = """

Blocks, with their conversion, as a ratio to units of their elements in groups as long as a block:

| unit | elements | GMAC/s | ratio | floor | |
|---|---|---|---|---|---|
"""
    table = head + "\n".join(row.text for row in rows) + why + between + "\n".join(blocked)
    return table + second + "\n".join(converted) + f"\n\n{small}\n\n{threads}\n"


if __name__ == "__main__":
    main()
