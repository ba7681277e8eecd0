"""The caller's floating-point environment, threads and processes change nothing."""

from __future__ import annotations

import ctypes
import mmap
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hwsim
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
CALLS: dict[str, Callable[[], Any]] = {
    "round": lambda: hwsim.round(SUBNORMAL, "e11m40"),
    "round, float32": lambda: hwsim.round(np.array([1e-40, 1.1], np.float32), "e8m20"),
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


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("mode", MODES)
def test_a_changed_mode(mode: str, call: str) -> None:
    """A thread that flushes subnormals or rounds up gets HwsimError or the right bits."""
    mask = MODES[mode][platform.machine() in ("aarch64", "arm64")]
    set_mode, get_mode, page = mode_functions()
    wanted = bits(CALLS[call]())
    found: list[Any] = []

    def work() -> None:
        old = get_mode()
        set_mode(old | mask)
        changed = get_mode() & mask
        try:
            result: Any = CALLS[call]()
        except hwsim.HwsimError as error:
            result = error
        finally:
            set_mode(old)
        found.extend([changed, result])

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    changed, result = found
    assert changed
    assert isinstance(result, hwsim.HwsimError) or bits(result) == wanted, result
    assert bits(CALLS[call]()) == wanted  # this thread is as it was
    del page


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
