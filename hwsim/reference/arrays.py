"""The reference on arrays: the functions of `hwsim`, value by value.

NumPy is only a container here; every result is computed by `hwsim.reference.units` and
`hwsim.reference.rounding` on exact Python integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike

from hwsim.formats import Format, check_seed, parse_format
from hwsim.reference import codes
from hwsim.reference.blocks import block_dot
from hwsim.reference.containers import (
    Array,
    object_array,
    rounded,
    to_array,
    to_values,
    with_nan,
)
from hwsim.reference.draws import Drawing, Draws
from hwsim.reference.patches import Padding, Pair, check_shapes, pad, pair_of
from hwsim.reference.requantization import requantized
from hwsim.reference.rounding import round_value
from hwsim.reference.units import dot as value_dot
from hwsim.reference.units import merge
from hwsim.reference.values import ZERO, Value, from_int
from hwsim.units import MacUnit, Rescaling, Telemetry, parse_unit, steps_of

Operands = tuple[list[Value], list[Value]]


# --- the public functions -------------------------------------------------------------------------
def round(
    x: ArrayLike,
    fmt: str | Format,
    rounding: str = "rne",
    overflow: str | None = None,
    nan: str = "error",
    seed: int = 0,
) -> Array:
    """Every element of x rounded to ``fmt``; same shape, in the format's value dtype.

    x : any real array.  rounding : rne, rna, rtz, rup, rdn, rto or srN.  overflow : None for the
    format's default.  nan : what NaN becomes in a format without NaN: ``error`` (ValueError),
    ``zero`` or ``max``.  seed : of sr's random bits; element i in C order takes draw i.

    >>> round([464.0, 465.0, 1.03125], "e4m3").tolist()
    [448.0, 448.0, 1.0]
    """
    fmt = _format(fmt)
    values = rounded(to_values(x, "x"), fmt, rounding, overflow, nan, seed)
    return to_array(values, fmt, np.shape(x))


def encode(
    x: ArrayLike,
    fmt: str | Format,
    rounding: str = "rne",
    overflow: str | None = None,
    nan: str = "error",
    seed: int = 0,
) -> Array:
    """The codes of x rounded to ``fmt``, as `round` does it, in the smallest unsigned dtype.

    >>> encode([1.0, -448.0, float("nan")], "e4m3").tolist()
    [56, 254, 127]
    """
    fmt = _format(fmt)
    values = rounded(to_values(x, "x"), fmt, rounding, overflow, nan, seed)
    dtype = f"u{next(size for size in (1, 2, 4, 8) if 8 * size >= fmt.width)}"
    return np.array([codes.encode(v, fmt) for v in values], dtype).reshape(np.shape(x))


def decode(code: ArrayLike, fmt: str | Format) -> Array:
    """The values of codes, in the format's value dtype.

    >>> decode([0x38, 0x7E, 0x7F], "e4m3").tolist()
    [1.0, 448.0, nan]
    """
    fmt = _format(fmt)
    if isinstance(code, np.ma.MaskedArray):
        raise TypeError("code is a masked array; only plain integer arrays are taken")
    array = np.asarray(code)
    if array.dtype.kind not in "iu" and (array.size or array.dtype.kind != "f"):
        raise TypeError(f"codes of dtype {array.dtype}: an integer dtype is needed")
    values = [codes.decode(int(c), fmt) for c in array.ravel().tolist()]
    return to_array(values, fmt, array.shape)


@overload
def matmul(
    a: ArrayLike,
    b: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    telemetry: Literal[False] = False,
    rescaling: Rescaling | None = None,
    seed: int = 0,
    draws: Drawing | None = None,
) -> Array: ...
@overload
def matmul(
    a: ArrayLike,
    b: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    *,
    telemetry: Literal[True],
    rescaling: Rescaling | None = None,
    seed: int = 0,
    draws: Drawing | None = None,
) -> tuple[Array, Telemetry]: ...
def matmul(
    a: ArrayLike,
    b: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    telemetry: bool = False,
    rescaling: Rescaling | None = None,
    seed: int = 0,
    draws: Drawing | None = None,
) -> Array | tuple[Array, Telemetry]:
    """(…, M, K) × (…, K, N) → (…, M, N); leading dimensions broadcast, and c to the result.

    Operands and c are first rounded into their formats (rne, saturating).  With ``telemetry``
    also the counts of all outputs.  ``rescaling`` belongs to a unit that requantizes, ``seed`` to
    one that rounds stochastically; ``draws`` gives each output its draws in place of those.

    >>> matmul([[1.0, 1.0]], [[256.0], [1.0]], "bf16xbf16+bf16").item()
    256.0
    """
    unit = _unit(mac)
    left, right = _entering(a, unit, "a"), _entering(b, unit, "b")
    if left.ndim < 2 or right.ndim < 2 or left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"a of shape {left.shape}, b of shape {right.shape}: (…, M, K) and (…, K, N) are needed"
        )
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, batch + left.shape[-2:])
    right = np.broadcast_to(right, batch + right.shape[-2:])

    def operands(*at: int) -> Operands:
        rows: Array = left[at[:-1]]
        columns: Array = right[at[:-2]]
        return rows.tolist(), columns[:, at[-1]].tolist()

    how = How(telemetry, rescaling, check_seed(seed), draws=draws)
    return _outputs(operands, (*batch, left.shape[-2], right.shape[-1]), unit, c, how)


def dot(
    a: ArrayLike,
    b: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    telemetry: bool = False,
    rescaling: Rescaling | None = None,
    seed: int = 0,
    output: int = 0,
) -> Array | tuple[Array, Telemetry]:
    """The dot product of two vectors of K values, as an array without dimensions.

    output : its number among the outputs of a larger result, in C order: sr draws by it.

    >>> dot([1.0625, 2.0**-30], [1.0625, 1.0], "bf16xbf16+bf16").item()
    1.125
    """
    unit = _unit(mac)
    left, right = _entering(a, unit, "a"), _entering(b, unit, "b")
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(
            f"a of shape {left.shape}, b of shape {right.shape}: two vectors (K,) are needed"
        )
    how = How(telemetry, rescaling, check_seed(seed), output)
    return _outputs(lambda: (left.tolist(), right.tolist()), (), unit, c, how)


@overload
def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    telemetry: Literal[False] = False,
    rescaling: Rescaling | None = None,
    seed: int = 0,
) -> Array: ...
@overload
def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    telemetry: Literal[True],
    rescaling: Rescaling | None = None,
    seed: int = 0,
) -> tuple[Array, Telemetry]: ...
def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    mac: str | MacUnit,
    c: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    telemetry: bool = False,
    rescaling: Rescaling | None = None,
    seed: int = 0,
) -> Array | tuple[Array, Telemetry]:
    """x (N, C, H, W) convolved with w (O, C/groups, KH, KW) → (N, O, OH, OW).

    k runs over (C/groups, KH, KW) in C order; padding is +0 in x, an operand like any other.
    x is in the unit's format a, w in b; c is broadcast to the result.  padding : int, (h, w) or
    ((top, bottom), (left, right)).
    """
    unit = _unit(mac)
    image, kernel = _entering(x, unit, "x", "a"), _entering(w, unit, "w", "b")
    (sh, sw), (dh, dw) = pair_of(stride, "stride"), pair_of(dilation, "dilation")
    check_shapes(image, kernel, groups)
    image = pad(image, padding, unit.a)
    kh, kw = kernel.shape[2:]
    reach_h, reach_w = dh * (kh - 1) + 1, dw * (kw - 1) + 1
    if image.shape[2] < reach_h or image.shape[3] < reach_w or 0 in (kh, kw):
        raise ValueError(f"w of shape {kernel.shape} does not fit padded x of shape {image.shape}")
    out_h = (image.shape[2] - reach_h) // sh + 1
    out_w = (image.shape[3] - reach_w) // sw + 1
    per_group = kernel.shape[0] // groups
    depth = kernel.shape[1]

    def operands(n: int, o: int, i: int, j: int) -> Operands:
        first, top, left = (o // per_group) * depth, i * sh, j * sw
        patch = image[
            n,
            first : first + depth,
            top : top + reach_h : dh,
            left : left + reach_w : dw,
        ]
        return patch.ravel().tolist(), kernel[o].ravel().tolist()

    shape = (image.shape[0], kernel.shape[0], out_h, out_w)
    return _outputs(operands, shape, unit, c, How(telemetry, rescaling, check_seed(seed)))


# --- outputs --------------------------------------------------------------------------------------
class How(NamedTuple):
    """What is asked beside values, the seed of the draws, and the number of the first output."""

    telemetry: bool
    rescaling: Rescaling | None
    seed: int
    first: int = 0
    draws: Drawing | None = None


def _outputs(
    operands: Callable[..., Operands],
    shape: tuple[int, ...],
    unit: MacUnit,
    c: ArrayLike | None,
    how: How,
) -> Array | tuple[Array, Telemetry]:
    """One dot product per index of ``shape``; operands(*index) gives its two lists of values."""
    if (unit.requantization is None) != (how.rescaling is None):
        raise ValueError(f"rescaling={how.rescaling!r}: {unit} needs one exactly if it requantizes")
    summing = unit if how.rescaling is None else unit.summing
    start = np.broadcast_to(_initial(c, summing.outer_format), shape)
    draws = how.draws or Draws(unit.rounding, how.seed)
    results = []
    for number, at in enumerate(np.ndindex(*shape), how.first):
        a, b = operands(*at)
        draw = draws.of(number, steps_of(summing, len(a)).total)
        run = block_dot if unit.is_blocked else value_dot
        results.append(run(a, b, summing, start.item(*at), how.telemetry, draw))
    array = to_array([r.value for r in results], summing.output_format, shape)
    if unit.nan is not None:
        array = with_nan(array, unit.nan, unit.output_format)
    counts = merge([r.telemetry for r in results])
    if how.rescaling is not None:
        array, clamped = requantized(array, unit, how.rescaling)
        counts = replace(counts, overflow_converted=clamped)
    return (array, counts) if how.telemetry else array


def _initial(c: ArrayLike | None, fmt: Format) -> Array:
    """c as values of the outer format; +0 when there is none."""
    return object_array([ZERO], ()) if c is None else _operand(c, fmt, "c")


def _entering(x: ArrayLike, unit: MacUnit, name: str, side: str = "") -> Array:
    """An operand as `value_dot` takes it: in its format; of blocks, which are made along k of each
    output's own operands, as it is."""
    fmt, block = (unit.a, unit.a_block) if (side or name) == "a" else (unit.b, unit.b_block)
    return object_array(to_values(x, name), np.shape(x)) if block else _operand(x, fmt, name)


def _operand(x: ArrayLike, fmt: Format, name: str) -> Array:
    """x as an object array of values of ``fmt``: rne, saturating, ±Inf kept where it exists.

    Fixed point wider than 53 bits takes codes.
    """
    if fmt.carried_as_codes:
        return _from_codes(x, fmt, name)
    try:
        values = rounded(to_values(x, name), fmt, "rne", "saturate", "error")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return object_array(values, np.shape(x))


def _from_codes(x: ArrayLike, fmt: Format, name: str) -> Array:
    """Integer codes as values of ``fmt``, saturating."""
    array = np.asarray(x)
    if array.dtype.kind not in "iub":
        raise TypeError(f"{name}: {fmt} is wider than 53 bits; pass its codes as integers")
    values = [from_int(int(v), fmt.quantum_exponent) for v in array.ravel().tolist()]
    return object_array([round_value(v, fmt, "rne", "saturate").value for v in values], array.shape)


def _format(fmt: str | Format) -> Format:
    return parse_format(fmt) if isinstance(fmt, str) else fmt


def _unit(mac: str | MacUnit) -> MacUnit:
    return parse_unit(mac) if isinstance(mac, str) else mac
