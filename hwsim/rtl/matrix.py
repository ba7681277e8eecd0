"""Matrix units: blocks of products and the running sum, added at once."""

from __future__ import annotations

from hwsim.formats import FloatFormat, SumFormat
from hwsim.rtl.aligned import Term, block_sum, plain_zero
from hwsim.rtl.arithmetic import multiply
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Bits, Cat, Const, Datapath
from hwsim.rtl.lane import Lane, masked, sums
from hwsim.rtl.projection import project
from hwsim.rtl.staged import staged_sum
from hwsim.rtl.totals import to_number, total_of
from hwsim.units import Fused, MacUnit, Staged


@sums.register
def _fused(order: Fused, path: Datapath, lane: Lane) -> Bits:
    """The running sum is a term of every block, in the format of a block's results."""
    fmt, unit = lane.unit.block_format, lane.unit
    assert isinstance(fmt, FloatFormat)
    if order.promote is not None or fmt.emin != unit.accumulator.emin:  # type: ignore[union-attr]
        raise TypeError(f"order {order} of {unit.accumulator}: no datapath")
    acc = path.state(fmt.width, "acc")
    running = decode(path, acc, fmt, masked(unit))
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
    head = head_of(lane.unit)
    if not lane.scales:
        return [Term(product, head) for product in lane.products]
    size, terms = len(lane.products) // len(lane.scales), []
    for i, scale in enumerate(lane.scales):
        block = lane.products[i * size : (i + 1) * size]
        if order.exact is None:
            scaled = [multiply(path, product, scale) for product in block]
            more = lane.scale_head + int(scale.bits > 1)
            terms += [Term(x, head + more) for x in scaled]
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
    running = decode(path, acc, fmt, masked(lane.unit))
    terms = [Term(product, head_of(lane.unit)) for product in lane.products]
    total = staged_sum(path, terms, running, order, fmt)
    path.hold(acc, project(path, total, fmt, lane.rule(fmt)))
    return acc


def head_of(unit: MacUnit) -> int:
    """How far a product's exponent is below its first bit's: a power of two adds no bit."""
    formats = (unit.a, unit.b)
    return int(all(isinstance(fmt, FloatFormat) and fmt.precision > 1 for fmt in formats))
