"""The number that a tensor is divided by before it enters its format.

An operand's value in the unit is x / s, computed in float64 and then rounded by the unit (rne,
saturating); results are multiplied by s_a·s_b.  By format, from the largest finite |x| on the
calibration data:

- integers, fixed point and floats of up to 6 bits: s = absmax / largest value;
- floats of 7 and 8 bits: the power of two s that puts absmax / s into [8, 16);
- wider floats: s = 1;
- logarithmic formats, codebooks, binary: s = absmax / largest value;
- unsigned integers: affine, as is any integer format under that rule: from the smallest and the
  largest x (0 included), s = (max − min) / (largest − lowest value) and the zero point z with
  lowest value = min / s + z, rounded; the operand is rint(x / s) + z.

Formats of 7 or 8 bits to which [8, 16) is foreign (largest value under 8 or smallest normal over
1: e2m5, shifted biases) follow the first rule.  An absmax of 0 gives s = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

import numpy as np

from hwsim.formats import FloatFormat, Format, PositFormat
from hwsim.networks.errors import ModelError
from hwsim.units import is_integer

OperandScale = float | str | tuple[float, int]
LayerScale = OperandScale | Mapping[str, OperandScale]
ScaleLike = LayerScale | Mapping[str, LayerScale]
Value = TypeVar("Value")
RULES = ("auto", "absmax", "power2", "none", "affine")


def scale_and_zero_point(
    fmt: Format, low: float, high: float, rule: OperandScale = "auto"
) -> tuple[float, int]:
    """The scale s and the zero point z of a tensor whose finite values lie in low … high.

    ``rule``: a positive number s, a pair (s, z), or auto (see above), absmax, power2, none,
    affine (which leaves formats that are no integers to auto).  ModelError for others, and for a
    zero point in a format that is no integer.

    >>> from hwsim.formats import parse_format
    >>> scale_and_zero_point(parse_format("uint8"), -1.0, 1.55)
    (0.01, 100)
    >>> scale_and_zero_point(parse_format("int8"), -1.0, 2.54)
    (0.02, 0)
    """
    if isinstance(rule, tuple):
        return _checked_pair(fmt, rule)
    if is_integer(fmt) and (rule == "affine" or (rule == "auto" and fmt.lowest == 0)):
        return _affine(fmt, min(low, 0.0), max(high, 0.0))
    rule = "auto" if rule == "affine" else rule
    return scale_for(fmt, max(-low, high, 0.0), rule), 0


def _affine(fmt: Format, low: float, high: float) -> tuple[float, int]:
    lowest, largest = int(fmt.lowest), int(fmt.largest)
    scale = (high / (largest - lowest) - low / (largest - lowest)) or 1.0
    point = lowest - round(low / scale)
    return scale, min(max(point, lowest), largest)


def _checked_pair(fmt: Format, rule: tuple[float, int]) -> tuple[float, int]:
    if len(rule) != 2 or isinstance(rule[1], bool) or not isinstance(rule[1], int):
        raise ModelError(f"scale={rule!r}: a pair of a number and an integer is needed")
    if rule[1] and not (is_integer(fmt) and fmt.lowest <= rule[1] <= fmt.largest):
        raise ModelError(f"scale={rule!r}: the zero point is no value of an integer format {fmt}")
    return _checked(rule[0]), rule[1]


def scale_for(fmt: Format, absmax: float, rule: float | str = "auto") -> float:
    """The divisor s of a tensor whose largest magnitude is ``absmax``, without a zero point.

    ``rule``: a positive number (taken as s), or auto (see above), absmax, power2, none.  Unsigned
    integers are taken as by absmax here, and lose what is negative.

    >>> from hwsim.formats import parse_format
    >>> scale_for(parse_format("int8"), 254.0), scale_for(parse_format("e4m3"), 100.0)
    (2.0, 8.0)
    """
    if not isinstance(rule, str):
        return _checked(rule)
    if rule not in RULES or rule == "affine":
        allowed = ", ".join(RULES)
        raise ModelError(f"scale={rule!r}: a number, a pair or one of {allowed} is needed")
    chosen = _default_rule(fmt) if rule == "auto" else rule
    if chosen == "none" or absmax == 0.0:
        return 1.0
    if chosen == "power2":
        return math.ldexp(1.0, math.frexp(absmax)[1] - 4) or 1.0  # absmax = f·2^e, f in [1/2, 1)
    return (absmax / _largest(fmt)) or 1.0  # an absmax that underflows needs no scale


def _default_rule(fmt: Format) -> str:
    narrow = isinstance(fmt, FloatFormat) and fmt.width <= 6
    if narrow or not isinstance(fmt, FloatFormat | PositFormat):
        return "absmax"
    if fmt.width > 8:
        return "none"
    return "power2" if fmt.largest >= 8 and fmt.smallest_normal <= 1 else "absmax"


def _largest(fmt: Format) -> float:
    """Largest value; of a format without positive ones, as int1, the largest magnitude."""
    return float(fmt.largest if fmt.largest > 0 else -fmt.lowest)


def _checked(value: float) -> float:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    if not number or not 0 < value < math.inf or not 0 < (scale := _as_float(value)) < math.inf:
        raise ModelError(f"scale={value!r}: a positive finite number is needed")
    return scale


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf


def operand_rules(
    scale: ScaleLike | None, names: Iterable[str]
) -> dict[str, dict[str, OperandScale]]:
    """For each layer, the rule of operands ``a`` and ``b``."""
    names = list(names)
    if scale is None or not isinstance(scale, Mapping) or set(scale) <= {"a", "b"}:
        chosen: dict[str, LayerScale] = dict.fromkeys(names, "auto" if scale is None else scale)  # type: ignore[arg-type]
    else:
        chosen = dict.fromkeys(names, "auto") | match_layers(scale, names, "scale")
    return {name: _both(chosen[name]) for name in names}


def _both(rule: LayerScale) -> dict[str, OperandScale]:
    if not isinstance(rule, Mapping):
        return {"a": rule, "b": rule}
    if not set(rule) <= {"a", "b"} or any(isinstance(r, Mapping) for r in rule.values()):
        raise ModelError(f"scale={dict(rule)!r}: the keys of a layer's scales are 'a' and 'b'")
    return {"a": rule.get("a", "auto"), "b": rule.get("b", "auto")}


def match_layers(
    patterns: Mapping[str, Value], names: Iterable[str], what: str
) -> dict[str, Value]:
    """The value of the first pattern that fits each layer name (fnmatch, or the name itself).

    Raises ModelError for a pattern that fits no layer; layers that none fits are left out.
    """
    names = list(names)
    found: dict[str, Value] = {}
    for pattern, value in patterns.items():
        if not isinstance(pattern, str):
            raise ModelError(f"{what}: the pattern {pattern!r} is no string")
        fitting = [n for n in names if n == pattern or fnmatchcase(n, pattern)]
        if not fitting:
            raise ModelError(f"{what}: no layer fits {pattern!r}; layers are {', '.join(names)}")
        for name in fitting:
            found.setdefault(name, value)
    return found
