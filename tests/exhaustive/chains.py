"""acc + a·b for every code of 8-bit accumulators, and long sums as walks from code to code."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import hwsim
from hwsim import MacUnit, Telemetry
from hwsim.formats import OVERFLOWS, ROUNDINGS
from tests.exhaustive.exact import Codes, all_codes, bits, products
from tests.exhaustive.machines import (
    Counts,
    Machine,
    exact_products,
    machines,
    transition_counts,
)
from tests.exhaustive.pairs import same
from tests.exhaustive.spaces import CHAINS, COUNTED, Part, rules, units

Array = npt.NDArray[Any]
M, K, N = 96, 48, 256
CHUNK = 8
ORDERS = ("", f":chunk{CHUNK}", ":mul_add", f":chunk{CHUNK}:mul_add")


def jobs() -> Iterator[tuple[str, ...]]:
    """Formats of a, b and sum, a rounding, and what is compared: values, or counts as well."""
    for what, chains in (("values", CHAINS), ("counts", COUNTED)):
        for chain in chains:
            for rounding in ROUNDINGS:
                yield *chain, rounding, what


def run(a: str, b: str, accumulator: str, rounding: str, what: str) -> Part:
    """Compare one chain of formats under every overflow rule; AssertionError at a wrong bit."""
    legal = rules(hwsim.format(accumulator))
    tables = machines(a, b, accumulator, rounding, legal)
    digest, cases = hashlib.sha256(), 0
    for unit in units(a, b, accumulator, rounding):
        machine = tables[unit.overflow_of(unit.accumulator)]
        for table in (machine.step, machine.merge, machine.product):
            digest.update(table.tobytes())
        if what == "counts":
            cases += check_counts(unit, machine)
        else:
            cases += check_steps(unit, machine) + check_walks(unit, machine)
    return Part(cases, digest.hexdigest())


def check_steps(unit: MacUnit, machine: Machine) -> int:
    """acc + a·b for every code of the accumulator, every code of a and a third of b's.

    Each rule and rounding takes another third; `Machine` was asked for all products.
    """
    a, b, states = (all_codes(str(f)) for f in (unit.a, unit.b, unit.accumulator))
    turn = OVERFLOWS.index(unit.overflow_of(unit.accumulator)) + ROUNDINGS.index(unit.rounding)
    rows, columns = legal(a, unit), legal(b, unit)[turn % 3 :: 3]
    where = products(str(unit.a), str(unit.b)).where[np.ix_(rows, columns)]
    x, y = a.numbers[rows, None], b.numbers[None, columns]
    cases = 0
    for start in np.array_split(np.arange(len(states.code)), 16):
        c = states.numbers[start, None, None]
        many = np.broadcast_to(x, (len(start), *x.shape))
        got = hwsim.matmul(many, y, unit, c=c, threads=1)
        wanted = states.numbers[machine.step[start[:, None, None], where]]
        cases += same(unit, got, bits(wanted), (x, y, c))
    return cases


def check_walks(unit: MacUnit, machine: Machine) -> int:
    """Sums of K seeded products from seeded codes: in sequence, in chunks, rounded products."""
    states = all_codes(str(unit.accumulator))
    cases = 0
    for small in (False, True):
        x, y, start, letters = draw(unit, small)
        c = states.numbers[start]
        for order in ORDERS:
            other = hwsim.mac(f"{unit}{order}")
            end = walk(machine, order, start, letters)
            got = hwsim.matmul(x, y, other, c=c, threads=1)
            assert bits(got).tobytes() == bits(states.numbers[end]).tobytes(), (str(other), small)
            cases += got.size * K
    return cases


def walk(machine: Machine, order: str, start: Array, letters: Array) -> Array:
    """The states at the end, in one of `ORDERS`."""
    rounded = order.endswith("mul_add")
    if "chunk" in order:
        return machine.chunks(start, letters, CHUNK, rounded)
    return machine.sequence(start, letters, rounded)


def draw(unit: MacUnit, small: bool) -> tuple[Array, Array, Array, Array]:
    """a (M, K), b (K, N), states (M, N) of c, and products (K, M, N).

    small : only values up to 1, so that few sums overflow; else any code.
    """
    generator = np.random.default_rng(list(f"{unit}{small}".encode()))
    a, b, states = (all_codes(str(f)) for f in (unit.a, unit.b, unit.accumulator))
    rows = generator.choice(legal(a, unit, small), (M, K))
    columns = generator.choice(legal(b, unit, small), (K, N))
    start = generator.choice(legal(states, unit, small), (M, N))
    where = products(str(unit.a), str(unit.b)).where
    letters = where[rows.T[:, :, None], columns[:, None, :]]
    return a.numbers[rows], b.numbers[columns], start.astype(np.uint8), letters


def legal(codes: Codes, unit: MacUnit, small: bool = False) -> Array:
    """Codes that the sum can hold whatever they meet: the finite ones where it has no NaN."""
    found = codes.finite if small or not unit.accumulator.has_nan else np.arange(len(codes.code))
    near = found[np.abs(codes.numbers[found].astype(np.float64)) <= 1.0] if small else found
    return near if near.size else found


def check_counts(unit: MacUnit, machine: Machine) -> int:
    """Telemetry of long sums, from the counts of their single steps."""
    counts = transition_counts(unit, exact_products(str(unit.a), str(unit.b)))
    cases = 0
    for small in (False, True):
        x, y, start, letters = draw(unit, small)
        c = all_codes(str(unit.accumulator)).numbers[start]
        wanted = walked_counts(machine, counts, start, letters)
        for level in ("counts", True):
            _, telemetry = hwsim.matmul(x, y, unit, c=c, telemetry=level, threads=1)
            _compare(unit, telemetry, wanted, level is True)
        cases += letters.size
    return cases


def walked_counts(
    machine: Machine, counts: Counts, start: Array, letters: Array
) -> dict[str, float]:
    """The counts of all steps of all walks."""
    totals: dict[str, float] = dict.fromkeys(counts.fields, 0)
    lost, mass, largest = np.zeros(start.shape), np.zeros(start.shape), 0.0
    struck, state = np.zeros(start.shape, bool), start
    for letter in letters:
        for name, table in counts.fields.items():
            totals[name] += int(table[state, letter].sum())
        struck |= counts.fields["overflow_steps"][state, letter] > 0
        largest = max(largest, float(counts.largest[state, letter].max()))
        lost += counts.lost[state, letter]  # float64, in k order: the definition
        mass += counts.mass[state, letter]
        state = machine.step[state, letter]
    totals |= {"largest": largest, "overflow_outputs": int(struck.sum())}
    return totals | {"lost": math.fsum(lost.ravel()), "mass": math.fsum(mass.ravel())}


CHEAP = ("swamped_full", "swamped_partial", "overflow_steps", "overflow_outputs")


def _compare(unit: MacUnit, got: Telemetry, wanted: dict[str, float], everything: bool) -> None:
    for name in wanted if everything else CHEAP:
        found = getattr(got, name)
        found = float(found) if name in ("lost", "mass") else found
        assert found == wanted[name], (str(unit), name, found, wanted[name])
    assert got.additions == got.products == M * K * N
