"""Laws of rounding to a block format, for hwsim's conversions or anybody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import reference
from hwsim.formats import BlockFormat, Format
from hwsim.reference.blocks import decode_blocks, encode_blocks
from hwsim.testing.conversion import first_failure, same
from hwsim.testing.points import hard_numbers
from hwsim.testing.verdicts import Finding, Law

Array = npt.NDArray[Any]
Function = Callable[[Array, BlockFormat], Any]
LINES = 48
FACTOR = 2.0**5  # of scales that are powers of two


def ours(x: Array, fmt: BlockFormat) -> Any:
    """hwsim's own rounding along the last axis."""
    from hwsim import simulate  # imports numba

    return simulate.round(x, fmt)


@dataclass(frozen=True)
class BlockConversion:
    """A rounding in blocks under test: ``function(x, fmt)`` gives values for float64 x (lines,
    length), blocks along the last axis."""

    fmt: BlockFormat
    function: Function = ours
    seed: int = 0

    def __str__(self) -> str:
        return str(self.fmt)

    def __call__(self, x: Array) -> Array:
        found = np.asarray(self.function(x, self.fmt), np.float64)
        if found.shape != x.shape:
            raise ValueError(f"function: results of shape {found.shape}; {x.shape} is needed")
        return found

    @cached_property
    def points(self) -> Array:
        """Lines of two blocks and a half: of every size and of one, ties between elements, largest
        magnitudes at a power of two and next to it, zeros, what lies beyond both ends."""
        rng, size = np.random.default_rng(self.seed), self.fmt.size
        shape = (LINES, 2 * size + size // 2)
        found = rng.standard_normal(shape)
        middles = self._middles()
        for i, line in enumerate(found):
            if i % 4 == 1:
                line *= 2.0 ** rng.integers(-12, 12, line.size)
            elif i % 4 == 2:
                line[:] = rng.choice(middles, line.size) * rng.choice([-1.0, 1.0], line.size)
            elif i % 4 == 3:
                line[:: max(size, 1)] = 2.0 ** rng.integers(-4, 9) * (1.0 - 2.0**-20 * (i % 8 == 3))
            line[rng.random(line.size) < 0.1] = 0.0
        found[4:7, : max(size, 1)] = 0.0
        ends = 2.0 ** rng.integers(-140, 125, (LINES // 2, 1))
        found[LINES // 2 :] *= ends
        return found.astype(np.float32).astype(np.float64)

    def _middles(self) -> Array:
        """Elements and what lies half-way between two."""
        element = self.fmt.element
        found = reference.round(hard_numbers(element), element, "rtz", "saturate")
        values = np.unique(np.abs(found.astype(np.float64)))
        values = values[np.isfinite(values)]
        return np.concatenate([values, (values[1:] + values[:-1]) / 2])

    @property
    def middle(self) -> Array:
        """Points that no scale is clamped for, before and after a shift by `FACTOR`."""
        return self.points[: LINES // 2]


def _compared(subject: BlockConversion, x: Array, wanted: Array, what: str) -> Finding:
    flat, got, wanted = x.ravel(), subject(x).ravel(), np.asarray(wanted, np.float64).ravel()

    def words(i: int) -> str:
        return f"{subject}: R({flat[i]}) = {got[i]} at place {i}; {what} {wanted[i]}"

    return first_failure(same(got, wanted), flat, words)


def _by_reference(subject: BlockConversion) -> Finding:
    x = subject.points
    wanted = decode_blocks(encode_blocks(x, subject.fmt), subject.fmt)
    return _compared(subject, x, wanted, "the reference gives")


def _idempotent(subject: BlockConversion) -> Finding:
    once = subject(subject.points)
    return _compared(subject, once, once, "it was rounded before, to")


def _mirrored(subject: BlockConversion) -> Finding:
    x = subject.points
    minus = -subject(-x)
    if not getattr(subject.fmt.element, "has_negative_zero", False):
        minus[minus == 0] = 0.0
    return _compared(subject, x, minus, "R of its negative is minus")


def _scaled(subject: BlockConversion) -> Finding:
    x = subject.middle
    return _compared(subject, x, subject(x * FACTOR) / FACTOR, "R(32·x) is 32 times")


def _apart(subject: BlockConversion) -> Finding:
    x, size = subject.points, subject.fmt.size
    parts = [subject(x[:, i : i + size]) for i in range(0, x.shape[1], size)]
    return _compared(subject, x, np.concatenate(parts, axis=1), "its block alone gives")


def _nan_stays(subject: BlockConversion) -> Finding:
    x, size = subject.middle.copy(), subject.fmt.size
    wanted = subject(x)
    lines = np.arange(len(x))
    x[lines, lines % size] = np.where(lines % 2, np.nan, np.where(lines % 4, np.inf, -np.inf))
    wanted[:, :size] = np.nan
    return _compared(subject, x, wanted, "a block with NaN or Inf is NaN, no other:")


def _in_codes(subject: BlockConversion) -> Finding:
    from hwsim import simulate

    x = subject.points
    blocks = simulate.encode(x, subject.fmt)
    return _compared(subject, x, np.asarray(blocks.decode()), "its code and scale stand for")


def _when(reason: str, holds: Callable[[BlockConversion], bool]) -> Callable[[Any], str]:
    return lambda subject: "" if holds(subject) else reason


def _symmetric(fmt: Format) -> bool:
    return bool(fmt.lowest == -fmt.largest)


def _far(subject: BlockConversion) -> bool:
    """Whether scales are powers of two from far below to far above the points."""
    fmt = subject.fmt
    wide = fmt.scale.smallest < 2.0**-60 and fmt.scale.largest > 2.0**60
    return fmt.rule == "floor" and not fmt.tensor and wide


BLOCK_LAWS: tuple[Law, ...] = (
    Law("the reference", "R(x) equals the exact reference, all bits", _by_reference),
    Law(
        "idempotent",
        "R(R(x)) = R(x)",
        _idempotent,
        _when("scales are rounded quotients", lambda s: s.fmt.rule == "floor" and not s.fmt.tensor),
    ),
    Law(
        "sign-symmetric",
        "R(-x) = -R(x)",
        _mirrored,
        _when("the elements' range is not symmetric", lambda s: _symmetric(s.fmt.element)),
    ),
    Law(
        "powers of two",
        "R(32·x) = 32·R(x) where no scale is clamped",
        _scaled,
        _when("scales are few, or rounded quotients", _far),
    ),
    Law(
        "blocks apart",
        "what a block becomes, no other block changes",
        _apart,
        _when("the tensor has a scale", lambda s: not s.fmt.tensor),
    ),
    Law(
        "NaN stays",
        "NaN and Inf make their block NaN, and no other",
        _nan_stays,
        _when("the tensor has a scale", lambda s: not s.fmt.tensor),
    ),
    Law(
        "codes",
        "codes and scales stand for the values that R gives",
        _in_codes,
        _when("the function gives no codes", lambda s: s.function is ours),
    ),
)
