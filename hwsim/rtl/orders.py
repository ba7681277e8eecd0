"""Orders of accumulation: what stands around the step of each, register by register.

A datapath of an order takes the unit's products on wires (`Lane`) and names the code of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from itertools import pairwise

from hwsim.formats import FloatFormat, SumFormat, TableFormat
from hwsim.rtl.aligned import Term, block_sum, plain_zero
from hwsim.rtl.arithmetic import add, multiply
from hwsim.rtl.compensated import double_word, kahan
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Array, Bits, Cat, Const, Datapath, Mux
from hwsim.rtl.logsums import Log, fields
from hwsim.rtl.logsums import add as add_logs
from hwsim.rtl.numbers import Number, normalised, ranked
from hwsim.rtl.projection import project
from hwsim.rtl.rounding import Rule, bits_below
from hwsim.rtl.staged import staged_sum
from hwsim.rtl.steps import accumulate, rule_of
from hwsim.rtl.tables import look_up
from hwsim.rtl.totals import Total, to_number, total_of
from hwsim.units import (
    Bins,
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    Fused,
    Kahan,
    Lanes,
    LogSum,
    MacUnit,
    Order,
    Reversed,
    Sequential,
    Staged,
    Tree,
    codebook_side,
)


@dataclass(frozen=True)
class Lane:
    """What a datapath of sums is given.

    products : the addends of one clock, after the pipeline rank.
    draw : random bits.  scales : products of both scales, one for each block of the products, and
        how far below the first bits' exponents those of their fields lie.
    log : the product of logarithms.  index : a codebook's code.
    control : an input: whether the product is the first of a chunk; whether lanes are being added
        up; c, where a tree adds them up.
    """

    unit: MacUnit
    products: Sequence[Number]
    draw: Bits
    control: Bits
    scales: Sequence[Number] = ()
    scale_head: int = 0
    log: Log | None = None
    index: Bits = None

    def rule(self, fmt: SumFormat) -> Rule:
        """How the unit rounds into ``fmt``."""
        return rule_of(self.unit, fmt, self.draw)


def width_of(order: Order) -> int:
    """Products that a datapath takes at every clock."""
    if isinstance(order, Fused | Staged):
        return order.terms
    return order.width if isinstance(order, Tree | DotAdd) else 1


def control_bits(unit: MacUnit) -> int:
    """Width of the word that says what a clock's products begin or end."""
    if isinstance(unit.order, Lanes):
        return unit.accumulator.width if unit.order.tree else 1
    return int(isinstance(unit.order, Chunked | Bins))


@singledispatch
def sums(order: Order, path: Datapath, lane: Lane) -> Bits:
    """Registers and adders of an order; the code of what they hold in the outer format."""
    raise TypeError(f"order {order}: no datapath")


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
    chunk = decode(path, inner, fmt, _flush(lane.unit))
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


def _flush(unit: MacUnit) -> str:
    return "daz" if unit.ftz else ""


@sums.register
def _lanes(order: Lanes, path: Datapath, lane: Lane) -> Bits:
    """A ring of registers: the one that waits longest is served, and goes to the end.  A second
    adder, or a tree of them, adds them up."""
    fmt, unit = lane.unit.accumulator, lane.unit
    ring = [path.state(fmt.width, f"lane{i}") for i in range(order.count)]
    served = accumulate(path, lane.products[0], ring[0], fmt, lane.rule(fmt))
    if order.tree:
        nodes = [decode(path, code, fmt, _flush(unit)) for code in ring]
        for register, code in zip(ring, [*ring[1:], served], strict=True):
            path.hold(register, code)
        while len(nodes) > 1:
            half = len(nodes) // 2
            nodes = [_node(path, lane, nodes[i], nodes[i + half]) for i in range(half)]
        return _joined(path, lane, nodes[0])
    other = ring[1] if order.count > 1 else Const(0, fmt.width)
    first = decode(path, ring[0], fmt, _flush(unit))
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
    return replace(decode(path, code, fmt, _flush(lane.unit)), code=code)


@sums.register
def _kahan(order: Kahan, path: Datapath, lane: Lane) -> Bits:
    fmt = lane.unit.accumulator
    registers = [path.state(fmt.width, name) for name in ("sum", "excess")]
    s, e = (decode(path, code, fmt, _flush(lane.unit)) for code in registers)
    done = kahan(lane.products[0], s, e, lambda x, y: _node(path, lane, x, y))
    for register, number in zip(registers, done, strict=True):
        path.hold(register, number.code)
    return registers[0]


@sums.register
def _double(order: DoubleWord, path: Datapath, lane: Lane) -> Bits:
    """Both words are rounded into the output's format at once."""
    unit, fmt = lane.unit, lane.unit.accumulator
    registers = [path.state(fmt.width, name) for name in ("head", "tail")]
    h, low = (decode(path, code, fmt, _flush(unit)) for code in registers)

    def alone(x: Number) -> Number:
        return decode(path, project(path, x, fmt, lane.rule(fmt)), fmt, _flush(unit))

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
    """Products in one wide word, and one step for all of them."""
    fmt = lane.unit.accumulator
    total = total_of(path, lane.products, lane.unit.rounding == "rdn")
    x = to_number(path, total)
    for scale in lane.scales:
        x = multiply(path, x, scale)
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


@sums.register
def _fused(order: Fused, path: Datapath, lane: Lane) -> Bits:
    """The running sum is a term of every block, in the format of a block's results."""
    fmt, unit = lane.unit.block_format, lane.unit
    assert isinstance(fmt, FloatFormat)
    if order.promote is not None or fmt.emin != unit.accumulator.emin:  # type: ignore[union-attr]
        raise TypeError(f"order {order} of {unit.accumulator}: no datapath")
    acc = path.state(fmt.width, "acc")
    running = decode(path, acc, fmt, _flush(unit))
    if order.fraction is None:
        x = to_number(path, total_of(path, [*lane.products, running]))
        x = plain_zero(x)
    else:
        terms = [*_terms(path, order, lane), Term(running, 0)]
        x = block_sum(path, terms, order)
    path.hold(acc, project(path, x, fmt, lane.rule(fmt)))
    return path.wire(_widened(acc, fmt, unit.accumulator), "wide")


def _terms(path: Datapath, order: Fused, lane: Lane) -> list[Term]:
    """Products, times their blocks' scales; or groups of them, aligned by their scales alone."""
    if not lane.scales:
        return [Term(product, 1) for product in lane.products]
    size, terms = len(lane.products) // len(lane.scales), []
    for i, scale in enumerate(lane.scales):
        block = lane.products[i * size : (i + 1) * size]
        if order.exact is None:
            scaled = [multiply(path, product, scale) for product in block]
            more = lane.scale_head + int(scale.bits > 1)
            terms += [Term(x, 1 + more) for x in scaled]
            continue
        for start in range(0, size, order.exact):
            group = to_number(path, total_of(path, block[start : start + order.exact]))
            x = multiply(path, group, scale)
            terms.append(Term(x, x.most - scale.most + lane.scale_head, zeros=False))
    return terms


def _widened(code: Bits, fmt: FloatFormat, into: SumFormat) -> Bits:
    """A code of fewer fraction bits as one of the accumulator."""
    assert isinstance(into, FloatFormat)
    if fmt.exponent_bits != into.exponent_bits or fmt.specials != into.specials:
        raise TypeError(f"{fmt} as {into}: no datapath")
    return Cat(Const(0, into.fraction_bits - fmt.fraction_bits), code)


@sums.register
def _staged(order: Staged, path: Datapath, lane: Lane) -> Bits:
    fmt = lane.unit.accumulator
    assert isinstance(fmt, FloatFormat)
    acc = path.state(fmt.width, "acc")
    running = decode(path, acc, fmt, _flush(lane.unit))
    total = staged_sum(path, lane.products, running, order, fmt)
    path.hold(acc, project(path, total, fmt, lane.rule(fmt)))
    return acc


@sums.register
def _logs(order: LogSum, path: Datapath, lane: Lane) -> Bits:
    """Products are fields, too: `Lane.products` has none."""
    fmt = lane.unit.log_accumulator
    assert lane.log is not None
    acc = path.state(fmt.width, "acc")
    total = add_logs(path, fields(path, acc, fmt), lane.log, order, (fmt, Rule(lane.unit.rounding)))
    path.hold(acc, Cat(total.field, total.sign))
    return acc


@sums.register
def _bins(order: Bins, path: Datapath, lane: Lane) -> Bits:
    """Values go to the bin of their codebook's entry; then, while ``control``, the bins that the
    codebook's codes name are multiplied by what these stand for, and added up."""
    unit, fmt, wide = lane.unit, lane.unit.accumulator, lane.unit.outer_format
    book = unit.b if codebook_side(unit) else unit.a
    assert isinstance(book, TableFormat)
    bins = [path.state(fmt.width, f"bin{i}") for i in range(order.count)]
    places = {code: i for i, (_, code) in enumerate(book.entries)}
    words = [places.get(code, 0) for code in range(1 << book.width)]
    index = look_up(path, lane.index, words, (order.count - 1).bit_length())
    chosen = path.wire(Array(bins)[index], "chosen")
    filled = accumulate(path, lane.products[0], chosen, fmt, lane.rule(fmt))
    for i, register in enumerate(bins):
        path.hold(register, Mux((index == i) & ~lane.control, filled, register))
    factors = decode(path, chosen, fmt), decode(path, lane.index, book)
    one, other = (normalised(path, n) for n in factors)
    x = multiply(path, one, other, plain_zero=True)
    x, total = ranked(path, "product", x), path.state(wide.width, "acc")
    valid = path.rank("product", {"valid": lane.control})["valid"]
    path.hold(total, Mux(valid, accumulate(path, x, total, wide, lane.rule(wide)), total))
    return total
