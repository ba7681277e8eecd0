"""An engine that rounds nothing: float64 sums, for tests of everything around the unit.

It works patch by patch and shares no code with hwsim's lowering or kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.formats import Format
from hwsim.networks.products import Product
from hwsim.units import MacUnit, Telemetry


class ExactEngine:
    """Counts products and additions; ``wrong`` spoils one result of every product."""

    def __init__(self, wrong: bool = False) -> None:
        self.wrong = wrong
        self.products: list[Product] = []

    def product(
        self, product: Product, unit: MacUnit, telemetry: Any, threads: Any
    ) -> tuple[Any, Telemetry | None]:
        self.products.append(product)
        a, b = (
            x.astype(np.float64) / (scale or 1.0)
            for x, scale in zip((product.a, product.b), product.scales, strict=True)
        )
        result = (a @ b if product.conv is None else _conv(a, b, product.conv)).astype(np.float32)
        if self.wrong:
            result[...] = np.nextafter(result, np.float32(np.inf))
        return result, Telemetry(outputs=result.size, products=product.macs) if telemetry else None

    def operand(self, values: Any, fmt: Format, scale: float, threads: Any) -> Any:
        return values.astype(np.float64) / scale

    def dot(self, a: Any, b: Any, unit: MacUnit, c: Any = None) -> Any:
        start = 0.0 if c is None else np.float64(c)
        return np.float32(start + np.dot(a.astype(np.float64), b.astype(np.float64)))

    def encode(self, values: Any, fmt: Format) -> Any:
        return np.rint(values).astype(np.int64).astype(np.uint8)


def _conv(x: Any, w: Any, geometry: Any) -> Any:
    (sh, sw), (dh, dw), groups = geometry.stride, geometry.dilation, geometry.groups
    x = np.pad(x, ((0, 0), (0, 0), *geometry.padding))
    filters, channels, kh, kw = w.shape
    oh = (x.shape[2] - (kh - 1) * dh - 1) // sh + 1
    ow = (x.shape[3] - (kw - 1) * dw - 1) // sw + 1
    y = np.zeros((len(x), filters, oh, ow))
    for o in range(filters):
        group = o // (filters // groups)
        part = x[:, group * channels : (group + 1) * channels]
        for i in range(kh):
            for j in range(kw):
                window = part[:, :, i * dh :, j * dw :][:, :, ::sh, ::sw][:, :, :oh, :ow]
                y[:, o] += (window * w[o, :, i, j][None, :, None, None]).sum(axis=1)
    return y
