"""Datapaths in Amaranth's simulator beside the reference: codes, hard ones above all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from amaranth.sim import Simulator

from hwsim.formats import FloatFormat, Format, Stochastic, TableFormat, stochastic_of
from hwsim.formats.stochastic import TAPS
from hwsim.reference.blocks import ONE, Element, element_dot
from hwsim.reference.codes import decode, encode
from hwsim.reference.draws import Draw, clocked
from hwsim.reference.rounding import round_value
from hwsim.reference.units import dot, operand, product
from hwsim.reference.values import ZERO, Kind, Value, negate
from hwsim.rtl.components import Design
from hwsim.rtl.hdl import Datapath, Signal
from hwsim.rtl.lane import control_bits, width_of
from hwsim.rtl.steps import step
from hwsim.units import Bins, Chunked, Exact, Lanes, MacUnit, Reversed, codebook_side, steps_of

Case = tuple[int, ...]
Scales = tuple[list[int], list[int]]


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
    if isinstance(fmt, TableFormat):
        return rng.choice(fmt.entries)[1]
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


def design_outputs(design: Design, dots: Sequence[Sequence[Case]], apart: bool = True) -> list[int]:
    """What the output shows after the words of each dot product, one a clock; every dot starts
    anew.  apart : in modules that are simulated faster than the design's own."""
    todo, found = iter(dots), []

    async def bench(context: Any) -> None:
        for words in next(todo):
            for port, word in zip(design.inputs, words, strict=True):
                context.set(port, word)
            await context.tick()
        found.append(context.get(design.outputs[0]))

    simulator = Simulator(design.path.module(apart))
    simulator.add_testbench(bench)
    simulator.add_clock(1e-6)
    for number, _ in enumerate(dots):
        if number:
            simulator.reset()
        simulator.run()
    return found


def dot_cases(
    unit: MacUnit, latency: int, count: int, seed: int = 2
) -> Iterator[tuple[list[Case], int]]:
    """Words of a design, clock by clock, of dot products, and the reference's result from +0."""
    rng, found, tries = random.Random(seed), 0, 0
    bits = list(islice(states(unit.rounding), 64))
    whole = unit.order.count if isinstance(unit.order, Lanes) else width_of(unit.order)
    while found < count and tries < 20 * count:
        tries += 1
        k = whole * rng.choice([1, 2, 2, 3, 5] if whole < 8 else [1, 2])
        codes, scales = _dot_codes(rng, unit, k), _scale_codes(rng, unit, k)
        try:
            a, b = ([decode(pair[i], f) for pair in codes] for i, f in enumerate((unit.a, unit.b)))
            result = _result(unit, (a, b), scales, drawn_at(unit, k, latency, bits))
            expected = _code_of(result, unit)
        except ValueError:
            continue
        found += 1
        yield words_of(unit, codes, latency, scales), expected


def drawn_at(unit: MacUnit, k: int, latency: int, bits: Sequence[int]) -> Draw:
    """The word of each of the reference's roundings, by its number: a design's are those of the
    clock in which it rounds.  Of chunks, the next one's first product sends one out."""
    steps, exact = steps_of(unit, k), isinstance(unit.order, Exact)
    length = unit.order.length if isinstance(unit.order, Chunked) else k

    def draw(step: int) -> int:
        clock = k  # in which the output is looked at
        if step < steps.products or (step < steps.first_outer and not exact):
            clock = step % k
        elif steps.first_outer <= step < steps.first_output:
            clock = min(k, (step - steps.first_outer + 1) * length)
        return bits[latency + clock]

    return draw


def _result(
    unit: MacUnit, operands: tuple[list[Value], list[Value]], scales: Scales, draw: Any
) -> Value:
    """What the reference gives."""
    if not unit.is_blocked:
        return dot(*operands, unit, observe=False, draw=draw).value
    sides = []
    for values, codes, block in zip(operands, scales, (unit.a_block, unit.b_block), strict=True):
        of = [decode(code, block.scale) for code in codes] if block else []
        size = unit.block_size
        sides.append([Element(v, of[k // size] if of else ONE) for k, v in enumerate(values)])
    return element_dot(*sides, unit, ZERO, False, draw).value


def _code_of(result: Value, unit: MacUnit) -> int:
    """The code of a result, of NaN the unit's own."""
    if result.kind is Kind.NAN and unit.nan is not None:
        return unit.nan
    return encode(result, unit.output_format)


def _scale_codes(rng: random.Random, unit: MacUnit, k: int) -> Scales:
    """Codes of scales, most of them near 1."""
    found = []
    for block in (unit.a_block, unit.b_block):
        count = -(-k // unit.block_size) if block else 0
        found.append([_scale_code(rng, block.scale) for _ in range(count)] if block else [])
    return found[0], found[1]


def _scale_code(rng: random.Random, fmt: FloatFormat) -> int:
    near = fmt.exponent_bias + rng.randrange(-4, 5) << fmt.fraction_bits
    return (
        hard_code(rng, fmt) if rng.random() < 0.15 else near + rng.randrange(1 << fmt.fraction_bits)
    )


def _dot_codes(rng: random.Random, unit: MacUnit, k: int) -> list[Case]:
    """Codes of a and b; half of them cancel each other, nearly."""
    codes = [(hard_code(rng, unit.a), hard_code(rng, unit.b)) for _ in range(k)]
    flip = 1 << (unit.a.width - 1) if isinstance(unit.a, FloatFormat) else -1
    for i in range(1, k):
        if rng.random() < 0.3:
            x, y = codes[rng.randrange(i)]
            y ^= rng.choice([0, 0, 1, 2]) & ((1 << unit.b.width) - 1)
            codes[i] = (x ^ flip) & ((1 << unit.a.width) - 1), y
        elif rng.random() < 0.2:
            codes[i] = (0, codes[i][1])
    return codes


def words_of(unit: MacUnit, codes: Sequence[Case], latency: int, scales: Scales) -> list[Case]:
    """The ports' words, clock by clock, and the clocks that a pipeline needs; lanes that are added
    up in turn take as many more."""
    width, order = width_of(unit.order), unit.order
    places = order.places(len(codes)) if isinstance(order, Reversed) else range(len(codes))
    codes, words = [codes[k] for k in places], []
    for start in range(0, len(codes), width):
        group = codes[start : start + width]
        word = [_joined([pair[i] for pair in group], f) for i, f in enumerate((unit.a, unit.b))]
        if control_bits(unit):
            word.append(int(isinstance(order, Chunked) and start % order.length == 0))
        for side, block in zip(scales, (unit.a_block, unit.b_block), strict=True):
            if block:
                first, last = start // unit.block_size, (start + width - 1) // unit.block_size
                word.append(_joined(side[first : last + 1], block.scale))
        words.append(tuple(word))
    if isinstance(order, Bins):
        side = codebook_side(unit)
        for _, code in (unit.b if side else unit.a).entries:
            words.append((0, code, 1) if side else (code, 0, 1))
    words += [(0,) * len(words[0])] * latency
    if isinstance(order, Lanes) and not order.tree:
        words += [(0, 0, 1)] * order.count
    return words


def _joined(codes: Sequence[int], fmt: Format) -> int:
    """Codes as one word, the first in its lowest bits."""
    return sum(code << i * fmt.width for i, code in enumerate(codes))
