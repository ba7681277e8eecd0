"""What a MAC unit, or a single operation, is made of: descriptions to lists of parts.

Choices, the same for every unit (none is fitted to a price):
* significands multiply in an array, sums ripple (`hwsim.costs.primitives`); approximate
  multipliers are those of `hwsim.costs.cores`, between magnitudes of two's complement operands;
* subnormal operands of a floating-point unit are normalised on entry, subnormal results are
  shifted onto their grid; formats without subnormals mask and flush instead, and operands
  under ``daz`` are masked;
* floating-point units are pipelined once, after the multiplier (an adder: after alignment):
  the flip-flops of that one rank are counted; integer and fixed-point units have none;
* operands come from outside: their registers belong to the array, not to the unit;
* a chunked unit has a second adder and register, which work once per chunk;
* interleaved lanes have one adder and as many registers as lanes; what adds up their sums works
  once per lane and output: one more adder, or, for a halving tree, one for each pair;
* a tree of W leaves has W multipliers, W − 1 adders and registers that work once per W products,
  and the accumulator's; a dot instruction the same, but its W − 1 adders keep every bit: they are
  as wide as the products span, and have no registers;
* a sum of logarithms is made of integers (`hwsim.costs.logsums`);
* a compensated sum (of two words) has an adder for each of its additions, and two registers;
* a unit of bins has one adder and as many registers as bins, and a multiplier and an adder that
  work once for each bin and output;
* posits are decoded on entry, an accumulator's too, and encoded wherever they are rounded
  (`hwsim.costs.posits`): in between they are floats of the precision that they have near 1;
* an exact unit has a register as wide as the products span plus `EXACT_GUARD_BITS`; rounding
  into the accumulator's format happens once per output;
* a unit that rounds stochastically has one random generator, and in every rounder an adder of its
  N bits (as in Ben Ali, Filip, Sentieys 2024, DATE).
"""

from __future__ import annotations

from dataclasses import replace

from hwsim.costs import primitives as t
from hwsim.costs.blocks import (
    Number,
    Piece,
    Scaled,
    add_fixed,
    add_float,
    convert,
    exponent_bits,
    number_of,
    placement,
    reformat,
    register,
    stored,
)
from hwsim.costs.compensated import compensated_pieces
from hwsim.costs.fused import fused_pieces, staged_pieces
from hwsim.costs.logsums import log_sum_pieces
from hwsim.costs.products import (
    as_masked,
    masked_format,
    multiplier_pieces,
    pipeline_rank,
    product_of,
)
from hwsim.costs.requantization import requantizer
from hwsim.costs.scales import scale_pieces, scaled
from hwsim.costs.tables import decoded, look_up, stored_products
from hwsim.costs.widths import EXACT_GUARD_BITS, register_bits
from hwsim.formats import FixedFormat, FloatFormat, SumFormat, stochastic_of
from hwsim.formats.stochastic import TAPS
from hwsim.units import (
    COMPENSATED,
    Bins,
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    Fused,
    Lanes,
    LogSum,
    MacUnit,
    Order,
    Sequential,
    Staged,
    StoredProduct,
    Tree,
    codebook_side,
)


def macs_per_cycle(order: Order) -> int:
    """Products that a unit takes in at once."""
    if isinstance(order, Tree | DotAdd):
        return order.width
    return order.terms if isinstance(order, Fused | Staged) else 1


def mac_pieces(unit: MacUnit) -> list[Piece]:
    """The parts of ``unit``, in the order data meets them."""
    if isinstance(unit.order, Bins):
        return _bins(unit, unit.order)
    if isinstance(unit.order, LogSum):
        return log_sum_pieces(unit, unit.order)
    unit = as_masked(unit)
    order, exact = unit.order, isinstance(unit.order, Exact)
    stored = isinstance(unit.multiplier, StoredProduct)
    sides = (unit.accumulator,) * 2 if stored else (unit.a, unit.b)
    product = product_of(*sides, unit.core)
    in_float = isinstance(unit.product_format or unit.accumulator, Scaled) and not (
        isinstance(order, Exact | Fused | Staged | DotAdd) and unit.product_format is None
    )
    if isinstance(unit.multiplier, StoredProduct):
        fmt = unit.multiplier.format
        pieces, product = [stored_products(unit.a, unit.b, fmt)], number_of(fmt)
    else:
        pieces = multiplier_pieces(unit.a, unit.b, in_float, unit.core)
    if unit.product_format is not None:
        into = unit.product_format
        pieces += convert(product, into, unit.rounding, unit.overflow_of(into), "product")
        product = number_of(into)
    if product.floating or isinstance(unit.accumulator, Scaled):
        exponent = exponent_bits(product) if product.floating else 0
        pieces.append(pipeline_rank("product register", product.bits, exponent, sides))
    scales = scale_pieces(unit, product)
    if exact:
        pieces += _exact_sum(unit, product)
    elif isinstance(order, Fused):
        pieces = [replace(piece, copies=order.terms) for piece in pieces]
        pieces += fused_pieces(unit, product, order)
    elif isinstance(order, Staged):
        pieces = [replace(piece, copies=order.terms) for piece in pieces]
        pieces += staged_pieces(unit, product, order)
    elif isinstance(order, COMPENSATED):
        pieces += compensated_pieces(unit, product, order)
    elif isinstance(order, Tree | DotAdd):
        pieces = [replace(piece, copies=order.width) for piece in pieces]
        pieces += _tree(unit, product, order) if isinstance(order, Tree) else []
        pieces += _exact_group(unit, product, order) if isinstance(order, DotAdd) else []
    else:
        pieces += accumulate(product, unit.accumulator, unit)
        if not product.floating and isinstance(unit.accumulator, FixedFormat):
            pieces = _merged(pieces, product.bits)
    if isinstance(order, Chunked):
        pieces += _outer_sum(unit)
    if isinstance(order, Lanes):
        pieces = [*pieces[:-1], replace(pieces[-1], copies=order.count), *_lane_sums(unit, order)]
    pieces += scales
    how = stochastic_of(unit.rounding)
    if how and any(piece.name.endswith("rounding") and piece.transistors for piece in pieces):
        width = f"{how.bits} bits of a register of {how.lfsr or max(TAPS)}"
        pieces.append(Piece("random generator", t.random_generator(how), width, beside=True))
    if isinstance(order, DoubleWord):
        pass  # both words are rounded into the output's format at once
    elif unit.requantization is not None:
        pieces += requantizer(unit.requantization, unit.outer_format, unit.output_format)
    elif unit.output is not None:
        overflow = unit.overflow_of(unit.output)
        done = reformat(unit.outer_format, unit.output, unit.rounding, overflow, "output")
        pieces += [replace(piece, per="output") for piece in done]
    return [piece for piece in pieces if piece.transistors]


def _merged(pieces: list[Piece], bits: int) -> list[Piece]:
    """An array and the adder that it feeds, as one."""
    if all(piece.name != "significand multiplier" for piece in pieces):
        return pieces
    return [
        replace(piece, logic=t.merged(piece.logic, bits)) if piece.name == "adder" else piece
        for piece in pieces
    ]


def accumulate(value: Number, fmt: SumFormat, unit: MacUnit) -> list[Piece]:
    """fmt ← R(fmt + value) by the unit's rules, and the register that holds it."""
    overflow = unit.overflow_of(fmt)
    if isinstance(fmt, Scaled):
        pieces = add_float(value, fmt, unit.rounding, overflow)
        if unit.ftz and isinstance(fmt, FloatFormat):  # after rounding on the grid of subnormals
            flush = t.gate_tree(fmt.exponent_bits) + t.AND * fmt.width
            pieces.append(Piece("flush to zero", flush))
    else:
        pieces = add_fixed(value, fmt, unit.rounding, overflow)
    return [*pieces, register("accumulator register", fmt.width)]


def _outer_sum(unit: MacUnit) -> list[Piece]:
    value = scaled(stored(unit.accumulator), unit)
    pieces = accumulate(value, unit.outer_format, unit)
    return [replace(piece, name=f"outer {piece.name}", per="chunk") for piece in pieces]


def _lane_sums(unit: MacUnit, order: Lanes) -> list[Piece]:
    """What adds up the lanes' sums and c: its register is the first lane's."""
    adders = accumulate(stored(unit.accumulator), unit.accumulator, unit)[:-1]
    copies = order.count if order.tree else 1
    return [
        replace(piece, name=f"lanes' {piece.name}", per="output", copies=copies, uses=order.count)
        for piece in adders
    ]


def _bins(unit: MacUnit, order: Bins) -> list[Piece]:
    """One adder, as many registers as bins, and a multiplier and an adder that work once for each
    bin and output.  Zeros, draws and the output conversion are priced as those of a plain unit."""
    side = codebook_side(unit)
    assert side is not None
    book, other = (unit.b, unit.a) if side else (unit.a, unit.b)
    masked = masked_format(other) if unit.daz else other
    plain = replace(unit, accumulator=unit.outer_format, order=Sequential(), daz=False)
    sums = accumulate(stored(decoded(masked)), unit.accumulator, unit)
    bits = unit.accumulator.width
    ports = 2 * t.selection(order.count, bits)
    after = mac_pieces(replace(plain, a=unit.accumulator, b=book))
    return [
        *look_up(masked),
        *sums[:-1],
        replace(sums[-1], name="bins", copies=order.count),
        Piece("bin selection", ports, f"{order.count} bins"),
        *(
            replace(piece, name=f"last {piece.name}", per="output", uses=order.count)
            if piece.per == "mac"
            else piece
            for piece in after
        ),
    ]


def _tree(unit: MacUnit, product: Number, order: Tree) -> list[Piece]:
    """The nodes on two leaves, the other nodes, each with its register, and the accumulator."""
    fmt, pairs = unit.accumulator, order.width // 2
    value = stored(fmt)
    found = []
    for name, number, count in (("leaf", product, pairs), ("node", value, order.width - 1 - pairs)):
        *adder, held = accumulate(number, fmt, unit)
        found += [
            replace(piece, name=f"{name}: {piece.name}", per="chunk", copies=count, uses=count)
            for piece in (*adder, replace(held, name="register"))
            if count
        ]
    root = accumulate(value, fmt, unit)
    return [*found, *(replace(piece, per="chunk") for piece in root)]


def _exact_group(unit: MacUnit, product: Number, order: DotAdd) -> list[Piece]:
    """Products added up without rounding, and one step of the accumulator for all of them."""
    bits = (order.width - 1).bit_length() + product.bits
    if product.floating:
        bits = 1 + (order.width - 1).bit_length() + product.high - product.low + 1
    total = Number(bits, product.low, product.low + bits - 1, product.smallest, False)
    placed = [placement(product, total, bits)] if product.floating else []
    count = order.width - 1
    adders = Piece("exact adder", t.adder(bits), f"{bits} bits", "chunk", count, count)
    adders = replace(adders, levels=(order.width - 1).bit_length())
    own: list[Piece] = []
    if order.partial is not None:
        own = convert(total, order.partial, "rne", "saturate", "partial sum")
        total = stored(order.partial)
    step = [*own, *accumulate(total, unit.accumulator, unit)]
    return [
        *(replace(piece, copies=order.width) for piece in placed),
        adders,
        *(replace(piece, per="chunk") for piece in step),
    ]


def _exact_sum(unit: MacUnit, product: Number) -> list[Piece]:
    """A register on which every product has its place; one rounding per output."""
    bits, low = register_bits(unit), product.low
    if unit.core is None and unit.product_format is None:
        low = max(low, unit.a.quantum_exponent + unit.b.quantum_exponent)
    total = Number(bits, low, low + bits - 1, low, False)
    placed = [placement(product, total, bits)] if product.floating else []
    overflow = unit.overflow_of(unit.accumulator)
    done = convert(total, unit.accumulator, unit.rounding, overflow, "total")
    return [
        *placed,
        Piece("wide adder", t.adder(bits), f"{bits} bits"),
        register("exact register", bits, f"{bits} bits, {EXACT_GUARD_BITS} of them guard"),
        *(replace(piece, per="output") for piece in done),
    ]
