"""Bins: an accumulator for each value of a codebook."""

from __future__ import annotations

from hwsim.formats import TableFormat
from hwsim.rtl.arithmetic import multiply
from hwsim.rtl.decoding import decode
from hwsim.rtl.hdl import Array, Bits, Datapath, Mux
from hwsim.rtl.lane import Lane, sums
from hwsim.rtl.numbers import normalised, ranked
from hwsim.rtl.steps import accumulate
from hwsim.rtl.tables import look_up
from hwsim.units import Bins, codebook_side


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
