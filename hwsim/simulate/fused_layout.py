"""Operands of fused blocks as kernels take them: block by block, values beside exponents."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hwsim_kernels.fused import LANES, NO_EXPONENT, Blocks, pack_columns, pack_rows
from hwsim_kernels.fused_pass import GROUP, UNROLLED
from hwsim_kernels.fused_scaled import scale_columns, scale_rows

from hwsim.formats import Format
from hwsim.simulate.facts import Facts
from hwsim.simulate.fused_proofs import Known
from hwsim.simulate.scaled import Factors
from hwsim.units import Fused

Array = npt.NDArray[Any]
Packed = tuple[Array, ...]


class Side(NamedTuple):
    """An operand: values (items, m, k) or (items, k, n), their format, and, of blocks, elements
    beside their scales."""

    values: Array
    fmt: Format
    factors: Factors | None

    @property
    def turned(self) -> Side:
        """On the other side."""
        values = np.ascontiguousarray(self.values.swapaxes(1, 2))
        return Side(values, self.fmt, self.factors and self.factors.turned)


def sides_of(known: Known) -> tuple[Side, Side]:
    """Both operands."""
    facts, unit, scaled = known.facts, known.unit, known.scaled
    assert isinstance(facts, Facts)
    return Side(facts.a, unit.a, scaled.a), Side(facts.b, unit.b, scaled.b)


class Layout:
    """Where the products of a sum of ``length`` lie in blocks, and in which carrier."""

    def __init__(self, known: Known, length: int) -> None:
        self.known, self.groups = known, known.scaled.exact
        self.carrier = np.dtype(np.float32 if known.narrow or known.narrow_groups else np.float64)
        self.step = self.groups or (GROUP if known.wide else UNROLLED)
        if known.whole:
            self.step = min(UNROLLED, 1 << (known.terms - 1).bit_length())
        size = -(-known.terms // self.step) * self.step
        self.places, self.cuts = places_of(known.order, length, size)
        self.numbers, self.blocks = known.numbers(size), self.places.size // size

    def packed(self, side: Side, item: int, columns: slice | None) -> Packed:
        """An item of an operand: all rows of a, or some columns of b."""
        x = side.values[item] if columns is None else side.values[item][:, columns]
        if self.groups:
            return self._in_order(x, columns), self._exponents(side, item, columns)
        if side.factors is not None:
            return self._scaled(side.factors, item, columns)
        if self.known.whole and columns is None and self.places.size == x.shape[1]:
            nobody = np.empty((len(x), 0), np.int16)  # asks for exponents
            return np.ascontiguousarray(x, self.carrier), nobody, nobody
        emin = self.known.emin(side.fmt)
        return packed(x, self.places, self.numbers, emin, self.carrier, columns is not None)

    def _scaled(self, side: Factors, item: int, columns: slice | None) -> Packed:
        """Elements, packed, times their scales."""
        x, scales, lifts = (v[item] for v in (side.elements, side.scales, side.lifts))
        if columns is not None:
            x, scales, lifts = (v[:, columns] for v in (x, scales, lifts))
            scales, lifts = _lanes(scales), _lanes(lifts)
        places, numbers, emin = self.places, self.numbers, self.known.emin(side.fmt)
        found = packed(x, places, numbers, emin, self.carrier, columns is not None)
        at = np.where(places < 0, -1, places // side.size)
        scale = scale_rows if columns is None else scale_columns
        scale(found, at, numbers.size, numbers.zero, scales, lifts)
        return found

    def _in_order(self, x: Array, columns: slice | None) -> Array:
        """Values in the order of blocks, zeros where there is none."""
        if columns is None:
            return rows_in_order(x, self.places, self.carrier)
        return _lanes(rows_in_order(x.T, self.places, self.carrier).T)

    def _exponents(self, side: Side, item: int, columns: slice | None) -> Array:
        """Of groups: what scales have; 0 without blocks; of an absent group none."""
        firsts = self.places[:: self.step]
        at = np.maximum(firsts, 0) // (side.factors.size if side.factors else 1)
        lifts = side.factors.lifts if side.factors else np.zeros(side.values.shape, np.int16)
        lines = lifts[item] if columns is None else lifts[item][:, columns].T
        found = np.where(firsts < 0, np.int16(NO_EXPONENT), lines[:, at])
        return found if columns is None else _lanes(found.T)


def packed(
    x: Array, places: Array, numbers: Blocks, emin: int, carrier: Any, columns: bool
) -> Packed:
    """Rows (m, k) or at most `LANES` columns (k, n) in the order of ``places``: values, their
    exponents, no less than ``emin``, and the exponents that blocks start from."""
    terms, blocks = places.size, places.size // numbers.size
    how = places, numbers.size, emin, numbers.zero
    if columns:
        shape = terms, LANES
        found = np.empty(shape, carrier), np.empty(shape, np.int16)
        starts = np.empty((blocks, LANES), np.int16)
        pack_columns(np.ascontiguousarray(x, carrier), *how, *found, starts)
        return *found, starts
    rows = rows_in_order(x, places, carrier)
    exponents, starts = np.empty(rows.shape, np.int16), np.empty((len(x), blocks), np.int16)
    pack_rows(rows, *how, exponents, starts)
    return rows, exponents, starts


def rows_in_order(x: Array, places: Array, carrier: Any) -> Array:
    """Rows in the order of ``places``, zeros where there is none; a copy."""
    if places.size != x.shape[1] or (places[1:] < places[:-1]).any():
        x = np.where(places < 0, x.dtype.type(0), np.take(x, np.maximum(places, 0), axis=1))
    return np.array(x, carrier, order="C")


def _lanes(x: Array) -> Array:
    """At most `LANES` columns, filled up with zeros."""
    found = np.zeros((len(x), LANES), x.dtype)
    found[:, : x.shape[1]] = x
    return found


def places_of(order: Fused, length: int, size: int) -> tuple[Array, list[int]]:
    """Which product each place of the packed blocks has, −1 for none; and before which blocks the
    sum is promoted, the ends among them."""
    places: list[Array] = [np.empty(0, np.int64)]
    cuts, segment = [0], order.promote or max(1, length)
    within = np.arange(size)
    for first in range(0, length, segment):
        last = min(length, first + segment)
        at = np.arange(first, last, order.terms)[:, None] + within
        places.append(np.where((within < order.terms) & (at < last), at, -1).ravel())
        cuts.append(cuts[-1] + len(at))
    return np.concatenate(places), cuts
