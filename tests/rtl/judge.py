"""Datapaths in Amaranth's simulator beside the reference: codes, hard ones above all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from amaranth.sim import Simulator

from hwsim.formats import FloatFormat, Format, Stochastic, stochastic_of
from hwsim.formats.stochastic import TAPS
from hwsim.reference.codes import decode, encode
from hwsim.reference.draws import clocked
from hwsim.reference.rounding import round_value
from hwsim.reference.units import dot, operand, product
from hwsim.reference.values import Value, negate
from hwsim.rtl.components import Design
from hwsim.rtl.hdl import Datapath, Signal
from hwsim.rtl.steps import step
from hwsim.units import MacUnit

Case = tuple[int, ...]


def outputs(path: Datapath, inputs: Sequence[Any], output: Any, cases: Sequence[Case]) -> list[int]:
    """What a datapath without registers makes of each case's words."""
    found = []

    async def bench(context: Any) -> None:
        for case in cases:
            for port, word in zip(inputs, case, strict=True):
                context.set(port, word)
            found.append(context.get(output))

    simulator = Simulator(path.module(apart=True))
    simulator.add_testbench(bench)
    simulator.run()
    return found


def hard_code(rng: random.Random, fmt: Format) -> int:
    """A code: any, or, of a float, ends and middle of its exponents by patterns of fractions."""
    w = fmt.width
    if not isinstance(fmt, FloatFormat) or rng.random() < 0.4:
        if rng.random() < 0.3:
            return rng.choice([0, 1, (1 << w) - 1, 1 << (w - 1), (1 << (w - 1)) - 1])
        return rng.randrange(1 << w)
    f, x = fmt.fraction_bits, fmt.exponent_bits
    last, middle = (1 << x) - 1, fmt.exponent_bias
    ends = [0, 0, 1, 2, last, last - 1, middle - 1, middle, middle + 1, rng.randrange(1 << x)]
    fractions = [0, (1 << f) - 1, 1, 1 << f >> 1, rng.randrange(1 << f), 1 << rng.randrange(f + 1)]
    field = rng.choice(ends) & last
    fraction = rng.choice(fractions) & ((1 << f) - 1)
    return (fmt.sign_code * rng.randrange(2)) | field << f | fraction


# --- steps ----------------------------------------------------------------------------------------
def step_outputs(unit: MacUnit, cases: Sequence[Case]) -> list[int]:
    """What the datapath of a sequential unit's step makes of a, b, acc and two words of bits."""
    path, how = Datapath(), stochastic_of(unit.rounding)
    widths = (unit.a.width, unit.b.width, unit.accumulator.width)
    a, b, acc = (Signal(width) for width in widths)
    draws = (Signal(how.bits if how else 1), Signal(how.bits if how else 1))
    code = path.wire(step(path, unit, (a, b), acc, draws), "out", unit.accumulator.width)
    return outputs(path, (a, b, acc, *draws), code, cases)


def step_cases(unit: MacUnit, count: int, seed: int = 1) -> Iterator[tuple[Case, int]]:
    """Cases of `step_outputs`, half of them near −a·b, and what the reference makes of them; not
    those that it refuses."""
    rng, how = random.Random(seed), stochastic_of(unit.rounding)
    found, tries = 0, 0
    while found < count and tries < 20 * count:
        tries += 1
        codes = _near_zero(rng, unit) if rng.random() < 0.5 else _codes(rng, unit)
        draws = [rng.getrandbits(how.bits if how else 1) for _ in range(2)]
        try:
            x, y, c = (decode(q, f) for q, f in zip(codes, _formats(unit), strict=True))
            c = operand(c, unit.accumulator, unit) if unit.ftz else c
            words = (*codes[:2], encode(c, unit.accumulator))
            result = dot([x], [y], unit, c, observe=False, draw=draws.__getitem__).value
            expected = encode(result, unit.accumulator)
        except ValueError:
            continue
        found += 1
        yield (*words, *(draws if unit.product_format else [0, draws[0]])), expected


def _formats(unit: MacUnit) -> tuple[Format, Format, Format]:
    return unit.a, unit.b, unit.accumulator


def _codes(rng: random.Random, unit: MacUnit) -> list[int]:
    return [hard_code(rng, fmt) for fmt in _formats(unit)]


def _near_zero(rng: random.Random, unit: MacUnit) -> list[int]:
    """acc is −a·b, or some steps or binades beside it."""
    x, y, other = _codes(rng, unit)
    fmt = unit.accumulator
    try:
        p = product(_operand(x, unit.a, unit), _operand(y, unit.b, unit), unit)
        mode = rng.choice(["rne", "rtz", "rna"])
        near = encode(round_value(negate(p), fmt, mode, "saturate").value, fmt)
    except ValueError:
        return [x, y, other]
    near += rng.choice([0, 0, 1, -1, 2, -2])
    if isinstance(fmt, FloatFormat) and rng.random() < 0.3:
        binades = rng.choice([1, -1, 2, 3, fmt.precision, -fmt.precision, fmt.precision + 2])
        near += binades << fmt.fraction_bits
    return [x, y, near % (1 << fmt.width)]


def _operand(code: int, fmt: Format, unit: MacUnit) -> Value:
    return operand(decode(code, fmt), fmt, unit)


# --- whole designs --------------------------------------------------------------------------------
def states(rounding: str) -> Iterator[int]:
    """The random bits of a design, clock by clock."""
    how = stochastic_of(rounding)
    while how is None:
        yield 0
    how = Stochastic(how.bits, how.variant, how.lfsr or max(TAPS))
    state = 1
    while True:
        yield state & ((1 << how.bits) - 1)
        state = clocked(state, how)


def design_outputs(design: Design, dots: Sequence[Sequence[Case]]) -> list[int]:
    """What the output shows after the words of each dot product, one a clock, and the clocks that a
    pipeline needs; every dot starts anew."""
    todo, found = iter(dots), []

    async def bench(context: Any) -> None:
        idle = (0,) * len(design.inputs)
        for words in [*next(todo), *[idle] * design.latency]:
            for port, word in zip(design.inputs, words, strict=True):
                context.set(port, word)
            await context.tick()
        found.append(context.get(design.outputs[0]))

    simulator = Simulator(design.path.module(apart=True))
    simulator.add_testbench(bench)
    simulator.add_clock(1e-6)
    for number, _ in enumerate(dots):
        if number:
            simulator.reset()
        simulator.run()
    return found


def dot_cases(unit: MacUnit, count: int, seed: int = 2) -> Iterator[tuple[list[Case], int]]:
    """Codes of a and b of dot products, and the reference's result from +0."""
    rng, found, tries = random.Random(seed), 0, 0
    bits = list(islice(states(unit.rounding), 64))
    while found < count and tries < 20 * count:
        tries += 1
        k = rng.choice([1, 2, 2, 3, 5])
        codes = [(hard_code(rng, unit.a), hard_code(rng, unit.b)) for _ in range(k)]
        if k > 1 and rng.random() < 0.5:  # cancel the first, nearly
            x, y = codes[0]
            flip = 1 << (unit.a.width - 1) if isinstance(unit.a, FloatFormat) else -1
            codes[1] = (x ^ flip) & ((1 << unit.a.width) - 1), y ^ rng.choice([0, 0, 1, 2])
        try:
            a, b = (
                [decode(q, f) for q in side]
                for side, f in zip(zip(*codes, strict=True), _formats(unit), strict=False)
            )
            result = dot(a, b, unit, observe=False, draw=lambda i, k=k: bits[1 + i % k]).value
            expected = encode(result, unit.output_format)
        except ValueError:
            continue
        found += 1
        yield codes, expected
