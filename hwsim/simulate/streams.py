"""Where the random bits of stochastic rounding come from: seeds, and the numbers of outputs.

Draw ``step`` of output number o, of S roundings each, is word o·S + step of splitmix64's stream of
the seed; a shift register starts, for output o, from word o.  Either way what is mixed is a sum of
two words, one of the output's row and one of its column: kernels take those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hwsim_kernels.draws import GAMMA, Drawing, draw_all, registers

from hwsim.formats import Stochastic, check_seed, stochastic_of
from hwsim.units import MacUnit, steps_of

Array = npt.NDArray[Any]
PIECE = 1 << 14  # elements whose draws stay in cache
NO_WORDS = np.empty(0, np.uint64)


def drawing(how: Stochastic | None) -> Drawing:
    """The generator as kernels take it; nothing is drawn by the mask 0."""
    if how is None:
        return Drawing(np.uint64(0), np.uint64(0), np.uint64(1))
    period = (1 << how.lfsr) - 1 if how.lfsr else 1
    return Drawing(np.uint64((1 << how.bits) - 1), np.uint64(how.feedback), np.uint64(period))


def _images(how: Stochastic, clocks: int) -> list[int]:
    """What each bit of a register alone becomes after so many clocks."""
    assert how.lfsr
    once = [how.feedback, *(1 << place for place in range(how.lfsr - 1))]
    found, power = [1 << place for place in range(how.lfsr)], once
    while clocks:
        if clocks & 1:
            found = [_image(x, power) for x in found]
        power = [_image(x, power) for x in power]
        clocks >>= 1
    return found


def _image(x: int, images: list[int]) -> int:
    """A linear map of a word, by the images of its bits."""
    out = 0
    for place, image in enumerate(images):
        out ^= image if x >> place & 1 else 0
    return out


@dataclass(frozen=True)
class Draws:
    """The draws of a product's outputs: of output (item, i, j) those from the sum of
    ``rows[item, i]`` and ``columns[item, j]``, uint64."""

    how: Stochastic
    rows: Array
    columns: Array

    def cut(self, item: slice, rows: slice, columns: Any) -> Draws:
        """Those of some outputs; ``columns``: a slice or places."""
        return Draws(self.how, self.rows[item, rows], self.columns[item, columns])

    def swapped(self) -> Draws:
        """Those of the transposed product."""
        return Draws(self.how, self.columns, self.rows)

    def of_step(self, step: int) -> Array:
        """R of rounding number ``step``, uint32 (batch, m, n)."""
        out = np.empty((*self.rows.shape, self.columns.shape[-1]), np.uint32)
        draw_all(np.array(self.rows), np.array(self.columns), step, drawing(self.how), out)
        return out

    def registers(self, clocks: int, out: Array) -> None:
        """out (batch, m, n), int32 or int64 ← shift registers ``clocks`` after their starts."""
        images = np.array(_images(self.how, clocks), np.uint64)
        registers(np.array(self.rows), np.array(self.columns), images, drawing(self.how), out)

    def listed(self, steps: int) -> Listed:
        """All of ``steps`` roundings, as the reference takes them."""
        made = [self.of_step(step).reshape(-1) for step in range(steps)]
        return Listed(np.array(made, np.uint32))


@dataclass(frozen=True)
class Listed:
    """Draws that were made: of (steps, outputs)."""

    table: Array

    def of(self, output: int, steps: int) -> Callable[[int], int]:
        """R for each of the roundings of an output."""
        return lambda step: int(self.table[step, output]) if step < len(self.table) else 0


@dataclass(frozen=True)
class Stream:
    """The seeds of a call: one for each of its samples, which share the outputs evenly.

    by_channels : samples have their own output channels of a convolution; else their own items
    along the result's first axes.  first : outputs that came before, in earlier calls.
    """

    seeds: tuple[int, ...] = (0,)
    by_channels: bool = False
    first: int = 0

    @classmethod
    def check(cls, seed: object) -> Stream:
        """The stream of a public argument; TypeError or ValueError name it."""
        return ZERO if type(seed) is int and seed == 0 else cls((check_seed(seed),))

    def of_product(self, shape: tuple[int, ...], unit: MacUnit, k: int) -> Draws | None:
        """Of a result (batch, m, n), outputs numbered in C order, anew for each sample."""
        how = stochastic_of(unit.rounding)
        if how is None:
            return None
        batch, m, n = shape
        per, factor = _share(shape, self.seeds), _factor(how, unit, k)
        starts = np.arange(batch * m, dtype=np.uint64) * np.uint64(n)
        rows = self._origins(starts, per, factor).reshape(batch, m)
        columns = np.broadcast_to(np.arange(n, dtype=np.uint64) * factor, (batch, n))
        return Draws(how, rows, columns)

    def of_convolution(
        self, shape: tuple[int, int, int], groups: int, unit: MacUnit, k: int
    ) -> Draws | None:
        """Of a result (images, channels, pixels), numbered in C order, as the product
        (groups, channels/groups, images·pixels) that computes it."""
        how = stochastic_of(unit.rounding)
        if how is None:
            return None
        images, channels, pixels = shape
        per, factor = _share(shape, self.seeds), _factor(how, unit, k)
        lanes = len(self.seeds) if self.by_channels else 1
        own = channels // lanes  # channels of a sample's own result
        channel = np.arange(channels, dtype=np.uint64)
        image = np.arange(images, dtype=np.uint64) * np.uint64(own * pixels)
        pixel = np.arange(pixels, dtype=np.uint64)
        if self.by_channels:
            lane, local = np.divmod(channel, np.uint64(max(1, own)))
            rows = self._origins(lane * per + local * np.uint64(pixels), per, factor)
            starts = image * factor
        else:
            rows = channel * np.uint64(pixels) * factor
            starts = self._origins(image, per, factor)
        columns = (starts[:, None] + pixel * factor).reshape(1, -1)
        rows = rows.reshape(groups, channels // groups)
        return Draws(how, rows, np.broadcast_to(columns, (groups, images * pixels)))

    def _origins(self, numbers: Array, per: np.uint64, factor: np.uint64) -> Array:
        """What is mixed for draw 0 of these outputs, ``per`` of which belong to a sample."""
        lane, local = np.divmod(numbers, per)
        seeds = np.array(self.seeds, np.uint64)[lane.astype(np.int64)]
        return seeds + (local + np.uint64(self.first)) * factor + np.uint64(GAMMA)


ZERO = Stream()  # the default, made once


def _share(shape: tuple[int, ...], seeds: tuple[int, ...]) -> np.uint64:
    """Outputs of a sample, of at least one."""
    size = 1
    for extent in shape:
        size *= int(extent)
    return np.uint64(max(1, size // len(seeds)))


def _factor(how: Stochastic, unit: MacUnit, k: int) -> np.uint64:
    """What the next output adds to what is mixed."""
    steps = 1 if how.lfsr else steps_of(unit, k).total
    return np.uint64(steps * GAMMA & ((1 << 64) - 1))


@dataclass(frozen=True)
class Elements:
    """The draws of an array's elements, numbered in C order: one rounding each."""

    how: Stochastic
    seed: int

    @classmethod
    def of(cls, rounding: str, seed: object) -> Elements | None:
        """Those of a rounding; None where it takes none.  TypeError or ValueError for a seed."""
        checked, how = check_seed(seed), stochastic_of(rounding)
        return None if how is None else cls(how, checked)

    def draw(self, first: int, count: int) -> Array:
        """R of elements ``first`` …, uint32."""
        origin = (self.seed + (first + 1) * GAMMA) & ((1 << 64) - 1)
        columns = np.arange(count, dtype=np.uint64) * np.uint64(GAMMA)
        draws = Draws(self.how, np.array([[origin]], np.uint64), columns[None])
        return draws.of_step(0).reshape(-1)
