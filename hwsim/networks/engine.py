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

    def operand(self, values: Array, fmt: Format, scale: float, threads: int | None) -> Array:
        """values / scale, rounded into the format: what a product with the scale None takes."""
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
        # These import numba: only where something is simulated.
        from hwsim.simulate.convolution import Window, conv2d_values
        from hwsim.simulate.matrix import matmul_values
        from hwsim.simulate.options import Options

        options = Options.check(telemetry, threads)
        scales = product.scales
        if product.conv is None:
            answer = matmul_values(product.a, product.b, product.c, unit, options, scales)
        else:
            window = Window(**vars(product.conv))
            answer = conv2d_values(product.a, product.b, product.c, unit, window, options, scales)
        return answer if telemetry else (answer[0], None)

    def operand(self, values: Array, fmt: Format, scale: float, threads: int | None) -> Array:
        """values / scale, rounded into the format."""
        from hwsim.simulate.operands import to_operand
        from hwsim.simulate.options import Options

        return to_operand("operand", values, fmt, Options.check(False, threads), scale)

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
