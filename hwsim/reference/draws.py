"""Random bits of stochastic rounding, by their definition.

splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"): word i of
the stream of a seed is `word(seed, i)`.  `Draws` numbers the draws of outputs as docs/bits.md does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hwsim.formats import Stochastic, stochastic_of

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15

Draw = Callable[[int], int]


def word(seed: int, i: int) -> int:
    """Word i, from 0, of the stream of ``seed``.

    >>> hex(word(0, 0))
    '0xe220a8397b1dcdaf'
    """
    z = (seed + (i + 1) * GOLDEN) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def clocked(state: int, how: Stochastic) -> int:
    """A shift register's next state (Galois form)."""
    return (state >> 1) ^ (how.feedback if state & 1 else 0)


def no_draw(step: int) -> int:
    """What roundings that draw nothing take."""
    return 0


class Drawing(Protocol):
    """What gives outputs their random bits."""

    def of(self, output: int, steps: int) -> Draw:
        """R for each of the ``steps`` roundings of output number ``output``."""
        ...


@dataclass(frozen=True)
class Draws:
    """The random bits of a rounding (empty of draws where it is not stochastic) under a seed."""

    rounding: str
    seed: int = 0

    def of(self, output: int, steps: int) -> Draw:
        """R for each of the ``steps`` roundings of output number ``output``."""
        how = stochastic_of(self.rounding)
        if how is None:
            return no_draw
        if how.lfsr is not None:
            return self._register(how, output, steps)
        mask = (1 << how.bits) - 1
        return lambda step: word(self.seed, output * steps + step) & mask

    def _register(self, how: Stochastic, output: int, steps: int) -> Draw:
        """R is the low bits of a register that starts anywhere but at 0, clocked once a step."""
        assert how.lfsr is not None
        state = 1 + word(self.seed, output) % ((1 << how.lfsr) - 1)
        found = []
        for _ in range(steps):
            found.append(state & ((1 << how.bits) - 1))
            state = clocked(state, how)
        return found.__getitem__
