"""The only place that knows Numba's decorators, and what makes a cached kernel stale.

Numba's own cache does not see edits in imported modules: a caller would go on returning the old
bits.  So every cached kernel carries the hash of this whole package as its source stamp.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import types
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic


def package_hash() -> str:
    """SHA-256 over every source file of this package, 16 hex digits.

    Numba's own version needs no place in it: Numba's index of cached kernels holds that.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


KERNEL_HASH = package_hash()


def helper(function: Callable[..., Any]) -> Any:
    """A scalar function that kernels inline; never called from Python."""
    return numba.njit(function, nogil=True, error_model="numpy")


def inlined(function: Callable[..., Any]) -> Any:
    """A `helper` that is always inlined: one that returns a tuple, which calls pass by memory."""
    return numba.njit(function, nogil=True, error_model="numpy", forceinline=True)


def kernel(function: Callable[..., Any]) -> Any:
    """A compiled, cached, GIL-free function over arrays."""
    compiled = numba.njit(function, nogil=True, error_model="numpy")
    _enable_cache(compiled)
    return compiled


def called(function: Callable[..., Any], signature: str) -> int:
    """The address of a compiled, cached function that kernels call by it; it stays for good."""
    options = {"nopython": True, "error_model": "numpy"}
    compiled = CFunc(function, normalize_signature(signature), locals={}, options=options)
    _enable_cache(compiled)
    compiled.compile()
    CALLED[compiled.address] = compiled
    return int(compiled.address)


CALLED: dict[int, Any] = {}  # what holds their code


def was_compiled(address: int) -> bool:
    """Whether this process compiled such a function, which no cache had."""
    return address in CALLED and not CALLED[address]._cache_hits


def _enable_cache(compiled: Any) -> None:
    """Cache on disk, stamped by the package's hash; stay uncached where Numba has no stamp."""
    try:
        compiled.enable_caching()
        files = compiled._cache._cache_file
        assert files._source_stamp is not None
        files._source_stamp = KERNEL_HASH
        files.load = _careful(files.load, files.flush)
        files.save = _named(files)
    except (AttributeError, RuntimeError, AssertionError):
        # Another Numba (no such attribute), or no writable place: compile in every process.
        compiled._cache = numba.core.caching.NullCache()


def _careful(load: Callable[[Any], Any], flush: Callable[[], None]) -> Callable[[Any], Any]:
    """``load``, for cached files that something cut short: they are written anew."""

    def load_or_forget(key: Any) -> Any:
        try:
            return load(key)
        except Exception:  # whatever unpickling meets
            flush()
            return None

    return load_or_forget


def _named(files: Any) -> Callable[[Any, Any], None]:
    """``save`` under a name of the entry's own, the data before the index.

    Numba counts files up from 1: two processes that compile different signatures give both the
    same name, and for a moment a fresh index names an old version's file.  Whoever reads then
    runs other code than it asked for.
    """
    base = files._data_name_pattern.partition("{")[0]
    read, write, write_data = files._load_index, files._save_index, files._save_data

    def save(key: Any, data: Any) -> None:
        digest = hashlib.sha256(KERNEL_HASH.encode() + files._dump(key)).hexdigest()[:16]
        name = f"{base}{digest}.nbc"
        write_data(name, data)
        write({**read(), key: name})

    return save


@intrinsic
def leading_zeros(typingctx, x):  # type: ignore[no-untyped-def]
    """Leading zero bits of a uint64 (llvm.ctlz), 64 for 0, as int64."""
    if x != types.uint64:
        return None

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.ctlz(args[0], context.get_constant(types.boolean, 0))

    return types.int64(types.uint64), codegen


@intrinsic
def fma64(typing_context, x, y, z):  # type: ignore[no-untyped-def]
    """x·y + z of float64, rounded once (llvm.fma)."""
    if not x == y == z == types.float64:
        return None

    def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
        return builder.fma(*values)

    return types.float64(x, y, z), codegen
