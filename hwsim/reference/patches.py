"""What a convolution's parameters mean: shapes, padding, stride."""

from __future__ import annotations

import numpy as np

from hwsim.formats import Format
from hwsim.reference.containers import Array
from hwsim.reference.rounding import round_value
from hwsim.reference.values import ZERO

Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]


def check_shapes(image: Array, kernel: Array, groups: int) -> None:
    """Raise ValueError unless the shapes and ``groups`` agree."""
    if image.ndim != 4 or kernel.ndim != 4:
        raise ValueError(
            f"x of shape {image.shape}, w of shape {kernel.shape}: "
            "(N, C, H, W) and (O, C/groups, KH, KW) are needed"
        )
    if groups < 1 or kernel.shape[0] % groups or kernel.shape[1] * groups != image.shape[1]:
        raise ValueError(
            f"groups={groups}: it must divide the {kernel.shape[0]} output channels, and times "
            f"w's {kernel.shape[1]} channels give x's {image.shape[1]}"
        )


def pad(image: Array, padding: Padding, fmt: Format) -> Array:
    """The image with +0 around it, rounded into its format like every operand."""
    (top, bottom), (left, right) = sides_of(padding)
    n, channels, height, width = image.shape
    padded = np.full((n, channels, top + height + bottom, left + width + right), None, object)
    if padded.size > image.size:
        fill = round_value(ZERO, fmt, "rne", "saturate").value
        for at in np.ndindex(*padded.shape):
            padded[at] = fill
    for at in np.ndindex(*image.shape):
        padded[at[0], at[1], at[2] + top, at[3] + left] = image[at]
    return padded


def sides_of(padding: Padding) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) from any spelling; nothing below 0."""
    first, second = (padding, padding) if isinstance(padding, int) else padding
    top, bottom = (first, first) if isinstance(first, int) else first
    left, right = (second, second) if isinstance(second, int) else second
    if min(top, bottom, left, right) < 0:
        raise ValueError(f"padding={padding!r}: nothing below 0 is allowed")
    return (top, bottom), (left, right)


def pair_of(number: Pair, name: str, least: int = 1) -> tuple[int, int]:
    """One number for both directions, or (vertical, horizontal); each at least ``least``."""
    pair = (number, number) if isinstance(number, int) else number
    if min(pair) < least:
        raise ValueError(f"{name}={number!r}: at least {least} is needed")
    return pair
