"""Where a product's operands lie: matrices, or the windows of a convolution; both as rows of codes
(everything, piece by piece) and as tiles of values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.networks.products import Product, scaled
from hwsim.networks.windows import output_size
from hwsim.switching.counting import operand
from hwsim.switching.sampling import Sample
from hwsim.units import MacUnit

Array = npt.NDArray[Any]
PIECE = 1 << 22  # words at a time


@dataclass(frozen=True)
class Source(ABC):
    """``items`` products (M, K) × (K, N) of one layer."""

    product: Product
    unit: MacUnit

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, int, int, int]:
        """Items, M, K, N."""

    @abstractmethod
    def left(self, item: int) -> Iterator[Array]:
        """Values of a, (rows, K) at a time."""

    @abstractmethod
    def right(self, item: int) -> Array:
        """Values of b, columns (N, K)."""

    @abstractmethod
    def left_rows(self, item: int, start: int, count: int) -> Array:
        """Values of a few rows of a."""

    @abstractmethod
    def start(self, item: int, rows: slice, columns: slice) -> Array:
        """What starts a few sums; of a product that has it."""

    def rows(self, item: int) -> Iterator[Array]:
        """Codes of a, (rows, K) at a time."""
        for values in self.left(item):
            yield operand(values, self.unit.a, self.unit.a_block, -1).codes

    def columns(self, item: int) -> Iterator[Array]:
        """Codes of b, (N, K) at once."""
        yield operand(self.right(item), self.unit.b, self.unit.b_block, -1).codes

    def tiles(self, sample: Sample) -> tuple[Array, Array, Array | None]:
        """Values of a (tiles, rows, K), b (tiles, K, columns) and c (tiles, rows, columns)."""
        a, b, c = [], [], []
        for item, row, column in sample.places:
            a.append(self.left_rows(item, row, sample.rows))
            columns = slice(column, column + sample.columns)
            b.append(self.right(item)[columns].T)
            if self.product.c is not None:
                c.append(self.start(item, slice(row, row + sample.rows), columns))
        return np.stack(a), np.stack(b), np.stack(c) if c else None


class Matrices(Source):
    """`hwsim.matmul`: a (…, M, K), b (…, K, N)."""

    @property
    def _batch(self) -> tuple[int, ...]:
        return np.broadcast_shapes(self.product.a.shape[:-2], self.product.b.shape[:-2])

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        (m, k), n = self.product.a.shape[-2:], self.product.b.shape[-1]
        return math.prod(self._batch), m, k, n

    def _item(self, x: Array, item: int) -> Array:
        whole = np.broadcast_to(x, (*self._batch, *x.shape[-2:]))
        part: Array = whole[np.unravel_index(item, self._batch)] if self._batch else whole
        return part

    def left(self, item: int) -> Iterator[Array]:
        m, k = self.sizes[1:3]
        piece = max(1, PIECE // max(k, 1))
        for start in range(0, m, piece):
            yield self.left_rows(item, start, min(piece, m - start))

    def left_rows(self, item: int, start: int, count: int) -> Array:
        rows = self._item(self.product.a, item)[start : start + count]
        return scaled(rows, self.product.scales[0])

    def right(self, item: int) -> Array:
        return scaled(self._item(self.product.b, item).T, self.product.scales[1])

    def start(self, item: int, rows: slice, columns: slice) -> Array:
        assert self.product.c is not None
        _, m, _, n = self.sizes
        c = np.broadcast_to(self.product.c, (*self._batch, m, n))
        return self._item(c, item)[rows, columns]


class Windows(Source):
    """`hwsim.conv2d`: a images (N, C, H, W), b filters (O, C/groups, KH, KW); an item is a group, a
    row the window of a pixel."""

    @property
    def _size(self) -> tuple[int, int]:
        geometry, (height, width) = self.product.conv, self.product.a.shape[-2:]
        assert geometry is not None
        kernel = self.product.b.shape[-2:]
        return output_size(geometry, (height, width), (kernel[0], kernel[1]))

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        geometry = self.product.conv
        assert geometry is not None
        filters = self.product.b.shape[0] // geometry.groups
        rows = self.product.a.shape[0] * math.prod(self._size)
        return geometry.groups, rows, math.prod(self.product.b.shape[1:]), filters

    def left(self, item: int) -> Iterator[Array]:
        for images in self._pieces():
            yield self._unfolded(self._images(item, images))

    def rows(self, item: int) -> Iterator[Array]:
        """Codes of a: of pixels, before these are laid out, unless windows are cut into blocks."""
        if self.unit.a_block is not None:
            yield from super().rows(item)
            return
        padding = operand(np.zeros(1), self.unit.a, None, -1).codes[0]
        for images in self._pieces():
            codes = operand(self._images(item, images), self.unit.a, None, -1).codes
            yield self._unfolded(codes, padding)

    def _pieces(self) -> Iterator[slice]:
        """A few images at a time."""
        piece = max(1, PIECE // max(1, math.prod(self._size) * self.sizes[2]))
        for first in range(0, self.product.a.shape[0], piece):
            yield slice(first, first + piece)

    def _images(self, item: int, images: slice) -> Array:
        """Values of some images' own channels."""
        channels = self.product.b.shape[1]
        x = self.product.a[images, item * channels : (item + 1) * channels]
        return scaled(x, self.product.scales[0])

    def _unfolded(self, x: Array, padding: Any = 0) -> Array:
        """All windows of some images, (rows, K)."""
        geometry, kernel = self.product.conv, self.product.b.shape[-2:]
        assert geometry is not None
        around = [(0, 0), (0, 0), *geometry.padding]
        x = np.pad(x, around, constant_values=padding)
        spans = [(n - 1) * d + 1 for n, d in zip(kernel, geometry.dilation, strict=True)]
        windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(2, 3))
        (sy, sx), (dy, dx) = geometry.stride, geometry.dilation
        windows = windows[:, :, ::sy, ::sx, ::dy, ::dx].transpose(0, 2, 3, 1, 4, 5)
        return windows.reshape(math.prod(windows.shape[:3]), self.sizes[2])

    def left_rows(self, item: int, start: int, count: int) -> Array:
        pixels = math.prod(self._size)
        first, last = start // pixels, (start + count - 1) // pixels
        rows = self._unfolded(self._images(item, slice(first, last + 1)))
        return rows[start - first * pixels :][:count]

    def right(self, item: int) -> Array:
        _, _, k, n = self.sizes
        filters = self.product.b[item * n : (item + 1) * n]
        return scaled(filters.reshape(n, k), self.product.scales[1])

    def start(self, item: int, rows: slice, columns: slice) -> Array:
        assert self.product.c is not None
        items, n = self.sizes[0], self.sizes[3]
        images = self.product.a.shape[0]
        c = np.broadcast_to(self.product.c, (images, items * n, *self._size))
        own = c[:, item * n : (item + 1) * n][:, columns]
        places = np.unravel_index(np.arange(rows.start, rows.stop), (images, *self._size))
        return own[places[0], :, places[1], places[2]]


def source_of(product: Product, unit: MacUnit) -> Source:
    """The operands of a layer's product."""
    return Matrices(product, unit) if product.conv is None else Windows(product, unit)
