"""Units and operands on their way to the kernels: the same bits of another, plainer product."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.formats import FloatFormat, Format
from hwsim.simulate.cores import rewritten
from hwsim.simulate.facts import Facts
from hwsim.simulate.finish import holds_nan
from hwsim.simulate.grids import significant_bits
from hwsim.simulate.powers import plain
from hwsim.simulate.stored import by_codes
from hwsim.simulate.sums import finest_bit
from hwsim.units import (
    Bins,
    DoubleWord,
    ExactProduct,
    MacUnit,
    Reversed,
    RoundedProduct,
    Sequential,
    StoredProduct,
    has_subnormal_values,
)

Array = npt.NDArray[Any]
FP32 = FloatFormat(8, 24)
FP32_NOSUB = replace(FP32, zero_field="zero")
FIELDS = {4: (8, 23), 8: (11, 52)}  # bits of a float's exponent and fraction, by its bytes


class Product(NamedTuple):
    """A product on its way to the kernels; ``meant``: the operands, where a and b hold something
    that stands for them."""

    unit: MacUnit
    a: Array
    b: Array
    c: Array | None
    meant: tuple[Array, Array] | None = None


def with_nan(values: Array, code: int, fmt: Format) -> Array:
    """Every NaN as the one whose sign and leading fraction bits are those of a code of ``fmt``."""
    assert isinstance(fmt, FloatFormat)
    if not holds_nan(values):
        return values
    exponent, fraction = FIELDS[values.itemsize]
    top = ((code & fmt.sign_code) > 0) << exponent | (1 << exponent) - 1
    payload = (code & ((1 << fmt.fraction_bits) - 1)) << (fraction - fmt.fraction_bits)
    word = np.array(top << fraction | payload, f"u{values.itemsize}")
    values = values if values.flags.writeable else values.copy()
    values.view(word.dtype)[np.isnan(values)] = word
    return values


def _in_turn(product: Product) -> Product:
    """Operands in the order in which their products are added, and a unit that takes them so."""
    unit, a, b = product[:3]
    assert isinstance(unit.order, Reversed)
    places = unit.order.places(a.shape[2])
    plain = replace(unit, order=Sequential())
    return product._replace(unit=plain, a=a[:, :, places], b=b[:, places])


def _flushed(product: Product) -> Product:
    """Operands without what is under the smallest normal; under ``ftz`` c, too, if it is read."""
    unit, a, b, c, _ = product
    if unit.ftz and c is not None and a.shape[2]:
        c = flushed(c, unit.outer_format, unit)
    return product._replace(a=flushed(a, unit.a, unit), b=flushed(b, unit.b, unit), c=c)


def flushed(values: Array, fmt: Format, unit: MacUnit) -> Array:
    """What is under the smallest normal as zeros: under ``ftz`` +0, −0 too; under ``daz`` of their
    sign, where ``fmt`` has −0."""
    if not isinstance(fmt, FloatFormat) or (unit.daz and not has_subnormal_values(fmt)):
        return values
    signed = unit.daz and fmt.has_negative_zero
    zeros = np.copysign(0.0, values) if signed else np.zeros(())
    tiny = np.abs(values) < float(fmt.smallest_normal)
    return np.where(tiny, zeros.astype(values.dtype), values)


def _looked_up(product: Product) -> Product:
    """Places of operands in their formats, and a unit that multiplies those by its table."""
    unit, a, b, c, _ = product
    found = by_codes(unit, a, b)
    return product if found is None else Product(*found, c, (a, b))


def _of_one_word(product: Product) -> Product:
    """A unit of two words, of which nothing but c needs one."""
    if product.a.shape[2]:
        return product
    return product._replace(unit=replace(product.unit, order=Sequential()))


def _rewritten(product: Product) -> Product:
    unit, a, b = rewritten(*product[:3])
    return product._replace(unit=unit, a=a, b=b)


# In this order, those whose condition the unit meets at first: none makes another one necessary.
PREPARATIONS: tuple[tuple[Callable[[MacUnit], bool], Callable[[Product], Product]], ...] = (
    (lambda unit: unit.nan is not None, lambda p: p._replace(unit=replace(p.unit, nan=None))),
    (lambda unit: isinstance(unit.order, Reversed), _in_turn),
    (lambda unit: unit.daz or unit.ftz, _flushed),
    (lambda unit: isinstance(unit.multiplier, StoredProduct) and not unit.ftz, _looked_up),
    (lambda unit: isinstance(unit.order, DoubleWord), _of_one_word),
    (lambda unit: unit.core is not None, _rewritten),
)


@lru_cache(maxsize=1 << 12)
def preparations(unit: MacUnit) -> tuple[Callable[[Product], Product], ...]:
    """What is done to a unit and to its operands before kernels are chosen."""
    return tuple(prepare for is_one, prepare in PREPARATIONS if is_one(unit))


def _without_tiny(unit: MacUnit, facts: Facts) -> MacUnit:
    """The unit without `ftz`, with subnormals, or with exact products, where this changes no bit
    and no count on operands that were flushed already; nor any number of a draw."""
    if not adds_products(unit) or not _has_no_tiny(unit, facts):
        return unit
    unit = replace(unit, ftz=False)
    if facts.draws:
        return unit
    if unit.accumulator == FP32_NOSUB:
        unit = replace(unit, accumulator=FP32)
    if unit.product_format is not None and _holds_products(unit.product_format, unit, facts):
        unit = replace(unit, multiplier=ExactProduct())
    return unit


# As PREPARATIONS, where data allow it; a unit that lost its shifter may lose more.
ON_DATA: tuple[tuple[Callable[[MacUnit], bool], Callable[[MacUnit, Facts], MacUnit]], ...] = (
    (lambda unit: unit.core is not None, plain),
    (lambda unit: unit.ftz or unit.accumulator == FP32_NOSUB, _without_tiny),
)


@lru_cache(maxsize=1 << 12)
def _on_data(unit: MacUnit) -> tuple[Callable[[MacUnit, Facts], MacUnit], ...]:
    return tuple(simplify for is_one, simplify in ON_DATA if is_one(unit))


def plainer(unit: MacUnit, facts: Facts) -> MacUnit:
    """A plainer unit that gives the same on this data; the same one where there is none."""
    for simplify in _on_data(unit):
        unit = simplify(unit, facts)
    return unit


def adds_products(unit: MacUnit) -> bool:
    """Whether what is added up are products, exact or rounded ones."""
    known = isinstance(unit.multiplier, ExactProduct | RoundedProduct) and unit.core is None
    return known and not isinstance(unit.order, Bins)


def _has_no_tiny(unit: MacUnit, facts: Facts) -> bool:
    """Whether every number that is rounded is a multiple of some 2^Q, and no format has a nonzero
    value under its smallest normal one that is: rounding to a coarser grid keeps multiples, and so
    does saturation, where the largest values are some."""
    formats = [*unit.rounded_formats().values(), unit.block_format]
    floats = [fmt for fmt in formats if isinstance(fmt, FloatFormat)]
    if len(floats) < len(formats):
        return False
    quantum = min(_product_quantum(unit, facts), *(f.emax - f.precision + 1 for f in floats))
    if facts.c is not None and 0.0 < facts.c_min < math.inf:
        quantum = min(quantum, math.frexp(facts.c_min)[1] - significant_bits(unit.outer_format))
    return all(quantum >= f.emin for f in floats)


def _product_quantum(unit: MacUnit, facts: Facts) -> int:
    return finest_bit(unit.a, facts.a_min) + finest_bit(unit.b, facts.b_min)


def _holds_products(fmt: Format, unit: MacUnit, facts: Facts) -> bool:
    """Whether every product is a value of ``fmt``."""
    if not math.isfinite(facts.a_max + facts.b_max):
        return False
    if not fmt.has_negative_zero and all(isinstance(f, FloatFormat) for f in (unit.a, unit.b)):
        return False  # a product may be −0
    bits = significant_bits(unit.a) + significant_bits(unit.b)
    largest = Fraction(facts.a_max) * Fraction(facts.b_max)
    fine = _product_quantum(unit, facts) >= fmt.quantum_exponent
    return bits <= significant_bits(fmt) and fine and largest <= min(fmt.largest, -fmt.lowest)
