"""Whole units: modules with ports, pipeline registers and accumulators."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwsim.formats import FloatFormat, PositFormat, Stochastic, as_format, stochastic_of
from hwsim.formats.stochastic import TAPS
from hwsim.rtl import bins, logsums, matrix, orders  # noqa: F401
from hwsim.rtl.aligned import plain_zero
from hwsim.rtl.arithmetic import multiply
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Bits, Const, Datapath, Mux, Signal
from hwsim.rtl.lane import Lane, control_bits, sums, width_of
from hwsim.rtl.numbers import NO, Number, ranked
from hwsim.rtl.projection import project
from hwsim.rtl.rounding import Rule
from hwsim.rtl.steps import add_codes, addend, flush_of, multiply_codes
from hwsim.units import (
    Bins,
    Chunked,
    DotAdd,
    DoubleWord,
    Fused,
    LogSum,
    MacUnit,
    as_unit,
    codebook_side,
)

OPERATIONS = {"add": (add_codes, "alignment"), "mul": (multiply_codes, "product")}


@dataclass(frozen=True)
class Design:
    """A datapath and its ports: words in, words out.

    latency : clocks between an input and its effect on what the outputs show after the next.
    """

    path: Datapath
    inputs: tuple[Bits, ...]
    outputs: tuple[Bits, ...]
    latency: int = 0

    def rtlil(self) -> str:
        """The design as Yosys reads it; its module is ``top``."""
        from amaranth.back import rtlil

        return str(
            rtlil.convert(self.path.module(), ports=[*self.inputs, *self.outputs], name="top")
        )


def operation(name: str, fmt: FloatFormat | str, pipelined: bool = True) -> Design:
    """``add`` or ``mul`` of two numbers of a format, to nearest even, by its own overflow rule.

    TypeError names what has no datapath: formats that are no floats, or have no zero.

    pipelined : one rank of registers, after an adder's alignment, or the product.

    >>> design = operation("add", "e4m3")
    >>> [len(port) for port in (*design.inputs, *design.outputs)]
    [8, 8, 8]
    """
    if name not in OPERATIONS:
        raise ValueError(f"operation={name!r}: allowed are add, mul")
    of = as_format(fmt)
    if not isinstance(of, FloatFormat):
        raise TypeError(f"format {of}: operations of floats have a datapath")
    if not of.has_zero:
        raise TypeError(f"format {of}: no datapath without a zero")
    datapath, where = OPERATIONS[name]
    path = Datapath(ranks=frozenset([where] if pipelined else []))
    a, b = (Signal(of.width, name=port) for port in "ab")
    code = datapath(path, a, b, of, Rule("rne", of.default_overflow))
    return Design(path, (a, b), (path.wire(code, "out", of.width),))


def generator(path: Datapath, rounding: str) -> Bits:
    """The word of a shift register, clocked once a rounding; of 32 bits where the unit names none
    (splitmix64 is the simulation's)."""
    how = stochastic_of(rounding)
    if how is None:
        return NO
    width = how.lfsr or max(TAPS)
    feedback = Stochastic(how.bits, how.variant, width).feedback
    state = path.state(width, "random", init=1)
    path.hold(state, (state >> 1) ^ Mux(state[0], feedback, 0))
    return state[: how.bits]


def mac(unit: MacUnit | str) -> Design:
    """A unit that takes a and b at every clock; one rank of registers stands after the multiplier.

    Ports are words: a and b, of as many codes as the order takes at once, the first in the lowest
    bits; where the order needs it, ``control`` (`hwsim.rtl.lane.Lane`); and blocks' scales.  The
    sum begins at +0 and is not cleared: what begins the next one is the array's.  TypeError names
    what has no datapath.

    >>> design = mac("e4m3xe4m3+fp16:tree4")
    >>> [len(port) for port in (*design.inputs, *design.outputs)]
    [32, 32, 16]
    """
    unit = as_unit(unit)
    _require_built(unit)
    path = Datapath(ranks=frozenset(["product"] if is_floating(unit) else []))
    width = width_of(unit.order)
    a, b = Signal(width * unit.a.width, name="a"), Signal(width * unit.b.width, name="b")
    control = Signal(control_bits(unit), name="control")
    ports = [a, b, control] if len(control) else [a, b]
    lane = _entered(path, unit, (a, b), control)
    if unit.is_blocked:
        scales, found, head = scale_products(path, unit)
        lane = replace(lane, scales=found, scale_head=head)
        ports += scales
    out = path.wire(output(path, lane, sums(unit.order, path, lane)), "out")
    return Design(path, tuple(ports), (out,), len(path.ranks))


def _entered(path: Datapath, unit: MacUnit, words: tuple[Bits, Bits], control: Bits) -> Lane:
    """What the words at the ports are to the sums."""
    a, b = words
    lane = Lane(unit, [], generator(path, unit.rounding), control)
    if isinstance(unit.order, LogSum):
        log = logsums.product(path, unit, a, b)
        held = path.rank("product", {"sign": log.sign, "field": log.field})
        return replace(lane, log=(held["sign"], held["field"]))
    if isinstance(unit.order, Bins):
        book, other, fmt = (b, a, unit.a) if codebook_side(unit) else (a, b, unit.b)
        value = plain_zero(decode(path, other, fmt, flush_of(unit)))
        return replace(lane, products=[value], index=book)
    if isinstance(unit.order, Chunked):  # at the products' pace
        lane = replace(lane, **path.rank("product", {"control": control}))
    pairs = zip(split(a, unit.a.width), split(b, unit.b.width), strict=True)
    return replace(lane, products=[addend(path, unit, x, y, lane.draw) for x, y in pairs])


def scale_products(path: Datapath, unit: MacUnit) -> tuple[list[Bits], list[Number], int]:
    """Ports of scales, one for each block of a clock's products; their products after the rank;
    how far below first bits' exponents those of fields lie."""
    count = max(1, width_of(unit.order) // unit.block_size)
    sides = {"a": unit.a_block, "b": unit.b_block}
    ports, numbers = [], []
    for name, block in sides.items():
        if block is not None:
            port = Signal(count * block.scale.width, name=f"scale_{name}")
            codes = split(port, block.scale.width)
            ports.append(port)
            numbers.append([decode(path, code, block.scale) for code in codes])
    found = numbers[0]
    if len(numbers) == 2:
        found = [multiply(path, x, y) for x, y in zip(*numbers, strict=True)]
    head = found[0].most - sum(side[0].most for side in numbers)
    return ports, [ranked(path, "product", x) for x in found], head


def is_floating(unit: MacUnit) -> bool:
    """Whether something floats in a unit; others have no pipeline rank."""
    formats = (unit.a, unit.b, unit.accumulator, unit.outer_format)
    return any(isinstance(fmt, FloatFormat | PositFormat) for fmt in formats)


def _require_built(unit: MacUnit) -> None:
    """TypeError for what would be left out."""
    if unit.requantization is not None:
        raise TypeError(f"requantization {unit.requantization}: no datapath")
    if unit.is_blocked and not isinstance(unit.order, Chunked | DotAdd | Fused):
        raise TypeError(f"order {str(unit.order) or 'seq'} of blocks: no datapath")


def split(word: Bits, width: int) -> list[Bits]:
    """A word's codes, the lowest first."""
    return [word[i : i + width] for i in range(0, len(word), width)]


def output(path: Datapath, lane: Lane, code: Bits) -> Bits:
    """The result's code of a sum's; a draw is that of the clock in which it is looked at."""
    unit = lane.unit
    if unit.output is not None and not isinstance(unit.order, DoubleWord):
        value = decode(path, code, unit.outer_format)
        code = project(path, value, unit.output, lane.rule(unit.output))
    if unit.nan is not None:
        value = decode(path, code, unit.output_format)
        code = Mux(value.nan, Const(unit.nan, unit.output_format.width), code)
    return code
