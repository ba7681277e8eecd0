"""Counts of what switches in a sample: operands, products and sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.costs.activity import Switching
from hwsim.costs.cells import switched_transistors
from hwsim.formats import BlockFormat, Format
from hwsim.switching.orders import Changes, bits_between, changes, in_order
from hwsim.switching.sampling import Sample
from hwsim.switching.sums import Sums, multipliers_of, places_of, sums_of
from hwsim.switching.words import Factors, Products, codes_of, in_blocks, products_of
from hwsim.units import MacUnit

Array = npt.NDArray[Any]
SIZES = ("a_bits", "b_bits", "product_bits", "sum_bits", "outer_bits")


@dataclass(frozen=True)
class Operand:
    """A side's values as they enter products, and their codes (…, K or K, …)."""

    values: Array
    codes: Array


@dataclass(frozen=True)
class Tiles:
    """Operands of a sample as `hwsim.matmul` takes them, (tiles, rows, K) and (tiles, K, columns),
    what starts the sums, and how they are seen."""

    a: Array
    b: Array
    c: Array | None
    stationary: str
    sample: Sample


@dataclass(frozen=True)
class Counts:
    """What switched, without and with zero operands skipped.  idle : the share of the MACs that
    this skips.  widths : of the words, by `SIZES`."""

    plain: Switching
    gated: Switching
    idle: float
    widths: dict[str, int]


def operand(x: Array, fmt: Format, block: BlockFormat | None, axis: int) -> Operand:
    """Values and codes of a side, rounded into its format, or of its blocks' elements."""
    from hwsim import simulate  # imports numba

    if block is not None:
        elements = in_blocks(x, block, axis)[0]
        return Operand(elements, codes_of(elements, block.element))
    carried = fmt.carried_as_codes  # by what arrays hold, as in `hwsim.matmul`
    values = np.asarray(x) if carried else simulate.round(x, fmt, overflow="saturate")
    return Operand(values, codes_of(values, fmt))


def count(unit: MacUnit, tiles: Tiles) -> Counts:
    """Follow every MAC of the tiles."""
    a = operand(tiles.a, unit.a, unit.a_block, -1)
    b = operand(tiles.b, unit.b, unit.b_block, -2)
    x, y = a.values[:, :, None, :], b.values.swapaxes(1, 2)[:, None, :, :]
    products = products_of(unit, x, y)
    shape = products.words.shape
    codes = [np.broadcast_to(a.codes[:, :, None, :], shape)]
    codes.append(np.broadcast_to(b.codes.swapaxes(1, 2)[:, None, :, :], shape))
    with np.errstate(invalid="ignore"):
        idle = ((x == 0) & np.isfinite(y)) | ((y == 0) & np.isfinite(x))
    sums = sums_of(unit, tiles.a, tiles.b, tiles.c)
    places = places_of(unit, shape[-1])
    around = _Around(unit, codes, products, places)
    still = np.zeros_like(idle)
    plain, gated = (_switching(around, sums, skipped, tiles) for skipped in (still, idle))
    widths = (unit.a.width, unit.b.width, products.bits, sums.bits, sums.outer_bits)
    share = float(idle.mean()) if idle.size else 0.0
    return Counts(plain, gated, share, dict(zip(SIZES, widths, strict=True)))


@dataclass(frozen=True)
class _Around:
    """Words around the multipliers, (tiles, rows, columns, K), and the order of the products."""

    unit: MacUnit
    codes: list[Array]
    products: Products
    places: list[int]


def _switching(around: _Around, sums: Sums, skipped: Array, tiles: Tiles) -> Switching:
    """All counts; ``skipped`` MACs leave multiplier and adder as they are."""
    return (
        _multipliers(around, skipped, tiles)
        + _registers(sums, skipped, tiles)
        + _outer(sums, tiles)
    )


def _streams(k: int, lanes: int) -> Iterator[slice]:
    """The steps of each of ``lanes`` places that work in turn."""
    return (slice(lane, None, lanes) for lane in range(min(k, lanes)))


def _weighed(amounts: Array, which: Changes, sample: Sample) -> float:
    """The whole product's amount."""
    inner = amounts[which.within].sum()
    return float(inner) * sample.within + float(amounts.sum() - inner) * sample.between


def _occasions(shape: tuple[int, ...], sample: Sample, stationary: str) -> float:
    """Words of the whole product, of ``shape`` words (tiles, rows, columns, steps) in tiles."""
    keep = np.ones(shape, bool)
    which = changes(in_order(keep, stationary), sample.closed)
    return _weighed(np.ones(len(which.after)), which, sample)


def _multipliers(around: _Around, skipped: Array, tiles: Tiles) -> Switching:
    """Operands and products of every multiplier."""
    unit, sample, way = around.unit, tiles.sample, tiles.stationary
    found = Switching()
    for lane in _streams(len(around.places), multipliers_of(unit)):
        places = around.places[lane]
        order = [in_order(w[..., places], way) for w in (*around.codes, around.products.words)]
        which = changes(in_order(~skipped[..., places], way), sample.closed)
        bits = [bits_between(words, which) for words in order]
        array = 0.0
        if around.products.factors is not None:
            array = _array(around.products.factors, places, which, tiles)
        found += Switching(
            macs=_occasions(skipped[..., places].shape, sample, way),
            a=_weighed(bits[0], which, sample),
            b=_weighed(bits[1], which, sample),
            product=_weighed(bits[2], which, sample),
            moved=_weighed((bits[2] > 0).astype(np.int64), which, sample),
            array=array,
        )
    return found


def _array(factors: Factors, places: list[int], which: Changes, tiles: Tiles) -> float:
    """Transistors that switch in the array of cells."""
    sides = [
        np.append(in_order(side[..., places], tiles.stationary).reshape(-1), np.uint64(0))
        for side in (factors.a, factors.b)
    ]
    total = 0.0
    for part, weight in (
        (which.within, tiles.sample.within),
        (~which.within, tiles.sample.between),
    ):
        if not part.any():
            continue
        before, after = which.before[part], which.after[part]
        old, new = ((sides[0][at], sides[1][at]) for at in (before, after))
        total += weight * switched_transistors(old, new, factors.bits, factors.signed)
    return total


def _registers(sums: Sums, skipped: Array, tiles: Tiles) -> Switching:
    """Sums as registers see them, and as the adder does, which skipped products do not reach."""
    sample, way = tiles.sample, tiles.stationary
    steps = [skipped[..., group].all(-1) for group in sums.groups]
    idle = np.stack(steps, -1) if steps else skipped
    found = Switching()
    for lane in _streams(sums.words.shape[-1], sums.registers):
        words = in_order(sums.words[..., lane], way)
        keep = in_order(~idle[..., lane], way)
        every = changes(np.ones_like(keep), sample.closed)
        bits, some = bits_between(words, every), changes(keep, sample.closed)
        found += Switching(
            steps=_occasions(idle[..., lane].shape, sample, way),
            sums=_weighed(bits, every, sample),
            sums_moved=_weighed((bits > 0).astype(np.int64), every, sample),
            added=_weighed(bits_between(words, some), some, sample),
        )
    return found


def _outer(sums: Sums, tiles: Tiles) -> Switching:
    """The outer register, and finished sums."""
    sample, way = tiles.sample, tiles.stationary
    results = in_order(sums.results[..., None], way)
    every = changes(np.ones(results.shape, bool), sample.closed)
    found = Switching(
        outputs=sums.results.size * sample.outputs,
        results=float(bits_between(results, every).sum()) * sample.outputs,
    )
    if sums.outer is None:
        return found
    words = in_order(sums.outer, way)
    every = changes(np.ones(words.shape, bool), sample.closed)
    amounts = bits_between(words, every)
    return found + Switching(
        chunks=_occasions(sums.outer.shape, sample, way),
        outer=_weighed(amounts, every, sample),
        outer_moved=_weighed((amounts > 0).astype(np.int64), every, sample),
    )
