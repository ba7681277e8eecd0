"""CPU time inside hwsim's compiled kernels, by kind.  Install before hwsim is imported."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

# Kernels that prepare or convert numbers; all others do the units' arithmetic.
CONVERSIONS = {
    *("operands", "codes", "powers", "environment", "round_array", "limit_array"),
    *("pack", "round_powers", "column_norms", "finish"),
}


class KernelClock:
    """Seconds of CPU by kind: ``arithmetic`` (BLAS included), ``conversions``, and ``native``:
    ONNX Runtime on the operators that are no products."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def install(self) -> None:
        """Wrap every kernel that is made from now on, and the machine's matrix product."""
        from hwsim_kernels import _jit

        make = _jit.kernel

        def kernel(function: Any = None, **options: Any) -> Any:
            def decorate(f: Any) -> Any:
                names = {f.__module__.rpartition(".")[2], f.__name__}
                kind = "conversions" if names & CONVERSIONS else "arithmetic"
                return _Timed(make(f, **options), kind, self)

            return decorate if function is None else decorate(function)

        _jit.kernel = kernel
        from hwsim.simulate import exact

        exact.np = _NumPy(self)

    def install_native(self) -> None:
        """Wrap every ONNX Runtime session that hwsim makes."""
        from hwsim.networks.runtime import Session

        run = Session.run

        def timed(session: Session, feeds: Any) -> Any:
            return self.timed("native", run, session, feeds)

        Session.run = timed  # type: ignore[method-assign]

    def timed(self, kind: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call ``function``, adding this thread's CPU time to ``kind``."""
        start = time.thread_time()
        result = function(*args, **options)
        spent = time.thread_time() - start
        with self._lock:
            self.seconds[kind] += spent
        return result


class _Timed:
    """A compiled kernel that is timed when Python calls it."""

    def __init__(self, compiled: Any, kind: str, clock: KernelClock) -> None:
        self._compiled, self._kind, self._clock = compiled, kind, clock

    def __call__(self, *args: Any) -> Any:
        return self._clock.timed(self._kind, self._compiled, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


class _NumPy:
    """NumPy, with ``matmul`` timed: exact sums and integers that cannot overflow are its work."""

    def __init__(self, clock: KernelClock) -> None:
        self._clock = clock

    def matmul(self, *args: Any, **options: Any) -> Any:
        import numpy as np

        return self._clock.timed("arithmetic", np.matmul, *args, **options)

    def __getattr__(self, name: str) -> Any:
        import numpy as np

        return getattr(np, name)
