"""Recompute random outputs of a layer by the reference: the same operands, the same bits."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from hwsim.networks.engine import Engine
from hwsim.networks.errors import VerificationError
from hwsim.networks.products import Product, scaled
from hwsim.networks.runtime import Array
from hwsim.units import MacUnit, Rescaling

WHOLE = 1 << 53


def draw(seed: int, layer: str, count: int) -> list[int]:
    """``count`` positions within a layer's results, as fractions of `WHOLE`.

    They depend on the seed and the layer's name alone, so the same outputs are checked however
    the samples are batched.  NumPy's global generator is not touched.
    """
    generator = np.random.default_rng([seed, zlib.crc32(layer.encode())])
    return sorted(int(value) for value in generator.integers(WHOLE, size=count))


def local_positions(
    positions: list[int], start: int, stop: int, total: int, size: int
) -> list[int]:
    """Flat indices of the drawn outputs among the ``size`` ones of samples start … stop − 1."""
    low, high = start * WHOLE, stop * WHOLE
    inside = [p * total for p in positions if low <= p * total < high]
    return [(p - low) * size // (high - low) for p in inside] if size else []


def verify(
    layer: str, product: Product, result: Array, unit: MacUnit, flat: list[int], engine: Engine
) -> int:
    """Compare the results at the lane-major positions ``flat``; the number compared.

    Raises VerificationError on the first one whose bits differ.
    """
    for position in flat:
        index = index_of(product, result.shape, position)
        a, b = operands_of(product, result.shape, index)
        c = None if product.c is None else np.broadcast_to(product.c, result.shape)[index]
        place = [_place(product, position, result.size)] if product.seeds else []
        expected = result.dtype.type(engine.dot(a, b, unit, c, *place))
        found = result[index]
        if not _same_bits(found, expected):
            raise VerificationError(layer, str(unit), index, [_show(found), _show(expected)])
    return len(flat)


def _place(product: Product, position: int, size: int) -> tuple[int, int]:
    """The seed of an output's sample, and its number there."""
    lane, number = divmod(position, size // product.lanes)
    return product.seeds[lane], number


def verify_requantized(
    layer: str,
    sums_and_codes: tuple[Array, Array],
    unit: MacUnit,
    factor: Rescaling,
    flat: list[int],
    engine: Engine,
) -> None:
    """Compare requantized results at the positions ``flat`` with the reference's."""
    sums, codes = sums_and_codes
    names = ("multiplier", "shift", "zero_point", "low", "high")
    fields = [np.broadcast_to(getattr(factor, name), sums.shape).reshape(-1) for name in names]
    for position in flat:
        single = Rescaling(*(x[position] for x in fields))
        at = sums.reshape(-1)[position : position + 1]
        expected, found = engine.requantize(at, unit, single, True)[0][0], codes.flat[position]
        if found != expected:
            index = tuple(int(i) for i in np.unravel_index(position, sums.shape))
            raise VerificationError(layer, str(unit), index, [str(found), str(expected)])


def index_of(product: Product, shape: tuple[int, ...], position: int) -> tuple[int, ...]:
    """Index into the unit's result of a position that counts lane by lane."""
    index = tuple(int(i) for i in np.unravel_index(position, shape))
    if product.conv is None or product.lanes == 1 or shape[0] != product.shape[0]:
        return index
    lane, rest = divmod(position, int(np.prod(product.shape)))
    sample, channel, *pixel = np.unravel_index(rest, (*product.shape[:2], *shape[2:]))
    return (int(sample), lane * product.shape[1] + int(channel), *map(int, pixel))


def operands_of(
    product: Product, shape: tuple[int, ...], index: tuple[int, ...]
) -> tuple[Array, Array]:
    """The K operands on each side that make the result at ``index`` of an array of ``shape``."""
    if product.conv is not None:
        a, b = _patch(product, index), product.b[index[1]].ravel()
    else:
        batch, m, n = index[:-2], index[-2], index[-1]
        a = np.broadcast_to(product.a, (*shape[:-2], *product.a.shape[-2:]))[batch][m]
        b = np.broadcast_to(product.b, (*shape[:-2], *product.b.shape[-2:]))[batch][:, n]
    return scaled(a, product.scales[0]), scaled(b, product.scales[1])


def _patch(product: Product, index: tuple[int, ...]) -> Array:
    """The (c_in/groups, kh, kw) window of a convolution's output, flat; padding is zero."""
    geometry = product.conv
    assert geometry is not None
    image, channel, *corner = index
    filters, channels, *kernel = product.b.shape
    group = channel // (filters // geometry.groups)
    window = np.zeros((channels, *kernel), product.a.dtype)
    source = product.a[image, group * channels : (group + 1) * channels]
    for i, j in np.ndindex(*kernel):
        y = corner[0] * geometry.stride[0] - geometry.padding[0][0] + i * geometry.dilation[0]
        x = corner[1] * geometry.stride[1] - geometry.padding[1][0] + j * geometry.dilation[1]
        if 0 <= y < source.shape[1] and 0 <= x < source.shape[2]:
            window[:, i, j] = source[:, y, x]
    return window.ravel()


def _same_bits(a: Any, b: Any) -> bool:
    return bool(a.tobytes() == b.tobytes() or (a != a and b != b))


def _show(value: Any) -> str:
    """The number and its bits."""
    bits = int.from_bytes(value.tobytes(), "little")
    return f"{value!s} (bits 0x{bits:0{2 * value.nbytes}x})"
