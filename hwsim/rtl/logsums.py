"""Sums of logarithmic numbers by two tables: `hwsim.reference.logsums`, on wires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hwsim.formats import LogFormat
from hwsim.reference.logsums import minus, plus
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux
from hwsim.rtl.lane import Lane, sums
from hwsim.rtl.numbers import NO
from hwsim.rtl.rounding import Rule, goes_up
from hwsim.rtl.tables import look_up
from hwsim.units import LogSum, MacUnit


@dataclass(frozen=True)
class Log:
    """A sign and a field; field 0 is zero, which has no sign."""

    sign: Bits
    field: Bits

    @property
    def zero(self) -> Bits:
        """Whether it is 0."""
        return ~self.field.any()


def fields(path: Datapath, code: Bits, fmt: LogFormat) -> Log:
    """The parts of a code."""
    sign = code[fmt.field_bits] if fmt.signed else NO
    return Log(sign, path.wire(code[: fmt.field_bits], "field"))


def product(path: Datapath, unit: MacUnit, a: Bits, b: Bits) -> Log:
    """The sum of two logarithms, rounded to a field of the accumulator."""
    fmt, sides = unit.log_accumulator, []
    for code, own in ((a, unit.a), (b, unit.b)):
        assert isinstance(own, LogFormat)
        sides.append((fields(path, code, own), own))
    bits = max(fmt.fraction_bits, *(own.fraction_bits for _, own in sides))
    total: Bits = 0
    for log, own in sides:
        scaled = Cat(Const(0, bits - own.fraction_bits), log.field)
        total = total + scaled - (own.exponent_bias << (bits - own.fraction_bits))
    zeros = [log.zero for log, own in sides if own.has_zero]
    none = zeros[0] | zeros[1] if len(zeros) > 1 else zeros[0] if zeros else NO
    sign = path.wire(sides[0][0].sign ^ sides[1][0].sign, "product_sign")
    more = bits - fmt.fraction_bits
    log = to_field(path, sign, path.wire(total, "logarithm"), more, (fmt, Rule(unit.rounding)))
    return _unless(path, log, path.wire(none, "product_none"))


def _unless(path: Datapath, log: Log, none: Bits) -> Log:
    field = path.wire(Cat(*(bit & ~none for bit in log.field)), "field", len(log.field))
    return Log(path.wire(log.sign & field.any(), "sign"), field)


def to_field(path: Datapath, sign: Bits, log: Bits, more: int, into: tuple[LogFormat, Rule]) -> Log:
    """A signed logarithm in units of 2^-(f + more), rounded to a field.

    At field 0 and below it is nearer zero than field 1, though not 0.
    """
    fmt, rule = into
    field = path.wire(log + (fmt.exponent_bias << more), "unrounded")
    low = path.wire(field <= 0, "low")
    lower = path.wire(Mux(low, 0, field[more:]), "lower", len(field) - more)
    rest = Cat(low, *(bit & ~low for bit in field[:more]), NO if more == 0 else Const(0, 0))
    up = goes_up(path, rest, lower[0], sign, rule)
    rounded = path.wire(lower + up, "rounded")
    over = path.wire(rounded > fmt.last_field, "over")
    return Log(sign, path.wire(Mux(over, fmt.last_field, rounded), "in_range", fmt.field_bits))


def add(path: Datapath, x: Log, y: Log, order: LogSum, into: tuple[LogFormat, Rule]) -> Log:
    """x + y: the larger logarithm, and an entry for the distance of both."""
    fmt, _ = into
    bits = fmt.fraction_bits
    places = bits if order.places is None else order.places
    distance = path.wire(x.field - y.field, "difference")
    swap = path.wire(distance[-1], "swap")
    apart = path.wire(Mux(swap, -distance, distance), "distance", fmt.field_bits)
    sign = path.wire(Mux(swap, y.sign, x.sign), "sum_sign")
    large = path.wire(Mux(swap, y.field, x.field), "large")
    differ = path.wire(x.sign ^ y.sign, "differ")
    sums = entry_of(path, apart, lambda d: plus(d, bits, places))
    gaps = entry_of(path, apart, lambda d: -minus(d, bits, places) if d else 0)
    entry = path.wire(Mux(differ, -gaps, sums), "entry")
    more = max(0, places - bits)
    scaled = Cat(Const(0, bits + more - places), entry).as_signed()
    log = Cat(Const(0, more), large) - (fmt.exponent_bias << more) + scaled
    log = to_field(path, sign, path.wire(log, "logarithm"), more, into)
    total = _unless(path, log, path.wire(differ & ~apart.any(), "cancel"))
    none, other = path.wire(x.zero, "first_none"), path.wire(y.zero, "second_none")
    field = Mux(none, y.field, Mux(other, x.field, total.field))
    return Log(
        path.wire(Mux(none, y.sign, Mux(other, x.sign, total.sign)), "sign"),
        path.wire(field, "field"),
    )


def entry_of(path: Datapath, distance: Bits, entry: Callable[[int], int]) -> Bits:
    """A table's entry, from 0 on to where none is more than 0 any longer."""
    entries, last = [], 1 << len(distance)
    for d in range(last):
        entries.append(entry(d))
        if d and not entries[-1]:
            break
    index = (len(entries) - 1).bit_length()
    entries += [0] * ((1 << index) - len(entries))
    width = max(entries).bit_length()
    found = look_up(path, distance[:index], entries, width)
    if index == len(distance):
        return found
    beyond = path.wire(distance[index:].any(), "far")
    return Cat(*(bit & ~beyond for bit in found))


@sums.register
def _logs(order: LogSum, path: Datapath, lane: Lane) -> Bits:
    """Products are fields, too: `Lane.products` has none."""
    fmt = lane.unit.log_accumulator
    assert lane.log is not None
    acc = path.state(fmt.width, "acc")
    total = add(
        path, fields(path, acc, fmt), Log(*lane.log), order, (fmt, Rule(lane.unit.rounding))
    )
    path.hold(acc, Cat(total.field, total.sign))
    return acc
