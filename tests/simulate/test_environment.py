"""The caller's floating-point environment, threads and processes change nothing."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import hwsim_kernels
import numpy as np
import numpy.typing as npt
import pytest

import hwsim
from hwsim.networks import Data, Network, shipped
from hwsim.simulate import environment, scheduler
from tests.simulate.comparison import bits

Array = npt.NDArray[Any]
SPECS = (
    "e5m2xe5m2+e6m9",
    "bf16xbf16+bf16:rup:chunk16",
    "fp32xfp32+fp32",
    "int8xint8+int17:saturate",
    "e4m3xe4m3+fp32:exact",
)
ROUND_UP, FLUSH, ZERO = 0x4000, 0x8000, 0x0040  # MXCSR: RC = toward +Inf, FTZ, DAZ
FZ, RUP = 1 << 24, 1 << 22  # FPCR of arm64
CODE = {  # void set(uint32), and uint32 get(): the smallest functions there are
    "x86_64": ("89 7c 24 fc 0f ae 54 24 fc c3", "0f ae 5c 24 fc 8b 44 24 fc c3"),
    "aarch64": ("00 44 1b d5 c0 03 5f d6", "00 44 3b d5 c0 03 5f d6"),
}
CODE["AMD64"], CODE["arm64"] = CODE["x86_64"], CODE["aarch64"]


def product(spec: str) -> str:
    """The bits of one product that is large enough for several threads."""
    generator = np.random.default_rng(20251)
    scale = 30 if spec.startswith("int") else 1
    a, b = generator.normal(size=(60, 90)) * scale, generator.normal(size=(90, 70)) * scale
    values = hwsim.matmul(a, b, spec)
    assert isinstance(values, np.ndarray)
    return bits(values)[2]


def mode_functions() -> tuple[Callable[[int], None], Callable[[], int], Any]:
    """Write and read this thread's floating-point control register, in machine code."""
    setter, getter = (bytes.fromhex(text) for text in CODE[platform.machine()])
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(setter.ljust(64, b"\0") + getter)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    set_mode = ctypes.CFUNCTYPE(None, ctypes.c_uint32)(address)
    get_mode = ctypes.CFUNCTYPE(ctypes.c_uint32)(address + 64)
    return set_mode, get_mode, page


SUBNORMAL = np.array([3e-310, -(2.0**-1060), 1.1, 0.3, -1.7])
NARROW = np.array([1e-40, 1.1], np.float32)
CALLS: dict[str, Callable[[], Any]] = {
    "round": lambda: hwsim.round(SUBNORMAL, "e11m40"),
    "round, float32": lambda: hwsim.round(NARROW, "e8m20"),
    "encode": lambda: hwsim.encode(SUBNORMAL, "bf16"),
    "decode": lambda: hwsim.decode(np.array([1, 0x8003, 0x3F81]), "bf16"),
    "matmul": lambda: hwsim.matmul([[1.1, 1e-40]], [[1.0], [1.0]], "bf16xbf16+e6m9", threads=1),
    "matmul in threads": lambda: hwsim.matmul(
        *(np.full((90, 90), 1.1), np.full((90, 90), 1e-40), "bf16xbf16+fp32"), threads=2
    ),
    "matmul of integers": lambda: hwsim.matmul([[2.3]], [[1.2]], "int8xint8+int16"),
    "matmul, exact": lambda: hwsim.matmul([[1.1]], [[1e-40]], "bf16xbf16+fp32:exact"),
    "matmul of c": lambda: hwsim.matmul([[0.0]], [[0.0]], "bf16xbf16+fp32", c=1e-40),
    "conv2d": lambda: hwsim.conv2d([[[[1.1]]]], [[[[1e-40]]]], "bf16xbf16+fp32"),
}
MODES = {"ftz": (FLUSH, FZ), "daz": (ZERO, FZ), "toward +Inf": (ROUND_UP, RUP)}


def changed_mode(mode: str, call: Callable[[], Any]) -> tuple[int, Any, int]:
    """In a thread of its own: the mode, what the call gives in it, and the mode afterwards."""
    mask = MODES[mode][platform.machine() in ("aarch64", "arm64")]
    set_mode, get_mode, page = mode_functions()
    found: list[Any] = []

    def work() -> None:
        old = get_mode()
        set_mode(old | mask)
        changed = get_mode() & mask
        try:
            result: Any = call()
        except hwsim.HwsimError as error:
            result = error
        found.extend([changed, result, get_mode() & mask])
        set_mode(old)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    del page
    changed, result, after = found
    return changed, result, after


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("mode", MODES)
def test_a_changed_mode(mode: str, call: str) -> None:
    """A thread that flushes subnormals or rounds up gets the right bits, and keeps its mode."""
    wanted = bits(CALLS[call]())
    changed, result, after = changed_mode(mode, CALLS[call])
    assert changed
    assert not isinstance(result, Exception), result
    assert bits(result) == wanted
    assert after == changed
    assert bits(CALLS[call]()) == wanted  # this thread is as it was


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_that_cannot_be_changed_back(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without C's fesetenv the call is refused."""
    monkeypatch.setattr(environment, "_library", lambda: None)
    changed, result, after = changed_mode(mode, CALLS["matmul in threads"])
    assert isinstance(result, hwsim.HwsimError)
    assert "floating-point mode" in str(result)
    assert after == changed


@pytest.mark.parametrize("mode", MODES)
def test_networks_in_a_changed_mode(mode: str) -> None:
    """ONNX Runtime and the scaling around the units too."""
    files = shipped("digits-cnn")

    images = Network.load(files.model).data(files.evaluation).inputs["image"]
    few = Data({"image": images[:3] * np.float32(1e-39)})

    def run() -> Any:
        network = Network.load(files.model)
        outputs = network.run(few, "bf16xbf16+fp32", scale="none").outputs["logits"]
        return np.concatenate([outputs, network.baseline(few)["logits"]])

    wanted = bits(run())
    assert bits(changed_mode(mode, run)[1]) == wanted


def test_threads_of_a_changed_thread() -> None:
    """A pool that a flushing thread started serves other threads as well."""
    scheduler._pool.cache_clear()
    call = CALLS["matmul in threads"]
    assert bits(changed_mode("ftz", call)[1]) == bits(call())
    scheduler._pool.cache_clear()


def test_four_threads_at_once() -> None:
    """Four Python threads that call at once get the bits of one."""
    wanted = [product(spec) for spec in SPECS]
    barrier = threading.Barrier(4)

    def work(first: int) -> list[str]:
        barrier.wait()
        turned = [*SPECS[first:], *SPECS[:first]]
        found = dict(zip(turned, map(product, turned), strict=True))
        return [found[spec] for spec in SPECS]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [wanted] * 4


def test_spawned_processes() -> None:
    """Spawned workers get the parent's bits."""
    wanted = [product(spec) for spec in SPECS]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(product, SPECS)) == wanted


FORK = """
import os, numpy as np, hwsim
a, b = np.full((90, 90), 1.1), np.full((90, 90), 0.3)
wanted = hwsim.matmul(a, b, "e5m2xe5m2+e6m9", threads=2).tobytes()
child = os.fork()
same = hwsim.matmul(a, b, "e5m2xe5m2+e6m9", threads=2).tobytes() == wanted
if child == 0:
    os._exit(0 if same else 7)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork in this system")
def test_a_forked_child() -> None:
    """Threads do not survive a fork: the child starts its own."""
    paths = [str(Path(hwsim.__file__).parents[1]), str(Path(hwsim_kernels.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["True", "0"], done.stderr
