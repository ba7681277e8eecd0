"""The readings of a MAC unit that a network needs, behind one door.

`default_engine` is hwsim's own; tests put another one in its place.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from hwsim.formats import Format
from hwsim.networks.products import Product
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit, Telemetry

TelemetryMode = bool | str


class Engine(Protocol):
    """Simulation, reference and encoding."""

    def product(
        self, product: Product, unit: MacUnit, telemetry: TelemetryMode, threads: int | None
    ) -> tuple[Array, Telemetry | None]:
        """The unit's results for a whole product, as `hwsim.matmul` gives them."""
        ...

    def dot(self, a: Array, b: Array, unit: MacUnit, c: Any = None) -> Any:
        """One result, by the reference: a, b of shape (K,), c a number."""
        ...

    def encode(self, values: Array, fmt: Format) -> Array:
        """Codes of values, rounded as operands are (rne, saturating), or of a unit's results."""
        ...


class HwsimEngine:
    """`hwsim.simulate` and `hwsim.reference`."""

    def product(
        self, product: Product, unit: MacUnit, telemetry: TelemetryMode, threads: int | None
    ) -> tuple[Array, Telemetry | None]:
        """The unit's results for a whole product."""
        from hwsim import simulate  # imports numba: only where something is simulated

        a, b = _carried(product.a, unit.a), _carried(product.b, unit.b)
        c = None if product.c is None else _carried(product.c, unit.outer_format)
        options: dict[str, Any] = {"telemetry": telemetry, "threads": threads, "c": c}
        if product.conv is None:
            answer = simulate.matmul(a, b, unit, **options)
        else:
            answer = simulate.conv2d(
                a,
                b,
                unit,
                stride=product.conv.stride,
                padding=product.conv.padding,
                dilation=product.conv.dilation,
                groups=product.conv.groups,
                **options,
            )
        return answer if telemetry else (answer, None)

    def dot(self, a: Array, b: Array, unit: MacUnit, c: Any = None) -> Any:
        """One result, by the reference."""
        from hwsim import reference

        a, b = _carried(a, unit.a), _carried(b, unit.b)
        c = None if c is None else _carried(c, unit.outer_format)
        return reference.matmul(a[None, :], b[:, None], unit, c=c)[0, 0]

    def encode(self, values: Array, fmt: Format) -> Array:
        """Codes of values, rounded as operands are (rne, saturating)."""
        from hwsim import simulate

        if fmt.carried_as_codes and values.dtype.kind in "iu":  # a unit's results
            return values.astype(np.uint64) & np.uint64((1 << fmt.width) - 1)
        codes: Array = simulate.encode(values, fmt, overflow="saturate")
        return codes


def _carried(values: Any, fmt: Format) -> Any:
    """Values as `hwsim.matmul` takes them: codes of what float64 does not hold."""
    from hwsim import simulate

    return simulate.round(values, fmt, overflow="saturate") if fmt.carried_as_codes else values


default_engine: Engine = HwsimEngine()
