"""The kernels as compiled things: caches that go stale, flags, vectors, and how many there are."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hwsim_kernels
import numpy as np
import pytest
from hwsim_kernels import float32, float64
from hwsim_kernels._jit import KERNEL_HASH, package_hash

import hwsim

ROOT = Path(hwsim_kernels.__file__).parent
PROJECT = Path(hwsim.__file__).parent.parent

PROGRAM = """
import numpy as np
import hwsim
from hwsim_kernels.codes import decode
from hwsim_kernels.operands import quantize
x = np.array([[1.0625]])
print(hwsim.matmul(x, x, "bf16xbf16+bf16:rup").item())
kernels = [k for k in (quantize, decode) if k.signatures]
print(sum(sum(k.stats.cache_hits.values()) for k in kernels) > 0)
"""


def run(program: str, kernels: Path, cache: Path, **variables: str) -> list[str]:
    """What a program prints with these kernels and this cache."""
    environment = dict(os.environ, NUMBA_CACHE_DIR=str(cache), **variables)
    environment["PYTHONPATH"] = os.pathsep.join([str(kernels), str(PROJECT)])
    done = subprocess.run(
        [sys.executable, "-c", program],
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

_limit = limit


@helper
def limit(*args):
    return 2.0 * _limit(*args)
"""


def test_an_edited_callee_gives_new_bits(tmp_path: Path) -> None:
    """A change in an imported helper reaches kernels whose own files did not change."""
    kernels, cache = copy_kernels(tmp_path / "kernels"), tmp_path / "cache"
    assert run(PROGRAM, kernels, cache) == ["1.1328125", "False"]
    assert run(PROGRAM, kernels, cache) == ["1.1328125", "True"]
    callee = kernels / "hwsim_kernels" / "rounding64.py"
    text = callee.read_text()
    callee.write_text(text + DOUBLED)  # operands are doubled too: 2·R(2.125²)
    assert run(PROGRAM, kernels, cache) == ["9.0625", "False"]
    assert run(PROGRAM, kernels, cache) == ["9.0625", "True"]
    callee.write_text(text)
    assert run(PROGRAM, kernels, cache)[0] == "1.1328125"


def test_no_place_for_a_cache(tmp_path: Path) -> None:
    """Where nothing can be cached, kernels are compiled each time, and give the same bits.

    Files stand where Numba would make folders: that stops even root, whom permissions do not.
    """
    kernels, block = copy_kernels(tmp_path / "kernels"), tmp_path / "file"
    block.touch()
    (kernels / "hwsim_kernels" / "__pycache__").touch()
    for _ in range(2):
        answer = run(PROGRAM, kernels, block, HOME=str(block), XDG_CACHE_HOME=str(block))
        assert answer == ["1.1328125", "False"]


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


WORK = """
import numpy as np
from hwsim_kernels import float32
from hwsim.simulate.grids import grid32
import hwsim
grid = grid32(hwsim.format("e6m9"), "saturate")
a, b, tile = (np.ones(s, np.float32) for s in ((4, 8), (8, 512), (4, 512)))
for variant in (float32.BARE, float32.CLAMP):
    run = float32.mac_kernel(variant)
    run(a, b, tile, grid)
    print(max(run.inspect_asm(run.signatures[0]).count(r) for r in ("zmm", "ymm", "v0.4s")))
"""


def test_hot_loops_are_vectors(tmp_path: Path) -> None:
    """The float32 loops are compiled to vector instructions, of any width the machine has."""
    assert platform.machine() in ("x86_64", "AMD64", "aarch64", "arm64")
    bare, clamp = map(int, run(WORK, ROOT.parent, tmp_path))
    assert bare >= 20
    assert clamp >= 20


def compiled() -> int:
    """Machine-code versions of the sum kernels in this process."""
    kernels = [float32.mac_kernel(variant) for variant in range(3)]
    kernels += [float32.counting_kernel(variant) for variant in range(2)]
    kernels += [float64.mac_kernel(s, mode, False, False, 0) for s in range(3) for mode in range(3)]
    return sum(len(kernel.signatures) for kernel in kernels)


def test_a_sweep_over_formats_compiles_nothing_more() -> None:
    """Twenty accumulators, one compiled kernel: formats are arguments."""
    x = np.full((3, 5), 0.75)
    names = [f"e{e}m{m}" for e in (4, 5, 6, 7) for m in (5, 6, 7, 8, 9)]
    for rounding in ("rne", "rtz"):
        for rule in ("saturate", "inf"):
            specs = [f"e3m2xe3m2+{name}:{rounding}:{rule}" for name in names]
            hwsim.matmul(x, x.T, specs[0])
            hwsim.matmul(x, x.T, specs[-1])
            before = compiled()
            for spec in specs:
                hwsim.matmul(x, x.T, spec)
            assert len(set(map(str, map(hwsim.mac, specs)))) == 20
            assert compiled() == before > 0
