"""An 8-bit accumulator as a finite automaton: its codes are the states, products the letters.

Every transition is one addition by the reference, so long sums are walks through a table, and
what happened on the way can be counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import hwsim
from hwsim import MacUnit
from hwsim.formats import Format
from hwsim.reference import codes
from hwsim.reference.units import Level
from hwsim.reference.values import ZERO, Value, add
from tests.exhaustive.exact import all_codes, outcomes, products, unpack

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Machine:
    """Tables of states (positions in `all_codes`) for one rounding and one overflow rule.

    step : (states, products) R(acc + p).  merge : (states, states) R(acc + t), t a value of the
    accumulator.  product : R(p) of each product.  zero : the state +0.
    """

    step: Array
    merge: Array
    product: Array
    zero: int

    def sequence(self, start: Array, letters: Array, rounded: bool = False) -> Array:
        """States after reading ``letters`` (K, …) from ``start``; mul_add where ``rounded``."""
        state = start
        for letter in letters:
            if rounded:
                state = self.merge[state, self.product[letter]]
            else:
                state = self.step[state, letter]
        return state

    def chunks(self, start: Array, letters: Array, length: int, rounded: bool = False) -> Array:
        """The same in chunks, whose sums start at +0 and are merged in order."""
        state = start
        for k in range(0, len(letters), length):
            inner = np.full(start.shape, self.zero, np.uint8)
            state = self.merge[state, self.sequence(inner, letters[k : k + length], rounded)]
        return state


def machines(
    a: str, b: str, accumulator: str, rounding: str, rules: Sequence[str]
) -> dict[str, Machine]:
    """The machine of each rule, for products of a and b in an accumulator of at most 8 bits."""
    fmt, states = hwsim.format(accumulator), all_codes(accumulator).exact
    letters = exact_products(a, b)
    steps = [add(s, p, rounding) for s in states for p in letters]
    merges = [add(s, t, rounding) for s in states for t in states]
    found = outcomes([*steps, *merges, *letters], fmt, rounding, rules)
    size = len(states)
    result = {}
    for rule, outcome in found.items():
        assert not outcome.refused.any()
        after = states_of(outcome.distinct, fmt)[outcome.where]
        result[rule] = Machine(
            after[: len(steps)].reshape(size, -1),
            after[len(steps) : -len(letters)].reshape(size, size),
            after[-len(letters) :],
            int(states_of([ZERO], fmt)[0]),
        )
    return result


def exact_products(a: str, b: str) -> list[Value]:
    """The distinct products, in the order of `products(a, b).keys`."""
    return [unpack(key) for key in products(a, b).keys.tolist()]


def states_of(values: Sequence[Value], fmt: Format) -> Array:
    """States of values; each distinct value is encoded once."""
    place = {code: i for i, code in enumerate(all_codes(str(fmt)).code.tolist())}
    known = {value: place[codes.encode(value, fmt)] for value in dict.fromkeys(values)}
    return np.array([known[value] for value in values], np.uint8)


COUNTED = ("swamped_full", "swamped_partial", "dominated", "overflow_steps", "underflow")


@dataclass(frozen=True)
class Counts:
    """What the reference counts in each transition: tables over (states, letters)."""

    fields: dict[str, Array]
    largest: Array
    lost: Array
    mass: Array


def transition_counts(unit: MacUnit, letters: Sequence[Value]) -> Counts:
    """Counts of R(acc + p) for every state and every letter."""
    fmt = unit.accumulator
    states = all_codes(str(fmt)).exact
    levels = []
    for state in states:
        for letter in letters:
            level = Level(unit, fmt, True)
            level.add(state, letter)
            levels.append(level)
    shape = (len(states), len(letters))

    def table(values: list[Any]) -> Array:
        return np.array(values).reshape(shape)

    return Counts(
        {name: table([getattr(x.counts, name) for x in levels]) for name in COUNTED},
        table([x.counts.largest for x in levels]),
        table([x.lost for x in levels]),
        table([x.mass for x in levels]),
    )
