"""The readings of a MAC unit that a network needs, behind one door.

`default_engine` is hwsim's own; tests put another one in its place.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from hwsim.formats import Format
from hwsim.networks.products import Product, scaled
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit, Rescaling, Telemetry

TelemetryMode = bool | str


class Engine(Protocol):
    """Simulation, reference and encoding."""

    def product(
        self, product: Product, unit: MacUnit, telemetry: TelemetryMode, threads: int | None
    ) -> tuple[Array, Telemetry | None]:
        """The unit's results for a whole product, as `hwsim.matmul` gives them (or carried)."""
        ...

    def operand(self, values: Array, fmt: Format, scale: float, threads: int | None) -> Array:
        """values / scale, rounded into the format: what a product with the scale None takes."""
        ...

    def dot(
        self, a: Array, b: Array, unit: MacUnit, c: Any = None, place: tuple[int, int] = (0, 0)
    ) -> Any:
        """One result, by the reference: a, b of shape (K,), c a number; ``place``: the seed of its
        sample and its number there, where the unit draws random bits."""
        ...

    def requantize(
        self, sums: Array, unit: MacUnit, factor: Rescaling, by_reference: bool = False
    ) -> tuple[Array, int]:
        """Sums as the unit's requantization gives them, and how many were clamped."""
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
        # These import numba: only where something is simulated.
        from hwsim.simulate.convolution import Window, conv2d_values
        from hwsim.simulate.matrix import matmul_values
        from hwsim.simulate.options import Options
        from hwsim.simulate.streams import Stream

        stream = Stream(product.seeds or (0,), product.conv is not None and not product.stacked)
        options = Options.check(telemetry, threads)._replace(carried=product.carried, stream=stream)
        a, a_scale = _in_codes(product.a, product.scales[0], unit.a)
        b, b_scale = _in_codes(product.b, product.scales[1], unit.b)
        c = None if product.c is None else _carried(product.c, unit.outer_format)
        if product.conv is None:
            answer = matmul_values(a, b, c, unit, options, (a_scale, b_scale))
        else:
            window = Window(**vars(product.conv))
            answer = conv2d_values(a, b, c, unit, window, options, (a_scale, b_scale))
        return answer if telemetry else (answer[0], None)

    def operand(self, values: Array, fmt: Format, scale: float, threads: int | None) -> Array:
        """values / scale, rounded into the format."""
        from hwsim.simulate.operands import to_operand
        from hwsim.simulate.options import Options

        if fmt.carried_as_codes:
            return np.asarray(_carried(scaled(values, scale), fmt))
        return to_operand("operand", values, fmt, Options.check(False, threads), scale)

    def dot(
        self, a: Array, b: Array, unit: MacUnit, c: Any = None, place: tuple[int, int] = (0, 0)
    ) -> Any:
        """One result, by the reference."""
        from hwsim import reference

        a, b = _carried(a, unit.a), _carried(b, unit.b)
        c = None if c is None else _carried(c, unit.outer_format)
        seed, output = place
        return np.asarray(reference.dot(a, b, unit, c, seed=seed, output=output))[()]

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

        if fmt.carried_as_codes and values.dtype.kind in "iu":  # a unit's results
            return values.astype(np.uint64) & np.uint64((1 << fmt.width) - 1)
        codes: Array = simulate.encode(values, fmt, overflow="saturate")
        return codes


def _in_codes(values: Array, scale: float | None, fmt: Format) -> tuple[Array, float | None]:
    """An operand and its scale; its codes, which need none, where arrays hold those."""
    if scale is None or not fmt.carried_as_codes:
        return values, scale
    return _carried(scaled(values, scale), fmt), None


def _carried(values: Any, fmt: Format) -> Any:
    """Values as `hwsim.matmul` takes them: codes of what float64 does not hold."""
    from hwsim import simulate

    return simulate.round(values, fmt, overflow="saturate") if fmt.carried_as_codes else values


default_engine: Engine = HwsimEngine()
