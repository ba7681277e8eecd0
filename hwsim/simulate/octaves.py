"""Steps that are the same in every binade, as those of logarithmic formats are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hwsim_kernels.tables import CHAINS, Octaves

from hwsim.formats import LogFormat

if TYPE_CHECKING:
    from hwsim.simulate.tables import Steps

Chain = list[tuple[int, int]]  # of the fraction: step, and the field from there on


def octaves(steps: Steps, target: np.dtype[Any]) -> tuple[list[int], list[int], Octaves] | None:
    """What `hwsim_kernels.tables.in_octaves` takes, for codes or values of ``target``: steps of the
    fraction, entries, and the rest; None where that is not proved to give every entry."""
    fmt = steps.fmt
    if not isinstance(fmt, LogFormat) or 1 << fmt.fraction_bits > CHAINS[-1]:
        return None
    found = _chain(steps, fmt)
    if found is None or not _holds(steps, fmt, found):
        return None
    first, chain = found
    whole, coded = steps.whole, target.kind == "u"
    before = chain[0][1] - 1
    value = _field_of if coded else _bits_of
    base = value(fmt, before, target)
    entries = [value(fmt, field, target) - base for _, field in chain]
    keys = [step for step, _ in chain]
    scale = fmt.fraction_bits if coded else int(np.finfo(target).nmant)
    smallest, largest = (fmt.first_field, fmt.last_field)
    numbers = Octaves(
        scale=scale,
        origin=base - (_bias(steps) << scale),
        lowest=_field_at(fmt, smallest, target),
        largest=_field_at(fmt, largest, target),
        first=first,
        zero=0,
        sign=_sign(fmt, target, whole),
        floor=-1 if fmt.signed else _field_at(fmt, 0 if fmt.has_zero else smallest, target),
        signed_from=first if fmt.has_zero else 1,
    )
    return keys, [0, *entries], numbers


def _bias(steps: Steps) -> int:
    return (1 << (8 * steps.dtype.itemsize - int(steps.bits.digits) - 2)) - 1


def _chain(steps: Steps, fmt: LogFormat) -> tuple[int, Chain] | None:
    """The magnitude from which numbers are not zero, and the steps of the binade of 1 with fields
    less the bias: they are taken wherever they lie."""
    digits, first = int(steps.bits.digits), 0
    found: dict[int, int] = {}
    for key, place in zip(steps.keys, steps.places[1:], strict=True):
        value, code = fmt.entries[place]
        if key <= 0 or value <= 0:
            continue
        if fmt.has_zero and code == fmt.first_field:
            first = key
        exponent = (key >> digits) - _bias(steps)
        field = code - fmt.exponent_bias - (exponent << fmt.fraction_bits)
        if (
            code > fmt.first_field
            and found.setdefault(key & int(steps.bits.fraction), field) != field
        ):
            return None
    chain = sorted(found.items())
    return (first, chain) if len(chain) == 1 << fmt.fraction_bits else None


def _holds(steps: Steps, fmt: LogFormat, found: tuple[int, Chain]) -> bool:
    """Whether the octaves give what the steps say on both sides of every step, and at both ends:
    then everywhere, as both are monotone and theirs are the only steps."""
    infinite = int(steps.bits.infinite)
    keys = {k - d for k in steps.keys for d in (0, 1)} | {infinite, -1 - infinite, 0, -1}
    return all(_entry(steps, fmt, found, k) == fmt.entries[steps.place(k)][1] for k in keys)


def _entry(steps: Steps, fmt: LogFormat, found: tuple[int, Chain], key: int) -> int:
    """The code that `in_octaves` gives."""
    (first, chain), digits = found, int(steps.bits.digits)
    m = key if key >= 0 else -1 - key
    if key < 0 and not fmt.signed:
        return 0
    fraction = m & int(steps.bits.fraction)
    field = ([chain[0][1] - 1] + [f for step, f in chain if fraction >= step])[-1]
    field += (((m >> digits) - _bias(steps)) << fmt.fraction_bits) + fmt.exponent_bias
    field = min(max(field, fmt.first_field), fmt.last_field) if m >= first else 0
    signed = key < 0 and m >= (first if fmt.has_zero else 1)
    return field | (signed << fmt.field_bits)


def _field_of(fmt: LogFormat, field: int, target: np.dtype[Any]) -> int:
    """A field less the bias, as an entry."""
    return field + fmt.exponent_bias


def _bits_of(fmt: LogFormat, field: int, target: np.dtype[Any]) -> int:
    """Bits of the value of a field less the bias, as an entry."""
    about = np.finfo(target)
    whole, part = divmod(field, 1 << fmt.fraction_bits)
    fraction = (fmt.magnitude(part + fmt.exponent_bias) - 1) * (1 << int(about.nmant))
    return ((whole + int(about.maxexp) - 1) << int(about.nmant)) + int(fraction)


def _field_at(fmt: LogFormat, field: int, target: np.dtype[Any]) -> int:
    """What a field is among the results."""
    if target.kind == "u":
        return field
    if fmt.has_zero and field == 0:
        return 0
    return _bits_of(fmt, field - fmt.exponent_bias, target)


def _sign(fmt: LogFormat, target: np.dtype[Any], whole: Any) -> int:
    """The sign bit of the results, as an integer of the lanes."""
    if not fmt.signed:
        return 0
    if target.kind == "u":
        return 1 << fmt.field_bits
    top = 1 << (8 * target.itemsize - 1)
    return top if top <= int(np.iinfo(whole).max) else -top
