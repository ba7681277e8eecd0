"""One thread, everywhere: the environment in which every benchmark of this folder runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLEAN = {
    "APYTYPES_THREAD_COUNT": "1",
    "DASK_SCHEDULER": "synchronous",
    "HWSIM_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
# Unset, so that OpenBLAS itself picks its kernels for this processor.
OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def enter() -> None:
    """Restart this process in the clean environment if it is in another, and find the checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in OVERRIDES}
    if kept | CLEAN != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], kept | CLEAN)
    sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
