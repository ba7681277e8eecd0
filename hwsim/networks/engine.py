"""The readings of a MAC unit that a network needs, behind one door.

`default_engine` is hwsim's own; tests put another one in its place.
"""

from __future__ import annotations

from typing import Any, Protocol

from hwsim.formats import Format
from hwsim.networks.products import Product
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit, Rescaling, Telemetry

TelemetryMode = bool | str


class Engine(Protocol):
    """Simulation, reference and encoding."""

    def product(
        self, product: Product, unit: MacUnit, telemetry: TelemetryMode, threads: int | None
    ) -> tuple[Array, Telemetry | None]:
        """The unit's results for a whole product."""
        ...

    def dot(self, a: Array, b: Array, unit: MacUnit, c: Any = None) -> Any:
        """One result, by the reference: a, b of shape (K,), c a number."""
        ...

    def requantize(
        self, sums: Array, unit: MacUnit, factor: Rescaling, by_reference: bool = False
    ) -> tuple[Array, int]:
        """Sums as the unit's requantization gives them, and how many were clamped."""
        ...

    def encode(self, values: Array, fmt: Format) -> Array:
        """Codes of values, rounded as operands are (rne, saturating)."""
        ...


class HwsimEngine:
    """`hwsim.simulate` and `hwsim.reference`."""

    def product(
        self, product: Product, unit: MacUnit, telemetry: TelemetryMode, threads: int | None
    ) -> tuple[Array, Telemetry | None]:
        """The unit's results for a whole product."""
        from hwsim import simulate  # imports numba: only where something is simulated

        options: dict[str, Any] = {"telemetry": telemetry, "threads": threads, "c": product.c}
        if product.conv is None:
            answer = simulate.matmul(product.a, product.b, unit, **options)
        else:
            answer = simulate.conv2d(
                product.a,
                product.b,
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

        return reference.matmul(a[None, :], b[:, None], unit, c=c)[0, 0]

    def requantize(
        self, sums: Array, unit: MacUnit, factor: Rescaling, by_reference: bool = False
    ) -> tuple[Array, int]:
        """Sums as the unit's requantization gives them, and how many were clamped."""
        from hwsim.reference.requantization import requantized as reference
        from hwsim.simulate.requantization import requantized

        return (reference if by_reference else requantized)(sums, unit, factor)

    def encode(self, values: Array, fmt: Format) -> Array:
        """Codes of values, rounded as operands are (rne, saturating)."""
        from hwsim import simulate

        codes: Array = simulate.encode(values, fmt, overflow="saturate")
        return codes


default_engine: Engine = HwsimEngine()
