"""Orders of accumulation: what stands around the step of each, register by register."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hwsim.formats import FloatFormat
from hwsim.rtl.arithmetic import add, multiply
from hwsim.rtl.compensated import double_word, kahan
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux
from hwsim.rtl.lane import Lane, masked, sums
from hwsim.rtl.numbers import Number
from hwsim.rtl.projection import project
from hwsim.rtl.rounding import Rule, bits_below
from hwsim.rtl.steps import accumulate
from hwsim.rtl.totals import Total, to_number, total_of
from hwsim.units import (
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    Kahan,
    Lanes,
    Reversed,
    Sequential,
    Tree,
)


@sums.register
def _sequential(order: Sequential | Reversed, path: Datapath, lane: Lane) -> Bits:
    fmt = lane.unit.accumulator
    acc = path.state(fmt.width, "acc")
    path.hold(acc, accumulate(path, lane.products[0], acc, fmt, lane.rule(fmt)))
    return acc


@sums.register
def _chunked(order: Chunked, path: Datapath, lane: Lane) -> Bits:
    """The first product of a chunk sends the chunk before it to the outer sum."""
    fmt, wide = lane.unit.accumulator, lane.unit.outer_format
    inner, outer = path.state(fmt.width, "inner"), path.state(wide.width, "outer")
    start = path.wire(Cat(*(bit & ~lane.control for bit in inner)), "start")
    path.hold(inner, accumulate(path, lane.products[0], start, fmt, lane.rule(fmt)))
    chunk = decode(path, inner, fmt, masked(lane.unit))
    if lane.scales:
        chunk = multiply(path, chunk, _scale_of_chunk(path, lane), plain_zero=False)
    total = accumulate(path, chunk, outer, wide, lane.rule(wide))
    path.hold(outer, Mux(lane.control, total, outer))
    return total


def _scale_of_chunk(path: Datapath, lane: Lane) -> Number:
    """The scale that came with a chunk's first product, held until the chunk is added."""
    (scale,), held = lane.scales, {}
    for name in ("sign", "exponent", "significand", "zero", "infinite", "nan"):
        value = getattr(scale, name)
        if not isinstance(value, Const):
            register = path.state(value.shape(), f"scale_{name}")
            path.hold(register, Mux(lane.control, value, register))
            held[name] = register
    return replace(scale, **held)


@sums.register
def _lanes(order: Lanes, path: Datapath, lane: Lane) -> Bits:
    """A ring of registers: the one that waits longest is served, and goes to the end.  A second
    adder, or a tree of them, adds them up."""
    fmt, unit = lane.unit.accumulator, lane.unit
    ring = [path.state(fmt.width, f"lane{i}") for i in range(order.count)]
    served = accumulate(path, lane.products[0], ring[0], fmt, lane.rule(fmt))
    if order.tree:
        nodes = [decode(path, code, fmt, masked(unit)) for code in ring]
        for register, code in zip(ring, [*ring[1:], served], strict=True):
            path.hold(register, code)
        while len(nodes) > 1:
            half = len(nodes) // 2
            nodes = [_node(path, lane, nodes[i], nodes[i + half]) for i in range(half)]
        return _joined(path, lane, nodes[0])
    other = ring[1] if order.count > 1 else Const(0, fmt.width)
    first = decode(path, ring[0], fmt, masked(unit))
    pair = accumulate(path, first, other, fmt, lane.rule(fmt))
    path.hold(ring[0], Mux(lane.control, pair, other if order.count > 1 else served))
    for register, code in pairwise(ring[1:]):
        path.hold(register, code)
    if order.count > 1:
        path.hold(ring[-1], Cat(*(bit & ~lane.control for bit in served)))
    return ring[0]


def _joined(path: Datapath, lane: Lane, total: Number) -> Bits:
    """R(c + the lanes' sum), c an input: the register is the array's."""
    fmt = lane.unit.accumulator
    return accumulate(path, total, lane.control[: fmt.width], fmt, lane.rule(fmt))


def _node(path: Datapath, lane: Lane, x: Number, y: Number) -> Number:
    """R(x + y), decoded again."""
    fmt = lane.unit.accumulator
    if not isinstance(fmt, FloatFormat):
        raise TypeError(f"order {lane.unit.order} of {fmt}: no datapath; of floats there is one")
    rule = lane.rule(fmt)
    down = rule.rounding == "rdn"
    total = add(path, x, y, bits_below(rule.rounding), down, fmt.precision)
    code = project(path, total, fmt, rule)
    return replace(decode(path, code, fmt, masked(lane.unit)), code=code)


@sums.register
def _kahan(order: Kahan, path: Datapath, lane: Lane) -> Bits:
    fmt = lane.unit.accumulator
    registers = [path.state(fmt.width, name) for name in ("sum", "excess")]
    s, e = (decode(path, code, fmt, masked(lane.unit)) for code in registers)
    done = kahan(lane.products[0], s, e, lambda x, y: _node(path, lane, x, y))
    for register, number in zip(registers, done, strict=True):
        path.hold(register, number.code)
    return registers[0]


@sums.register
def _double(order: DoubleWord, path: Datapath, lane: Lane) -> Bits:
    """Both words are rounded into the output's format at once."""
    unit, fmt = lane.unit, lane.unit.accumulator
    registers = [path.state(fmt.width, name) for name in ("head", "tail")]
    h, low = (decode(path, code, fmt, masked(unit)) for code in registers)

    def alone(x: Number) -> Number:
        return decode(path, project(path, x, fmt, lane.rule(fmt)), fmt, masked(unit))

    done = double_word(lane.products[0], h, low, lambda x, y: _node(path, lane, x, y), alone)
    for register, number in zip(registers, done, strict=True):
        path.hold(register, number.code)
    into = unit.output_format
    below, down = bits_below(unit.rounding), unit.rounding == "rdn"
    precision = into.precision if isinstance(into, FloatFormat) else 0
    return project(path, add(path, h, low, below, down, precision), into, lane.rule(into))


@sums.register
def _tree(order: Tree, path: Datapath, lane: Lane) -> Bits:
    fmt, nodes = lane.unit.accumulator, list(lane.products)
    while len(nodes) > 1:
        pairs = [_node(path, lane, x, y) for x, y in zip(nodes[::2], nodes[1::2], strict=False)]
        nodes = pairs + nodes[2 * len(pairs) :]
    acc = path.state(fmt.width, "acc")
    path.hold(acc, accumulate(path, nodes[0], acc, fmt, lane.rule(fmt)))
    return acc


@sums.register
def _groups(order: DotAdd, path: Datapath, lane: Lane) -> Bits:
    """Products in one wide word for each block, and one step for all of them."""
    fmt = lane.unit.accumulator
    down, blocks = lane.unit.rounding == "rdn", max(1, len(lane.scales))
    size, sums_of_blocks = order.width // blocks, []
    for i in range(blocks):
        products = lane.products[i * size : (i + 1) * size]
        block = to_number(path, total_of(path, products, down))
        sums_of_blocks.append(multiply(path, block, lane.scales[i]) if lane.scales else block)
    x = sums_of_blocks[0]
    if blocks > 1:
        x = to_number(path, total_of(path, sums_of_blocks, down))
    if order.partial is not None:
        rule = Rule("rne", "saturate", lane.unit.ftz)
        x = decode(path, project(path, x, order.partial, rule), order.partial)
    acc = path.state(fmt.width, "acc")
    path.hold(acc, accumulate(path, x, acc, fmt, lane.rule(fmt)))
    return acc


GUARD_BITS = 16  # sums of up to 65 536 products of largest magnitude do not leave the register


@sums.register
def _exact(order: Exact, path: Datapath, lane: Lane) -> Bits:
    """A register on which every product has its place, and one rounding of what it holds."""
    (x,), fmt = lane.products, lane.unit.accumulator
    down = lane.unit.rounding == "rdn"
    own = total_of(path, [x], down)
    word = path.state(len(own.value) + GUARD_BITS, "word")
    path.hold(word, word.as_signed() + own.value)
    flags = {"above": own.above, "under": own.under, "nan": own.nan, "minus": own.minus}
    kept = {name: _kept(path, flag, name, down) for name, flag in flags.items()}
    total = Total(word.as_signed(), own.low, **kept)
    return project(path, to_number(path, total), fmt, lane.rule(fmt))


def _kept(path: Datapath, flag: Bits, name: str, down: bool) -> Bits:
    """A flag that stays set; the sum begins at +0, so that its zero is −0 only where x − x is."""
    if isinstance(flag, Const) or (name == "minus" and not down):
        return Const(0, 1)
    held = path.state(1, name)
    path.hold(held, held | flag)
    return held
