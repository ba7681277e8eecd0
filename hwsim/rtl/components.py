"""Whole units: modules with ports, pipeline registers and accumulators."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.formats import FloatFormat, Stochastic, stochastic_of
from hwsim.formats.stochastic import TAPS
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Bits, Datapath, Mux, Signal
from hwsim.rtl.numbers import NO
from hwsim.rtl.rounding import Rule, project
from hwsim.rtl.steps import accumulate, add_codes, addend, multiply_codes, rule_of
from hwsim.units import MacUnit, Reversed, Sequential

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


def operation(name: str, fmt: FloatFormat, pipelined: bool = True) -> Design:
    """``add`` or ``mul`` of two numbers of a format, to nearest even, by its own overflow rule.

    pipelined : one rank of registers, after an adder's alignment, or the product.

    >>> design = operation("add", FloatFormat(4, 4, specials="fn"))
    >>> [len(port) for port in (*design.inputs, *design.outputs)]
    [8, 8, 8]
    """
    if name not in OPERATIONS:
        raise ValueError(f"operation={name!r}: allowed are add, mul")
    datapath, where = OPERATIONS[name]
    path = Datapath(ranks=frozenset([where] if pipelined else []))
    a, b = (Signal(fmt.width, name=port) for port in "ab")
    code = datapath(path, a, b, fmt, Rule("rne", fmt.default_overflow))
    return Design(path, (a, b), (path.wire(code, "out", fmt.width),))


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


def mac(unit: MacUnit) -> Design:
    """A unit that takes a and b at every clock; one rank of registers stands after the multiplier.

    The accumulator is not cleared: what begins a sum is the array's.  TypeError names what has no
    datapath.
    """
    if not isinstance(unit.order, Sequential | Reversed):
        raise TypeError(f"order {unit.order}: no datapath")
    floats = any(isinstance(f, FloatFormat) for f in (unit.a, unit.b, unit.accumulator))
    path = Datapath(ranks=frozenset(["product"] if floats else []))
    a, b = (Signal(fmt.width, name=port) for port, fmt in (("a", unit.a), ("b", unit.b)))
    draw = generator(path, unit.rounding)
    x = addend(path, unit, a, b, draw)
    fmt = unit.accumulator
    acc = path.state(fmt.width, "acc")
    path.hold(acc, accumulate(path, x, acc, fmt, rule_of(unit, fmt, draw)))
    out = path.wire(output(path, unit, acc), "out")
    return Design(path, (a, b), (out,), int("product" in path.ranks))


def output(path: Datapath, unit: MacUnit, code: Bits) -> Bits:
    """The result's code of a sum's."""
    if unit.output is not None:
        value = decode(path, code, unit.outer_format)
        code = project(path, value, unit.output, rule_of(unit, unit.output))
    return code
