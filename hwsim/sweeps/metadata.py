"""What a result rests on: versions, processor, seed, and digests of model and data."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import hwsim

SCHEMA = 1  # raised when a column or key changes its meaning or goes
LIBRARIES = ("numpy", "numba", "llvmlite", "onnx", "onnxruntime", "ml_dtypes")


def describe_run(tasks: Mapping[str, Mapping[str, Any]], seed: int, node: str) -> dict[str, Any]:
    """The metadata of results.json."""
    from hwsim_kernels._jit import KERNEL_HASH

    program = [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv[0] else ["python"]
    return {
        "schema": SCHEMA,
        "command": shlex.join(program),
        "hwsim": hwsim.__version__,
        "kernel_hash": KERNEL_HASH,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "cpu": _processor(),
        "seed": seed,
        "node": node,
        "tasks": {name: dict(source) for name, source in tasks.items()},
    }


def sha256_of(source: Any) -> str:
    """Digest of a file, of bytes, or of a mapping of arrays (names, dtypes, shapes, values)."""
    digest = hashlib.sha256()
    if isinstance(source, (str, os.PathLike)):
        digest.update(Path(source).read_bytes())
    elif isinstance(source, bytes):
        digest.update(source)
    elif isinstance(source, Mapping):
        for name in sorted(source):
            _update(digest, name, np.asarray(source[name]))
    else:
        _update(digest, "", np.asarray(source))
    return digest.hexdigest()


def _update(digest: Any, name: str, array: np.ndarray[Any, Any]) -> None:
    digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
