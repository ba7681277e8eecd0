"""The kernels as compiled things: caches that go stale, flags, vectors, and how many there are."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import hwsim_kernels
import numpy as np
import pytest
from hwsim_kernels import blocked, multiply, paths, tiles
from hwsim_kernels._jit import KERNEL_HASH, _named, package_hash
from numba.core.caching import IndexDataCacheFile, NullCache

import hwsim
from hwsim.simulate import blocks

ROOT = Path(hwsim_kernels.__file__).parent
PROJECT = Path(hwsim.__file__).parent.parent

# One unit alone: what a sweep would need next is not compiled.
PROGRAM = """
import numpy as np
import hwsim
from hwsim.simulate import blocks
blocks.prepare = lambda level: None
from hwsim_kernels.codes import decode
from hwsim_kernels.packing import pack
x = np.array([[1.0625]])
print(hwsim.matmul(x, x, "bf16xbf16+bf16:rup").item())
kernels = [k for k in (pack, decode) if k.signatures]
print(sum(sum(k.stats.cache_hits.values()) for k in kernels) > 0)
"""


def run(program: str, kernels: Path, cache: Path, *words: str, **variables: str) -> list[str]:
    """What a program prints with these kernels and this cache."""
    environment = dict(os.environ, NUMBA_CACHE_DIR=str(cache), **variables)
    environment["PYTHONPATH"] = os.pathsep.join([str(kernels), str(PROJECT)])
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    return done.stdout.split()


def copy_kernels(to: Path) -> Path:
    """A copy of the package's sources; the folder that holds it."""
    shutil.copytree(ROOT, to / "hwsim_kernels", ignore=shutil.ignore_patterns("__pycache__"))
    return to


DOUBLED = """

_upward = upward


def upward(s, e, g):
    return _upward(s, e, g) * 2.0
"""


def test_an_edited_callee_gives_new_bits(tmp_path: Path) -> None:
    """A change in an imported helper reaches kernels whose own files did not change."""
    kernels, cache = copy_kernels(tmp_path / "kernels"), tmp_path / "cache"
    assert run(PROGRAM, kernels, cache) == ["1.1328125", "False"]
    assert run(PROGRAM, kernels, cache) == ["1.1328125", "True"]
    callee = kernels / "hwsim_kernels" / "datapath.py"
    text = callee.read_text()
    callee.write_text(text + DOUBLED)
    assert run(PROGRAM, kernels, cache) == ["2.265625", "False"]
    assert run(PROGRAM, kernels, cache) == ["2.265625", "True"]
    callee.write_text(text)
    assert run(PROGRAM, kernels, cache)[0] == "1.1328125"


def test_no_place_for_a_cache(tmp_path: Path) -> None:
    """Where nothing can be cached, kernels are compiled, and give the same bits.

    Files stand where Numba would make folders: that stops even root, whom permissions do not.
    """
    kernels, block = copy_kernels(tmp_path / "kernels"), tmp_path / "file"
    block.touch()
    (kernels / "hwsim_kernels" / "__pycache__").touch()
    answer = run(PROGRAM, kernels, block, HOME=str(block), XDG_CACHE_HOME=str(block))
    assert answer == ["1.1328125", "False"]


def test_a_cache_nobody_can_write(tmp_path: Path) -> None:
    """A read-only package, home and cache, where even root cannot write: the same bits."""
    kernels = copy_kernels(tmp_path / "kernels")
    (kernels / "hwsim_kernels").chmod(0o555)
    assert run(PROGRAM, kernels, Path("/proc/self"), HOME="/proc") == ["1.1328125", "False"]


def test_a_cache_that_was_cut_short(tmp_path: Path) -> None:
    """Broken files are written anew."""
    kernels, cache = copy_kernels(tmp_path / "kernels"), tmp_path / "cache"
    assert run(PROGRAM, kernels, cache) == ["1.1328125", "False"]
    for number, file in enumerate(sorted(cache.rglob("*.nb?"))):
        file.write_bytes(file.read_bytes()[: (0, 1, 100)[number % 3]])
    assert run(PROGRAM, kernels, cache) == ["1.1328125", "False"]
    assert run(PROGRAM, kernels, cache) == ["1.1328125", "True"]


def test_the_hash_covers_every_file() -> None:
    """The stamp is that of the sources here."""
    assert package_hash() == KERNEL_HASH
    assert len(list(ROOT.glob("*.py"))) >= 8


SOURCES = sorted(ROOT.glob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_flags(path: Path) -> None:
    """No unrestricted fast-math anywhere; Numba's decorators in one place; hwsim unknown."""
    text = path.read_text()
    assert not re.search(r"fastmath\s*=\s*True", text)
    assert not re.search(r"^\s*(import hwsim\b|from hwsim\b)", text, re.M)
    if path.name != "_jit.py":
        assert "njit" not in text
        assert "fastmath=" not in text
    assert not re.search(r"parallel\s*=\s*True", text)


def innermost(run: Any) -> str:
    """The assembly of the basic block with most vector registers."""
    blocks = re.split(r"\n(?=\.LBB)", run.inspect_asm(run.signatures[0]))
    return max(blocks, key=lambda block: len(re.findall(r"[xyz]mm\d|v\d+\.[24][sd]", block)))


@pytest.mark.parametrize("level", [paths.NONE, paths.COUNTS])
@pytest.mark.parametrize("limit", [paths.UNBOUNDED, paths.CLAMP])
@pytest.mark.parametrize("width", [32, 64])
def test_hot_loops_stay_in_registers(width: int, limit: int, level: int) -> None:
    """One k of a tile: every accumulator in vectors of any width, nothing stored."""
    assert platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64")
    path = paths.Path(width, paths.INNOCUOUS, paths.NEAREST, limit, level=level)
    a, b = (np.ones(shape, f"f{width // 8}") for shape in ((2, 9), (9, 3)))
    hwsim.matmul(a, b, "e5m2xe5m2+e6m9")  # compiles the family
    blocks.prepare(level)
    run = blocked.run_kernel.__wrapped__(path)
    run._cache = NullCache()  # what a cache gives back has no assembly
    run.compile(blocked.run_kernel(path).signatures[0])
    block = innermost(run)
    vectors = len(re.findall(r"[xyz]mm\d|v\d+\.[24][sd]", block))
    assert vectors >= 3 * multiply.ROWS * tiles.vectors(path)
    stores = re.findall(r"v?mov[au]p[sd]\s+%[xyz]mm\d+, [^%]*\(", block)
    assert len(stores) <= 2


SWEEP = """
import sys
import numpy as np
from numba.core import event
import hwsim
class Listener(event.Listener):
    count = 0
    def on_start(self, e): Listener.count += 1
    def on_end(self, e): pass
event.register("numba:compile", Listener())
rng = np.random.default_rng(0)
a, b = rng.normal(size=(9, 70)), rng.normal(size=(70, 5))
formats = [f"e{e}m{m}" for e in range(3, 9) for m in range(2, 19)]
telemetry = {"none": False, "counts": "counts"}[sys.argv[1]]
for number, name in enumerate(formats):
    hwsim.matmul(a, b, f"e4m3xe4m3+{name}", telemetry=telemetry)
    if number == 0:
        first = Listener.count
print(len(formats), first > 0, Listener.count - first)
"""


@pytest.mark.parametrize("telemetry", ["none", "counts"])
def test_a_sweep_over_formats_compiles_nothing_after_the_first(
    telemetry: str, tmp_path: Path
) -> None:
    """A hundred accumulators; and a second process compiles nothing at all."""
    assert run(SWEEP, ROOT.parent, tmp_path, telemetry) == ["102", "True", "0"]
    if telemetry == "none":
        assert run(SWEEP, ROOT.parent, tmp_path, telemetry) == ["102", "False", "0"]


def cache_file(folder: Path, stamp: str = KERNEL_HASH) -> Any:
    """A kernel's index and data files as this package uses them."""
    files = IndexDataCacheFile(str(folder), "f-1.py3", stamp)
    files.save = _named(files)
    return files


def test_processes_that_save_at_once_do_not_mix(tmp_path: Path) -> None:
    """Both read the index while it is empty: each entry is its own, or has to be made again."""
    one, two = cache_file(tmp_path), cache_file(tmp_path)
    two._load_index = dict  # what it read before the other one wrote
    two.save = _named(two)
    one.save("int32", "code for int32")
    two.save("float64", "code for float64")
    found = cache_file(tmp_path)
    assert found.load("float64") == "code for float64"
    assert found.load("int32") in (None, "code for int32")
    found.save("int32", "code for int32")
    assert [found.load(key) for key in ("int32", "float64")] == [
        "code for int32",
        "code for float64",
    ]


def test_an_index_never_names_an_older_file(tmp_path: Path) -> None:
    """Numba's own order, index first and files counted from 1, would show old code here."""
    IndexDataCacheFile(str(tmp_path), "f-1.py3", "an older stamp").save("int32", "old code")
    files = cache_file(tmp_path)
    seen = []
    write = files._save_data

    def watched(name: str, data: str) -> None:
        seen.append(cache_file(tmp_path).load("int32"))  # another process, at this moment
        write(name, data)

    files._save_data = watched
    files.save = _named(files)
    files.save("int32", "new code")
    assert seen == [None]
    assert cache_file(tmp_path).load("int32") == "new code"
